/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flow entries of one table that have the same shape of match: a hash by their values and priorities.  So an entry
 * keeps no mask, and a message that means some entries looks only at shapes that can be among them.
 *
 * A bucket is the highest bits of the hash.  Walking buckets in rising order is walking hashes in rising order, however
 * many buckets there are meanwhile: a walk (flow.h) can stop at a hash and go on from there later.  Doubling is done a
 * few buckets with each insert, never at once.
 *
 * A bucket is one word: its first entry, and in the 16 bits that no address needs a filter: the low bits of the hashes
 * in it. So most entries that are not there are missed without a look at those that are.
 */
#ifndef SWITCH_SUBTABLE_H
#define SWITCH_SUBTABLE_H

#include <stdbool.h>
#include <stdint.h>
#include "user/switch/match.h"
#include "user/util/hash.h"

struct sw;
struct sw_flow;

struct sw_subtable {
	struct sw *sw;
	uint64_t *buckets; /* 1 << bits */
	uint64_t *old;	   /* half as many, of which the first n_moved are in `buckets` now; NULL: all are */
	uint32_t n_moved;
	uint32_t n_flows;
	uint32_t refs; /* flow entries, removed ones still to be reported among them, and walks that stand here */
	uint8_t bits;
	uint8_t table;
	UT_hash_handle hh;     /* sw_table.subtables, by shape */
	struct sw_shape shape; /* last: its unused part is not there */
};

/* The table's subtable of that shape, or NULL. */
struct sw_subtable *sw_subtable_find(struct sw *sw, uint8_t table, const struct sw_shape *shape);
/* The same, made if there is none; a reference.  NULL: out of memory. */
struct sw_subtable *sw_subtable_get(struct sw *sw, uint8_t table, const struct sw_shape *shape);
/* Let go of it; without references it ends.  It has no flow entries then. */
void sw_subtable_put(struct sw_subtable *s);
/* With all its buckets, whatever refers to it: the switch ends. */
void sw_subtable_free(struct sw_subtable *s);

/* The first entry of the bucket of this hash, or NULL. */
struct sw_flow *sw_subtable_first(const struct sw_subtable *s, uint32_t hash);
/* The first entry of the bucket `n` buckets behind it, or NULL. */
struct sw_flow *sw_subtable_ahead(const struct sw_subtable *s, uint32_t hash, unsigned int n);
/* As sw_subtable_first(), and NULL if none in the bucket has this hash, as a rule. */
struct sw_flow *sw_subtable_candidates(const struct sw_subtable *s, uint32_t hash);
/* One of the two will soon be asked. */
void sw_subtable_prefetch(const struct sw_subtable *s, uint32_t hash);
/* The least hash that lies in a later bucket; 1 << 32: none. */
uint64_t sw_subtable_next(const struct sw_subtable *s, uint32_t hash);
void sw_subtable_insert(struct sw_subtable *s, struct sw_flow *flow);
void sw_subtable_remove(struct sw_subtable *s, struct sw_flow *flow);

#endif
