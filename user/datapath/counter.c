/* SPDX-License-Identifier: GPL-2.0-only */
/* Flow and table counters.  Live cells are BPF's; a reset or a reused flow id is a baseline here. */
#include <bpf/bpf.h>
#include <string.h>
#include "user/datapath/cell.h"
#include "user/datapath/table.h"
#include "user/util/cleanup.h"
#include "user/util/clock.h"

void counters_close(struct dp_tables *tables)
{
	flow_logs_close(&tables->flow_logs);
	free(take_ptr(tables->table_of_id));
}

int counters_open(struct dp_tables *tables)
{
	const struct dp *dp = tables->dp;
	int err = flow_logs_open(&tables->flow_logs, &dp->cpus);

	if (err)
		return err;
	tables->table_of_id = malloc(dp->n_flow_ids); /* written when an id is used for the first time */
	return tables->table_of_id ? 0 : -ENOMEM;
}

void counters_read(struct dp_tables *tables, uint32_t id, uint64_t *packets, uint64_t *bytes)
{
	*packets = *bytes = 0;
	for (uint32_t cpu = 0; cpu < tables->dp->cpus.n; cpu++) {
		struct ofx_counter c = flow_logs_read(&tables->flow_logs, cpu, id);

		*packets += c.packets;
		*bytes += c.bytes;
	}
}

/* --- tables --- */

/*
 * matched = the live cells of the table's flow ids + offset (modulo 2^64).  What an id's cells showed before it came to
 * the table is taken off when it comes, what they show when it goes stays.  Resets don't matter here.
 *
 * A pass sums the cells up, a block of ids at a time.  An id that comes or goes behind it has been summed up as it was:
 * what that does to the offset is not for this pass.
 */
struct dp_table_pass {
	struct dp_tables *tables;
	uint32_t at;			/* the next id */
	uint64_t sums[OFX_TABLES + 1];	/* of ids before, by table; … */
	uint64_t behind[OFX_TABLES];	/* … changes of the tables' offsets by those */
	LIST_ENTRY(dp_table_pass) link; /* tables->passes */
};

static void offset_add(struct dp_tables *tables, uint32_t id, uint8_t table, uint64_t packets)
{
	struct dp_table_pass *pass;

	tables->table[table].matched_offset += packets;
	LIST_FOREACH (pass, &tables->passes, link)
		if (id < pass->at)
			pass->behind[table] += packets;
}

void counters_enter(struct dp_tables *tables, uint32_t id, uint8_t table)
{
	uint64_t packets, bytes;

	counters_read(tables, id, &packets, &bytes);
	offset_add(tables, id, table, -packets);
	tables->table_of_id[id] = table;
}

void counters_leave(struct dp_tables *tables, uint32_t id)
{
	uint64_t packets, bytes;

	counters_read(tables, id, &packets, &bytes);
	offset_add(tables, id, tables->table_of_id[id], packets);
	tables->table_of_id[id] = OFX_NO_TABLE;
}

/* --- flow entries --- */

void dp_flow_counters(struct dp *dp, const struct dp_flow *flow, uint64_t *packets, uint64_t *bytes)
{
	const uint32_t id = flow_id(dp->tables, flow);
	const struct ofx_counter *base = &dp->tables->base[id];

	counters_read(dp->tables, id, packets, bytes);
	*packets -= base->packets;
	*bytes -= base->bytes;
}

void dp_flow_expect(const struct dp *dp, const struct dp_flow *flow)
{
	const uint32_t id = flow_id(dp->tables, flow);

	__builtin_prefetch(&dp->tables->base[id]);
	for (uint32_t cpu = 0; cpu < dp->cpus.n; cpu++)
		__builtin_prefetch(&dp->cpus.cpu[cpu].cells[id]);
}

void dp_flow_reset_counters(struct dp *dp, struct dp_flow *flow)
{
	struct ofx_counter *base = &dp->tables->base[flow_id(dp->tables, flow)];
	uint64_t packets, bytes;

	dp_flow_counters(dp, flow, &packets, &bytes);
	base->packets += packets;
	base->bytes += bytes;
}

/* --- passes --- */

