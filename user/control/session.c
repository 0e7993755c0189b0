/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/control/session.h"
#include "user/util/clock.h"

#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "include/openflow/openflow.h"

#define SESSION_DRAIN_MS 1000
#define SESSION_SHORT_MS 2000 /* a local connection that ends sooner was a tool's */

uint64_t control_now_ms(void)
{
	return clock_ns() / 1000000;
}

struct timeval control_ms(unsigned int ms)
{
	return (struct timeval){ms / 1000, ms % 1000 * 1000};
}

void session_end(struct session *s, enum log_level level, const char *format, ...)
{
	va_list args;

	if (s->end[0])
		return;
	va_start(args, format);
	vsnprintf(s->end, sizeof(s->end), format, args);
	va_end(args);
	s->end_level = level;
}

void session_left(struct session *s, int error)
{
	s->left = true;
	session_end(s, LOG_LVL_INFO, "%s", error ? strerror(error) : "closed by the peer");
}

static void arm_timer(struct session *s, unsigned int ms)
{
	struct timeval tv = control_ms(ms);

	if (evtimer_add(&s->timer, &tv))
		session_end(s, LOG_LVL_WARN, "out of memory");
}

/* --- states --- */

void session_enter_drain(struct session *s)
{
	if (s->state == SESSION_UP)
		sw_conn_remove(s->control->sw, &s->conn);
	s->state = SESSION_DRAIN;
	stream_discard(&s->stream);
	arm_timer(s, SESSION_DRAIN_MS);
}

static void tell(struct session *s)
{
	log_peer(LOG_LVL_INFO, "%s: connected", s->name);
	s->told = true;
}

void session_enter_up(struct session *s, uint32_t xid)
{
	unsigned int probe_ms = s->control->options.probe_ms;

	if (s->owner->up && !s->owner->up(s)) {
		of_put_hello_failed(&s->conn.replies, xid, OF_ERROR(OFPET_HELLO_FAILED, OFPHFC_EPERM),
				    "this switch has too many connections");
		session_enter_drain(s);
		return;
	}
	s->state = SESSION_UP;
	s->up_since = s->life = control_now_ms();
	if (!s->local)
		tell(s);
	arm_timer(s, s->told || probe_ms < SESSION_SHORT_MS ? probe_ms : SESSION_SHORT_MS);
	sw_conn_add(s->control->sw, &s->conn);
}

/* --- the end --- */

static void free_session(struct session *s)
{
	if (s->state == SESSION_UP)
		sw_conn_remove(s->control->sw, &s->conn);
	event_del(&s->readable);
	event_del(&s->writable);
	event_del(&s->timer);
	event_del(&s->pause);
	turn_cancel(&s->control->turn, &s->turn);
	stream_close(&s->stream);
	s->control->held -= s->held;
	LIST_REMOVE(s, link);
	free(s);
}

/* Not worth a line: that a tool on this machine is done; the end of a handshake that failed, for its reason was told.
 */
static enum log_level end_level(const struct session *s)
{
	bool in_passing = s->local && s->left && !s->told;

	return in_passing || (s->state == SESSION_DRAIN && !s->up_since) ? LOG_LVL_DEBUG : s->end_level;
}

static void finish(struct session *s)
{
	uint64_t lived = s->up_since ? control_now_ms() - s->up_since : 0;

	log_peer(end_level(s), "%s: %s: %s", s->name,
		 s->up_since ? "disconnected" : "gave up before the handshake was done", s->end);
	s->owner->ended(s, lived);
	free_session(s);
}

void session_give_way(struct session *s, enum log_level level, const char *why)
{
	session_end(s, level, "%s", why);
	finish(s);
}

void session_free(struct session *s, uint64_t deadline)
{
	uint64_t now = control_now_ms();

	if (s->told)
		log_info("%s: disconnected: the switch ends", s->name);
	while (stream_flush(&s->stream) == -EAGAIN && now < deadline) {
		struct pollfd p = {.fd = s->stream.fd, .events = POLLOUT};

		poll(&p, 1, deadline - now);
		now = control_now_ms();
	}
	free_session(s);
}

/* --- signs of life --- */

bool session_waits_for_peer(const struct session *s)
{
	return s->paused || s->unwritable || sw_busy(&s->conn);
}

