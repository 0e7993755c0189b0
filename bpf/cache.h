/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The microflow cache (include/ofxdp/cache.h): a packet whose flow has been resolved before needs no table.
 *
 * The common verdict (count flows, set fields, one output) is kept in a form that runs in line; any other as its ops,
 * for execute().  Both do what a walk of the tables would have done, counters and drop reasons included.
 */
#ifndef BPF_CACHE_H
#define BPF_CACHE_H

#include "bpf/counter.h"
#include "bpf/execute.h"
#include "bpf/maps.h"
#include "bpf/resolve.h"
#include "bpf/verdict.h"

#define CACHE_NONE 0xffffffffU /* s->cache_at: this packet's verdict is not to be kept */

/* --- lookup --- */

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

/* Of a packet that has been parsed. */
static __always_inline void cache_look_parsed(struct cache_look *look, const struct ofx_state *s,
					      const struct ofx_cache_live *live)
{
	const __u64 *w = s->key.w, *m = live->mask;

	look->key[0] = w[3] & m[3];
	look->key[1] = w[4] & m[4];
	look->key[2] = w[5] & m[5];
	look->key[3] = w[6] & m[6];
	look->key[4] = w[10] & m[10];
	look->key[5] = cache_port_shape(live, s->in_index, s->key.shape);
}

/* Of a plain packet. */
static __always_inline void cache_look_plain(struct cache_look *look, const struct plain *k, __u32 index,
					     const struct ofx_cache_live *live)
{
	const __u64 *m = live->mask;

	look->key[0] = k->eth_dst & m[3];
	look->key[1] = k->eth_src & m[4];
	look->key[2] = k->l4 & m[5];
	look->key[3] = k->addr & m[6];
	look->key[4] = k->flabel & m[10];
	look->key[5] = cache_port_shape(live, index, PLAIN_SHAPE);
}

/* Number of the set's first entry.  Independent products: they run in parallel. */
static __always_inline __u32 cache_slot(const struct cache_look *look, __u32 cpu)
{
	const __u64 *k = look->key;
	__u64 h = k[0] * 0x9e3779b97f4a7c15ULL + k[1] * 0xbf58476d1ce4e5b9ULL + k[2] * 0x94d049bb133111ebULL +
		  k[3] * 0xff51afd7ed558ccdULL + k[4] * 0xc4ceb9fe1a85ec53ULL + k[5];

	h = (h ^ h >> 32 ^ ofx_secret) * 0x9fb21c651e98df25ULL;
	return cpu * OFX_CACHE_ENTRIES + ((h >> 40) & (OFX_CACHE_ENTRIES - 2));
}

static __always_inline int cache_matches(const struct cache_look *look, const struct ofx_cached *e)
{
	const __u64 *a = look->key, *b = e->key;

	return !((look->gen ^ e->gen) | (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) |
		 (a[5] ^ b[5]));
}

/* The time has come to look at the mode. */
__weak __noinline int cache_turn(struct ofx_state *s)
{
	struct ofx_cache_cpu *c;
	__u32 misses;

	if (!s)
		return 0;
	c = &s->cache;
	misses = c->window_misses;
	if (c->mode == OFX_CACHE_OFF)
		c->bypassed += c->window;
	else
		c->hits += c->window - misses;
	c->misses += misses;
	c->window_misses = 0;
	c->window = OFX_CACHE_WINDOW;
	if (c->mode == OFX_CACHE_WARM) {
		c->mode = OFX_CACHE_TRY;
	} else if (c->mode == OFX_CACHE_OFF) {
		c->mode = OFX_CACHE_WARM;
		c->window = OFX_CACHE_ENTRIES;
	} else if (misses <= (c->mode == OFX_CACHE_TRY ? OFX_CACHE_TURN_ON : OFX_CACHE_TURN_OFF)) {
		c->mode = OFX_CACHE_ON;
	} else {
		c->mode = OFX_CACHE_OFF;
		c->window = OFX_CACHE_PAUSE;
	}
	c->left = c->window;
	return 0;
}

/* The generation, or 0: the cache is not to be asked. */
static __always_inline __u64 cache_gen(struct ofx_state *s, const struct ofx_cache_live *live)
{
	__u64 gen = *(volatile __u64 *)&live->gen;

	if (!s->cache.left)
		cache_turn(s);
	s->cache.left -= 1;
	return s->cache.mode == OFX_CACHE_OFF ? 0 : gen;
}

