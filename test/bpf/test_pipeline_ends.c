/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pipeline on real veths (test/bpf/pipeline.h): lookup in all shapes of a table, packet-outs, frames on the
 * internal interfaces, and what is counted when a packet goes nowhere.
 */
#include "test/bpf/pipeline.h"

/* --- lookup --- */

static void test_priorities_and_words(void **state)
{
	static const uint8_t n_words[] = {0, 1, 3, 7, 8, 15};
	static const uint8_t words[15] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
	struct ofx_list_entry e[6];
	struct ofx_key seen = {0};

	/* what `plain` has from port 1, as far as it is asked for: words 0, 1, 8 and those behind are 0 */
	for (int c = 0; c < 6; c++) { /* words that are 0 in this packet, under full masks; priority c + 1 */
		uint64_t mask[15];

		for (int i = 0; i < n_words[c]; i++)
			mask[i] = words[i] < 2 || words[i] > 8 ? ~0ULL : 0;
		subtable(300 + c, n_words[c], words, mask);
		flow(10 + c, 0, OFX_NO_TABLE, 0, OPS(set_mac(20 + c), OUTPUT(2)), NO_OPS);
		rule(300 + c, (uint64_t *)seen.w, 10 + c, c + 1);
		e[5 - c] = (struct ofx_list_entry){.subtable = 300 + c, .max_priority = c + 1};
	}
	for (int from = 0; from < 6; from++) { /* take the best away, one by one */
		list(0, 6 - from, e + from);
		send_frame(host[1], &plain);
		expect(2, to_mac(plain, 20 + 5 - from));
	}
	expect_no_more();
}

static void test_long_list(void **state)
{
	struct ofx_list_entry e[200];

	apply(OPS(OUTPUT(3)));
	for (int i = 0; i < 200; i++) { /* all but the last match another in_port */
		struct ofx_key value = {.in_port = htonl(i == 199 ? 1 : 50)}, mask = {.in_port = 0xffffffff};

		e[i] = (struct ofx_list_entry){.subtable = 400 + i, .max_priority = 1000 - i};
		subtable(e[i].subtable, 1, (uint8_t[]){OFX_W_PORTS}, (uint64_t *)&mask.w[OFX_W_PORTS]);
		rule(e[i].subtable, (uint64_t *)&value.w[OFX_W_PORTS], 1, 1000 - i);
	}
	list(0, 200, e);
	send_frame(host[1], &plain);
	expect(3, plain);
	expect_no_more();
}

/* A rule with the right tag whose flow entry is another table's, or matches other packets: it is not followed. */
static void test_candidate(void **state)
{
	struct ofx_key value = {.in_port = htonl(1)}, mask = {.in_port = 0xffffffff};
	struct ofx_list_entry e = {.subtable = 700, .max_priority = 9};
	uint64_t other[] = {value.w[OFX_W_PORTS] + 1}, right[] = {value.w[OFX_W_PORTS]};

	subtable(700, 1, (uint8_t[]){OFX_W_PORTS}, (uint64_t *)&mask.w[OFX_W_PORTS]);
	flow(1, 1, OFX_NO_TABLE, 0, OPS(OUTPUT(3)), NO_OPS);
	rule(700, right, 1, 9);
	list(0, 1, &e);
	send_frame(host[1], &plain);
	expect_no_more();
	flow(1, 0, OFX_NO_TABLE, 0, OPS(OUTPUT(3)), NO_OPS);
	rule(700, other, 1, 9); /* its word, too, but the first leads to the same flow entry */
	send_frame(host[1], &plain);
	expect_no_more();
	rule(700, right, 1, 9);
	send_frame(host[1], &plain);
	expect(3, plain);
	expect_no_more();
}

/* --- packet-out and what else arrives at c0 --- */

/* struct ofx_inject, the ops, the frame. */
static struct frame inject_frame(struct ofx_inject h, struct ops ops, struct frame f)
{
	struct frame out = {.len = sizeof(h) + ops.n * sizeof(struct ofx_op) + f.len};

