/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One OpenFlow connection: HELLO and version (OpenFlow 1.3.5 §6.3.1), framing, probes, flow control.
 *
 *   HELLO ──their HELLO──► UP ──end of stream, error, dead──► freed
 *     └──no common version──► DRAIN ◄──the framing is lost──┘
 *
 * UP: the switch knows the connection.  DRAIN: an error is on its way out; then the sending side is shut and what the
 * peer still sends is thrown away until it closes too (a close() with unread input would reset the connection and take
 * the error message with it).
 *
 * What bounds a connection.  Time: it is served in slices, in turn with the others (util/turn.h).  Memory: a peer that
 * does not take its replies is not read from, and memory.c ends it when messages that nobody asked for pile up too.
 * A peer that takes nothing at all is dead, whatever it sends itself.
 *
 *   session.c  the states, what ends a connection        receive.c  framing, slices
 *   dispatch.c  what a message is for                    output.c   replies and packet-ins on their way out
 *   memory.c    how much a connection may hold
 */
#ifndef CONTROL_SESSION_H
#define CONTROL_SESSION_H

#include "user/control/internal.h"
#include "user/util/log.h"

#define SESSION_TIMERS 2
#define SESSION_VERSIONS (1u << OF_VERSION_13) /* what we offer */

struct session;

/* Whose connection it is: a listener's or that of one we connect to. */
struct session_owner {
	/* Its HELLO has come: is there a place for it among the others?  If not, a line was logged.  NULL: always. */
	bool (*up)(struct session *session);
	/* It is about to be freed.  lived: ms in UP, 0 if it never was. */
	void (*ended)(struct session *session, uint64_t lived);
};

enum session_state { SESSION_HELLO, SESSION_UP, SESSION_DRAIN };

struct session {
	struct sw_conn conn; /* first: the switch hands back a pointer to it */
	struct turn_member turn;
	LIST_ENTRY(session) link;
	struct control *control;
	const struct session_owner *owner;
	void *owned_by;	      /* a struct listener or active */
	struct session_seat { /* the listener's, seat.c */
		TAILQ_ENTRY(session) link;
		uint64_t peer;
		bool taken;
	} seat;
	struct stream stream;
	struct of_out packet_ins;
	char name[160]; /* for logs: "tcp:192.0.2.1:6653" */
	bool local;	/* a peer on this machine: often a tool's, and short; told in the log once it has lasted */
	bool told;	/* … that it connected */
	enum session_state state;
	bool input;	     /* there is something to read */
	bool paused;	     /* not reading: too many replies unsent */
	bool unwritable;     /* the kernel took less than there is */
	bool more;	     /* the slice ended before the work did */
	bool shut;	     /* DRAIN: sending side shut */
	bool probed;	     /* an echo request of ours is out, its xid is `xid` */
	bool packet_ins_due; /* some were queued that can be sent */
	char end[200];	     /* not "": why it ends; freed when the running callback is done */
	enum log_level end_level;
	bool left;	   /* it was the peer that ended it */
	uint64_t life;	   /* ms: its last sign of life */
	uint64_t up_since; /* ms; 0: never was UP */
	size_t held;	   /* bytes of memory, as last counted */
	uint32_t xid;
	struct event readable, writable, timer;
	struct event pause; /* until its request may be gone on with (sw_pause_us) */
};

/*
 * Takes the connected, non-blocking fd and sends our HELLO.  NULL: no memory; the fd is closed, `ended` is not called.
 */
struct session *session_new(struct control *control, int fd, const char *name, const struct session_owner *owner,
			    void *owned_by);
/* End now, without `ended`; what is queued is sent until `deadline` (control_now_ms). */
void session_free(struct session *session, uint64_t deadline);

/* The session ends when the running callback is done; the line in the log is of this level. */
void session_end(struct session *session, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The session ends because the peer closed it (0), or of a broken connection (an errno). */
void session_left(struct session *session, int error);
/* End now.  Not for a session whose callback runs. */
void session_give_way(struct session *session, enum log_level level, const char *why);
/* The handshake is done; xid: of the peer's HELLO. */
void session_enter_up(struct session *session, uint32_t xid);
void session_enter_drain(struct session *session);
/* It spoke, or took what we sent.  now: ms. */
void session_alive(struct session *session, uint64_t now);
/* It is not its turn to speak: it is to take what we have for it first. */
bool session_waits_for_peer(const struct session *session);
/* The last act of every callback: send, free if it ended, set what to wait for. */
void session_settle(struct session *session);

/* receive.c: a slice of its work, as a struct turn_member's `run` does it but for session_settle(). */
void session_work(struct session *session);
bool session_must_pause(struct session *session);

/* output.c */
void session_output_open(struct session *session);
void session_flush(struct session *session);

/* memory.c: count what it holds; it, or another one, may end by that. */
void session_count_memory(struct session *session);
/* May the packet-ins of a connection grow?  They can be dropped, so they leave room for what can't. */
bool session_room_for_packet_ins(const struct session *session);

/* dispatch.c: one whole message, the session being UP. */
void session_dispatch(struct session *session, const uint8_t *data, size_t len);
/* dispatch.c: the first message; true: `conn.replies.version` is the version; false: the error is written. */
bool session_negotiate(struct session *session, const uint8_t *data, size_t len);

#endif
