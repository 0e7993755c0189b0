/* SPDX-License-Identifier: GPL-2.0-only */
/* Flow entries: their compiled form in the maps, their identity, their end. */
#include <arpa/inet.h>
#include <endian.h>
#include <string.h>
#include "include/openflow/openflow.h"
#include "user/datapath/group.h"
#include "user/datapath/tuple.h"
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
	f->flags = inst->present & OF_INST_CLEAR ? OFX_FLOW_CLEAR : 0;
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

static bool run_take(struct dp_tables *tables, size_t n, uint32_t *first)
{
	uint8_t order;

	if (runs_take(&tables->runs, n, first, &order))
		return true;
	if (chunks_grow(&tables->op_pool))
		runs_grow(&tables->runs, OFX_OP_CHUNK);
	else
		grace_flush(tables->dp);
	return runs_take(&tables->runs, n, first, &order);
}

/* --- keys --- */

static const uint64_t *far_word(const struct dp_tables *tables, const struct ofx_flow *of, uint32_t i)
{
	const uint64_t *words = chunks_value(&tables->op_pool, ofx_flow_far_word(of, i));

	return words + (i - OFX_FLOW_WORDS) % OFX_OP_WORDS;
}

static uint64_t match_word(const struct dp_tables *tables, const struct ofx_flow *of, uint32_t i)
{
	return i < OFX_FLOW_WORDS ? of->match[i] : *far_word(tables, of, i);
}

void flow_key(const struct dp_tables *tables, const struct ofx_flow *of, struct ofx_key *key)
{
	const struct ofx_subtable *s = &tables->subtables[of->mask];

	memset(key, 0, sizeof(*key));
	for (uint32_t i = 0; i < s->n_words; i++)
		key->w[s->at[i] / 8] = match_word(tables, of, i);
}

bool flow_same_key(const struct dp_tables *tables, const struct ofx_flow *a, const struct ofx_flow *b)
{
	const uint32_t n = tables->subtables[a->mask].n_words;

	if (a->mask != b->mask)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (match_word(tables, a, i) != match_word(tables, b, i))
			return false;
	return true;
}

/* --- compiled forms --- */

/* Elements of op_pool that it needs. */
static size_t far_len(const struct dp_tables *tables, const struct ofx_flow *of)
{
	const uint32_t words = tables->subtables[of->mask].n_words, ops = of->n_apply + of->n_write;
	size_t n = ops > OFX_INLINE_OPS ? ops - OFX_INLINE_OPS : 0;

	if (words > OFX_FLOW_WORDS)
		n += (words - OFX_FLOW_WORDS + OFX_OP_WORDS - 1) / OFX_OP_WORDS;
	return n;
}

static uint8_t order_of(size_t n)
{
	uint8_t order = 0;

	while ((1u << order) < n)
		order++;
	return n ? order : RUN_NONE;
}

static struct body body_of(const struct dp_tables *tables, uint32_t slot)
{
	const struct ofx_flow *of = flow_record(tables, slot);

	return (struct body){.slot = slot, .first = of->first, .order = order_of(far_len(tables, of))};
}

static void body_give(struct dp_tables *tables, const struct body *body)
{
	numbers_give(&tables->slots, body->slot);
	if (body->order != RUN_NONE)
		runs_give(&tables->runs, body->first, body->order);
}

void body_free(struct dp_tables *tables, uint32_t slot)
{
	const struct body body = body_of(tables, slot);

	body_give(tables, &body);
}

/* Ops and match words behind the inline ones; a run lies in one chunk. */
static int far_write(struct dp_tables *tables, struct ofx_flow *of, const struct ofx_op *ops, const struct ofx_key *key)
{
	const struct ofx_subtable *s = &tables->subtables[of->mask];
	const uint32_t n = of->n_apply + of->n_write;
	const size_t len = far_len(tables, of);

	if (!len)
		return 0;
	if (!run_take(tables, len, &of->first))
		return TABLE_FULL;
	if (n > OFX_INLINE_OPS)
		memcpy(chunks_value(&tables->op_pool, of->first), ops + OFX_INLINE_OPS,
		       (n - OFX_INLINE_OPS) * sizeof(*ops));
	for (uint32_t i = OFX_FLOW_WORDS; i < s->n_words; i++)
		*(uint64_t *)far_word(tables, of, i) = key->w[s->at[i] / 8];
	return 0;
}

/* of->id, gen, table and mask are set; the key is masked.  reason: OFPR_* of outputs to CONTROLLER. */
static int body_write(struct dp_tables *tables, struct ofx_flow *of, const struct ofx_key *key, uint8_t reason,
		      const struct of_instructions *inst, uint32_t *slot)
{
	const struct ofx_subtable *s = &tables->subtables[of->mask];
	struct ofx_op ops[OFX_FLOW_OPS];
	int err;

	memset(ops, 0, sizeof(of->ops)); /* those that are written whatever there is */
	err = compile(tables->dp, inst, reason, of, ops);
	if (!err)
		err = groups_resolve(tables->dp, ops, of->n_apply + of->n_write);
	if (err)
		return err;
	if (!slot_take(tables, slot))
		return TABLE_FULL;
	err = far_write(tables, of, ops, key);
	if (err) {
		numbers_give(&tables->slots, *slot);
		return err;
	}
	for (uint32_t i = 0; i < s->n_words && i < OFX_FLOW_WORDS; i++)
		of->match[i] = key->w[s->at[i] / 8];
	if (s->head == OFX_QUICK_HEAD) {
		of->flags |= OFX_FLOW_QUICK;
		memcpy(&of->match[OFX_QUICK_WORDS], s->mask, OFX_QUICK_WORDS * sizeof(of->match[0]));
	}
	memcpy(of->ops, ops, sizeof(of->ops));
	memcpy(flow_record(tables, *slot), of, sizeof(*of));
	return 0;
}

