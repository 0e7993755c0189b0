/* SPDX-License-Identifier: GPL-2.0-only */
/* The microflow cache with many flows: when it takes all entries, when it is off, what the entries share. */
#include "test/bpf/pipeline_cache.h"

/* --- switching itself off --- */

static uint32_t n_new; /* flows there have been */

static struct frame from_ip(uint32_t last)
{
	struct frame f = plain;

	memcpy(f.b + 26, &(uint32_t){htonl(0x0b000000 + last)}, 4);
	return f;
}

/* The rest of the window, so many in a hundred of it new flows; the next packet, of a known one, looks at the mode. */
static enum ofx_cache_mode rest_of_window(uint32_t percent)
{
	uint32_t left = account().left;

	for (uint32_t i = 0; i < left; i++) {
		struct frame f = i * percent / 100 != (i + 1) * percent / 100 ? from_ip(++n_new) : plain;

		receive_here(&f, 1);
	}
	receive_here(&plain, 1);
	return account().mode;
}

/* From the first packet on, with too many flows for the near entries: all of them are filled. */
static void take_all(void)
{
	receive_here(&plain, 1);
	assert_int_equal(account().mode, OFX_CACHE_WARM);
	assert_int_equal(account().mask, OFX_CACHE_NEAR - 1);
	assert_int_equal(rest_of_window(0), OFX_CACHE_TRY);
	assert_int_equal(rest_of_window(100), OFX_CACHE_WARM);
	assert_int_equal(account().mask, OFXDP_CACHED - 1);
}

/* Off for so long → filled → measured. */
static void pass_pause(uint32_t length, uint32_t percent)
{
	struct ofx_cache_cpu before = account();

	assert_int_equal(before.mode, OFX_CACHE_OFF);
	receive_here(&plain, before.left);
	assert_int_equal(account().mode, OFX_CACHE_OFF);
	receive_here(&plain, 1);
	assert_int_equal(account().mode, OFX_CACHE_WARM);
	assert_int_equal(account().bypassed - before.bypassed, length);
	assert_int_equal(rest_of_window(percent), OFX_CACHE_WARM);
	assert_int_equal(account().window, OFXDP_CACHED);
	assert_int_equal(rest_of_window(percent), OFX_CACHE_TRY);
}

/* … → new flows only: off again, at once. */
static void pass_pause_in_vain(uint32_t length)
{
	receive_here(&plain, length + 1);
	assert_int_equal(account().mode, OFX_CACHE_WARM);
	assert_int_equal(account().window, OFX_CACHE_TASTE);
	assert_int_equal(rest_of_window(100), OFX_CACHE_OFF);
}

static void test_modes(void **state)
{
	one_table(OFX_INST_SIMPLE, NO_OPS);
	changed();
	take_all();
	assert_int_equal(rest_of_window(100), OFX_CACHE_TRY);
	assert_int_equal(rest_of_window(100), OFX_CACHE_OFF);
	pass_pause(OFX_CACHE_PAUSE, 0);
	assert_int_equal(rest_of_window(0), OFX_CACHE_ON);
	/* more than turns it on, less than turns it off: it stays as it is */
	assert_int_equal(rest_of_window(56), OFX_CACHE_ON);
	assert_int_equal(rest_of_window(100), OFX_CACHE_OFF);
	pass_pause(OFX_CACHE_PAUSE, 56);
	assert_int_equal(rest_of_window(56), OFX_CACHE_OFF);
	pass_pause(2 * OFX_CACHE_PAUSE, 0);
	assert_int_equal(rest_of_window(0), OFX_CACHE_ON);
	assert_int_equal(rest_of_window(100), OFX_CACHE_OFF);
	pass_pause_in_vain(OFX_CACHE_PAUSE);
	pass_pause(2 * OFX_CACHE_PAUSE, 0);
	assert_int_equal(rest_of_window(0), OFX_CACHE_ON);
}

/* More flows than there is room for the rest of their entries: none gets what is another's. */
static void test_many_flows(void **state)
{
	const uint8_t word = OFX_W_ADDR;
	const uint64_t mask = htonl(1), value[2] = {0, htonl(1)};
	struct ofx_list_entry by_src = {.subtable = 7, .max_priority = 5};
	struct ofx_counter before[2];
	struct ofx_cache_cpu c, end;
	const uint32_t n = 12000;

	subtable(7, 1, &word, &mask);
	for (uint32_t i = 0; i < 2; i++) {
		flow(1 + i, 0, OFX_NO_TABLE, OFX_INST_SIMPLE, OPS(set_mac(7 + i), OUTPUT(2)), NO_OPS);
		rule(7, &value[i], 1 + i, 5);
	}
	list(0, 1, &by_src);
	changed();
	take_all();
	for (int i = 0; i < 2; i++)
		before[i] = flow_count(1 + i);
	c = account();
	for (uint32_t i = 0; i < 3 * n; i++) {
		struct frame f = from_ip(i % n), want = to_mac(f, 7 + i % 2), got = receive_here(&f, 1);

		assert_int_equal(got.len, want.len);
		assert_memory_equal(got.b, want.b, want.len);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(flow_count(1 + i).packets - before[i].packets, 3 * n / 2);
	end = account();
	assert_int_equal(hits(&end) + misses(&end) + bypassed(&end), hits(&c) + misses(&c) + bypassed(&c) + 3 * n);
	assert_in_range(hits(&end) - hits(&c), 1, 2 * OFX_CACHE_NEAR); /* not in the first round; owners only */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_modes, fresh_cache),
		cmocka_unit_test_setup(test_modes, fresh_l3),
		cmocka_unit_test_setup(test_many_flows, fresh_cache),
		cmocka_unit_test_setup(test_many_flows, fresh_l3),
	};

	return cmocka_run_group_tests(tests, setup_cache, teardown);
}
