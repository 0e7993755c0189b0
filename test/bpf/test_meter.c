/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Meters on real veths (test/bpf/pipeline.h).  Rates are a packet in a second and tests are shorter, so that the
 * buckets alone decide; what a rate amounts to over time is for test/e2e/test_meter.py.
 */
#include <time.h>
#include "include/ofxdp/meter.h"
#include "test/bpf/pipeline.h"

#define SECOND (1000000000ULL << OFX_METER_TIME_SHIFT) /* time units */
#define METER(INDEX) op(OFX_OP_METER, 0, 0, INDEX)
#define INDEX 5
#define SLOT 9

static struct ofx_meter config;

static uint64_t now_units(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (ts.tv_sec * 1000000000ULL + ts.tv_nsec) << OFX_METER_TIME_SHIFT;
}

/* A packet costs a second, the bucket holds `burst`; `rate` only chooses among bands. */
static struct ofx_band drop_band(uint32_t rate, uint64_t burst)
{
	return (struct ofx_band){.type = OFX_BAND_DROP,
				 .rate = rate,
				 .cost = SECOND << OFX_METER_COST_SHIFT,
				 .depth = burst * SECOND - (burst ? SECOND / 2 : 0)};
}

static struct ofx_band remark_band(uint32_t rate, uint64_t burst, uint8_t levels)
{
	struct ofx_band b = drop_band(rate, burst);

	b.type = OFX_BAND_DSCP_REMARK;
	b.prec_level = levels;
	return b;
}

/* A meter with these bands; buckets full. */
static void install(uint32_t index, uint32_t n, const struct ofx_band *bands)
{
	uint32_t slot = SLOT;
	uint64_t word = slot;

	config = (struct ofx_meter){.n_bands = n};
	memcpy(config.bands, bands, n * sizeof(*bands));
	put(skel->maps.meter_slots, &slot, &config);
	put(skel->maps.meters, &index, &word);
}
#define INSTALL(...)                                                                                                   \
	install(INDEX, sizeof((struct ofx_band[]){__VA_ARGS__}) / sizeof(struct ofx_band),                             \
		(struct ofx_band[]){__VA_ARGS__})

static struct ofx_meter slot_now(void)
{
	uint32_t slot = SLOT;
	struct ofx_meter m;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skel->maps.meter_slots), &slot, &m), 0);
	return m;
}

/* Put tat so many time units ahead of now. */
static void ahead(int64_t units)
{
	uint32_t slot = SLOT;
	struct ofx_meter m = slot_now();

	m.bands[0].tat = now_units() + units;
	put(skel->maps.meter_slots, &slot, &m);
}

static struct ofx_counter meter_count_of(uint32_t index)
{
	struct ofx_counter sum = {0};

	for (uint32_t i = 0; i < cpus.n; i++) {
		sum.packets += cpus.cpu[i].state->meter[index].packets;
		sum.bytes += cpus.cpu[i].state->meter[index].bytes;
	}
	return sum;
}

static struct ofx_counter band_count(uint32_t which)
{
	struct ofx_counter sum = {0};

	for (uint32_t i = 0; i < cpus.n; i++) {
		sum.packets += cpus.cpu[i].bands[SLOT].band[which].packets;
		sum.bytes += cpus.cpu[i].bands[SLOT].band[which].bytes;
	}
	return sum;
}

/* The frame with another DSCP, IPv4 at byte 14 or IPv6. */
static struct frame with_dscp(struct frame f, uint8_t dscp)
{
	uint8_t *ip = f.b + 14;
	uint16_t sum;

	if (ip[0] >> 4 == 6) {
		ip[0] = 0x60 | dscp >> 2;
		ip[1] = (dscp << 6 & 0xc0) | (ip[1] & 0x3f);
		return f;
	}
	ip[1] = dscp << 2 | (ip[1] & 3);
	ip[10] = ip[11] = 0;
	sum = ip_sum(ip, 20);
	ip[10] = sum >> 8;
	ip[11] = sum;
	return f;
}

static struct frame ipv6_frame(void)
{
	struct frame f = {.len = 14 + 40 + 8};

