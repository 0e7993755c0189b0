/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pipeline on real veths (test/bpf/pipeline.h): what leaves which port, byte for byte: single outputs, copies with
 * changes in between, walks through several tables.
 */
#include "test/bpf/pipeline.h"

/* --- one output --- */

static void test_unicast(void **state)
{
	struct ofx_counter flow_before = flow_count(1), flow_after;
	struct port_totals rx = port_count(1), tx = port_count(2);

	apply(OPS(OUTPUT(2)));
	send_frame(host[1], &plain);
	expect(2, plain);
	expect_no_more();
	flow_after = flow_count(1);
	assert_int_equal(flow_after.packets - flow_before.packets, 1);
	assert_int_equal(flow_after.bytes - flow_before.bytes, plain.len);
	assert_int_equal(port_count(1).rx_packets - rx.rx_packets, 1);
	assert_int_equal(port_count(1).rx_bytes - rx.rx_bytes, plain.len);
	assert_int_equal(port_count(2).tx_packets - tx.tx_packets, 1);
	assert_int_equal(port_count(2).tx_bytes - tx.tx_bytes, plain.len);
}

static void test_carry(void **state)
{
	const uint64_t bytes = 0xffff0000ULL << 30 | (OFX_CELL_TURN - 1 - plain.len);

	fill_cells(1);
	assert_int_equal(flow_count(1).packets, cpus.n * ((8ULL << 20) - 1));
	assert_int_equal(flow_count(1).bytes, cpus.n * bytes);
	test_unicast(state);
	test_unicast(state);
}

static void test_in_port(void **state)
{
	uint64_t before = drop_count(OFX_DROP_OUTPUT_IN_PORT);

	apply(OPS(OUTPUT(1), IN_PORT));
	send_frame(host[1], &plain);
	expect(1, plain);
	expect_no_more();
	expect_drops(OFX_DROP_OUTPUT_IN_PORT, before, 1);
}

static void test_flood(void **state)
{
	struct port_totals p1 = port_count(1), p2 = port_count(2), p3 = port_count(3);

	apply(OPS(FLOOD));
	send_frame(host[1], &plain);
	expect(2, plain);
	expect(3, plain);
	expect_no_more();
	assert_int_equal(port_count(1).tx_packets - p1.tx_packets, 0);
	assert_int_equal(port_count(2).tx_packets - p2.tx_packets, 1);
	assert_int_equal(port_count(3).tx_bytes - p3.tx_bytes, plain.len);
}

static void test_port_refuses(void **state)
{
	uint64_t no_fwd = drop_count(OFX_DROP_OUTPUT_NO_FWD), no_port = drop_count(OFX_DROP_OUTPUT_NO_PORT);
	uint64_t mtu = drop_count(OFX_DROP_OUTPUT_MTU), no_recv = drop_count(OFX_DROP_PORT_NO_RECV);
	struct frame large = udp_frame(64, 1500 - 28);
	struct frame once = tagged(large, 0);

	port_flags(2, OFX_PORT_NO_FWD);
	apply(OPS(OUTPUT(2), OUTPUT(900), PUSH, OUTPUT(3), PUSH, OUTPUT(3)));
	send_frame(host[1], &large);
	expect(3, once);
	expect_no_more();
	expect_drops(OFX_DROP_OUTPUT_NO_FWD, no_fwd, 1);
	expect_drops(OFX_DROP_OUTPUT_NO_PORT, no_port, 1);
	expect_drops(OFX_DROP_OUTPUT_MTU, mtu, 1);
	port_flags(1, OFX_PORT_NO_RECV);
	send_frame(host[1], &plain);
	expect_drops(OFX_DROP_PORT_NO_RECV, no_recv, 1);
	expect_no_more();
}

/* --- several outputs --- */

