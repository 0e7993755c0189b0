/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pipeline on real veths (test/bpf/pipeline.h): actions on headers that a packet lacks do nothing, in lists, action
 * sets and the flow cache (docs/actions.md).
 */
#include "test/bpf/pipeline.h"

#define LABEL(NUMBER, BOS, TTL) ((NUMBER) << 12 | (BOS) << 8 | (TTL))

static struct ofx_op put_field(size_t offset, uint64_t value, size_t n, uint16_t need, uint32_t place)
{
	uint64_t wire = htobe64(value) >> 8 * (8 - n);
	struct ofx_op o = set_field(offset, &wire, n);

	o.b = need;
	o.arg = place;
	return o;
}

#define OFFSET(FIELD) offsetof(struct ofx_key, FIELD)
#define TO_IPV4(VALUE) put_field(OFFSET(ipv4_dst), VALUE, 4, OFX_SHAPE_IPV4, 20)
#define TO_ARP(VALUE) put_field(OFFSET(ipv4_dst), VALUE, 4, OFX_SHAPE_ARP, 21)
#define TO_UDP(PORT) put_field(OFFSET(tp_dst), PORT, 2, OFX_SHAPE_UDP, 10)
#define TO_TCP(PORT) put_field(OFFSET(tp_dst), PORT, 2, OFX_SHAPE_TCP, 11)
#define TO_VID(VID) put_field(OFFSET(vlan_vid), 0x1000 | (VID), 2, OFX_SHAPE_VLAN, 5)
#define TO_PROTO(PROTO) put_field(OFFSET(ip_proto), PROTO, 1, OFX_SHAPE_IP, 9)
#define PARSE op(OFX_OP_PARSE, 0, 0, 0)

/* A UDP packet without UDP checksum. */
static struct frame changed(struct frame f, uint32_t dst, uint16_t port)
{
	uint8_t *ip = f.b + 14;
	uint16_t sum;

	dst = htonl(dst);
	port = htons(port);
	memcpy(ip + 16, &dst, 4);
	memcpy(ip + 22, &port, 2);
	memset(ip + 10, 0, 2);
	sum = htons(ip_sum(ip, 20));
	memcpy(ip + 10, &sum, 2);
	return f;
}

/* Whether the packet is met for the first time or known to the flow cache. */
static void expect_each_time(const struct frame *in, struct frame out)
{
	for (int i = 0; i < 3; i++) {
		send_frame(host[1], in);
		expect(2, out);
	}
	expect_no_more();
}

static void test_list(void **state)
{
	apply(OPS(POP, TO_VID(5), TO_ARP(1), TO_TCP(7), POP_MPLS, SET_MPLS_TTL(3), DEC_MPLS_TTL, COPY_TTL_OUT,
		  COPY_TTL_IN, POP_PBB, set_mac(9), OUTPUT(2)));
	expect_each_time(&plain, to_mac(plain, 9));
	apply(OPS(DEC_TTL, TO_IPV4(1), TO_UDP(7), set_mac(9), OUTPUT(2)));
	plain.b[14] = 0x65; /* IP version 6 */
	expect_each_time(&plain, to_mac(plain, 9));
}

/* Set-fields and one output: kept in the cache's short form. */
static void test_simple(void **state)
{
	struct frame arp = {.len = 60};

	apply(OPS(TO_VID(5), TO_ARP(1), TO_TCP(7), TO_UDP(8), TO_IPV4(0x01020304), OUTPUT(2)));
	expect_each_time(&plain, changed(plain, 0x01020304, 8));
	memcpy(arp.b, plain.b, 12);
	memcpy(arp.b + 12, "\x08\x06\0\1\x08\0\6\4", 8);
	for (int i = 0; i < 3; i++) {
		struct frame out = arp;

		memcpy(out.b + 14 + 24, "\0\0\0\1", 4);
		expect_each_time(&arp, out);
		expect_each_time(&plain, changed(plain, 0x01020304, 8));
	}
}

/* A tag that the list itself has pushed can be set, one that it has popped can not. */
static void test_pushed_and_popped(void **state)
{
	struct frame in = tagged(plain, 3);

	apply(OPS(TO_VID(4), PUSH, TO_VID(5), OUTPUT(2)));
	expect_each_time(&plain, tagged(plain, 5));
	apply(OPS(POP, TO_VID(5), TO_UDP(8), OUTPUT(2)));
	expect_each_time(&in, changed(plain, 0x0a000002, 8));
}

/* What headers are taken for may change within a list. */
static void test_new_type(void **state)
{
	struct frame out = changed(plain, 0x0a000002, 9);

	apply(OPS(TO_PROTO(6), PARSE, TO_UDP(9), TO_PROTO(17), PARSE, TO_UDP(9), OUTPUT(2)));
	expect_each_time(&plain, out);
}

/* Of several headers' fields in an action set, those count whose header the packet has in the end. */
static void test_action_set(void **state)
{
	const struct ops sets =
		OPS(OUTPUT(2), TO_IPV4(0x01020304), TO_UDP(8), TO_ARP(1), set_label(7), TO_TCP(9), TO_VID(4));
	struct frame in = labelled(plain, LABEL(5, 1, 9));
	struct ops write = sets;

	write.op[4].b = OFX_SHAPE_MPLS;
	flow(1, 0, OFX_NO_TABLE, 0, NO_OPS, write);
	match_all(0, 1);
	expect_each_time(&plain, changed(plain, 0x01020304, 8));
	expect_each_time(&in, labelled(plain, LABEL(7, 1, 9)));
	write.op[write.n++] = POP_MPLS;
	flow(1, 0, OFX_NO_TABLE, 0, NO_OPS, write);
	expect_each_time(&in, changed(plain, 0x01020304, 8));
}

/* Later tables see the packet as it is, not as it would be with the header. */
static void test_goto(void **state)
{
	struct ofx_key value = {.ipv4_dst = htonl(0x01020304)}, mask = {.ipv4_dst = 0xffffffff};
	struct ofx_list_entry e = {.subtable = 700, .max_priority = 9};
	uint64_t miss = drop_count(OFX_DROP_NO_MATCH);

	subtable(700, 1, (uint8_t[]){OFX_W_ADDR}, (uint64_t *)&mask.w[OFX_W_ADDR]);
	flow(1, 0, 1, 0, OPS(TO_IPV4(0x01020304)), NO_OPS);
	flow(2, 1, OFX_NO_TABLE, 0, OPS(OUTPUT(2)), NO_OPS);
	match_all(0, 1);
	rule(700, (uint64_t *)&value.w[OFX_W_ADDR], 2, 9);
	list(1, 1, &e);
	expect_each_time(&plain, changed(plain, 0x01020304, 2000));
	plain.b[14] = 0x65;
	send_frame(host[1], &plain);
	expect_drops(OFX_DROP_NO_MATCH, miss, 1);
	expect_no_more();
}

#define T(F) cmocka_unit_test_setup(F, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_list),	  T(test_simple),     T(test_pushed_and_popped),
		T(test_new_type), T(test_action_set), T(test_goto),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
