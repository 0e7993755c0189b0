/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Output (§5.12 actions output, §4.5 reserved ports; §7.2.1 port config).
 *
 * The last output of a verdict gives the frame away with a plain redirect; one before it broadcasts a copy to the port
 * and to the loop, where the packet goes on (bpf/loop.h).  A port that can't take the frame is a counted drop of this
 * copy only: the verdict goes on (OFX_NEXT).
 *
 * All functions here return the program's return value, or OFX_NEXT.
 */
#ifndef BPF_OUTPUT_H
#define BPF_OUTPUT_H

#include "bpf/counter.h"
#include "bpf/loop.h"
#include "bpf/meter.h"
#include "bpf/queue.h"
#include "bpf/set_field.h"

#define OFX_NEXT (-1)  /* go on with the next op */
#define OFX_JUMP (-3)  /* go on at s->at, which has been set */
#define OFX_RUN (-4)   /* the verdict is at hand: run it from s->at on */
#define OFX_AGAIN (-2) /* the verdict has ended in a resume: resolve from s->next_table */

static __always_inline int skip_output(struct ofx_state *s, __u32 reason)
{
	count_drop(reason);
	s->outputs++;
	return OFX_NEXT;
}

/* Set-fields noted so far into the frame. */
static __always_inline int commit(ofx_ctx *ctx, struct ofx_state *s)
{
	if (!s->dirty)
		return 0;
	if (commit_sets(ctx, s))
		return -1;
	s->dirty = 0;
	return 0;
}

/* 0: the next op has been counted, if it counts at all; 1: there is none, or the packet ends with it. */
__weak __noinline int count_rest_op(struct ofx_state *s)
{
	const struct ofx_op *op;

	if (!s || s->at + 1 >= s->n_ops)
		return 1;
	s->at += 1;
	op = verdict_op(s, s->at);
	if (op->code == OFX_OP_FLOW)
		count_flow(s, op);
	else if (op->code == OFX_OP_MISS)
		count_miss(op->a);
	else if (op->code == OFX_OP_DROP)
		count_drop(op->a);
	else if (op->code == OFX_OP_METER && meter_charge(s, op->arg) == OFX_METER_DROP) {
		count_drop(OFX_DROP_METER);
		return 1;
	}
	return 0;
}

/*
 * The ops behind the last output that only count, once the frame is given away for sure.  A MISS there counts no drop:
 * the packet has gone out.  A DROP tells that something of the verdict was cut off.  A meter is charged, and its drop
 * keeps the flows behind it from counting.
 */
__weak __noinline int count_rest(struct ofx_state *s)
{
	if (!s)
		return -1;
	for (int i = 0; i < OFX_VERDICT_OPS; i++) {
		if (count_rest_op(s))
			break;
	}
	return 0;
}

/* Can the port take a frame of this length?  0, or the reason + 1. */
static __always_inline int port_refuses(const struct ofx_port *port, __u32 len)
{
	if (!port || !(port->flags & OFX_PORT_EXISTS))
		return OFX_DROP_OUTPUT_NO_PORT + 1;
	if (port->flags & (OFX_PORT_DOWN | OFX_PORT_NO_FWD))
		return OFX_DROP_OUTPUT_NO_FWD + 1;
	if (len > port->max_frame)
		return OFX_DROP_OUTPUT_MTU + 1;
	return 0;
}

/* A copy to the port; the packet goes on at the loop. */
__weak __noinline int output_copy(ofx_ctx *ctx, struct ofx_state *s, __u32 index)
{
	void *set = bpf_map_lookup_elem(&pair_sets, &index);
	int act;

	if (!s)
		return drop(OFX_DROP_INTERNAL);
	if (!set)
		return skip_output(s, OFX_DROP_OUTPUT_NO_PORT);
	act = loop_stamp(ctx, s, 1);
	if (act)
		return act;
	count_tx(s, index, ctx_len(ctx));
	return ctx_broadcast(set);
}

/* Through the qdisc of the port, or, OFX_INDEX_NONE, of all: tx is counted there.  So many frames. */
static __always_inline int output_queued(ofx_ctx *ctx, struct ofx_state *s, __u32 index, __u32 frames)
{
	int act;

	if (!takes_frame(s))
		return loop_fork(ctx, s, frames);
	act = queue_send(ctx, s, index);
	if (act == OFX_ACT_REDIRECT)
		count_rest(s);
	return act;
}