static void test_copies_with_changes(void **state)
{
	apply(OPS(OUTPUT(2), PUSH, set_vid(5), OUTPUT(3), set_vid(6), IN_PORT, POP, set_mac(9), OUTPUT(3)));
	send_frame(host[1], &plain);
	expect(2, plain);
	expect(3, tagged(plain, 5));
	expect(1, tagged(plain, 6));
	expect(3, to_mac(plain, 9));
	expect_no_more();
}

static void test_same_port_twice(void **state)
{
	apply(OPS(OUTPUT(2), OUTPUT(2), set_mac(7), OUTPUT(2)));
	send_frame(host[1], &plain);
	expect(2, plain);
	expect(2, plain);
	expect(2, to_mac(plain, 7));
	expect_no_more();
}

static void test_flood_then_more(void **state)
{
	apply(OPS(FLOOD, PUSH, set_vid(8), FLOOD, POP, OUTPUT(2)));
	send_frame(host[1], &plain);
	expect(2, plain);
	expect(3, plain);
	expect(2, tagged(plain, 8));
	expect(3, tagged(plain, 8));
	expect(2, plain);
	expect_no_more();
}

static void test_controller(void **state)
{
	uint64_t before = drop_count(OFX_DROP_PUNT_NO_DAEMON);

	apply(OPS(OUTPUT(2), CONTROLLER));
	send_frame(host[1], &plain);
	expect(2, plain);
	expect_drops(OFX_DROP_PUNT_NO_DAEMON, before, 1);
	apply(OPS(CONTROLLER, set_mac(3), OUTPUT(2), CONTROLLER, OUTPUT(3)));
	send_frame(host[1], &plain);
	expect(2, to_mac(plain, 3));
	expect(3, to_mac(plain, 3));
	expect_no_more();
	expect_drops(OFX_DROP_PUNT_NO_DAEMON, before, 3);
}

static void test_burst(void **state)
{
	uint64_t before = drop_count(OFX_DROP_PUNT_NO_DAEMON);

	apply(OPS(OUTPUT(2), CONTROLLER, PUSH, set_vid(3), FLOOD));
	for (int i = 0; i < 50; i++)
		send_frame(host[1], &plain);
	for (int i = 0; i < 50; i++)
		expect(3, tagged(plain, 3));
	expect_drops(OFX_DROP_PUNT_NO_DAEMON, before, 50);
	for (int i = 0; i < 100; i++) {
		struct frame got;

		assert_true(receive_frame(host[2], &got, 100));
	}
	expect_no_more();
	assert_int_equal(drop_count(OFX_DROP_CONT_LOST), 0);
}

/* --- several tables --- */

/* Table `table` sends eth_type 0x0800 with this VLAN to flow `slot`, nothing else. */
static void match_ipv4(uint32_t table, uint32_t slot)
{
	struct ofx_list_entry e = {.subtable = 200 + table, .max_priority = 5};
	struct ofx_key value = {.eth_type = htons(0x0800)}, mask = {.eth_type = 0xffff};

	mask.vlan_vid = 0xffff;
	subtable(e.subtable, 2, (uint8_t[]){3, 4}, (uint64_t *)&mask.w[3]);
	rule(e.subtable, (uint64_t[]){value.w[3], value.w[4]}, slot, 5);
	list(table, 1, &e);
}

static void test_goto_and_action_set(void **state)
{
	struct ofx_counter before = flow_count(2);

	flow(1, 0, 3, 0, OPS(set_mac(4)), OPS(OUTPUT(2), PUSH));
	flow(2, 3, OFX_NO_TABLE, 0, NO_OPS, OPS(set_vid(77), OUTPUT(3)));
	match_all(0, 1);
	match_all(3, 2);
	send_frame(host[1], &plain);
	expect(3, tagged(to_mac(plain, 4), 77));
	expect_no_more();
	flow(2, 3, OFX_NO_TABLE, OFX_INST_CLEAR, NO_OPS, OPS(OUTPUT(3)));
	send_frame(host[1], &plain);
	expect(3, to_mac(plain, 4));
	expect_no_more();
	assert_int_equal(flow_count(2).packets - before.packets, 2);
}

