/* SPDX-License-Identifier: GPL-2.0-only */
/* Compiled instructions (struct ofx_inst), and the room for ops behind the first ones. */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include "include/openflow/openflow.h"
#include "user/datapath/group.h"
#include "user/datapath/table.h"
#include "user/openflow/error.h"

static bool moves_header(const struct of_action *a)
{
	switch (a->type) {
	case OF_ACT_PUSH_VLAN:
	case OF_ACT_POP_VLAN:
	case OF_ACT_PUSH_MPLS:
	case OF_ACT_POP_MPLS:
	case OF_ACT_PUSH_PBB:
	case OF_ACT_POP_PBB:
		return true;
	}
	return false;
}

/* What these actions may make of the packet's headers, as parse sees them: OFX_INST_NEW_TYPES, OFX_INST_REPARSE. */
static uint8_t header_flags(const struct of_actions *actions)
{
	uint8_t flags = 0;

	for (size_t i = 0; i < actions->n; i++) {
		if (action_changes_type(&actions->v[i]))
			flags |= OFX_INST_NEW_TYPES | OFX_INST_REPARSE;
		if (moves_header(&actions->v[i]))
			flags |= OFX_INST_REPARSE;
	}
	return flags;
}

/* OFX_INST_SIMPLE: what follows from it is decided by one packet's headers as they came. */
static bool is_simple(const struct ofx_inst *f, const struct ofx_op *ops, size_t n)
{
	if (n > OFX_SIMPLE_OPS || f->n_write > 1 || (f->n_write && f->next_table != OFX_NO_TABLE))
		return false;
	for (size_t i = 0; i < n; i++) {
		bool output = ops[i].code == OFX_OP_OUTPUT || ops[i].code == OFX_OP_IN_PORT;

		if (!output && (ops[i].code != OFX_OP_SET || i >= f->n_apply))
			return false;
	}
	return true;
}

/* OpenFlow 1.3.5 §5.9: meter, apply, clear, write, write-metadata, goto. */
static int compile(struct dp *dp, const struct of_instructions *inst, uint8_t reason, struct ofx_inst *f,
		   struct ofx_op *ops)
{
	size_t n = 0;
	int err = 0;

	if (inst->present & OF_INST_METER) {
		ops[n] = (struct ofx_op){.code = OFX_OP_METER};
		err = meters_index(dp, inst->meter, &ops[n++].arg);
	}
	if (!err && inst->present & OF_INST_APPLY)
		err = action_compile(&inst->apply, reason, false, ops, &n, OFX_FLOW_OPS);
	if (!err && inst->present & OF_INST_METADATA && inst->metadata_mask) {
		uint64_t mask = htobe64(inst->metadata_mask);

		if (n == OFX_FLOW_OPS)
			return OF_ERROR(OFPET_BAD_ACTION, OFPBAC_TOO_MANY);
		ops[n++] = (struct ofx_op){
			.code = OFX_OP_SET, .a = OFX_W_METADATA, .value = htobe64(inst->metadata) & mask, .mask = mask};
	}
	f->n_apply = n;
	if (!err && inst->present & OF_INST_WRITE)
		err = action_compile(&inst->write, reason, false, ops, &n, OFX_FLOW_OPS);
	f->n_write = n - f->n_apply;
	f->next_table = inst->present & OF_INST_GOTO ? inst->goto_table : OFX_NO_TABLE;
	f->flags = inst->present & OF_INST_CLEAR ? OFX_INST_CLEAR : 0;
	if (inst->present & OF_INST_APPLY)
		f->flags |= header_flags(&inst->apply);
	if (inst->present & OF_INST_METER) /* it may change the DSCP */
		f->flags |= OFX_INST_REPARSE;
	if (!(inst->present & OF_INST_GOTO && f->flags & OFX_INST_REPARSE) && is_simple(f, ops, n))
		f->flags |= OFX_INST_SIMPLE;
	return err;
}

/* --- room in op_pool --- */

static uint8_t order_of(size_t n)
{
	uint8_t order = 0;

	while ((1u << order) < n)
		order++;
	return order;
}

int ops_take(struct dp_tables *tables, size_t n, uint32_t *first)
{
	uint8_t order;
	int err;

	if (runs_take(&tables->runs, n, first, &order))
		return 0;
	err = chunks_grow(&tables->op_pool);
	if (!err) {
		runs_grow(&tables->runs, OFX_OP_CHUNK);
		if (runs_take(&tables->runs, n, first, &order))
			return 0;
	} else if (err == -EAGAIN || tables->runs.waiting) {
		return -EAGAIN;
	}
	return of_error_because(TABLE_FULL, "no room for more actions, which grows with --max-flows");
}

void ops_give(struct dp_tables *tables, size_t n, uint32_t first)
{
	runs_give(&tables->runs, first, order_of(n));
}

/* --- compiled instructions --- */

static struct ofx_inst *inst_record(const struct dp_tables *tables, uint32_t number)
{
	return chunks_value(&tables->insts, number);
}

/* Ops that don't stand in the record itself. */
static size_t far_ops(const struct ofx_inst *inst)
{
	const size_t n = inst->n_apply + inst->n_write;

	return n > OFX_INLINE_OPS ? n - OFX_INLINE_OPS : 0;
}

static int inst_write(struct dp_tables *tables, struct ofx_inst *inst, const struct ofx_op *ops, uint32_t number)
{
	const size_t far = far_ops(inst);
	int err = far ? ops_take(tables, far, &inst->first) : 0;

	if (err)
		return err;
	if (far)
		memcpy(chunks_value(&tables->op_pool, inst->first), ops + OFX_INLINE_OPS, far * sizeof(*ops));
	memcpy(inst->ops, ops, sizeof(inst->ops));
	memcpy(inst_record(tables, number), inst, sizeof(*inst));
	return 0;
}

int dp_inst_add(struct dp *dp, const struct of_instructions *of, bool table_miss, uint32_t *number)
{
	struct dp_tables *tables = dp->tables;
	struct ofx_op ops[OFX_FLOW_OPS];
	struct ofx_inst inst = {0};
	int err;

	memset(ops, 0, sizeof(inst.ops)); /* those that are written whatever there is */
	err = compile(dp, of, table_miss ? OFPR_NO_MATCH : OFPR_ACTION, &inst, ops);
	if (!err)
		err = groups_resolve(dp, ops, inst.n_apply + inst.n_write);
	if (!err)
		err = tables_take_grown(tables, &tables->inst_numbers, &tables->insts, number);
	if (err)
		return err;
	err = inst_write(tables, &inst, ops, *number);
	if (err)
		numbers_give(&tables->inst_numbers, *number);
	return err;
}

static void inst_retired(struct dp *dp, void *aux, uint32_t number)
{
	struct dp_tables *tables = dp->tables;
	const struct ofx_inst *inst = inst_record(tables, number);

	if (far_ops(inst)) {
		ops_give(tables, far_ops(inst), inst->first);
		tables->runs.waiting--;
	}
	tables->inst_numbers.waiting--;
	numbers_give(&tables->inst_numbers, number);
}

void dp_inst_drop(struct dp *dp, uint32_t number)
{
	struct dp_tables *tables = dp->tables;

	tables->inst_numbers.waiting++;
	tables->runs.waiting += far_ops(inst_record(tables, number)) != 0;
	grace_defer(dp, inst_retired, NULL, number);
}