static __always_inline void cache_missed(struct ofx_state *s, __u32 at)
{
	s->cache.window_misses += 1;
	s->cache_at = at;
}

/* The packet's entry, or NULL; then s->cache_at is where its verdict is to be kept. */
static __always_inline const struct ofx_cached *cache_find(struct ofx_state *s, const struct cache_look *look)
{
	__u32 at = cache_slot(look, s->cpu), second = at + 1;
	const struct ofx_cached *e = bpf_map_lookup_elem(&cache, &at), *f;

	if (!e)
		return NULL;
	if (cache_matches(look, e))
		return e;
	f = bpf_map_lookup_elem(&cache, &second);
	if (!f)
		return NULL;
	if (cache_matches(look, f))
		return f;
	/* an older generation gives way, else one of the two by turns */
	cache_missed(s, e->gen != look->gen || (f->gen == look->gen && s->cache.left & 1) ? at : second);
	return NULL;
}

/* --- a hit --- */

static __always_inline void cache_count_flow(__u32 cell, __u32 len)
{
	struct ofx_counter *c = bpf_map_lookup_elem(&flow_counters, &cell);

	if (!c)
		return;
	c->packets += 1;
	c->bytes += len;
}

static __always_inline void cache_count_flows(const struct ofx_cached *e, __u32 len)
{
	__u32 n = e->n & OFX_CACHED_N;

	if (!n)
		return;
	cache_count_flow(e->cell0, len);
#pragma unroll
	for (int i = 0; i < OFX_CACHE_FLOWS - 1; i++) {
		if (i + 1 >= n)
			return;
		cache_count_flow(e->cell[i], len);
	}
}

/* Addresses are changed with the two bytes behind them, which stay. */
static __always_inline void cache_set_mac(void *at, __u64 mask, __u64 value)
{
	pkt64 *word = at;

	if (mask)
		*word = (*word & ~mask) | value;
}

static __always_inline int cache_set_eth(ofx_ctx *ctx, const struct ofx_cached *e)
{
	void *p = pkt_at(ctx, 0, ETH_HLEN);

	if (!p)
		return -1;
	cache_set_mac(p, e->eth_mask[0], e->eth_value[0]);
	cache_set_mac(p + ETH_ALEN, e->eth_mask[1], e->eth_value[1]);
	return 0;
}

/* The set-fields that have checksums to keep. */
__weak __noinline int cache_set(ofx_ctx *ctx, struct ofx_state *s, const struct ofx_cached *e)
{
	struct plain k;

	if (!ctx || !s || !e)
		return -1;
	if (!plain_read(ctx, &k)) { /* else it has been parsed */
		s->key.w[OFX_W_SHAPE] = PLAIN_SHAPE;
		plain_offsets(s);
	}
	s->dirty = 0;
	for (int i = 0; i < OFX_CACHE_SETS; i++) {
		__u32 w = e->set[i].word & 15;

		if (i >= e->n_sets || w >= OFX_KEY_WORDS)
			break;
		s->set_value[w] = e->set[i].value;
		s->set_mask[w] = e->set[i].mask;
		s->dirty |= 1u << w;
	}
	return commit_sets(ctx, s);
}

/* OFX_CACHED_OUTPUT and OFX_CACHED_IN_PORT, as output_port() would. */
static __always_inline int cache_output(ofx_ctx *ctx, struct ofx_state *s, const struct ofx_cached *e, __u32 in_index,
					__u32 len)
{
	__u32 index = e->port;
	int refused;

	if (e->kind == OFX_CACHED_IN_PORT)
		index = in_index;
	else if (index == in_index)
		return drop(OFX_DROP_OUTPUT_IN_PORT);
	refused = port_refuses(port_at(index), len);
	if (refused)
		return drop(refused - 1);
	if (e->n & OFX_CACHED_SETS) {
		if (e->sets_eth && cache_set_eth(ctx, e))
			return drop(OFX_DROP_ACTION_FAILED);
		if (e->n_sets && cache_set(ctx, s, e))
			return drop(OFX_DROP_ACTION_FAILED);
	}
	if (ctx_redirect(&tx_ports, index) != OFX_ACT_REDIRECT)
		return drop(OFX_DROP_OUTPUT_NO_PORT);
	count_tx(index, len);
	return OFX_ACT_REDIRECT;
}

