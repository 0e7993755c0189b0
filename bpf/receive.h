/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A frame that comes in: its state, its verdict (from the flow cache, or by a walk of the tables), and running that.
 *
 * Most frames are plain (bpf/parse.h) and their verdicts simple (bpf/simple.h): these need neither a parse nor a list
 * of ops.  All others go the long way, run_ops().
 */
#ifndef BPF_RECEIVE_H
#define BPF_RECEIVE_H

#include "bpf/ctx.h"
#include "bpf/execute.h"
#include "bpf/maps.h"
#include "bpf/resolve.h"
#include "bpf/simple.h"

/*
 * Rounds of resolve and execute.  A resume goes to a higher table, so there is at most one per table and one for
 * OFX_OP_TABLE, and execute() takes at most 8 calls for a full verdict; no packet has much of both.
 */
#define OFX_RUNS (2 * OFX_TABLES)

static __always_inline __u32 read_config(void)
{
	__u32 zero = 0;
	volatile __u64 *word = bpf_map_lookup_elem(&config, &zero);

	return word ? *word : 0;
}

/* A packet without verdict and action set. */
static __always_inline void state_begin(struct ofx_state *s)
{
	verdict_clear(s);
	action_set_clear(&s->set);
	s->dirty = 0;
}

/* … that is not to be looked up in the cache. */
static __always_inline void state_new(struct ofx_state *s)
{
	s->cache_at = CACHE_NONE;
	s->key_changed = 0;
	state_begin(s);
}

/* … received on in_port, as `len` bytes. */
static __always_inline void state_receive(struct ofx_state *s, __u32 in_port, __u32 len)
{
	s->metadata = 0;
	s->tunnel_id = 0;
	s->in_port = in_port;
	s->in_index = ofx_port_index(in_port);
	s->len = len;
	s->budget = OFX_COPIES;
	s->flow = 0;
	s->gen = 0;
	s->table = 0;
	s->next_table = 0;
	s->punt_flags = OFX_PUNT_NO_FLOW;
	s->outputs = 0;
	s->queue = 0;
	s->config = read_config();
}

static __always_inline int run_verdict(ofx_ctx *ctx, struct ofx_state *s)
{
	for (int i = 0; i < OFX_RUNS; i++) {
		int act = execute(ctx, s);

		if (act >= 0)
			return act;
		if (act == OFX_AGAIN)
			resolve_on(s);
	}
	return drop(OFX_DROP_TOO_MANY_TABLES);
}

static __always_inline int truncated(struct ofx_state *s)
{
	port_cells(s, s->in_index)->rx_errors += 1;
	return drop(OFX_DROP_TRUNCATED);
}

/* Parsed, and not refused as a fragment.  0, or dropped and counted. */
static __always_inline int parse_received(ofx_ctx *ctx, struct ofx_state *s)
{
	if (parse(ctx, s))
		return truncated(s);
	if (s->key.shape & OFX_SHAPE_FRAG && s->config & OFX_CONFIG_FRAG_DROP)
		return drop(OFX_DROP_FRAGMENT);
	return 0;
}

/* Generic XDP has neither metadata nor broadcast with it: the pipeline runs on NAME-c0, a native veth. */
static __always_inline int port_hop(ofx_ctx *ctx, __u32 index)
{
	if (!fits_inside(ctx, sizeof(struct ofx_inject)))
		return drop(OFX_DROP_TOO_LONG);
	if (inject_push(ctx, ofx_magic, OFX_INJECT_RX, ofx_port_no(index), 0))
		return drop(OFX_DROP_ACTION_FAILED);
	return ctx_redirect(&internal, OFX_DEV_INJECT) == OFX_ACT_REDIRECT ? OFX_ACT_REDIRECT : drop(OFX_DROP_INTERNAL);
}

static __always_inline int port_no_recv(struct ofx_state *s, __u32 index)
{
	port_cells(s, index)->rx_dropped += 1;
	return drop(OFX_DROP_PORT_NO_RECV);
}

/*
 * A frame that is not plain has to be parsed before it can be looked up; s->found is then what the cache has.  0, or
 * dropped and counted.
 */
__weak __noinline int look_parsed(ofx_ctx *ctx, struct ofx_state *s, __u32 index)
{
	const struct ofx_cache_live *live = (const void *)cache_live;
	int act;

	if (!s)
		return drop(OFX_DROP_INTERNAL);
	s->found = 0;
	state_receive(s, ofx_port_no(index), ctx_len(ctx));
	act = parse_received(ctx, s);
	if (act) {
		s->cache.left += 1; /* it does not count */
		return act;
	}
	if (!s->look.gen)
		return 0;
	if (cache_fits(s, live)) {
		s->found = cache_find(s, cache_look_parsed(&s->look, s, live));
		return 0;
	}
	s->look.gen = 0;
	s->cache.too_wide += 1;
	return 0;
}

