/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Time-outs of flow entries (§5.5).  Only entries that have one are ever looked at:
 *   hard   a binary heap by deadline; nothing is done before the first is due
 *   idle   the data plane keeps no times, so counters are compared: each idle entry at least once a second, a slice of
 *          them every tick, one after the other in a circle
 * Work per tick is bounded (a millisecond or two), so that the loop goes on when a million entries end together; with
 * many entries ticks come more often instead.  An entry never ends early;
 * by counting from the look that saw the last packet, an idle one may end up to two seconds late.
 */
#ifndef SWITCH_TIMEOUT_H
#define SWITCH_TIMEOUT_H

#include <event2/event.h>
#include <stdint.h>
#include <sys/queue.h>
#include "user/util/slab.h"

struct sw;
struct sw_flow;

struct sw_timeout {
	struct sw_flow *flow;
	uint64_t created;		     /* of the entry, which has no room for it then */
	uint64_t deadline;		     /* clock_ns() at which the hard time-out is due */
	uint64_t packets;		     /* counter at the last look */
	uint64_t used;			     /* when a look last saw a new packet */
	uint32_t heap_at;		     /* place in the heap, SW_NOT_IN_HEAP: none */
	uint16_t idle_seconds, hard_seconds; /* as given; 0: none */
	TAILQ_ENTRY(sw_timeout) idle;	     /* if idle_seconds */
};
#define SW_NOT_IN_HEAP UINT32_MAX

struct sw_timeouts {
	struct event *tick;
	struct sw_timeout **heap;
	uint32_t n_heap, heap_size;
	TAILQ_HEAD(, sw_timeout) idle;
	struct sw_timeout *look; /* the idle one whose turn it is; NULL: the first's */
	uint32_t n_idle;
	struct slab slab; /* of struct sw_timeout */
};

int sw_timeouts_open(struct sw *sw);
void sw_timeouts_close(struct sw *sw); /* the slab stays */

/* Two steps, so that the second cannot fail: make one (NULL: out of memory), then let it run for the flow entry, which
 * has none. */
struct sw_timeout *sw_timeout_new(struct sw *sw, uint16_t idle_seconds, uint16_t hard_seconds);
void sw_timeout_drop(struct sw *sw, struct sw_timeout *timeout); /* one that was not started; NULL is fine */
void sw_timeout_start(struct sw *sw, struct sw_flow *flow, struct sw_timeout *timeout);
/* The entry will not end by itself any more, but still tells what its time-outs were. */
void sw_timeout_pause(struct sw *sw, struct sw_flow *flow);
/* It has no time-outs any more. */
void sw_timeout_stop(struct sw *sw, struct sw_flow *flow);
/* The entry's counters will be set to zero, which is no use of it. */
void sw_timeout_before_reset(struct sw *sw, struct sw_flow *flow);

#endif
