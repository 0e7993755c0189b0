/* SPDX-License-Identifier: GPL-2.0-only */
/* Flow and table counters.  Live cells are BPF's; a reset or a reused flow id is a baseline here. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "user/datapath/table.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

int counters_open(struct dp_tables *tables)
{
	const struct dp *dp = tables->dp;
	const struct bpf_map *map = dp->skel->maps.flow_counters;
	int err;

	if ((uint64_t)dp->n_cpus * dp->n_flow_ids > bpf_map__max_entries(map)) {
		log_error("map flow_counters is too small for %u flow entries on %u CPUs", dp->n_flow_ids, dp->n_cpus);
		return -EINVAL;
	}
	err = mapped_open(&tables->counters_map, map, false);
	tables->counters = tables->counters_map.at;
	return err;
}

void counters_read(const struct dp_tables *tables, uint32_t id, uint64_t *packets, uint64_t *bytes)
{
	const volatile struct ofx_counter *c = tables->counters + id;

	*packets = *bytes = 0;
	for (uint32_t cpu = 0; cpu < tables->dp->n_cpus; cpu++, c += tables->dp->n_flow_ids) {
		*packets += c->packets;
		*bytes += c->bytes;
	}
}

void dp_flow_counters(struct dp *dp, const struct dp_flow *flow, uint64_t *packets, uint64_t *bytes)
{
	counters_read(dp->tables, flow->id, packets, bytes);
	*packets -= flow->base_packets;
	*bytes -= flow->base_bytes;
}

void dp_flow_reset_counters(struct dp *dp, struct dp_flow *flow)
{
	uint64_t packets, bytes;

	dp_flow_counters(dp, flow, &packets, &bytes);
	flow->lookup->table->retired_packets += packets; /* the table's count goes on */
	flow->base_packets += packets;
	flow->base_bytes += bytes;
}

static uint64_t lookup_packets(struct dp *dp, const struct lookup *l)
{
	uint64_t sum = 0, packets, bytes;

	for (uint32_t i = 0; i < l->index.size; i++) {
		for (const struct dp_flow *f = l->index.heads[i]; f; f = f->below) {
			dp_flow_counters(dp, f, &packets, &bytes);
			sum += packets;
		}
	}
	return sum;
}

static uint64_t table_misses(struct dp *dp, uint32_t table)
{
	uint64_t misses = 0;
	_free_ uint64_t *per_cpu = calloc(dp->n_cpus, sizeof(*per_cpu));

	if (!per_cpu || bpf_map_lookup_elem(dp->tables->misses_fd, &table, per_cpu))
		return 0;
	for (uint32_t i = 0; i < dp->n_cpus; i++)
		misses += per_cpu[i];
	return misses;
}

void dp_table_counters(struct dp *dp, uint8_t table, uint64_t *lookups, uint64_t *matched)
{
	const struct table *t;
	const struct retired_flow *r;
	uint64_t packets, bytes;

	*lookups = *matched = 0;
	if (table >= OFX_TABLES)
		return;
	t = &dp->tables->table[table];
	*matched = t->retired_packets;
	for (uint32_t i = 0; i < t->n_lookups; i++)
		*matched += lookup_packets(dp, t->lookups[i]);
	TAILQ_FOREACH(r, &t->retired, next)
	{
		dp_flow_counters(dp, r->flow, &packets, &bytes);
		*matched += packets;
	}
	*lookups = *matched + table_misses(dp, table);
}
