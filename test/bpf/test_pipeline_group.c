/* SPDX-License-Identifier: GPL-2.0-only */
/* Groups on real veths (test/bpf/pipeline.h): what each bucket's copy looks like, choices, liveness, counters. */
#include "test/bpf/pipeline_group.h"

static void test_all(void **state)
{
	uint64_t group_before = group_packets(0), bucket_before = group_packets(OFX_GROUPS + 1);
	uint64_t none = drop_count(OFX_DROP_NO_OUTPUT);

	GROUP_OF(0, ALL, B(PUSH, set_vid(5), OUTPUT(2)), B(set_mac(7), OUTPUT(3)), {NO_OPS, 0, 0, 0}, B(OUTPUT(2)));
	apply(OPS(set_mac(9), GROUP(0)));
	send_frame(host[1], &plain);
	expect(2, tagged(to_mac(plain, 9), 5));
	expect(3, to_mac(plain, 7));
	expect(2, to_mac(plain, 9));
	expect_no_more();
	expect_drops(OFX_DROP_NO_OUTPUT, none, 1);
	assert_int_equal(group_packets(0) - group_before, 1);
	assert_int_equal(group_packets(OFX_GROUPS + 1) - bucket_before, 1);
}

/* What is behind the group sees the packet unchanged, flows behind it count. */
static void test_not_last(void **state)
{
	struct ofx_counter before = flow_count(2);

	GROUP_OF(0, ALL, B(PUSH, OUTPUT(2)), B(DEC_TTL, OUTPUT(3)));
	apply(OPS(GROUP(0), set_mac(9), OUTPUT(3)));
	send_frame(host[1], &plain);
	expect(2, tagged(plain, 0));
	for (int i = 0, seen = 0; i < 2; i++) { /* in either order */
		struct frame got, changed = to_mac(plain, 9), less = udp_frame(63, 60);

		assert_true(receive_frame(host[3], &got, 1000));
		seen |= !memcmp(got.b, changed.b, changed.len) ? 1 : !memcmp(got.b, less.b, less.len) ? 2 : 4;
		assert_true(i == 0 || seen == 3);
	}
	expect_no_more();
	GROUP_OF(1, INDIRECT, B(PUSH, OUTPUT(2)));
	flow(1, 0, 1, 0, OPS(GROUP(1)), NO_OPS);
	flow(2, 1, OFX_NO_TABLE, 0, NO_OPS, NO_OPS);
	match_all(0, 1);
	match_all(1, 2);
	send_frame(host[1], &plain);
	expect(2, tagged(plain, 0));
	expect_no_more();
	assert_int_equal(flow_count(2).packets - before.packets, 1);
}

static void test_chain_and_action_set(void **state)
{
	GROUP_OF(2, ALL, B(OUTPUT(2)), B(PUSH, OUTPUT(3)));
	GROUP_OF(1, INDIRECT, B(set_mac(4), GROUP(2)));
	flow(1, 0, OFX_NO_TABLE, 0, NO_OPS, OPS(OUTPUT(3), GROUP(1), set_vid(6), PUSH));
	match_all(0, 1);
	send_frame(host[1], &plain);
	expect(2, tagged(to_mac(plain, 4), 6));
	expect(3, tagged(tagged(to_mac(plain, 4), 6), 6));
	expect_no_more();
}

/* From a generic port, and with drivers without metadata, the op begins at c0. */
static void test_generic_port(void **state)
{
	port_flags(1, OFX_PORT_GENERIC);
	GROUP_OF(0, ALL, B(PUSH, OUTPUT(2)), B(OUTPUT(3)), B(OUTPUT(2)));
	apply(OPS(GROUP(0)));
	send_frame(host[1], &plain);
	expect(2, tagged(plain, 0));
	expect(3, plain);
	expect(2, plain);
	expect_no_more();
}

static void test_no_group(void **state)
{
	uint64_t group_before = drop_count(OFX_DROP_NO_GROUP), bucket = drop_count(OFX_DROP_NO_BUCKET);

	apply(OPS(GROUP(40), OUTPUT(2)));
	send_frame(host[1], &plain);
	expect(2, plain);
	expect_drops(OFX_DROP_NO_GROUP, group_before, 1);
	group(0, OFX_GROUP_ALL, 0, NULL);
	apply(OPS(GROUP(0)));
	send_frame(host[1], &plain);
	expect_drops(OFX_DROP_NO_BUCKET, bucket, 1);
	expect_no_more();
}

static struct frame from_port(uint16_t port)
{
	struct frame f = plain;

	f.b[34] = port >> 8;
	f.b[35] = port;
	return f;
}

static void test_select(void **state)
{
	int n[N_PORTS + 1] = {0};

	GROUP_OF(0, SELECT, {OPS(OUTPUT(2)), 1, 0, 0}, B(OUTPUT(1)), {OPS(OUTPUT(3)), 3, 0, 0});
	apply(OPS(GROUP(0)));
	for (int i = 0; i < 400; i++) {
		struct frame f = from_port(i), got;
		int h;

		send_frame(host[1], &f);
		h = receive_frame(host[3], &got, 2) ? 3 : receive_frame(host[2], &got, 1000) ? 2 : 0;
		assert_memory_equal(got.b, f.b, f.len);
		n[h]++;
	}
	assert_int_equal(n[2] + n[3], 400);
	assert_in_range(n[2], 60, 140); /* 100 and four standard deviations, and more */
	expect_no_more();
}