static void test_resume(void **state)
{
	struct frame in = tagged(plain, 9);
	struct ofx_counter before = flow_count(2);

	flow(1, 0, 1, OFX_INST_REPARSE, OPS(OUTPUT(2), POP), OPS(set_mac(6)));
	flow(2, 1, OFX_NO_TABLE, 0, OPS(OUTPUT(2)), OPS(OUTPUT(3)));
	match_all(0, 1);
	match_ipv4(1, 2);
	send_frame(host[1], &in);
	expect(2, in);
	expect(2, plain);
	expect(3, to_mac(plain, 6));
	expect_no_more();
	assert_int_equal(flow_count(2).packets - before.packets, 1);
	assert_int_equal(flow_count(2).bytes - before.bytes, in.len);
}

static void test_miss(void **state)
{
	uint64_t miss = drop_count(OFX_DROP_NO_MATCH), none = drop_count(OFX_DROP_NO_OUTPUT);

	send_frame(host[1], &plain);
	expect_drops(OFX_DROP_NO_MATCH, miss, 1);
	apply(NO_OPS);
	send_frame(host[1], &plain);
	expect_drops(OFX_DROP_NO_OUTPUT, none, 1);
	expect_no_more();
}

static void test_counts_behind_the_last_output(void **state)
{
	struct ofx_counter before = flow_count(2);

	flow(1, 0, 1, 0, OPS(OUTPUT(2)), NO_OPS);
	flow(2, 1, OFX_NO_TABLE, 0, OPS(set_mac(1)), NO_OPS);
	match_all(0, 1);
	match_all(1, 2);
	send_frame(host[1], &plain);
	expect(2, plain);
	expect_no_more();
	assert_int_equal(flow_count(2).packets - before.packets, 1);
}

static void test_ttl(void **state)
{
	uint64_t invalid = drop_count(OFX_DROP_TTL_INVALID), punt = drop_count(OFX_DROP_PUNT_NO_DAEMON);
	uint64_t on = OFX_CONFIG_INVALID_TTL;
	uint32_t zero = 0;

	apply(OPS(OUTPUT(3), DEC_TTL, OUTPUT(2)));
	send_frame(host[1], &plain);
	expect(3, plain);
	expect(2, udp_frame(63, 60));
	plain = udp_frame(1, 60);
	send_frame(host[1], &plain);
	expect(3, plain);
	expect_drops(OFX_DROP_TTL_INVALID, invalid, 1);
	put(skel->maps.config, &zero, &on);
	apply(OPS(OUTPUT(3), DEC_TTL));
	send_frame(host[1], &plain);
	expect(3, plain);
	expect_drops(OFX_DROP_PUNT_NO_DAEMON, punt, 1);
	expect_no_more();
}

/* --- MPLS --- */

#define LABEL(NUMBER, BOS, TTL) ((NUMBER) << 12 | (BOS) << 8 | (TTL))

static void test_mpls_list(void **state)
{
	struct frame in = labelled(plain, LABEL(5, 1, 9));

	apply(OPS(PUSH_MPLS, set_label(7), OUTPUT(2), PUSH_MPLS, set_label(8), DEC_MPLS_TTL, OUTPUT(3), COPY_TTL_IN,
		  OUTPUT(2), POP_MPLS));
	send_frame(host[1], &plain);
	expect(2, labelled(plain, LABEL(7, 1, 64)));
	expect(3, labelled(labelled(plain, LABEL(7, 1, 64)), LABEL(8, 0, 63)));
	expect(2, labelled(labelled(plain, LABEL(7, 1, 63)), LABEL(8, 0, 63)));
	expect_no_more();
	/* what is uncovered can be changed at once, before and behind a copy */
	apply(OPS(COPY_TTL_IN, POP_MPLS, DEC_TTL, OUTPUT(2), DEC_TTL, PUSH, OUTPUT(3)));
	send_frame(host[1], &in);
	expect(2, udp_frame(8, 60));
	expect(3, tagged(udp_frame(7, 60), 0));
	expect_no_more();
}

