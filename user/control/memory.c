/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What connections hold in memory: unsent replies and packet-ins, here and in the kernel, input that is not handled
 * yet, requests half received, jobs, those of connections that are gone among them.  All together may hold max_unsent,
 * and each a part of that.  Whoever holds more is let go; when all together do, the one that holds most: who takes what
 * is sent to him holds next to nothing.
 *
 * Where memory is limited all of it has to be there when it is wanted: max_unsent is no more than a part of what is
 * left once the switch is there, and that part is kept from flow entries and the like.  Should it be taken by others
 * than us, the one that holds most goes as well.
 */
#include "user/control/session.h"

#define MB (1024 * 1024)
#define LEFT_OF 4	   /* of the memory left all may hold a quarter, … */
#define ALL_LEAST (4 * MB) /* … but so much in any case */
#define ONE_OF 8	   /* one connection may hold an eighth of all, … */
#define ONE_LEAST (2 * MB) /* … but so much: an answer must fit; */
#define HIGH_OF 4	   /* … with a quarter of that in unsent replies its requests wait, */
#define LOW_OF 8	   /* … until it is an eighth; */
#define PIECE_OF 64	   /* … and long answers are made as long as there are less than that */
#define PACKET_IN_OF 4	   /* packet-ins of one may be a quarter of what it may hold; */
#define PACKET_INS_OF 2	   /* … those of many slow readers stop growing at half of all */
#define SOCKET_OF 128	   /* the kernel's part of one connection, before it doubles it */
#define SOCKET_MOST (256 * 1024)
#define LOOK_MS 1000
#define SHORT_LEAST (256 * 1024) /* nobody who holds less is let go for want of memory */

static size_t less(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* What they may hold yet is kept for them. */
static void keep_memory(struct control *c)
{
	memory_keep(&c->kept, c->limits.all - less(c->limits.all, c->held));
}

void control_set_limits(struct control *c, size_t all)
{
	const size_t one = all / ONE_OF > ONE_LEAST ? all / ONE_OF : ONE_LEAST;

	c->limits = (struct control_limits){.all = all,
					    .one = one,
					    .high = one / HIGH_OF,
					    .low = one / LOW_OF,
					    .piece = one / PIECE_OF,
					    .packet_ins = less(c->options.packet_in_limit, one / PACKET_IN_OF),
					    .socket = less(all / SOCKET_OF, SOCKET_MOST)};
}

static void limit_memory(struct control *c)
{
	const char *why;
	const uint64_t part = memory_left(&why) / LEFT_OF;
	size_t all = c->options.max_unsent;

	if (part < all) {
		all = part > ALL_LEAST ? part : ALL_LEAST;
		log_info("connections together may hold %zu MB of what they have not taken, not %zu (--max-unsent): "
			 "%s leaves %llu MB",
			 all / MB, c->options.max_unsent / MB, why, (unsigned long long)(part * LEFT_OF / MB));
	}
	control_set_limits(c, all);
	keep_memory(c);
}

static size_t held_by(const struct session *s)
{
	if (s->end[0])
		return 0; /* it is as good as freed */
	return s->conn.replies.buf.size + s->packet_ins.buf.size + (s->stream.in ? STREAM_IN_SIZE : 0) +
	       stream_in_kernel(&s->stream) + sw_conn_memory(&s->conn);
}

static void count(struct session *s)
{
	size_t now = held_by(s);

	s->control->held += now - s->held;
	s->held = now;
	keep_memory(s->control);
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

/* What the kernel has got rid of meanwhile is not held any more. */
static void count_again(struct control *c)
{
	struct session *s;

	LIST_FOREACH (s, &c->sessions, link) {
		stream_ask_kernel(&s->stream);
		count(s);
	}
}

static bool too_much(const struct control *c)
{
	return c->held + sw_jobs_left_memory(c->sw) > c->limits.all;
}

/* More than all may hold? */
static void check_all(struct control *c)
{
	struct session *s;

	if (!too_much(c))
		return;
	count_again(c);
	while (too_much(c) && (s = largest(c)) && s->held) {
		session_end(s, LOG_LVL_WARN,
			    "it does not take our messages: %zu KB wait for it, the most of all, and for all together "
			    "more than %zu MB (--max-unsent)",
			    s->held / 1024, c->limits.all / MB);
		let_go(s);
	}
}

/* So many bytes more are held than before: are there so many? */
static void check_memory(struct control *c, size_t more)
{
	const size_t again = less(c->let_go, more);
	struct session *s;

	c->let_go -= again;
	if (again == more || memory_may(more - again))
		return;
	count_again(c);
	s = largest(c);
	if (!s || s->held < SHORT_LEAST)
		return;
	c->let_go += s->held;
	session_end(s, LOG_LVL_WARN,
		    "it does not take our messages: %zu KB wait for it, the most of all, and memory is short",
		    s->held / 1024);
	let_go(s);
}

void session_count_memory(struct session *s)
{
	const size_t before = s->held;

	count(s);
	check_one(s);
	check_all(s->control);
	if (s->held > before)
		check_memory(s->control, s->held - before);
}

bool session_room_for_packet_ins(const struct session *s)
{
	return s->control->held < s->control->limits.all / PACKET_INS_OF;
}

/* Of who has had much and is silent now, nobody else would ask the kernel. */
static void on_look(evutil_socket_t fd, short what, void *aux)
{
	struct timeval later = control_ms(LOOK_MS);
	struct control *c = aux;

	count_again(c);
	evtimer_add(&c->look, &later);
}

void control_start(struct control *c)
{
	evtimer_assign(&c->look, c->base, on_look, c);
	limit_memory(c);
	on_look(-1, 0, c);
}
