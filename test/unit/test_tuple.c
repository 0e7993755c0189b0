/* SPDX-License-Identifier: GPL-2.0-only */
/* How masks are widened, so that several share a tuple; priorities in a bag. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include "user/datapath/priority.h"
#include "user/datapath/tuple.h"

static struct ofx_key ipv4(int src, int dst, uint8_t proto, uint16_t port)
{
	struct ofx_key k = {.eth_type = 0xffff, .ip_proto = proto, .tp_dst = port};

	k.ipv4_src = htonl(src ? UINT32_MAX << (32 - src) : 0);
	k.ipv4_dst = htonl(dst ? UINT32_MAX << (32 - dst) : 0);
	return k;
}

static void check(const struct ofx_key *mask, int level, const struct ofx_key *expected)
{
	struct ofx_key wide;

	tuple_widen(mask, level, &wide);
	assert_memory_equal(&wide, expected, sizeof(wide));
	for (int i = 0; i < OFX_KEY_WORDS; i++)
		assert_true((wide.w[i] & ~mask->w[i]) == 0);
}

static void test_ipv4(void **state)
{
	static const struct {
		int src, dst, src0, dst0, src1, dst1;
	} rows[] = {
		{32, 32, 24, 24, 32, 32}, {31, 25, 24, 24, 24, 24}, {24, 23, 24, 16, 24, 16}, {16, 15, 16, 8, 16, 8},
		{8, 7, 8, 0, 8, 0},	  {0, 1, 0, 0, 0, 0},	    {0, 32, 0, 24, 0, 32},    {0, 0, 0, 0, 0, 0},
		{0, 23, 0, 16, 0, 20},	  {29, 0, 24, 0, 28, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct ofx_key mask = ipv4(rows[i].src, rows[i].dst, 0xff, 0xffff);
		const bool apart = rows[i].src0 + rows[i].dst0 >= 24; /* without the ports */
		const struct ofx_key wide0 = ipv4(rows[i].src0, rows[i].dst0, apart ? 0 : 0xff, apart ? 0 : 0xffff);
		const struct ofx_key wide1 = ipv4(rows[i].src1, rows[i].dst1, 0xff, 0xffff);

		check(&mask, 0, &wide0);
		check(&mask, 1, &wide1);
	}
}

/* That a header must not be absent, hardly any rule tells another by. */
static void test_absence(void **state)
{
	struct ofx_key mask = ipv4(32, 0, 0xff, 0xffff), wide = ipv4(24, 0, 0, 0);

	mask.vlan_pcp = 7 | OFX_NO_L4;
	check(&mask, 0, &wide);
	wide = ipv4(32, 0, 0xff, 0xffff);
	wide.vlan_pcp = 7;
	check(&mask, 1, &wide);
}

/* The protocol alone tells little; with a port it is always there. */
static void test_protocol(void **state)
{
	struct ofx_key mask = ipv4(16, 0, 0xff, 0), without = ipv4(16, 0, 0, 0), port = ipv4(16, 0, 0xff, 0xffff);
	struct ofx_key alone = ipv4(0, 0, 0xff, 0);

	check(&mask, 0, &without);
	check(&mask, 1, &mask);
	check(&port, 0, &port);
	check(&alone, 0, &alone);
}

static void test_no_prefix(void **state)
{
	struct ofx_key mask = {.eth_type = 0xffff, .vlan_vid = 0xffff, .eth_dst = {0xff, 0, 0xff}};

	check(&mask, 0, &mask);
	mask.ipv4_src = htonl(0xff00ff00);
	check(&mask, 0, &mask);
	mask = (struct ofx_key){0};
	check(&mask, 0, &mask);
}

static void set6(struct ofx_key *k, int len)
{
	memset(&k->b[64], 0, 16);
	for (int i = 0; i < len; i++)
		k->b[64 + i / 8] |= 0x80 >> i % 8;
}

