/* SPDX-License-Identifier: GPL-2.0-only */
/* FLOW_MODs that are refused (OpenFlow 1.3.5 §6.4, §7.4.4): the right error, and nothing has changed. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "test/switch/rig.h"
#include "user/switch/flow.h"
#include "user/util/clock.h"
#include "user/util/log.h"

static const struct of_instructions to_port_1 = APPLY(OUTPUT(1)), to_port_2 = APPLY(OUTPUT(2));

static struct of_flow_mod to_1(uint32_t addr, uint32_t mask)
{
	struct of_flow_mod fm = route(addr, mask);

	fm.inst = to_port_1;
	return fm;
}

static void all_tables_for_delete_only(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = flow_mod(OFPFC_ADD);

	for (int t = 0; t < 255; t += 127) {
		fm.table = t;
		rig_flow_mod(rig, 0, &fm);
	}
	EXPECT_OK();
	assert_int_equal(rig_count(rig), 3);
	fm.table = OFPTT_ALL;
	for (int c = OFPFC_ADD; c <= OFPFC_MODIFY_STRICT; c++) {
		fm.command = c;
		rig_flow_mod(rig, 0, &fm);
		EXPECT_ERROR(FLOW_MOD_FAILED, OFPFMFC_BAD_TABLE_ID);
	}
	fm.command = OFPFC_DELETE_STRICT;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();
	assert_int_equal(rig_count(rig), 0);
}

static void unknown_command_and_flags(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = flow_mod(5);

	rig_flow_mod(rig, 0, &fm);
	EXPECT_ERROR(FLOW_MOD_FAILED, OFPFMFC_BAD_COMMAND);
	fm.command = OFPFC_ADD;
	fm.flags = 32;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_ERROR(FLOW_MOD_FAILED, OFPFMFC_BAD_FLAGS);
	assert_int_equal(rig_count(rig), 0);
}

static void buffer_ids_are_unknown(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = flow_mod(OFPFC_ADD);

	fm.buffer_id = 1;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_BUFFER_UNKNOWN);
	assert_int_equal(rig_count(rig), 0);
	fm.command = OFPFC_DELETE; /* means nothing there */
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();
}

static void goto_goes_forward_only(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = flow_mod(OFPFC_ADD);

	fm.table = 4;
	fm.inst.present = OF_INST_GOTO;
	for (unsigned int to = 0; to <= 4; to++) {
		fm.inst.goto_table = to;
		rig_flow_mod(rig, 0, &fm);
		EXPECT_ERROR(BAD_INSTRUCTION, OFPBIC_BAD_TABLE_ID);
	}
	fm.inst.goto_table = 255;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_ERROR(BAD_INSTRUCTION, OFPBIC_BAD_TABLE_ID);
	fm.inst.goto_table = 254;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();
	assert_int_equal(rig_count(rig), 1);
}

static void meters_groups_and_ports(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = flow_mod(OFPFC_ADD);
	const struct of_instructions group = WRITE(GROUP(1)), port_0 = APPLY(OUTPUT(0)), any = APPLY(OUTPUT(OFPP_ANY)),
				     table = APPLY(OUTPUT(OFPP_TABLE)), later = APPLY(OUTPUT(900));

	fm.inst.present = OF_INST_METER;
	fm.inst.meter = 1;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_ERROR(METER_MOD_FAILED, OFPMMFC_UNKNOWN_METER);
	fm.inst.meter = OFPM_CONTROLLER;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_ERROR(METER_MOD_FAILED, OFPMMFC_INVALID_METER);
	fm.inst = group;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_ERROR(BAD_ACTION, OFPBAC_BAD_OUT_GROUP);
	fm.inst = port_0;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_ERROR(BAD_ACTION, OFPBAC_BAD_OUT_PORT);
	fm.inst = any;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_ERROR(BAD_ACTION, OFPBAC_BAD_OUT_PORT);
	fm.inst = table;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_ERROR(BAD_ACTION, OFPBAC_BAD_OUT_PORT);
	fm.inst = later; /* the port may come */
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();
}

static void matches_the_switch_cannot_do(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = flow_mod(OFPFC_ADD);
	const uint8_t pbb[] = {0x88, 0xe7}, uca[] = {1};

	of_match_set(&fm.match, OFX_F_ETH_TYPE, pbb);
	of_match_set(&fm.match, OFX_F_PBB_UCA, uca); /* 1.4's */
	rig_flow_mod(rig, 0, &fm);
	EXPECT_ERROR(BAD_MATCH, OFPBMC_BAD_FIELD);
	for (uint32_t port = OFPP_IN_PORT; port != 1; port++) {
		fm = flow_mod(OFPFC_ADD);
		of_match_set_be32(&fm.match, OFX_F_IN_PORT, port);
		rig_flow_mod(rig, 0, &fm);
		if (port == OFPP_CONTROLLER || port == OFPP_LOCAL)
			EXPECT_OK();
		else
			EXPECT_ERROR(BAD_MATCH, OFPBMC_BAD_VALUE);
	}
	assert_int_equal(rig_count(rig), 2);
}

