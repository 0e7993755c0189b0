/* SPDX-License-Identifier: GPL-2.0-only */
/* ofxdpctl meters: meters and their bands as they are in the maps, with counters. */
#include <bpf/bpf.h>
#include <inttypes.h>
#include "include/ofxdp/meter.h"
#include "user/ctl/ctl.h"
#include "user/ctl/report.h"
#include "user/util/cleanup.h"

#define UNITS_PER_S (1e9 * (1 << OFX_METER_TIME_SHIFT))

struct maps {
	int meters, slots;
	struct pins_cpus states, bands;
};

/* `burst`: what a full bucket lets pass at once, in packets or kilobits, also where the controller gave none. */
static const struct report_column columns[] = {
	{"meter", false}, {"kind", false},   {"rate", true},  {"unit", false},
	{"burst", true},  {"packets", true}, {"bytes", true},
};

static void print_id(struct report *r, uint32_t index, uint32_t id)
{
	if (index == OFX_METER_CONTROLLER)
		report_cell(r, "CONTROLLER");
	else if (index == OFX_METER_SLOWPATH)
		report_cell(r, "SLOWPATH");
	else
		report_cell(r, "%" PRIu32, id);
}

static void add(struct ofx_counter *sum, const struct ofx_counter *c)
{
	sum->packets += c->packets;
	sum->bytes += c->bytes;
}

static struct ofx_counter sum_meter(const struct maps *maps, uint32_t index)
{
	struct ofx_counter sum = {0};

	for (uint32_t i = 0; i < maps->states.n; i++)
		add(&sum, &((const struct ofx_state *)maps->states.at[i].at)->meter[index]);
	return sum;
}

static struct ofx_counter sum_band(const struct maps *maps, uint32_t slot, uint32_t band)
{
	struct ofx_counter sum = {0};

	for (uint32_t i = 0; i < maps->bands.n && slot < OFX_METER_SLOTS; i++)
		add(&sum, &((const struct ofx_band_counters *)maps->bands.at[i].at)[slot].band[band]);
	return sum;
}

static void print_band(struct report *r, const struct ofx_meter *m, const struct ofx_band *b,
		       struct ofx_counter counter)
{
	double burst = b->depth / UNITS_PER_S * b->rate;

	if (b->type == OFX_BAND_DROP)
		report_cell(r, "drop");
	else
		report_cell(r, "dscp_remark +%u", b->prec_level);
	report_cell(r, "%" PRIu32, b->rate);
	report_cell(r, m->flags & OFX_METER_BYTES ? "kb/s" : "packets/s");
	report_cell(r, "%.0f", m->flags & OFX_METER_BYTES ? burst : burst + 0.5); /* depth is half a packet less */
	report_cell(r, "%" PRIu64, (uint64_t)counter.packets);
	report_cell(r, "%" PRIu64, (uint64_t)counter.bytes);
}

static int print_meter(struct report *r, const struct maps *maps, uint32_t index, uint32_t slot)
{
	const struct ofx_counter in = sum_meter(maps, index);
	struct ofx_meter m;

	if (bpf_map_lookup_elem(maps->slots, &slot, &m))
		return -1;
	print_id(r, index, m.id);
	report_cell(r, "meter");
	report_cell(r, "0");
	report_cell(r, "-");
	report_cell(r, "0");
	report_cell(r, "%" PRIu64, (uint64_t)in.packets);
	report_cell(r, "%" PRIu64, (uint64_t)in.bytes);
	for (uint32_t i = 0; i < m.n_bands && i < OFX_BANDS; i++) {
		print_id(r, index, m.id);
		print_band(r, &m, &m.bands[i], sum_band(maps, slot, i));
	}
	return 0;
}

int ctl_meters(const struct pins *pins, const struct ctl_format *format)
{
	struct report r = {.columns = columns, .n_columns = ARRAY_LEN(columns)};
	_close_ int meters = pins_map(pins, "meters");
	_close_ int slots = meters < 0 ? -1 : pins_map(pins, "meter_slots");
	struct maps maps = {meters, slots, {0}, {0}};
	int error = slots < 0 ? -1 : pins_cpus_open(pins, "state", sizeof(struct ofx_state), &maps.states);

	if (!error)
		error = pins_cpus_open(pins, "meter_band_counters", sizeof(struct ofx_band_counters), &maps.bands);
	for (uint32_t i = 0; i < OFX_METER_INDEXES && !error; i++) {
		uint64_t slot;

		error = bpf_map_lookup_elem(meters, &i, &slot);
		if (!error && slot)
			error = print_meter(&r, &maps, i, slot);
	}
	pins_cpus_close(&maps.states);
	pins_cpus_close(&maps.bands);
	if (error)
		return pins_unreadable(pins, "meters");
	report_print(&r, format->json);
	return 0;
}