/* A packet whose flow is not in the cache, and has no simple verdict. */
static __always_inline void resolve_received(struct ofx_state *s)
{
	if (!resolve_table(s))
		resolve_on(s);
	if (s->cache_at != CACHE_NONE)
		cache_keep(s);
}

/*
 * The long way, for all that is not simple: v is what the cache knows of the packet, with its ops in `more`, or
 * nothing.  After a walk that turned out not to be simple the key may be another.
 */
static __always_inline int run_ops(ofx_ctx *ctx, struct ofx_state *s, __u64 v, const struct ofx_cached_more *more)
{
	state_begin(s);
	s->next_table = 0;
	if (s->key_changed && parse(ctx, s))
		return drop(OFX_DROP_INTERNAL);
	s->key_changed = 0;
	if (v)
		cache_load(s, more, ofx_cached_n(v));
	else
		resolve_received(s);
	return OFX_RUN;
}

/* Its key, as it was received.  What else state_receive() sets, a simple verdict does not need. */
static __always_inline void plain_received(struct ofx_state *s, const void *p, __u32 index)
{
	s->metadata = 0;
	s->tunnel_id = 0;
	s->in_port = ofx_port_no(index);
	plain_key(s, p);
}

/* What the cache has for a plain frame, or 0. */
static __always_inline __u64 find_plain(struct ofx_state *s, const void *p, __u32 index,
					const struct ofx_cache_live *live)
{
	const __u64 keys = live->short_keys;

	if (keys)
		return short_find(s, cache_look_short(&s->look, p, index, live, keys));
	return cache_find(s, cache_look_plain(&s->look, p, index, live));
}

/* Its key.  Read once more: to keep the words until here would cost the packets that don't come here. */
static __always_inline void plain_again(ofx_ctx *ctx, struct ofx_state *s, __u32 index)
{
	const void *p = plain_at(ctx);

	if (p)
		plain_received(s, p, index);
}

/* What belongs to a verdict that is in the cache.  NULL: it has been lost. */
static __always_inline const struct ofx_cached_more *kept_more(struct ofx_state *s)
{
	const struct ofx_cached_more *more = cache_more_found(s);

	if (!more)
		s->cache.window_misses += 1;
	return more;
}

/* A simple verdict that is in the cache.  As a function, which has registers for all of it.  < 0: it is not there. */
__weak __noinline int run_kept(ofx_ctx *ctx, struct ofx_state *s, __u64 v, __u32 index, __u32 len)
{
	const struct ofx_cached_more *more = NULL;

	if (!ctx || !s)
		return drop(OFX_DROP_INTERNAL);
	if (cache_has_more(v)) {
		more = kept_more(s);
		if (!more)
			return -1;
	}
	return cache_run(ctx, s, v, more, index, len);
}

/* The simple verdict that has just been made. */
__weak __noinline int run_made(ofx_ctx *ctx, struct ofx_state *s, __u32 index, __u32 len)
{
	__u64 v;

	if (!ctx || !s)
		return drop(OFX_DROP_INTERNAL);
	v = s->made.word;
	return cache_run(ctx, s, v, cache_has_more(v) ? &s->made_more : NULL, index, len);
}

/* The frame's fate, or OFX_RUN: its verdict is at hand. */
static __always_inline int receive(ofx_ctx *ctx, struct ofx_state *s, __u32 index, __u32 len)
{
	const struct ofx_cache_live *live = (const void *)cache_live;
	const struct ofx_cached_more *more = NULL;
	const __u64 gen = cache_gen(s, cache_begin(live));
	const void *p = plain_at(ctx);
	const int plain = p != NULL;
	__u64 v = 0;

	s->look.gen = gen;
	if (p && gen) {
		v = find_plain(s, p, index, live);
	} else if (p) {
		plain_received(s, p, index);
	} else {
		int act = look_parsed(ctx, s, index);

		if (act)
			return act;
		v = s->found;
	}
	if (ofx_cached_forwards(v))
		return cache_forward(ctx, s, v, index, len);
	if (v && ofx_cached_kind(v) != OFX_CACHED_OPS) {
		int act = run_kept(ctx, s, v, index, len);

		if (act >= 0)
			return act;
		v = 0;
	} else if (v) {
		more = kept_more(s);
		if (!more)
			v = 0;
	}
	if (plain && s->look.gen)
		plain_again(ctx, s, index);
	s->key_changed = 0;
	s->next_table = 0;
	if (!v && !simple_resolve(s)) {
		v = s->made.word;
		return ofx_cached_forwards(v) ? cache_forward(ctx, s, v, index, len) : run_made(ctx, s, index, len);
	}
	if (plain) {
		state_receive(s, ofx_port_no(index), len);
		plain_offsets(s);
	}
	return run_ops(ctx, s, v, more);
}

#endif
