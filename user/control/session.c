/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/control/session.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "include/openflow/openflow.h"
#include "user/util/log.h"

#define SESSION_BUDGET_MESSAGES 256
#define SESSION_BUDGET_MS 5	    /* bytes are bounded by STREAM_IN_SIZE */
#define SESSION_CLOCK_EVERY 16	    /* messages between two looks at the clock */
#define SESSION_STEPS_NS 2000000    /* a long answer's steps in one turn */
#define SESSION_PIECES (512 * 1024) /* unsent bytes up to which a long answer is continued */
#define SESSION_REPLIES_HIGH (8 * 1024 * 1024)
#define SESSION_REPLIES_LOW (4 * 1024 * 1024)
#define SESSION_STALLED (16 * 1024 * 1024) /* unsent replies that end a peer which takes nothing for … */
#define SESSION_STALLED_MS 5000
#define SESSION_REPLIES_MAX (256 * 1024 * 1024) /* however it trickles */
#define SESSION_DRAIN_MS 1000
#define SESSION_LOG_LINES 10 /* per second */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

uint64_t control_now_ms(void)
{
	return now_ns() / 1000000;
}

struct timeval control_ms(unsigned int ms)
{
	return (struct timeval){ms / 1000, ms % 1000 * 1000};
}

void session_end(struct session *s, const char *format, ...)
{
	va_list args;

	if (s->end[0])
		return;
	va_start(args, format);
	vsnprintf(s->end, sizeof(s->end), format, args);
	va_end(args);
}

bool session_may_log(struct session *s)
{
	uint64_t second = control_now_ms() / 1000;

	if (second != s->log_second) {
		s->log_second = second;
		s->log_lines = 0;
	}
	if (++s->log_lines == SESSION_LOG_LINES + 1)
		log_info("%s: more lines about it are left out this second", s->name);
	return s->log_lines <= SESSION_LOG_LINES;
}

static void arm_timer(struct session *s, unsigned int ms)
{
	struct timeval tv = control_ms(ms);

	evtimer_add(&s->timer, &tv);
}

/* --- states --- */

static void enter_drain(struct session *s)
{
	if (s->state == SESSION_UP)
		sw_conn_remove(s->control->sw, &s->conn);
	s->state = SESSION_DRAIN;
	stream_discard(&s->stream);
	arm_timer(s, SESSION_DRAIN_MS);
}

static void enter_up(struct session *s)
{
	s->state = SESSION_UP;
	s->up_since = s->life;
	arm_timer(s, s->control->options.probe_ms);
	log_info("%s: connected", s->name);
	sw_conn_add(s->control->sw, &s->conn);
}

/* --- receiving --- */

/* The first header.  A peer of another protocol is told so at once, not after the length its text makes up. */
static bool first_is_hello(struct session *s, const uint8_t *header)
{
	uint32_t xid = (uint32_t)header[4] << 24 | header[5] << 16 | header[6] << 8 | header[7];

	if (header[1] == OF_HELLO)
		return true;
	log_info("%s: the first message is not a HELLO but of type %u", s->name, header[1]);
	if (header[1] != OF_ERROR_MSG)
		of_put_error(&s->conn.replies, xid, OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_TYPE), header,
			     STREAM_HEADER);
	return false;
}

static void handle_message(struct session *s, const uint8_t *data, size_t len)
{
	if (s->state == SESSION_UP)
		session_dispatch(s, data, len);
	else if (session_negotiate(s, data, len))
		enter_up(s);
	else
		enter_drain(s);
}

/* The next whole message's length; 0: there is none now.  Broken framing ends in DRAIN. */
static size_t next_message(struct session *s, const uint8_t **data)
{
	size_t have, len;

	*data = stream_peek(&s->stream, &have);
	if (s->state == SESSION_DRAIN || !*data)
		return 0;
	if (s->state == SESSION_HELLO && !first_is_hello(s, *data)) {
		enter_drain(s);
		return 0;
	}
	len = (*data)[2] << 8 | (*data)[3];
	if (len < STREAM_HEADER) {
		log_info("%s: message of length %zu: where the next one begins is lost, closing", s->name, len);
		of_put_error(&s->conn.replies, 0, OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_LEN), *data, STREAM_HEADER);
		enter_drain(s);
		return 0;
	}
	return len <= have ? len : 0;
}

static bool must_pause(struct session *s)
{
	size_t unsent = stream_unsent(&s->stream.replies);

	if (!s->paused && unsent > SESSION_REPLIES_HIGH) {
		s->paused = true;
		s->life = control_now_ms();
		log_debug("%s: does not take its replies (%zu bytes): its requests wait", s->name, unsent);
	} else if (s->paused && unsent <= SESSION_REPLIES_LOW) {
		s->paused = false;
	}
	return s->paused;
}

