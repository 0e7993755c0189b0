/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who may be connected to a listener at one time.  A seat is taken with the HELLO that finishes the handshake; before
 * that a connection stands in a smaller and short-lived queue, where the oldest gives way when another one comes.  So
 * silent connections keep nobody out.
 *
 * Nor does one peer: when there is no place, the peer that has most of them loses one to a peer that has at least two
 * less.  A peer is an IPv4 address, an IPv6 /64, or, on a Unix socket, a process.
 */
#ifndef CONTROL_SEAT_H
#define CONTROL_SEAT_H

#include "user/control/session.h"

#define SEATS 128     /* of a listener */
#define SEATS_WAIT 32 /* handshakes under way */

TAILQ_HEAD(seat_list, session);

struct seats {
	struct seat_list waiting, seated; /* the one that has been there longest first */
	unsigned int n_waiting, n_seated;
};

void seats_open(struct seats *seats);
/* One that waits gives way.  False: none waits. */
bool seats_make_room(struct seats *seats);
/* A new connection waits; if there are too many, one gives way. */
void seats_arrive(struct seats *seats, struct session *session);
/* It takes its seat, one of n.  False: there is none for it. */
bool seats_take(struct seats *seats, struct session *session, unsigned int n);
void seats_leave(struct seats *seats, struct session *session);

#endif
