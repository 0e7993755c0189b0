/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Simple verdicts: count flows, set fields, one output (or none, or a table miss).
 *
 * Instructions that lead to nothing else are marked (OFX_INST_SIMPLE).  A packet that meets only such on its way is
 * resolved straight into the form that the cache keeps and cache_run() runs; any other is resolved into a list of ops
 * (bpf/resolve.h), which may still come to a simple verdict.  The verdict is made in the state (s->made, s->made_more)
 * and copied to the packet's place in the cache, if it has one.
 */
#ifndef BPF_SIMPLE_H
#define BPF_SIMPLE_H

#include "bpf/cache.h"
#include "bpf/resolve.h"

/* --- make it, op by op; -1: it is not simple --- */

static __always_inline void simple_begin(struct ofx_state *s)
{
	struct ofx_cached_more *more = &s->made_more;

	s->made.kind = OFX_CACHED_NONE;
	s->made.n = 0;
	more->n_sets = more->sets_eth = 0;
	more->eth_mask[0] = more->eth_mask[1] = more->eth_value[0] = more->eth_value[1] = 0;
}

static __always_inline int simple_flow(struct ofx_state *s, __u32 id)
{
	__u32 n = s->made.n;

	if (!n)
		s->made.cell0 = id;
	else if (n < OFX_CACHE_FLOWS)
		s->made_more.cell[(n - 1) & 7] = id;
	else
		return -1;
	s->made.n = n + 1;
	return 0;
}

/* Of an Ethernet address: these are written first. */
static __always_inline int simple_set_eth(struct ofx_cached_more *more, const struct ofx_op *op)
{
	__u32 i = op->a == OFX_W_ETH_SRC;

	more->eth_value[i] = (more->eth_value[i] & ~op->mask) | op->value;
	more->eth_mask[i] |= op->mask;
	more->sets_eth = 1;
	return 0;
}

static __always_inline int simple_set(struct ofx_state *s, const struct ofx_op *op)
{
	struct ofx_cached_more *more = &s->made_more;
	__u32 w = op->a;

	if (w == OFX_W_METADATA || w == OFX_W_TUNNEL_ID || s->made.kind != OFX_CACHED_NONE)
		return 0; /* nobody looks at it any more */
	if (!key_has(&s->key, op))
		return 0;
	for (__u32 i = 0; i < OFX_CACHE_SETS; i++) {
		if (i < more->n_sets && more->set[i].word != w)
			continue;
		if (i >= more->n_sets) {
			if ((w == OFX_W_ETH_DST || w == OFX_W_ETH_SRC) && !(op->mask & ~PKT_FIRST6))
				return simple_set_eth(more, op);
			more->set[i].word = w;
			more->set[i].value = 0;
			more->set[i].mask = 0;
			more->n_sets = i + 1;
		}
		more->set[i].value = (more->set[i].value & ~op->mask) | op->value;
		more->set[i].mask |= op->mask;
		return 0;
	}
	return -1;
}

static __always_inline int simple_end(struct ofx_state *s, __u8 kind, __u16 port)
{
	if (s->made.kind != OFX_CACHED_NONE)
		return -1;
	s->made.kind = kind;
	s->made.port = port;
	return 0;
}

static __always_inline int simple_op(struct ofx_state *s, const struct ofx_op *op)
{
	switch (op->code) {
	case OFX_OP_FLOW:
		return simple_flow(s, op->arg);
	case OFX_OP_SET:
		return simple_set(s, op);
	case OFX_OP_OUTPUT:
		return simple_end(s, OFX_CACHED_OUTPUT, op->arg);
	case OFX_OP_IN_PORT:
		return simple_end(s, OFX_CACHED_IN_PORT, 0);
	case OFX_OP_MISS:
		return simple_end(s, OFX_CACHED_MISS, op->a);
	}
	return -1;
}

static __always_inline void simple_finish(struct ofx_state *s)
{
	if (s->made_more.n_sets | s->made_more.sets_eth)
		s->made.n |= OFX_CACHED_SETS;
}

/* --- keep it --- */

/* Of the words, those that the verdict uses. */
static __always_inline void cache_copy_more(const struct ofx_state *s, struct ofx_cached_more *to)
{
	__u32 n = s->made.kind == OFX_CACHED_OPS || s->made_more.n_sets ? OFX_CACHE_MORE_WORDS : 7;

	to->owner = s->cache_at + 1ULL;
	for (__u32 i = 0; i < OFX_CACHE_MORE_WORDS; i++) {
		if (i >= n)
			break;
		to->words[i] = s->made_more.words[i];
	}
}

static __always_inline void cache_publish_short(struct ofx_state *s, __u32 at)
{
	__u32 line = (at & ~CACHE_SHORT) >> 1;
	struct ofx_cached_pair *pair = cache_pair(s, line);
	struct ofx_cached_short *e;

	if (!pair)
		return;
	e = &pair->e[at & 1];
	e->mark = s->look.key[SHORT_MARK];
	e->key[0] = s->look.key[0];
	e->key[1] = s->look.key[1];
	e->verdict = s->made;
}

