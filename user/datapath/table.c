/* SPDX-License-Identifier: GPL-2.0-only */
/* Flow tables: the published lists of lookups, and what all tables share. */
#include "user/datapath/table.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "user/datapath/cache.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

bool tables_take(struct dp_tables *tables, struct numbers *pool, uint32_t *number)
{
	if (numbers_take(pool, number))
		return true;
	grace_flush(tables->dp);
	return numbers_take(pool, number);
}

struct retired_number {
	struct numbers *pool;
	uint32_t number;
};

static void number_retired(void *aux)
{
	struct retired_number *r = aux;

	numbers_give(r->pool, r->number);
	free(r);
}

void tables_retire(struct dp_tables *tables, struct numbers *pool, uint32_t number)
{
	struct retired_number *r = malloc(sizeof(*r));

	if (!r) {
		log_error("out of memory: number %u of a map stays unused", number);
		return;
	}
	*r = (struct retired_number){.pool = pool, .number = number};
	grace_defer(tables->dp, number_retired, r);
}

/* A list being made. */
struct draft {
	uint32_t n;
	struct draft_entry {
		struct lookup *lookup;
		uint16_t max;
	} v[OFX_LIST_ENTRIES];
};

static void draft_add(struct draft *d, struct lookup *l, uint16_t max)
{
	uint32_t i = d->n++;

	for (; i && d->v[i - 1].max < max; i--)
		d->v[i] = d->v[i - 1];
	d->v[i] = (struct draft_entry){.lookup = l, .max = max};
}

static bool lookup_is_low(const struct lookup *l)
{
	return l->n_flows && (!l->listed || l->listed_max < l->max);
}

/*
 * Lookups whose listed maximum is too low get the one of their upper neighbour, not just what they need now, so that
 * a run of rules with rising priorities does not take a list for each.  Tidying makes it exact again.
 */
static void draft_raised(const struct table *t, struct draft *d)
{

	for (uint32_t i = 0; i < t->n_lookups; i++)
		if (t->lookups[i]->listed && !lookup_is_low(t->lookups[i]))
			draft_add(d, t->lookups[i], t->lookups[i]->listed_max);
	for (uint32_t i = 0; i < t->n_lookups; i++) {
		struct lookup *l = t->lookups[i];
		uint32_t above = 0;

		if (!lookup_is_low(l))
			continue;
		while (above < d->n && d->v[above].max >= l->max)
			above++;
		draft_add(d, l, above ? d->v[above - 1].max : UINT16_MAX);
	}
}

static void draft_exact(const struct table *t, struct draft *d)
{
	for (uint32_t i = 0; i < t->n_lookups; i++)
		if (t->lookups[i]->n_flows)
			draft_add(d, t->lookups[i], t->lookups[i]->max);
}

static void draft_write(const struct dp_tables *tables, const struct draft *d, uint32_t slot)
{
	struct ofx_list *list = &tables->lists[slot];

	list->n = d->n;
	for (uint32_t i = 0; i < d->n; i++)
		list->entries[i] = (struct ofx_list_entry){.subtable = d->v[i].lookup->subtable,
							   .max_priority = d->v[i].max,
							   .kind = d->v[i].lookup->kind};
}

/* The draft becomes the table's list, in this slot (0: no list, the draft is empty). */
static void table_publish(struct table *t, const struct draft *d, uint32_t slot)
{
	struct dp_tables *tables = t->tables;

	if (slot)
		draft_write(tables, d, slot);
	__atomic_store_n(&tables->roots[t->number], slot, __ATOMIC_RELEASE);
	dp_generation_bump(tables->dp);
	if (t->list)
		tables_retire(tables, &tables->list_slots, t->list);
	t->list = slot;
	for (uint32_t i = 0; i < d->n; i++) {
		d->v[i].lookup->listed = true;
		d->v[i].lookup->listed_max = d->v[i].max;
	}
}

int table_raise(struct table *t)
{
	struct draft d = {0};
	uint32_t slot;

	if (!tables_take(t->tables, &t->tables->list_slots, &slot))
		return -ENOSPC;
	draft_raised(t, &d);
	table_publish(t, &d, slot);
	return 0;
}