/* An entry's ops become the verdict.  What set-fields of apply-actions make of the key, group hashes look at. */
__weak __noinline int cache_load(struct ofx_state *s, const struct ofx_cached *e)
{
	if (!s || !e)
		return -1;
	for (int i = 0; i < OFX_CACHE_OPS; i++) {
		const struct ofx_op *op = &e->ops[i];

		if (i >= *(volatile __u8 *)&e->n)
			break;
		if (op->code == OFX_OP_SET && op->arg != OFX_BY_ACTION_SET)
			key_set(&s->key, op);
		verdict_copy(s, op);
	}
	return 0;
}

/* --- a miss: keep what the walk came to --- */

static __always_inline int cache_add_flow(const struct ofx_state *s, struct ofx_cached *e, __u32 id)
{
	__u32 n = e->n, cell = s->cpu * ofx_n_flow_ids + id;

	if (!n)
		e->cell0 = cell;
	else if (n < OFX_CACHE_FLOWS)
		e->cell[(n - 1) & (OFX_CACHE_FLOWS - 1)] = cell;
	else
		return -1;
	e->n = n + 1;
	return 0;
}

static __always_inline int cache_add_eth(struct ofx_cached *e, const struct ofx_op *op)
{
	__u32 i = op->a == OFX_W_ETH_SRC;

	e->eth_value[i] = (e->eth_value[i] & ~op->mask) | op->value;
	e->eth_mask[i] |= op->mask;
	e->sets_eth = 1;
	return 0;
}

static __always_inline int cache_add_set(const struct ofx_state *s, struct ofx_cached *e, const struct ofx_op *op)
{
	__u32 w = op->a;

	if (w == OFX_W_METADATA || w == OFX_W_TUNNEL_ID || e->kind != OFX_CACHED_NONE)
		return 0; /* nobody looks at it any more */
	if (op->b && !(s->key.shape & op->b))
		return -1;
	for (__u32 i = 0; i < OFX_CACHE_SETS; i++) {
		if (i < e->n_sets && e->set[i].word != w)
			continue;
		if (i >= e->n_sets) {
			/* these are written first, so only if none of the others comes before it */
			if ((w == OFX_W_ETH_DST || w == OFX_W_ETH_SRC) && !(op->mask & ~PKT_FIRST6))
				return cache_add_eth(e, op);
			e->set[i].word = w;
			e->set[i].value = 0;
			e->set[i].mask = 0;
			e->n_sets = i + 1;
		}
		e->set[i].value = (e->set[i].value & ~op->mask) | op->value;
		e->set[i].mask |= op->mask;
		return 0;
	}
	return -1;
}

static __always_inline int cache_add_end(struct ofx_cached *e, __u8 kind, __u16 port)
{
	if (e->kind != OFX_CACHED_NONE)
		return -1;
	e->kind = kind;
	e->port = port;
	return 0;
}

/* An op of the verdict into an entry's simple form.  -1: it has none. */
static __always_inline int cache_add(const struct ofx_state *s, struct ofx_cached *e, const struct ofx_op *op)
{
	switch (op->code) {
	case OFX_OP_FLOW:
		return cache_add_flow(s, e, op->arg);
	case OFX_OP_SET:
		return cache_add_set(s, e, op);
	case OFX_OP_OUTPUT:
		return cache_add_end(e, OFX_CACHED_OUTPUT, op->arg);
	case OFX_OP_IN_PORT:
		return cache_add_end(e, OFX_CACHED_IN_PORT, 0);
	case OFX_OP_MISS:
		return cache_add_end(e, OFX_CACHED_MISS, op->a);
	}
	return -1;
}

__weak __noinline int cache_add_op(struct ofx_state *s, struct ofx_cached *e, __u32 i)
{
	return s && e ? cache_add(s, e, verdict_op(s, i)) : -1;
}

static __always_inline void cache_simple_begin(struct ofx_cached *e)
{
	e->gen = 0;
	e->kind = OFX_CACHED_NONE;
	e->n = 0;
	e->n_sets = 0;
	e->sets_eth = 0;
	e->eth_mask[0] = e->eth_mask[1] = e->eth_value[0] = e->eth_value[1] = 0;
}

static __always_inline void cache_simple_end(struct ofx_cached *e)
{
	if (e->n_sets | e->sets_eth)
		e->n |= OFX_CACHED_SETS;
}

#define CACHE_SIMPLE_OPS 20

/* 0: the entry holds the verdict in its simple form. */
static __always_inline int cache_put_simple(struct ofx_state *s, struct ofx_cached *e)
{
	cache_simple_begin(e);
	for (__u32 i = 0; i < CACHE_SIMPLE_OPS; i++) {
		if (i >= s->n_ops) {
			cache_simple_end(e);
			return 0;
		}
		if (cache_add_op(s, e, i))
			return -1;
	}
	return -1;
}

