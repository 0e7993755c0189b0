/* SPDX-License-Identifier: GPL-2.0-only */
/* FLOW_MOD by OpenFlow 1.3.5 §6.4: add, overlap, replace, modify, delete, filters. */
#include "test/switch/rig.h"

static const struct of_instructions to_port_1 = APPLY(OUTPUT(1)), to_port_2 = APPLY(OUTPUT(2));

static struct of_flow_mod to_1(uint32_t addr, uint32_t mask)
{
	struct of_flow_mod fm = route(addr, mask);

	fm.inst = to_port_1;
	return fm;
}

static void add_reaches_the_datapath(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = to_1(0x0a000000, 0xff000000);
	struct of_flow_stats_request all = flow_request();
	struct flow_entry e;
	struct dp_flow *flow;

	fm.cookie = 0x1122334455667788;
	fm.table = 7;
	fm.idle_timeout = 300;
	fm.hard_timeout = 600;
	fm.flags = OFPFF_SEND_FLOW_REM | OFPFF_NO_BYT_COUNTS;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();
	flow = fake_dp_find(rig->dp, 7, 100);
	assert_non_null(flow);
	assert_true(of_match_equal(&flow->match, &fm.match));
	assert_int_equal(output_port(flow), 1);
	assert_false(flow->inst->table_miss);
	flow->packets = 3;
	flow->bytes = 180;
	assert_int_equal(rig_flow_stats(rig, &all, &e), 1);
	assert_int_equal(e.table, 7);
	assert_int_equal(e.cookie, fm.cookie);
	assert_int_equal(e.priority, 100);
	assert_int_equal(e.idle, 300);
	assert_int_equal(e.hard, 600);
	assert_int_equal(e.flags, fm.flags);
	assert_int_equal(e.packets, 3);
	assert_int_equal(e.bytes, 180);
}

static void table_miss_is_priority_0_without_match(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = flow_mod(OFPFC_ADD);

	rig_flow_mod(rig, 0, &fm);
	fm.priority = 0;
	rig_flow_mod(rig, 0, &fm);
	fm = to_1(0x0a000001, UINT32_MAX);
	fm.priority = 0;
	fm.table = 1;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();
	assert_false(fake_dp_find(rig->dp, 0, 100)->inst->table_miss);
	assert_true(fake_dp_find(rig->dp, 0, 0)->inst->table_miss);
	assert_false(fake_dp_find(rig->dp, 1, 0)->inst->table_miss);
}

static void identical_add_replaces_and_keeps_counters(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = to_1(0x0a000001, UINT32_MAX);
	struct of_flow_stats_request all = flow_request();
	struct flow_entry e;

	fm.cookie = 1;
	fm.flags = OFPFF_SEND_FLOW_REM;
	fm.hard_timeout = 100;
	rig_flow_mod(rig, 0, &fm);
	fake_dp_find(rig->dp, 0, 100)->packets = 9;
	fm.cookie = 2;
	fm.flags = 0;
	fm.hard_timeout = 0;
	fm.idle_timeout = 50;
	fm.inst = to_port_2;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK(); /* no flow-removed either */
	assert_int_equal(rig_flow_stats(rig, &all, &e), 1);
	assert_int_equal(e.cookie, 2);
	assert_int_equal(e.flags, 0);
	assert_int_equal(e.hard, 0);
	assert_int_equal(e.idle, 50);
	assert_int_equal(e.packets, 9);
	assert_int_equal(output_port(fake_dp_find(rig->dp, 0, 100)), 2);
	fm.flags = OFPFF_RESET_COUNTS;
	rig_flow_mod(rig, 0, &fm);
	assert_int_equal(rig_flow_stats(rig, &all, &e), 1);
	assert_int_equal(e.packets, 0);
	fake_dp_grace(rig->dp);
	EXPECT_OK();
}

static void replace_restarts_the_duration(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = to_1(0x0a000001, UINT32_MAX);
	struct of_flow_stats_request all = flow_request();
	struct flow_entry e;

	rig_flow_mod(rig, 0, &fm);
	rig_run_ms(rig, 1050);
	rig_flow_stats(rig, &all, &e);
	assert_int_equal(e.duration_sec, 1);
	fm.command = OFPFC_MODIFY;
	fm.inst = to_port_2;
	rig_flow_mod(rig, 0, &fm);
	rig_flow_stats(rig, &all, &e);
	assert_int_equal(e.duration_sec, 1);
	fm.command = OFPFC_ADD;
	rig_flow_mod(rig, 0, &fm);
	rig_flow_stats(rig, &all, &e);
	assert_int_equal(e.duration_sec, 0);
}

