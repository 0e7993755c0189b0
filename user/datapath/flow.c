/* SPDX-License-Identifier: GPL-2.0-only */
/* Flow entries: their compiled form in the maps, their identity, their end. */
#include <arpa/inet.h>
#include <endian.h>
#include <string.h>
#include "include/openflow/openflow.h"
#include "user/datapath/group.h"
#include "user/datapath/table.h"
#include "user/openflow/error.h"
#include "user/util/cleanup.h"

/* May the packet's headers, as parse sees them, be others after these actions? */
static bool moves_headers(const struct of_actions *actions)
{
	for (size_t i = 0; i < actions->n; i++) {
		const struct of_action *a = &actions->v[i];

		switch (a->type) {
		case OF_ACT_PUSH_VLAN:
		case OF_ACT_POP_VLAN:
		case OF_ACT_PUSH_MPLS:
		case OF_ACT_POP_MPLS:
		case OF_ACT_PUSH_PBB:
		case OF_ACT_POP_PBB:
			return true;
		case OF_ACT_SET_FIELD:
			break;
		default:
			continue;
		}
		switch (a->set.field) {
		case OFX_F_VLAN_VID:
			if (a->set.value[0] & 0x10) /* OFPVID_PRESENT: the tag stays */
				break;
			return true;
		case OFX_F_ETH_TYPE:
		case OFX_F_IP_PROTO:
		case OFX_F_ICMPV6_TYPE:
			return true;
		}
	}
	return false;
}

/* OFX_FLOW_SIMPLE: what follows from it is decided by one packet's headers as they came. */
static bool is_simple(const struct ofx_flow *f, const struct ofx_op *ops, size_t n)
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
static int compile(struct dp *dp, const struct of_instructions *inst, uint8_t reason, struct ofx_flow *f,
		   struct ofx_op *ops)
{
	size_t n = 0;
	int err = 0;

	if (inst->present & OF_INST_METER) {
		ops[n].code = OFX_OP_METER;
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
	f->flags = inst->present & OF_INST_CLEAR ? OFX_FLOW_CLEAR : 0;
	for (size_t i = 0; i < f->n_apply; i++)
		if (ops[i].code == OFX_OP_SET)
			f->flags |= OFX_FLOW_SETS;
	if (inst->present & OF_INST_GOTO && ((inst->present & OF_INST_APPLY && moves_headers(&inst->apply)) ||
					     inst->present & OF_INST_METER)) /* it may change the DSCP */
		f->flags |= OFX_FLOW_REPARSE;
	else if (is_simple(f, ops, n))
		f->flags |= OFX_FLOW_SIMPLE;
	return err;
}

/* From what is free; from a chunk more; from what becomes free in a grace period. */
static bool slot_take(struct dp_tables *tables, uint32_t *slot)
{
	if (numbers_take(&tables->slots, slot))
		return true;
	if (tables->slots.size <= tables->dp->n_flow_ids && chunks_grow(&tables->flows)) {
		const uint32_t n = tables->flows.n * OFX_FLOW_CHUNK, max = tables->dp->n_flow_ids + 1;

		tables->slots.size = n < max ? n : max;
	}
	return tables_take(tables, &tables->slots, slot);
}

static bool run_take(struct dp_tables *tables, size_t n, struct body *body)
{
	if (runs_take(&tables->runs, n, &body->first, &body->order))
		return true;
	if (chunks_grow(&tables->op_pool))
		runs_grow(&tables->runs, OFX_OP_CHUNK);
	else
		grace_flush(tables->dp);
	return runs_take(&tables->runs, n, &body->first, &body->order);
}

/* A run lies in one chunk. */
static int run_write(struct dp_tables *tables, const struct ofx_op *ops, size_t n, struct body *body)
{
	body->order = RUN_NONE;
	body->first = 0;
	if (!n)
		return 0;
	if (!run_take(tables, n, body))
		return TABLE_FULL;
	memcpy(chunks_value(&tables->op_pool, body->first), ops, n * sizeof(*ops));
	return 0;
}

int body_write(struct dp_tables *tables, struct ofx_flow *of, uint8_t reason, const struct of_instructions *inst,
	       struct body *body)
{
	struct ofx_op ops[OFX_FLOW_OPS] = {0};
	size_t n, n_inline;
	int err = compile(tables->dp, inst, reason, of, ops);

