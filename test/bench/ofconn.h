/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A controller's end of an OpenFlow 1.3 connection, fast enough to be no part of what it measures: messages are encoded
 * beforehand, written in large pieces, and what comes back is read meanwhile.  Any failure ends the program.
 */
#ifndef BENCH_OFCONN_H
#define BENCH_OFCONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "include/openflow/openflow.h"
#include "user/openflow/match.h"
#include "user/util/buf.h"

struct ofconn {
	int fd; /* non-blocking */
	uint8_t *in;
	size_t at, end;	   /* of `in`: what is not handled yet */
	uint32_t last_xid; /* of the last message that answers one of ours */
	uint64_t errors;   /* messages of type ERROR */
	uint16_t error[2]; /* type and code of the first */
	uint64_t packet_ins;
	bool writing; /* in the middle of messages: an echo request is left to the next probe */
	/* What else is to be done with a message; may be NULL. */
	void (*message)(struct ofconn *c, const uint8_t *m, size_t len);
	void *aux;
};

_Noreturn void die(const char *what);
uint64_t now_ns(void); /* monotonic */
uint16_t be16_at(const uint8_t *p);
uint32_t be32_at(const uint8_t *p);

void ofconn_open(struct ofconn *c, const char *path); /* a Unix socket; HELLOs are exchanged */
/* Read once what there is and handle all whole messages, without waiting. */
void ofconn_read(struct ofconn *c);
/* Write all, reading meanwhile so that neither side waits for the other. */
void ofconn_write(struct ofconn *c, const uint8_t *data, size_t len);
/* Read until a message with that xid was there. */
void ofconn_wait(struct ofconn *c, uint32_t xid);
void ofconn_barrier(struct ofconn *c);

/* Encode into `b`, which they append to. */
size_t put_header(struct buf *b, uint8_t type, uint32_t xid); /* returns where it begins */
void put_length(struct buf *b, size_t start);
void put_barrier(struct buf *b, uint32_t xid);
/* With one action, output to `port`, unless it is a delete. */
void put_flow_mod(struct buf *b, uint8_t command, uint16_t priority, const struct of_match *match, uint32_t port);
void put_packet_out(struct buf *b, uint32_t in_port, uint32_t port, const void *frame, size_t len);

#endif
