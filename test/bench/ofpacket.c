/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packet-ins: how many a second, and how long until a controller's answer is on the wire.
 *
 * The frames come from a packet socket, not from live frames: those come in bursts a grace period apart.  Nothing spins
 * here: a busy loop on the core that switch and controller share adds milliseconds to their answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "test/bench/ofclient.h"

#define AT_IP_SRC 26
#define AT_SERIAL 42 /* the first bytes of UDP's payload */
#define BATCH 64
#define TICK_NS 1000000 /* a paced sender sends what is due once in that time */
#define WARM_UP_NS 200000000ull

static void put_be32(uint8_t *p, uint32_t v)
{
	p[0] = v >> 24;
	p[1] = v >> 16;
	p[2] = v >> 8;
	p[3] = v;
}

void frame_of(uint32_t i, uint8_t frame[FRAME_LEN])
{
	static const uint8_t head[] = {
		0x02, 0,    0,	  0,	0, 2,  0x02, 0, 0,  0,	0, 1, 0x08, 0,			    /* Ethernet */
		0x45, 0,    0,	  50,	0, 0,  0,    0, 64, 17, 0, 0, 10,   0, 0, 0, 10, 128, 0, 1, /* IPv4 */
		0x03, 0xe8, 0x07, 0xd0, 0, 30, 0,    0, /* UDP, no checksum */
	};
	uint32_t sum = 0;

	memset(frame, 0, FRAME_LEN);
	memcpy(frame, head, sizeof(head));
	put_be32(frame + AT_IP_SRC, 0x0a000000 + i);
	put_be32(frame + AT_SERIAL, i);
	for (int at = 14; at < 34; at += 2)
		sum += be16_at(frame + at);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~(sum + (sum >> 16));
	frame[24] = sum >> 8;
	frame[25] = sum;
}

/* A packet socket on eth0 of a namespace.  `receive`: with kernel time stamps; else it only sends. */
static int packet_socket(const char *netns, bool receive)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), there, fd, on = 1;
	struct sockaddr_ll addr = {.sll_family = AF_PACKET};
	char path[256];

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	there = open(path, O_RDONLY | O_CLOEXEC);
	if (home < 0 || there < 0 || setns(there, CLONE_NEWNET))
		die(path);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	addr.sll_ifindex = if_nametoindex("eth0");
	addr.sll_protocol = receive ? __builtin_bswap16(0x0003) : 0;
	if (fd < 0 || !addr.sll_ifindex || bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("packet socket");
	if (receive && setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)))
		die("time stamps");
	if (!receive)
		setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	if (setns(home, CLONE_NEWNET))
		die("setns");
	close(home);
	close(there);
	return fd;
}

static uint64_t real_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
	struct timespec ts = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

/* The switch's default flow entry: everything to the controller. */
static void install_miss(struct ofconn *c)
{
	struct of_match all = {};
	struct buf b = {};

	put_flow_mod(&b, OFPFC_DELETE, 0, &all, 0);
	put_flow_mod(&b, OFPFC_ADD, 0, &all, OFPP_CONTROLLER);
	ofconn_write(c, b.data, b.len);
	ofconn_barrier(c);
	buf_free(&b);
}

/* --- how many --- */

struct sender {
	int fd;
	uint32_t pps;
	uint64_t sent;
	atomic_bool stop;
};

static void send_batch(struct sender *s, unsigned int n)
{
	uint8_t frames[BATCH][FRAME_LEN];
	struct iovec iov[BATCH];
	struct mmsghdr m[BATCH] = {};
	int done;

	for (unsigned int i = 0; i < n; i++) {
		frame_of((s->sent + i) & 0x7fffff, frames[i]);
		iov[i] = (struct iovec){frames[i], FRAME_LEN};
		m[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	done = sendmmsg(s->fd, m, n, 0);
	s->sent += done > 0 ? done : 0;
}

static void *sender_thread(void *arg)
{
	struct sender *s = arg;
	uint64_t start = now_ns(), tick = start;

	while (!s->stop) {
		uint64_t due = (now_ns() - start) * s->pps / 1000000000;

		while (s->sent < due && !s->stop)
			send_batch(s, due - s->sent < BATCH ? due - s->sent : BATCH);
		tick += TICK_NS;
		sleep_until(tick);
	}
	return NULL;
}

/* Handle packet-ins for that time. */
static void receive_for(struct ofconn *c, uint64_t ns)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	uint64_t end = now_ns() + ns;

	for (uint64_t now; (now = now_ns()) < end;)
		if (poll(&p, 1, (end - now) / 1000000 + 1) > 0)
			ofconn_read(c);
}

int packet_in_run(struct ofconn *c, const char *netns, uint32_t pps, uint32_t seconds)
{
	struct sender s = {.fd = packet_socket(netns, false), .pps = pps};
	uint64_t start, packets, sent;
	double spent;
	pthread_t t;

	install_miss(c);
	if (pthread_create(&t, NULL, sender_thread, &s))
		die("thread");
	receive_for(c, WARM_UP_NS);
	start = now_ns();
	packets = c->packet_ins;
	sent = s.sent;
	receive_for(c, seconds * 1000000000ull);
	packets = c->packet_ins - packets;
	sent = s.sent - sent;
	spent = (now_ns() - start) / 1e9;
	s.stop = true;
	pthread_join(t, NULL);
	printf("{\"packet_ins\": %llu, \"sent\": %llu, \"seconds\": %.6f}\n", (unsigned long long)packets,
	       (unsigned long long)sent, spent);
	return 0;
}

/* --- how long --- */

struct reactive {
	int tx, rx;
	uint32_t pps, n;
	uint64_t *sent, *seen; /* by serial number; 0: not */
	uint32_t n_seen;
	atomic_bool stop;
};

static void *reactive_sender(void *arg)
{
	struct reactive *r = arg;
	uint64_t next = now_ns(), gap = 1000000000ull / r->pps;
	uint8_t frame[FRAME_LEN];

	prctl(PR_SET_TIMERSLACK, 1000);
	for (uint32_t i = 0; i < r->n; i++) {
		frame_of(i, frame);
		sleep_until(next += gap);
		r->sent[i] = real_ns();
		if (send(r->tx, frame, sizeof(frame), 0) < 0)
			die("send a frame");
	}
	return NULL;
}

static uint64_t stamp_of(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		struct timespec ts;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&ts, CMSG_DATA(c), sizeof(ts));
		return ts.tv_sec * 1000000000ull + ts.tv_nsec;
	}
	return real_ns();
}

