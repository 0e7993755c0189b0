/* SPDX-License-Identifier: GPL-2.0-only */
/* Lists of CPU numbers, as the kernel writes them (user/datapath/cpu.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "user/datapath/cpu.h"

#define N 10

static void expect(const char *list, const char *want)
{
	bool set[N];

	assert_true(cpus_parse(list, set, N));
	for (int i = 0; i < N; i++)
		assert_int_equal(set[i], want[i] == '1');
}

static void test_lists(void **state)
{
	expect("0\n", "1000000000");
	expect("0-1\n", "1100000000");
	expect("0-1", "1100000000");
	expect("0,2-4,9\n", "1011100001");
	expect("1-3,5,7-8\n", "0111010110");
	expect("0-9", "1111111111");
}

/* Numbers that there cannot be. */
static void test_beyond(void **state)
{
	expect("8-300\n", "0000000011");
	expect("10\n", "0000000000");
	expect("3,99999999999999999999\n", "0001000000");
}

static void test_no_list(void **state)
{
	static const char *const lists[] = {"",	    "\n",    "all\n", " 1\n",	"-1\n",
					    "1-\n", "3-2\n", "1,\n",  "1,,2\n", "1;2\n"};
	bool set[N];

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		assert_false(cpus_parse(lists[i], set, N));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_beyond),
		cmocka_unit_test(test_no_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
