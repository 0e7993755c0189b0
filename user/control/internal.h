/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of control: targets (-c) that are connected to again and again, listeners (-l), and the sessions that both
 * make.  Everything runs on the event loop's thread at priority 0, ahead of the datapath's packet-ins.
 */
#ifndef CONTROL_INTERNAL_H
#define CONTROL_INTERNAL_H

#include <event2/event_struct.h>
#include <sys/queue.h>
#include "user/control/control.h"
#include "user/control/stream.h"

#define CONTROL_PRIORITY 0 /* of connections' events */
#define CONTROL_YIELD 1	   /* of what a connection leaves for later: the same as all other work */

LIST_HEAD(session_list, session);
LIST_HEAD(active_list, active);
LIST_HEAD(listener_list, listener);

struct control {
	struct sw *sw;
	struct event_base *base;
	struct control_options options;
	struct session_list sessions;
	struct active_list actives;
	struct listener_list listeners;
	unsigned int n_passive; /* sessions that listeners accepted */
};

uint64_t control_now_ms(void); /* monotonic */
struct timeval control_ms(unsigned int ms);

/* target.c: addresses as text. */
void control_format_addr(const struct sockaddr_storage *addr, socklen_t len, char *text, size_t size);
/* "PORT[:ADDR]" of a ptcp listener.  -EINVAL: one sentence was logged. */
int control_parse_listen_addr(const char *text, struct sockaddr_storage *addr, socklen_t *len);

/* active.c, listener.c */
void active_free(struct active *active);
void listener_free(struct listener *listener);

#endif
