/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Changes of many entries go in steps, and other connections' messages come in between: what each change means was
 * settled when it came, nothing is half done at its end, and nothing is left of what was deleted.
 */
#include <stdio.h>
#include "test/switch/rig.h"

enum { MANY = 20000 }; /* entries: more than one step takes */

static const struct of_instructions to_1 = APPLY(OUTPUT(1)), to_2 = APPLY(OUTPUT(2)), to_group = APPLY(GROUP(5));

static struct of_flow_mod host(uint8_t command, uint32_t i, const struct of_instructions *inst)
{
	struct of_flow_mod fm = route(i, UINT32_MAX);

	fm.command = command;
	fm.priority = i % 50000;
	fm.inst = *inst;
	return fm;
}

static void add_hosts(struct rig *rig, unsigned int conn, uint32_t first, uint32_t n,
		      const struct of_instructions *inst)
{
	for (uint32_t i = first; i < first + n; i++) {
		struct of_flow_mod fm = host(OFPFC_ADD, i, inst);

		rig_flow_mod(rig, conn, &fm);
	}
	rig_expect_nothing(rig, conn);
}

static void finish(struct rig *rig, unsigned int conn)
{
	for (int steps = 0; sw_busy(&rig->conn[conn].c); steps++) {
		assert_in_range(steps, 0, 1000);
		sw_continue(rig->sw, &rig->conn[conn].c);
	}
}

static unsigned int n_to(struct rig *rig, uint32_t port)
{
	struct dp_flow *flow;
	unsigned int n = 0;

	LIST_FOREACH (flow, &rig->dp->flows, link)
		n += flow->inst->of.apply.v[0].type == OF_ACT_OUTPUT && output_port(flow) == port;
	return n;
}

static void send_group(struct rig *rig, unsigned int conn, uint16_t command)
{
	struct buf b = {0};

	buf_put_be16(&b, command);
	buf_put_be16(&b, 0);
	buf_put_be32(&b, 5);
	rig_send_buf(rig, conn, OFPT_GROUP_MOD, &b);
}

static void send_meter(struct rig *rig, unsigned int conn, uint16_t command)
{
	struct buf b = {0};

	buf_put_be16(&b, command);
	buf_put_be16(&b, OFPMF_KBPS);
	buf_put_be32(&b, 7);
	if (command != OFPMC_DELETE) {
		buf_put_be16(&b, OFPMBT_DROP);
		buf_put_be16(&b, 16);
		buf_put_be32(&b, 1000);
		buf_put_zero(&b, 8);
	}
	rig_send_buf(rig, conn, OFPT_METER_MOD, &b);
}

/* Entries that come, go and are replaced between the steps of a MODIFY: it means those that were there before it. */
static void modify_in_steps(void **state)
{
	struct of_flow_mod all = flow_mod(OFPFC_MODIFY), fm;
	struct rig *rig = *state;

	add_hosts(rig, 0, 0, MANY, &to_1);
	all.inst = to_2;
	rig->hold = true;
	rig_flow_mod(rig, 0, &all);
	for (uint32_t i = 0; sw_busy(&rig->conn[0].c); i++) {
		add_hosts(rig, 1, MANY + i, 1, &to_1);	   /* later than the MODIFY */
		fm = host(OFPFC_ADD, MANY - 1 - i, &to_1); /* in place of one, later too */
		rig_flow_mod(rig, 1, &fm);
		fm = host(OFPFC_DELETE_STRICT, 100 * i, &to_1);
		rig_flow_mod(rig, 1, &fm);
		rig_expect_nothing(rig, 1);
		sw_continue(rig->sw, &rig->conn[0].c);
		if (!sw_busy(&rig->conn[0].c))
			assert_int_equal(n_to(rig, 1), 2 * (i + 1));
		assert_in_range(i, 0, 150);
	}
	EXPECT_OK();
	assert_true(n_to(rig, 2) > MANY - 400);
	assert_int_equal(n_to(rig, 1) + n_to(rig, 2), rig->dp->n_flows);
}

/* All or none: an entry whose match the actions don't fit keeps all others from being changed. */
static void modify_of_what_does_not_fit(void **state)
{
	const struct of_instructions ttl = APPLY(DEC_TTL, OUTPUT(2));
	struct of_flow_mod all = flow_mod(OFPFC_MODIFY), other = flow_mod(OFPFC_ADD);
	struct rig *rig = *state;

	add_hosts(rig, 0, 0, MANY, &to_1);
	other.priority = 50001;
	other.inst = to_1;
	rig_flow_mod(rig, 0, &other); /* no IP */
	all.inst = ttl;
	rig_flow_mod(rig, 0, &all);
	rig_expect_error(rig, 0, OFPET_BAD_ACTION, OFPBAC_MATCH_INCONSISTENT);
	assert_int_equal(n_to(rig, 1), MANY + 1);
}

