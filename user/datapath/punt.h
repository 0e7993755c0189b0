/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The AF_XDP sockets on NAME-c1: packet_in.c receives on one per queue, packet_out.c sends on the first.  Each socket
 * has its own memory; the first TX_FRAMES chunks of the first one's are the sender's, all others circulate through the
 * fill ring. Always copy mode: a dead daemon must not own the memory that a driver receives into.
 */
#ifndef DATAPATH_PUNT_H
#define DATAPATH_PUNT_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <xdp/xsk.h>
#include "user/datapath/internal.h"
#include "user/util/turn.h"

#define PUNT_CHUNK 4096
#define PUNT_TX_FRAMES 256
#define PUNT_FRAMES 8192 /* that wait while the daemon is busy, over all queues */
#define PUNT_BYTES ((PUNT_FRAMES + PUNT_TX_FRAMES) * PUNT_CHUNK)

struct punt_queue {
	struct dp *dp;
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons completed, rx;
	uint8_t *memory;
	size_t memory_len;
	struct event *readable;
	struct turn_member turn;
};

struct dp_punt {
	uint32_t n_queues;
	struct punt_queue *queues;
	struct turn turn; /* of the queues */
	/* packet_out.c */
	uint32_t max_frame; /* bytes, headers included, that fit NAME-c1's MTU */
	uint64_t free_tx[PUNT_TX_FRAMES];
	uint32_t n_free_tx;
	uint64_t sent;	    /* number of the last packet-out given to the kernel */
	uint64_t done;	    /* of the last that is known to be executed … */
	uint64_t moved_ns;  /* … since when */
	uint64_t marked_ns; /* when the last OFX_INJECT_MARK was sent */
	struct mapped injected;
	/* packet_in.c: drops that only user counts */
	uint64_t drops;
	bool in_batch; /* write `drops` to the map at the batch's end */
	bool drops_changed;
	uint64_t *per_cpu; /* n_cpus values, for a per-CPU map's lookup and update */
};

/* packet_out.c */
int punt_tx_open(struct dp *dp);
/* The sockets are new: all chunks are free.  What was on its way then shows as lost. */
void punt_tx_begin(struct dp_punt *punt);
void punt_tx_close(struct dp_punt *punt);

#endif
