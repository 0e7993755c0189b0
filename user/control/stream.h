/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bytes in and out of one connected, non-blocking socket, cut into OpenFlow messages.
 *
 * Output comes from two queues, whole messages one behind the other: replies go first, packet-ins fill what is left.  A
 * reply waits for at most the rest of one packet-in that is partly sent, and for what the kernel holds unsent, which is
 * kept small (TCP_NOTSENT_LOWAT, SO_SNDBUF).  So an echo reply overtakes a full packet-in queue.
 *
 * Input is kept only while there is some: of many connections few have the beginning of a message lying about.
 *
 * Errors are negative errnos; -EAGAIN means wait for the socket.
 */
#ifndef CONTROL_STREAM_H
#define CONTROL_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "user/openflow/msg.h"
#include "user/util/buf.h"

#define STREAM_HEADER 8			      /* struct ofp_header: version, type, length be16, xid be32 */
#define STREAM_IN_SIZE (2 * (OF_MSG_MAX + 1)) /* a whole message fits behind any remainder */

struct stream_queue {
	struct buf *buf; /* borrowed; whoever writes appends whole messages */
	size_t sent;	 /* bytes at its front that the kernel has */
};

struct stream {
	int fd;		      /* owned; -1: closed */
	uint8_t **spare;      /* borrowed: an input buffer that no stream needs, or NULL */
	uint8_t *in;	      /* STREAM_IN_SIZE bytes; NULL: nothing is unread */
	size_t in_at, in_end; /* unread bytes are [in_at, in_end) of `in` */
	struct stream_queue replies, packet_ins;
	size_t packet_in_at; /* where in packet_ins the first message begins that is not wholly sent */
	size_t in_kernel;    /* bytes that the kernel held of output and unread input when it was asked, … */
	size_t sent_since;   /* … and what it has taken since then */
	bool is_tcp;
};

/*
 * Takes the fd; makes its socket options right: the kernel may hold about twice `room` bytes each way.  The buffers
 * must outlive the stream, and so must `spare`, which streams share: *spare is the owner's to free in the end.
 */
void stream_open(struct stream *s, int fd, struct buf *replies, struct buf *packet_ins, uint8_t **spare, int room);
void stream_close(struct stream *s);

/* Read once.  The count, 0 at the end of the stream, or an error. */
ssize_t stream_read(struct stream *s);
/* The next bytes, at least a header, without taking them; NULL if there is no whole header.  *len: all that is there.
 */
const uint8_t *stream_peek(const struct stream *s, size_t *len);
/* Take n bytes that stream_peek showed; they stay valid until the next stream_read or stream_rest. */
void stream_take(struct stream *s, size_t n);
/* Nothing is done with input for now: what is all taken needs no memory. */
void stream_rest(struct stream *s);
void stream_discard(struct stream *s);

/*
 * Hand the kernel what it takes, some hundred KB at most.  0: everything is out; -EAGAIN: some is left; the error of a
 * buffer (util/buf.h).
 */
int stream_flush(struct stream *s);
/* Nothing of the output will be sent: its memory is given back. */
void stream_drop(struct stream *s);

/* Ask the kernel how much it holds.  Sending does so now and then. */
void stream_ask_kernel(struct stream *s);
/* That, or somewhat more. */
static inline size_t stream_in_kernel(const struct stream *s)
{
	return s->in_kernel + s->sent_since;
}

static inline uint32_t stream_xid(const uint8_t *header)
{
	return (uint32_t)header[4] << 24 | header[5] << 16 | header[6] << 8 | header[7];
}

static inline size_t stream_unsent(const struct stream_queue *q)
{
	return q->buf->error ? 0 : q->buf->len - q->sent;
}

#endif
