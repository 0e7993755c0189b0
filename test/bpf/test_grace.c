/* SPDX-License-Identifier: GPL-2.0-only */
/* What waits for a grace period: called in order, in small turns from the event loop, at once by a flush. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <time.h>
#include "user/datapath/internal.h"

#define N 200000
#define WORK_NS 500

static struct dp dp;
static uint32_t n_called;
static uint32_t again; /* callbacks that defer themselves once more */

static uint64_t thread_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void called(struct dp *dp, void *aux, uint32_t number)
{
	const uint64_t end = thread_ns() + WORK_NS;

	assert_int_equal(number, n_called);
	n_called++;
	while (thread_ns() < end)
		;
}

static void called_again(struct dp *dp, void *aux, uint32_t number)
{
	n_called++;
	if (again) {
		again--;
		grace_defer(dp, called_again, aux, 0);
	}
}

static int open_grace(void **state)
{
	dp.base = event_base_new();
	n_called = 0;
	return grace_open(&dp) || grace_reserve(&dp, N);
}

static int close_grace(void **state)
{
	grace_close(&dp);
	event_base_free(dp.base);
	return 0;
}

static void defer_all(void)
{
	for (uint32_t i = 0; i < N; i++)
		grace_defer(&dp, called, NULL, i);
}

static void test_turns(void **state)
{
	uint64_t longest = 0;
	uint32_t turns = 0;

	defer_all();
	while (n_called < N) {
		uint64_t start = thread_ns(), ns;

		event_base_loop(dp.base, EVLOOP_ONCE);
		ns = thread_ns() - start;
		longest = ns > longest ? ns : longest;
		turns++;
	}
	print_message("%u turns, the longest %.1f ms\n", turns, longest / 1e6);
	assert_true(turns >= 20);
	assert_true(longest < 10000000);
}

/* Also when the loop has begun. */
static void test_flush(void **state)
{
	defer_all();
	while (!n_called)
		event_base_loop(dp.base, EVLOOP_ONCE);
	grace_flush(&dp);
	assert_int_equal(n_called, N);
}

static void test_close_runs_all(void **state)
{
	again = 3;
	grace_defer(&dp, called_again, NULL, 0);
	close_grace(state);
	assert_int_equal(n_called, 4);
	open_grace(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_turns, open_grace, close_grace),
		cmocka_unit_test_setup_teardown(test_flush, open_grace, close_grace),
		cmocka_unit_test_setup_teardown(test_close_runs_all, open_grace, close_grace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
