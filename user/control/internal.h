/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of control: targets (-c) that are connected to again and again, listeners (-l), and the sessions that both
 * make.  Everything runs on the event loop's thread.  All sessions together share a turn (util/turn.h) with the
 * datapath's packet-ins, with time-outs, links and all else.
 */
#ifndef CONTROL_INTERNAL_H
#define CONTROL_INTERNAL_H

#include <event2/event_struct.h>
#include <sys/queue.h>
#include "user/control/control.h"
#include "user/control/stream.h"
#include "user/util/memory.h"
#include "user/util/turn.h"

LIST_HEAD(session_list, session);
LIST_HEAD(active_list, active);
LIST_HEAD(listener_list, listener);

struct control_limits {	   /* bytes, memory.c */
	size_t all;	   /* that all connections together may hold, … */
	size_t one;	   /* … and one of them */
	size_t high, low;  /* unsent replies with which it is not read from any more, and again */
	size_t piece;	   /* unsent replies up to which a long answer is continued */
	size_t packet_ins; /* unsent, of one connection */
	int socket;	   /* what the kernel may hold of one, about twice as much */
};

struct control {
	struct sw *sw;
	struct event_base *base;
	struct control_options options;
	struct control_limits limits;
	struct session_list sessions;
	struct active_list actives;
	struct listener_list listeners;
	struct turn turn; /* of the sessions and listeners */
	struct {
		uint64_t tick, end, now_ms; /* receive.c: of the session that is being served */
	} slice;
	size_t held;		 /* bytes, by all sessions */
	size_t let_go;		 /* bytes of them that were freed for want of memory: to be taken again before others */
	struct memory_kept kept; /* what they may hold yet */
	struct event look;	 /* each second: what does the kernel hold? */
	size_t n_timers;	 /* that have room: timers.h */
	uint8_t *spare_input;	 /* stream.h */
};

uint64_t control_now_ms(void); /* monotonic */
struct timeval control_ms(unsigned int ms);

/* Room for so many timers more; with CONTROL_TIMERS at the start, for those of all other parts.  -ENOMEM. */
#define CONTROL_TIMERS 64
int control_reserve_timers(struct control *control, size_t n);

/* memory.c: what connections may hold, `all` of them together. */
void control_set_limits(struct control *control, size_t all);

/* target.c: addresses as text. */
void control_format_addr(const struct sockaddr_storage *addr, socklen_t len, char *text, size_t size);
/* "PORT[:ADDR]" of a ptcp listener.  -EINVAL: one sentence was logged. */
int control_parse_listen_addr(const char *text, struct sockaddr_storage *addr, socklen_t *len);

/* active.c, listener.c */
void active_free(struct active *active);
void listener_free(struct listener *listener);

#endif
