/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packet-outs: struct ofx_inject, the ops and the frame in one chunk, sent on the first AF_XDP socket.  The kernel
 * copies the frame to NAME-c0 and runs the pipeline on it, as a rule before sendto() returns; map `injected` tells. One
 * queue only, so that packet-outs stay in order.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include "build/ofxdp.skel.h"
#include "include/ofxdp/action.h"
#include "include/ofxdp/packet_in.h"
#include "user/datapath/group.h"
#include "user/datapath/punt.h"
#include "user/util/log.h"

#define OFPR_ACTION 1
#define IN_FLIGHT_MAX 128 /* a veth's receive ring has 256 places */
#define BARRIER_MS 100
#define KICKS 16 /* sendto() sends at most 32 frames, and asks to be called again with EAGAIN */

static uint64_t read_executed(struct dp *dp)
{
	struct dp_punt *punt = dp->punt;
	uint64_t sum = 0;
	__u32 key = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(dp->skel->maps.injected), &key, punt->per_cpu))
		return punt->executed;
	for (uint32_t i = 0; i < dp->n_cpus; i++)
		sum += punt->per_cpu[i];
	return punt->executed = sum;
}

void punt_tx_open(struct dp *dp)
{
	struct dp_punt *punt = dp->punt;

	for (uint32_t i = 0; i < PUNT_TX_FRAMES; i++)
		punt->free_tx[i] = (uint64_t)i * PUNT_CHUNK;
	punt->n_free_tx = PUNT_TX_FRAMES;
	punt->sent = read_executed(dp);
}

/* Chunks of frames that the kernel has copied are free again. */
static void reap(struct dp_punt *punt)
{
	struct xsk_ring_cons *completed = &punt->queues[0].completed;
	uint32_t at, n = xsk_ring_cons__peek(completed, PUNT_TX_FRAMES - punt->n_free_tx, &at);

	for (uint32_t i = 0; i < n; i++)
		punt->free_tx[punt->n_free_tx++] = *xsk_ring_cons__comp_addr(completed, at + i);
	if (n)
		xsk_ring_cons__release(completed, n);
}

/* Have the kernel take what is in the send ring.  What it does not take now, it takes at the next kick. */
static void kick(struct dp_punt *punt)
{
	int fd = xsk_socket__fd(punt->queues[0].socket);

	for (int i = 0; i < KICKS; i++)
		if (sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0 || (errno != EAGAIN && errno != EBUSY))
			break;
	reap(punt);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

/* Wait until all but `rest` packet-outs have been executed. */
static void wait_executed(struct dp *dp, uint64_t rest)
{
	const struct timespec pause = {.tv_nsec = 50000};
	struct dp_punt *punt = dp->punt;
	uint64_t end;

	if (punt->executed + rest >= punt->sent || read_executed(dp) + rest >= punt->sent)
		return;
	end = now_us() + BARRIER_MS * 1000;
	while (read_executed(dp) + rest < punt->sent) {
		if (now_us() > end) {
			log_warn("%llu packet-outs were not executed within %d ms",
				 (unsigned long long)(punt->sent - punt->executed), BARRIER_MS);
			punt->sent = punt->executed;
			return;
		}
		kick(punt);
		nanosleep(&pause, NULL);
	}
}

static int send_chunk(struct dp *dp, uint64_t addr, uint32_t len)
{
	struct xsk_ring_prod *tx = &dp->punt->queues[0].tx;
	uint32_t at;

	if (xsk_ring_prod__reserve(tx, 1, &at) != 1)
		return -ENOBUFS;
	*xsk_ring_prod__tx_desc(tx, at) = (struct xdp_desc){.addr = addr, .len = len};
	xsk_ring_prod__submit(tx, 1);
	dp->punt->n_free_tx--;
	dp->punt->sent++;
	kick(dp->punt);
	return 0;
}

int dp_packet_out(struct dp *dp, uint32_t in_port, const struct of_actions *actions, const void *data, size_t len)
{
	struct dp_punt *punt = dp->punt;
	struct ofx_inject *head;
	struct ofx_op *ops;
	uint64_t addr;
	size_t n = 0;
	int err;

	wait_executed(dp, IN_FLIGHT_MAX);
	if (!punt->n_free_tx)
		kick(punt);
	if (!punt->n_free_tx)
		return -ENOBUFS;
	addr = punt->free_tx[punt->n_free_tx - 1];
	head = (struct ofx_inject *)(punt->queues[0].memory + addr);
	ops = (struct ofx_op *)(head + 1);
	err = action_compile(actions, OFPR_ACTION, true, ops, &n, OFX_INJECT_OPS);
	if (!err)
		err = groups_resolve(dp, ops, n);
	if (err)
		return err;
	if (len > punt->max_frame || (uint8_t *)(ops + n) - (uint8_t *)head + len > punt->max_frame)
		return -EMSGSIZE;
	*head = (struct ofx_inject){.magic = dp->magic, .in_port = in_port, .kind = OFX_INJECT_OUT, .n_ops = n};
	memcpy(ops + n, data, len);
	return send_chunk(dp, addr, (uint8_t *)(ops + n) + len - (uint8_t *)head);
}

void dp_barrier(struct dp *dp)
{
	wait_executed(dp, 0);
}