static void other_priority_table_or_mask_is_another_entry(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = to_1(0x0a000000, 0xffffff00);

	rig_flow_mod(rig, 0, &fm);
	fm.priority = 101;
	rig_flow_mod(rig, 0, &fm);
	fm.table = 1;
	rig_flow_mod(rig, 0, &fm);
	fm = to_1(0x0a000000, 0xffff0000);
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();
	assert_int_equal(rig_count(rig), 4);
}

static void all_zero_mask_equals_no_field(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod with = to_1(0, 0), without = flow_mod(OFPFC_ADD);
	uint16_t ip = 0x0008;

	of_match_set(&without.match, OFX_F_ETH_TYPE, &ip);
	rig_flow_mod(rig, 0, &with);
	rig_flow_mod(rig, 0, &without);
	EXPECT_OK();
	assert_int_equal(rig_count(rig), 1);
}

/*
 * OpenFlow 1.3.5 §6.4: "For add requests (OFPFC_ADD) with the OFPFF_CHECK_OVERLAP flag set, the switch must first check
 * for any overlapping flow entries in the requested table.  Two flow entries overlap if a single packet may match both,
 * and both entries have the same priority.  If an overlap conflict exists between an existing flow entry and the add
 * request, the switch must refuse the addition".  The identical entry is replaced, as 1.4 says (§6.4 there: "Two flow
 * entries overlap if a single packet may match both, and both entries have the same priority, but the two flow entries
 * don't have the exact same match") and Open vSwitch does in 1.3 as well.
 */
static void check_overlap(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = to_1(0x0a000000, 0xff000000);

	rig_flow_mod(rig, 0, &fm);
	fm = to_1(0x0a000100, 0xffffff00); /* inside of it */
	fm.flags = OFPFF_CHECK_OVERLAP;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_ERROR(FLOW_MOD_FAILED, OFPFMFC_OVERLAP);
	fm = flow_mod(OFPFC_ADD); /* crossing it: another field */
	match_tcp(&fm.match, 80);
	fm.flags = OFPFF_CHECK_OVERLAP;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_ERROR(FLOW_MOD_FAILED, OFPFMFC_OVERLAP);
	fm = to_1(0x0a000000, 0xff000000); /* identical */
	fm.flags = OFPFF_CHECK_OVERLAP;
	fm.inst = to_port_2;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();
	assert_int_equal(output_port(fake_dp_find(rig->dp, 0, 100)), 2);
	assert_int_equal(rig_count(rig), 1);
	fm = to_1(0x0b000000, 0xff000000); /* apart */
	fm.flags = OFPFF_CHECK_OVERLAP;
	rig_flow_mod(rig, 0, &fm);
	fm = to_1(0x0a000100, 0xffffff00); /* other priority */
	fm.flags = OFPFF_CHECK_OVERLAP;
	fm.priority = 99;
	rig_flow_mod(rig, 0, &fm);
	fm = to_1(0x0a000100, 0xffffff00); /* not asked */
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();
	assert_int_equal(rig_count(rig), 4);
}

static void modify_changes_instructions_only(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = to_1(0x0a000001, UINT32_MAX);
	struct of_flow_stats_request all = flow_request();
	struct flow_entry e;
	struct dp_flow *flow;

	fm.cookie = 5;
	fm.idle_timeout = 60;
	fm.flags = OFPFF_SEND_FLOW_REM;
	rig_flow_mod(rig, 0, &fm);
	flow = fake_dp_find(rig->dp, 0, 100);
	flow->packets = 4;
	fm = flow_mod(OFPFC_MODIFY); /* covers everything; its other properties are not taken over */
	fm.cookie = 6;
	fm.priority = 1;
	fm.hard_timeout = 9;
	fm.inst = to_port_2;
	fm.out_port = 17; /* ignored: delete only */
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();
	assert_int_equal(output_port(flow), 2);
	assert_int_equal(rig_flow_stats(rig, &all, &e), 1);
	assert_int_equal(e.cookie, 5);
	assert_int_equal(e.idle, 60);
	assert_int_equal(e.hard, 0);
	assert_int_equal(e.flags, OFPFF_SEND_FLOW_REM);
	assert_int_equal(e.packets, 4);
	fm.flags = OFPFF_RESET_COUNTS;
	rig_flow_mod(rig, 0, &fm);
	assert_int_equal(flow->resets, 1);
	assert_int_equal(flow->packets, 0);
}

static void modify_without_entry_does_nothing(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = to_1(0x0a000001, UINT32_MAX);

	fm.command = OFPFC_MODIFY;
	rig_flow_mod(rig, 0, &fm);
	fm.command = OFPFC_MODIFY_STRICT;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();
	assert_int_equal(rig->dp->n_published, 0);
	assert_int_equal(rig_count(rig), 0);
}

