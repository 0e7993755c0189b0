/* SPDX-License-Identifier: GPL-2.0-only */
/* Flow entries: their compiled form in the maps, their identity, their end. */
#include <errno.h>
#include <string.h>
#include "include/openflow/openflow.h"
#include "user/datapath/cache.h"
#include "user/datapath/match.h"
#include "user/datapath/tuple.h"
#include "user/openflow/error.h"
#include "user/util/memory.h"

/* --- keys --- */

static __u64 *far_word(const struct dp_tables *tables, const struct ofx_flow *of, uint32_t i)
{
	__u64 *words = chunks_value(&tables->op_pool, ofx_flow_far_word(of, i));

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

bool flow_has_key(const struct dp_tables *tables, const struct ofx_flow *of, uint16_t mask, const struct ofx_key *key)
{
	const struct ofx_subtable *s = &tables->subtables[mask];

	if (of->mask != mask)
		return false;
	for (uint32_t i = 0; i < s->n_words; i++)
		if (match_word(tables, of, i) != key->w[s->at[i] / 8])
			return false;
	return true;
}

/* Elements of op_pool for match words behind the first ones. */
static size_t far_len(const struct dp_tables *tables, const struct ofx_flow *of)
{
	const uint32_t words = tables->subtables[of->mask].n_words;

	return words > OFX_FLOW_WORDS ? (words - OFX_FLOW_WORDS + OFX_OP_WORDS - 1) / OFX_OP_WORDS : 0;
}

/* --- compiled forms --- */

/* The further words have their place. */
static void match_write(const struct dp_tables *tables, struct ofx_flow *of, const struct ofx_key *key)
{
	const struct ofx_subtable *s = &tables->subtables[of->mask];

	for (uint32_t i = 0; i < s->n_words; i++)
		*(i < OFX_FLOW_WORDS ? &of->match[i] : far_word(tables, of, i)) = key->w[s->at[i] / 8];
	if (s->head != OFX_QUICK_HEAD)
		return;
	of->flags |= OFX_FLOW_QUICK;
	memcpy(&of->match[OFX_QUICK_WORDS], s->mask, OFX_QUICK_WORDS * sizeof(of->match[0]));
}

static int record_write(struct dp_tables *tables, const struct dp_flow *flow, const struct dp_rule *rule)
{
	struct ofx_flow of = {.gen = flow->gen, .table = rule->table, .inst = rule->inst, .mask = flow->mask};
	const size_t far = far_len(tables, &of);
	struct ofx_key key;
	int err;

	for (int i = 0; i < OFX_KEY_WORDS; i++)
		key.w[i] = rule->match->value.w[i] & rule->match->mask.w[i];
	rule_expect(tables, tables->tuple[flow->mask], &key);
	err = far ? ops_take(tables, far, &of.first) : 0;
	if (err)
		return err;
	match_write(tables, &of, &key);
	memcpy(flow_record(tables, flow_id(tables, flow)), &of, sizeof(of));
	return 0;
}

static void record_free(struct dp_tables *tables, const struct ofx_flow *of)
{
	const size_t far = far_len(tables, of);

	if (far)
		ops_give(tables, far, of->first);
}

/* --- flow entries --- */

static void base_set(struct dp_tables *tables, uint32_t id)
{
	struct ofx_counter *base = &tables->base[id];
	uint64_t packets, bytes;

	counters_read(tables, id, &packets, &bytes);
	if (base->packets != packets || base->bytes != bytes) /* a page that is not written takes no memory */
		*base = (struct ofx_counter){.packets = packets, .bytes = bytes};
}

static struct dp_flow *flow_set(struct dp_tables *tables, const struct dp_rule *rule, uint32_t id,
				const struct tuple *mask)
{
	struct dp_flow *flow = &tables->flow[id];

	*flow = (struct dp_flow){.mask = mask->lookup.number,
				 .gen = flow->gen + 1,
				 .priority = rule->priority,
				 .table = rule->table,
				 .flags = FLOW_USED};
	return flow;
}

static void id_give(struct dp_tables *tables, uint32_t id)
{
	tables->flow[id].flags = 0;
	tables->flow[id].owner = NULL;
	counters_leave(tables, id);
	numbers_give(&tables->ids, id);
}

/*
 * Memory, but for chunks: what the switch keeps of an entry and what else is kept here.  The place of one that went has
 * been paid for, as a rule.
 */
#define FLOW_BYTES 512
#define FLOW_GONE_BYTES 160 /* for a while, while it is removed */

static bool flow_has_memory(struct dp_tables *tables)
{
	const uint32_t n = tables->n_flows + 1;

	memory_keep(&tables->kept, (size_t)n * FLOW_GONE_BYTES);
	if (n <= tables->most_flows)
		return memory_may(FLOW_BYTES);
	if (!memory_may_grow(FLOW_BYTES))
		return false;
	tables->most_flows = n;
	return true;
}

/* A flow entry that no rule leads to; its mask, counted, stays while it is there. */
static int flow_new(struct dp_tables *tables, const struct dp_rule *rule, uint32_t id, struct dp_flow **out)
{
	struct dp_flow *flow;
	struct tuple *mask;
	struct ofx_key bits;
	int err;

	match_mask(rule->match, &bits);
	err = tuple_of_mask(&tables->table[rule->table], &bits, &mask);
	if (err)
		return err;
	flow = flow_set(tables, rule, id, mask);
	tuple_take(mask);
	err = record_write(tables, flow, rule);
	if (err) {
		tuple_give(mask);
		return err;
	}
	base_set(tables, id);
	tables->n_flows++;
	*out = flow;
	return 0;
}

/* It is no flow entry any more; who met it before may count on it for a while. */
static void flow_leave(struct dp_tables *tables, struct dp_flow *flow)
{
	tuple_give(tables->tuple[flow->mask]);
	flow->flags |= FLOW_REMOVED;
	tables->n_flows--;
}

static int flow_publish(struct dp_tables *tables, struct dp_flow *flow)
{
	int err = rule_add(tables, flow);

	if (!err)
		return 0;
	record_free(tables, flow_record(tables, flow_id(tables, flow)));
	flow_leave(tables, flow);
	return err;
}

int dp_flow_add(struct dp *dp, const struct dp_rule *rule, void *owner, struct dp_flow **out)
{
	struct dp_tables *tables = dp->tables;
	struct dp_flow *flow = NULL;
	uint32_t id;
	int err;

	if (tables->n_flows >= dp->max_flows)
		return of_error_because(TABLE_FULL, "all --max-flows are there");
	if (!flow_has_memory(tables))
		return -ENOMEM;
	err = tables_take_grown(tables, &tables->ids, &tables->flows, &id);
	if (err)
		return err;
	counters_enter(tables, id, rule->table);
	err = flow_new(tables, rule, id, &flow);
	if (!err)
		err = flow_publish(tables, flow);
	if (err) {
		id_give(tables, id);
		return err;
	}
	flow->owner = owner;
	*out = flow;
	return 0;
}

void dp_flow_set(struct dp *dp, struct dp_flow *flow, uint32_t inst)
{
	struct ofx_flow *of = flow_record(dp->tables, flow_id(dp->tables, flow));

	__atomic_store_n(&of->inst, inst, __ATOMIC_RELEASE);
}

/* No packet can count on it any more.  flow_gone() from the event loop, not from within a call. */
static void flow_retired(struct dp *dp, void *aux, uint32_t id)
{
	struct dp_tables *tables = dp->tables;
	struct dp_flow *flow = &tables->flow[id];
	const struct ofx_flow *of = flow_record(tables, id);

	tables->runs.waiting -= far_len(tables, of) != 0;
	record_free(tables, of); /* now: later its mask's number may be another's */
	flow->below = 0;
	if (tables->gone)
		tables->flow[tables->gone_last].below = id;
	else
		tables->gone = id;
	tables->gone_last = id;
	event_active(tables->gone_event, EV_TIMEOUT, 0);
}

void dp_flow_remove(struct dp *dp, struct dp_flow *flow)
{
	struct dp_tables *tables = dp->tables;

	rule_remove(tables, flow);
	flow_leave(tables, flow);
	tables->ids.waiting++;
	tables->runs.waiting += far_len(tables, flow_record(tables, flow_id(tables, flow))) != 0;
	grace_defer(dp, flow_retired, NULL, flow_id(tables, flow));
}

void flow_tell_gone(struct dp_tables *tables)
{
	struct dp_flow *flow = &tables->flow[tables->gone];
	uint64_t packets, bytes;
	void *owner = flow->owner;

	tables->gone = flow->below;
	dp_flow_counters(tables->dp, flow, &packets, &bytes);
	tables->ids.waiting--;
	id_give(tables, flow_id(tables, flow));
	tables->dp->cb.flow_gone(tables->dp->aux, owner, packets, bytes);
}

void dp_publish(struct dp *dp)
{
	dp_generation_bump(dp);
	tables_grow(dp->tables);
}

void *dp_flow_owner(const struct dp_flow *flow)
{
	return flow->owner;
}

struct dp_flow *dp_flow_below(struct dp *dp, const struct dp_flow *flow)
{
	return chain_below(dp->tables, flow);
}
