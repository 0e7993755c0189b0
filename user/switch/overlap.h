/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * OFPFF_CHECK_OVERLAP (§6.4): is there an entry that one packet may match as well as the one to be added, of the same
 * priority?  Where a table has many, that takes several steps; what others add meanwhile is looked at as it comes.
 *
 * The very same entry (match and priority) is no such one: it is replaced (OpenFlow 1.4 says so, and Open vSwitch does
 * in 1.3, too).
 */
#ifndef SWITCH_OVERLAP_H
#define SWITCH_OVERLAP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include "user/switch/flow.h"

struct sw;

struct sw_overlap {
	struct sw_selection selection;
	struct sw *sw;
	uint8_t table;
	bool found, done;
	LIST_ENTRY(sw_overlap) link; /* sw->overlaps */
};
LIST_HEAD(sw_overlap_list, sw_overlap);

void sw_overlap_begin(struct sw_overlap *o, struct sw *sw, uint8_t table, uint16_t priority,
		      const struct of_match *match);
/* True: `found` tells. */
bool sw_overlap_step(struct sw_overlap *o);
void sw_overlap_end(struct sw_overlap *o);
/* An entry has been added. */
void sw_overlaps_note(struct sw *sw, const struct sw_flow *flow);

#endif