static void test_mpls_action_set(void **state)
{
	struct frame in = labelled(plain, LABEL(5, 1, 9));

	/* written in the wrong order; §5.10: copy in, pop, push MPLS, push VLAN, copy out, dec, set */
	flow(1, 0, OFX_NO_TABLE, 0, NO_OPS,
	     OPS(OUTPUT(2), set_label(6), DEC_MPLS_TTL, COPY_TTL_OUT, PUSH_MPLS, POP_MPLS, COPY_TTL_IN, set_mac(3)));
	match_all(0, 1);
	send_frame(host[1], &in);
	expect(2, to_mac(labelled(udp_frame(9, 60), LABEL(6, 1, 8)), 3));
	flow(1, 0, OFX_NO_TABLE, 0, NO_OPS, OPS(SET_MPLS_TTL(3), PUSH, set_vid(4), PUSH_MPLS, DEC_MPLS_TTL, OUTPUT(2)));
	send_frame(host[1], &plain);
	in = labelled(plain, LABEL(0, 1, 3));
	expect(2, tagged(in, 4));
	expect_no_more();
}

static void test_mpls_resume(void **state)
{
	struct frame in = labelled(plain, LABEL(5, 1, 9)), other = plain;
	struct ofx_counter before = flow_count(2);
	uint64_t miss = drop_count(OFX_DROP_NO_MATCH);

	flow(1, 0, 1, OFX_INST_REPARSE, OPS(POP_MPLS), OPS(OUTPUT(3)));
	flow(2, 1, OFX_NO_TABLE, 0, OPS(DEC_TTL), NO_OPS);
	match_all(0, 1);
	match_ipv4(1, 2);
	send_frame(host[1], &in);
	expect(3, udp_frame(63, 60));
	/* IP version 6: nothing below is parsed, but the type is what the pop said, and there is no TTL to decrement */
	in.b[18] = other.b[14] = 0x65;
	send_frame(host[1], &in);
	expect(3, other);
	expect_no_more();
	assert_int_equal(flow_count(2).packets - before.packets, 2);
	flow(1, 0, 1, OFX_INST_REPARSE, OPS(PUSH_MPLS), OPS(OUTPUT(3)));
	send_frame(host[1], &plain);
	expect_drops(OFX_DROP_NO_MATCH, miss, 1);
	expect_no_more();
}

static void test_mpls_ttl_invalid(void **state)
{
	struct frame in = labelled(plain, LABEL(5, 1, 1));
	uint64_t invalid = drop_count(OFX_DROP_TTL_INVALID), punt = drop_count(OFX_DROP_PUNT_NO_DAEMON);
	uint64_t on = OFX_CONFIG_INVALID_TTL;
	uint32_t zero = 0;

	apply(OPS(DEC_MPLS_TTL, OUTPUT(2)));
	send_frame(host[1], &in);
	expect_drops(OFX_DROP_TTL_INVALID, invalid, 1);
	send_frame(host[1], &plain); /* no label: nothing to do */
	expect(2, plain);
	put(skel->maps.config, &zero, &on);
	apply(OPS(OUTPUT(2), DEC_MPLS_TTL));
	send_frame(host[1], &in);
	expect(2, in);
	expect_drops(OFX_DROP_PUNT_NO_DAEMON, punt, 1);
	expect_no_more();
}

/* --- PBB --- */