/* As a timer, not activated: libevent empties a queue of active events before it looks for others. */
static void go_on_later(struct session *s)
{
	const struct timeval pause = {.tv_usec = sw_pause_us(&s->conn)};

	if (s->more)
		return;
	s->more = true;
	event_add(&s->yielded, &pause);
}

/* Handle what was read, within the turn's budget; the rest later, on equal terms with all other work. */
static void handle_messages(struct session *s)
{
	uint64_t begin = control_now_ms();
	const uint8_t *data;
	size_t len;

	for (int n = 0; !sw_busy(&s->conn) && !must_pause(s) && (len = next_message(s, &data)); n++) {
		bool look = n && n % SESSION_CLOCK_EVERY == 0;

		if (n == SESSION_BUDGET_MESSAGES || (look && control_now_ms() - begin >= SESSION_BUDGET_MS)) {
			go_on_later(s);
			return;
		}
		stream_take(&s->stream, len); /* the bytes stay until the next read */
		s->life = begin;
		s->probed = false;
		handle_message(s, data, len);
	}
}

/* --- sending --- */

/* It is not read from until it has taken more of its replies. */
static bool waits_for_peer(const struct session *s)
{
	return s->paused || sw_busy(&s->conn);
}

static void flush(struct session *s)
{
	size_t before = stream_unsent(&s->stream.replies);
	int error = stream_flush(&s->stream);

	s->unwritable = error == -EAGAIN;
	if (error && error != -EAGAIN) {
		session_end(s, "%s", strerror(-error));
		return;
	}
	if (!s->unwritable || stream_unsent(&s->stream.replies) < before)
		s->progress = control_now_ms();
	if (waits_for_peer(s) && s->progress > s->life)
		s->life = s->progress; /* it is not read from, so this is what shows that it lives */
	if (s->state == SESSION_DRAIN && !error && !s->shut) {
		s->shut = true;
		shutdown(s->stream.fd, SHUT_WR);
	}
}

/*
 * A long answer goes on as the peer takes it, other messages only behind it.  What a step wrote is sent at once: the
 * peer reads while the next is made.
 */
static void continue_answer(struct session *s)
{
	uint64_t end = now_ns() + SESSION_STEPS_NS;

	while (sw_busy(&s->conn) && stream_unsent(&s->stream.replies) < SESSION_PIECES) {
		sw_continue(s->control->sw, &s->conn);
		flush(s);
		if (s->end[0])
			return;
		if (now_ns() < end && !sw_pause_us(&s->conn))
			continue;
		go_on_later(s); /* with the answer or the messages behind it */
		return;
	}
	if (!sw_busy(&s->conn))
		handle_messages(s);
}

static void want(struct event *event, bool wanted)
{
	if (wanted)
		event_add(event, NULL);
	else
		event_del(event);
}

static void free_session(struct session *s)
{
	if (s->state == SESSION_UP)
		sw_conn_remove(s->control->sw, &s->conn);
	event_del(&s->readable);
	event_del(&s->writable);
	event_del(&s->timer);
	event_del(&s->flush);
	event_del(&s->yielded);
	stream_close(&s->stream);
	buf_free(&s->conn.replies.buf);
	buf_free(&s->packet_ins.buf);
	LIST_REMOVE(s, link);
	free(s);
}

static void finish(struct session *s)
{
	uint64_t lived = s->up_since ? control_now_ms() - s->up_since : 0;

	if (s->up_since)
		log_info("%s: disconnected: %s", s->name, s->end);
	else
		log_info("%s: gave up before the handshake was done: %s", s->name, s->end);
	s->ended(s->aux, lived);
	free_session(s);
}

/* The last act of every event callback: send, free if it ended, set what to wait for. */
static void settle(struct session *s)
{
	if (!s->end[0])
		flush(s);
	if (s->end[0]) {
		finish(s);
		return;
	}
	/* What was read while replies piled up is still to be handled once they are gone. */
	if (s->paused && !must_pause(s))
		go_on_later(s);
	else if (sw_busy(&s->conn) && stream_unsent(&s->stream.replies) < SESSION_PIECES)
		go_on_later(s);
	want(&s->readable, s->state == SESSION_DRAIN || (!s->paused && !s->more && !sw_busy(&s->conn)));
	want(&s->writable, s->unwritable);
}

/* --- events --- */

static void on_readable(evutil_socket_t fd, short what, void *aux)
{
	struct session *s = aux;
	ssize_t n = stream_read(&s->stream);

	if (n == 0)
		session_end(s, "closed by the peer");
	else if (n < 0 && n != -EAGAIN)
		session_end(s, "%s", strerror(-n));
	else if (s->state == SESSION_DRAIN)
		stream_discard(&s->stream);
	else if (n > 0)
		handle_messages(s);
	settle(s);
}

static void on_writable(evutil_socket_t fd, short what, void *aux)
{
	settle(aux);
}

static void on_flush(evutil_socket_t fd, short what, void *aux)
{
	struct session *s = aux;

	s->flushing = false;
	settle(s);
}