static void modify_strict_needs_match_and_priority(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = to_1(0x0a000000, 0xff000000);

	rig_flow_mod(rig, 0, &fm);
	fm.priority = 101;
	rig_flow_mod(rig, 0, &fm);
	fm.command = OFPFC_MODIFY_STRICT;
	fm.inst = to_port_2;
	rig_flow_mod(rig, 0, &fm);
	fm = to_1(0x0a000000, 0xffff0000);
	fm.command = OFPFC_MODIFY_STRICT;
	fm.inst = to_port_2;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();
	assert_int_equal(output_port(fake_dp_find(rig->dp, 0, 100)), 1);
	assert_int_equal(output_port(fake_dp_find(rig->dp, 0, 101)), 2);
}

static void modify_honours_the_cookie_mask(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = to_1(0x0a000001, UINT32_MAX);

	fm.cookie = 0x10;
	rig_flow_mod(rig, 0, &fm);
	fm.priority = 101;
	fm.cookie = 0x20;
	rig_flow_mod(rig, 0, &fm);
	fm = flow_mod(OFPFC_MODIFY);
	fm.cookie = 0x2f;
	fm.cookie_mask = 0xf0;
	fm.inst = to_port_2;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();
	assert_int_equal(output_port(fake_dp_find(rig->dp, 0, 100)), 1);
	assert_int_equal(output_port(fake_dp_find(rig->dp, 0, 101)), 2);
}

static void delete_takes_covered_entries(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = to_1(0x0a010100, 0xffffff00);

	rig_flow_mod(rig, 0, &fm);
	fm = to_1(0x0a000000, 0xff000000);
	rig_flow_mod(rig, 0, &fm);
	fm = to_1(0x0b010100, 0xffffff00);
	rig_flow_mod(rig, 0, &fm);
	fm = to_1(0x0a010000, 0xffff0000); /* covers the first only */
	fm.command = OFPFC_DELETE;
	fm.priority = 1; /* no matter */
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();
	assert_int_equal(rig_count(rig), 2);
	fm = flow_mod(OFPFC_DELETE);
	rig_flow_mod(rig, 0, &fm);
	assert_int_equal(rig_count(rig), 0);
}

static void delete_strict_needs_match_and_priority(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = to_1(0x0a000000, 0xff000000);

	rig_flow_mod(rig, 0, &fm);
	fm.command = OFPFC_DELETE_STRICT;
	fm.priority = 99;
	rig_flow_mod(rig, 0, &fm);
	assert_int_equal(rig_count(rig), 1);
	fm.priority = 100;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();
	assert_int_equal(rig_count(rig), 0);
}

static void delete_filters(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = to_1(0x0a000001, UINT32_MAX);

	fm.cookie = 1;
	rig_flow_mod(rig, 0, &fm);
	fm.priority = 101;
	fm.cookie = 2;
	fm.inst = (struct of_instructions)WRITE(OUTPUT(2));
	rig_flow_mod(rig, 0, &fm);
	fm = flow_mod(OFPFC_DELETE);
	fm.out_port = 3;
	rig_flow_mod(rig, 0, &fm);
	fm.out_port = OFPP_ANY;
	fm.out_group = 1;
	rig_flow_mod(rig, 0, &fm);
	fm.out_group = OFPG_ANY;
	fm.cookie = 3;
	fm.cookie_mask = UINT64_MAX;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();
	assert_int_equal(rig_count(rig), 2);
	fm.cookie_mask = 0;
	fm.out_port = 2; /* in write-actions */
	rig_flow_mod(rig, 0, &fm);
	assert_int_equal(rig_count(rig), 1);
	assert_non_null(fake_dp_find(rig->dp, 0, 100));
	fm.out_port = 1; /* in apply-actions, with the wrong cookie, then the right one */
	fm.cookie_mask = UINT64_MAX;
	rig_flow_mod(rig, 0, &fm);
	assert_int_equal(rig_count(rig), 1);
	fm.cookie = 1;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();
	assert_int_equal(rig_count(rig), 0);
}

static void same_again_changes_nothing_in_the_data_plane(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = to_1(0x0a000001, UINT32_MAX);

	rig_flow_mod(rig, 0, &fm);
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();
	assert_int_equal(rig->dp->n_published, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(add_reaches_the_datapath),
		T(table_miss_is_priority_0_without_match),
		T(identical_add_replaces_and_keeps_counters),
		T(replace_restarts_the_duration),
		T(other_priority_table_or_mask_is_another_entry),
		T(all_zero_mask_equals_no_field),
		T(check_overlap),
		T(modify_changes_instructions_only),
		T(modify_without_entry_does_nothing),
		T(modify_strict_needs_match_and_priority),
		T(modify_honours_the_cookie_mask),
		T(delete_takes_covered_entries),
		T(delete_strict_needs_match_and_priority),
		T(delete_filters),
		T(same_again_changes_nothing_in_the_data_plane),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("flow_mod", tests, NULL, NULL);
}
