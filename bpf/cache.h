/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The microflow cache (include/ofxdp/cache.h): a packet whose flow has been resolved before needs no table.
 *
 * The common verdict (count flows, set fields, one output) has a simple form, which runs in line (here; bpf/simple.h
 * makes it); any other is kept as its ops, for execute().  Both do what a walk of the tables would have done, counters
 * and drop reasons included.
 */
#ifndef BPF_CACHE_H
#define BPF_CACHE_H

#include "bpf/counter.h"
#include "bpf/execute.h"
#include "bpf/flow_log.h"
#include "bpf/maps.h"
#include "bpf/verdict.h"

/* s->cache_at */
#define CACHE_NONE 0xffffffffU	/* this packet's verdict is not to be kept */
#define CACHE_SHORT 0x80000000U /* with line * 2 + half: in cache_short */

/* --- lookup --- */

/*
 * The generation: read before any mask.  Masks of an older one with it, and the entry would serve packets that differ
 * in what a rule of this generation looks at.
 */
static __always_inline __u64 cache_begin(const struct ofx_cache_live *live)
{
	__u64 gen = *(volatile __u64 *)&live->gen;

	asm volatile("" ::: "memory"); /* masks are not read ahead of it */
	return gen;
}

/* The words that an entry does not hold must not matter. */
static __always_inline int cache_fits(const struct ofx_state *s, const struct ofx_cache_live *live)
{
	const __u64 *w = s->key.w, *m = live->mask;

	return !((w[7] & m[7]) | (w[8] & m[8]) | (w[9] & m[9]) | (w[11] & m[11]) | (w[12] & m[12]) | (w[13] & m[13]) |
		 (w[14] & m[14]));
}

static __always_inline __u64 cache_port_shape(const struct ofx_cache_live *live, __u32 index, __u64 shape)
{
	return (index & live->mask[OFX_W_PORTS]) | shape << 32;
}

/*
 * The hash of a key is the sum of its words, each times a secret odd factor.  It is summed up while the words are still
 * in registers, for the place in the cache depends on it, and much on that; its upper bits are the good ones.
 */
static __always_inline __u64 look_word(struct cache_look *look, int i, __u64 word)
{
	look->key[i] = word;
	return word * ofx_cache_secret[i];
}

/* A word in whose top byte addresses or ports end (include/ofxdp/hash.h). */
static __always_inline __u64 look_folded(struct cache_look *look, int i, __u64 word)
{
	look->key[i] = word;
	return ofx_hash_fold(word) * ofx_cache_secret[i];
}

/* Of a packet that has been parsed.  Gives the hash. */
static __always_inline __u64 cache_look_parsed(struct cache_look *look, const struct ofx_state *s,
					       const struct ofx_cache_live *live)
{
	const __u64 *w = s->key.w, *m = live->mask;
	__u64 h = look_word(look, 0, w[3] & m[3]);

	h += look_word(look, 1, w[4] & m[4]);
	h += look_folded(look, 2, w[5] & m[5]);
	h += look_folded(look, 3, w[6] & m[6]);
	h += look_word(look, 4, w[10] & m[10]);
	return h + look_word(look, 5, cache_port_shape(live, s->in_index, s->key.shape));
}

/* Of plain packets; which of the two it is, their protocol tells. */
#define PLAIN_SHAPES (OFX_SHAPE_IPV4 | OFX_SHAPE_TCP | OFX_SHAPE_UDP)

static __always_inline __u64 cache_look_plain(struct cache_look *look, const void *p, __u32 index,
					      const struct ofx_cache_live *live)
{
	const __u64 *m = live->mask;
	__u64 h = look_word(look, 0, plain_eth_dst(p) & m[3]);

	h += look_word(look, 1, plain_eth_src(p) & m[4]);
	h += look_folded(look, 2, plain_l4(p) & m[5]);
	h += look_folded(look, 3, plain_addr(p) & m[6]);
	h += look_word(look, 4, plain_flags(p) & m[10]);
	return h + look_word(look, 5, cache_port_shape(live, index, PLAIN_SHAPES));
}

#define SHORT_MARK 2  /* in cache_look.key */
#define SHORT_PORT 16 /* bits */

/* The same in two words and a mark; keys: live->short_keys. */
static __always_inline __u64 cache_look_short(struct cache_look *look, const void *p, __u32 index,
					      const struct ofx_cache_live *live, __u64 keys)
{
	const __u64 *m = live->mask;
	__u64 h = look_word(look, SHORT_MARK, look->gen << SHORT_PORT | (index & m[OFX_W_PORTS]));

	if (keys == OFX_KEYS_L3) {
		h += look_folded(look, 0, plain_addr(p) & m[6]);
		h += look_folded(look, 1, plain_l4(p) & m[5]);
		asm volatile("" ::: "memory"); /* one branch, not one for each value */
	} else {
		h += look_word(look, 0, plain_eth_dst(p) & m[3]);
		h += look_word(look, 1, plain_eth_src(p) & m[4]);
	}
	return h;
}

