/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/switch/overlap.h"
#include <string.h>
#include "user/switch/internal.h"

#define LOOKED_AT_ONCE 8192 /* entries: some 1 ms */

void sw_overlap_begin(struct sw_overlap *o, struct sw *sw, uint8_t table, uint16_t priority,
		      const struct of_match *match)
{
	struct sw_flow_filter filter = SW_ANY_FLOW;

	filter.overlap = true;
	filter.priority = priority;
	o->sw = sw;
	o->table = table;
	o->found = o->done = false;
	sw_selection_begin(&o->selection, table, match, &filter);
	LIST_INSERT_HEAD(&sw->overlaps, o, link);
}

void sw_overlap_end(struct sw_overlap *o)
{
	LIST_REMOVE(o, link);
	sw_walk_end(&o->selection.walk);
}

static bool is_same(const struct sw_overlap *o, const struct sw_flow *flow)
{
	const struct sw_match *match = &o->selection.match;

	return sw_shape_equal(&match->shape, &flow->subtable->shape) &&
	       !memcmp(match->value, flow->value, match->shape.n * sizeof(match->value[0]));
}

static void note(struct sw_flow *flow, void *aux)
{
	struct sw_overlap *o = aux;

	o->found |= !is_same(o, flow);
}

bool sw_overlap_step(struct sw_overlap *o)
{
	if (!o->done && !o->found)
		o->done = !sw_walk_step(o->sw, &o->selection.walk, LOOKED_AT_ONCE, note, o);
	return o->done || o->found;
}

void sw_overlaps_note(struct sw *sw, const struct sw_flow *flow)
{
	struct sw_overlap *o;

	LIST_FOREACH (o, &sw->overlaps, link)
		if (o->table == sw_flow_table(flow) && o->selection.filter.priority == flow->priority &&
		    !is_same(o, flow))
			o->found |= sw_match_overlaps(&o->selection.match, &flow->subtable->shape, flow->value);
}
