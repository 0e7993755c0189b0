/* SPDX-License-Identifier: GPL-2.0-only */
/* What is remembered of ports: numbers that others own; names that never come back do not fill it for good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "include/ofxdp/limits.h"
#include "user/datapath/port_memory.h"
#include "user/util/cleanup.h"

static char folder[64];

static int open_memory(void **state)
{
	char path[80];
	int memory;

	snprintf(folder, sizeof(folder), "/sys/fs/bpf/ofxdp-memory-%d", getpid());
	assert_int_equal(mkdir(folder, 0700), 0);
	memory = memory_open(folder, 0, true);
	assert_true(memory >= 0);
	snprintf(path, sizeof(path), "%s/memory", folder);
	unlink(path);
	rmdir(folder);
	*state = (void *)(intptr_t)memory;
	return 0;
}

static int close_memory(void **state)
{
	return close((int)(intptr_t)*state);
}

static int put(int memory, const char *name, uint32_t port_no, bool attached)
{
	return memory_put(memory, name, &(struct port_memory){.port_no = port_no, .attached = attached});
}

static void numbers_of_others(void **state)
{
	int memory = (int)(intptr_t)*state;
	bool taken[OFX_PORTS];

	put(memory, "a", 1, true);
	put(memory, "b", 2, false);
	put(memory, "c", 2, true);
	put(memory, "d", 1023, false);
	put(memory, "wild", 70000, false);
	memory_numbers(memory, "a", taken);
	for (uint32_t i = 0; i < OFX_PORTS; i++)
		assert_int_equal(taken[i], i == 2 || i == 1023);
	memory_rename(memory, "d", "e");
	memory_numbers(memory, "e", taken);
	assert_true(taken[1] && taken[2] && !taken[1023]);
}

static void all_of_it(void **state)
{
	int memory = (int)(intptr_t)*state;
	_free_ struct memory_entry *list = NULL;
	uint32_t sum = 0;
	size_t n;

	assert_int_equal(memory_list(memory, &list, &n), 0);
	assert_int_equal(n, 0);
	free(list);
	for (uint32_t i = 1; i <= 1000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "port%u", i);
		put(memory, name, i, false);
	}
	assert_int_equal(memory_list(memory, &list, &n), 0);
	assert_int_equal(n, 1000);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(atoi(list[i].name + 4), list[i].m.port_no);
		sum += list[i].m.port_no;
	}
	assert_int_equal(sum, 1000 * 1001 / 2);
}

/* Containers' interfaces, deleted while they were ports: each is called attached for ever.  One that is there stays. */
static void names_that_never_come_back(void **state)
{
	int memory = (int)(intptr_t)*state;
	struct port_memory m;

	assert_int_equal(put(memory, "lo", 7, true), 0);
	for (uint32_t i = 0; i < 3 * 4 * OFX_PORTS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "veth%x", i);
		assert_int_equal(put(memory, name, 1 + i % 1000, true), 0);
		assert_true(memory_get(memory, name, &m));
	}
	assert_true(memory_get(memory, "lo", &m));
	assert_int_equal(m.port_no, 7);
}

#define T(f) cmocka_unit_test_setup_teardown(f, open_memory, close_memory)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(numbers_of_others),
		T(all_of_it),
		T(names_that_never_come_back),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("port_memory", tests, NULL, NULL);
}
