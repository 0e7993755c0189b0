/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The verdict: the list of ops in struct ofx_state that resolve (or a packet-out, or a continuation) writes and execute
 * runs.  `last` is kept with it: an output at that op may give the frame away, one before it has to leave a copy.
 */
#ifndef BPF_VERDICT_H
#define BPF_VERDICT_H

#include "include/ofxdp/config.h"
#include "include/ofxdp/drop.h"
#include "include/ofxdp/state.h"

static __always_inline void verdict_clear(struct ofx_state *s)
{
	s->n_ops = 0;
	s->at = 0;
	s->last = OFX_NO_OP;
}

_Static_assert((OFX_VERDICT_OPS & (OFX_VERDICT_OPS - 1)) == 0, "verdict_op() masks");

/* Op `at`, which must be less than n_ops; the mask says to the verifier what the caller knows. */
static __always_inline struct ofx_op *verdict_op(struct ofx_state *s, __u32 at)
{
	asm volatile("" : "+r"(at));
	return &s->ops[at & (OFX_VERDICT_OPS - 1)];
}

/*
 * Does anything outside see whether this op is run on the packet?  Not so for changes of the frame behind the last
 * output, and the ops that only count are run from the output itself (count_rest()).  But a TTL that runs out ends the
 * packet: what follows must not be counted, and it may be a packet-in.
 */
static __always_inline int op_needs_frame(__u8 code)
{
	const __u32 needs = 1u << OFX_OP_OUTPUT | 1u << OFX_OP_IN_PORT | 1u << OFX_OP_FLOOD | 1u << OFX_OP_CONTROLLER |
			    1u << OFX_OP_TABLE | 1u << OFX_OP_RESUME | 1u << OFX_OP_DEC_IP_TTL |
			    1u << OFX_OP_DEC_MPLS_TTL | 1u << OFX_OP_GROUP;

	return needs >> (code & 31) & 1;
}

/* Has the packet the header that an OFX_OP_SET is for?  Without it, the action does nothing (docs/actions.md). */
static __always_inline int key_has(const struct ofx_key *key, const struct ofx_op *op)
{
	return !op->b || key->shape & op->b;
}

/*
 * An op's first word.  Ops are built and copied by words: clang 14 loses the store of a word that it puts together from
 * constant and variable members of a struct.
 */
static __always_inline __u64 op_head(__u8 code, __u8 a, __u16 b, __u32 arg)
{
	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "members of struct ofx_op in their order");
	return code | (__u64)a << 8 | (__u64)b << 16 | (__u64)arg << 32;
}

static __always_inline void op_write(struct ofx_op *op, __u64 head, __u64 value, __u64 mask)
{
	__builtin_memcpy(op, &head, sizeof(head));
	op->value = value;
	op->mask = mask;
}

/* 0, or -1: no room; the last slot then holds the drop that says so, and nothing can be appended any more. */
static __always_inline int verdict_put(struct ofx_state *s, __u64 head, __u64 value, __u64 mask)
{
	__u32 n = s->n_ops;

	if (n >= OFX_VERDICT_OPS - 1) {
		op_write(&s->ops[OFX_VERDICT_OPS - 1], op_head(OFX_OP_DROP, OFX_DROP_TOO_MANY_OPS, 0, 0), 0, 0);
		s->n_ops = OFX_VERDICT_OPS;
		return -1;
	}
	op_write(&s->ops[n], head, value, mask);
	s->n_ops = n + 1;
	if (op_needs_frame((__u8)head))
		s->last = n;
	return 0;
}

/* A verdict that begins behind an unused slot, which group_split() takes.  One that resolve made begins with a FLOW. */
static __always_inline void verdict_begin(struct ofx_state *s)
{
	op_write(&s->ops[0], 0, 0, 0);
	s->n_ops = 1;
	s->at = 1;
	s->last = OFX_NO_OP;
}

/* An op without value and mask. */
static __always_inline int verdict_add(struct ofx_state *s, __u8 code, __u8 a, __u16 b, __u32 arg)
{
	return verdict_put(s, op_head(code, a, b, arg), 0, 0);
}

static __always_inline int verdict_copy(struct ofx_state *s, const struct ofx_op *op)
{
	__u64 head;

	__builtin_memcpy(&head, op, sizeof(head));
	return verdict_put(s, head, op->value, op->mask);
}

#endif
