/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules in the kernel's own maps.
 *
 * The lines have all rules at any time.  A set of rules that one of the kernel's maps suits is put there, too, in the
 * background: first those that are there, in steps, while each change goes to both; then the list's entries say so, in
 * place, by one byte each.  Back it goes by the same bytes, at once, whenever something is in the way: rules that do
 * not suit, a map that is full, no memory.  Its keys are deleted after a grace period.  So a rule is never missing on
 * the way, and no change can fail for want of room in a map.
 *
 * Which sets, in what maps: a struct copy_kind each, in table_hash.c (a tuple) and table_lpm.c (the prefixes of one
 * address in a table).
 */
#ifndef DATAPATH_TABLE_COPY_H
#define DATAPATH_TABLE_COPY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include "include/ofxdp/table.h"

struct copy;
struct dp_flow;
struct dp_tables;
struct event;
struct table;

enum copy_stage {
	COPY_OUT,   /* none of its keys is in the map */
	COPY_FILL,  /* changes go there, what was there before is being put in */
	COPY_NEAR,  /* it is complete, and packets look there; for a grace period there may be some that don't */
	COPY_IN,    /* all do */
	COPY_WAIT,  /* packets may still look there, for a grace period */
	COPY_CLEAR, /* what is there is being deleted */
};

struct copy_kind {
	/* Out of the map: should it be there?  It may prepare for that. */
	bool (*is_wanted)(struct copy *copy);
	/* In the map: is it no longer worth it?  NULL: it always is. */
	bool (*is_useless)(const struct copy *copy);
	/* Is this flow entry, which is not removed, of the set? */
	bool (*has)(const struct copy *copy, const struct dp_flow *flow);
	/* How many rules the set has. */
	uint32_t (*size)(const struct copy *copy);
	/* The rule for a key of a mask (a tuple's number), a new one or in place of another.  0 or a negative errno. */
	int (*put)(struct copy *copy, const struct ofx_key *key, uint32_t mask, struct ofx_rule_ref ref);
	void (*drop)(struct copy *copy, const struct ofx_key *key, uint32_t mask);
	/* The stage has changed: write the bytes that packets see.  Not of FILL. */
	void (*show)(struct copy *copy);
};

struct copy {
	const struct copy_kind *kind;
	struct table *table;
	enum copy_stage stage;
	uint32_t scan;	   /* of FILL and CLEAR: flow ids that are done */
	uint32_t most;	   /* rules with which it is tried again; 0: any number */
	uint64_t retry_ns; /* CLOCK_MONOTONIC: not before that */
	TAILQ_ENTRY(copy) next;
};

/* Of struct dp_tables. */
struct copies {
	TAILQ_HEAD(, copy) list;
	uint32_t n_changes; /* rules that came or went since the last look */
	struct event *event;
};

int copies_open(struct dp_tables *tables);
void copies_close(struct dp_tables *tables);
/* Rules have come or gone: soon some set may be wanted in a map. */
void copies_look_later(struct dp_tables *tables);
/* first: it is asked before others whether it is wanted. */
void copy_open(struct copy *copy, const struct copy_kind *kind, struct table *table, bool first);
/* One that copy_may_end(). */
void copy_close(struct copy *copy);
bool copy_may_end(const struct copy *copy);
/* Do changes go to the map, and packets soon? */
bool copy_follows(const struct copy *copy);
/* The first rule of a mask and key of the set, or another in its place; … */
void copy_put(struct copy *copy, const struct ofx_key *key, uint32_t mask, struct ofx_rule_ref ref);
/* … no rule of them any more. */
void copy_drop(struct copy *copy, const struct ofx_key *key, uint32_t mask);
/* It is wanted, but not now. */
void copy_try_later(struct copy *copy);
/* Back to the lines, if it isn't on its way already. */
void copy_leave(struct copy *copy);

#endif
