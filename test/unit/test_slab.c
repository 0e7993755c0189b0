/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory of many objects: used again, and given back a little at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "test/unit/fail_alloc.h"
#include "user/util/slab.h"

#define SIZE 64
#define N 10000 /* ten chunks */

static void take_all(struct slab *slab, void *objects[N])
{
	for (int i = 0; i < N; i++) {
		objects[i] = slab_take(slab);
		assert_non_null(objects[i]);
		memset(objects[i], i, SIZE);
	}
}

static void give_all(struct slab *slab, void *objects[N])
{
	for (int i = 0; i < N; i++)
		slab_give(slab, objects[i * 7 % N]); /* 7 and N have no common divisor: each once */
}

static void objects_are_distinct(void **state)
{
	struct slab slab = slab_of(SIZE);
	void *objects[N];

	take_all(&slab, objects);
	for (int i = 0; i < N; i++)
		assert_int_equal(*((uint8_t *)objects[i] + SIZE - 1), i & 0xff);
	slab_close(&slab);
}

/* The last object's end frees nothing at once; trimming does, so many chunks at a time. */
static void memory_goes_in_steps(void **state)
{
	struct slab slab = slab_of(SIZE);
	void *objects[N];
	int steps = 0;

	take_all(&slab, objects);
	assert_false(slab_is_idle(&slab));
	give_all(&slab, objects);
	for (; slab_is_idle(&slab); steps++)
		slab_trim(&slab, 2);
	assert_int_equal(steps, 5);
	take_all(&slab, objects);
	slab_close(&slab);
}

/* Reserved objects can be used again and again, whatever is trimmed in between. */
static void reserved_places_stay(void **state)
{
	struct slab slab = slab_of(SIZE);
	void *objects[N];

	assert_true(slab_reserve(&slab, N));
	for (int round = 0; round < 3; round++) {
		const size_t chunks = slab.n_chunks;

		fail_at = 1;
		take_all(&slab, objects);
		assert_int_equal(fail_at, 1); /* nothing was allocated */
		fail_at = 0;
		give_all(&slab, objects);
		while (slab_is_idle(&slab))
			slab_trim(&slab, 3);
		assert_int_equal(slab.n_chunks, chunks);
	}
	fail_at = 2;
	assert_false(slab_reserve(&slab, 2 * N));
	fail_at = 1;
	take_all(&slab, objects);
	fail_at = 0;
	slab_reserve(&slab, 0);
	give_all(&slab, objects);
	while (slab_is_idle(&slab))
		slab_trim(&slab, 3);
	assert_int_equal(slab.n_chunks, 1); /* the one that was made by the attempt, and has no memory */
	slab_close(&slab);
}

/* What is idle is used before new memory, and what is used is not trimmed. */
static void idle_memory_is_used_first(void **state)
{
	struct slab slab = slab_of(SIZE);
	void *objects[N];

	take_all(&slab, objects);
	give_all(&slab, objects);
	take_all(&slab, objects);
	assert_false(slab_is_idle(&slab));
	slab_trim(&slab, N);
	for (int i = 0; i < N; i++)
		assert_int_equal(*(uint8_t *)objects[i], i & 0xff);
	give_all(&slab, objects);
	assert_true(slab_is_idle(&slab));
	slab_close(&slab);
	assert_false(slab_is_idle(&slab));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_are_distinct),
		cmocka_unit_test(memory_goes_in_steps),
		cmocka_unit_test(reserved_places_stay),
		cmocka_unit_test(idle_memory_is_used_first),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