	if (err)
		return err;
	n = of->n_apply + of->n_write;
	err = groups_resolve(tables->dp, ops, n);
	if (err)
		return err;
	n_inline = n < OFX_INLINE_OPS ? n : OFX_INLINE_OPS;
	if (!slot_take(tables, &body->slot))
		return TABLE_FULL;
	err = run_write(tables, ops + n_inline, n - n_inline, body);
	if (err) {
		numbers_give(&tables->slots, body->slot);
		return err;
	}
	of->first = body->first;
	memcpy(of->ops, ops, n_inline * sizeof(*ops));
	memcpy(chunks_value(&tables->flows, body->slot), of, sizeof(*of));
	return 0;
}

void body_free(struct dp_tables *tables, const struct body *body)
{
	numbers_give(&tables->slots, body->slot);
	if (body->order != RUN_NONE)
		runs_give(&tables->runs, body->first, body->order);
}

static void body_retired(void *aux)
{
	struct retired_body *r = aux;

	body_free(r->tables, &r->body);
	free(r);
}

void body_retire(struct retired_body *r)
{
	grace_defer(r->tables->dp, body_retired, r);
}

static uint8_t output_reason(bool table_miss)
{
	return table_miss ? OFPR_NO_MATCH : OFPR_ACTION;
}

static void id_give(struct dp_tables *tables, uint32_t id)
{
	counters_leave(tables, id);
	numbers_give(&tables->ids, id);
}

/* A flow id with its generation raised, and the body: what `flow` shall have.  Its table is given. */
static int flow_take(struct dp_tables *tables, const struct dp_rule *rule, struct dp_flow *flow)
{
	struct ofx_flow of = {.table = rule->table};
	int err;

	if (!tables_take(tables, &tables->ids, &flow->id))
		return TABLE_FULL;
	counters_enter(tables, flow->id, rule->table);
	flow->gen = ++tables->owners[flow->id].gen;
	of.id = flow->id;
	of.gen = flow->gen;
	err = body_write(tables, &of, output_reason(rule->table_miss), rule->inst, &flow->body);
	if (err)
		id_give(tables, flow->id);
	return err;
}

static void flow_give(struct dp_tables *tables, const struct dp_flow *flow)
{
	body_free(tables, &flow->body);
	id_give(tables, flow->id);
}

/* The entry, as `from` but with this key, in its lookup. */
static int flow_insert(const struct dp_flow *from, struct lookup *l, const uint64_t *key, struct dp_flow **out)
{
	_free_ struct dp_flow *flow = malloc(sizeof(*flow) + l->key_words * sizeof(*key));
	int err;

	if (!flow)
		return -ENOMEM;
	*flow = *from;
	flow->lookup = l;
	memcpy(flow->key, key, l->key_words * sizeof(*key));
	flow->hash = index_hash(key, l->key_words);
	err = lookup_insert(l, flow);
	if (!err)
		*out = take_ptr(flow);
	return err;
}

int flow_new(struct dp_tables *tables, const struct dp_rule *rule, void *owner, struct dp_flow **out)
{
	struct dp_flow flow = {.owner = owner,
			       .priority = rule->priority,
			       .flags = FLOW_NEW | (rule->table_miss ? FLOW_TABLE_MISS : 0)};
	uint64_t key[OFX_KEY_WORDS];
	struct lookup *l;
	int err = flow_take(tables, rule, &flow);

	if (err)
		return err;
	counters_read(tables, flow.id, &flow.base_packets, &flow.base_bytes);
	/* last, because waiting for a number may tidy empty lookups away */
	err = lookup_of_rule(tables, rule, &l, key);
	if (!err) {
		err = flow_insert(&flow, l, key, out);
		if (err)
			table_tidy_later(l->table);
	}
	if (err) {
		flow_give(tables, &flow);
		return err;
	}
	tables->owners[flow.id].flow = *out;
	tables->n_flows++;
	return 0;
}

int flow_rewrite(struct dp_tables *tables, struct dp_flow *flow, const struct of_instructions *inst, struct body *old)
{
	struct ofx_flow of = {.id = flow->id, .gen = flow->gen, .table = flow->lookup->table->number};
	struct body body;
	int err = body_write(tables, &of, output_reason(flow->flags & FLOW_TABLE_MISS), inst, &body);

	if (err)
		return err;
	*old = flow->body;
	flow->body = body;
	return 0;
}

static void flow_take_out(struct dp_tables *tables, struct dp_flow *flow)
{
	lookup_remove(flow->lookup, flow);
	tables->owners[flow->id].flow = NULL;
	tables->n_flows--;
}

void flow_free(struct dp_tables *tables, struct dp_flow *flow)
{
	flow_take_out(tables, flow);
	flow_give(tables, flow);
	free(flow);
}

/* No packet can count on it any more. */
static void flow_retired(void *aux)
{
	struct retired_flow *r = aux;
	struct dp_tables *tables = r->table->tables;

	dp_flow_counters(tables->dp, r->flow, &r->packets, &r->bytes);
	flow_give(tables, r->flow);
	free(take_ptr(r->flow));
	if (r->gone) {
		/* from the event loop, not from within a call that waits for numbers */
		TAILQ_INSERT_TAIL(&tables->gone, r, next);
		event_active(tables->gone_event, EV_TIMEOUT, 0);
	} else {
		free(r);
	}
}

void flow_retire(struct retired_flow *r)
{
	struct dp_tables *tables = r->table->tables;

	flow_take_out(tables, r->flow);
	grace_defer(tables->dp, flow_retired, r);
}
