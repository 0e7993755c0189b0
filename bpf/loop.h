/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The loop (include/ofxdp/loop.h): how a packet goes on after a copy of it has left.
 *
 *   copy out:  the frame is broadcast to {port, NAME-l0}; what arrives at NAME-l1 goes on behind the op
 *   fork:      the frame is broadcast to {NAME-l0, NAME-l1}; what arrives at NAME-l0 runs this one op (it gives the
 *              frame away: CONTROLLER, TABLE) and ends, what arrives at NAME-l1 goes on behind it
 *   hop:       the driver has no metadata for the stamp: the frame goes to NAME-c0 behind a header instead, and takes
 *              up the same op there, on a veth, which has metadata
 *
 * loop_stamp() writes the continuation and stamps the frame; loop_restore() is its reverse.
 *
 * The budget bounds what one packet becomes (OFX_COPIES): a copy that leaves takes its part of it, a fork divides it
 * between the branch and what goes on, so each round has less.  An op is sure of one frame as long as there are as many
 * as ops; what is cut off is counted (OFX_DROP_TOO_MANY_ROUNDS).
 */
#ifndef BPF_LOOP_H
#define BPF_LOOP_H

#include "bpf/action_set.h"
#include "bpf/counter.h"
#include "bpf/packet_out.h"
#include "bpf/verdict.h"

static __always_inline struct ofx_cont *cont_at(__u32 index)
{
	return element_at(&conts, index / OFX_CONTS, index % OFX_CONTS);
}

static __always_inline void cont_save_ops(struct ofx_cont *c, struct ofx_state *s, __u32 from, __u32 n)
{
	for (__u32 i = 0; i < OFX_CONT_OPS; i++) {
		if (i >= n)
			return;
		c->ops[i] = *verdict_op(s, from + i);
	}
}

static __always_inline void cont_save(struct ofx_cont *c, struct ofx_state *s, __u32 n, __u32 share)
{
	c->n_ops = n;
	c->last = s->last - s->at;
	c->in_port = s->in_port;
	c->len = s->len;
	c->branch = share;
	c->rest = s->budget - share;
	c->flow = s->flow;
	c->gen = s->gen;
	c->table = s->table;
	c->punt_flags = s->punt_flags;
	c->outputs = s->outputs + 1; /* the one that is being made */
	c->config = s->config;
	c->queue = s->queue;
	c->metadata = s->metadata;
	c->tunnel_id = s->tunnel_id;
	cont_save_ops(c, s, s->at, n);
	c->has_set = verdict_op(s, s->n_ops - 1)->code == OFX_OP_RESUME;
	if (c->has_set)
		c->set = s->set;
}

/* Write a continuation from the op at s->at on.  0, or -1: not possible, counted. */
__weak __noinline int cont_write(struct ofx_state *s, __u32 share)
{
	struct ofx_cont *c;
	__u32 n, seq, index;

	if (!s)
		return -1;
	n = s->n_ops - s->at;
	if (n > OFX_CONT_OPS) {
		count_drop(OFX_DROP_TOO_MANY_OPS);
		return -1;
	}
	seq = s->cont_seq + 1 ?: 1;
	index = s->cpu * OFX_CONTS + seq % OFX_CONTS;
	c = cont_at(index);
	if (!c) {
		count_drop(OFX_DROP_INTERNAL);
		return -1;
	}
	s->cont_seq = seq;
	s->stamp.index = index;
	s->stamp.seq = seq;
	*(volatile __u32 *)&c->seq = 0;
	cont_save(c, s, n, share);
	*(volatile __u32 *)&c->seq = seq;
	return 0;
}

/* Will an internal interface take the frame with so many bytes more?  One that is too long a broadcast leaves out. */
static __always_inline int fits_inside(ofx_ctx *ctx, __u32 more)
{
	__u32 zero = 0, *max = bpf_map_lookup_elem(&internal_max, &zero);

	return max && ctx_len(ctx) + more <= *max;
}

/* Send the frame to NAME-c0 with the stamp in a header in front of it. */
static __always_inline int loop_hop(ofx_ctx *ctx, const struct ofx_state *s)
{
	if (!fits_inside(ctx, sizeof(struct ofx_inject)))
		return drop(OFX_DROP_TOO_LONG);
	if (inject_push(ctx, ofx_magic, OFX_INJECT_CONT, s->stamp.seq, s->stamp.index))
		return drop(OFX_DROP_ACTION_FAILED);
	return ctx_redirect(&internal, OFX_DEV_INJECT) == OFX_ACT_REDIRECT ? OFX_ACT_REDIRECT : drop(OFX_DROP_INTERNAL);
}

