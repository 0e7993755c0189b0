/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's tries that routes are in (include/ofxdp/table_lpm.h); made at the start, for that takes a while. */
#ifndef DATAPATH_TRIE_H
#define DATAPATH_TRIE_H

#include "user/datapath/table.h"

/* What a key's prefix is besides its bits. */
struct prefix {
	uint8_t kind; /* enum ofx_kind */
	uint8_t table;
	uint8_t length;
};

/* 0 or a negative errno; tries_close() in any case. */
int tries_open(struct dp_tables *tables);
void tries_close(struct dp_tables *tables);
/* In so many tries is a prefix of that length. */
uint32_t trie_copies(uint8_t kind, uint32_t length);
/* A rule for a prefix, a new one or in place of another.  On error (a negative errno) it may be in some of its tries.
 */
int trie_put(const struct tries *tries, struct prefix prefix, const struct ofx_key *key, struct ofx_rule_ref ref);
void trie_drop(const struct tries *tries, struct prefix prefix, const struct ofx_key *key);

#endif
