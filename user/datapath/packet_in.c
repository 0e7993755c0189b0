/* SPDX-License-Identifier: GPL-2.0-only */
/* Packet-ins: frames behind struct ofx_punt, received through AF_XDP from NAME-c1. */
#include <bpf/bpf.h>
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include "build/ofxdp.skel.h"
#include "include/ofxdp/packet_in.h"
#include "user/datapath/port.h"
#include "user/datapath/punt.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

/* Of a queue; with OFX_PUNT_QUEUES each has PUNT_MIN_RING. */
#define PUNT_MAX_RING 4096
#define PUNT_MIN_RING 256
_Static_assert(OFX_PUNT_QUEUES *PUNT_MIN_RING <= PUNT_FRAMES, "memory of all sockets");
#define PUNT_BATCH 64	    /* frames of a queue, then another queue has its turn */
#define PUNT_TURN_US 1000   /* of all queues together, then OpenFlow messages and all else have theirs */
#define PUNT_BUSY_TRIES 100 /* of PUNT_BUSY_MS: the sockets of a killed daemon end a moment later */
#define PUNT_BUSY_MS 20

static void write_drops(struct dp *dp)
{
	struct dp_punt *punt = dp->punt;
	__u32 key = OFX_DROP_PUNT_QUEUE;

	/* BPF never counts this reason, so that the cell may be written. */
	memset(punt->per_cpu, 0, dp->n_cpus * sizeof(*punt->per_cpu));
	punt->per_cpu[0] = punt->drops;
	bpf_map_update_elem(bpf_map__fd(dp->skel->maps.drops), &key, punt->per_cpu, BPF_ANY);
	punt->drops_changed = false;
}

void dp_count_punt_drop(struct dp *dp)
{
	dp->punt->drops++;
	dp->punt->drops_changed = true;
	if (!dp->punt->in_batch)
		write_drops(dp);
}

static void receive(struct dp *dp, const uint8_t *frame, size_t len)
{
	struct dp_packet_in p = {0};
	struct ofx_punt head;

	if (len < sizeof(head)) {
		dp_count_punt_drop(dp);
		return;
	}
	memcpy(&head, frame, sizeof(head));
	p.in_port = head.in_port;
	p.table = head.table;
	p.reason = head.reason;
	p.max_len = head.max_len;
	p.flags = head.flags;
	p.owner = head.flags & OFX_PUNT_NO_FLOW ? NULL : tables_owner(dp, head.flow, head.gen);
	p.metadata = be64toh(head.metadata);
	p.tunnel_id = be64toh(head.tunnel_id);
	p.data = frame + sizeof(head);
	p.len = len - sizeof(head);
	dp->cb.packet_in(dp->aux, &p);
}

/* The frame's chunk goes back to the kernel; there is room: the ring holds all chunks. */
static void give_back(struct punt_queue *queue, uint64_t addr)
{
	uint32_t at;

	if (xsk_ring_prod__reserve(&queue->fill, 1, &at) != 1)
		return;
	*xsk_ring_prod__fill_addr(&queue->fill, at) = addr & ~(uint64_t)(PUNT_CHUNK - 1);
	xsk_ring_prod__submit(&queue->fill, 1);
}

static void receive_batch(struct turn_member *m)
{
	struct punt_queue *queue = (struct punt_queue *)((char *)m - offsetof(struct punt_queue, turn));
	struct dp *dp = queue->dp;
	uint32_t at, n = xsk_ring_cons__peek(&queue->rx, PUNT_BATCH, &at);

	dp->punt->in_batch = true;
	for (uint32_t i = 0; i < n; i++) {
		struct xdp_desc desc = *xsk_ring_cons__rx_desc(&queue->rx, at + i);

		if (desc.addr < queue->memory_len && desc.len <= queue->memory_len - desc.addr)
			receive(dp, queue->memory + desc.addr, desc.len);
		give_back(queue, desc.addr);
	}
	if (n)
		xsk_ring_cons__release(&queue->rx, n);
	dp->punt->in_batch = false;
	if (dp->punt->drops_changed)
		write_drops(dp);
	dp->cb.packet_ins_end(dp->aux);
	if (n == PUNT_BATCH)
		turn_later(&dp->punt->turn, m);
}

static void on_readable(evutil_socket_t fd, short events, void *arg)
{
	struct punt_queue *queue = arg;

	turn_take(&queue->dp->punt->turn, &queue->turn);
}

static uint32_t ring_size(uint32_t n_queues)
{
	uint32_t size = PUNT_MAX_RING;

	while (size > PUNT_MIN_RING && size * n_queues > PUNT_FRAMES)
		size /= 2;
	return size;
}

static int create_socket(struct punt_queue *queue, const char *ifname, uint32_t index, uint32_t ring)
{
	const struct xsk_socket_config config = {
		.rx_size = ring,
		.tx_size = PUNT_TX_FRAMES,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_COPY,
	};
	const struct timespec pause = {.tv_nsec = PUNT_BUSY_MS * 1000000L};
	int err = -EBUSY;

	for (int i = 0; i < PUNT_BUSY_TRIES && err == -EBUSY; i++) {
		if (i)
			nanosleep(&pause, NULL);
		err = xsk_socket__create(&queue->socket, ifname, index, queue->umem, &queue->rx,
					 index == 0 ? &queue->tx : NULL, &config);
	}
	if (err)
		queue->socket = NULL;
	return err;
}

