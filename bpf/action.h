/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rare ops, one function call away from the loop in execute.h: changes that move or rewrite headers at once, and
 * the ends that are no output.  Set-fields noted so far go into the frame before a header moves, so that each action
 * sees what the ones before it did (§5.11: in the order of the list).  One whose header the packet lacks does nothing.
 */
#ifndef BPF_ACTION_H
#define BPF_ACTION_H

#include "bpf/meter.h"
#include "bpf/mpls.h"
#include "bpf/packet_in.h"
#include "bpf/parse.h"
#include "bpf/pbb.h"
#include "bpf/ttl.h"
#include "bpf/vlan.h"

static __always_inline int parse(ofx_ctx *ctx, struct ofx_state *s)
{
	return parse_packet(ctx, s) ? -1 : 0;
}

/* The walk goes on at a table, over the packet as it is now. */
static __always_inline int action_resume(ofx_ctx *ctx, struct ofx_state *s, __u8 table)
{
	if (commit(ctx, s))
		return drop(OFX_DROP_ACTION_FAILED);
	if (parse(ctx, s))
		return drop(OFX_DROP_TRUNCATED);
	verdict_clear(s);
	s->next_table = table;
	return OFX_AGAIN;
}

/* OFX_OP_TABLE, of a packet-out (§7.3.7): as if just received. */
__weak __noinline int action_table(ofx_ctx *ctx, struct ofx_state *s)
{
	if (!s)
		return drop(OFX_DROP_INTERNAL);
	if (commit(ctx, s))
		return drop(OFX_DROP_ACTION_FAILED);
	if (!takes_frame(s)) /* what it leads to is not known yet: as much as to each of the others */
		return loop_fork(ctx, s, budget_share(s, s->budget / (frames_behind(s) + 1)) ?: 1);
	action_set_clear(&s->set);
	s->outputs = 0;
	return action_resume(ctx, s, 0);
}

/* err: what ttl_dec() or mpls_ttl_dec() returned. */
static __always_inline int action_dec_ttl(ofx_ctx *ctx, struct ofx_state *s, int err)
{
	if (err > 0)
		return packet_in_invalid_ttl(ctx, s);
	return err ? drop(OFX_DROP_ACTION_FAILED) : OFX_NEXT;
}

static __always_inline int action_done(int err)
{
	return err ? drop(OFX_DROP_ACTION_FAILED) : OFX_NEXT;
}

static __always_inline int action_meter(ofx_ctx *ctx, struct ofx_state *s, __u32 index)
{
	int ended = meter(ctx, s, index);

	return ended ? drop(ended - 1) : OFX_NEXT;
}

static __always_inline int action_change(ofx_ctx *ctx, struct ofx_state *s, const struct ofx_op *op)
{
	__u16 b = op->b;
	__u8 a = op->a;

	switch (op->code) {
	case OFX_OP_PUSH_VLAN:
		return action_done(vlan_push(ctx, s, b));
	case OFX_OP_POP_VLAN:
		return action_done(vlan_pop(ctx, s));
	case OFX_OP_SET_IP_TTL:
		return action_done(ttl_set(ctx, s, a));
	case OFX_OP_DEC_IP_TTL:
		return action_dec_ttl(ctx, s, ttl_dec(ctx, s));
	case OFX_OP_PUSH_MPLS:
		return action_done(mpls_push(ctx, s, b));
	case OFX_OP_POP_MPLS:
		return action_done(mpls_pop(ctx, s, b));
	case OFX_OP_SET_MPLS_TTL:
		return action_done(mpls_ttl_set(ctx, s, a));
	case OFX_OP_DEC_MPLS_TTL:
		return action_dec_ttl(ctx, s, mpls_ttl_dec(ctx, s));
	case OFX_OP_COPY_TTL_OUT:
		return action_done(ttl_copy_out(ctx, s));
	case OFX_OP_COPY_TTL_IN:
		return action_done(ttl_copy_in(ctx, s));
	case OFX_OP_PUSH_PBB:
		return action_done(pbb_push(ctx, s));
	case OFX_OP_POP_PBB:
		return action_done(pbb_pop(ctx, s));
	case OFX_OP_PARSE:
		return action_done(parse(ctx, s));
	}
	return drop(OFX_DROP_INTERNAL);
}

/* The op at s->at, if it is none of those that execute() handles itself. */
__weak __noinline int action(ofx_ctx *ctx, struct ofx_state *s)
{
	const struct ofx_op *op;

	if (!s)
		return drop(OFX_DROP_INTERNAL);
	op = verdict_op(s, s->at);
	s->key_changed = 1;
	switch (op->code) {
	case OFX_OP_MISS:
		count_miss(op->a);
		return drop(OFX_DROP_NO_MATCH);
	case OFX_OP_DROP:
		return drop(op->a);
	case OFX_OP_RESUME:
		return action_resume(ctx, s, op->a);
	case OFX_OP_METER:
		return action_meter(ctx, s, op->arg);
	case OFX_OP_SET_QUEUE:
		s->queue = op->arg;
		return OFX_NEXT;
	}
	if (commit(ctx, s))
		return drop(OFX_DROP_ACTION_FAILED);
	return action_change(ctx, s, op);
}

#endif