static void body_retired(void *aux)
{
	struct retired_body *r = aux;

	body_give(r->tables, &r->body);
	free(r);
}

void body_retire(struct dp_tables *tables, uint32_t slot, struct retired_body *r)
{
	*r = (struct retired_body){.tables = tables, .body = body_of(tables, slot)};
	grace_defer(tables->dp, body_retired, r);
}

/* --- flow entries --- */

static uint8_t output_reason(bool table_miss)
{
	return table_miss ? OFPR_NO_MATCH : OFPR_ACTION;
}

static void id_give(struct dp_tables *tables, uint32_t id)
{
	counters_leave(tables, id);
	numbers_give(&tables->ids, id);
}

static void base_set(struct dp_tables *tables, uint32_t id)
{
	struct ofx_counter *base = &tables->base[id];
	uint64_t packets, bytes;

	counters_read(tables, id, &packets, &bytes);
	if (base->packets != packets || base->bytes != bytes) /* a page that is not written takes no memory */
		*base = (struct ofx_counter){.packets = packets, .bytes = bytes};
}

static int flow_compile(struct dp_tables *tables, const struct dp_rule *rule, uint32_t id, struct dp_flow *flow)
{
	struct ofx_flow of = {.id = id, .gen = flow->gen, .table = rule->table, .mask = flow->mask};
	struct ofx_key key;

	for (int i = 0; i < OFX_KEY_WORDS; i++)
		key.w[i] = rule->match->value.w[i] & rule->match->mask.w[i];
	rule_expect(tables, tables->tuple[flow->mask], &key);
	return body_write(tables, &of, &key, output_reason(rule->table_miss), rule->inst, &flow->slot);
}

static struct dp_flow *flow_set(struct dp_tables *tables, const struct dp_rule *rule, uint32_t id,
				const struct tuple *mask)
{
	struct dp_flow *flow = &tables->flow[id];

	*flow = (struct dp_flow){.below = NO_FLOW,
				 .mask = mask->lookup.number,
				 .gen = flow->gen + 1,
				 .priority = rule->priority,
				 .table = rule->table,
				 .flags = FLOW_USED | (rule->table_miss ? FLOW_TABLE_MISS : 0)};
	return flow;
}

static void flow_forget(struct dp_tables *tables, struct dp_flow *flow)
{
	flow->flags = 0;
	flow->owner = NULL;
	id_give(tables, flow_id(tables, flow));
}

int flow_new(struct dp_tables *tables, const struct dp_rule *rule, void *owner, struct dp_flow **out)
{
	struct tuple *mask;
	struct dp_flow *flow;
	uint32_t id;
	int err;

	if (!tables_take(tables, &tables->ids, &id))
		return TABLE_FULL;
	counters_enter(tables, id, rule->table);
	err = tuple_of_mask(&tables->table[rule->table], &rule->match->mask, &mask);
	if (err) {
		id_give(tables, id);
		return err;
	}
	flow = flow_set(tables, rule, id, mask);
	tuple_take(mask);
	err = flow_compile(tables, rule, id, flow); /* its mask, counted, stays while numbers are waited for */
	if (err) {
		tuple_give(mask);
		flow_forget(tables, flow);
		return err;
	}
	base_set(tables, id);
	flow->owner = owner;
	tables->n_flows++;
	*out = flow;
	return 0;
}

int flow_rewrite(struct dp_tables *tables, struct dp_flow *flow, const struct of_instructions *inst, uint32_t *slot)
{
	struct ofx_flow of = {.id = flow_id(tables, flow), .gen = flow->gen, .table = flow->table, .mask = flow->mask};
	struct ofx_key key;

	flow_key(tables, flow_record(tables, flow->slot), &key);
	return body_write(tables, &of, &key, output_reason(flow->flags & FLOW_TABLE_MISS), inst, slot);
}

/* It is no flow entry any more; who met it before may count on it for a while. */
static void flow_leave(struct dp_tables *tables, struct dp_flow *flow)
{
	tuple_give(tables->tuple[flow->mask]);
	flow->owner = NULL;
	tables->n_flows--;
}

void flow_free(struct dp_tables *tables, struct dp_flow *flow)
{
	const struct body body = body_of(tables, flow->slot);

	flow_leave(tables, flow);
	body_give(tables, &body);
	flow_forget(tables, flow);
}

/* No packet can count on it any more. */
static void flow_retired(void *aux)
{
	struct retired_flow *r = aux;
	struct dp_tables *tables = r->table->tables;

	dp_flow_counters(tables->dp, r->flow, &r->packets, &r->bytes);
	body_give(tables, &r->body);
	flow_forget(tables, r->flow);
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

	r->body = body_of(tables, r->flow->slot);
	flow_leave(tables, r->flow);
	grace_defer(tables->dp, flow_retired, r);
}
