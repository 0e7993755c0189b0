/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The microflow cache on real veths (test/bpf/pipeline.h).  A packet that is found in it must fare as the one did that
 * walked the tables: the same frames, byte for byte, the same counters, the same drops.
 */
#include "include/ofxdp/meter.h"
#include "test/bpf/pipeline_cache.h"
#include "test/bpf/pipeline_group.h"

/* --- frames with checksums --- */

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value;
}

/* Both checksums of a UDP frame of even length anew. */
static struct frame summed(struct frame f)
{
	uint8_t pseudo[1600] = {0}, *ip = f.b + 14, *udp = ip + 20;
	size_t len = f.len - 14 - 20;

	put16(ip + 10, 0);
	put16(ip + 10, ip_sum(ip, 20));
	put16(udp + 6, 0);
	memcpy(pseudo, ip + 12, 8);
	pseudo[9] = 17;
	put16(pseudo + 10, len);
	memcpy(pseudo + 12, udp, len);
	put16(udp + 6, ip_sum(pseudo, 12 + len));
	return f;
}

static struct frame from_udp(uint16_t port)
{
	struct frame f = plain;

	put16(f.b + 34, port);
	return f;
}

static struct ofx_op set_ip_dst(uint8_t last)
{
	return set_field(offsetof(struct ofx_key, ipv4_dst), (uint8_t[4]){10, 0, 0, last}, 4);
}

static struct ofx_op set_port(uint16_t port)
{
	port = htons(port);
	return set_field(offsetof(struct ofx_key, tp_dst), &port, 2);
}

/* --- verdicts --- */

static void test_output(void **state)
{
	for (int i = 0; i < 2; i++) {
		one_table(ways[i], OPS(OUTPUT(2)));
		TWICE(&plain, {2, plain});
		expect_flows(1, plain.len);
		assert_int_equal(came.port[2].tx_packets, 1);
		assert_int_equal(came.port[2].tx_bytes, plain.len);
		one_table(ways[i], OPS(IN_PORT));
		TWICE(&plain, {1, plain});
		expect_flows(1, plain.len);
		assert_int_equal(came.port[1].tx_packets, 1);
	}
}

static void test_nowhere(void **state)
{
	for (int i = 0; i < 2; i++) {
		one_table(ways[i], NO_OPS);
		NOTHING(&plain);
		expect_flows(1, plain.len);
		assert_int_equal(came.drops[OFX_DROP_NO_OUTPUT], 1);
		one_table(ways[i], OPS(OUTPUT(1)));
		NOTHING(&plain);
		expect_flows(1, plain.len);
		assert_int_equal(came.drops[OFX_DROP_OUTPUT_IN_PORT], 1);
		one_table(ways[i], OPS(OUTPUT(77)));
		NOTHING(&plain);
		assert_int_equal(came.drops[OFX_DROP_OUTPUT_NO_PORT], 1);
	}
}

static void test_miss(void **state)
{
	list(0, 0, NULL);
	NOTHING(&plain);
	expect_flows(0, 0);
	assert_int_equal(came.misses[0], 1);
	assert_int_equal(came.drops[OFX_DROP_NO_MATCH], 1);
	for (int i = 0; i < 2; i++) {
		flow(1, 0, 2, ways[i], OPS(set_mac(7)), NO_OPS);
		match_all(0, 1);
		NOTHING(&plain);
		expect_flows(1, plain.len);
		assert_int_equal(came.misses[2], 1);
		assert_int_equal(came.drops[OFX_DROP_NO_MATCH], 1);
	}
}

static void test_set_eth(void **state)
{
	const struct ofx_op src = set_field(offsetof(struct ofx_key, eth_src), (uint8_t[6]){2, 1, 2, 3, 4, 5}, 6);
	struct frame want = to_mac(plain, 9);

	memcpy(want.b + 6, "\x02\x01\x02\x03\x04\x05", 6);
	for (int i = 0; i < 2; i++) {
		one_table(ways[i], OPS(set_mac(8), src, set_mac(9), OUTPUT(2)));
		TWICE(&plain, {2, want});
		expect_flows(1, plain.len);
	}
}

static void test_set_fields(void **state)
{
	struct frame sent = summed(plain), want = to_mac(sent, 9);

	want.b[33] = 77;
	put16(want.b + 36, 4242);
	want = summed(want);
	for (int i = 0; i < 2; i++) {
		one_table(ways[i], OPS(set_ip_dst(77), set_port(4242), set_mac(9), OUTPUT(2)));
		TWICE(&sent, {2, want});
		expect_flows(1, sent.len);
	}
}

