/* SPDX-License-Identifier: GPL-2.0-only */
/* A flow entry as OpenFlow describes it (§5.2), and the choice of entries that a message means. */
#ifndef SWITCH_FLOW_H
#define SWITCH_FLOW_H

#include "user/datapath/datapath.h"
#include "user/switch/instruction.h"
#include "user/switch/match.h"

struct sw;
struct sw_timeout;

struct sw_flow {
	struct sw_flow *next; /* in its bucket of the flow table */
	struct dp_flow *dp;
	struct sw_instructions *inst; /* shared by entries with the same instructions; one reference, until removed */
	struct sw_timeout *timeout;   /* NULL: stays until deleted */
	uint64_t cookie;
	uint64_t created; /* sw_now() of the add; flow entry's duration counts from it */
	uint32_t hash;
	uint16_t priority, idle_timeout, hard_timeout; /* seconds */
	uint8_t flags;				       /* OFPFF_* as given */
	uint8_t table;
	struct sw_match match; /* last: its words follow */
};

/* Nanoseconds of the monotonic clock. */
uint64_t sw_now(void);
#define SW_SECOND 1000000000ull

/* Not in any table yet, without instructions and time-outs.  NULL: out of memory. */
struct sw_flow *sw_flow_new(uint8_t table, uint16_t priority, const struct sw_match *match, uint32_t hash);
void sw_flow_free(struct sw_flow *flow);

/* Which entries of a table: §6.4 for flow-mods, §7.3.5.2 for statistics. */
struct sw_flow_filter {
	const struct sw_match *match;
	bool strict; /* this match and priority only, else every entry that `match` covers */
	uint16_t priority;
	uint64_t cookie, cookie_mask;
	uint32_t out_port, out_group; /* OFPP_ANY, OFPG_ANY: no matter */
};

typedef void (*sw_flow_fn)(struct sw_flow *flow, void *aux);
/* Call fn for each entry of `table` (OFPTT_ALL: of all tables).  fn must not add or remove entries. */
void sw_flow_each(struct sw *sw, uint8_t table, const struct sw_flow_filter *filter, sw_flow_fn fn, void *aux);

/* A growing list of entries.  Zero-initialised is empty; out of memory aborts the program, as buf does. */
struct sw_flow_list {
	struct sw_flow **v;
	size_t n, size;
};
void sw_flow_list_add(struct sw_flow *flow, void *list); /* a sw_flow_fn */
void sw_flow_list_free(struct sw_flow_list *list);
#define _flow_list_ __attribute__((cleanup(sw_flow_list_free)))

#endif
