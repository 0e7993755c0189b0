/* SPDX-License-Identifier: GPL-2.0-only */
/* Timers that were reserved are added without memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdlib.h>
#include "user/util/timers.h"

#define N 1000

static bool no_memory; /* for libevent */

static void *take(size_t size)
{
	return no_memory ? NULL : malloc(size);
}

static void *take_again(void *p, size_t size)
{
	return no_memory ? NULL : realloc(p, size);
}

static void ignore(evutil_socket_t fd, short what, void *aux)
{
}

static int add(struct event_base *base, struct event *timers)
{
	static const struct timeval later = {.tv_sec = 1000};
	int n = 0;

	for (int i = 0; i < N; i++) {
		evtimer_assign(&timers[i], base, ignore, NULL);
		n += !evtimer_add(&timers[i], &later);
	}
	for (int i = 0; i < N; i++)
		event_del(&timers[i]);
	return n;
}

static void reserved_ones_are_added(void **state)
{
	static struct event timers[N];
	struct event_base *base = event_base_new();

	no_memory = true;
	assert_true(add(base, timers) < N); /* so it is by itself */
	assert_int_equal(timers_reserve(base, N), -ENOMEM);
	no_memory = false;
	assert_int_equal(timers_reserve(base, N), 0);
	no_memory = true;
	for (int i = 0; i < 3; i++)
		assert_int_equal(add(base, timers), N);
	no_memory = false;
	event_base_free(base);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(reserved_ones_are_added)};

	event_set_mem_functions(take, take_again, free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