static void *reactive_receiver(void *arg)
{
	struct reactive *r = arg;
	struct timeval patience = {.tv_usec = 100000};

	setsockopt(r->rx, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (!r->stop && r->n_seen < r->n) {
		uint8_t frame[256], control[256];
		struct iovec iov = {frame, sizeof(frame)};
		struct msghdr m = {
			.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
		ssize_t len = recvmsg(r->rx, &m, 0);
		uint32_t i = len >= FRAME_LEN ? be32_at(frame + AT_SERIAL) : UINT32_MAX;

		if (i >= r->n || frame[12] != 0x08 || r->seen[i])
			continue;
		r->seen[i] = stamp_of(&m);
		r->n_seen++;
	}
	return NULL;
}

/* An exact entry for the packet's flow, and the packet goes on. */
static void answer(struct ofconn *c, const uint8_t *m, size_t len)
{
	size_t at = 24 + (be16_at(m + 26) + 7) / 8 * 8 + 2; /* behind the match and 2 bytes of padding */
	uint16_t type = __builtin_bswap16(0x0800);
	const uint8_t *frame = m + at;
	struct of_match match = {};
	struct buf b = {};

	if (m[1] != OFPT_PACKET_IN || len < at + FRAME_LEN)
		return;
	of_match_set(&match, OFX_F_ETH_TYPE, &type);
	of_match_set(&match, OFX_F_IP_PROTO, frame + 23);
	of_match_set(&match, OFX_F_IPV4_SRC, frame + AT_IP_SRC);
	of_match_set(&match, OFX_F_IPV4_DST, frame + AT_IP_SRC + 4);
	of_match_set(&match, OFX_F_UDP_SRC, frame + 34);
	of_match_set(&match, OFX_F_UDP_DST, frame + 36);
	put_flow_mod(&b, OFPFC_ADD, 10, &match, 2);
	put_packet_out(&b, 1, 2, frame, len - at);
	ofconn_write(c, b.data, b.len);
	buf_free(&b);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_latencies(const struct reactive *r)
{
	double *us = calloc(r->n + 1, sizeof(*us));
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->n; i++)
		if (r->seen[i])
			us[n++] = ((double)r->seen[i] - (double)r->sent[i]) / 1e3;
	qsort(us, n, sizeof(*us), compare);
	printf("{\"sent\": %u, \"seen\": %u, \"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"max\": %.1f}\n", r->n, n,
	       us[n / 2], us[n * 9ull / 10], us[n * 99ull / 100], us[n ? n - 1 : 0]);
	free(us);
}

int reactive_run(struct ofconn *c, const char *from, const char *to, uint32_t pps, uint32_t n)
{
	struct reactive r = {
		.tx = packet_socket(from, false),
		.rx = packet_socket(to, true),
		.pps = pps ? pps : 1,
		.n = n,
		.sent = calloc(n, sizeof(uint64_t)),
		.seen = calloc(n, sizeof(uint64_t)),
	};
	pthread_t tx, rx;

	install_miss(c);
	c->message = answer;
	if (pthread_create(&rx, NULL, reactive_receiver, &r) || pthread_create(&tx, NULL, reactive_sender, &r))
		die("thread");
	receive_for(c, n * 1000000000ull / r.pps + 500000000);
	r.stop = true;
	pthread_join(tx, NULL);
	pthread_join(rx, NULL);
	print_latencies(&r);
	free(r.sent);
	free(r.seen);
	return 0;
}
