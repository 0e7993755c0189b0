/* SPDX-License-Identifier: GPL-2.0-only */
/* Flow tables: the published lists of lookups, and what all tables share. */
#include "user/datapath/table_hash.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>
#include <sys/mman.h>
#include "build/ofxdp.skel.h"
#include "include/openflow/openflow.h"
#include "user/datapath/cache.h"
#include "user/openflow/error.h"
#include "user/util/cleanup.h"
#include "user/util/clock.h"
#include "user/util/log.h"

int tables_take(struct numbers *pool, uint32_t *number)
{
	if (numbers_take(pool, number))
		return 0;
	return pool->waiting ? -EAGAIN : TABLE_FULL;
}

/* A chunk more, and what it takes to defer the end of each of its numbers. */
static int pool_grow(struct dp_tables *tables, struct numbers *pool, struct chunks *chunks)
{
	const uint32_t max = tables->dp->n_flow_ids, all = (chunks->n + 1) * chunks->per_chunk;
	const uint32_t size = all < max ? all : max, added = size - pool->size;
	int err = grace_reserve(tables->dp, added);

	if (err)
		return err;
	err = chunks_grow(chunks);
	if (err)
		grace_unreserve(tables->dp, added);
	else
		pool->size = size;
	return err;
}

int tables_take_grown(struct dp_tables *tables, struct numbers *pool, struct chunks *chunks, uint32_t *number)
{
	int err;

	if (numbers_take(pool, number))
		return 0;
	err = pool->size < tables->dp->n_flow_ids ? pool_grow(tables, pool, chunks) : -ENOSPC;
	return err == -EAGAIN ? err : tables_take(pool, number);
}

static void number_retired(struct dp *dp, void *aux, uint32_t number)
{
	struct numbers *pool = aux;

	pool->waiting--;
	numbers_give(pool, number);
}

void tables_retire(struct dp_tables *tables, struct numbers *pool, uint32_t number)
{
	pool->waiting++;
	grace_defer(tables->dp, number_retired, pool, number);
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
	return l->priorities.n && (!l->listed || l->listed_max < l->priorities.max);
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
		while (above < d->n && d->v[above].max >= l->priorities.max)
			above++;
		draft_add(d, l, above ? d->v[above - 1].max : UINT16_MAX);
	}
}

static void draft_exact(const struct table *t, struct draft *d)
{
	for (uint32_t i = 0; i < t->n_lookups; i++)
		if (t->lookups[i]->priorities.n)
			draft_add(d, t->lookups[i], t->lookups[i]->priorities.max);
}