/* An entry that comes behind the walk of CHECK_OVERLAP counts, too. */
static void overlap_comes_meanwhile(void **state)
{
	struct of_flow_mod wide = route(0, 0xffff0000), fm;
	struct rig *rig = *state;

	for (uint32_t i = 0; i < MANY; i++) { /* many shapes, all apart from it */
		fm = route((i + 0x10000) << 1, i % 2 ? UINT32_MAX : 0xfffffffe);
		rig_flow_mod(rig, 0, &fm);
	}
	wide.flags = OFPFF_CHECK_OVERLAP;
	rig->hold = true;
	rig_flow_mod(rig, 0, &wide);
	assert_true(sw_busy(&rig->conn[0].c));
	fm = route(0, UINT32_MAX);
	rig_flow_mod(rig, 1, &fm);
	rig_expect_nothing(rig, 1);
	finish(rig, 0);
	rig_expect_error(rig, 0, OFPET_FLOW_MOD_FAILED, OFPFMFC_OVERLAP);
	assert_int_equal(rig->dp->n_flows, MANY + 1);
	fm.command = OFPFC_DELETE_STRICT;
	rig_flow_mod(rig, 1, &fm);
	rig_flow_mod(rig, 0, &wide);
	finish(rig, 0);
	EXPECT_OK();
	assert_int_equal(rig->dp->n_flows, MANY + 1);
}

/* A group or meter is deleted while a MODIFY leads entries to it: they go with it, before its number is free. */
static void deletion_meets_modify(void **state)
{
	const struct of_instructions by_meter = {
		.present = OF_INST_METER | OF_INST_APPLY, .meter = 7, .apply = ACTIONS(OUTPUT(1))};
	struct rig *rig = *state;

	for (int meter = 0; meter < 2; meter++) {
		struct of_flow_mod all = flow_mod(OFPFC_MODIFY);

		rig->hold = false;
		add_hosts(rig, 0, 0, MANY, &to_1);
		(meter ? send_meter : send_group)(rig, 0, OFPGC_ADD);
		EXPECT_OK();
		all.inst = meter ? by_meter : to_group;
		rig->hold = true;
		rig_flow_mod(rig, 0, &all);
		assert_true(sw_busy(&rig->conn[0].c));
		(meter ? send_meter : send_group)(rig, 1, OFPGC_DELETE);
		assert_true(sw_busy(&rig->conn[1].c));
		/* Nothing new may use it, and its number is not free yet. */
		all = host(OFPFC_ADD, MANY + 1, meter ? &by_meter : &to_group);
		rig_flow_mod(rig, 2, &all);
		rig_expect_error(rig, 2, meter ? OFPET_METER_MOD_FAILED : OFPET_BAD_ACTION,
				 meter ? OFPMMFC_UNKNOWN_METER : OFPBAC_BAD_OUT_GROUP);
		(meter ? send_meter : send_group)(rig, 2, OFPGC_ADD);
		assert_true(sw_busy(&rig->conn[2].c));
		for (int i = 0; sw_busy(&rig->conn[2].c); i++) {
			for (unsigned int conn = 0; conn < 3; conn++)
				if (sw_busy(&rig->conn[conn].c))
					sw_continue(rig->sw, &rig->conn[conn].c);
			assert_in_range(i, 0, 1000);
		}
		for (unsigned int conn = 0; conn < 3; conn++)
			rig_expect_nothing(rig, conn);
		assert_int_equal(rig->dp->n_flows, 0);
		fake_dp_grace(rig->dp);
		rig->hold = false;
		(meter ? send_meter : send_group)(rig, 0, OFPGC_DELETE);
		EXPECT_OK();
	}
}

/* Each connection's deletion of all groups comes to its end, whatever the others do. */
static void deletions_meet(void **state)
{
	struct rig *rig = *state;

	send_group(rig, 0, OFPGC_ADD);
	add_hosts(rig, 0, 0, MANY, &to_group);
	rig->hold = true;
	for (unsigned int conn = 0; conn < 3; conn++)
		send_group(rig, conn, OFPGC_DELETE);
	for (unsigned int conn = 3; conn--;) {
		finish(rig, conn);
		rig_expect_nothing(rig, conn);
	}
	assert_int_equal(rig->dp->n_flows, 0);
	assert_int_equal(rig->dp->n_groups, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(modify_in_steps),	    T(modify_of_what_does_not_fit),
		T(overlap_comes_meanwhile), T(deletion_meets_modify),
		T(deletions_meet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
