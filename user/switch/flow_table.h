/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flow entries of one table: a chained hash by match and priority, so that strict flow-mods cost O(1); everything
 * else walks the buckets.  No uthash here: its handle in every entry is 56 bytes, this costs 12.
 */
#ifndef SWITCH_FLOW_TABLE_H
#define SWITCH_FLOW_TABLE_H

#include "user/switch/flow.h"

struct sw_table {
	struct sw_flow **buckets;
	uint32_t n_buckets; /* a power of two, or 0 */
	uint32_t n_flows;
	uint32_t config; /* OFPTC_*: deprecated bits, kept as told (TABLE_MOD) */
	char name[32];	 /* as a table features request said; "": none did */
};

uint32_t sw_table_hash(const struct sw *sw, uint16_t priority, const struct sw_match *match);
/* The entry with exactly this match and priority, or NULL. */
struct sw_flow *sw_table_find(struct sw *sw, uint8_t table, uint16_t priority, const struct sw_match *match);
/* Room for one entry more, so that the insert cannot fail.  0 or -ENOMEM. */
int sw_table_reserve(struct sw *sw, uint8_t table);
void sw_table_insert(struct sw *sw, struct sw_flow *flow);
void sw_table_remove(struct sw *sw, struct sw_flow *flow);

#endif
