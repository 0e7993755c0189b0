/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tuples in the kernel's hash maps (include/ofxdp/table_hash.h).
 *
 * The lines have all rules at any time.  A tuple whose rules are of its own mask only, and not too many for a map, is
 * put there, too, in the background: first the rules that are there, in steps, while each change goes to both; then its
 * entry in the list says HASH, by one byte.  Back it goes by the same byte, at once, whenever something is in the way:
 * masks that share tuples, a map that is full, no memory.  Its keys are deleted after a grace period.  So a rule is
 * never missing on the way, and no change can fail for want of room in a map.
 */
#ifndef DATAPATH_TABLE_HASH_H
#define DATAPATH_TABLE_HASH_H

#include "user/datapath/tuple.h"

int hashes_open(struct dp_tables *tables);
void hashes_close(struct dp_tables *tables);

/* Rules have come or gone in this table: soon its tuples may change their kind. */
void hash_look_later(struct table *t);
/* The first rule of this mask and key, now that it is in its own tuple; or another one, that takes its place. */
void hash_put(struct tuple *tuple, const struct ofx_key *key, struct ofx_rule_ref ref);
/* No rule of this mask and key is in its own tuple any more. */
void hash_drop(struct tuple *tuple, const struct ofx_key *key);
/* Masks of the table will share tuples: back to the lines with all of it. */
void hash_leave_all(struct table *t);

/* For the list: enum ofx_kind. */
uint8_t hash_kind(const struct tuple *tuple);

#endif