#define LANES 4		/* neighbours are often of one table: their sums don't wait for each other */
#define BLOCK 4096	/* ids: a CPU's cells of them fit its second cache */
#define STEP_NS 1000000 /* about how long a step takes */

/* Packets of a CPU that are in its log, of ids [from, to). */
static void sum_logged(struct dp_table_pass *pass, uint32_t cpu, uint64_t version, uint32_t from, uint32_t to)
{
	const struct dp_tables *tables = pass->tables;
	uint32_t ids[OFX_FLOW_LOG], n = flow_logs_since(&tables->flow_logs, cpu, version, ids);

	for (uint32_t i = 0; i < n; i++)
		if (ids[i] >= from && ids[i] < to)
			pass->sums[tables->table_of_id[ids[i]]]++;
}

/* Packets in a CPU's cells of ids [from, to). */
static void sum_cells(struct dp_table_pass *pass, uint32_t cpu, uint32_t from, uint32_t to)
{
	const struct dp_tables *tables = pass->tables;
	const struct ofx_cell *c = tables->dp->cpus.cpu[cpu].cells;
	const uint64_t version = flow_logs_version(&tables->flow_logs, cpu);
	const uint8_t *table = tables->table_of_id;
	uint64_t lane[LANES][OFX_TABLES + 1] = {0};
	uint32_t id = from;

	for (; id + LANES <= to; id += LANES)
		for (uint32_t i = 0; i < LANES; i++)
			lane[i][table[id + i]] += cell_packets(&c[id + i]);
	for (; id < to; id++)
		lane[0][table[id]] += cell_packets(&c[id]);
	for (uint32_t i = 0; i <= OFX_TABLES; i++)
		pass->sums[i] += lane[0][i] + lane[1][i] + lane[2][i] + lane[3][i];
	sum_logged(pass, cpu, version, from, to);
}

struct dp_table_pass *dp_table_pass_begin(struct dp *dp)
{
	struct dp_table_pass *pass = calloc(1, sizeof(*pass));

	if (!pass)
		return NULL;
	pass->tables = dp->tables;
	pass->at = 1;
	LIST_INSERT_HEAD(&dp->tables->passes, pass, link);
	return pass;
}

bool dp_table_pass_step(struct dp_table_pass *pass)
{
	const struct dp_tables *tables = pass->tables;
	const uint32_t n = tables->ids.next; /* those behind were never used */
	const uint64_t end = clock_ns() + STEP_NS;

	while (pass->at < n) {
		const uint32_t to = pass->at + BLOCK < n ? pass->at + BLOCK : n;

		for (uint32_t cpu = 0; cpu < tables->dp->cpus.n; cpu++)
			sum_cells(pass, cpu, pass->at, to);
		pass->at = to;
		if (clock_ns() >= end)
			break;
	}
	return pass->at < n;
}

static uint64_t table_misses(struct dp *dp, uint32_t table, uint64_t *per_cpu)
{
	uint64_t misses = 0;

	if (bpf_map_lookup_elem(dp->tables->misses_fd, &table, per_cpu))
		return 0;
	for (uint32_t i = 0; i < dp->n_cpus; i++)
		misses += per_cpu[i];
	return misses;
}

/* Of two readings of a counter; modulo 2^64. */
static uint64_t later(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) > 0 ? a : b;
}

static void pass_result(const struct dp_table_pass *pass, struct dp_table_counters *counters)
{
	struct dp *dp = pass->tables->dp;
	_free_ uint64_t *per_cpu = calloc(dp->n_cpus, sizeof(*per_cpu));

	for (uint32_t i = 0; i < OFX_TABLES; i++) {
		struct table *t = &pass->tables->table[i];
		uint64_t matched = pass->sums[i] + t->matched_offset - pass->behind[i];

		/* a log that was added up during the pass may have been missed: for this time */
		matched = t->matched_shown = later(matched, t->matched_shown);
		counters[i].matched = matched;
		if (per_cpu)
			t->lookups_shown = later(matched + table_misses(dp, i, per_cpu), t->lookups_shown);
		counters[i].lookups = later(matched, t->lookups_shown);
	}
}

void dp_table_pass_end(struct dp_table_pass *pass, struct dp_table_counters *counters)
{
	if (counters)
		pass_result(pass, counters);
	LIST_REMOVE(pass, link);
	free(pass);
}
