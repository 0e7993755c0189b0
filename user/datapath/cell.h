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

/* false: something was carried meanwhile. */
static inline bool cell_try(const struct ofx_cell *c, struct ofx_counter *count)
{
	const uint64_t high = __atomic_load_n(&c->high, __ATOMIC_ACQUIRE);
	uint64_t low = __atomic_load_n(&c->low, __ATOMIC_ACQUIRE);

	if (__atomic_load_n(&c->high, __ATOMIC_RELAXED) != high)
		return false;
	if (!(low & OFX_CELL_TURN) != !(high & 1ULL << 32)) /* high has got already what low is to lose */
		low = ofx_cell_stays(low);
	count->packets = (low >> 43) + (high >> 32 << 20);
	count->bytes = (low & (OFX_CELL_TURN - 1)) + ((high & 0xffffffff) << 30);
	return true;
}

/* A mmapped cell. */
static inline struct ofx_counter cell_read(const struct ofx_cell *c)
{
	struct ofx_counter count;

	while (!cell_try(c, &count))
		; /* a million packets came since: not for long */
	return count;
}

/* Its packets, for passes over a million of them: most have never been carried. */
static inline uint64_t cell_packets(const struct ofx_cell *c)
{
	const uint64_t low = __atomic_load_n(&c->low, __ATOMIC_ACQUIRE);
	const uint64_t high = __atomic_load_n(&c->high, __ATOMIC_RELAXED);

	return high | (low & OFX_CELL_CARRY) ? cell_read(c).packets : low >> 43;
}

/* A port's counters on one CPU. */
void cell_port_add(const struct ofx_port_cells *c, struct port_totals *sum);

#endif