	memcpy(out.b, &h, sizeof(h));
	memcpy(out.b + sizeof(h), ops.op, ops.n * sizeof(struct ofx_op));
	memcpy(out.b + out.len - f.len, f.b, f.len);
	return out;
}

/* The number of the last packet-out executed. */
static uint64_t injected(void)
{
	uint64_t number;
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skel->maps.injected), &zero, &number), 0);
	return number;
}

static void inject_number(uint8_t kind, uint32_t number, uint32_t in_port, struct ops ops, struct frame f)
{
	struct ofx_inject h = {.magic = MAGIC, .kind = kind, .in_port = in_port, .n_ops = ops.n, .arg = number};
	struct frame out = inject_frame(h, ops, f);

	send_frame(ctl, &out);
}

static void packet_out(uint32_t in_port, struct ops ops, struct frame f)
{
	inject_number(OFX_INJECT_OUT, injected() + 1, in_port, ops, f);
}

static void await_injected(uint32_t number)
{
	for (int i = 0; i < 200 && injected() != number; i++)
		usleep(1000);
	assert_int_equal(injected(), number);
}

static void test_packet_out(void **state)
{
	uint32_t before = injected();

	packet_out(OFX_PORT_CONTROLLER, OPS(OUTPUT(1), PUSH, set_vid(4), OUTPUT(2)), plain);
	expect(1, plain);
	expect(2, tagged(plain, 4));
	packet_out(OFX_PORT_CONTROLLER, OPS(FLOOD), plain);
	for (int h = 1; h <= 3; h++)
		expect(h, plain);
	packet_out(2, OPS(FLOOD), plain);
	expect(1, plain);
	expect(3, plain);
	expect_no_more();
	await_injected(before + 3);
}

/* What did not come shows by the number of the next, or of a mark. */
static void test_packet_outs_lost(void **state)
{
	uint64_t before = drop_count(OFX_DROP_PACKET_OUT_LOST);
	uint32_t last = injected();

	inject_number(OFX_INJECT_OUT, last + 4, OFX_PORT_CONTROLLER, OPS(OUTPUT(1)), plain);
	expect(1, plain);
	await_injected(last + 4);
	expect_drops(OFX_DROP_PACKET_OUT_LOST, before, 3);
	inject_number(OFX_INJECT_MARK, last + 4, 0, NO_OPS, plain);
	inject_number(OFX_INJECT_MARK, last + 9, 0, NO_OPS, plain);
	inject_number(OFX_INJECT_OUT, last + 10, OFX_PORT_CONTROLLER, OPS(OUTPUT(1)), plain);
	expect(1, plain);
	await_injected(last + 10);
	expect_drops(OFX_DROP_PACKET_OUT_LOST, before, 8);
	expect_no_more();
}

/* The numbers go on from 2^32 - 1 with 0. */
static void test_packet_out_numbers_wrap(void **state)
{
	uint64_t lost = drop_count(OFX_DROP_PACKET_OUT_LOST), high = 0xfffffffe;
	uint32_t zero = 0;

	put(skel->maps.injected, &zero, &high);
	for (int i = 0; i < 3; i++) {
		packet_out(OFX_PORT_CONTROLLER, OPS(OUTPUT(1)), plain);
		expect(1, plain);
	}
	await_injected(1);
	expect_drops(OFX_DROP_PACKET_OUT_LOST, lost, 0);
}

static void test_packet_out_table(void **state)
{
	apply(OPS(FLOOD, set_mac(5), OUTPUT(3)));
	packet_out(1, OPS(TABLE), plain);
	expect(2, plain);
	expect(3, plain);
	expect(3, to_mac(plain, 5));
	apply(OPS(set_mac(5), OUTPUT(3)));
	packet_out(1, OPS(PUSH, set_vid(1), TABLE, POP, OUTPUT(2)), plain);
	expect(3, tagged(to_mac(plain, 5), 1));
	expect(2, plain);
	expect_no_more();
}

