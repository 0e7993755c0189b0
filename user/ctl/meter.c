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
	int meters, slots, counters, bands;
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

static void print_band(struct report *r, const struct ofx_meter *m, const struct ofx_band *b, const uint64_t *counter)
{
	double burst = b->depth / UNITS_PER_S * b->rate;

	if (b->type == OFX_BAND_DROP)
		report_cell(r, "drop");
	else
		report_cell(r, "dscp_remark +%u", b->prec_level);
	report_cell(r, "%" PRIu32, b->rate);
	report_cell(r, m->flags & OFX_METER_BYTES ? "kb/s" : "packets/s");
	report_cell(r, "%.0f", m->flags & OFX_METER_BYTES ? burst : burst + 0.5); /* depth is half a packet less */
	report_cell(r, "%" PRIu64, counter[0]);
	report_cell(r, "%" PRIu64, counter[1]);
}

static int print_meter(struct report *r, const struct pins *pins, const struct maps *maps, uint32_t index,
		       uint32_t slot)
{
	uint64_t in[2], bands[2 * OFX_BANDS];
	struct ofx_meter m;

	if (bpf_map_lookup_elem(maps->slots, &slot, &m) || pins_sum(pins, maps->counters, index, in, ARRAY_LEN(in)) ||
	    pins_sum(pins, maps->bands, slot, bands, ARRAY_LEN(bands)))
		return -1;
	print_id(r, index, m.id);
	report_cell(r, "meter");
	report_cell(r, "0");
	report_cell(r, "-");
	report_cell(r, "0");
	report_cell(r, "%" PRIu64, in[0]);
	report_cell(r, "%" PRIu64, in[1]);
	for (uint32_t i = 0; i < m.n_bands && i < OFX_BANDS; i++) {
		print_id(r, index, m.id);
		print_band(r, &m, &m.bands[i], &bands[2 * i]);
	}
	return 0;
}

int ctl_meters(const struct pins *pins, const struct ctl_format *format)
{
	struct report r = {.columns = columns, .n_columns = ARRAY_LEN(columns)};
	_close_ int meters = pins_map(pins, "meters");
	_close_ int slots = meters < 0 ? -1 : pins_map(pins, "meter_slots");
	_close_ int counters = slots < 0 ? -1 : pins_map(pins, "meter_counters");
	_close_ int bands = counters < 0 ? -1 : pins_map(pins, "meter_band_counters");
	struct maps maps = {meters, slots, counters, bands};
	int error = bands < 0 ? -1 : 0;

	for (uint32_t i = 0; i < OFX_METER_INDEXES && !error; i++) {
		uint64_t slot;

		error = bpf_map_lookup_elem(meters, &i, &slot);
		if (!error && slot)
			error = print_meter(&r, pins, &maps, i, slot);
	}
	if (error)
		return pins_unreadable(pins, "meters");
	report_print(&r, format->json);
	return 0;
}