static void test_ops(void **state)
{
	one_table(0, OPS(PUSH, OUTPUT(2)));
	TWICE(&plain, {2, tagged(plain, 0)});
	expect_flows(1, plain.len);
	assert_int_equal(came.port[2].tx_bytes, plain.len + 4);
	one_table(0, OPS(DEC_TTL, OUTPUT(2)));
	TWICE(&plain, {2, udp_frame(63, 60)});
	one_table(0, OPS(FLOOD));
	TWICE(&plain, {2, plain}, {3, plain});
	expect_flows(1, plain.len);
	one_table(0, OPS(set_mac(7), OUTPUT(2), set_mac(9), OUTPUT(3)));
	TWICE(&plain, {2, to_mac(plain, 7)}, {3, to_mac(plain, 9)});
	expect_flows(1, plain.len);
}

static void test_action_set(void **state)
{
	flow(1, 0, 1, 0, NO_OPS, OPS(OUTPUT(2), set_mac(9), PUSH));
	flow(2, 1, OFX_NO_TABLE, 0, NO_OPS, OPS(OUTPUT(3)));
	match_all(0, 1);
	match_all(1, 2);
	TWICE(&plain, {3, tagged(to_mac(plain, 9), 0)});
	expect_flows(2, plain.len);
	flow(2, 1, OFX_NO_TABLE, OFX_INST_CLEAR, NO_OPS, OPS(IN_PORT));
	TWICE(&plain, {1, plain});
}

static void test_controller(void **state)
{
	one_table(0, OPS(CONTROLLER));
	NOTHING(&plain);
	expect_flows(1, plain.len);
	assert_int_equal(came.drops[OFX_DROP_PUNT_NO_DAEMON], 1);
	one_table(0, OPS(CONTROLLER, set_mac(9), OUTPUT(2)));
	TWICE(&plain, {2, to_mac(plain, 9)});
	assert_int_equal(came.drops[OFX_DROP_PUNT_NO_DAEMON], 1);
}

/* The bucket is chosen by the packet as apply-actions have left it, whichever way it came. */
static void test_group(void **state)
{
	int n[N_PORTS + 1] = {0};

	GROUP_OF(0, SELECT, {OPS(OUTPUT(2)), 1, 0, 0}, {OPS(set_mac(6), OUTPUT(3)), 1, 0, 0});
	one_table(0, OPS(set_ip_dst(77), set_mac(9), GROUP(0)));
	for (uint16_t port = 1; port <= 16; port++) {
		struct frame sent = summed(from_udp(port)), want = to_mac(sent, 9), got;
		int h;

		want.b[33] = 77;
		want = summed(want);
		changed();
		send_frame(host[1], &sent);
		h = receive_frame(host[2], &got, 20) ? 2 : 3;
		if (h == 3) {
			want = to_mac(want, 6);
			expect(3, want);
		}
		n[h]++;
		TWICE(&sent, {h, want});
		expect_flows(1, sent.len);
	}
	assert_true(n[2] && n[3]);
}

/* Pushed tags count, too, whichever way the packet came. */
static void test_group_behind_push(void **state)
{
	int n[N_PORTS + 1] = {0};

	GROUP_OF(0, SELECT, {OPS(OUTPUT(2)), 1, 0, 0}, {OPS(OUTPUT(3)), 1, 0, 0});
	one_table(0, OPS(PUSH, set_vid(77), GROUP(0)));
	for (uint16_t port = 1; port <= 16; port++) {
		struct frame sent = from_udp(port), want = tagged(sent, 77), got;
		int h;

		changed();
		send_frame(host[1], &sent);
		h = receive_frame(host[2], &got, 20) ? 2 : 3;
		if (h == 3)
			expect(3, want);
		n[h]++;
		TWICE(&sent, {h, want});
	}
	assert_true(n[2] && n[3]);
	for (uint16_t port = 1; port <= 16; port++) { /* as one that comes with the tag */
		struct frame sent = from_udp(port), want = tagged(sent, 77), got;
		int h;

		one_table(0, OPS(GROUP(0)));
		changed();
		send_frame(host[1], &want);
		h = receive_frame(host[2], &got, 20) ? 2 : 3;
		if (h == 3)
			expect(3, want);
		one_table(0, OPS(PUSH, set_vid(77), GROUP(0)));
		TWICE(&sent, {h, want});
	}
}

