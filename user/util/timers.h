/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Room for timers.  event_add() may fail for want of memory, and a timer that is not set is work that never comes; but
 * libevent keeps the room that it once had.
 */
#ifndef UTIL_TIMERS_H
#define UTIL_TIMERS_H

#include <event2/event.h>
#include <stddef.h>

/* So many can be pending at a time, and to add one does not fail.  -ENOMEM. */
int timers_reserve(struct event_base *base, size_t n);

#endif
