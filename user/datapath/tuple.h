/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tuples: masks under which rules are hashed.
 *
 * A packet tries all tuples of a table, one after the other, so there should be few.  While a table has few masks, each
 * is a tuple of its own, and a lookup meets only the one rule it looks for.  Beyond, the rules of a mask go to a tuple
 * of a wider mask, which they share with those of other masks (TupleMerge: Daly et al., IEEE/ACM ToN 2019): the prefix
 * lengths of addresses are rounded down.  More rules have the same hash there; where it would be too many, a rule goes
 * to a tuple of less width, at last to its own mask's.
 */
#ifndef DATAPATH_TUPLE_H
#define DATAPATH_TUPLE_H

#include "user/datapath/table.h"

#define TUPLE_CHAIN 12 /* rules of one hash in a shared tuple */
#define TUPLE_LEVELS 2 /* of width: level 0 is the widest */
/* A table that shared tuples and has so few masks left does so no more (move.c); less than it takes to begin. */
#define TUPLE_UNSHARE 2

/* A mask as that of routes (table_lpm.h). */
struct lpm_mask {
	uint8_t kind; /* enum ofx_kind; 0: it is no prefix of an address and nothing else */
	uint8_t length;
};

/* A mask of a table: of flow entries, or one to hash under, or both.  Its descriptor is tables->subtables[number]. */
struct tuple {
	struct lookup lookup; /* of the rules hashed under it; first */
	uint32_t n_flows;     /* flow entries whose own mask it is */
	uint32_t refs;	      /* masks whose home it is */
	uint32_t n_left;      /* rules of this mask that were moved and can still be met here (move.c) */
	bool alone;	      /* rules of this mask may lie here only because its table did not share tuples then */
	struct tuple
		*home[TUPLE_LEVELS]; /* where rules of this mask may lie; itself: nowhere else; NULL: not known yet */
	uint32_t n_at[TUPLE_LEVELS + 1];    /* flow entries of this mask there, at last here */
	uint32_t n_hashes[TUPLE_CHAIN + 2]; /* hashes that so many rules of this tuple have; the last: that or more */
	struct copy copy;		    /* in a hash map */
	uint8_t map;			    /* enum ofx_kind: the hash map that is for its mask; OFX_KIND_LINES: none */
	struct lpm_mask as_ipv4, as_ipv6;   /* of keys of these types */
	uint32_t n_routes[LPM_FAMILIES];    /* flow entries found here that are routes */
	bool quick;			    /* struct ofx_list_entry */
	uint8_t shift;			    /* ofx_check_of_key() */
	struct ofx_key mask;		    /* by_mask; .shape: the table */
	UT_hash_handle hh;
	TAILQ_ENTRY(tuple) next;
};

/* The table's tuple of that mask, or NULL. */
struct tuple *tuple_find(struct table *t, const struct ofx_key *mask);
/* The same, made if there is none.  TABLE_FULL, -EAGAIN, -ENOMEM. */
int tuple_of_mask(struct table *t, const struct ofx_key *mask, struct tuple **out);
void tuple_free(struct tuple *tuple);
bool tuple_is_unused(const struct tuple *tuple);
/* Where rules of this mask may lie at that level; itself: nowhere else, or no room for a tuple. */
struct tuple *tuple_home(struct tuple *mask, int level);
/* The mask at that level of width. */
void tuple_widen(const struct ofx_key *mask, int level, struct ofx_key *wide);
/* Complete a list whose entries are there, or have changed their kind: .group. */
void tuples_group(struct ofx_list *list);
/* Its shift. */
void tuple_choose_check(struct tuple *tuple);
/* The checks of a rule of this mask and key (ofx_l4_check_differs()), in the tuple (ofx_checks_differ()). */
uint8_t mask_l4_check(const struct ofx_key *mask, const struct ofx_key *key);
uint8_t tuple_check(const struct tuple *tuple, const struct ofx_key *mask, const struct ofx_key *key);
/* A flow entry of this mask more, or less: the cache is told which bits rules look at. */
void tuple_take(struct tuple *mask);
void tuple_give(struct tuple *mask);
/* The same after masks have been freed. */
void tuples_narrow(struct dp_tables *tables);
/* Should rules of its masks share tuples? */
bool table_shares(const struct table *t);
/* Has it rules that are not going to be moved? */
bool tuple_has_others(const struct tuple *tuple);
/* Has it masks that are `alone`? */
bool table_has_alone(const struct table *t);
/* One rule more (or less: change -1) of a hash that n rules of this tuple have now. */
void tuple_count_hash(struct tuple *tuple, uint32_t n, int change);
/* The most rules of one hash. */
uint32_t tuple_longest(const struct tuple *tuple);
/* The most probes a packet may need: one for each tuple, for each rule of one hash there. */
uint32_t table_probes(const struct table *t);

#endif