static void test_meter(void **state)
{
	const uint64_t second = 1000000000ULL << OFX_METER_TIME_SHIFT;
	struct ofx_meter m = {.n_bands = 1};
	uint64_t before = drop_count(OFX_DROP_METER), slot = 9;

	m.bands[0] = (struct ofx_band){.type = OFX_BAND_DROP,
				       .rate = 1,
				       .cost = second << OFX_METER_COST_SHIFT,
				       .depth = 2 * second - second / 2};
	put(skel->maps.meter_slots, &(uint32_t){slot}, &m);
	put(skel->maps.meters, &(uint32_t){5}, &slot);
	one_table(0, OPS(op(OFX_OP_METER, 0, 0, 5), OUTPUT(2)));
	TWICE(&plain, {2, plain});
	expect_flows(1, plain.len);
	send_frame(host[1], &plain);
	expect_drops(OFX_DROP_METER, before, 1);
	expect_no_more();
}

/* Three tables, the last by metadata that the first wrote. */
static void test_tables(void **state)
{
	const uint64_t value = 0x1200, mask = 0xff00;
	struct ofx_op metadata = {.code = OFX_OP_SET, .a = OFX_W_METADATA, .value = value, .mask = mask};
	struct ofx_list_entry by_metadata = {.subtable = 7, .max_priority = 5};

	subtable(7, 1, (uint8_t[]){OFX_W_METADATA}, &mask);
	for (int i = 0; i < 2; i++) {
		flow(1, 0, 1, ways[i], OPS(metadata), NO_OPS);
		flow(2, 1, 2, ways[i], OPS(set_mac(9)), NO_OPS);
		flow(3, 2, OFX_NO_TABLE, ways[i], OPS(OUTPUT(2)), NO_OPS);
		match_all(0, 1);
		match_all(1, 2);
		rule(7, &value, 3, 5);
		list(2, 1, &by_metadata);
		TWICE(&plain, {2, to_mac(plain, 9)});
		expect_flows(3, plain.len);
	}
}

/* Two tables of simple flows, then one that is not: the walk begins anew, with the packet as it came. */
static void test_falls_back(void **state)
{
	const uint8_t word = OFX_W_ETH_DST;
	const uint64_t mask = 0xffffffffffffULL;
	struct ofx_list_entry by_dst = {.subtable = 7, .max_priority = 5};
	uint64_t dst = 0, new_dst = set_mac(9).value;

	memcpy(&dst, plain.b, 6);
	subtable(7, 1, &word, &mask);
	flow(1, 0, 1, OFX_INST_SIMPLE, OPS(set_mac(9)), NO_OPS);
	flow(2, 1, 2, OFX_INST_SIMPLE, NO_OPS, NO_OPS);
	flow(3, 2, OFX_NO_TABLE, 0, OPS(PUSH, OUTPUT(3)), NO_OPS);
	rule(7, &dst, 1, 5);
	list(0, 1, &by_dst);
	match_all(1, 2);
	by_dst.subtable = 8;
	subtable(8, 1, &word, &mask);
	rule(8, &new_dst, 3, 5);
	list(2, 1, &by_dst);
	TWICE(&plain, {3, tagged(to_mac(plain, 9), 0)});
	expect_flows(3, plain.len);
}

/* More ops than an entry holds. */
static void test_too_long(void **state)
{
	uint64_t before = account().too_long;

	one_table(0, OPS(PUSH, set_vid(1), PUSH, set_vid(2), POP, POP, set_mac(9), OUTPUT(2)));
	twice(&plain, MISSES, 1, &(struct wanted){2, to_mac(plain, 9)});
	expect_flows(1, plain.len);
	assert_int_equal(account().too_long - before, 2);
}

/* --- what packets share an entry --- */

static void send_fares(const struct frame *f, int to, enum fate fate, struct ofx_cache_cpu *c)
{
	send_frame(host[1], f);
	expect(to, *f);
	expect_fate(c, fate);
}

static void test_live_masks(void **state)
{
	struct frame other = from_udp(77), else_where = to_mac(plain, 44);
	struct ofx_key mask = {0};
	struct ofx_cache_cpu c;

	one_table(OFX_INST_SIMPLE, OPS(OUTPUT(2)));
	memset(mask.eth_dst, 0xff, 6);
	look_at(&mask);
	c = account();
	send_fares(&plain, 2, MISSES, &c);
	send_fares(&other, 2, HITS, &c);
	send_fares(&else_where, 2, MISSES, &c);
	mask.tp_src = 0xffff;
	look_at(&mask);
	send_fares(&plain, 2, MISSES, &c);
	send_fares(&other, 2, MISSES, &c);
	send_fares(&plain, 2, HITS, &c);
	send_fares(&other, 2, HITS, &c);
}