static void draft_write(const struct dp_tables *tables, const struct draft *d, uint32_t slot)
{
	struct ofx_list *list = &tables->lists[slot];

	list->n = d->n;
	for (uint32_t i = 0; i < d->n; i++) {
		list->entries[i] = (struct ofx_list_entry){.max_priority = d->v[i].max};
		tuple_enter(tables->tuple[d->v[i].lookup->number], &list->entries[i]);
	}
	tuples_group(list);
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

/* Make sure that every non-empty lookup of the table is listed with a max_priority that is high enough. */
static int table_raise(struct table *t)
{
	struct draft d = {0};
	uint32_t slot;
	int err = tables_take(&t->tables->list_slots, &slot);

	if (err)
		return err;
	draft_raised(t, &d);
	table_publish(t, &d, slot);
	table_tidy_later(t);
	return 0;
}

/* Into the table's lookups.  Empty ones may be in the way. */
static int lookup_enter(struct lookup *l)
{
	struct table *t = l->table;

	if (l->entered)
		return 0;
	if (t->n_lookups == OFX_LIST_ENTRIES)
		table_tidy(t);
	if (t->n_lookups == OFX_LIST_ENTRIES)
		return TABLE_FULL;
	t->lookups[t->n_lookups++] = l;
	l->entered = true;
	return 0;
}

int lookup_count(struct lookup *l, uint16_t priority)
{
	int err = priorities_add(&l->priorities, priority);

	if (err)
		return err;
	err = lookup_enter(l);
	if (!err && lookup_is_low(l))
		err = table_raise(l->table);
	if (err)
		lookup_uncount(l, priority);
	return err;
}

void lookup_uncount(struct lookup *l, uint16_t priority)
{
	priorities_remove(&l->priorities, priority);
	if (!l->priorities.n || l->listed_max != l->priorities.max)
		table_tidy_later(l->table);
}

/* What a tidy table would not have: an empty lookup, a listed maximum above the exact one. */
static bool lists_are_tidy(const struct table *t)
{
	for (uint32_t i = 0; i < t->n_lookups; i++) {
		const struct lookup *l = t->lookups[i];

		if (!l->priorities.n || l->listed_max != l->priorities.max)
			return false;
	}
	return true;
}

/* Unlisted ones without flow entries. */
static void lookups_leave(struct table *t)
{
	for (uint32_t i = t->n_lookups; i; i--) {
		struct lookup *l = t->lookups[i - 1];

		if (l->priorities.n)
			continue;
		t->lookups[i - 1] = t->lookups[--t->n_lookups];
		l->entered = l->listed = false;
	}
}

/* A mask that goes may leave its homes unused, which were made after it or before. */
static bool free_unused_tuples(struct table *t)
{
	struct tuple *tuple, *next;
	bool freed = false;

	for (tuple = TAILQ_FIRST(&t->tuples); tuple; tuple = next) {
		next = TAILQ_NEXT(tuple, next);
		if (!tuple_is_unused(tuple))
			continue;
		tuple_free(tuple);
		freed = true;
	}
	return freed;
}

static void free_unused(struct table *t)
{
	if (!free_unused_tuples(t))
		return;
	while (free_unused_tuples(t))
		;
	tuples_narrow(t->tables);
}

void table_tidy(struct table *t)
{
	struct draft d = {0};
	uint32_t slot = 0;

	if (!lists_are_tidy(t)) {
		draft_exact(t, &d);
		if (d.n && !numbers_take(&t->tables->list_slots, &slot)) {
			table_tidy_later(t);
			return;
		}
		table_publish(t, &d, slot);
		lookups_leave(t);
	}
	free_unused(t);
}

static void tidy_due(struct dp *dp, void *aux, uint32_t number)
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
	grace_defer(t->tables->dp, tidy_due, t, 0);
}

void *tables_owner(struct dp *dp, uint32_t flow, uint16_t gen)
{
	const struct dp_tables *tables = dp->tables;

	if (flow >= dp->n_flow_ids || tables->flow[flow].gen != gen || tables->flow[flow].flags & FLOW_REMOVED)
		return NULL;
	return tables->flow[flow].owner;
}

uint32_t dp_max_flows(const struct dp *dp)
{
	return dp->max_flows;
}

#define GONE_TURN_NS 1000000 /* of callbacks at a time: each may be a message to every controller, */
#define GONE_LOOK 16	     /* … callbacks between looks at the clock */

static void gone_due(evutil_socket_t fd, short what, void *aux)
{
	const struct timeval soon = {0};
	struct dp_tables *tables = aux;
	const uint64_t end = clock_ns() + GONE_TURN_NS;

	for (int i = 1; tables->gone; i++) {
		flow_tell_gone(tables);
		if (i % GONE_LOOK == 0 && clock_ns() > end)
			break;
	}
	if (tables->gone)
		event_add(tables->gone_event, &soon);
}

/* --- growth of the rules' hash --- */

#define GROW_LINES 256 /* a round of the event loop: a millisecond, where each rule is a cache miss */

static void grow_due(evutil_socket_t fd, short what, void *aux)
{
	static const struct timeval at_once = {0};
	struct dp_tables *tables = aux;

	if (rule_hash_step(&tables->rules, GROW_LINES))
		event_add(tables->grow_event, &at_once);
}

