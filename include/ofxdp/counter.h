/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters.  BPF adds, on its own CPU's cells only; user reads (mmap) and sums.  User never writes a live cell: a
 * reset is a baseline that user keeps.
 *
 *   flow_counters        [flow id] of struct ofx_cell, by CPU (state.h)
 *   state                of each CPU: .log, packets that are not in flow_counters yet; .port by port index; .group,
 * .meter meter_band_counters  [slot], by CPU (meter.h) table_misses         PERCPU_ARRAY[OFX_TABLES] of u64 drops
 * PERCPU_ARRAY[OFX_N_DROPS] of u64
 */
#ifndef OFXDP_COUNTER_H
#define OFXDP_COUNTER_H

#include <linux/types.h>

/*
 * What a CPU's last packets add to flow_counters, while many flows come.  Added up when it is full: then the cells,
 * which are seldom in the CPU's caches, are fetched side by side and not one after the other, packet by packet.
 *
 * A reader adds the words to the cells.  They belong together if version was even and is still the same.
 */
#define OFX_FLOW_LOG 62

struct ofx_flow_log {
	__u64 version;		  /* odd: being added up */
	__u64 n;		  /* words */
	__u64 word[OFX_FLOW_LOG]; /* flow id | bytes << 32 */
};
_Static_assert(sizeof(struct ofx_flow_log) == 512, "cache lines");

struct ofx_counter {
	__u64 packets;
	__u64 bytes; /* whole frames as received, without FCS */
};

/*
 * The same as every packet adds to it: one word, for it is changes of memory that counting costs.
 *
 *   low   bits 0-41 bytes, 42 turn, 43-63 packets
 *   high  bits 0-31 bytes / 2^30, 32-63 packets / 2^20
 *
 * When low has 2^20 packets, which is its top bit, these and its bytes above 2^30 are carried to high; frames are far
 * shorter than the 4 MB that would be too much for it.  Right up to 2^52 packets and 2^62 bytes of one CPU.
 *
 * BPF writes low with the top bit, then high, then low without what was carried and with the other turn.  A reader
 * takes high, low and high again.  If high is the same and low's turn is not the lowest bit of high's packets, then low
 * is as it was before a carry that high has got already: the reader takes off what was carried.
 */
struct ofx_cell {
	__u64 high;
	__u64 low;
};

#define OFX_CELL_TURN (1ULL << 42)
#define OFX_CELL_PACKET (1ULL << 43)
#define OFX_CELL_CARRY (1ULL << 63)

/* A carry, low having its top bit: what is added to high, and the new low. */
static inline __attribute__((always_inline)) __u64 ofx_cell_carried(__u64 low)
{
	return 1ULL << 32 | (low & (OFX_CELL_TURN - 1)) >> 30;
}

static inline __attribute__((always_inline)) __u64 ofx_cell_stays(__u64 low)
{
	return (low & ((1ULL << 30) - 1)) | (~low & OFX_CELL_TURN);
}

struct ofx_port_cells {
	struct ofx_cell rx, tx;
	__u64 rx_dropped; /* frames from this port that ended in a drop for a reason of the port (no-recv, no daemon …)
			   */
	__u64 tx_dropped; /* frames for this port that it did not take */
	__u64 rx_errors;  /* malformed frames */
	__u64 tx_errors;
};

#endif
