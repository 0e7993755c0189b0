/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/control/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "user/util/cleanup.h"

#define STREAM_NOTSENT (128 * 1024) /* bytes the kernel may hold that are not on the wire yet */
#define STREAM_ASK (16 * 1024)	    /* … and that it takes before it is asked how much it holds */
#define STREAM_KEEP (64 * 1024)	    /* an empty queue keeps this much memory */
#define STREAM_BULK (64 * 1024)	    /* packet-in bytes of one write, */
#define STREAM_MOST (256 * 1024)    /* … and those of replies */
#define STREAM_WRITES 4		    /* of one flush: a peer that reads as fast as we write must not keep us here */

void stream_open(struct stream *s, int fd, struct buf *replies, struct buf *packet_ins, uint8_t **spare, int room)
{
	int on = 1, notsent = STREAM_NOTSENT;

	*s = (struct stream){.fd = fd, .spare = spare, .replies.buf = replies, .packet_ins.buf = packet_ins};
	/*
	 * The TCP options fail on a Unix socket, where SO_SNDBUF alone bounds the backlog; what we do not read there is
	 * the peer's.
	 */
	s->is_tcp = !setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &notsent, sizeof(notsent));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (s->is_tcp)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
}

void stream_close(struct stream *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	stream_discard(s);
	stream_drop(s);
}

static bool input_ready(struct stream *s)
{
	if (!s->in && *s->spare)
		s->in = take_ptr(*s->spare);
	if (!s->in)
		s->in = malloc(STREAM_IN_SIZE);
	return s->in;
}

ssize_t stream_read(struct stream *s)
{
	ssize_t n;

	if (!input_ready(s))
		return -ENOMEM;
	if (s->in_at) {
		memmove(s->in, s->in + s->in_at, s->in_end - s->in_at);
		s->in_end -= s->in_at;
		s->in_at = 0;
	}
	if (s->in_end == STREAM_IN_SIZE)
		return -EAGAIN; /* full of messages that nobody took yet */
	do
		n = read(s->fd, s->in + s->in_end, STREAM_IN_SIZE - s->in_end);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	s->in_end += n;
	return n;
}

void stream_rest(struct stream *s)
{
	if (!s->in || s->in_at != s->in_end)
		return;
	if (!*s->spare)
		*s->spare = s->in;
	else
		free(s->in);
	s->in = NULL;
	s->in_at = s->in_end = 0;
}

const uint8_t *stream_peek(const struct stream *s, size_t *len)
{
	*len = s->in_end - s->in_at;
	return *len < STREAM_HEADER ? NULL : s->in + s->in_at;
}

void stream_take(struct stream *s, size_t n)
{
	s->in_at += n;
}

void stream_discard(struct stream *s)
{
	s->in_at = s->in_end;
	stream_rest(s);
}

/* Length of the message that begins at `at`. */
static size_t message_len(const struct buf *b, size_t at)
{
	return b->data[at + 2] << 8 | b->data[at + 3];
}

/* Bytes that are missing from the packet-in that is partly sent; 0: the last one sent is whole. */
static size_t packet_in_rest(const struct stream *s)
{
	size_t sent = s->packet_ins.sent;

	return sent > s->packet_in_at ? s->packet_in_at + message_len(s->packet_ins.buf, s->packet_in_at) - sent : 0;
}

/* Count `n` more bytes as sent; forget what is sent once that is most of the buffer. */
static void queue_sent(struct stream_queue *q, size_t n)
{
	q->sent += n;
	if (q->sent == q->buf->len) {
		q->sent = 0;
		if (q->buf->size > STREAM_KEEP)
			buf_free(q->buf);
		else
			buf_clear(q->buf);
	} else if (q->sent > q->buf->len / 2) {
		q->buf->len -= q->sent;
		memmove(q->buf->data, q->buf->data + q->sent, q->buf->len);
		q->sent = 0;
		if (q->buf->size > STREAM_KEEP)
			buf_shrink(q->buf);
	}
}

static void packet_ins_sent(struct stream *s, size_t n)
{
	struct stream_queue *q = &s->packet_ins;
	size_t sent = q->sent + n, left = 0;

	while (s->packet_in_at < sent && s->packet_in_at + message_len(q->buf, s->packet_in_at) <= sent)
		s->packet_in_at += message_len(q->buf, s->packet_in_at);
	if (s->packet_in_at < sent) {
		/* The head of a message under way stays in the buffer: its length is needed again. */
		left = sent - s->packet_in_at;
	}
	q->sent = 0;
	queue_sent(q, s->packet_in_at);
	s->packet_in_at = q->sent;
	q->sent += left;
}

/* What goes next: the rest of a packet-in under way, all replies, then packet-ins. */
static int gather(const struct stream *s, struct iovec iov[3])
{
	const struct stream_queue *r = &s->replies, *p = &s->packet_ins;
	size_t rest = packet_in_rest(s), replies = stream_unsent(r), more = stream_unsent(p) - rest;
	bool all = replies <= STREAM_MOST;
	int n = 0;

	if (rest)
		iov[n++] = (struct iovec){p->buf->data + p->sent, rest};
	if (replies)
		iov[n++] = (struct iovec){r->buf->data + r->sent, all ? replies : STREAM_MOST};
	if (more && all)
		iov[n++] = (struct iovec){p->buf->data + p->sent + rest, more < STREAM_BULK ? more : STREAM_BULK};
	return n;
}

static void account(struct stream *s, size_t n)
{
	size_t rest = packet_in_rest(s), replies = stream_unsent(&s->replies);
	size_t first = n < rest ? n : rest, second = n - first < replies ? n - first : replies;

	s->sent_since += n;
	if (second)
		queue_sent(&s->replies, second);
	if (n - second)
		packet_ins_sent(s, n - second);
}

static int buffer_error(const struct stream *s)
{
	return s->replies.buf->error ? s->replies.buf->error : s->packet_ins.buf->error;
}

void stream_ask_kernel(struct stream *s)
{
	int out, in = 0;

	if (s->fd < 0 || ioctl(s->fd, SIOCOUTQ, &out))
		return;
	if (s->is_tcp)
		ioctl(s->fd, SIOCINQ, &in);
	s->in_kernel = out + in;
	s->sent_since = 0;
}

/* Until all is out, the kernel takes no more, or there were enough writes. */
static int write_some(struct stream *s)
{
	struct iovec iov[3];
	struct msghdr msg = {.msg_iov = iov};
	int left = STREAM_WRITES;
	ssize_t n;

	while ((msg.msg_iovlen = gather(s, iov)) > 0) {
		n = left-- ? sendmsg(s->fd, &msg, MSG_NOSIGNAL) : 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EAGAIN;
		account(s, n);
	}
	return 0;
}

int stream_flush(struct stream *s)
{
	int error = buffer_error(s);

	if (error)
		return error;
	error = write_some(s);
	if (stream_in_kernel(s) >= STREAM_ASK)
		stream_ask_kernel(s);
	return error;
}

void stream_drop(struct stream *s)
{
	buf_free(s->replies.buf);
	buf_free(s->packet_ins.buf);
	s->replies.sent = s->packet_ins.sent = s->packet_in_at = 0;
}
