/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Turns in the event loop.  libevent calls what is ready, one callback after the other, however many there are of a
 * kind.  A turn bounds a kind of work that has many members (connections, queues of packet-ins): all of them together
 * get some milliseconds, then whoever else is ready has his turn, then they go on where they were.  Among themselves
 * the members are served round robin, a slice each: who has more to do queues up again behind the others.
 *
 * It counts time, not callbacks: a member whose slice was long leaves less for the others in this round, and nobody
 * outside waits longer for it.
 */
#ifndef UTIL_TURN_H
#define UTIL_TURN_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/* Embedded in what is to be served.  Zero but for `run`. */
struct turn_member {
	/* One slice of work: bounded by the member itself.  It may call turn_later() again, and may free the member. */
	void (*run)(struct turn_member *member);
	TAILQ_ENTRY(turn_member) link;
	bool waiting;
};

struct turn {
	struct event next; /* everybody else had a turn */
	TAILQ_HEAD(turn_members, turn_member) waiting;
	uint64_t budget_ns; /* for all slices between two turns of the others; the last slice may pass it */
	uint64_t spent_ns;
};

void turn_open(struct turn *turn, struct event_base *base, unsigned int budget_us);
/* The members are not run any more; they stay the caller's. */
void turn_close(struct turn *turn);

/* Run the member: at once if there is time left and nobody waits, else when it is its turn. */
void turn_take(struct turn *turn, struct turn_member *member);
/* Not now, but after a round of the event loop. */
void turn_later(struct turn *turn, struct turn_member *member);
/* It does not wait any more; none that waits is fine. */
void turn_cancel(struct turn *turn, struct turn_member *member);

#endif