/* What a tidy table would not have: an empty lookup, a listed maximum above the exact one. */
static bool table_is_tidy(struct table *t)
{
	bool tidy = true;

	for (uint32_t i = 0; i < t->n_lookups; i++) {
		lookup_update_max(t->lookups[i]);
		if (!t->lookups[i]->n_flows || t->lookups[i]->listed_max != t->lookups[i]->max)
			tidy = false;
	}
	return tidy;
}

void table_tidy(struct table *t)
{
	struct draft d = {0};
	uint32_t slot = 0;

	if (table_is_tidy(t))
		return;
	draft_exact(t, &d);
	if (d.n && !numbers_take(&t->tables->list_slots, &slot)) {
		table_tidy_later(t);
		return;
	}
	table_publish(t, &d, slot);
	for (uint32_t i = t->n_lookups; i; i--)
		if (!t->lookups[i - 1]->n_flows)
			lookup_free(t->lookups[i - 1]);
}

static void tidy_due(void *aux)
{
	struct table *t = aux;

	t->tidy_pending = false;
	if (!t->tables->closing)
		table_tidy(t);
}

void table_tidy_later(struct table *t)
{
	if (t->tidy_pending)
		return;
	t->tidy_pending = true;
	grace_defer(t->tables->dp, tidy_due, t);
}

void *tables_owner(struct dp *dp, uint32_t flow, uint16_t gen)
{
	const struct dp_tables *tables = dp->tables;

	if (flow >= dp->n_flow_ids || tables->owners[flow].gen != gen || !tables->owners[flow].flow)
		return NULL;
	return tables->owners[flow].flow->owner;
}

uint32_t dp_max_flows(const struct dp *dp)
{
	return dp->max_flows;
}

#define GONE_TURN                                                                                                      \
	1024 /* callbacks before others have their turn: a message to each controller is some microseconds             \
	      */

static void gone_due(evutil_socket_t fd, short what, void *aux)
{
	const struct timeval soon = {0};
	struct dp_tables *tables = aux;
	struct retired_flow *r;

	for (int i = 0; i < GONE_TURN && (r = TAILQ_FIRST(&tables->gone)); i++) {
		TAILQ_REMOVE(&tables->gone, r, next);
		r->gone(r->aux, r->packets, r->bytes);
		free(r);
	}
	if (!TAILQ_EMPTY(&tables->gone))
		event_add(tables->gone_event, &soon);
}

static void rule_map_open(struct rule_map *m, const struct bpf_map *map, uint32_t reserve)
{
	m->fd = bpf_map__fd(map);
	m->capacity = bpf_map__max_entries(map) - reserve;
}

static int maps_open(struct dp_tables *tables, const struct ofxdp_bpf *skel)
{
	int err = mapped_open(&tables->roots_map, skel->maps.table_roots, true);

	if (!err)
		err = mapped_open(&tables->lists_map, skel->maps.lists, true);
	if (!err)
		err = mapped_open(&tables->subtables_map, skel->maps.subtables, true);
	if (!err)
		err = chunks_open(&tables->flows, skel->maps.flows, sizeof(struct ofx_flow), OFX_FLOW_CHUNK);
	if (!err)
		err = chunks_open(&tables->op_pool, skel->maps.op_pool, sizeof(struct ofx_op), OFX_OP_CHUNK);
	if (!err)
		err = counters_open(tables);
	tables->roots = tables->roots_map.at;
	tables->lists = tables->lists_map.at;
	tables->subtables = tables->subtables_map.at;
	return err;
}

static void maps_close(struct dp_tables *tables)
{
	mapped_close(&tables->roots_map);
	mapped_close(&tables->lists_map);
	mapped_close(&tables->subtables_map);
	counters_close(tables);
	chunks_close(&tables->flows);
	chunks_close(&tables->op_pool);
}