static void on_yielded(evutil_socket_t fd, short what, void *aux)
{
	struct session *s = aux;

	s->more = false;
	if (s->state != SESSION_DRAIN)
		continue_answer(s);
	settle(s);
}

static void probe(struct session *s)
{
	unsigned int probe_ms = s->control->options.probe_ms;
	uint64_t idle = control_now_ms() - s->life;

	if (idle < probe_ms) {
		arm_timer(s, probe_ms - idle);
	} else if (s->probed || waits_for_peer(s)) {
		/* Then there is no use in asking: the question would queue up behind the replies. */
		if (idle >= 2ull * probe_ms)
			session_end(s, waits_for_peer(s) ? "it does not take our replies"
							 : "no answer to our echo request");
		else
			arm_timer(s, 2 * probe_ms - idle);
	} else {
		s->probed = true;
		of_put_echo(&s->conn.replies, false, ++s->xid, NULL, 0);
		arm_timer(s, probe_ms);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *aux)
{
	struct session *s = aux;

	if (s->state == SESSION_UP)
		probe(s);
	else if (s->state == SESSION_HELLO)
		session_end(s, "no HELLO came");
	else
		session_end(s, "told why, and closed");
	settle(s);
}

/* --- what the switch calls --- */

static void flush_soon(struct session *s)
{
	if (s->flushing)
		return;
	s->flushing = true;
	event_active(&s->flush, EV_TIMEOUT, 0);
}

static bool queue_packet_in(struct sw_conn *conn, const struct of_packet_in *p)
{
	struct session *s = (struct session *)conn;

	if (s->end[0] || stream_unsent(&s->stream.packet_ins) + p->len >= s->control->options.packet_in_limit)
		return false;
	of_put_packet_in(&s->packet_ins, p);
	if (!s->unwritable)
		flush_soon(s);
	return true;
}

/* At once: another turn of the loop costs as much as the message. */
static void send_packet_ins(struct sw_conn *conn)
{
	struct session *s = (struct session *)conn;

	if (!s->flushing)
		return;
	event_del(&s->flush);
	s->flushing = false;
	settle(s);
}

static void wake(struct sw_conn *conn)
{
	struct session *s = (struct session *)conn;
	size_t unsent = stream_unsent(&s->stream.replies);

	if (unsent > SESSION_STALLED &&
	    (unsent > SESSION_REPLIES_MAX || control_now_ms() - s->progress > SESSION_STALLED_MS)) {
		session_end(s, "it does not take our messages");
		s->conn.replies.buf.len = s->stream.replies.sent; /* nothing of it will be sent any more */
	}
	if (!s->unwritable || s->end[0])
		flush_soon(s);
}

/* --- life --- */

static void assign_events(struct session *s)
{
	struct event_base *base = s->control->base;

	event_assign(&s->readable, base, s->stream.fd, EV_READ | EV_PERSIST, on_readable, s);
	event_assign(&s->writable, base, s->stream.fd, EV_WRITE | EV_PERSIST, on_writable, s);
	evtimer_assign(&s->timer, base, on_timer, s);
	event_assign(&s->flush, base, -1, 0, on_flush, s);
	event_assign(&s->yielded, base, -1, 0, on_yielded, s);
	event_priority_set(&s->readable, CONTROL_PRIORITY);
	event_priority_set(&s->writable, CONTROL_PRIORITY);
	event_priority_set(&s->timer, CONTROL_PRIORITY);
	event_priority_set(&s->flush, CONTROL_PRIORITY);
	event_priority_set(&s->yielded, CONTROL_YIELD);
}

struct session *session_new(struct control *control, int fd, const char *name,
			    void (*ended)(void *aux, uint64_t lived_ms), void *aux)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->control = control;
	s->ended = ended;
	s->aux = aux;
	s->life = s->progress = control_now_ms();
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->conn.replies.version = s->packet_ins.version = OF_VERSION_13;
	s->conn.packet_in = queue_packet_in;
	s->conn.packet_ins_end = send_packet_ins;
	s->conn.wake = wake;
	stream_open(&s->stream, fd, &s->conn.replies.buf, &s->packet_ins.buf);
	assign_events(s);
	LIST_INSERT_HEAD(&control->sessions, s, link);
	of_put_hello(&s->conn.replies, ++s->xid, SESSION_VERSIONS);
	arm_timer(s, control->options.probe_ms);
	event_add(&s->readable, NULL);
	flush_soon(s);
	return s;
}

void session_free(struct session *s, uint64_t deadline)
{
	uint64_t now = control_now_ms();

	if (s->state == SESSION_UP)
		log_info("%s: disconnected: the switch ends", s->name);
	while (stream_flush(&s->stream) == -EAGAIN && now < deadline) {
		struct pollfd p = {.fd = s->stream.fd, .events = POLLOUT};

		poll(&p, 1, deadline - now);
		now = control_now_ms();
	}
	free_session(s);
}
