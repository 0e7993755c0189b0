/* SPDX-License-Identifier: GPL-2.0-only */
/* Tables of user/util/hash.h when memory is out: an addition is refused, and what is there stays and is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdint.h>
#include "test/unit/fail_alloc.h"
#include "user/util/hash.h"

#define N 1000 /* elements: the table doubles several times */

struct element {
	uint32_t id;
	UT_hash_handle hh;
};

static struct element *find(struct element *table, uint32_t id)
{
	struct element *e;

	HASH_FIND(hh, table, &id, sizeof(id), e);
	return e;
}

/* It has these from `first` on, and no other. */
static void expect(struct element *table, uint32_t first, uint32_t n)
{
	assert_int_equal(HASH_COUNT(table), n);
	for (uint32_t i = 0; i < first + n + 10; i++)
		assert_int_equal(!!find(table, i), i >= first && i < first + n);
}

static bool add(struct element **table, struct element *e, bool by_key)
{
	return by_key ? hash_add_key(*table, &e->id, sizeof(e->id), e) : hash_add(*table, id, e);
}

static void every_addition_fails_first(bool by_key)
{
	static struct element all[N];
	struct element *table = NULL;
	unsigned int n_failed = 0;

	for (uint32_t i = 0; i < N; i++) {
		bool added = false;

		all[i] = (struct element){.id = i};
		for (unsigned int at = 1; !added; at++) {
			fail_at = at;
			added = add(&table, &all[i], by_key);
			fail_at = 0;
			n_failed += !added;
			if (i < 4 || !added)
				expect(table, 0, i + added);
		}
	}
	assert_in_range(n_failed, 2 + 3, N); /* of the table itself, and of its doublings */
	expect(table, 0, N);
	for (uint32_t i = 0; i < N; i++) {
		HASH_DEL(table, &all[i]);
		if (i % 100 == 0)
			expect(table, i + 1, N - i - 1);
	}
	assert_null(table);
}

static void by_member(void **state)
{
	every_addition_fails_first(false);
}

static void by_key(void **state)
{
	every_addition_fails_first(true);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_member),
		cmocka_unit_test(by_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