static void errors_of_the_datapath_change_nothing(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = to_1(0x0a000001, UINT32_MAX);
	struct of_flow_stats_request all = flow_request();
	struct flow_entry e;

	rig->dp->max_flows = 3;
	for (int i = 0; i < 4; i++) {
		fm.priority = 100 + i;
		fm.hard_timeout = 1000;
		rig_flow_mod(rig, 0, &fm);
	}
	EXPECT_ERROR(FLOW_MOD_FAILED, OFPFMFC_TABLE_FULL);
	assert_int_equal(rig_count(rig), 3);
	fm.priority = 100; /* a full table still replaces */
	fm.cookie = 7;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();

	rig->dp->fail_after = 1; /* instructions find no room */
	rig->dp->fail_with = OF_ERROR(OFPET_FLOW_MOD_FAILED, OFPFMFC_TABLE_FULL);
	fm = flow_mod(OFPFC_MODIFY);
	fm.inst = to_port_2;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_ERROR(FLOW_MOD_FAILED, OFPFMFC_TABLE_FULL);
	for (int i = 0; i < 3; i++)
		assert_int_equal(output_port(fake_dp_find(rig->dp, 0, 100 + i)), 1);

	rig->dp->fail_after = 1;
	fm = to_1(0x0a000001, UINT32_MAX);
	fm.cookie = 8;
	fm.inst = to_port_2;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_ERROR(FLOW_MOD_FAILED, OFPFMFC_TABLE_FULL);
	all.cookie_mask = UINT64_MAX;
	all.cookie = 7;
	assert_int_equal(rig_flow_stats(rig, &all, &e), 1);
	assert_int_equal(e.hard, 1000);

	rig->dp->fail_after = 1; /* our own trouble */
	rig->dp->fail_with = -EIO;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_ERROR(FLOW_MOD_FAILED, OFPFMFC_UNKNOWN);
	rig->dp->fail_after = 1; /* no memory is no room */
	rig->dp->fail_with = -ENOMEM;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_ERROR(FLOW_MOD_FAILED, OFPFMFC_TABLE_FULL);
	assert_int_equal(rig_count(rig), 3);
}

/* What the datapath asks to be asked again is, until there is room; messages behind it wait. */
static void an_add_waits_for_room(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = to_1(0x0a000001, UINT32_MAX);

	rig->hold = true;
	rig->dp->fail_after = 1;
	rig->dp->fail_with = -EAGAIN;
	rig_flow_mod(rig, 0, &fm);
	assert_true(sw_busy(&rig->conn[0].c));
	assert_int_equal(rig->dp->n_flows, 0);
	rig->dp->fail_after = 2; /* instructions, then the entry */
	sw_continue(rig->sw, &rig->conn[0].c);
	assert_true(sw_busy(&rig->conn[0].c));
	sw_continue(rig->sw, &rig->conn[0].c);
	assert_false(sw_busy(&rig->conn[0].c));
	assert_int_equal(rig->dp->n_flows, 1);
	EXPECT_OK();
}

/* There is an end to it. */
static void an_add_does_not_wait_for_ever(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = to_1(0x0a000001, UINT32_MAX);
	uint64_t begin = clock_ns();

	rig->hold = true;
	rig->dp->fail_with = -EAGAIN;
	rig->dp->fail_after = 1;
	rig_flow_mod(rig, 0, &fm);
	while (sw_busy(&rig->conn[0].c)) {
		assert_true(clock_ns() - begin < 5 * SW_SECOND);
		rig->dp->fail_after = 1;
		sw_continue(rig->sw, &rig->conn[0].c);
	}
	EXPECT_ERROR(FLOW_MOD_FAILED, OFPFMFC_TABLE_FULL);
	assert_int_equal(rig->dp->n_flows, 0);
}

/* The connection may end meanwhile: what it asked for is done all the same. */
static void an_add_waits_without_its_connection(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = to_1(0x0a000001, UINT32_MAX);

	rig->hold = true;
	rig->dp->fail_after = 1;
	rig->dp->fail_with = -EAGAIN;
	rig_flow_mod(rig, 0, &fm);
	sw_conn_remove(rig->sw, &rig->conn[0].c);
	rig_run_ms(rig, 50);
	assert_int_equal(rig->dp->n_flows, 1);
	sw_conn_add(rig->sw, &rig->conn[0].c);
}

/* Nobody is there to be told that it was refused: the log tells. */
static void an_add_is_refused_without_its_connection(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = to_1(0x0a000001, UINT32_MAX);
	char said[256] = "";
	int log[2], err_fd = dup(STDERR_FILENO);

	rig->hold = true;
	rig->dp->fail_after = 1;
	rig->dp->fail_with = -EAGAIN;
	rig_flow_mod(rig, 0, &fm);
	sw_conn_remove(rig->sw, &rig->conn[0].c);
	rig->dp->fail_after = 1;
	rig->dp->fail_with = -ENOSPC;
	assert_int_equal(pipe2(log, O_NONBLOCK), 0);
	dup2(log[1], STDERR_FILENO);
	log_level = LOG_LVL_INFO;
	rig_run_ms(rig, 50);
	log_level = LOG_LVL_ERROR;
	dup2(err_fd, STDERR_FILENO);
	assert_true(read(log[0], said, sizeof(said) - 1) > 0);
	assert_non_null(strstr(said, "ended: FLOW_MOD"));
	assert_non_null(strstr(said, "refused: OFPET_FLOW_MOD_FAILED "));
	close(log[0]);
	close(log[1]);
	close(err_fd);
	sw_conn_add(rig->sw, &rig->conn[0].c);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(all_tables_for_delete_only),
		T(unknown_command_and_flags),
		T(buffer_ids_are_unknown),
		T(goto_goes_forward_only),
		T(meters_groups_and_ports),
		T(matches_the_switch_cannot_do),
		T(errors_of_the_datapath_change_nothing),
		T(an_add_waits_for_room),
		T(an_add_does_not_wait_for_ever),
		T(an_add_waits_without_its_connection),
		T(an_add_is_refused_without_its_connection),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("flow_mod_error", tests, NULL, NULL);
}
