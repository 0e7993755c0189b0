/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packet-outs: struct ofx_inject, the ops and the frame in one chunk, sent on the first AF_XDP socket.  The kernel
 * copies the frame to NAME-c0 and runs the pipeline on it, as a rule before sendto() returns; map `injected` tells. One
 * queue only, so that packet-outs stay in order: what is lost then shows by the numbers of those that are not.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "build/ofxdp.skel.h"
#include "include/ofxdp/action.h"
#include "include/ofxdp/packet_in.h"
#include "user/datapath/group.h"
#include "user/datapath/punt.h"
#include "user/util/clock.h"

#define OFPR_ACTION 1
#define IN_FLIGHT_MAX 128 /* a veth's receive ring has 256 places */
#define MARK_NS 10000000
#define MARK_LEN 64
#define KICKS 16 /* sendto() sends at most 32 frames, and asks to be called again with EAGAIN */

/* The number of the last packet-out that was executed. */
static uint64_t read_done(struct dp_punt *punt)
{
	uint32_t number = __atomic_load_n((const uint64_t *)punt->injected.at, __ATOMIC_ACQUIRE);
	uint32_t more = number - (uint32_t)punt->done;

	if (more) {
		punt->done += more;
		punt->moved_ns = clock_ns();
	}
	return punt->done;
}

int punt_tx_open(struct dp *dp)
{
	struct dp_punt *punt = dp->punt;
	int err = mapped_open(&punt->injected, dp->skel->maps.injected, false);

	if (!err)
		punt->sent = read_done(punt);
	return err;
}

void punt_tx_begin(struct dp_punt *punt)
{
	for (uint32_t i = 0; i < PUNT_TX_FRAMES; i++)
		punt->free_tx[i] = (uint64_t)i * PUNT_CHUNK;
	punt->n_free_tx = PUNT_TX_FRAMES;
}

void punt_tx_close(struct dp_punt *punt)
{
	mapped_close(&punt->injected);
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

static int send_chunk(struct dp_punt *punt, uint64_t addr, uint32_t len)
{
	struct xsk_ring_prod *tx = &punt->queues[0].tx;
	uint32_t at;

	if (xsk_ring_prod__reserve(tx, 1, &at) != 1)
		return -ENOBUFS;
	*xsk_ring_prod__tx_desc(tx, at) = (struct xdp_desc){.addr = addr, .len = len};
	xsk_ring_prod__submit(tx, 1);
	punt->n_free_tx--;
	kick(punt);
	return 0;
}

/* A free chunk's head, its address in *addr; NULL: there is none now, or no socket (NAME-c1 is being made anew). */
static struct ofx_inject *chunk(struct dp_punt *punt, uint64_t *addr)
{
	if (!punt->n_queues)
		return NULL;
	if (!punt->n_free_tx)
		kick(punt);
	if (!punt->n_free_tx)
		return NULL;
	*addr = punt->free_tx[punt->n_free_tx - 1];
	return (struct ofx_inject *)(punt->queues[0].memory + *addr);
}

/*
 * Packet-outs that the receive ring of NAME-c0 had no room for are noticed by the next frame that comes through.  If
 * none comes for a while, one is sent for that.
 */
static void mark(struct dp *dp)
{
	struct dp_punt *punt = dp->punt;
	uint64_t addr, now = clock_ns();
	struct ofx_inject *head;

	if (now - punt->moved_ns < MARK_NS || now - punt->marked_ns < MARK_NS)
		return;
	head = chunk(punt, &addr);
	if (!head)
		return;
	*head = (struct ofx_inject){.magic = dp->magic, .kind = OFX_INJECT_MARK, .arg = punt->sent};
	memset(head + 1, 0, MARK_LEN - sizeof(*head));
	if (!send_chunk(punt, addr, MARK_LEN))
		punt->marked_ns = now;
}

uint64_t dp_packet_out_last(const struct dp *dp)
{
	return dp->punt->sent;
}

bool dp_packet_outs_done(struct dp *dp, uint64_t number)
{
	struct dp_punt *punt = dp->punt;

	if (punt->done >= number || read_done(punt) >= number)
		return true;
	if (punt->n_queues)
		kick(punt);
	if (read_done(punt) >= number)
		return true;
	mark(dp);
	return false;
}

int dp_packet_out(struct dp *dp, uint32_t in_port, const struct of_actions *actions, const void *data, size_t len)
{
	struct dp_punt *punt = dp->punt;
	struct ofx_inject *head;
	struct ofx_op *ops;
	uint64_t addr;
	size_t n = 0;
	int err;

	if (punt->sent - punt->done >= IN_FLIGHT_MAX && !dp_packet_outs_done(dp, punt->sent - IN_FLIGHT_MAX + 1))
		return -EAGAIN;
	head = chunk(punt, &addr);
	if (!head)
		return -EAGAIN;
	ops = (struct ofx_op *)(head + 1);
	err = action_compile(actions, OFPR_ACTION, true, ops, &n, OFX_INJECT_OPS);
	if (!err)
		err = groups_resolve(dp, ops, n);
	if (err)
		return err;
	if (len > punt->max_frame || (uint8_t *)(ops + n) - (uint8_t *)head + len > punt->max_frame)
		return -EMSGSIZE;
	*head = (struct ofx_inject){.magic = dp->magic,
				    .in_port = in_port,
				    .kind = OFX_INJECT_OUT,
				    .n_ops = n,
				    .arg = (uint32_t)punt->sent + 1};
	memcpy(ops + n, data, len);
	err = send_chunk(punt, addr, (uint8_t *)(ops + n) + len - (uint8_t *)head);
	if (!err)
		punt->sent++;
	return err;
}