/* The number of the entry where the packet's verdict should be; first ^ 1 is nearly as good. */
static __always_inline __u32 cache_first(const struct ofx_state *s, __u64 hash)
{
	return hash >> (s->cache.shift & 63);
}

/* Of another one, for when others are there. */
static __always_inline __u32 cache_second(const struct ofx_state *s, __u64 hash)
{
	return (hash ^ hash >> 32) * 0x9fb21c651e98df25ULL >> 20 & s->cache.mask;
}

/* Entry number `at`. */
static __always_inline struct ofx_cached *cache_entry(struct ofx_state *s, __u32 at)
{
	if (s->cache.mask < OFX_CACHE_NEAR)
		return &s->near[at % OFX_CACHE_NEAR];
	return element_at(&cache, s->cpu, at);
}

/* Short entries line * 2 and line * 2 + 1. */
static __always_inline struct ofx_cached_pair *cache_pair(struct ofx_state *s, __u32 line)
{
	if (s->cache.mask < OFX_CACHE_NEAR)
		return &s->near_short[line % (OFX_CACHE_NEAR / 2)];
	return element_at(&cache_short, s->cpu, line);
}

static __always_inline int cache_matches(const struct cache_look *look, const struct ofx_cached *e)
{
	const __u64 *a = look->key, *b = e->key;

	return !((look->gen ^ e->gen) | (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) |
		 (a[5] ^ b[5]));
}

/* The counters of the window that ends. */
static __always_inline void cache_account(struct ofx_cache_cpu *c)
{
	if (c->mode == OFX_CACHE_OFF)
		c->bypassed += c->window;
	else
		c->hits += c->window - c->window_misses;
	c->misses += c->window_misses;
}

/* Has the CPU more than the near entries? */
static __always_inline int cache_has_all(const struct ofx_state *s)
{
	__u32 cpu = s->cpu;

	return ofx_cache_entries > OFX_CACHE_NEAR && bpf_map_lookup_elem(&cache, &cpu) &&
	       bpf_map_lookup_elem(&cache_short, &cpu);
}

/* Too many misses: all entries instead of the near ones, or a pause. */
static __always_inline void cache_retreat(struct ofx_state *s)
{
	struct ofx_cache_cpu *c = &s->cache;

	if (c->mask < ofx_cache_entries - 1 && cache_has_all(s)) {
		c->mask = ofx_cache_entries - 1;
		c->shift = ofx_cache_shift;
		c->mode = OFX_CACHE_WARM;
		c->window = ofx_cache_entries;
		return;
	}
	c->mode = OFX_CACHE_OFF;
	c->window = OFX_CACHE_PAUSE << (c->pauses & 7);
	if (c->pauses < OFX_CACHE_PAUSES)
		c->pauses += 1;
}

/* The time has come to look at the mode. */
__weak __noinline int cache_turn(struct ofx_state *s)
{
	struct ofx_cache_cpu *c;
	__u32 misses, was;

	if (!s)
		return 0;
	c = &s->cache;
	misses = c->window_misses;
	was = c->window;
	cache_account(c);
	c->window_misses = 0;
	c->window = OFX_CACHE_WINDOW;
	if (!ofx_cache_entries) { /* off for good */
		c->mode = OFX_CACHE_OFF;
		c->window = OFX_CACHE_PAUSE;
	} else if (!c->mask) {
		c->mask = OFX_CACHE_NEAR - 1;
		c->shift = 64 - OFX_CACHE_NEAR_BITS;
	} else if (c->mode == OFX_CACHE_WARM) {
		if (was != OFX_CACHE_TASTE)
			c->mode = OFX_CACHE_TRY;
		else if (misses > OFX_CACHE_HOPELESS)
			cache_retreat(s);
		else
			c->window = ofx_cache_entries;
	} else if (c->mode == OFX_CACHE_OFF) {
		c->mode = OFX_CACHE_WARM;
		c->window = OFX_CACHE_TASTE;
	} else if (misses <= (c->mode == OFX_CACHE_TRY ? OFX_CACHE_TURN_ON : OFX_CACHE_TURN_OFF)) {
		c->mode = OFX_CACHE_ON;
		c->pauses = 0;
	} else {
		cache_retreat(s);
	}
	c->left = c->window;
	return 0;
}

/* The generation, or 0: the cache is not to be asked. */
static __always_inline __u64 cache_gen(struct ofx_state *s, __u64 gen)
{
	if (!s->cache.left)
		cache_turn(s);
	s->cache.left -= 1;
	return s->cache.mode == OFX_CACHE_OFF ? 0 : gen;
}