	memcpy(f.b, plain.b, 12);
	memcpy(f.b + 12, "\x86\xdd\x60\x01\x23\x45\x00\x08\x11\x40", 10);
	f.b[14 + 8] = f.b[14 + 24] = 0xfd;
	memcpy(f.b + 14 + 40, "\x03\xe8\x07\xd0\x00\x08\x12\x34", 8);
	return f;
}

static void send_expect(struct frame f, struct frame want)
{
	send_frame(host[1], &f);
	expect(2, want);
}

/* --- bands --- */

static void test_drop(void **state)
{
	uint64_t drops = drop_count(OFX_DROP_METER);
	struct ofx_counter in = meter_count_of(INDEX), over = band_count(0), flow_before = flow_count(1);

	INSTALL(drop_band(1, 3));
	apply(OPS(METER(INDEX), OUTPUT(2)));
	for (int i = 0; i < 5; i++)
		send_frame(host[1], &plain);
	for (int i = 0; i < 3; i++)
		expect(2, plain);
	expect_drops(OFX_DROP_METER, drops, 2);
	expect_no_more();
	assert_int_equal(meter_count_of(INDEX).packets - in.packets, 5);
	assert_int_equal(meter_count_of(INDEX).bytes - in.bytes, 5 * plain.len);
	assert_int_equal(band_count(0).packets - over.packets, 2);
	assert_int_equal(band_count(0).bytes - over.bytes, 2 * plain.len);
	assert_int_equal(flow_count(1).packets - flow_before.packets, 5);
}

static void test_no_meter_no_bands(void **state)
{
	uint32_t index = INDEX;
	uint64_t none = 0;
	struct ofx_counter in;

	install(INDEX, 0, NULL);
	in = meter_count_of(INDEX);
	apply(OPS(METER(INDEX), OUTPUT(2)));
	send_expect(plain, plain);
	assert_int_equal(meter_count_of(INDEX).packets - in.packets, 1);
	put(skel->maps.meters, &index, &none);
	send_expect(plain, plain);
	assert_int_equal(meter_count_of(INDEX).packets - in.packets, 1);
	expect_no_more();
}

/* What happens to tat. */
static void test_bucket(void **state)
{
	uint64_t drops = drop_count(OFX_DROP_METER), before;

	INSTALL(drop_band(1, 20));
	apply(OPS(METER(INDEX), OUTPUT(2)));
	ahead(19 * SECOND); /* not empty: one passes, one second is added */
	before = slot_now().bands[0].tat;
	send_expect(plain, plain);
	assert_int_equal(slot_now().bands[0].tat, before + SECOND);
	ahead(25 * SECOND); /* empty */
	before = slot_now().bands[0].tat;
	send_frame(host[1], &plain);
	expect_drops(OFX_DROP_METER, drops, 1);
	assert_int_equal(slot_now().bands[0].tat, before);
	ahead(-50 * (int64_t)SECOND); /* full: idle time does not count */
	before = now_units();
	send_expect(plain, plain);
	assert_in_range(slot_now().bands[0].tat - before, SECOND, 2 * SECOND);
	ahead(1000 * (int64_t)SECOND * 1000); /* more than any packet leads to: an old tat */
	before = now_units();
	send_expect(plain, plain);
	assert_in_range(slot_now().bands[0].tat - before, SECOND, 2 * SECOND);
	expect_no_more();
}

static void test_bytes(void **state)
{
	uint32_t slot = SLOT;
	uint64_t before;

	INSTALL(drop_band(1, 20));
	config.flags = OFX_METER_BYTES;
	config.bands[0].cost = (SECOND << OFX_METER_COST_SHIFT) / 1000;
	put(skel->maps.meter_slots, &slot, &config);
	apply(OPS(METER(INDEX), OUTPUT(2)));
	ahead(10 * SECOND);
	before = slot_now().bands[0].tat;
	send_expect(plain, plain);
	assert_int_equal(slot_now().bands[0].tat - before, SECOND * plain.len / 1000);
	expect_no_more();
}

/* The clock was read long before the bucket was looked at: others have come further meanwhile, which is no old tat. */
static void test_stall(void **state)
{
	uint64_t drops = drop_count(OFX_DROP_METER), before;
	uint32_t slot = SLOT;

	INSTALL(drop_band(1, 20));
	config.flags = OFX_METER_BYTES;
	config.bands[0].cost = 1000;
	put(skel->maps.meter_slots, &slot, &config);
	apply(OPS(METER(INDEX), OUTPUT(2)));
	ahead(config.bands[0].depth + SECOND);
	before = slot_now().bands[0].tat;
	send_frame(host[1], &plain);
	expect_drops(OFX_DROP_METER, drops, 1);
	assert_int_equal(slot_now().bands[0].tat, before);
	expect_no_more();
}

