/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Time-outs of flow entries (§5.5).  Only entries that have one are ever looked at:
 *   hard   a binary heap by deadline; nothing is done before the first is due
 *   idle   the data plane keeps no times, so counters are compared: each idle entry at least once a second, a slice of
 *          them every TICK, the longest unseen first
 * Work per tick is bounded, so that the loop goes on when a million entries end together.  An entry never ends early;
 * by counting from the look that saw the last packet, an idle one may end up to two seconds late.
 */
#ifndef SWITCH_TIMEOUT_H
#define SWITCH_TIMEOUT_H

#include <event2/event.h>
#include <stdint.h>
#include <sys/queue.h>

struct sw;
struct sw_flow;

struct sw_timeout {
	struct sw_flow *flow;
	uint64_t deadline; /* sw_now() at which the hard time-out is due; 0: none */
	uint64_t packets;  /* counter at the last look */
	uint64_t used;	   /* when a look last saw a new packet */
	uint32_t heap_at;  /* place in the heap, SW_NOT_IN_HEAP: none */
	TAILQ_ENTRY(sw_timeout) idle;
};
#define SW_NOT_IN_HEAP UINT32_MAX

struct sw_timeouts {
	struct event *tick;
	struct sw_timeout **heap;
	uint32_t n_heap, heap_size;
	TAILQ_HEAD(, sw_timeout) idle;
	uint32_t n_idle;
};

int sw_timeouts_open(struct sw *sw);
void sw_timeouts_close(struct sw *sw);

/* Two steps, so that the second cannot fail: make one (NULL: out of memory), then let it run for the flow entry by its
 * idle_timeout and hard_timeout; one that runs already for the entry is stopped. */
struct sw_timeout *sw_timeout_new(struct sw *sw);
void sw_timeout_start(struct sw *sw, struct sw_flow *flow, struct sw_timeout *timeout);
void sw_timeout_stop(struct sw *sw, struct sw_flow *flow);
/* The entry's counters will be set to zero, which is no use of it. */
void sw_timeout_before_reset(struct sw *sw, struct sw_flow *flow);

#endif
