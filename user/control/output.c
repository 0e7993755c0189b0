/* SPDX-License-Identifier: GPL-2.0-only */
/* Replies and packet-ins on their way to the peer, and how the switch writes to a connection that is not being served.
 */
#include <errno.h>
#include <sys/socket.h>
#include "user/control/session.h"

static size_t unsent(const struct session *s)
{
	return stream_unsent(&s->stream.replies) + stream_unsent(&s->stream.packet_ins);
}

void session_flush(struct session *s)
{
	size_t before = unsent(s);
	int error = stream_flush(&s->stream);

	s->unwritable = error == -EAGAIN;
	if (error == -ENOBUFS || error == -ENOMEM)
		session_count_memory(s); /* it says so, and ends the session */
	else if (error && error != -EAGAIN)
		session_left(s, -error);
	/* It is not read from, or not listened to: this is what shows that it lives. */
	else if (session_waits_for_peer(s) && (!s->unwritable || unsent(s) < before))
		session_alive(s, control_now_ms());
	if (s->state == SESSION_DRAIN && !error && !s->shut) {
		s->shut = true;
		shutdown(s->stream.fd, SHUT_WR);
	}
}

/* --- what the switch calls --- */

static bool queue_packet_in(struct sw_conn *conn, const struct of_packet_in *p)
{
	struct session *s = (struct session *)conn;
	size_t limit = s->control->limits.packet_ins;

	if (s->end[0] || stream_unsent(&s->stream.packet_ins) + p->len >= limit || !session_room_for_packet_ins(s))
		return false;
	of_put_packet_in(&s->packet_ins, p);
	session_count_memory(s);
	s->packet_ins_due = !s->unwritable;
	return true;
}

/* At once: another turn of the loop costs as much as the message. */
static void send_packet_ins(struct sw_conn *conn)
{
	struct session *s = (struct session *)conn;

	if (!s->packet_ins_due)
		return;
	s->packet_ins_due = false;
	session_settle(s);
}

static void wake(struct sw_conn *conn)
{
	struct session *s = (struct session *)conn;

	session_count_memory(s);
	if (!s->unwritable || s->end[0])
		turn_later(&s->control->turn, &s->turn);
}

void session_output_open(struct session *s)
{
	size_t max = s->control->limits.one;

	s->conn.name = s->name;
	s->conn.replies = (struct of_out){.version = OF_VERSION_13, .buf.max = max};
	s->packet_ins = (struct of_out){.version = OF_VERSION_13, .buf.max = max};
	s->conn.packet_in = queue_packet_in;
	s->conn.packet_ins_end = send_packet_ins;
	s->conn.wake = wake;
}
