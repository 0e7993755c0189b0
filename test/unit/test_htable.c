/* SPDX-License-Identifier: GPL-2.0-only */
/* The hash table that grows a bucket at a time: all are found, none twice, while it grows and shrinks in content. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include "user/util/htable.h"

#define N 100000

struct object {
	struct hlink link;
	uint32_t number;
	bool in;
};

static uint32_t hash_of(uint32_t number)
{
	return number / 3 * 2654435761u; /* three share each */
}

static struct object *find(const struct htable *t, uint32_t number)
{
	for (struct hlink *l = htable_first(t, hash_of(number)); l; l = htable_next(l))
		if (((struct object *)l)->number == number)
			return (struct object *)l;
	return NULL;
}

static void all_are_found(void **state)
{
	struct object *objects = calloc(N, sizeof(*objects));
	struct htable t = {0};
	uint32_t n = 0;

	srandom(1);
	for (uint32_t i = 0; i < 4 * N; i++) {
		struct object *o = &objects[random() % N];

		o->number = o - objects;
		assert_ptr_equal(find(&t, o->number), o->in ? o : NULL);
		if (o->in)
			htable_remove(&t, &o->link);
		else
			assert_true(htable_insert(&t, &o->link, hash_of(o->number)));
		o->in = !o->in;
		n += o->in ? 1 : -1;
		assert_int_equal(t.n, n);
		assert_true(t.n_buckets >= n);
	}
	for (uint32_t i = 0; i < N; i++)
		assert_ptr_equal(find(&t, i), objects[i].in ? &objects[i] : NULL);
	htable_free(&t);
	free(objects);
}

static void an_empty_one_has_nothing(void **state)
{
	struct htable t = {0};

	assert_null(htable_first(&t, 7));
	htable_free(&t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_one_has_nothing),
		cmocka_unit_test(all_are_found),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("htable", tests, NULL, NULL);
}