/* One entry for the packets of two ports: each port is its own IN_PORT. */
static void test_port_mask(void **state)
{
	struct ofx_key mask = {0};
	struct ofx_cache_cpu c;

	one_table(OFX_INST_SIMPLE, OPS(IN_PORT));
	look_at(&mask);
	c = account();
	send_fares(&plain, 1, MISSES, &c);
	send_frame(host[2], &plain);
	expect(2, plain);
	expect_fate(&c, HITS);
	look_at_all();
	send_fares(&plain, 1, MISSES, &c);
	send_frame(host[2], &plain);
	expect(2, plain);
	expect_fate(&c, MISSES);
}

/* Each is itself only, and comes from another port as another. */
static void told_apart(const struct frame *frames, int n, struct ofx_cache_cpu *c)
{
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < n; i++)
			send_fares(&frames[i], 1, round ? HITS : MISSES, c);
	for (int round = 0; round < 2; round++) {
		send_frame(host[2], &frames[0]);
		expect(2, frames[0]);
		expect_fate(c, round ? HITS : MISSES);
	}
}

/* The short keys of L3 tell apart all of plain packets but their Ethernet addresses and TCP flags. */
static void test_l3_keys(void **state)
{
	struct frame others[8];
	struct ofx_cache_cpu c;
	int n = 0;

	one_table(OFX_INST_SIMPLE, OPS(IN_PORT));
	changed();
	c = account();
	others[n++] = plain;
	others[n++] = from_udp(77);
	others[n] = plain;
	put16(others[n++].b + 36, 78);
	for (int at = 26; at < 34; at += 4) { /* a byte of either address */
		others[n] = plain;
		others[n++].b[at] ^= 1;
	}
	for (int tos = 1; tos <= 4; tos += 3) { /* ECN, DSCP */
		others[n] = plain;
		others[n++].b[15] ^= tos;
	}
	others[n] = plain;
	others[n].b[23] = 6;
	others[n++].b[46] = 0x50;
	told_apart(others, n, &c);
	others[0] = to_mac(plain, 9);
	send_fares(&others[0], 1, HITS, &c);
	look_at_all();
	send_fares(&plain, 1, MISSES, &c);
	send_fares(&others[0], 1, MISSES, &c);
	send_fares(&plain, 1, HITS, &c);
}

/* Those of L2 the Ethernet addresses. */
static void test_l2_keys(void **state)
{
	struct frame others[] = {plain, plain, plain, plain}, same = from_udp(77);
	struct ofx_cache_cpu c;

	others[1].b[5] ^= 1;
	others[2].b[11] ^= 1;
	others[3].b[0] ^= 8;
	one_table(OFX_INST_SIMPLE, OPS(IN_PORT));
	changed();
	c = account();
	told_apart(others, 4, &c);
	send_fares(&same, 1, HITS, &c);
	look_at_all();
	send_fares(&plain, 1, MISSES, &c);
	send_fares(&same, 1, MISSES, &c);
}

/* The entry serves until the generation ends, and no packet longer. */
/* With the cache off. */
static void send_uncached(const struct frame *sent, uint32_t port)
{
	live()->gen = 0;
	one_table(OFX_INST_SIMPLE, OPS(OUTPUT(port)));
	send_frame(host[1], sent);
	expect(port, *sent);
	expect_no_more();
}

static void test_generation(void **state)
{
	struct ofx_cache_cpu c = account();

	one_table(OFX_INST_SIMPLE, OPS(OUTPUT(2)));
	send_fares(&plain, 2, MISSES, &c);
	one_table(OFX_INST_SIMPLE, OPS(OUTPUT(3)));
	send_fares(&plain, 2, HITS, &c);
	changed();
	send_fares(&plain, 3, MISSES, &c);
	send_fares(&plain, 3, HITS, &c);
	send_uncached(&plain, 2);
}

/* What the cache had for a frame that had to be parsed is not taken for the next one. */
static void test_generation_parsed(void **state)
{
	struct frame tag = tagged(plain, 5);

	one_table(OFX_INST_SIMPLE, OPS(OUTPUT(2)));
	TWICE(&tag, {2, tag});
	send_uncached(&tag, 3);
}

/* A cell is carried by what is found in the cache, too. */
static void test_carries(void **state)
{
	one_table(OFX_INST_SIMPLE, OPS(OUTPUT(2)));
	fill_cells(2);
	TWICE(&plain, {2, plain});
	one_table(OFX_INST_SIMPLE, OPS(set_mac(9), OUTPUT(2)));
	fill_cells(2);
	TWICE(&plain, {2, to_mac(plain, 9)});
}