/*
 * The verdict (.word) at `at`, or 0.  If it is not there, and nobody is whose packets still come, then it may be kept
 * there.
 */
static __always_inline __u64 cache_try(struct ofx_state *s, const struct cache_look *look, __u32 at)
{
	const struct ofx_cached *e = cache_entry(s, at);

	if (!e)
		return 0;
	if (cache_matches(look, e)) {
		s->cache_at = at;
		return e->verdict.word;
	}
	if (s->cache_at == CACHE_NONE && e->gen != look->gen)
		s->cache_at = at;
	return 0;
}

/* A miss, but for where to keep the verdict: of four entries in use one gives way, by turns. */
static __always_inline __u32 cache_missed(struct ofx_state *s)
{
	s->cache.window_misses += 1;
	return s->cache.left;
}

/* The other two places of a packet that is not in the first two. */
__weak __noinline __u64 cache_find_far(struct ofx_state *s, __u32 first, __u64 hash)
{
	__u32 second, turn;
	__u64 verdict;

	if (!s)
		return 0;
	second = cache_second(s, hash);
	verdict = cache_try(s, &s->look, second);
	if (!verdict)
		verdict = cache_try(s, &s->look, second ^ 1);
	if (verdict)
		return verdict;
	turn = cache_missed(s);
	if (s->cache_at == CACHE_NONE)
		s->cache_at = (turn & 2 ? first : second) ^ (turn & 1);
	return 0;
}

/*
 * The packet's verdict, or 0; then s->cache_at is where its verdict is to be kept.  Four places, of which two are by
 * another part of the hash: flows hardly ever displace each other, and most are at their first.
 */
static __always_inline __u64 cache_find(struct ofx_state *s, __u64 hash)
{
	__u32 first = cache_first(s, hash);
	__u64 verdict;

	verdict = cache_try(s, &s->look, first);
	if (verdict)
		return verdict;
	verdict = cache_try(s, &s->look, first ^ 1);
	return verdict ? verdict : cache_find_far(s, first, hash);
}

/* 0: it is the packet's; 1.  Not by a branch: which of a pair it is, nobody can predict. */
static __always_inline __u64 short_differs(const struct cache_look *look, const struct ofx_cached_short *e)
{
	__u64 d = (look->key[SHORT_MARK] ^ e->mark) | (look->key[0] ^ e->key[0]) | (look->key[1] ^ e->key[1]);
	__u64 minus = d;

	asm volatile("%0 = -%0" : "+r"(minus)); /* unknown to the compiler, or it would make it a comparison */
	return (d | minus) >> 63;
}

/* As cache_try(), of a pair. */
static __always_inline __u64 short_try(struct ofx_state *s, const struct cache_look *look, __u32 line)
{
	const struct ofx_cached_pair *pair = cache_pair(s, line);
	__u32 at = CACHE_SHORT | line << 1;
	__u64 not0, not1, verdict;

	if (!pair)
		return 0;
	not0 = short_differs(look, &pair->e[0]);
	not1 = short_differs(look, &pair->e[1]);
	verdict = (pair->e[0].verdict.word & (not0 - 1)) | (pair->e[1].verdict.word & (not1 - 1));
	if (verdict) {
		s->cache_at = at | not0;
		return verdict;
	}
	if (s->cache_at != CACHE_NONE)
		return 0;
	if (pair->e[0].mark >> SHORT_PORT != look->gen)
		s->cache_at = at;
	else if (pair->e[1].mark >> SHORT_PORT != look->gen)
		s->cache_at = at | 1;
	return 0;
}

__weak __noinline __u64 short_find_far(struct ofx_state *s, __u32 first, __u64 hash)
{
	__u32 second, turn;
	__u64 verdict;

	if (!s)
		return 0;
	second = cache_second(s, hash) >> 1;
	verdict = short_try(s, &s->look, second);
	if (verdict)
		return verdict;
	turn = cache_missed(s);
	if (s->cache_at == CACHE_NONE)
		s->cache_at = CACHE_SHORT | (turn & 2 ? first : second) << 1 | (turn & 1);
	return 0;
}

/* As cache_find(), by a short key. */
static __always_inline __u64 short_find(struct ofx_state *s, __u64 hash)
{
	__u32 first = cache_first(s, hash) >> 1; /* the number of a pair */
	__u64 verdict;

	verdict = short_try(s, &s->look, first);
	return verdict ? verdict : short_find_far(s, first, hash);
}

/* --- run --- */

static __always_inline struct ofx_cached_more *cache_more_at(struct ofx_state *s)
{
	return &s->more[s->cache_at % OFX_CACHE_NEAR];
}

/* The rest of the entry that the packet has found.  NULL: another entry has taken it. */
static __always_inline const struct ofx_cached_more *cache_more_found(struct ofx_state *s)
{
	const struct ofx_cached_more *more = cache_more_at(s);

	return more->owner == s->cache_at + 1ULL ? more : NULL;
}