static void rule_maps_open(struct dp_tables *tables, const struct ofxdp_bpf *skel)
{
	tables->misses_fd = bpf_map__fd(skel->maps.table_misses);
	rule_map_open(&tables->maps[OFX_CLASS_8], skel->maps.tbl8, 0);
	rule_map_open(&tables->maps[OFX_CLASS_16], skel->maps.tbl16, 0);
	rule_map_open(&tables->maps[OFX_CLASS_32], skel->maps.tbl32, 0);
	rule_map_open(&tables->maps[OFX_CLASS_64], skel->maps.tbl64, 0);
	rule_map_open(&tables->maps[OFX_CLASS_128], skel->maps.tbl128, 0);
	/* older kernels refuse to replace an element of a full trie */
	rule_map_open(&tables->maps[RULE_MAP_LPM4], skel->maps.lpm4, 1);
	rule_map_open(&tables->maps[RULE_MAP_LPM6], skel->maps.lpm6, 1);
}

static int pools_open(struct dp_tables *tables, const struct ofxdp_bpf *skel)
{
	int err = numbers_open(&tables->ids, 0, tables->dp->n_flow_ids);

	/* slot 0 of lists means none; slot 0 of flows would make a rule word of 0 */
	if (!err)
		err = numbers_open(&tables->slots, 1, tables->dp->n_flow_ids + 1);
	tables->slots.size = 1; /* flow.c raises it chunk by chunk */
	if (!err)
		err = numbers_open(&tables->list_slots, 1, bpf_map__max_entries(skel->maps.lists));
	if (!err)
		err = numbers_open(&tables->subtable_numbers, 0, bpf_map__max_entries(skel->maps.subtables));
	if (!err)
		err = runs_reserve(&tables->runs, tables->op_pool.max * OFX_OP_CHUNK, RUN_ORDERS);
	return err;
}

int tables_open(struct dp *dp)
{
	struct dp_tables *tables = calloc(1, sizeof(*tables));
	int err;

	if (!tables)
		return -ENOMEM;
	tables->dp = dp;
	dp->tables = tables;
	TAILQ_INIT(&tables->gone);
	for (uint32_t i = 0; i < OFX_TABLES; i++) {
		tables->table[i].tables = tables;
		tables->table[i].number = i;
	}
	cache_open(dp);
	rule_maps_open(tables, dp->skel);
	err = maps_open(tables, dp->skel);
	if (!err)
		err = pools_open(tables, dp->skel);
	tables->owners = calloc(dp->n_flow_ids, sizeof(*tables->owners));
	tables->gone_event = event_new(dp->base, -1, 0, gone_due, tables);
	if (!err && (!tables->owners || !tables->gone_event))
		err = -ENOMEM;
	if (err) {
		log_error("cannot set up the flow tables: %s", strerror(-err));
		tables_close(dp);
	}
	return err;
}

static void lookup_close(struct dp_tables *tables, struct lookup *l)
{
	for (uint32_t i = 0; i < l->index.size; i++) {
		struct dp_flow *f = l->index.heads[i];

		while (f) {
			struct dp_flow *below = f->below;

			free(f);
			f = below;
		}
	}
	if (l->trie)
		trie_free(l->trie);
	else
		HASH_DEL(tables->by_mask, l);
	index_close(&l->index);
	free(l);
}

void tables_close(struct dp *dp)
{
	struct dp_tables *tables = dp->tables;

	if (!tables)
		return;
	tables->closing = true;
	grace_flush(dp);
	gone_due(-1, 0, tables);
	for (uint32_t i = 0; i < OFX_TABLES; i++)
		for (uint32_t j = 0; j < tables->table[i].n_lookups; j++)
			lookup_close(tables, tables->table[i].lookups[j]);
	if (tables->gone_event)
		event_free(tables->gone_event);
	maps_close(tables);
	numbers_close(&tables->ids);
	numbers_close(&tables->slots);
	numbers_close(&tables->list_slots);
	numbers_close(&tables->subtable_numbers);
	runs_close(&tables->runs);
	free(tables->txn.items);
	free(tables->txn.words);
	free(tables->owners);
	free(take_ptr(dp->tables));
}
