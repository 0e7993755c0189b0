/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Chains: flow entries of one mask and key, linked by falling priority (dp_flow.below).  Only the first, the head, is
 * in the maps.  No two have the same priority.
 *
 * Most chains have one or two entries and are walked.  A long one has a ladder, which finds an entry by its priority in
 * some hundred steps at most, however many there are.
 */
#ifndef DATAPATH_CHAIN_H
#define DATAPATH_CHAIN_H

#include <stdbool.h>
#include <stdint.h>
#include "user/datapath/pool.h"

struct dp_flow;
struct dp_tables;
struct ladder;

struct ladders {
	struct ladder **v; /* by number */
	struct numbers numbers;
};

/* 0 or -ENOMEM. */
int ladders_open(struct ladders *ladders, uint32_t n_flow_ids);
void ladders_close(struct ladders *ladders);

/* The next lower one, or NULL. */
struct dp_flow *chain_below(const struct dp_tables *tables, const struct dp_flow *flow);
/* The lowest of those above this priority; NULL: none. */
struct dp_flow *chain_above(const struct dp_tables *tables, struct dp_flow *head, uint16_t priority);
/* The highest of those at most this priority; NULL: none. */
struct dp_flow *chain_at_most(const struct dp_tables *tables, struct dp_flow *head, uint16_t priority);
/*
 * A flow entry more; head: of the chain as it was, NULL: it is the first.  The caller makes the new head known if it is
 * one, before this.
 */
void chain_insert(struct dp_tables *tables, struct dp_flow *head, struct dp_flow *flow);
/* One less; head: of the chain with it; NULL will do where it has a ladder (chain_is_long()). */
void chain_remove(struct dp_tables *tables, struct dp_flow *head, struct dp_flow *flow);
bool chain_is_long(const struct dp_flow *flow);
/* Entries of the chain, told by its head. */
uint32_t chain_length(const struct dp_tables *tables, const struct dp_flow *head);

#endif
