/* SPDX-License-Identifier: GPL-2.0-only */
/* One flow table: its flow entries by the shapes of their matches. */
#ifndef SWITCH_FLOW_TABLE_H
#define SWITCH_FLOW_TABLE_H

#include "user/switch/subtable.h"

struct sw_table {
	struct sw_subtable *subtables; /* uthash */
	struct sw_subtable *last;      /* the one found last, or NULL: neighbouring messages mostly mean the same */
	uint32_t n_flows;
	bool removed;	 /* from the pipeline, by a table features request: no entries, no goto leads here */
	uint32_t config; /* OFPTC_*: deprecated bits, kept as told (TABLE_MOD) */
	char name[32];	 /* as a table features request said; "": none did */
};

#endif
