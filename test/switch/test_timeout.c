/* SPDX-License-Identifier: GPL-2.0-only */
/* Idle and hard time-outs in real time, FLOW_REMOVED with final counters. */
#include "test/switch/rig.h"
#include "user/switch/switch.h"

static struct of_flow_mod timed(uint16_t priority, uint16_t idle, uint16_t hard)
{
	struct of_flow_mod fm = flow_mod(OFPFC_ADD);

	fm.priority = priority;
	fm.idle_timeout = idle;
	fm.hard_timeout = hard;
	fm.flags = OFPFF_SEND_FLOW_REM;
	fm.cookie = priority;
	return fm;
}

/* struct ofp_flow_removed behind its header */
static void expect_removed(struct rig *rig, uint16_t priority, uint8_t reason, uint32_t duration_s, uint64_t packets)
{
	struct reply r = rig_expect(rig, 0, OFPT_FLOW_REMOVED);

	assert_int_equal(rd64(r.body), priority); /* cookie */
	assert_int_equal(rd16(r.body + 8), priority);
	assert_int_equal(r.body[10], reason);
	assert_int_equal(r.body[11], 0);
	assert_int_equal(rd32(r.body + 12), duration_s);
	assert_int_equal(rd64(r.body + 24), packets);
}

static void hard(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = timed(7, 0, 1);

	rig_flow_mod(rig, 0, &fm);
	rig_run_ms(rig, 900);
	assert_int_equal(rig_count(rig), 1);
	fake_dp_find(rig->dp, 0, 7)->packets = 5; /* traffic does not help */
	rig_run_ms(rig, 350);
	assert_int_equal(rig_count(rig), 0);
	EXPECT_OK(); /* not before the counters are final */
	LIST_FIRST(&rig->dp->pending)->packets = 6;
	fake_dp_grace(rig->dp);
	expect_removed(rig, 7, OFPRR_HARD_TIMEOUT, 1, 6);
	assert_true(rig->conn[0].n_wake > 0);
}

static void idle(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = timed(7, 2, 0);

	rig_flow_mod(rig, 0, &fm);
	fm = timed(8, 2, 0);
	rig_flow_mod(rig, 0, &fm);
	for (int i = 0; i < 4; i++) { /* 4 s with packets for 8 only */
		rig_run_ms(rig, 1000);
		fake_dp_find(rig->dp, 0, 8)->packets++;
		if (i < 1)
			assert_int_equal(rig_count(rig), 2);
	}
	assert_int_equal(rig_count(rig), 1);
	assert_non_null(fake_dp_find(rig->dp, 0, 8));
	fake_dp_grace(rig->dp);
	assert_in_range(rig->dp->n_flows, 1, 1);
	{
		struct reply r = rig_expect(rig, 0, OFPT_FLOW_REMOVED);

		assert_int_equal(rd16(r.body + 8), 7);
		assert_int_equal(r.body[10], OFPRR_IDLE_TIMEOUT);
		assert_in_range(rd32(r.body + 12), 2, 3);
	}
}

static void a_reset_of_counters_is_no_use(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = timed(7, 2, 0);

	rig_flow_mod(rig, 0, &fm);
	fake_dp_find(rig->dp, 0, 7)->packets = 5;
	rig_run_ms(rig, 1500);
	fm = flow_mod(OFPFC_MODIFY);
	fm.flags = OFPFF_RESET_COUNTS;
	rig_flow_mod(rig, 0, &fm);
	assert_int_equal(fake_dp_find(rig->dp, 0, 7)->packets, 0);
	rig_run_ms(rig, 1300);
	assert_int_equal(rig_count(rig), 0);
}

static void replace_restarts_and_drops_timeouts(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = timed(7, 0, 1);

	rig_flow_mod(rig, 0, &fm);
	rig_run_ms(rig, 700);
	rig_flow_mod(rig, 0, &fm); /* again: another second */
	rig_run_ms(rig, 700);
	assert_int_equal(rig_count(rig), 1);
	fm.hard_timeout = 0;
	rig_flow_mod(rig, 0, &fm);
	rig_run_ms(rig, 600);
	assert_int_equal(rig_count(rig), 1);
	EXPECT_OK();
}

static void many_end_together_in_order(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm;

	for (int i = 0; i < 10000; i++) {
		fm = timed(i, i % 3 ? 0 : 100, 1 + i % 2 * 50);
		fm.flags = 0;
		rig_flow_mod(rig, 0, &fm);
	}
	for (int i = 1; i < 10000; i += 4) { /* deletes from the middle of the heap */
		fm = timed(i, 0, 0);
		fm.command = OFPFC_DELETE_STRICT;
		rig_flow_mod(rig, 0, &fm);
	}
	assert_int_equal(rig_count(rig), 7500);
	rig_run_ms(rig, 1500);
	assert_int_equal(rig_count(rig), 2500);
	fake_dp_grace(rig->dp);
	EXPECT_OK(); /* nobody asked for flow-removed */
}

static void delete_tells_the_reason(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = timed(7, 0, 50);

	rig_flow_mod(rig, 0, &fm);
	fm.flags = 0;
	fm.priority = 8;
	rig_flow_mod(rig, 0, &fm);
	fake_dp_find(rig->dp, 0, 7)->packets = 2;
	fm = flow_mod(OFPFC_DELETE);
	rig_flow_mod(rig, 0, &fm);
	fake_dp_grace(rig->dp);
	expect_removed(rig, 7, OFPRR_DELETE, 0, 2);
	EXPECT_OK();
}

static void the_switch_may_end_before_the_counters(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = timed(7, 5, 5);

	rig_flow_mod(rig, 0, &fm);
	fm.command = OFPFC_DELETE;
	rig_flow_mod(rig, 0, &fm);
	assert_false(LIST_EMPTY(&rig->dp->pending)); /* teardown frees the switch first */
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(hard),
		T(idle),
		T(a_reset_of_counters_is_no_use),
		T(replace_restarts_and_drops_timeouts),
		T(many_end_together_in_order),
		T(delete_tells_the_reason),
		T(the_switch_may_end_before_the_counters),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("timeout", tests, NULL, NULL);
}
