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
 * What bounds a connection: at most SESSION_BUDGET_* per turn of the event loop; a peer that does not take its replies
 * is not read from (SESSION_REPLIES_HIGH), and is let go when asynchronous messages pile up too and it stands still.
 */
#ifndef CONTROL_SESSION_H
#define CONTROL_SESSION_H

#include "user/control/internal.h"

#define SESSION_VERSIONS (1u << OF_VERSION_13) /* what we offer */

enum session_state { SESSION_HELLO, SESSION_UP, SESSION_DRAIN };

struct session {
	struct sw_conn conn; /* first: the switch hands back a pointer to it */
	LIST_ENTRY(session) link;
	struct control *control;
	struct stream stream;
	struct of_out packet_ins;
	char name[160]; /* for logs: "tcp:192.0.2.1:6653" */
	enum session_state state;
	bool paused;	     /* not reading: too many replies unsent */
	bool unwritable;     /* the kernel took less than there is */
	bool more;	     /* messages are left for a turn at CONTROL_YIELD */
	bool shut;	     /* DRAIN: sending side shut */
	bool probed;	     /* an echo request of ours is out */
	bool flushing;	     /* `flush` is active */
	char end[128];	     /* not "": why it ends; freed when the running callback is done */
	uint64_t life;	     /* ms: last message received, or reply bytes taken while paused */
	uint64_t up_since;   /* ms; 0: never was UP */
	uint64_t progress;   /* ms: the kernel took something, or there was nothing to take */
	uint64_t log_second; /* rate limit of lines about what the peer sends */
	unsigned int log_lines;
	uint32_t xid;
	void (*ended)(void *aux, uint64_t lived_ms); /* lived: time in UP, 0 if it never was */
	void *aux;
	struct event readable, writable, timer;
	struct event flush;   /* activated when something was written outside of our callbacks */
	struct event yielded; /* activated to go on at CONTROL_YIELD */
};

/* Takes the connected, non-blocking fd and sends our HELLO.  `ended` is called before the session frees itself. */
struct session *session_new(struct control *control, int fd, const char *name,
			    void (*ended)(void *aux, uint64_t lived_ms), void *aux);
/* End now, without `ended`; what is queued is sent until `deadline` (control_now_ms). */
void session_free(struct session *session, uint64_t deadline);

/* The session ends when the running callback is done. */
void session_end(struct session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line about what the peer sent may be logged now: some per second. */
bool session_may_log(struct session *session);

/* dispatch.c: one whole message, the session being UP. */
void session_dispatch(struct session *session, const uint8_t *data, size_t len);
/* dispatch.c: the first message; true: `conn.replies.version` is the version; false: the error is written. */
bool session_negotiate(struct session *session, const uint8_t *data, size_t len);

#endif