static void test_generic_port(void **state)
{
	struct port_totals before = port_count(1);

	port_flags(1, OFX_PORT_GENERIC);
	apply(OPS(OUTPUT(2), set_mac(5), FLOOD));
	send_frame(host[1], &plain);
	expect(2, plain);
	expect(2, to_mac(plain, 5));
	expect(3, to_mac(plain, 5));
	expect_no_more();
	assert_int_equal(port_count(1).rx_packets - before.rx_packets, 1);
}

/* A driver without metadata: the frame comes to c0 with its continuation in a header. */
static void test_hop(void **state)
{
	struct ofx_cont c = {.seq = 77, .n_ops = 3, .last = 2, .in_port = 1, .len = 100, .branch = 1, .rest = 9};
	struct ofx_inject h = {.magic = MAGIC, .kind = OFX_INJECT_CONT, .in_port = 77, .arg = 5};
	uint64_t lost = drop_count(OFX_DROP_CONT_LOST);
	struct frame f = inject_frame(h, NO_OPS, plain);
	int conts;
	uint32_t zero = 0, five = 5, id;

	c.ops[0] = OUTPUT(2);
	c.ops[1] = set_mac(8);
	c.ops[2] = OUTPUT(3);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skel->maps.conts), &zero, &id), 0);
	conts = bpf_map_get_fd_by_id(id); /* CPU 0's */
	assert_int_equal(bpf_map_update_elem(conts, &five, &c, BPF_ANY), 0);
	close(conts);
	send_frame(ctl, &f);
	expect(2, plain);
	expect(3, to_mac(plain, 8));
	h.in_port = 76;
	f = inject_frame(h, NO_OPS, plain);
	send_frame(ctl, &f);
	expect_drops(OFX_DROP_CONT_LOST, lost, 1);
	expect_no_more();
}

static void test_bad_inject(void **state)
{
	uint64_t before = drop_count(OFX_DROP_BAD_INJECT);
	struct ofx_inject h = {.magic = MAGIC ^ 1, .kind = OFX_INJECT_RX, .in_port = 1};
	struct frame f = inject_frame(h, NO_OPS, plain);
	int l0 = packet_socket("l0"), l1 = packet_socket("l1");

	apply(OPS(OUTPUT(2)));
	send_frame(ctl, &f);
	h = (struct ofx_inject){.magic = MAGIC, .kind = OFX_INJECT_OUT, .n_ops = 64, .arg = injected() + 1};
	f = inject_frame(h, NO_OPS, plain);
	send_frame(ctl, &f);
	send_frame(l0, &plain); /* no stamp */
	send_frame(l1, &plain);
	expect_drops(OFX_DROP_BAD_INJECT, before, 4);
	expect_no_more();
	close(l0);
	close(l1);
}

/* --- the ends --- */

/* Run ofx_port once on a frame of port 1; what it leaves of the frame. */
static int run_port(struct frame *f)
{
	struct xdp_md ctx = {.data_end = f->len, .ingress_ifindex = if_nametoindex("p1")};
	struct frame out;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->b, .data_size_in = f->len, .data_out = out.b,
		    .data_size_out = sizeof(out.b), .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.ofx_port), &opts), 0);
	out.len = opts.data_size_out;
	*f = out;
	return opts.retval;
}

static void test_punt_header(void **state)
{
	uint64_t metadata = htobe64(0x1234);
	struct ofx_punt want = {
		.in_port = 1, .flow = 1, .gen = 7, .max_len = 0xffff, .reason = 1, .metadata = metadata};
	struct frame f = plain;

	apply(OPS(set_field(offsetof(struct ofx_key, metadata), &metadata, 8), set_mac(9), CONTROLLER));
	assert_int_equal(run_port(&f), XDP_REDIRECT);
	plain = to_mac(plain, 9);
	assert_int_equal(f.len, sizeof(want) + plain.len);
	assert_memory_equal(f.b, &want, sizeof(want));
	assert_memory_equal(f.b + sizeof(want), plain.b, plain.len);
}