void tables_grow(struct dp_tables *tables)
{
	static const struct timeval at_once = {0};

	/* a little here, so that it ends even if flow-mods leave the event loop no rest */
	if (rule_hash_step(&tables->rules, 2) && !event_pending(tables->grow_event, EV_TIMEOUT, NULL))
		event_add(tables->grow_event, &at_once);
}

static void line_retired(struct dp *dp, void *fn, uint32_t number)
{
	((rule_hash_fn)fn)(&dp->tables->rules, number);
	if (!dp->tables->closing)
		tables_grow(dp->tables);
}

static void line_later(void *aux, rule_hash_fn fn, uint32_t number)
{
	struct dp_tables *tables = aux;

	grace_defer(tables->dp, line_retired, fn, number);
}

static int rules_open(struct dp_tables *tables)
{
	static const struct rule_hash_ops ops = {
		.hash_of = rule_hash_of_slot, .prefetch = rule_prefetch_slot, .later = line_later};
	const struct dp *dp = tables->dp;

	if (bpf_map__max_entries(dp->skel->maps.rule_lines) < rule_hash_chunks(dp->max_flows))
		return -EINVAL;
	return rule_hash_open(&tables->rules, tables->lines_map.at, tables->geometry_map.at, dp->max_flows, &ops,
			      tables);
}

/* --- opening and closing --- */

static int maps_open(struct dp_tables *tables, const struct ofxdp_bpf *skel)
{
	int err = mapped_open(&tables->roots_map, skel->maps.table_roots, true);

	if (!err)
		err = mapped_open(&tables->lists_map, skel->maps.lists, true);
	if (!err)
		err = mapped_open(&tables->subtables_map, skel->maps.subtables, true);
	if (!err)
		err = mapped_open(&tables->lines_map, skel->maps.rule_lines, true);
	if (!err)
		err = mapped_open(&tables->geometry_map, skel->maps.rule_geometry, true);
	if (!err)
		err = chunks_open(&tables->flows, skel->maps.flows, sizeof(struct ofx_flow), OFX_FLOW_CHUNK);
	if (!err)
		err = chunks_open(&tables->insts, skel->maps.insts, sizeof(struct ofx_inst), OFX_INST_CHUNK);
	if (!err)
		err = chunks_open(&tables->op_pool, skel->maps.op_pool, sizeof(struct ofx_op), OFX_OP_CHUNK);
	if (!err)
		err = counters_open(tables);
	tables->roots = tables->roots_map.at;
	tables->lists = tables->lists_map.at;
	tables->subtables = tables->subtables_map.at;
	tables->misses_fd = bpf_map__fd(skel->maps.table_misses);
	if (!err)
		err = rules_open(tables);
	return err;
}

static void maps_close(struct dp_tables *tables)
{
	mapped_close(&tables->roots_map);
	mapped_close(&tables->lists_map);
	mapped_close(&tables->subtables_map);
	mapped_close(&tables->lines_map);
	mapped_close(&tables->geometry_map);
	rule_hash_close(&tables->rules);
	counters_close(tables);
	chunks_close(&tables->flows);
	chunks_close(&tables->insts);
	chunks_close(&tables->op_pool);
}