/* Of those exceeded, the one with the highest rate (§5.7.1). */
static void test_bands(void **state)
{
	uint64_t drops = drop_count(OFX_DROP_METER);
	struct frame af11 = with_dscp(plain, 10), af12 = with_dscp(plain, 12), af13 = with_dscp(plain, 14);

	INSTALL(remark_band(10, 1, 1), drop_band(30, 3), remark_band(20, 2, 2));
	apply(OPS(METER(INDEX), OUTPUT(2)));
	send_expect(af11, af11); /* below all */
	send_expect(af11, af12); /* above 10 */
	send_expect(af11, af13); /* above 20 */
	send_frame(host[1], &af11);
	expect_drops(OFX_DROP_METER, drops, 1);
	expect_no_more();
}

/* --- DSCP remark --- */

static void test_remark(void **state)
{
	static const uint8_t rows[][2] = {
		/* DSCP before, after one level: AF1x, AF4x, saturated; others stay */
		{10, 12}, {12, 14}, {14, 14}, {34, 36}, {36, 38}, {38, 38}, {0, 0},
		{8, 8},	  {46, 46}, {42, 42}, {11, 11}, {2, 2},	  {63, 63},
	};
	struct frame arp = plain, v6 = ipv6_frame(), ecn = plain;

	INSTALL(remark_band(1, 0, 1));
	apply(OPS(METER(INDEX), OUTPUT(2)));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		send_expect(with_dscp(plain, rows[i][0]), with_dscp(plain, rows[i][1]));
		send_expect(with_dscp(v6, rows[i][0]), with_dscp(v6, rows[i][1]));
	}
	send_expect(tagged(with_dscp(plain, 18), 7), tagged(with_dscp(plain, 20), 7));
	ecn.b[15] = 3; /* with_dscp keeps it */
	send_expect(with_dscp(ecn, 10), with_dscp(ecn, 12));
	send_expect(labelled(with_dscp(plain, 10), 0x100140), labelled(with_dscp(plain, 10), 0x100140));
	memcpy(arp.b + 12, "\x08\x06", 2);
	send_expect(arp, arp);
	INSTALL(remark_band(1, 0, 200));
	send_expect(with_dscp(plain, 10), with_dscp(plain, 14));
	expect_no_more();
}

/* Set-fields before and behind it, and a later table that matches the DSCP. */
static void test_remark_in_a_list(void **state)
{
	uint8_t af11 = 10;
	struct ofx_op set = set_field(offsetof(struct ofx_key, ip_dscp), &af11, 1);

	set.mask = (set.mask / 0xff) * 0x3f;
	INSTALL(remark_band(1, 0, 1));
	apply(OPS(set, METER(INDEX), set_mac(4), OUTPUT(2)));
	send_expect(plain, to_mac(with_dscp(plain, 12), 4));
	apply(OPS(METER(INDEX), set, OUTPUT(2)));
	send_expect(with_dscp(plain, 20), with_dscp(plain, 10));
	expect_no_more();
}

static void test_later_table_sees_the_remark(void **state)
{
	struct ofx_key value = {.ip_dscp = 12}, mask = {.ip_dscp = 0x3f};
	struct ofx_list_entry e = {.subtable = 50, .max_priority = 1};

	INSTALL(remark_band(1, 0, 1));
	flow(1, 0, 1, OFX_INST_REPARSE, OPS(METER(INDEX)), NO_OPS);
	match_all(0, 1);
	flow(2, 1, OFX_NO_TABLE, 0, OPS(OUTPUT(2)), NO_OPS);
	subtable(50, 1, (uint8_t[]){OFX_W_L4}, (uint64_t *)&mask.w[OFX_W_L4]);
	rule(50, (uint64_t *)&value.w[OFX_W_L4], 2, 1);
	list(1, 1, &e);
	send_expect(with_dscp(plain, 10), with_dscp(plain, 12));
	expect_no_more();
}