static void test_ipv6(void **state)
{
	static const int rows[][3] = {{128, 64, 128}, {127, 64, 112}, {64, 64, 64},
				      {63, 48, 48},   {48, 48, 48},   {15, 0, 0}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ofx_key mask = {.eth_type = 0xffff}, wide = mask;

		set6(&mask, rows[i][0]);
		for (int level = 0; level < TUPLE_LEVELS; level++) {
			set6(&wide, rows[i][1 + level]);
			check(&mask, level, &wide);
		}
	}
}

/* A rule's check passes every packet that the rule matches, and not every other one. */
static void test_check(void **state)
{
	uint32_t passed = 0, matched = 0;

	srandom(2);
	for (int i = 0; i < 200000; i++) {
		const int src = random() % 33, dst = random() % 33, level = random() % 2;
		struct ofx_key mask = ipv4(src, dst, random() % 2 ? 0xff : 0, random() % 2 ? 0xffff : 0), value, key;
		struct tuple tuple = {.quick = true};
		bool matches = true;
		uint64_t checks;

		tuple_widen(&mask, level, &tuple.mask);
		tuple_choose_check(&tuple);
		for (int w = 0; w < OFX_KEY_WORDS; w++) {
			key.w[w] = (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ random();
			value.w[w] = (random() % 2 ? key.w[w] : ~key.w[w]) & mask.w[w];
			value.w[w] = (value.w[w] & ~tuple.mask.w[w]) | (key.w[w] & tuple.mask.w[w]);
			matches &= (key.w[w] & mask.w[w]) == value.w[w];
		}
		matched += matches;
		checks = OFX_CHECK_ANY * OFX_BYTES ^ OFX_CHECK_ANY ^ tuple_check(&tuple, &mask, &value);
		if (!(ofx_checks_differ(checks, ofx_check_of_key(key.w[OFX_W_ADDR], tuple.shift)) & 0xff))
			passed++;
		else
			assert_false(matches);
	}
	assert_true(matched > 10000 && passed < 2 * matched);
}

static void test_line_hits(void **state)
{
	srandom(3);
	for (int i = 0; i < 100000; i++) {
		struct ofx_rule_line line = {0};
		uint64_t hits, seen = 0;

		for (int r = 0; r < OFX_LINE_RULES; r++) {
			line.rule[r] = r;
			line.tags |= (random() % 3 ? ofx_rule_tag((uint64_t)(random() % 4) << 32) : 0)
				     << 8 * (OFX_LINE_FIRST + r);
		}
		for (hits = ofx_line_hits(line.tags, 1); hits; hits &= hits - 1)
			seen |= 1u << *(uint64_t *)((char *)&line + ofx_hit_offset(hits));
		for (int r = 0; r < OFX_LINE_RULES; r++)
			assert_true(ofx_line_tag(&line, r) != 1 || seen >> r & 1);
		assert_true(seen < 1u << OFX_LINE_RULES);
	}
}

static void test_priorities(void **state)
{
	struct priorities p = {0};
	static uint32_t n[65536];

	srandom(1);
	for (int i = 0; i < 20000; i++) {
		uint16_t priority = random() % 4 ? random() % 65536 : random() % 3;
		int max = 65535;

		if (random() % 2 || !n[priority]) {
			assert_int_equal(priorities_add(&p, priority), 0);
			n[priority]++;
		} else {
			priorities_remove(&p, priority);
			n[priority]--;
		}
		while (max >= 0 && !n[max])
			max--;
		assert_true(max < 0 ? !p.n : p.max == max);
	}
	priorities_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv4),	  cmocka_unit_test(test_protocol),   cmocka_unit_test(test_absence),
		cmocka_unit_test(test_no_prefix), cmocka_unit_test(test_ipv6),	     cmocka_unit_test(test_check),
		cmocka_unit_test(test_line_hits), cmocka_unit_test(test_priorities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
