/* SPDX-License-Identifier: GPL-2.0-only */
/* A flow entry as OpenFlow describes it (§5.2), and the choice of entries that a message means. */
#ifndef SWITCH_FLOW_H
#define SWITCH_FLOW_H

#include "user/datapath/datapath.h"
#include "user/switch/instruction.h"
#include "user/switch/subtable.h"
#include "user/switch/timeout.h"

struct sw;

/* There may be a million: 56 bytes and the values, from a slab. */
struct sw_flow {
	struct sw_flow *next; /* in its bucket of the subtable */
	uint32_t hash; /* of values and priority, next to `next`: who walks a bucket reads both; removed: OFPRR_* */
	uint16_t priority;
	uint8_t flags; /* OFPFF_* as given */
	bool timed;    /* may end by itself */
	struct dp_flow *dp;
	struct sw_instructions *inst; /* shared by entries with the same instructions; one reference, until removed */
	struct sw_subtable *subtable; /* table and shape; one reference */
	uint64_t cookie;
	union {				    /* by `timed` */
		uint64_t created;	    /* clock_ns() of the add; flow entry's duration counts from it */
		struct sw_timeout *timeout; /* has it too */
	};
	uint64_t value[];
};

#define SW_SECOND 1000000000ull

/* Its instructions from now on, of which it takes a reference (NULL: none). */
void sw_flow_set_instructions(struct sw_flow *flow, struct sw_instructions *inst);

/* Not in any table yet, without instructions and time-outs.  NULL: out of memory. */
struct sw_flow *sw_flow_new(struct sw *sw, uint8_t table, uint16_t priority, const struct sw_match *match);
void sw_flow_free(struct sw *sw, struct sw_flow *flow);
/* sw_flow_find() will follow: ask the memory for where it looks. */
void sw_flow_expect(struct sw *sw, uint8_t table, uint16_t priority, const struct sw_match *match);
/* The entry with exactly this match and priority, or NULL. */
struct sw_flow *sw_flow_find(struct sw *sw, uint8_t table, uint16_t priority, const struct sw_match *match);

static inline uint8_t sw_flow_table(const struct sw_flow *flow)
{
	return flow->subtable->table;
}

/* A table-miss entry (§5.4): of priority 0 and no match field. */
static inline bool sw_flow_is_miss(const struct sw_flow *flow)
{
	return !flow->priority && !flow->subtable->shape.words;
}

static inline void sw_flow_match(const struct sw_flow *flow, struct of_match *match)
{
	sw_match_unpack(&flow->subtable->shape, flow->value, match);
}

static inline uint64_t sw_flow_created(const struct sw_flow *flow)
{
	return flow->timed ? flow->timeout->created : flow->created;
}

static inline uint16_t sw_flow_idle(const struct sw_flow *flow)
{
	return flow->timed ? flow->timeout->idle_seconds : 0;
}

static inline uint16_t sw_flow_hard(const struct sw_flow *flow)
{
	return flow->timed ? flow->timeout->hard_seconds : 0;
}

/* Which entries of a table: §6.4 for flow-mods, §7.3.5.2 for statistics. */
struct sw_flow_filter {
	const struct sw_match *match; /* NULL: every one */
	/*
	 * Those that one packet may match as well as `match`, and that have this priority (OFPFF_CHECK_OVERLAP); else
	 * those that `match` covers.
	 */
	bool overlap;
	uint16_t priority;
	uint64_t cookie, cookie_mask;
	uint32_t out_port, out_group; /* OFPP_ANY, OFPG_ANY: no matter */
};
#define SW_ANY_FLOW ((struct sw_flow_filter){.out_port = OFPP_ANY, .out_group = OFPG_ANY})

/* Is it one that the filter asks for, but for the match? */
bool sw_flow_is_chosen(const struct sw_flow *flow, const struct sw_flow_filter *filter);

/*
 * Entries of a table (OFPTT_ALL: of all), in steps, between which entries may come and go: those there all the time are
 * met exactly once.  `budget`: about how many entries a step looks at, unless they cost more time than a step may take
 * (SW_JOB_STEP_NS: with many CPUs a counter has many parts).  fn may remove the entry it is called for, and add none.
 * False: that was the last step.  sw_walk_end: after any number of steps.
 */
typedef void (*sw_flow_fn)(struct sw_flow *flow, void *aux);
struct sw_walk {
	const struct sw_flow_filter *filter;
	uint8_t table, last;	/* the next table, the last */
	struct sw_subtable *at; /* a reference; NULL: the first of `table` */
	uint64_t hash;		/* entries there with smaller ones were met; … */
	int32_t priority;	/* … of the very match those with higher ones, -1: all */
};
struct sw_walk sw_walk_begin(uint8_t table, const struct sw_flow_filter *filter);
bool sw_walk_step(struct sw *sw, struct sw_walk *walk, uint32_t budget, sw_flow_fn fn, void *aux);
void sw_walk_end(struct sw_walk *walk);

/* A filter, its match and a walk: what a message about many entries keeps (job.h). */
struct sw_selection {
	struct sw_match match;
	struct sw_flow_filter filter;
	struct sw_walk walk;
};
/* match: may have no field.  The selection must not be moved. */
void sw_selection_begin(struct sw_selection *s, uint8_t table, const struct of_match *match,
			const struct sw_flow_filter *filter);
void sw_selection_again(struct sw_selection *s, uint8_t table); /* a second walk */

#endif