static void test_too_many_ops(void **state)
{
	uint64_t before = drop_count(OFX_DROP_TOO_MANY_OPS);
	struct frame f = plain;
	struct ops many = {.n = OFX_FLOW_OPS};

	for (size_t i = 0; i < many.n; i++)
		many.op[i] = set_mac(i);
	for (int table = 0; table < 4; table++) {
		flow(30 + table, table, table < 3 ? table + 1 : OFX_NO_TABLE, 0, many, NO_OPS);
		match_all(table, 30 + table);
	}
	assert_int_equal(run_port(&f), XDP_DROP);
	expect_drops(OFX_DROP_TOO_MANY_OPS, before, 1);
}

static void test_link_down(void **state)
{
	uint64_t before = drop_count(OFX_DROP_REDIRECT_ERR);
	struct port_totals port = port_count(2);

	apply(OPS(OUTPUT(2)));
	sh("ip link set p2 down");
	send_frame(host[1], &plain);
	expect_drops(OFX_DROP_REDIRECT_ERR, before, 1);
	assert_int_equal(port_count(2).tx_dropped - port.tx_dropped, 1);
	sh("ip link set p2 up");
	expect_no_more();
}

static void test_no_receiver(void **state)
{
	uint64_t before = drop_count(OFX_DROP_PORT_UNKNOWN);
	uint32_t ifindex = if_nametoindex("p1");

	apply(OPS(OUTPUT(2)));
	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(skel->maps.port_of_ifindex), &ifindex), 0);
	send_frame(host[1], &plain);
	expect_drops(OFX_DROP_PORT_UNKNOWN, before, 1);
	put_u32(skel->maps.port_of_ifindex, ifindex, 1);
	expect_no_more();
}

/* --- packet-ins that a port does not want (docs/ports.md) --- */

#define ON_MISS op(OFX_OP_CONTROLLER, 0, 0xffff, 0)

static void test_no_packet_in(void **state)
{
	uint64_t kept = drop_count(OFX_DROP_NO_PACKET_IN), punt = drop_count(OFX_DROP_PUNT_NO_DAEMON);
	uint64_t on = OFX_CONFIG_INVALID_TTL;
	struct frame last = udp_frame(1, 60);
	uint32_t zero = 0;

	port_flags(1, OFX_PORT_NO_PACKET_IN);
	apply(OPS(ON_MISS));
	send_frame(host[1], &plain);
	expect_drops(OFX_DROP_NO_PACKET_IN, kept, 1);
	apply(OPS(CONTROLLER)); /* an entry's own will (§7.2.1: "that generate a table miss") */
	send_frame(host[1], &plain);
	expect_drops(OFX_DROP_PUNT_NO_DAEMON, punt, 1);
	flow(1, 0, OFX_NO_TABLE, 0, NO_OPS, OPS(ON_MISS));
	send_frame(host[1], &plain);
	expect_drops(OFX_DROP_NO_PACKET_IN, kept, 2);
	put(skel->maps.config, &zero, &on);
	apply(OPS(DEC_TTL, OUTPUT(2)));
	send_frame(host[1], &last);
	expect_drops(OFX_DROP_PUNT_NO_DAEMON, punt, 2);
	apply(OPS(ON_MISS));
	send_frame(host[2], &plain); /* of another port */
	expect_drops(OFX_DROP_PUNT_NO_DAEMON, punt, 3);
	expect_drops(OFX_DROP_NO_PACKET_IN, kept, 2);
	expect_no_more();
}

#define T(F) cmocka_unit_test_setup(F, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_priorities_and_words),
		T(test_long_list),
		T(test_candidate),
		T(test_packet_out),
		T(test_packet_outs_lost),
		T(test_packet_out_numbers_wrap),
		T(test_packet_out_table),
		T(test_generic_port),
		T(test_hop),
		T(test_bad_inject),
		T(test_punt_header),
		T(test_too_many_ops),
		T(test_link_down),
		T(test_no_receiver),
		T(test_no_packet_in),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
