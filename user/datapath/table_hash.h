/* SPDX-License-Identifier: GPL-2.0-only */
/* Tuples in the kernel's hash maps (include/ofxdp/table_hash.h, table_copy.h): exact matches of one mask. */
#ifndef DATAPATH_TABLE_HASH_H
#define DATAPATH_TABLE_HASH_H

#include "user/datapath/tuple.h"

void hashes_open(struct dp_tables *tables);
/* A new tuple's copy. */
void hash_open(struct tuple *tuple);
/* Masks of the table will share tuples: back to the lines with all of it. */
void hash_leave_all(struct table *t);
/* For the list: enum ofx_kind. */
uint8_t hash_kind(const struct tuple *tuple);

#endif
