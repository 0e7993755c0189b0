/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>
#include "user/switch/internal.h"
#include "user/util/log.h"

#define TICK_MS 100
#define SHORTEST_MS 1000 /* time-outs are whole seconds */
#define SLICES 8	 /* ticks in which all idle entries are looked at: 0.8 s */
#define MAX_ENDED 4096	 /* entries removed in one tick */

/* --- heap of deadlines --- */

static void heap_put(struct sw_timeouts *t, uint32_t at, struct sw_timeout *timeout)
{
	t->heap[at] = timeout;
	timeout->heap_at = at;
}

static void heap_up(struct sw_timeouts *t, uint32_t at, struct sw_timeout *timeout)
{
	for (; at && t->heap[(at - 1) / 2]->deadline > timeout->deadline; at = (at - 1) / 2)
		heap_put(t, at, t->heap[(at - 1) / 2]);
	heap_put(t, at, timeout);
}

static void heap_down(struct sw_timeouts *t, uint32_t at, struct sw_timeout *timeout)
{
	for (uint32_t child; (child = 2 * at + 1) < t->n_heap; at = child) {
		if (child + 1 < t->n_heap && t->heap[child + 1]->deadline < t->heap[child]->deadline)
			child++;
		if (t->heap[child]->deadline >= timeout->deadline)
			break;
		heap_put(t, at, t->heap[child]);
	}
	heap_put(t, at, timeout);
}

static void heap_remove(struct sw_timeouts *t, struct sw_timeout *timeout)
{
	uint32_t at = timeout->heap_at;
	struct sw_timeout *last = t->heap[--t->n_heap];

	timeout->heap_at = SW_NOT_IN_HEAP;
	if (last == timeout)
		return;
	if (at && t->heap[(at - 1) / 2]->deadline > last->deadline)
		heap_up(t, at, last);
	else
		heap_down(t, at, last);
}

static int heap_reserve(struct sw_timeouts *t)
{
	uint32_t size = t->heap_size ? 2 * t->heap_size : 64;
	struct sw_timeout **heap;

	if (t->n_heap < t->heap_size)
		return 0;
	heap = reallocarray(t->heap, size, sizeof(*heap));
	if (!heap)
		return -ENOMEM;
	t->heap = heap;
	t->heap_size = size;
	return 0;
}

/* --- start and stop --- */

/*
 * Wake up when there is something to do: a slice of idle entries each TICK_MS, the first deadline.  Never later than
 * the shortest time-out there is, a second, so that an entry started meanwhile does not need the timer set anew.
 */
static void arm(struct sw_timeouts *t)
{
	uint64_t now = sw_now(), ms = t->n_idle ? TICK_MS : SHORTEST_MS, due = 0;
	struct timeval tv;

	if (!t->n_heap && !t->n_idle)
		return;
	if (t->n_heap && t->heap[0]->deadline > now)
		due = (t->heap[0]->deadline - now) / 1000000 + 1;
	if (t->n_heap && due < ms)
		ms = due;
	tv = (struct timeval){ms / 1000, ms % 1000 * 1000};
	event_add(t->tick, &tv);
}

struct sw_timeout *sw_timeout_new(struct sw *sw)
{
	return heap_reserve(&sw->timeouts) ? NULL : calloc(1, sizeof(struct sw_timeout));
}

static uint64_t flow_packets(struct sw *sw, const struct sw_flow *flow)
{
	uint64_t packets, bytes;

	dp_flow_counters(sw->dp, flow->dp, &packets, &bytes);
	return packets;
}

void sw_timeout_start(struct sw *sw, struct sw_flow *flow, struct sw_timeout *timeout)
{
	struct sw_timeouts *t = &sw->timeouts;
	uint64_t now = sw_now();

	sw_timeout_stop(sw, flow);
	flow->timeout = timeout;
	*timeout = (struct sw_timeout){.flow = flow, .used = now, .heap_at = SW_NOT_IN_HEAP};
	if (flow->hard_timeout) {
		timeout->deadline = now + flow->hard_timeout * SW_SECOND;
		heap_up(t, t->n_heap++, timeout);
	}
	if (flow->idle_timeout) {
		timeout->packets = flow_packets(sw, flow);
		TAILQ_INSERT_TAIL(&t->idle, timeout, idle);
		t->n_idle++;
	}
	if (!event_pending(t->tick, EV_TIMEOUT, NULL))
		arm(t);
}

