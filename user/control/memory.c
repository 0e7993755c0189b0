/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What connections hold in memory: unsent replies and packet-ins, input that is not handled yet, requests half
 * received, jobs.  All together may hold options.max_unsent, and each a fixed part of that.  Whoever holds more is let
 * go; when all together do, the one that holds most: who takes what is sent to him holds next to nothing.
 */
#include "user/control/session.h"

#define MB (1024 * 1024)
#define ONE_OF 8	/* one connection may hold an eighth of all; */
#define HIGH_OF 4	/* … with a quarter of that in unsent replies its requests wait, */
#define LOW_OF 8	/* … until it is an eighth; */
#define PIECE_OF 64	/* … and long answers are made as long as there are less than that */
#define PACKET_INS_OF 2 /* the packet-ins of many slow readers stop growing at half of all */

void control_set_limits(struct control *c)
{
	size_t one = c->options.max_unsent / ONE_OF;

	c->limits = (struct control_limits){
		.one = one, .high = one / HIGH_OF, .low = one / LOW_OF, .piece = one / PIECE_OF};
}

static size_t held_by(const struct session *s)
{
	if (s->end[0])
		return 0; /* it is as good as freed */
	return s->conn.replies.buf.size + s->packet_ins.buf.size + (s->stream.in ? STREAM_IN_SIZE : 0) +
	       sw_conn_memory(&s->conn);
}

static void count(struct session *s)
{
	size_t now = held_by(s);

	s->control->held += now - s->held;
	s->held = now;
}

/* Its end comes with its next turn: now the switch may be about to write to it.  It will send nothing any more. */
static void let_go(struct session *s)
{
	stream_drop(&s->stream);
	count(s);
	turn_later(&s->control->turn, &s->turn);
}

static struct session *largest(const struct control *c)
{
	struct session *s, *most = LIST_FIRST(&c->sessions);

	LIST_FOREACH (s, &c->sessions, link) {
		if (s->held > most->held)
			most = s;
	}
	return most;
}

static int buffer_error(const struct session *s)
{
	return s->conn.replies.buf.error ? s->conn.replies.buf.error : s->packet_ins.buf.error;
}

/* More than one may hold? */
static void check_one(struct session *s)
{
	int error = buffer_error(s);

	if (error == -ENOMEM)
		session_end(s, LOG_LVL_WARN, "out of memory for what it does not take");
	else if (error || s->held > s->control->limits.one)
		session_end(s, LOG_LVL_WARN, "it does not take our messages: more than %zu MB wait for it",
			    s->control->limits.one / MB);
	if (s->end[0])
		let_go(s);
}

/* More than all may hold? */
static void check_all(struct control *c)
{
	while (c->held > c->options.max_unsent) {
		struct session *s = largest(c);

		session_end(s, LOG_LVL_WARN,
			    "it does not take our messages: %zu KB wait for it, the most of all, and for all together "
			    "more than %zu MB (--max-unsent)",
			    s->held / 1024, c->options.max_unsent / MB);
		let_go(s);
	}
}

void session_count_memory(struct session *s)
{
	count(s);
	check_one(s);
	check_all(s->control);
}

bool session_room_for_packet_ins(const struct session *s)
{
	return s->control->held < s->control->options.max_unsent / PACKET_INS_OF;
}
