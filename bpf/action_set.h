/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The action set (§5.10): write-actions put at most one action of a type into it, a set-field at most one per field;
 * at the end of the pipeline it is appended to the verdict, in the spec's order whatever order it was written in.
 * Set-fields of all headers are kept: which of them the packet then has is seen when they are executed.
 */
#ifndef BPF_ACTION_SET_H
#define BPF_ACTION_SET_H

#include "bpf/verdict.h"

#define OFX_BY_ACTION_SET 1 /* arg of an OFX_OP_CONTROLLER that comes from the action set */

static __always_inline void action_set_clear(struct ofx_action_set *set)
{
	set->present = 0;
	set->dirty = 0;
	set->output = 0;
}

static __always_inline void action_set_field(struct ofx_action_set *set, const struct ofx_op *op)
{
	__u32 i = op->arg, bit;
	__u64 head, value = 0, mask = 0;

	if (i >= OFX_SET_FIELDS)
		return;
	bit = 1u << i;
	if (set->dirty & bit) {
		value = set->set[i].value;
		mask = set->set[i].mask;
	}
	__builtin_memcpy(&head, op, sizeof(head));
	op_write(&set->set[i], head, (value & ~op->mask) | op->value, mask | op->mask);
	set->dirty |= bit;
}

/* Put a write-action into the set, over one of the same type. */
static __always_inline void action_set_write(struct ofx_action_set *set, const struct ofx_op *op)
{
	switch (op->code) {
	case OFX_OP_SET:
		action_set_field(set, op);
		return;
	case OFX_OP_PARSE: /* a set's fields are written at once */
		return;
	case OFX_OP_OUTPUT:
	case OFX_OP_IN_PORT:
	case OFX_OP_FLOOD:
	case OFX_OP_CONTROLLER:
		set->output = op->code;
		set->port = op->arg;
		set->reason = op->a;
		set->max_len = op->b;
		return;
	case OFX_OP_PUSH_VLAN:
		set->push_vlan = op->b;
		break;
	case OFX_OP_PUSH_MPLS:
		set->push_mpls = op->b;
		break;
	case OFX_OP_POP_MPLS:
		set->pop_mpls = op->b;
		break;
	case OFX_OP_GROUP:
		set->group = op->arg;
		break;
	case OFX_OP_SET_QUEUE:
		set->queue = op->arg;
		break;
	case OFX_OP_SET_IP_TTL:
		set->ip_ttl = op->a;
		break;
	case OFX_OP_SET_MPLS_TTL:
		set->mpls_ttl = op->a;
		break;
	}
	set->present |= 1u << (op->code & 31);
}

static __always_inline void action_set_add_op(struct ofx_state *s, __u8 code, __u8 a, __u16 b)
{
	if (s->set.present & 1u << code)
		verdict_add(s, code, a, b, 0);
}

static __always_inline void action_set_add_fields(struct ofx_state *s)
{
	for (__u32 i = 0; i < OFX_SET_FIELDS; i++)
		if (s->set.dirty & 1u << i)
			verdict_copy(s, &s->set.set[i]);
}

/* Do the fields that are set change what headers are taken for?  As action_changes_type() of user/datapath/action.c. */
static __always_inline int action_set_retypes(const struct ofx_state *s)
{
	const struct ofx_key types = {.ip_proto = 0xff, .icmp_type = 0xff};
	int retypes = 0;

	for (__u32 i = 0; i < OFX_SET_FIELDS; i++) {
		const struct ofx_op *op = &s->set.set[i];

		if (s->set.dirty & 1u << i)
			retypes |= (op->a == OFX_W_ETH_DST && op->mask & OFX_TYPE_MASK) ||
				   (op->a == OFX_W_L4 && op->mask & types.w[OFX_W_L4]);
	}
	return retypes;
}

/*
 * End of the pipeline: the set becomes the end of the verdict.  copy TTL in, pop, push MPLS, PBB, VLAN, copy TTL out,
 * TTL, set-field, queue, then the group, or without one the output.
 */
__weak __noinline int action_set_finish(struct ofx_state *s)
{
	__u32 output, arg;

	if (!s)
		return -1;
	action_set_add_op(s, OFX_OP_COPY_TTL_IN, 0, 0);
	action_set_add_op(s, OFX_OP_POP_VLAN, 0, 0);
	action_set_add_op(s, OFX_OP_POP_MPLS, 0, s->set.pop_mpls);
	action_set_add_op(s, OFX_OP_POP_PBB, 0, 0);
	action_set_add_op(s, OFX_OP_PUSH_MPLS, 0, s->set.push_mpls);
	action_set_add_op(s, OFX_OP_PUSH_PBB, 0, 0);
	action_set_add_op(s, OFX_OP_PUSH_VLAN, 0, s->set.push_vlan);
	action_set_add_op(s, OFX_OP_COPY_TTL_OUT, 0, 0);
	action_set_add_op(s, OFX_OP_DEC_MPLS_TTL, 0, 0);
	action_set_add_op(s, OFX_OP_DEC_IP_TTL, 0, 0);
	action_set_add_op(s, OFX_OP_SET_MPLS_TTL, s->set.mpls_ttl, 0);
	action_set_add_op(s, OFX_OP_SET_IP_TTL, s->set.ip_ttl, 0);
	action_set_add_fields(s);
	if (s->set.present & 1u << OFX_OP_SET_QUEUE)
		verdict_add(s, OFX_OP_SET_QUEUE, 0, 0, s->set.queue);
	if (s->set.present & 1u << OFX_OP_GROUP && action_set_retypes(s)) /* what buckets do meets the new types */
		verdict_add(s, OFX_OP_PARSE, 0, 0, 0);
	if (s->set.present & 1u << OFX_OP_GROUP)
		return verdict_add(s, OFX_OP_GROUP, 0, 0, s->set.group);
	output = s->set.output;
	if (!output)
		return 0;
	arg = output == OFX_OP_CONTROLLER ? OFX_BY_ACTION_SET : s->set.port;
	return verdict_add(s, output, s->set.reason, s->set.max_len, arg);
}

#endif
