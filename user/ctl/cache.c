/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ofxdpctl cache: what the microflow cache (include/ofxdp/cache.h) does, by CPU; `others` is what CPUs share that came
 * later than the daemon could look.
 *
 * Every packet that comes in on a port (but for ports in generic mode) is one of `hits`, `misses`, `too_wide` (it has
 * more of what rules look at than an entry holds: the longest IPv6 matches) and `bypassed` (it is off); of the misses
 * `too_long` tells how many had a verdict that does not fit an entry.
 */
#include <inttypes.h>
#include "user/ctl/ctl.h"
#include "user/ctl/report.h"
#include "user/util/cleanup.h"

static const struct report_column columns[] = {
	{"cpu", false},	    {"mode", false},	{"entries", true},  {"hits", true},	   {"misses", true},
	{"too_wide", true}, {"too_long", true}, {"bypassed", true}, {"hit_percent", true},
};

/* The current window counted in. */
static void bring_up_to_date(struct ofx_cache_cpu *c)
{
	uint64_t seen = c->window - c->left;

	if (c->mode == OFX_CACHE_OFF)
		c->bypassed += seen;
	else
		c->hits += seen - c->window_misses;
	c->misses += c->window_misses;
	c->hits -= c->too_wide < c->hits ? c->too_wide : c->hits; /* not read in one moment */
}

static void add(struct ofx_cache_cpu *sum, const struct ofx_cache_cpu *c)
{
	sum->hits += c->hits;
	sum->misses += c->misses;
	sum->bypassed += c->bypassed;
	sum->too_long += c->too_long;
	sum->too_wide += c->too_wide;
}

/* Of all packets, also those that did not ask it. */
static double hit_percent(const struct ofx_cache_cpu *c)
{
	uint64_t n = c->hits + c->misses + c->too_wide + c->bypassed;

	return n ? 100.0 * c->hits / n : 0;
}

static void print_counts(struct report *r, const struct ofx_cache_cpu *c)
{
	report_cell(r, "%" PRIu64, (uint64_t)c->hits);
	report_cell(r, "%" PRIu64, (uint64_t)c->misses);
	report_cell(r, "%" PRIu64, (uint64_t)c->too_wide);
	report_cell(r, "%" PRIu64, (uint64_t)c->too_long);
	report_cell(r, "%" PRIu64, (uint64_t)c->bypassed);
	report_cell(r, "%.1f", hit_percent(c));
}

static void print_cpu(struct report *r, const struct pins *pins, uint32_t cpu, const struct ofx_cache_cpu *c)
{
	static const char *const modes[] = {"filling", "trying", "on", "off"};

	if (cpu < (uint32_t)pins->n_cpus)
		report_cell(r, "%u", cpu);
	else
		report_cell(r, "others");
	report_cell(r, "%s", c->mode < ARRAY_LEN(modes) ? modes[c->mode] : "?");
	report_cell(r, "%u", c->mask ? c->mask + 1 : 0);
	print_counts(r, c);
}

int ctl_cache(const struct pins *pins, const struct ctl_format *format)
{
	struct report r = {.columns = columns, .n_columns = ARRAY_LEN(columns)};
	struct ofx_cache_cpu sum = {0};
	struct pins_cpus cpus _pins_cpus_ = {0};
	uint32_t entries = 0;

	if (pins_cpus_open(pins, "state", sizeof(struct ofx_state), &cpus))
		return -1;
	for (uint32_t i = 0; i < cpus.n; i++) {
		struct ofx_cache_cpu c = ((const struct ofx_state *)cpus.at[i].at)->cache;

		bring_up_to_date(&c);
		add(&sum, &c);
		entries += c.mask ? c.mask + 1 : 0;
		print_cpu(&r, pins, cpus.number[i], &c);
	}
	report_cell(&r, "all");
	report_cell(&r, "-");
	report_cell(&r, "%u", entries);
	print_counts(&r, &sum);
	report_print(&r, format->json);
	return 0;
}
