/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading BPF's live cells (struct ofx_cell, include/ofxdp/counter.h). */
#ifndef DATAPATH_CELL_H
#define DATAPATH_CELL_H

#include <stdbool.h>
#include <stdint.h>
#include "include/ofxdp/counter.h"

struct port_totals {
	uint64_t rx_packets, rx_bytes;
	uint64_t tx_packets, tx_bytes;
	uint64_t rx_dropped, tx_dropped;
	uint64_t rx_errors, tx_errors;
};

#define CELL_TRIES 1000 /* one is enough but for once in a million packets; then two */

/* What a cell says, or false: low is later than high, read both again. */
static inline bool cell_decode(uint64_t high, uint64_t low, struct ofx_counter *count)
{
	const bool same_turn = !(low & OFX_CELL_TURN) == !(high & 1ULL << 32);

	if (!same_turn && !(low & OFX_CELL_CARRY))
		return false;
	if (!same_turn) /* high has got what it has */
		low = ofx_cell_stays(low);
	count->packets = (low >> 43) + (high >> 32 << 20);
	count->bytes = (low & (OFX_CELL_TURN - 1)) + ((high & 0xffffffff) << 30);
	return true;
}

/* A mmapped cell. */
static inline bool cell_read(const struct ofx_cell *c, struct ofx_counter *count)
{
	const uint64_t high = __atomic_load_n(&c->high, __ATOMIC_ACQUIRE);
	const uint64_t low = __atomic_load_n(&c->low, __ATOMIC_ACQUIRE);

	/* The same high unless we were stopped in between, for longer than a turn. */
	return __atomic_load_n(&c->high, __ATOMIC_RELAXED) == high && cell_decode(high, low, count);
}

/* The packets of a mmapped cell. */
static inline uint64_t cell_packets(const struct ofx_cell *c)
{
	struct ofx_counter count = {0};

	for (int i = 0; i < CELL_TRIES; i++)
		if (cell_read(c, &count))
			break;
	return count.packets;
}

/*
 * A port's counters (map: port_counters, by descriptor) on all possible CPUs together.  0 or a negative errno, and all
 * counters are 0.
 */
int cell_port_totals(int map, uint32_t index, uint32_t n_cpus, struct port_totals *sum);

#endif