/* --- in a list --- */

static void test_behind_the_last_output(void **state)
{
	uint64_t drops = drop_count(OFX_DROP_METER);
	struct ofx_counter in = meter_count_of(INDEX), later = flow_count(3);

	INSTALL(drop_band(1, 1));
	flow(1, 0, 1, 0, OPS(OUTPUT(2)), NO_OPS);
	flow(2, 1, 2, 0, OPS(METER(INDEX)), NO_OPS);
	flow(3, 2, OFX_NO_TABLE, 0, NO_OPS, NO_OPS);
	for (int table = 0; table < 3; table++)
		match_all(table, 1 + table);
	send_expect(plain, plain);
	send_expect(plain, plain);
	expect_drops(OFX_DROP_METER, drops, 1);
	assert_int_equal(meter_count_of(INDEX).packets - in.packets, 2);
	assert_int_equal(flow_count(3).packets - later.packets, 1);
	expect_no_more();
}

static void test_copies_before(void **state)
{
	uint64_t drops = drop_count(OFX_DROP_METER);

	INSTALL(drop_band(1, 1));
	apply(OPS(OUTPUT(3), METER(INDEX), OUTPUT(2)));
	send_frame(host[1], &plain);
	send_frame(host[1], &plain);
	expect(2, plain);
	expect(3, plain);
	expect(3, plain);
	expect_drops(OFX_DROP_METER, drops, 1);
	expect_no_more();
}

/* Virtual meters: what they let pass meets no daemon, what they drop has not been punted. */
static void virtual_meter(uint32_t index, struct ops ops, struct ofx_op op)
{
	uint64_t drops = drop_count(OFX_DROP_METER), punted = drop_count(OFX_DROP_PUNT_NO_DAEMON), none = 0;
	const struct ofx_band b = drop_band(1, 2);

	install(index, 1, &b);
	apply(ops);
	for (int i = 0; i < 5; i++) {
		send_frame(host[1], &plain);
		if (op.code == OFX_OP_OUTPUT)
			expect(2, plain);
	}
	expect_drops(OFX_DROP_PUNT_NO_DAEMON, punted, 2);
	expect_drops(OFX_DROP_METER, drops, 3);
	expect_no_more();
	put(skel->maps.meters, &index, &none);
}

static void test_virtual_meters(void **state)
{
	virtual_meter(OFX_METER_CONTROLLER, OPS(CONTROLLER), CONTROLLER);
	virtual_meter(OFX_METER_SLOWPATH, OPS(CONTROLLER), CONTROLLER);
	virtual_meter(OFX_METER_CONTROLLER, OPS(CONTROLLER, OUTPUT(2)), OUTPUT(2));
	virtual_meter(OFX_METER_CONTROLLER, OPS(OUTPUT(2), CONTROLLER), OUTPUT(2));
}

static void test_virtual_meter_of_an_invalid_ttl(void **state)
{
	uint64_t drops = drop_count(OFX_DROP_METER), punted = drop_count(OFX_DROP_PUNT_NO_DAEMON);
	uint64_t invalid_ttl = OFX_CONFIG_INVALID_TTL, none = 0;
	struct ofx_band b = drop_band(1, 1);
	uint32_t zero = 0, index = OFX_METER_CONTROLLER;

	put(skel->maps.config, &zero, &invalid_ttl);
	install(index, 1, &b);
	apply(OPS(DEC_TTL, OUTPUT(2)));
	plain = udp_frame(1, 60);
	for (int i = 0; i < 3; i++)
		send_frame(host[1], &plain);
	expect_drops(OFX_DROP_PUNT_NO_DAEMON, punted, 1);
	expect_drops(OFX_DROP_METER, drops, 2);
	put(skel->maps.meters, &index, &none);
	expect_no_more();
}

#define T(F) cmocka_unit_test_setup(F, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_drop),
		T(test_no_meter_no_bands),
		T(test_bucket),
		T(test_bytes),
		T(test_stall),
		T(test_bands),
		T(test_remark),
		T(test_remark_in_a_list),
		T(test_later_table_sees_the_remark),
		T(test_behind_the_last_output),
		T(test_copies_before),
		T(test_virtual_meters),
		T(test_virtual_meter_of_an_invalid_ttl),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
