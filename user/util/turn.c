/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/util/turn.h"

#include <event2/event.h>
#include "user/util/clock.h"

/* A timer, not an activation: libevent empties its queue of active events before it looks for others. */
static void arm(struct turn *t)
{
	static const struct timeval at_once = {0};

	if (!event_pending(&t->next, EV_TIMEOUT, NULL))
		event_add(&t->next, &at_once);
}

static void run(struct turn *t, struct turn_member *m)
{
	uint64_t begin = clock_ns();

	m->run(m);
	t->spent_ns += clock_ns() - begin;
}

static void on_next(evutil_socket_t fd, short what, void *aux)
{
	struct turn *t = aux;
	struct turn_member *m;

	t->spent_ns = 0;
	while (t->spent_ns < t->budget_ns && (m = TAILQ_FIRST(&t->waiting))) {
		turn_cancel(t, m);
		run(t, m);
	}
	if (!TAILQ_EMPTY(&t->waiting))
		arm(t);
}

void turn_open(struct turn *t, struct event_base *base, unsigned int budget_us)
{
	*t = (struct turn){.budget_ns = budget_us * 1000ull};
	TAILQ_INIT(&t->waiting);
	evtimer_assign(&t->next, base, on_next, t);
}

void turn_close(struct turn *t)
{
	event_del(&t->next);
}

void turn_take(struct turn *t, struct turn_member *m)
{
	if (m->waiting)
		return;
	if (t->spent_ns < t->budget_ns && TAILQ_EMPTY(&t->waiting))
		run(t, m);
	else
		turn_later(t, m);
}

void turn_later(struct turn *t, struct turn_member *m)
{
	if (m->waiting)
		return;
	m->waiting = true;
	TAILQ_INSERT_TAIL(&t->waiting, m, link);
	arm(t);
}

void turn_cancel(struct turn *t, struct turn_member *m)
{
	if (!m->waiting)
		return;
	m->waiting = false;
	TAILQ_REMOVE(&t->waiting, m, link);
}
