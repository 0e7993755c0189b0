/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Queues on real veths (test/bpf/pipeline.h).  p2 has a root qdisc 5:, and a filter behind the queue that drops what
 * does not have the priority of queue 7 of it; p3 has no qdisc.
 */
#include <linux/pkt_cls.h>
#include "include/ofxdp/queue.h"
#include "test/bpf/pipeline.h"

#define HANDLE 0x50000
#define SET_QUEUE(QUEUE) op(OFX_OP_SET_QUEUE, 0, 0, QUEUE)

/* skb->priority == queue 7 of 5: ? go on : drop */
static void only_queue_7(const char *name)
{
	struct bpf_insn insns[] = {
		{.code = BPF_LDX | BPF_MEM | BPF_W,
		 .dst_reg = 1,
		 .src_reg = 1,
		 .off = offsetof(struct __sk_buff, priority)},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = TC_ACT_OK},
		{.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 1, .off = 1, .imm = HANDLE | 7},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = TC_ACT_SHOT},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(name), .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts);

	opts.prog_fd =
		bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "only", "GPL", insns, sizeof(insns) / sizeof(*insns), NULL);
	assert_true(opts.prog_fd >= 0);
	assert_int_equal(bpf_tc_hook_create(&hook), 0);
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
	close(opts.prog_fd);
}

static int setup_queues(void **state)
{
	setup(state);
	sh("tc qdisc add dev p2 root handle 5: pfifo limit 1000");
	only_queue_7("p2");
	return 0;
}

static uint32_t qdisc_known(uint32_t index)
{
	uint32_t handle = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skel->maps.port_qdisc), &index, &handle), 0);
	return handle;
}

static void test_last(void **state)
{
	struct port_totals before = port_count(2), after;

	apply(OPS(SET_QUEUE(7), OUTPUT(2)));
	send_frame(host[1], &plain);
	expect(2, plain);
	apply(OPS(SET_QUEUE(6), OUTPUT(2)));
	send_frame(host[1], &plain);
	expect_no_more(); /* the test's own filter */
	after = port_count(2);
	assert_int_equal(after.tx_packets - before.tx_packets, 2);
	assert_int_equal(after.tx_bytes - before.tx_bytes, 2 * plain.len);
	assert_int_equal(qdisc_known(2), HANDLE);
}

static void test_bytes(void **state)
{
	struct frame longer = udp_frame(64, 1450);

	apply(OPS(SET_QUEUE(7), set_mac(9), PUSH, OUTPUT(2)));
	send_frame(host[1], &plain);
	expect(2, tagged(to_mac(plain, 9), 0));
	apply(OPS(SET_QUEUE(7), OUTPUT(2)));
	send_frame(host[1], &longer);
	expect(2, longer);
	for (int tags = 1; tags < 4; tags++) {
		plain = tagged(plain, 4 + tags);
		send_frame(host[1], &plain);
		expect(2, plain);
	}
	expect_no_more();
}

static void test_no_qdisc(void **state)
{
	apply(OPS(SET_QUEUE(7), OUTPUT(3)));
	send_frame(host[1], &plain);
	expect(3, plain);
	expect_no_more();
	assert_int_equal(qdisc_known(3), 0);
}

static void test_copies(void **state)
{
	apply(OPS(SET_QUEUE(7), OUTPUT(2), set_mac(8), OUTPUT(3), set_mac(9), OUTPUT(2), IN_PORT));
	send_frame(host[1], &plain);
	expect(2, plain);
	expect(2, to_mac(plain, 9));
	expect(3, to_mac(plain, 8));
	expect(1, to_mac(plain, 9));
	expect_no_more();
}

static void test_flood(void **state)
{
	apply(OPS(SET_QUEUE(7), FLOOD));
	send_frame(host[1], &plain);
	expect(2, plain);
	expect(3, plain);
	expect_no_more();
	apply(OPS(SET_QUEUE(7), FLOOD, set_mac(8), FLOOD));
	send_frame(host[3], &plain);
	expect(1, plain);
	expect(2, plain);
	expect(1, to_mac(plain, 8));
	expect(2, to_mac(plain, 8));
	expect_no_more();
}