/* How urgent packets are does not part those of one flow: a label's TC. */
static void test_select_by_label(void **state)
{
	struct frame f = plain, got;
	int n[N_PORTS + 1] = {0};

	GROUP_OF(0, SELECT, {OPS(OUTPUT(2)), 1, 0, 0}, {OPS(OUTPUT(3)), 1, 0, 0});
	apply(OPS(GROUP(0)));
	memcpy(f.b + 12, "\x88\x47\x12\x34\x51\x40", 6);
	for (int i = 0; i < 32; i++) {
		f.b[16] = 0x51 | (i & 7) << 1;
		f.b[17] = i;
		send_frame(host[1], &f);
		n[receive_frame(host[3], &got, 2) ? 3 : receive_frame(host[2], &got, 1000) ? 2 : 0]++;
	}
	assert_int_equal(n[2] % 32 + n[3] % 32, 0);
	expect_no_more();
}

/* Port 2's carrier goes with its far end. */
/* The host that a packet of this number comes out at; it must be 2 or 3. */
static int chosen(const struct frame *want)
{
	struct frame got;
	int h = receive_frame(host[2], &got, 50) ? 2 : 3;

	if (h == 3)
		assert_true(receive_frame(host[3], &got, 1000));
	assert_int_equal(got.len, want->len);
	assert_memory_equal(got.b, want->b, want->len);
	return h;
}

/*
 * The choice is by the packet as it is at the group: set-fields before it count, those behind it do not, wherever the
 * packet was copied on the way.
 */
static void test_select_as_it_is(void **state)
{
	GROUP_OF(0, SELECT, {OPS(OUTPUT(2)), 1, 0, 0}, {OPS(OUTPUT(3)), 1, 0, 0});
	for (uint8_t i = 1; i <= 12; i++) {
		struct frame sent = plain, want;
		int before, after;

		sent.b[11] = i; /* the source */
		want = to_mac(sent, 9);
		apply(OPS(GROUP(0)));
		send_frame(host[1], &want);
		after = chosen(&want);
		send_frame(host[1], &sent);
		before = chosen(&sent);
		apply(OPS(set_mac(9), GROUP(0)));
		send_frame(host[1], &sent);
		assert_int_equal(chosen(&want), after);
		apply(OPS(GROUP(0), set_mac(9)));
		send_frame(host[1], &sent);
		assert_int_equal(chosen(&sent), before);
		apply(OPS(IN_PORT, set_mac(9), GROUP(0)));
		send_frame(host[1], &sent);
		expect(1, sent);
		assert_int_equal(chosen(&want), after);
	}
}

static void test_liveness(void **state)
{
	uint64_t none = drop_count(OFX_DROP_NO_BUCKET);

	GROUP_OF(1, FF, {OPS(OUTPUT(1)), 0, 900, 0}, {OPS(OUTPUT(2)), 0, 2, 0});
	GROUP_OF(0, FF, {OPS(GROUP(1)), 0, 0, 1 + 1}, {OPS(OUTPUT(3)), 0, 3, 0});
	apply(OPS(GROUP(0)));
	send_frame(host[1], &plain);
	expect(2, plain);
	sh("ip link set h2 down");
	send_frame(host[1], &plain);
	expect(3, plain);
	port_flags(3, OFX_PORT_DOWN);
	send_frame(host[1], &plain);
	expect_drops(OFX_DROP_NO_BUCKET, none, 1);
	sh("ip link set h2 up");
	for (int i = 0; i < 100 && system("ip link show p2 | grep -q NO-CARRIER") == 0; i++)
		usleep(10000);
	send_frame(host[1], &plain);
	(void)!getsockopt(host[2], SOL_SOCKET, SO_ERROR, &(int){0}, &(socklen_t){sizeof(int)});
	expect(2, plain);
	expect_no_more();
}

static void test_slot_of_another(void **state)
{
	struct ofx_op late = GROUP(0);
	uint64_t before = drop_count(OFX_DROP_NO_GROUP);

	GROUP_OF(0, ALL, B(OUTPUT(2)), B(OUTPUT(3)));
	late.value = 1 | 2ull << 32; /* slot 1, buckets 0 to 1 */
	late.mask = 4;		     /* not the generation of the slot */
	apply(OPS(late));
	send_frame(host[1], &plain);
	expect_drops(OFX_DROP_NO_GROUP, before, 1);
	late.mask = 5;
	apply(OPS(late));
	send_frame(host[1], &plain);
	expect(2, plain);
	expect(3, plain);
	expect_no_more();
}

#define T(F) cmocka_unit_test_setup(F, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_all),	  T(test_not_last),	   T(test_chain_and_action_set), T(test_generic_port),
		T(test_no_group), T(test_select),	   T(test_select_by_label),	 T(test_select_as_it_is),
		T(test_liveness), T(test_slot_of_another),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