/* A resume goes on with the action set, which is not kept. */
static __always_inline int cache_can_keep(struct ofx_state *s)
{
	__u32 n = s->n_ops;

	if (!n || n > OFX_CACHE_OPS)
		return 0;
	return verdict_op(s, n - 1)->code != OFX_OP_RESUME || !(s->set.present | s->set.dirty | s->set.output);
}

static __always_inline int cache_put_ops(struct ofx_state *s, struct ofx_cached *e)
{
	if (!cache_can_keep(s))
		return -1;
	e->kind = OFX_CACHED_OPS;
	e->n = s->n_ops;
	for (__u32 i = 0; i < OFX_CACHE_OPS; i++) {
		const struct ofx_op *op = &s->ops[i];
		__u64 head;

		if (i >= s->n_ops)
			break;
		__builtin_memcpy(&head, op, sizeof(head));
		op_write(&e->ops[i], head, op->value, op->mask);
	}
	return 0;
}

/* The entry at s->cache_at is complete: let packets find it. */
static __always_inline void cache_publish(const struct ofx_state *s, struct ofx_cached *e)
{
#pragma unroll
	for (int i = 0; i < OFX_CACHE_WORDS; i++)
		e->key[i] = s->look.key[i];
	e->gen = s->look.gen;
}

/* Keep the verdict that resolve has just written, at s->cache_at. */
__weak __noinline int cache_keep(struct ofx_state *s)
{
	struct ofx_cached *e;
	__u32 at;

	if (!s)
		return -1;
	at = s->cache_at;
	e = bpf_map_lookup_elem(&cache, &at);
	if (!e)
		return -1;
	if (cache_put_simple(s, e) && cache_put_ops(s, e)) {
		e->gen = 0;
		s->cache.too_long += 1;
		return 0;
	}
	cache_publish(s, e);
	return 0;
}

/* --- a walk that comes to a simple verdict is that verdict --- */

/* A flow entry's ops.  -1: not simple. */
static __always_inline int simple_ops(struct ofx_state *s, struct ofx_cached *e, const struct ofx_flow *flow)
{
	for (__u32 i = 0; i < OFX_SIMPLE_OPS; i++) {
		const struct ofx_op *op =
			i < OFX_INLINE_OPS ? &flow->ops[i & (OFX_INLINE_OPS - 1)] : flow_far_op(flow, i);

		if (!resolve_has_op(flow, i))
			return 0;
		if (!op)
			return -1;
		if (op->code == OFX_OP_SET) {
			key_set(&s->key, op);
			s->key_changed = 1;
		}
		if (cache_add(s, e, op))
			return -1;
	}
	return 0;
}

/* Table s->next_table.  0: go on with the new s->next_table; 1: e is complete; -1: not simple. */
__weak __noinline int simple_table(struct ofx_state *s, struct ofx_cached *e)
{
	const struct ofx_flow *flow;
	int found;

	if (!s || !e)
		return -1;
	found = table_lookup(s, s->next_table);
	if (found > 0)
		return 0;
	if (found < 0)
		return cache_add_end(e, OFX_CACHED_MISS, s->next_table) ? -1 : 1;
	flow = flow_at(s->best_slot);
	if (!flow || !(flow->flags & OFX_FLOW_SIMPLE) || cache_add_flow(s, e, flow->id) || simple_ops(s, e, flow))
		return -1;
	if (flow->next_table == OFX_NO_TABLE)
		return 1;
	if (flow->next_table <= s->next_table)
		return -1;
	s->next_table = flow->next_table;
	return 0;
}

/* The packet's verdict, if all of it is simple; NULL: not so, and s->key_changed tells whether the key is as it was. */
static __always_inline const struct ofx_cached *simple_resolve(struct ofx_state *s)
{
	__u32 at = s->cache_at;
	struct ofx_cached *kept = bpf_map_lookup_elem(&cache, &at), *e = kept ? kept : &s->scratch;

	cache_simple_begin(e);
	for (int i = 0; i < OFX_SIMPLE_TABLES; i++) {
		int done = simple_table(s, e);

		if (done < 0)
			return NULL;
		if (!done)
			continue;
		cache_simple_end(e);
		if (kept)
			cache_publish(s, e);
		return e;
	}
	return NULL;
}

#endif