/* --- other frames --- */

static struct frame ethernet(uint16_t type, const uint8_t *payload, size_t n)
{
	struct frame f = {.len = 64};

	memcpy(f.b, plain.b, 12);
	put16(f.b + 12, type);
	memcpy(f.b + 14, payload, n);
	return f;
}

static void test_not_plain(void **state)
{
	struct frame fragment = plain, icmp = plain;

	put16(fragment.b + 20, 0x2000);
	fragment.b[24] = fragment.b[25] = 0;
	put16(fragment.b + 24, ip_sum(fragment.b + 14, 20));
	icmp.b[23] = 1;
	for (int i = 0; i < 2; i++) {
		struct frame tag = tagged(plain, 5), twice_tagged = tagged(tag, 6), later = fragment;
		struct frame label = labelled(plain, 0x12345140);

		one_table(ways[i], OPS(set_mac(9), OUTPUT(2)));
		TWICE(&tag, {2, to_mac(tag, 9)});
		TWICE(&twice_tagged, {2, to_mac(twice_tagged, 9)});
		TWICE(&fragment, {2, to_mac(fragment, 9)});
		put16(later.b + 20, 0x0010);
		TWICE(&later, {2, to_mac(later, 9)});
		TWICE(&icmp, {2, to_mac(icmp, 9)});
		TWICE(&label, {2, to_mac(label, 9)});
	}
}

/* Headers with more words than an entry holds are found if no rule looks at those. */
static void test_wide(void **state)
{
	uint8_t arp[28] = {0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2};
	uint8_t ip6[48] = {0x60, 0, 0, 0, 0, 8, 17, 64, 0x20, 1, [23] = 1, 0x20, 1, [39] = 2, 3, 0xe8, 7, 0xd0, 0, 8};
	struct frame frames[] = {ethernet(0x0806, arp, sizeof(arp)), ethernet(0x86dd, ip6, sizeof(ip6))};
	struct ofx_key narrow;

	memset(&narrow, 0xff, sizeof(narrow));
	narrow.w[OFX_W_ADDR1] = narrow.w[OFX_W_ADDR2] = narrow.w[OFX_W_ADDR3] = 0;
	one_table(OFX_INST_SIMPLE, OPS(set_mac(9), OUTPUT(2)));
	for (int i = 0; i < 2; i++) {
		struct wanted want = {2, to_mac(frames[i], 9)};

		look_at_all();
		twice(&frames[i], IS_TOO_WIDE, 1, &want);
		expect_flows(1, 64);
		look_at(&narrow);
		twice(&frames[i], HITS, 1, &want);
		expect_flows(1, 64);
	}
}

int main(void)
{
#define T(NAME) cmocka_unit_test_setup(NAME, fresh_cache)
#define L2(NAME) cmocka_unit_test_setup(NAME, fresh_l2)
#define L3(NAME) cmocka_unit_test_setup(NAME, fresh_l3)
	const struct CMUnitTest tests[] = {
		T(test_output),	     T(test_nowhere),
		T(test_miss),	     T(test_set_eth),
		T(test_set_fields),  T(test_ops),
		T(test_action_set),  T(test_controller),
		T(test_group),	     T(test_group_behind_push),
		T(test_meter),	     T(test_tables),
		T(test_falls_back),  T(test_too_long),
		T(test_live_masks),  T(test_port_mask),
		T(test_generation),  T(test_generation_parsed),
		T(test_carries),     T(test_not_plain),
		T(test_wide),	     L3(test_output),
		L3(test_nowhere),    L3(test_miss),
		L3(test_set_eth),    L3(test_set_fields),
		L3(test_ops),	     L3(test_action_set),
		L3(test_controller), L3(test_group),
		L3(test_meter),	     L3(test_tables),
		L3(test_falls_back), L3(test_too_long),
		L3(test_port_mask),  L3(test_generation),
		L3(test_not_plain),  L3(test_l3_keys),
		L2(test_output),     L2(test_nowhere),
		L2(test_miss),	     L2(test_set_eth),
		L2(test_set_fields), L2(test_ops),
		L2(test_action_set), L2(test_tables),
		L2(test_port_mask),  L2(test_generation),
		L2(test_not_plain),  L2(test_l2_keys),
	};
#undef L3
#undef L2
#undef T

	return cmocka_run_group_tests(tests, setup_cache, teardown);
}