/* Nobody but the port the packet came from. */
static void test_flood_to_nobody(void **state)
{
	uint64_t before = drop_count(OFX_DROP_OUTPUT_NO_PORT);
	struct ofx_flood one = {.n = 1, .index = {1}}, all = {.n = N_PORTS, .index = {1, 2, 3}};
	uint32_t zero = 0;

	put(skel->maps.flood_members, &zero, &one);
	apply(OPS(SET_QUEUE(7), FLOOD));
	send_frame(host[1], &plain);
	expect_drops(OFX_DROP_OUTPUT_NO_PORT, before, 1);
	put(skel->maps.flood_members, &zero, &all);
	expect_no_more();
}

/* In the order of §5.10, whatever the order written: the queue before the output. */
static void test_action_set(void **state)
{
	flow(1, 0, OFX_NO_TABLE, 0, NO_OPS, OPS(OUTPUT(2), SET_QUEUE(6), set_mac(9), SET_QUEUE(7)));
	match_all(0, 1);
	send_frame(host[1], &plain);
	expect(2, to_mac(plain, 9));
	expect_no_more();
}

/* The queue stays with the packet over a goto that parses it again, and is gone with the packet. */
static void test_resume_and_next_packet(void **state)
{
	flow(1, 0, 1, OFX_INST_REPARSE, OPS(SET_QUEUE(7), PUSH), NO_OPS);
	match_all(0, 1);
	flow(2, 1, OFX_NO_TABLE, 0, OPS(OUTPUT(2)), NO_OPS);
	match_all(1, 2);
	send_frame(host[1], &plain);
	expect(2, tagged(plain, 0));
	apply(OPS(OUTPUT(2))); /* a redirect: the test's filter is not on its way */
	send_frame(host[1], &plain);
	expect(2, plain);
	expect_no_more();
}

static void test_refused(void **state)
{
	uint64_t no_fwd = drop_count(OFX_DROP_OUTPUT_NO_FWD), mtu = drop_count(OFX_DROP_OUTPUT_MTU);
	uint64_t in_port = drop_count(OFX_DROP_OUTPUT_IN_PORT);
	struct frame longest = udp_frame(64, 1472);

	port_flags(2, OFX_PORT_NO_FWD);
	apply(OPS(SET_QUEUE(7), OUTPUT(2)));
	send_frame(host[1], &plain);
	expect_drops(OFX_DROP_OUTPUT_NO_FWD, no_fwd, 1);
	port_flags(2, 0);
	apply(OPS(SET_QUEUE(7), OUTPUT(1)));
	send_frame(host[1], &plain);
	expect_drops(OFX_DROP_OUTPUT_IN_PORT, in_port, 1);
	apply(OPS(SET_QUEUE(7), PUSH, PUSH, FLOOD));
	send_frame(host[1], &longest);
	expect_drops(OFX_DROP_OUTPUT_MTU, mtu, 2);
	expect_no_more();
}

/* Frames that are not ours get no further than NAME-q1. */
static void test_no_header(void **state)
{
	uint64_t before = drop_count(OFX_DROP_BAD_INJECT);
	int q0 = packet_socket("q0");

	send_frame(q0, &plain);
	expect_drops(OFX_DROP_BAD_INJECT, before, 1);
	close(q0);
	expect_no_more();
}

int main(void)
{
#define T(NAME) cmocka_unit_test_setup(NAME, fresh)
	const struct CMUnitTest tests[] = {
		T(test_last),	 T(test_bytes),		  T(test_no_qdisc),   T(test_copies),
		T(test_flood),	 T(test_flood_to_nobody), T(test_action_set), T(test_resume_and_next_packet),
		T(test_refused), T(test_no_header),
	};
#undef T

	return cmocka_run_group_tests(tests, setup_queues, teardown);
}
