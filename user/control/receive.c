/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages out of the stream, as many as a slice of time allows. */
#include <errno.h>
#include "include/openflow/openflow.h"
#include "user/control/session.h"
#include "user/util/clock.h"

#define SLICE_NS 250000
#define SLICE_LOOK                                                                                                     \
	16 /* messages between two looks at the exact clock: it takes a fiftieth of the time of a flow-mod             \
	    */

/* --- slices --- */

static void slice_begin(struct control *c)
{
	uint64_t now = clock_ns();

	c->slice.tick = clock_coarse_ns();
	c->slice.now_ms = now / 1000000;
	c->slice.end = now + SLICE_NS;
}

/* After n steps.  A long one is seen by the tick, many short ones by the exact clock. */
static bool slice_over(const struct control *c, unsigned int n)
{
	return clock_coarse_ns() != c->slice.tick || (n % SLICE_LOOK == 0 && clock_ns() >= c->slice.end);
}

/* --- framing --- */

/* The first header.  A peer of another protocol is told so at once, not after the length its text makes up. */
static bool first_is_hello(struct session *s, const uint8_t *header)
{
	if (header[1] == OF_HELLO)
		return true;
	log_peer(LOG_LVL_INFO, "%s: the first message is not a HELLO but of type %u", s->name, header[1]);
	if (header[1] != OF_ERROR_MSG)
		of_put_error(&s->conn.replies, stream_xid(header), OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_TYPE), header,
			     STREAM_HEADER);
	return false;
}

static void handle_message(struct session *s, const uint8_t *data, size_t len)
{
	if (s->state == SESSION_UP)
		session_dispatch(s, data, len);
	else if (session_negotiate(s, data, len))
		session_enter_up(s, stream_xid(data));
	else
		session_enter_drain(s);
}

/* The next whole message's length; 0: there is none now.  Broken framing ends in DRAIN. */
static size_t next_message(struct session *s, const uint8_t **data)
{
	size_t have, len;

	*data = stream_peek(&s->stream, &have);
	if (s->state == SESSION_DRAIN || !*data)
		return 0;
	if (s->state == SESSION_HELLO && !first_is_hello(s, *data)) {
		session_enter_drain(s);
		return 0;
	}
	len = (*data)[2] << 8 | (*data)[3];
	if (len < STREAM_HEADER) {
		log_peer(LOG_LVL_INFO, "%s: message of length %zu: where the next one begins is lost, closing", s->name,
			 len);
		of_put_error(&s->conn.replies, 0, OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_LEN), *data, STREAM_HEADER);
		session_enter_drain(s);
		return 0;
	}
	return len <= have ? len : 0;
}

bool session_must_pause(struct session *s)
{
	const struct control_limits *limits = &s->control->limits;
	size_t unsent = stream_unsent(&s->stream.replies);

	if (!s->paused && unsent > limits->high) {
		s->paused = true;
		log_debug("%s: does not take its replies (%zu bytes): its requests wait", s->name, unsent);
	} else if (s->paused && unsent <= limits->low) {
		s->paused = false;
	}
	return s->paused;
}

/* --- work --- */

static void handle_messages(struct session *s)
{
	const uint8_t *data;
	size_t len;

	for (unsigned int n = 0; !sw_busy(&s->conn) && !session_must_pause(s) && (len = next_message(s, &data)); n++) {
		if (n && slice_over(s->control, n)) {
			s->more = true;
			return;
		}
		stream_take(&s->stream, len);
		handle_message(s, data, len);
	}
}

/*
 * A long answer goes on as the peer takes it, other messages only behind it.  What a step wrote is sent at once: the
 * peer reads while the next is made.
 */
static void continue_answer(struct session *s)
{
	while (sw_busy(&s->conn) && stream_unsent(&s->stream.replies) < s->control->limits.piece && !s->more) {
		sw_continue(s->control->sw, &s->conn);
		session_flush(s);
		if (s->end[0])
			return;
		if (sw_pause_us(&s->conn))
			return;
		s->more = slice_over(s->control, 0);
	}
}

static void read_more(struct session *s)
{
	ssize_t n = stream_read(&s->stream);

	s->input = false;
	if (n <= 0 && n != -EAGAIN)
		session_left(s, -n);
	else if (s->state == SESSION_DRAIN)
		stream_discard(&s->stream);
}

/* What was begun first: the long answer, then the messages that were read, then those that were not. */
void session_work(struct session *s)
{
	slice_begin(s->control);
	s->more = false;
	continue_answer(s);
	if (!s->more && !s->end[0])
		handle_messages(s);
	if (s->more || !s->input || s->end[0] || s->paused || sw_busy(&s->conn))
		return;
	read_more(s);
	if (!s->end[0])
		handle_messages(s);
}
