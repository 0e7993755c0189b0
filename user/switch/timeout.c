/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>
#include "user/switch/internal.h"
#include "user/switch/job.h"
#include "user/util/clock.h"
#include "user/util/memory.h"

#define TICK_MS 100
#define SHORTEST_MS 1000 /* time-outs are whole seconds */
#define SLICES 8	 /* ticks in which all idle entries are looked at: 0.8 s … */
#define MAX_LOOKS 4096	 /* … as long as a tick takes no more than so many */
#define MAX_ENDED 512	 /* entries removed in one tick */
#define CLOCK_LOOKS 64	 /* entries from one look at the clock to the next */

/* What a tick may take, whatever entries cost (with many CPUs a counter has many parts). */
struct budget {
	uint64_t end; /* clock_ns() */
	uint32_t n;   /* entries done */
};

static bool in_time(struct budget *b)
{
	return ++b->n % CLOCK_LOOKS || clock_ns() < b->end;
}

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
	heap = memory_may_grow(size * sizeof(*heap)) ? reallocarray(t->heap, size, sizeof(*heap)) : NULL;
	if (!heap)
		return -ENOMEM;
	t->heap = heap;
	t->heap_size = size;
	return 0;
}

/* --- start and stop --- */

/* Until the next slice of idle entries. */
static uint64_t slice_ms(const struct sw_timeouts *t)
{
	if (t->n_idle <= SLICES * MAX_LOOKS)
		return TICK_MS;
	return (uint64_t)SLICES * TICK_MS * MAX_LOOKS / t->n_idle;
}

/*
 * Wake up when there is something to do: a slice of idle entries, the first deadline.  Never later than
 * the shortest time-out there is, a second, so that an entry started meanwhile does not need the timer set anew.
 */
static void arm(struct sw_timeouts *t, bool at_once)
{
	uint64_t now = clock_ns(), ms = at_once ? 0 : t->n_idle ? slice_ms(t) : SHORTEST_MS, due = 0;
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

struct sw_timeout *sw_timeout_new(struct sw *sw, uint16_t idle_seconds, uint16_t hard_seconds)
{
	struct sw_timeout *timeout = heap_reserve(&sw->timeouts) ? NULL : slab_take(&sw->timeouts.slab);

	if (timeout)
		*timeout = (struct sw_timeout){
			.idle_seconds = idle_seconds, .hard_seconds = hard_seconds, .heap_at = SW_NOT_IN_HEAP};
	return timeout;
}

void sw_timeout_drop(struct sw *sw, struct sw_timeout *timeout)
{
	if (timeout)
		slab_give(&sw->timeouts.slab, timeout);
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
	uint64_t now = clock_ns();

	timeout->flow = flow;
	timeout->created = flow->created;
	timeout->used = now;
	flow->timeout = timeout;
	flow->timed = true;
	if (timeout->hard_seconds) {
		timeout->deadline = now + timeout->hard_seconds * SW_SECOND;
		heap_up(t, t->n_heap++, timeout);
	}
	if (timeout->idle_seconds) {
		timeout->packets = flow_packets(sw, flow);
		TAILQ_INSERT_TAIL(&t->idle, timeout, idle);
		t->n_idle++;
	}
	if (!event_pending(t->tick, EV_TIMEOUT, NULL))
		arm(t, false);
}

void sw_timeout_pause(struct sw *sw, struct sw_flow *flow)
{
	struct sw_timeouts *t = &sw->timeouts;
	struct sw_timeout *timeout = flow->timed ? flow->timeout : NULL;

	if (!timeout || !timeout->flow)
		return;
	timeout->flow = NULL;
	if (timeout->heap_at != SW_NOT_IN_HEAP)
		heap_remove(t, timeout);
	if (timeout->idle_seconds) {
		if (t->look == timeout)
			t->look = TAILQ_NEXT(timeout, idle);
		TAILQ_REMOVE(&t->idle, timeout, idle);
		t->n_idle--;
	}
}

void sw_timeout_stop(struct sw *sw, struct sw_flow *flow)
{
	struct sw_timeout *timeout = flow->timeout;

	if (!flow->timed)
		return;
	sw_timeout_pause(sw, flow);
	flow->created = timeout->created;
	flow->timed = false;
	slab_give(&sw->timeouts.slab, timeout);
}

/* --- the tick --- */

/* Remove what is due by its deadline; what is too much for one tick is due at once again. */
static void end_hard(struct sw *sw, uint64_t now, struct budget *budget)
{
	const struct sw_timeouts *t = &sw->timeouts;

	for (int n = 0; t->n_heap && t->heap[0]->deadline <= now && n < MAX_ENDED && in_time(budget); n++)
		sw_flow_remove(sw, t->heap[0]->flow, OFPRR_HARD_TIMEOUT);
}

/* Look at one entry: has it been idle for too long? */
static bool is_idle(struct sw *sw, struct sw_timeout *timeout, uint64_t now)
{
	uint64_t packets = flow_packets(sw, timeout->flow);

	if (packets != timeout->packets) {
		timeout->packets = packets;
		timeout->used = now;
	}
	return now - timeout->used >= timeout->idle_seconds * SW_SECOND;
}

void sw_timeout_before_reset(struct sw *sw, struct sw_flow *flow)
{
	if (!sw_flow_idle(flow))
		return;
	is_idle(sw, flow->timeout, clock_ns()); /* for the packets since the last look */
	flow->timeout->packets = 0;
}

/* True: some that are due may be left. */
static bool end_idle(struct sw *sw, uint64_t now, struct budget *budget)
{
	struct sw_timeouts *t = &sw->timeouts;
	uint32_t left = (t->n_idle + SLICES - 1) / SLICES, ended = 0;

	for (left = left < MAX_LOOKS ? left : MAX_LOOKS; left && ended < MAX_ENDED && in_time(budget); left--) {
		struct sw_timeout *timeout = t->look ? t->look : TAILQ_FIRST(&t->idle);

		t->look = TAILQ_NEXT(timeout, idle);
		if (!is_idle(sw, timeout, now))
			continue;
		sw_flow_remove(sw, timeout->flow, OFPRR_IDLE_TIMEOUT);
		ended++;
	}
	return left;
}

static void tick(evutil_socket_t fd, short what, void *aux)
{
	struct sw *sw = aux;
	uint64_t now = clock_ns();
	struct budget budget = {.end = now + SW_JOB_STEP_NS};
	bool more;

	end_hard(sw, now, &budget);
	more = end_idle(sw, now, &budget);
	sw_publish(sw);
	arm(&sw->timeouts, more);
}

int sw_timeouts_open(struct sw *sw)
{
	TAILQ_INIT(&sw->timeouts.idle);
	sw->timeouts.slab = slab_of(sizeof(struct sw_timeout));
	sw->timeouts.tick = evtimer_new(sw->base, tick, sw);
	return sw->timeouts.tick ? 0 : -ENOMEM;
}

void sw_timeouts_close(struct sw *sw)
{
	event_free(sw->timeouts.tick);
	free(sw->timeouts.heap);
}