void session_alive(struct session *s, uint64_t now)
{
	s->probed = false;
	s->life = now;
}

static void probe(struct session *s)
{
	unsigned int probe_ms = s->control->options.probe_ms;
	uint64_t idle = control_now_ms() - s->life;
	bool waits = session_waits_for_peer(s);

	if (idle < probe_ms) {
		arm_timer(s, probe_ms - idle);
	} else if (s->probed || waits) {
		/* Then there is no use in asking: the question would queue up behind the replies. */
		if (idle >= 2ull * probe_ms)
			session_end(s, LOG_LVL_WARN, "%s",
				    waits ? "it does not take our messages" : "no answer to our echo request");
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

	if (s->state == SESSION_UP && !s->told)
		tell(s);
	if (s->state == SESSION_UP)
		probe(s);
	else if (s->state == SESSION_HELLO)
		session_end(s, LOG_LVL_INFO, "no HELLO came");
	else
		session_end(s, LOG_LVL_INFO, "told why, and closed");
	session_settle(s);
}

/* --- work --- */

static void want(struct event *event, bool wanted)
{
	if (wanted)
		event_add(event, NULL);
	else
		event_del(event);
}

/* There is work that no event will tell of. */
static bool goes_on(struct session *s)
{
	if (s->more)
		return true;
	if (s->paused)
		return !session_must_pause(s); /* what was read while replies piled up */
	return sw_busy(&s->conn) && !sw_pause_us(&s->conn) &&
	       stream_unsent(&s->stream.replies) < s->control->limits.piece;
}

/* Its request cannot be gone on with for a while. */
static void arm_pause(struct session *s)
{
	const struct timeval pause = {.tv_usec = sw_busy(&s->conn) ? sw_pause_us(&s->conn) : 0};

	if (pause.tv_usec && !event_pending(&s->pause, EV_TIMEOUT, NULL))
		event_add(&s->pause, &pause);
}

void session_settle(struct session *s)
{
	if (!s->end[0])
		session_flush(s);
	stream_rest(&s->stream);
	if (!s->end[0])
		session_count_memory(s);
	if (s->end[0]) {
		finish(s);
		return;
	}
	if (goes_on(s))
		turn_later(&s->control->turn, &s->turn);
	arm_pause(s);
	want(&s->readable, s->state == SESSION_DRAIN || (!s->paused && !sw_busy(&s->conn)));
	want(&s->writable, s->unwritable);
}

static void run(struct turn_member *m)
{
	struct session *s = (struct session *)((char *)m - offsetof(struct session, turn));

	if (!s->end[0])
		session_work(s);
	session_settle(s);
}

static void on_readable(evutil_socket_t fd, short what, void *aux)
{
	struct session *s = aux;

	s->input = true;
	turn_take(&s->control->turn, &s->turn);
}

static void on_ready(evutil_socket_t fd, short what, void *aux)
{
	struct session *s = aux;

	turn_take(&s->control->turn, &s->turn);
}

struct session *session_new(struct control *control, int fd, const char *name, const struct session_owner *owner,
			    void *owned_by)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s) {
		close(fd);
		return NULL;
	}
	s->control = control;
	s->owner = owner;
	s->owned_by = owned_by;
	s->turn.run = run;
	s->life = control_now_ms();
	snprintf(s->name, sizeof(s->name), "%s", name);
	stream_open(&s->stream, fd, &s->conn.replies.buf, &s->packet_ins.buf, &control->spare_input,
		    control->limits.socket);
	session_output_open(s);
	event_assign(&s->readable, control->base, fd, EV_READ | EV_PERSIST, on_readable, s);
	event_assign(&s->writable, control->base, fd, EV_WRITE | EV_PERSIST, on_ready, s);
	evtimer_assign(&s->timer, control->base, on_timer, s);
	evtimer_assign(&s->pause, control->base, on_ready, s);
	LIST_INSERT_HEAD(&control->sessions, s, link);
	of_put_hello(&s->conn.replies, ++s->xid, SESSION_VERSIONS);
	arm_timer(s, control->options.handshake_ms);
	if (event_add(&s->readable, NULL))
		session_end(s, LOG_LVL_WARN, "out of memory");
	turn_later(&control->turn, &s->turn);
	return s;
}