/* s->made to the packet's place in the cache. */
static __always_inline void cache_publish(struct ofx_state *s)
{
	__u32 at = s->cache_at;
	struct ofx_cached *e;

	if (cache_has_more(s->made.word))
		cache_copy_more(s, cache_more_at(s));
	if (at & CACHE_SHORT) {
		cache_publish_short(s, at);
		return;
	}
	e = cache_entry(s, at);
	if (!e)
		return;
	e->gen = s->look.gen;
#pragma unroll
	for (int i = 0; i < OFX_CACHE_WORDS; i++)
		e->key[i] = s->look.key[i];
	e->verdict = s->made;
}

__weak __noinline int simple_verdict_op(struct ofx_state *s, __u32 i)
{
	return s ? simple_op(s, verdict_op(s, i)) : -1;
}

#define SIMPLE_VERDICT_OPS 20 /* a longer one is not looked through */

/* Make the simple form of a verdict that is a list of ops. */
static __always_inline int simple_from_verdict(struct ofx_state *s)
{
	simple_begin(s);
	for (__u32 i = 0; i < SIMPLE_VERDICT_OPS; i++) {
		if (i >= s->n_ops) {
			simple_finish(s);
			return 0;
		}
		if (simple_verdict_op(s, i))
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

static __always_inline int cache_put_ops(struct ofx_state *s)
{
	if (!cache_can_keep(s))
		return -1;
	s->made.kind = OFX_CACHED_OPS;
	s->made.n = s->n_ops;
	for (__u32 i = 0; i < OFX_CACHE_OPS; i++) {
		const struct ofx_op *op = &s->ops[i];
		__u64 head;

		if (i >= s->n_ops)
			break;
		__builtin_memcpy(&head, op, sizeof(head));
		op_write(&s->made_more.ops[i], head, op->value, op->mask);
	}
	return 0;
}

/* Keep the verdict that resolve has just written. */
__weak __noinline int cache_keep(struct ofx_state *s)
{
	if (!s)
		return -1;
	if (simple_from_verdict(s) && cache_put_ops(s)) {
		s->cache.too_long += 1;
		return 0;
	}
	cache_publish(s);
	return 0;
}

/* The ops of the packet's entry become the verdict. */
__weak __noinline int cache_load(struct ofx_state *s, const struct ofx_cached_more *more, __u32 n)
{
	if (!s || !more)
		return -1;
	for (int i = 0; i < OFX_CACHE_OPS; i++) {
		const struct ofx_op *op = &more->ops[i];

		if (i >= n)
			break;
		verdict_copy(s, op);
	}
	return 0;
}

/* --- walk --- */

static __always_inline int simple_ops(struct ofx_state *s, const struct ofx_inst *inst)
{
	for (__u32 i = 0; i < OFX_SIMPLE_OPS; i++) {
		const struct ofx_op *op;

		if (!resolve_has_op(inst, i))
			return 0;
		op = i < OFX_INLINE_OPS ? &inst->ops[i & (OFX_INLINE_OPS - 1)] : inst_far_op(inst, i);
		if (!op)
			return -1;
		if (op->code == OFX_OP_SET) {
			key_set(&s->key, op);
			s->key_changed = 1;
		}
		if (simple_op(s, op))
			return -1;
	}
	return 0;
}

/* Table s->next_table.  0: go on with the new s->next_table; 1: the verdict is made; -1: it is not simple. */
__weak __noinline int simple_table(struct ofx_state *s)
{
	const struct ofx_flow *flow;
	const struct ofx_inst *inst;

	if (!s)
		return -1;
	if (table_lookup(s, s->next_table))
		return simple_end(s, OFX_CACHED_MISS, s->next_table) ? -1 : 1;
	flow = flow_at(s->best_slot);
	inst = flow ? inst_of(flow) : NULL;
	if (!inst || !(inst->flags & OFX_INST_SIMPLE) || simple_flow(s, s->best_slot) || simple_ops(s, inst))
		return -1;
	if (inst->next_table == OFX_NO_TABLE)
		return 1;
	if (inst->next_table <= s->next_table)
		return -1;
	s->next_table = inst->next_table;
	return 0;
}

/* 0: s->made is the packet's verdict; -1: it is not simple, and s->key_changed tells that the key is not as it was. */
static __always_inline int simple_resolve(struct ofx_state *s)
{
	simple_begin(s);
	for (int i = 0; i < OFX_SIMPLE_TABLES; i++) {
		int done = simple_table(s);

		if (done < 0)
			return -1;
		if (!done)
			continue;
		simple_finish(s);
		if (s->cache_at != CACHE_NONE)
			cache_publish(s);
		return 0;
	}
	return -1;
}

#endif