/* Arrays by flow id: zeros, and pages that are not written take no memory. */
static int arrays_open(struct dp_tables *tables)
{
	const size_t n = tables->dp->n_flow_ids;
	void *flow = mmap(NULL, n * sizeof(*tables->flow), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	void *base = mmap(NULL, n * sizeof(*tables->base), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	tables->flow = flow == MAP_FAILED ? NULL : flow;
	tables->base = base == MAP_FAILED ? NULL : base;
	return tables->flow && tables->base ? 0 : -ENOMEM;
}

static void arrays_close(struct dp_tables *tables)
{
	const size_t n = tables->dp->n_flow_ids;

	if (tables->flow)
		munmap(tables->flow, n * sizeof(*tables->flow));
	if (tables->base)
		munmap(tables->base, n * sizeof(*tables->base));
}

/* What may be deferred at a time, but for numbers that grow: tidying, list slots, tuples, lines, a region of lines. */
static int reserve(struct dp_tables *tables)
{
	return grace_reserve(tables->dp, OFX_TABLES + tables->list_slots.size + 2 * tables->subtable_numbers.size +
						 tables->rules.spare.size - tables->rules.first_spare + 1);
}

static int pools_open(struct dp_tables *tables, const struct ofxdp_bpf *skel)
{
	/* id 0 would be a free rule word, list slot 0 means none */
	int err = numbers_open(&tables->ids, 1, tables->dp->n_flow_ids);

	if (!err)
		err = numbers_open(&tables->inst_numbers, 0, tables->dp->n_flow_ids);
	if (!err)
		err = ladders_open(&tables->ladders, tables->dp->n_flow_ids);
	tables->ids.size = tables->inst_numbers.size = 0; /* tables_take_grown() raises them chunk by chunk */
	if (!err)
		err = numbers_open(&tables->list_slots, 1, bpf_map__max_entries(skel->maps.lists));
	if (!err)
		err = numbers_open(&tables->subtable_numbers, 1, bpf_map__max_entries(skel->maps.subtables));
	if (!err)
		err = runs_reserve(&tables->runs, tables->op_pool.max * OFX_OP_CHUNK, RUN_ORDERS);
	return err ? err : reserve(tables);
}

int tables_open(struct dp *dp)
{
	struct dp_tables *tables = calloc(1, sizeof(*tables));
	int err;

	if (!tables)
		return -ENOMEM;
	tables->dp = dp;
	dp->tables = tables;
	LIST_INIT(&tables->passes);
	for (uint32_t i = 0; i < OFX_TABLES; i++) {
		tables->table[i].tables = tables;
		tables->table[i].number = i;
		TAILQ_INIT(&tables->table[i].tuples);
	}
	cache_open(dp);
	err = maps_open(tables, dp->skel);
	if (!err)
		err = pools_open(tables, dp->skel);
	if (!err)
		err = arrays_open(tables);
	tables->gone_event = event_new(dp->base, -1, 0, gone_due, tables);
	tables->grow_event = evtimer_new(dp->base, grow_due, tables);
	if (!err && (!tables->gone_event || !tables->grow_event))
		err = -ENOMEM;
	if (!err)
		err = moves_open(tables);
	if (!err)
		err = hashes_open(tables);
	if (err) {
		log_error("cannot set up the flow tables: %s", strerror(-err));
		tables_close(dp);
	}
	return err;
}

static void table_close(struct table *t)
{
	struct tuple *tuple;

	while ((tuple = TAILQ_FIRST(&t->tuples))) {
		HASH_DEL(t->tables->by_mask, tuple);
		TAILQ_REMOVE(&t->tuples, tuple, next);
		priorities_free(&tuple->lookup.priorities);
		free(tuple);
	}
}

void tables_close(struct dp *dp)
{
	struct dp_tables *tables = dp->tables;

	if (!tables)
		return;
	tables->closing = true;
	grace_flush(dp);
	while (tables->gone)
		flow_tell_gone(tables);
	for (uint32_t i = 0; i < OFX_TABLES; i++)
		table_close(&tables->table[i]);
	if (tables->gone_event)
		event_free(tables->gone_event);
	if (tables->grow_event)
		event_free(tables->grow_event);
	moves_close(tables);
	hashes_close(tables);
	maps_close(tables);
	numbers_close(&tables->ids);
	numbers_close(&tables->inst_numbers);
	ladders_close(&tables->ladders);
	numbers_close(&tables->list_slots);
	numbers_close(&tables->subtable_numbers);
	runs_close(&tables->runs);
	arrays_close(tables);
	free(take_ptr(dp->tables));
}
