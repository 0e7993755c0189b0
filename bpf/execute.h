/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Execute (§5.11, §5.12): run the verdict's ops on the packet, in order.
 *
 * Set-fields are only noted (struct ofx_state: dirty, set_value, set_mask) and written to the frame all at once before
 * a header moves or the frame leaves: a packet that is dropped after all costs no checksum.  The op in hand is s->at,
 * in memory: what a copy's continuation or a re-parse goes on from.
 */
#ifndef BPF_EXECUTE_H
#define BPF_EXECUTE_H

#include "bpf/action.h"
#include "bpf/group.h"

/* OFX_OP_SET: pipeline fields at once, fields of the frame into the note. */
static __always_inline int execute_set(struct ofx_state *s, const struct ofx_op *op)
{
	__u32 w = op->a & 15, bit = 1u << w;
	__u64 value = 0, mask = 0;

	if (w == OFX_W_METADATA) {
		s->metadata = (s->metadata & ~op->mask) | op->value;
		return OFX_NEXT;
	}
	if (w == OFX_W_TUNNEL_ID) {
		s->tunnel_id = (s->tunnel_id & ~op->mask) | op->value;
		return OFX_NEXT;
	}
	if (w >= OFX_KEY_WORDS)
		return OFX_NEXT;
	if (!key_has(&s->key, op))
		return OFX_NEXT;
	if (s->dirty & bit) {
		value = s->set_value[w];
		mask = s->set_mask[w];
	}
	s->key_changed = 1;
	s->set_value[w] = (value & ~op->mask) | op->value;
	s->set_mask[w] = mask | op->mask;
	s->dirty |= bit;
	return OFX_NEXT;
}

/* The verdict is done and the frame still here: its copies have gone, or it has no output. */
static __always_inline int execute_end(const struct ofx_state *s)
{
	return s->outputs ? OFX_ACT_DROP : drop(OFX_DROP_NO_OUTPUT);
}

static __always_inline int execute_op(ofx_ctx *ctx, struct ofx_state *s, const struct ofx_op *op)
{
	switch (op->code) {
	case OFX_OP_FLOW:
		count_flow(s, op);
		return OFX_NEXT;
	case OFX_OP_SET:
		return execute_set(s, op);
	case OFX_OP_OUTPUT:
		return output_port(ctx, s, op->arg, 0);
	case OFX_OP_IN_PORT:
		return output_port(ctx, s, s->in_index, 1);
	case OFX_OP_FLOOD:
		return output_flood(ctx, s);
	case OFX_OP_CONTROLLER:
		return packet_in(ctx, s);
	case OFX_OP_TABLE:
		return action_table(ctx, s);
	case OFX_OP_GROUP:
		return group(ctx, s);
	}
	return action(ctx, s);
}

/*
 * From s->at on: the program's return value, OFX_AGAIN at a resume, or OFX_NEXT or OFX_JUMP: call again for the ops
 * from s->at on.
 */
#define OFX_EXECUTE_OPS 16
__weak __noinline int execute(ofx_ctx *ctx, struct ofx_state *s)
{
	if (!s)
		return drop(OFX_DROP_INTERNAL);
	for (__u32 n = 0; n < OFX_EXECUTE_OPS; n++) {
		__u32 at = s->at;
		int act;

		if (at >= s->n_ops)
			return execute_end(s);
		act = execute_op(ctx, s, verdict_op(s, at));
		if (act != OFX_NEXT)
			return act;
		s->at = at + 1;
	}
	return OFX_NEXT;
}

#endif
