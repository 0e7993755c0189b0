/* SPDX-License-Identifier: GPL-2.0-only */
/* ofxdpctl groups: groups and their buckets as they are in the maps, with counters. */
#include <bpf/bpf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "include/ofxdp/counter.h"
#include "include/ofxdp/group.h"
#include "include/ofxdp/port.h"
#include "user/ctl/action.h"
#include "user/ctl/ctl.h"
#include "user/ctl/report.h"
#include "user/util/cleanup.h"

struct maps {
	int roots, groups, buckets, ops;
	struct pins_cpus states;
};

struct groups {
	uint32_t slot[OFX_GROUPS]; /* by index; 0: none */
	uint32_t id[OFX_GROUPS];
};

static const struct report_column columns[] = {
	{"group", true},   {"kind", false}, {"weight", true},	{"watch", false},
	{"packets", true}, {"bytes", true}, {"actions", false},
};

static int read_element(int map, uint32_t index, void *value)
{
	return bpf_map_lookup_elem(map, &index, value);
}

static struct ofx_counter sum(const struct maps *m, uint32_t cell)
{
	struct ofx_counter total = {0};

	for (uint32_t i = 0; i < m->states.n; i++) {
		const struct ofx_counter *c = &((const struct ofx_state *)m->states.at[i].at)->group[cell];

		total.packets += c->packets;
		total.bytes += c->bytes;
	}
	return total;
}

static int read_groups(const struct maps *m, struct groups *all)
{
	for (uint32_t i = 0; i < OFX_GROUPS; i++) {
		struct ofx_group g;
		uint64_t root;

		if (read_element(m->roots, i, &root) || (root && read_element(m->groups, root, &g)))
			return -1;
		all->slot[i] = root;
		all->id[i] = root ? g.id : 0;
	}
	return 0;
}

static void watch_cell(struct report *r, const struct groups *all, const struct ofx_bucket *b)
{
	char port[24] = "", group[24] = "";

	if (b->watch_port == OFX_INDEX_LOCAL)
		snprintf(port, sizeof(port), "port LOCAL");
	else if (b->watch_port == OFX_INDEX_NONE)
		snprintf(port, sizeof(port), "no port");
	else if (b->watch_port != OFX_NOT_WATCHED)
		snprintf(port, sizeof(port), "port %" PRIu32, b->watch_port);
	if (b->watch_group < OFX_GROUPS && !all->slot[b->watch_group])
		snprintf(group, sizeof(group), "no group");
	else if (b->watch_group < OFX_GROUPS)
		snprintf(group, sizeof(group), "group %" PRIu32, all->id[b->watch_group]);
	report_cell(r, "%s%s%s", port, *port && *group ? ", " : "", *port || *group ? group : "-");
}

static int print_bucket(struct report *r, const struct maps *m, const struct groups *all, uint32_t id, uint32_t number,
			uint32_t i)
{
	struct ofx_op ops[OFX_BUCKET_OPS];
	struct ofx_counter c;
	struct ofx_bucket b;
	char text[2048];
	uint32_t n = 0;

	if (read_element(m->buckets, number, &b))
		return -1;
	c = sum(m, OFX_GROUPS + number);
	for (; n < b.n_ops && n < OFX_BUCKET_OPS; n++)
		if (read_element(m->ops, b.first + n, &ops[n]))
			return -1;
	action_text(ops, n, all->id, text, sizeof(text));
	report_cell(r, "%" PRIu32, id);
	report_cell(r, "bucket %" PRIu32, i);
	report_cell(r, "%u", b.weight);
	watch_cell(r, all, &b);
	report_cell(r, "%" PRIu64, (uint64_t)c.packets);
	report_cell(r, "%" PRIu64, (uint64_t)c.bytes);
	report_cell(r, "%s", text);
	return 0;
}

static int print_group(struct report *r, const struct maps *m, const struct groups *all, uint32_t index)
{
	static const char *const types[] = {"all", "select", "indirect", "ff"};
	struct ofx_counter c = sum(m, index);
	struct ofx_group g;
	int error = 0;

	if (read_element(m->groups, all->slot[index], &g))
		return -1;
	c.packets -= g.packets_before;
	c.bytes -= g.bytes_before;
	report_cell(r, "%" PRIu32, g.id);
	report_cell(r, "%s", g.type < ARRAY_LEN(types) ? types[g.type] : "?");
	report_cell(r, "%" PRIu32, g.weight);
	report_cell(r, "-");
	report_cell(r, "%" PRIu64, (uint64_t)c.packets);
	report_cell(r, "%" PRIu64, (uint64_t)c.bytes);
	report_cell(r, "-");
	for (uint32_t i = 0; i < g.n_buckets && !error; i++)
		error = print_bucket(r, m, all, g.id, g.first + i, i);
	return error;
}

int ctl_groups(const struct pins *pins, const struct ctl_format *format)
{
	struct report r = {.columns = columns, .n_columns = ARRAY_LEN(columns)};
	_free_ struct groups *all = calloc(1, sizeof(*all));
	_close_ int roots = pins_map(pins, "group_roots");
	_close_ int groups = roots < 0 ? -1 : pins_map(pins, "groups");
	_close_ int buckets = groups < 0 ? -1 : pins_map(pins, "buckets");
	_close_ int ops = buckets < 0 ? -1 : pins_map(pins, "bucket_ops");
	struct maps maps = {roots, groups, buckets, ops, {0}};
	int error = !all || ops < 0 ? -1 : pins_cpus_open(pins, "state", sizeof(struct ofx_state), &maps.states);

	if (!error)
		error = read_groups(&maps, all);
	for (uint32_t i = 0; i < OFX_GROUPS && !error; i++)
		if (all->slot[i])
			error = print_group(&r, &maps, all, i);
	pins_cpus_close(&maps.states);
	if (error)
		return pins_unreadable(pins, "groups");
	report_print(&r, format->json);
	return 0;
}
