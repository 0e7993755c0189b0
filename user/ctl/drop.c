/* SPDX-License-Identifier: GPL-2.0-only */
/* ofxdpctl drops: why packets went no further. */
#include <inttypes.h>
#include "include/ofxdp/drop.h"
#include "user/ctl/ctl.h"
#include "user/ctl/report.h"
#include "user/datapath/trace.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

static const struct {
	const char *name, *text;
} drops[] = {
#define DROP(ID, NAME, TEXT) {#NAME, TEXT},
	OFX_DROPS(DROP)
#undef DROP
};

/* What the kernel that the switch was started on does not let it count. */
static void tell_lost(const struct pins *pins)
{
	const struct tracer *lost[TRACERS];
	int n = pins->gone ? 0 : trace_lost(pins->dir, lost);

	if (pins->gone)
		log_warn("switch %s: its pins are not here: where they have vanished, frames that are lost behind a "
			 "redirect are counted only until its daemon ends",
			 pins->name);
	for (int i = 0; i < n; i++)
		log_warn("switch %s: not counted here: %s (the kernel refuses the tracing program %s)", pins->name,
			 lost[i]->counts, lost[i]->program);
}

int ctl_drops(const struct pins *pins, const struct ctl_format *format)
{
	static const struct report_column columns[] = {{"reason", false}, {"packets", true}, {"text", false}};
	struct report r = {.columns = columns, .n_columns = ARRAY_LEN(columns)};
	_close_ int map = pins_map(pins, "drops");
	int error = map < 0 ? map : 0;

	for (uint32_t i = 0; i < OFX_N_DROPS && !error; i++) {
		uint64_t count;

		error = pins_sum(pins, map, i, &count, 1);
		if (error || (!count && !format->all))
			continue;
		report_cell(&r, "%s", drops[i].name);
		report_cell(&r, "%" PRIu64, count);
		report_cell(&r, "%s", drops[i].text);
	}
	if (!error)
		report_print(&r, format->json);
	if (!error && !format->json)
		tell_lost(pins);
	return error;
}
