/* SPDX-License-Identifier: GPL-2.0-only */
/* Controllers: who we connect to (-c) and where we listen (-l).  Owns all connections. */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <event2/event.h>
#include <stdint.h>
#include <sys/socket.h>
#include "user/switch/switch.h"

struct control;

struct control_options {
	unsigned int probe_ms;	   /* idle time before an echo request; the same again without any message: dead */
	unsigned int handshake_ms; /* for an accepted connection's HELLO to come */
	unsigned int max_backoff_ms;
	size_t packet_in_limit; /* bytes of unsent packet-ins per connection */
	size_t max_unsent;	/* bytes that all connections together may hold; one may hold an eighth of it */
};
#define CONTROL_UNSENT_MIN (32 << 20)

/*
 * "tcp:HOST[:PORT]" (HOST an address or a name, [v6] in brackets; PORT 6653).  A name is looked up here, once, which
 * may block.  -EINVAL: one sentence was logged.
 */
struct control_target {
	struct sockaddr_storage addr;
	socklen_t addr_len;
	char text[128];
};
int control_parse_target(const char *text, struct control_target *target);

/* NULL: no memory. */
struct control *control_new(struct sw *sw, struct event_base *base, const struct control_options *options);
/*
 * The switch is there, and connections are about to come: if there is little memory left, they may hold less than
 * max_unsent.
 */
void control_start(struct control *control);
/* Once the event loop runs, and again whenever the connection ends.  -ENOMEM. */
int control_connect(struct control *control, const struct control_target *target);
/* "ptcp:PORT[:ADDR]" (loopback unless ADDR is given) or "punix:PATH".  An error: one sentence was logged. */
int control_listen(struct control *control, const char *text);
/* Only look whether `text` is well-formed.  -EINVAL: one sentence was logged. */
int control_check_listener(const char *text);
/* Send what is queued (bounded in time), close all, free. */
void control_free(struct control *control);

#endif
