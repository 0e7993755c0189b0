/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The routes of a table, its rules that are prefixes of one address: in the kernel's tries (include/ofxdp/table_lpm.h,
 * table_copy.h) while a longer prefix is never of lower priority than a shorter one, for a trie tells the longest only.
 * They are looked up there all at once, instead of a tuple for each length.
 *
 * Their entry stands in the table's list beside those of the tuples, whose kind is NONE while all of their rules are
 * found in tries.
 */
#ifndef DATAPATH_TABLE_LPM_H
#define DATAPATH_TABLE_LPM_H

#include "user/datapath/tuple.h"

void lpm_table_close(struct table *t);

/* Of a new tuple's mask: is it the prefix of an address, which? */
void lpm_describe(struct tuple *mask);
/*
 * A flow entry more, of this mask, key and priority, is going to be found in that tuple: whatever stands in its way is
 * taken away.  0 or -ENOMEM.
 */
int lpm_count(struct tuple *mask, const struct ofx_key *key, struct tuple *tuple, uint16_t priority);
/* One less. */
void lpm_uncount(struct tuple *mask, const struct ofx_key *key, struct tuple *tuple, uint16_t priority);
/* A flow entry that is found in another tuple from now on. */
void lpm_move(struct tuple *mask, const struct ofx_key *key, struct tuple *from, struct tuple *to);
/* The first rule of this mask and key, or another one that takes its place; none any more. */
void lpm_put(struct tuple *mask, const struct ofx_key *key, struct ofx_rule_ref ref);
void lpm_drop(struct tuple *mask, const struct ofx_key *key);
/* Of an entry of the table's list that is no tuple's. */
struct lookup *lpm_lookup(const struct table *t, const struct ofx_list_entry *e);
/* Are all rules of this tuple in tries, or soon? */
bool lpm_covers(const struct tuple *tuple);
/* Do all packets look there instead? */
bool lpm_hides(const struct tuple *tuple);

#endif
