/* SPDX-License-Identifier: GPL-2.0-only */
#include "test/bench/ofconn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "user/openflow/action.h"

#define IN_SIZE (1 << 20)
#define XID_BARRIER 0x7f000000u
#define SECONDS 60 /* without any answer, then the run is given up */

void die(const char *what)
{
	fprintf(stderr, "ofclient: %s: %s\n", what, strerror(errno));
	exit(1);
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

uint16_t be16_at(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

uint32_t be32_at(const uint8_t *p)
{
	return (uint32_t)be16_at(p) << 16 | be16_at(p + 2);
}

/* --- receiving --- */

static void handle(struct ofconn *c, const uint8_t *m, size_t len)
{
	uint8_t reply[8];

	switch (m[1]) {
	case OFPT_ECHO_REQUEST:
		if (c->writing)
			return;
		memcpy(reply, m, sizeof(reply));
		reply[1] = OFPT_ECHO_REPLY;
		reply[2] = 0;
		reply[3] = sizeof(reply);
		ofconn_write(c, reply, sizeof(reply));
		return;
	case OFPT_ERROR:
		if (!c->errors++) {
			c->error[0] = be16_at(m + 8);
			c->error[1] = be16_at(m + 10);
		}
		break;
	case OFPT_PACKET_IN:
		c->packet_ins++;
		break;
	case OFPT_PORT_STATUS:
		return;
	default:
		c->last_xid = be32_at(m + 4);
	}
	if (c->message)
		c->message(c, m, len);
}

void ofconn_read(struct ofconn *c)
{
	ssize_t n;

	memmove(c->in, c->in + c->at, c->end - c->at);
	c->end -= c->at;
	c->at = 0;
	n = recv(c->fd, c->in + c->end, IN_SIZE - c->end, 0);
	if (!n) {
		errno = ECONNRESET;
		die("the switch closed the connection");
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		die("receive");
	c->end += n > 0 ? n : 0;
	while (c->end - c->at >= 8) {
		const uint8_t *m = c->in + c->at;
		size_t len = be16_at(m + 2);

		if (c->end - c->at < len)
			break;
		c->at += len;
		handle(c, m, len);
	}
}

static void await(struct ofconn *c, short events)
{
	struct pollfd p = {.fd = c->fd, .events = events};
	int n;

	while ((n = poll(&p, 1, SECONDS * 1000)) < 0 && errno == EINTR)
		;
	if (!n) {
		errno = ETIMEDOUT;
		die("the switch says nothing");
	}
	if (p.revents & POLLIN)
		ofconn_read(c);
}

void ofconn_wait(struct ofconn *c, uint32_t xid)
{
	while (c->last_xid != xid)
		await(c, POLLIN);
}

void ofconn_write(struct ofconn *c, const uint8_t *data, size_t len)
{
	c->writing = true;
	while (len) {
		ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			die("send");
		if (n < 0) {
			await(c, POLLIN | POLLOUT);
			continue;
		}
		data += n;
		len -= n;
	}
	c->writing = false;
}

void ofconn_barrier(struct ofconn *c)
{
	static uint32_t xid = XID_BARRIER;
	struct buf b = {};

	put_barrier(&b, ++xid);
	ofconn_write(c, b.data, b.len);
	ofconn_wait(c, xid);
	buf_free(&b);
}

void ofconn_open(struct ofconn *c, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct buf hello = {};
	int size = 1 << 20;

	*c = (struct ofconn){.in = malloc(IN_SIZE), .last_xid = UINT32_MAX};
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!c->in || c->fd < 0 || strlen(path) >= sizeof(addr.sun_path))
		die(path);
	strcpy(addr.sun_path, path);
	if (connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)))
		die(path);
	setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	put_length(&hello, put_header(&hello, OFPT_HELLO, 0));
	ofconn_write(c, hello.data, hello.len);
	buf_free(&hello);
	ofconn_barrier(c);
}

/* --- encoding --- */

size_t put_header(struct buf *b, uint8_t type, uint32_t xid)
{
	size_t start = b->len;

	buf_put_u8(b, OFP_VERSION_13);
	buf_put_u8(b, type);
	buf_put_be16(b, 8);
	buf_put_be32(b, xid);
	return start;
}

void put_length(struct buf *b, size_t start)
{
	buf_set_be16(b, start + 2, b->len - start);
}

void put_barrier(struct buf *b, uint32_t xid)
{
	put_header(b, OFPT_BARRIER_REQUEST, xid);
}

void put_flow_mod(struct buf *b, uint8_t command, uint16_t priority, const struct of_match *match, uint32_t port)
{
	struct of_action out = {.type = OF_ACT_OUTPUT, .output = {.port = port, .max_len = OFPCML_NO_BUFFER}};
	struct of_instructions inst = {.present = OF_INST_APPLY, .apply = {.n = 1, .v = &out}};
	size_t start = put_header(b, OFPT_FLOW_MOD, 1);

	buf_put_be64(b, 0);
	buf_put_be64(b, 0);
	buf_put_u8(b, 0);
	buf_put_u8(b, command);
	buf_put_be32(b, 0); /* time-outs */
	buf_put_be16(b, priority);
	buf_put_be32(b, OFP_NO_BUFFER);
	buf_put_be32(b, OFPP_ANY);
	buf_put_be32(b, OFPG_ANY);
	buf_put_be32(b, 0); /* flags, padding */
	of_match_encode(b, OFP_VERSION_13, match);
	if (command == OFPFC_ADD)
		of_instructions_encode(b, OFP_VERSION_13, &inst);
	put_length(b, start);
}

void put_packet_out(struct buf *b, uint32_t in_port, uint32_t port, const void *frame, size_t len)
{
	size_t start = put_header(b, OFPT_PACKET_OUT, 2);

	buf_put_be32(b, OFP_NO_BUFFER);
	buf_put_be32(b, in_port);
	buf_put_be16(b, 16);
	buf_put_zero(b, 6);
	buf_put_be16(b, OFPAT_OUTPUT);
	buf_put_be16(b, 16);
	buf_put_be32(b, port);
	buf_put_zero(b, 8);
	buf_put(b, frame, len);
	put_length(b, start);
}