/* OFX_OP_OUTPUT and OFX_OP_IN_PORT; only the latter may go back to the port the packet came from. */
static __always_inline int output_port(ofx_ctx *ctx, struct ofx_state *s, __u32 index, int to_in_port)
{
	__u32 len = ctx_len(ctx);
	int refused;

	if (!to_in_port && index == s->in_index)
		return skip_output(s, OFX_DROP_OUTPUT_IN_PORT);
	refused = port_refuses(port_at(index), len);
	if (refused)
		return skip_output(s, refused - 1);
	if (commit(ctx, s))
		return drop(OFX_DROP_ACTION_FAILED);
	if (s->queue)
		return output_queued(ctx, s, index, 1);
	if (!takes_frame(s))
		return output_copy(ctx, s, index);
	if (ctx_redirect(&tx_ports, index) != OFX_ACT_REDIRECT)
		return skip_output(s, OFX_DROP_OUTPUT_NO_PORT);
	count_tx(s, index, len);
	if (s->at + 1 < s->n_ops)
		count_rest(s);
	return OFX_ACT_REDIRECT;
}

/* --- ALL and FLOOD --- */

/* How many frames a flood makes, as a rule; at least 1. */
static __always_inline __u32 flood_frames(const struct ofx_state *s)
{
	__u32 zero = 0, n;
	const struct ofx_flood *f = bpf_map_lookup_elem(&flood_members, &zero);

	if (!f)
		return 1;
	n = f->n;
	if (s->in_index < OFX_PORTS && n)
		n -= 1;
	return n ?: 1;
}

/* Count what member i of a flood will be sent.  1: it takes the frame. */
static __always_inline int flood_count_member(struct ofx_state *s, __u32 index, __u32 len)
{
	int refused;

	if (index == s->in_index)
		return 0;
	refused = port_refuses(port_at(index), len);
	if (!refused) {
		count_tx(s, index, len);
		return 1;
	}
	if (refused == OFX_DROP_OUTPUT_MTU + 1) /* the others are not in the set */
		count_drop(OFX_DROP_OUTPUT_MTU);
	return 0;
}

/* Some members, from `first` on; returns how many of them take the frame.  One call for most switches. */
#define OFX_FLOOD_STEP 16
__weak __noinline int flood_count_some(struct ofx_state *s, __u32 len, __u32 first)
{
	__u32 zero = 0;
	const struct ofx_flood *f = bpf_map_lookup_elem(&flood_members, &zero);
	int taken = 0;

	if (!s || !f)
		return 0;
	for (__u32 n = 0; n < OFX_FLOOD_STEP; n++) {
		__u32 i = first + n;

		if (i >= *(volatile __u32 *)&f->n)
			break;
		asm volatile("" : "+r"(i)); /* the mask below has to stay */
		taken += flood_count_member(s, f->index[i & (OFX_FLOOD_PORTS - 1)], len);
	}
	return taken;
}

/* Count what the members will be sent; the kernel leaves out whom we leave out here.  Returns how many take the frame.
 */
__weak __noinline int flood_count(struct ofx_state *s, __u32 len)
{
	__u32 zero = 0;
	const struct ofx_flood *f = bpf_map_lookup_elem(&flood_members, &zero);
	int taken = 0;

	if (!s || !f)
		return 0;
	for (__u32 i = 0; i < OFX_FLOOD_PORTS; i += OFX_FLOOD_STEP) {
		if (i >= *(volatile __u32 *)&f->n)
			break;
		taken += flood_count_some(s, len, i);
	}
	return taken;
}

/* The packet ends as a flood. */
static __always_inline int flood_last(ofx_ctx *ctx, struct ofx_state *s, __u32 index)
{
	void *set = bpf_map_lookup_elem(&flood_sets, &index);

	if (!set || !flood_count(s, ctx_len(ctx)))
		return skip_output(s, OFX_DROP_OUTPUT_NO_PORT);
	count_rest(s);
	return ctx_broadcast(set);
}

/* Copies flood, the packet goes on at the loop. */
static __always_inline int flood_copy(ofx_ctx *ctx, struct ofx_state *s, __u32 index, __u32 frames)
{
	void *set = bpf_map_lookup_elem(&flood_more_sets, &index);
	int act;

	if (!set)
		return skip_output(s, OFX_DROP_OUTPUT_NO_PORT);
	act = loop_stamp(ctx, s, frames);
	if (act)
		return act;
	flood_count(s, ctx_len(ctx));
	return ctx_broadcast(set);
}

__weak __noinline int output_flood(ofx_ctx *ctx, struct ofx_state *s)
{
	__u32 frames;
	int last;

	if (!s)
		return drop(OFX_DROP_INTERNAL);
	frames = flood_frames(s);
	last = s->at == s->last;
	if (frames + !last > s->budget)
		return skip_output(s, OFX_DROP_TOO_MANY_ROUNDS);
	if (commit(ctx, s))
		return drop(OFX_DROP_ACTION_FAILED);
	if (s->queue)
		return output_queued(ctx, s, OFX_INDEX_NONE, frames);
	return last ? flood_last(ctx, s, s->in_index) : flood_copy(ctx, s, s->in_index, frames);
}

#endif
