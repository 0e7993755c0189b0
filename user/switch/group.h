/* SPDX-License-Identifier: GPL-2.0-only */
/* The group table as OpenFlow describes it (§5.6). */
#ifndef SWITCH_GROUP_H
#define SWITCH_GROUP_H

#include <stdbool.h>
#include <stdint.h>
#include "user/datapath/datapath.h"
#include "user/openflow/msg.h"
#include "user/util/hash.h"

struct sw;

struct sw_group {
	uint32_t id;
	uint8_t type; /* OFPGT_* */
	size_t n_buckets;
	struct of_bucket *buckets;
	struct dp_copies copies;   /* as the datapath has been told */
	uint64_t created;	   /* clock_ns() of the add */
	uint32_t chained, watched; /* buckets that forward here, that watch this one */
	uint32_t flows;		   /* flow entries that forward here */
	uint32_t sets;		   /* of instructions (instruction.h) that do, those of no entry yet among them */
	bool dying;		   /* being deleted: nothing new may lead here */
	/* group_check.c; valid if seen is sw->group_walk */
	uint32_t seen;
	struct dp_copies will; /* as the walk has measured it, in groups forwarded to too */
	uint32_t depth;	       /* groups watched through groups watched …: 0 if it watches none */
	bool busy;
	UT_hash_handle hh; /* sw->groups, by id */
};

struct sw_group *sw_group_find(const struct sw *sw, uint32_t id);
/* May flow entries and buckets forward there? */
bool sw_group_is_usable(const struct sw *sw, uint32_t id);
/* The switch ends. */
void sw_groups_free(struct sw *sw);

/* group_check.c */
/*
 * An add, or a modify of `old`: 0 or the OpenFlow error.  *copies: what the group will make of a packet; in `will` that
 * of the groups that lead to it.
 */
int sw_group_check(struct sw *sw, const struct of_group_mod *gm, const struct sw_group *old, struct dp_copies *copies);
/* The greater of both, each by itself. */
struct dp_copies sw_copies_most(struct dp_copies a, struct dp_copies b);
/* Each group that buckets watch or forward to; ends at the first result that is not 0, and returns it. */
typedef int (*sw_group_ref_fn)(uint32_t id, bool watch, void *aux);
int sw_group_each_ref(const struct of_bucket *buckets, size_t n, sw_group_ref_fn fn, void *aux);

#endif
