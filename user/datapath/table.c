/* SPDX-License-Identifier: GPL-2.0-only */
/* Flow tables: what all tables share. */
#include "user/datapath/table_hash.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>
#include <sys/mman.h>
#include "build/ofxdp.skel.h"
#include "include/openflow/openflow.h"
#include "user/datapath/cache.h"
#include "user/datapath/table_lpm.h"
#include "user/datapath/trie.h"
#include "user/openflow/error.h"
#include "user/util/cleanup.h"
#include "user/util/clock.h"
#include "user/util/log.h"

int tables_take(struct numbers *pool, uint32_t *number)
{
	if (numbers_take(pool, number))
		return 0;
	return pool->waiting ? -EAGAIN : of_error_because(TABLE_FULL, pool->none);
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

	if (lines_step(&tables->rules, GROW_LINES))
		event_add(tables->grow_event, &at_once);
}

void tables_grow(struct dp_tables *tables)
{
	static const struct timeval at_once = {0};

	/* a little here, so that it ends even if flow-mods leave the event loop no rest */
	if (lines_step(&tables->rules, 2) && !event_pending(tables->grow_event, EV_TIMEOUT, NULL))
		event_add(tables->grow_event, &at_once);
}

static void line_retired(struct dp *dp, void *fn, uint32_t number)
{
	((lines_fn)fn)(&dp->tables->rules, number);
	if (!dp->tables->closing)
		tables_grow(dp->tables);
}

static void line_later(void *aux, lines_fn fn, uint32_t number)
{
	struct dp_tables *tables = aux;

	grace_defer(tables->dp, line_retired, fn, number);
}

static int rules_open(struct dp_tables *tables)
{
	static const struct lines_ops ops = {
		.hash_of = rule_slot_hash, .prefetch = rule_prefetch_slot, .later = line_later};
	const struct dp *dp = tables->dp;

	if (bpf_map__max_entries(dp->skel->maps.rule_lines) < lines_chunks(dp->max_flows))
		return -EINVAL;
	return lines_open(&tables->rules, tables->lines_map.at, tables->geometry_map.at, dp->max_flows, &ops, tables);
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
	lines_close(&tables->rules);
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
	return grace_reserve(tables->dp, OFX_TABLES * (1 + 2 * LPM_FAMILIES) + tables->list_slots.size +
						 3 * tables->subtable_numbers.size + tables->rules.spare.size -
						 tables->rules.first_spare + 1);
}

static int pools_open(struct dp_tables *tables, const struct ofxdp_bpf *skel)
{
	/* id 0 would be a free rule word, list slot 0 means none */
	int err = numbers_open(&tables->ids, 1, tables->dp->n_flow_ids);

	if (!err)
		err = numbers_open(&tables->inst_numbers, 0, tables->dp->n_flow_ids);
	if (!err)
		err = ladders_open(&tables->ladders, tables->dp->n_flow_ids);
	tables->ids.none = tables->inst_numbers.none = "no slot is free, of which --max-flows gives some more";
	tables->list_slots.none = "all lists of masks are in use";
	tables->subtable_numbers.none = "there are too many masks";
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
		err = copies_open(tables);
	hashes_open(tables);
	if (!err)
		err = tries_open(tables);
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
	lpm_table_close(t);
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
	copies_close(tables);
	tries_close(tables);
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