/* Is the op at s->at to have the frame itself?  It is the last, or the budget has nothing for those behind it. */
static __always_inline int takes_frame(struct ofx_state *s)
{
	if (s->at == s->last)
		return 1;
	if (s->budget > 1)
		return 0;
	count_drop(OFX_DROP_TOO_MANY_ROUNDS);
	s->last = s->at;
	return 1;
}

/* Frames that this op is sure of. */
static __always_inline __u32 op_frames(const struct ofx_op *op)
{
	const __u32 makes = 1u << OFX_OP_OUTPUT | 1u << OFX_OP_IN_PORT | 1u << OFX_OP_FLOOD | 1u << OFX_OP_CONTROLLER |
			    1u << OFX_OP_TABLE | 1u << OFX_OP_RESUME | 1u << OFX_OP_GROUP;

	if (op->code == OFX_OP_GROUP && op->value)
		return (op->value >> 32) - op->b; /* some buckets of a group (bpf/group.h) */
	return makes >> (op->code & 31) & 1;
}

/* … and all ops behind the one at s->at: at least 1. */
__weak __noinline __u32 frames_behind(struct ofx_state *s)
{
	__u32 n = 0;

	if (!s)
		return 1;
	for (__u32 i = 1; i < OFX_VERDICT_OPS; i++) {
		__u32 at = s->at + i;

		if (at > s->last || at >= s->n_ops)
			break;
		n += op_frames(verdict_op(s, at));
	}
	return n ?: 1;
}

/* What the op at s->at, not the last, gets of the budget if it would like `need` frames. */
static __always_inline __u32 budget_share(struct ofx_state *s, __u32 need)
{
	__u32 behind = frames_behind(s), most = s->budget > behind ? s->budget - behind : 1;

	return need < most ? need : most;
}

/*
 * Make the frame ready for a broadcast that has the loop in it.  0: it is stamped; else it is settled already
 * (redirected to where it can be stamped, or dropped and counted): that is the program's return value.
 */
static __always_inline int loop_stamp(ofx_ctx *ctx, struct ofx_state *s, __u32 share)
{
	if (!fits_inside(ctx, 0))
		return drop(OFX_DROP_TOO_LONG);
	if (cont_write(s, share))
		return OFX_ACT_DROP;
	if (ctx_put_stamp(ctx, s->stamp))
		return loop_hop(ctx, s);
	return 0;
}

/*
 * The op at s->at gives the frame away and is not the last: it gets a frame of its own, and `share` of the budget,
 * which leaves something for those behind.
 */
__weak __noinline int loop_fork(ofx_ctx *ctx, struct ofx_state *s, __u32 share)
{
	int act;

	if (!s)
		return drop(OFX_DROP_INTERNAL);
	act = loop_stamp(ctx, s, share);
	return act ? act : ctx_broadcast(&fork_set);
}

#define OFX_PART_BRANCH 1
#define OFX_PART_REST 2

static __always_inline void cont_load_ops(struct ofx_state *s, const struct ofx_cont *c)
{
	for (__u32 i = 0; i < OFX_CONT_OPS; i++) {
		if (i >= s->n_ops)
			return;
		s->ops[i] = c->ops[i];
	}
}

static __always_inline void cont_load(struct ofx_state *s, const struct ofx_cont *c, __u32 parts)
{
	s->n_ops = c->n_ops;
	s->last = c->last;
	s->in_port = c->in_port;
	s->in_index = in_port_index(c->in_port);
	s->len = c->len;
	s->budget = (parts & OFX_PART_BRANCH ? c->branch : 0) + (parts & OFX_PART_REST ? c->rest : 0);
	s->flow = c->flow;
	s->gen = c->gen;
	s->table = c->table;
	s->punt_flags = c->punt_flags;
	s->outputs = c->outputs;
	s->config = c->config;
	s->queue = c->queue;
	s->metadata = c->metadata;
	s->tunnel_id = c->tunnel_id;
	cont_load_ops(s, c);
	if (c->has_set)
		s->set = c->set;
	else
		action_set_clear(&s->set);
}

/*
 * The state as it was when the stamp's continuation was written, s->at at the op that made the copy, and of the budget
 * these parts.  0, or -1: its
 * place in the ring has been taken by a later one, counted.  seq is looked at before and after, like a seqlock.
 */
__weak __noinline int loop_restore(struct ofx_state *s, __u32 parts)
{
	const struct ofx_cont *c;
	__u32 index;

	if (!s)
		return -1;
	index = s->stamp.index;
	c = cont_at(index);
	if (!c || *(volatile __u32 *)&c->seq != s->stamp.seq) {
		count_drop(OFX_DROP_CONT_LOST);
		return -1;
	}
	cont_load(s, c, parts);
	if (*(volatile __u32 *)&c->seq != s->stamp.seq) {
		count_drop(OFX_DROP_CONT_LOST);
		return -1;
	}
	return 0;
}

#endif
