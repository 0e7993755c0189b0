/* SPDX-License-Identifier: GPL-2.0-only */
/* Without the microflow cache: packets fare as with it, and it is not tried again after a pause. */
#include "test/bpf/pipeline_cache.h"

static void test_forwards(void **state)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		struct ofx_cache_cpu before = account(), after;
		const struct ofx_counter flows = flow_count(1);

		one_table(ways[i], OPS(set_mac(7), OUTPUT(2)));
		changed();
		for (int n = 0; n < 3; n++) {
			send_frame(host[1], &plain);
			expect(2, to_mac(plain, 7));
		}
		expect_no_more();
		after = account();
		assert_int_equal(bypassed(&after) - bypassed(&before), 3);
		assert_int_equal(flow_count(1).packets - flows.packets, 3);
	}
}

static void test_stays_off(void **state)
{
	const uint32_t n = 2 * OFX_CACHE_PAUSE + 2;
	const struct ofx_counter before = flow_count(1);
	struct ofx_cache_cpu c;

	one_table(OFX_INST_SIMPLE, NO_OPS);
	changed();
	receive_here(&plain, n);
	c = account();
	assert_int_equal(c.mode, OFX_CACHE_OFF);
	assert_int_equal(bypassed(&c), n);
	assert_int_equal(hits(&c), 0);
	assert_int_equal(misses(&c), 0);
	assert_int_equal(c.mask, 0);
	assert_int_equal(flow_count(1).packets - before.packets, n);
}

/* Before any packet came. */
static void test_begins_off(void **state)
{
	for (uint32_t i = 0; i < cpus.n; i++)
		assert_int_equal(cpus.cpu[i].state->cache.mode, OFX_CACHE_OFF);
}

static int setup_without(void **state)
{
	cacheless = true;
	return setup_cache(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begins_off),
		cmocka_unit_test_setup(test_forwards, fresh_cache),
		cmocka_unit_test_setup(test_stays_off, fresh_cache),
	};

	return cmocka_run_group_tests(tests, setup_without, teardown);
}