static __always_inline int cache_has_more(__u64 v)
{
	return ofx_cached_n(v) > 1 || ofx_cached_kind(v) == OFX_CACHED_OPS;
}

/* Addresses are changed with the two bytes behind them, which stay. */
static __always_inline void cache_set_mac(void *at, __u64 mask, __u64 value)
{
	pkt64 *word = at;

	if (mask)
		*word = (*word & ~mask) | value;
}

static __always_inline int cache_set_eth(ofx_ctx *ctx, const struct ofx_cached_more *more)
{
	void *p = pkt_at(ctx, 0, ETH_HLEN);

	if (!p)
		return -1;
	cache_set_mac(p, more->eth_mask[0], more->eth_value[0]);
	cache_set_mac(p + ETH_ALEN, more->eth_mask[1], more->eth_value[1]);
	return 0;
}

/* The set-fields that have checksums to keep. */
__weak __noinline int cache_set_fields(ofx_ctx *ctx, struct ofx_state *s, const struct ofx_cached_more *more)
{
	const void *p;

	if (!ctx || !s || !more)
		return -1;
	p = plain_at(ctx);
	if (p) { /* else it has been parsed */
		s->key.w[OFX_W_SHAPE] = plain_shape(p);
		plain_offsets(s);
	}
	s->dirty = 0;
	for (int i = 0; i < OFX_CACHE_SETS; i++) {
		__u32 w = more->set[i].word & 15;

		if (i >= more->n_sets || w >= OFX_KEY_WORDS)
			break;
		s->set_value[w] = more->set[i].value;
		s->set_mask[w] = more->set[i].mask;
		s->dirty |= 1u << w;
	}
	return commit_sets(ctx, s);
}

static __always_inline int cache_set(ofx_ctx *ctx, struct ofx_state *s, const struct ofx_cached_more *more)
{
	if (more->sets_eth && cache_set_eth(ctx, more))
		return -1;
	return more->n_sets ? cache_set_fields(ctx, s, more) : 0;
}

/* Does the port not take the frame?  0, or the reason + 1. */
static __always_inline int cache_refused(__u32 index, __u32 len)
{
	const struct ofx_cache_live *live = (const void *)cache_live;

	return len > live->ports_take ? port_refuses(port_at(index), len) : 0;
}

static __always_inline int cache_send(ofx_ctx *ctx, struct ofx_state *s, __u32 index, __u32 len)
{
	if (ctx_redirect(&tx_ports, index) != OFX_ACT_REDIRECT)
		return drop(OFX_DROP_OUTPUT_NO_PORT);
	count_tx(s, index, len);
	return OFX_ACT_REDIRECT;
}

/* OFX_CACHED_OUTPUT and OFX_CACHED_IN_PORT, as output_port() would. */
static __always_inline int cache_output(ofx_ctx *ctx, struct ofx_state *s, __u64 v, const struct ofx_cached_more *more,
					__u32 in_index, __u32 len)
{
	__u32 index = ofx_cached_port(v);
	int refused;

	if (ofx_cached_kind(v) == OFX_CACHED_IN_PORT)
		index = in_index;
	else if (index == in_index)
		return drop(OFX_DROP_OUTPUT_IN_PORT);
	refused = cache_refused(index, len);
	if (refused)
		return drop(refused - 1);
	if (ofx_cached_n(v) & OFX_CACHED_SETS && more && cache_set(ctx, s, more))
		return drop(OFX_DROP_ACTION_FAILED);
	return cache_send(ctx, s, index, len);
}

/* The most common verdict: one flow, one output, nothing else (ofx_cached_forwards()). */
static __always_inline int cache_forward(ofx_ctx *ctx, struct ofx_state *s, __u64 v, __u32 in_index, __u32 len)
{
	const __u32 index = ofx_cached_port(v);
	int refused;

	count_first(s, v, len);
	if (index == in_index)
		return drop(OFX_DROP_OUTPUT_IN_PORT);
	refused = cache_refused(index, len);
	return refused ? drop(refused - 1) : cache_send(ctx, s, index, len);
}

/* A simple verdict, found in the cache or just made.  more: NULL if it needs none. */
static __always_inline int cache_run(ofx_ctx *ctx, struct ofx_state *s, __u64 v, const struct ofx_cached_more *more,
				     __u32 in_index, __u32 len)
{
	__u32 kind = ofx_cached_kind(v);

	count_flows(s, v, more, len);
	if (kind <= OFX_CACHED_IN_PORT)
		return cache_output(ctx, s, v, more, in_index, len);
	if (kind == OFX_CACHED_NONE)
		return drop(OFX_DROP_NO_OUTPUT);
	count_miss(ofx_cached_port(v));
	return drop(OFX_DROP_NO_MATCH);
}

#endif