static void test_pbb_list(void **state)
{
	struct frame in = backboned(tagged(plain, 5), 0x123456), twice = backboned(backboned(plain, 7), 8);

	apply(OPS(PUSH_PBB, set_isid(7), OUTPUT(2), PUSH_PBB, set_isid(8), OUTPUT(3), set_mac(9), OUTPUT(2), POP_PBB,
		  OUTPUT(2)));
	send_frame(host[1], &plain);
	expect(2, backboned(plain, 7));
	expect(3, twice);
	expect(2, to_mac(twice, 9));
	expect(2, backboned(plain, 7));
	expect_no_more();
	/* what is uncovered can be changed at once, before and behind a copy */
	apply(OPS(POP_PBB, POP, DEC_TTL, OUTPUT(2), DEC_TTL, PUSH_PBB, PUSH, set_vid(4), OUTPUT(3)));
	send_frame(host[1], &in);
	expect(2, udp_frame(63, 60));
	expect(3, tagged(backboned(udp_frame(62, 60), 0), 4));
	expect_no_more();
}

static void test_pbb_action_set(void **state)
{
	struct frame in = backboned(tagged(plain, 0x6005), 0x123456);

	/* written in the wrong order; §5.10: pop, push PBB, push VLAN, set */
	flow(1, 0, OFX_NO_TABLE, 0, NO_OPS,
	     OPS(OUTPUT(2), set_isid(6), set_vid(9), PUSH, PUSH_PBB, POP_PBB, set_mac(3)));
	match_all(0, 1);
	send_frame(host[1], &in);
	expect(2, tagged(to_mac(backboned(tagged(plain, 0x6005), 6 | 3u << 29), 3), 9));
	/* MPLS before PBB */
	flow(1, 0, OFX_NO_TABLE, 0, NO_OPS, OPS(PUSH_PBB, PUSH_MPLS, set_isid(5), OUTPUT(2)));
	send_frame(host[1], &plain);
	expect(2, backboned(labelled(plain, LABEL(0, 1, 64)), 5));
	expect_no_more();
}

static void test_pbb_resume(void **state)
{
	struct frame in = backboned(plain, 0x123456);
	uint64_t miss = drop_count(OFX_DROP_NO_MATCH);

	flow(1, 0, 1, OFX_INST_REPARSE, OPS(POP_PBB), OPS(OUTPUT(3)));
	flow(2, 1, OFX_NO_TABLE, 0, OPS(DEC_TTL), NO_OPS);
	match_all(0, 1);
	match_ipv4(1, 2);
	send_frame(host[1], &in);
	expect(3, udp_frame(63, 60));
	send_frame(host[1], &plain); /* no I-TAG: nothing to do */
	expect(3, udp_frame(63, 60));
	flow(1, 0, 1, OFX_INST_REPARSE, OPS(PUSH_PBB), OPS(OUTPUT(3)));
	send_frame(host[1], &plain);
	expect_drops(OFX_DROP_NO_MATCH, miss, 1);
	expect_no_more();
}

/* A push by which a frame gets too long for the port: a counted drop of that copy only. */
static void test_pbb_too_long(void **state)
{
	uint64_t mtu = drop_count(OFX_DROP_OUTPUT_MTU);
	struct frame large = udp_frame(64, 1500 - 28), fits = udp_frame(64, 1500 - 28 - 14);

	apply(OPS(PUSH_PBB, OUTPUT(2), POP_PBB, OUTPUT(3)));
	send_frame(host[1], &large);
	expect(3, large);
	expect_drops(OFX_DROP_OUTPUT_MTU, mtu, 1);
	send_frame(host[1], &fits);
	expect(2, backboned(fits, 0));
	expect(3, fits);
	expect_no_more();
}

#define T(F) cmocka_unit_test_setup(F, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_unicast),
		T(test_carry),
		T(test_in_port),
		T(test_flood),
		T(test_port_refuses),
		T(test_copies_with_changes),
		T(test_same_port_twice),
		T(test_flood_then_more),
		T(test_controller),
		T(test_burst),
		T(test_goto_and_action_set),
		T(test_resume),
		T(test_miss),
		T(test_counts_behind_the_last_output),
		T(test_ttl),
		T(test_mpls_list),
		T(test_mpls_action_set),
		T(test_mpls_resume),
		T(test_mpls_ttl_invalid),
		T(test_pbb_list),
		T(test_pbb_action_set),
		T(test_pbb_resume),
		T(test_pbb_too_long),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