/* Only the first sends. */
static uint32_t tx_frames(uint32_t index)
{
	return index ? 0 : PUNT_TX_FRAMES;
}

static int queue_memory(struct punt_queue *queue, uint32_t n_frames, uint32_t ring)
{
	const struct xsk_umem_config config = {
		.fill_size = ring,
		.comp_size = PUNT_TX_FRAMES,
		.frame_size = PUNT_CHUNK,
	};
	void *memory;
	int err;

	queue->memory_len = (size_t)n_frames * PUNT_CHUNK;
	memory = mmap(NULL, queue->memory_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	queue->memory = memory;
	err = xsk_umem__create(&queue->umem, memory, queue->memory_len, &queue->fill, &queue->completed, &config);
	if (err)
		queue->umem = NULL;
	return err;
}

static int queue_open(struct punt_queue *queue, const char *ifname, uint32_t index, uint32_t ring)
{
	struct dp *dp = queue->dp;
	uint32_t at;
	int fd, err = queue_memory(queue, tx_frames(index) + ring, ring);

	if (!err)
		err = create_socket(queue, ifname, index, ring);
	if (err)
		return err;
	for (uint32_t i = 0; i < ring; i++)
		give_back(queue, (uint64_t)(tx_frames(index) + i) * PUNT_CHUNK);
	fd = xsk_socket__fd(queue->socket);
	queue->readable = event_new(dp->base, fd, EV_READ | EV_PERSIST, on_readable, queue);
	if (!queue->readable)
		return -ENOMEM;
	if (event_add(queue->readable, NULL))
		return -ENOMEM;
	at = index;
	return bpf_map_update_elem(bpf_map__fd(dp->skel->maps.xsks), &at, &fd, BPF_ANY);
}

static void queue_close(struct punt_queue *queue)
{
	if (queue->readable)
		event_free(queue->readable);
	if (queue->socket)
		xsk_socket__delete(queue->socket);
	if (queue->umem)
		xsk_umem__delete(queue->umem);
	if (queue->memory)
		munmap(queue->memory, queue->memory_len);
}

/* On NAME-c1, whatever its name. */
static int queues_open(struct dp *dp)
{
	struct dp_punt *punt = dp->punt;
	struct link link;
	uint32_t n;
	int err = link_get(&dp->ports->nl, dp->ports->veths.ends[OFX_DEV_INJECT], NULL, &link);

	if (err)
		return err;
	n = link.n_rx_queues ? link.n_rx_queues : 1;
	if (n > OFX_PUNT_QUEUES)
		n = OFX_PUNT_QUEUES;
	punt->max_frame = link.mtu + 18 < PUNT_CHUNK ? link.mtu + 18 : PUNT_CHUNK;
	punt->queues = calloc(n, sizeof(*punt->queues));
	if (!punt->queues)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		punt->queues[i].dp = dp;
		punt->queues[i].turn.run = receive_batch;
		punt->n_queues = i + 1;
		err = queue_open(&punt->queues[i], link.name, i, ring_size(n));
		if (err)
			return err;
	}
	return 0;
}

static void queues_close(struct dp_punt *punt)
{
	for (uint32_t i = 0; i < punt->n_queues; i++) {
		turn_cancel(&punt->turn, &punt->queues[i].turn);
		queue_close(&punt->queues[i]);
	}
	free(take_ptr(punt->queues));
	punt->n_queues = 0;
}

static int sockets_open(struct dp *dp)
{
	int err = queues_open(dp);

	if (!err) {
		punt_tx_begin(dp->punt);
		return 0;
	}
	if (!link_is_gone(&dp->ports->nl, dp->ports->veths.ends[OFX_DEV_INJECT])) /* else another is made */
		log_error("AF_XDP socket on %s-c1: %s%s", dp->name, strerror(-err),
			  err == -ENOBUFS ? ": CAP_IPC_LOCK or a higher limit of locked memory (`ulimit -l`) is needed"
					  : "");
	queues_close(dp->punt);
	return err;
}

int punt_open(struct dp *dp)
{
	int err;

	dp->punt = calloc(1, sizeof(*dp->punt));
	if (!dp->punt)
		return -ENOMEM;
	turn_open(&dp->punt->turn, dp->base, PUNT_TURN_US);
	dp->punt->per_cpu = calloc(dp->n_cpus, sizeof(*dp->punt->per_cpu));
	err = dp->punt->per_cpu ? punt_tx_open(dp) : -ENOMEM;
	if (!err)
		err = sockets_open(dp);
	if (err)
		punt_close(dp);
	return err;
}

int punt_reopen(struct dp *dp)
{
	if (!dp->punt)
		return 0;
	queues_close(dp->punt);
	return sockets_open(dp);
}

void punt_close(struct dp *dp)
{
	struct dp_punt *punt = dp->punt;

	if (!punt)
		return;
	turn_close(&punt->turn);
	queues_close(punt);
	punt_tx_close(punt);
	free(punt->per_cpu);
	free(punt);
	dp->punt = NULL;
}