void sw_timeout_stop(struct sw *sw, struct sw_flow *flow)
{
	struct sw_timeouts *t = &sw->timeouts;
	struct sw_timeout *timeout = flow->timeout;

	if (!timeout)
		return;
	flow->timeout = NULL;
	if (timeout->heap_at != SW_NOT_IN_HEAP)
		heap_remove(t, timeout);
	if (flow->idle_timeout) {
		TAILQ_REMOVE(&t->idle, timeout, idle);
		t->n_idle--;
	}
	free(timeout);
}

/* --- the tick --- */

/* Remove what is due by its deadline; what is too much for one tick is due at once again. */
static void end_hard(struct sw *sw, uint64_t now)
{
	struct sw_timeouts *t = &sw->timeouts;
	struct sw_flow_list due _flow_list_ = {0};
	int err;

	while (t->n_heap && t->heap[0]->deadline <= now && due.n < MAX_ENDED) {
		sw_flow_list_add(t->heap[0]->flow, &due);
		heap_remove(t, t->heap[0]);
	}
	err = sw_flows_remove(sw, &due, OFPRR_HARD_TIMEOUT);
	if (!err)
		return;
	log_warn("flow entries past their hard time-out could not be removed (error %d), tried again in a second", err);
	for (size_t i = 0; i < due.n; i++) {
		due.v[i]->timeout->deadline = now + SW_SECOND;
		heap_up(t, t->n_heap++, due.v[i]->timeout);
	}
}

/* Look at one entry: has it been idle for too long? */
static bool is_idle(struct sw *sw, struct sw_timeout *timeout, uint64_t now)
{
	uint64_t packets = flow_packets(sw, timeout->flow);

	if (packets != timeout->packets) {
		timeout->packets = packets;
		timeout->used = now;
	}
	return now - timeout->used >= timeout->flow->idle_timeout * SW_SECOND;
}

void sw_timeout_before_reset(struct sw *sw, struct sw_flow *flow)
{
	if (!flow->timeout || !flow->idle_timeout)
		return;
	is_idle(sw, flow->timeout, sw_now()); /* for the packets since the last look */
	flow->timeout->packets = 0;
}

static void end_idle(struct sw *sw, uint64_t now)
{
	struct sw_timeouts *t = &sw->timeouts;
	struct sw_flow_list due _flow_list_ = {0};

	for (uint32_t left = (t->n_idle + SLICES - 1) / SLICES; left && due.n < MAX_ENDED; left--) {
		struct sw_timeout *timeout = TAILQ_FIRST(&t->idle);

		TAILQ_REMOVE(&t->idle, timeout, idle);
		TAILQ_INSERT_TAIL(&t->idle, timeout, idle);
		if (is_idle(sw, timeout, now))
			sw_flow_list_add(timeout->flow, &due);
	}
	if (due.n && sw_flows_remove(sw, &due, OFPRR_IDLE_TIMEOUT))
		log_warn("%zu idle flow entries could not be removed, tried again in a second", due.n);
}

static void tick(evutil_socket_t fd, short what, void *aux)
{
	struct sw *sw = aux;
	uint64_t now = sw_now();

	end_hard(sw, now);
	end_idle(sw, now);
	arm(&sw->timeouts);
}

int sw_timeouts_open(struct sw *sw)
{
	TAILQ_INIT(&sw->timeouts.idle);
	sw->timeouts.tick = evtimer_new(sw->base, tick, sw);
	return sw->timeouts.tick ? 0 : -ENOMEM;
}

void sw_timeouts_close(struct sw *sw)
{
	event_free(sw->timeouts.tick);
	free(sw->timeouts.heap);
}
