/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Resolve (§5.1): walk the tables over the key and write the verdict.  Nothing here touches the frame: apply-actions
 * change the key where later tables look at it, and are noted down for execute.
 *
 * Where a later table would look at headers that the key can't foretell (a flow moves headers and goes on), the verdict
 * ends in OFX_OP_RESUME: execute parses the frame again and the walk goes on behind the goto.
 */
#ifndef BPF_RESOLVE_H
#define BPF_RESOLVE_H

#include "bpf/action_set.h"
#include "bpf/table.h"
#include "bpf/verdict.h"

/* Op i, i >= OFX_INLINE_OPS. */
static __always_inline const struct ofx_op *inst_far_op(const struct ofx_inst *inst, __u32 i)
{
	return op_at(inst->first + i - OFX_INLINE_OPS);
}

/* A set-field as later tables see it. */
static __always_inline void key_set(struct ofx_key *key, const struct ofx_op *op)
{
	__u32 w = op->a & 15;

	if (w < OFX_KEY_WORDS && key_has(key, op))
		key->w[w] = (key->w[w] & ~op->mask) | op->value;
}

static __always_inline void resolve_apply(struct ofx_state *s, const struct ofx_op *op)
{
	if (op->code == OFX_OP_SET) {
		key_set(&s->key, op);
		s->key_changed = 1;
	}
	verdict_copy(s, op);
}

/* n_apply is read anew for each op, or the verifier would follow every possible value of it. */
static __always_inline void resolve_op(struct ofx_state *s, const struct ofx_inst *inst, __u32 i,
				       const struct ofx_op *op)
{
	if (i < *(volatile __u16 *)&inst->n_apply)
		resolve_apply(s, op);
	else
		action_set_write(&s->set, op);
}

static __always_inline int resolve_has_op(const struct ofx_inst *inst, __u32 i)
{
	return i < *(volatile __u16 *)&inst->n_apply + *(volatile __u16 *)&inst->n_write;
}

/* Some of the ops behind the inline ones, from `first` on. */
#define OFX_FAR_OPS 12
__weak __noinline int resolve_ops_far(struct ofx_state *s, const struct ofx_inst *inst, __u32 first)
{
	if (!s || !inst)
		return -1;
	for (__u32 n = 0; n < OFX_FAR_OPS; n++) {
		__u32 i = first + n;
		const struct ofx_op *op;

		if (!resolve_has_op(inst, i))
			return 0;
		op = inst_far_op(inst, i);
		if (op)
			resolve_op(s, inst, i, op);
	}
	return 0;
}

static __always_inline void resolve_ops(struct ofx_state *s, const struct ofx_inst *inst)
{
	for (__u32 i = 0; i < OFX_INLINE_OPS; i++) {
		if (!resolve_has_op(inst, i))
			return;
		resolve_op(s, inst, i, &inst->ops[i]);
	}
	for (__u32 i = OFX_INLINE_OPS; i < OFX_FLOW_OPS; i += OFX_FAR_OPS) {
		if (!resolve_has_op(inst, i))
			return;
		resolve_ops_far(s, inst, i);
	}
}

/* The goto: 0: s->next_table is next; 1: the verdict is complete. */
static __always_inline int resolve_goto(struct ofx_state *s, const struct ofx_inst *inst)
{
	__u8 next = inst->next_table;

	if (next == OFX_NO_TABLE) {
		if (s->set.present | s->set.dirty && inst->flags & OFX_INST_NEW_TYPES)
			verdict_add(s, OFX_OP_PARSE, 0, 0, 0);
		if (s->set.present | s->set.dirty | s->set.output)
			action_set_finish(s);
		return 1;
	}
	if (next <= s->next_table) { /* the user never writes that; a walk must end */
		verdict_add(s, OFX_OP_DROP, OFX_DROP_TOO_MANY_TABLES, 0, 0);
		return 1;
	}
	if (inst->flags & OFX_INST_REPARSE) {
		verdict_add(s, OFX_OP_RESUME, next, 0, 0);
		return 1;
	}
	s->next_table = next;
	return 0;
}

/* Table s->next_table.  0: go on with the new s->next_table; 1: the verdict is complete. */
__weak __noinline int resolve_table(struct ofx_state *s)
{
	const struct ofx_flow *flow;
	const struct ofx_inst *inst;

	if (!s)
		return 1;
	if (table_lookup(s, s->next_table)) {
		verdict_add(s, OFX_OP_MISS, s->next_table, 0, 0);
		return 1;
	}
	flow = flow_at(s->best_slot);
	inst = flow ? inst_of(flow) : NULL;
	if (!inst) {
		verdict_add(s, OFX_OP_DROP, OFX_DROP_INTERNAL, 0, 0);
		return 1;
	}
	verdict_add(s, OFX_OP_FLOW, flow->table, flow->gen, s->best_slot);
	if (inst->flags & OFX_INST_CLEAR)
		action_set_clear(&s->set);
	resolve_ops(s, inst);
	return resolve_goto(s, inst);
}

/* From s->next_table to the end of the verdict. */
__weak __noinline int resolve_on(struct ofx_state *s)
{
	if (!s)
		return -1;
	for (int i = 0; i < OFX_TABLES; i++) {
		if (resolve_table(s))
			return 0;
	}
	return verdict_add(s, OFX_OP_DROP, OFX_DROP_TOO_MANY_TABLES, 0, 0);
}

#endif
