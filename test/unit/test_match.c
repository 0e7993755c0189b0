/* SPDX-License-Identifier: GPL-2.0-only */
/* Matches: every OXM field as os-ken writes it, what §7.2.3 forbids, and matches compared.  To compile: osken.h. */
#include "test/unit/osken.h"

static void value_and_mask(const struct osken_line *l, const struct of_match *m)
{
	int f = field_by_name(l->word[1]);
	const struct of_field_info *info = &of_fields[f];
	uint8_t value[16], mask[16];
	bool masked = strcmp(l->word[3], "-");

	assert_true(of_match_has(m, f));
	assert_int_equal(hex_bytes(l->word[2], value), info->bytes);
	assert_memory_equal(m->value.b + info->offset, value, info->bytes);
	assert_int_equal(m->masked >> f & 1, masked);
	if (!masked)
		return;
	hex_bytes(l->word[3], mask);
	assert_memory_equal(m->mask.b + info->offset, mask, info->bytes);
}

/* The match written again is the one received; it stands 48 bytes into the flow-mod. */
static void same_bytes(const struct osken_line *l, const struct of_match *m)
{
	struct buf b = {};

	of_match_encode(&b, OFP_VERSION_13, m);
	assert_int_equal(b.len, l->len - 48);
	assert_memory_equal(b.data, l->bytes + 48, b.len);
	buf_free(&b);
}

static void every_field(void **state)
{
	uint64_t seen = 0;
	struct of_msg msg;

	for (size_t i = 0; i < data.n; i++) {
		const struct osken_line *l = &data.line[i];

		if (strcmp(l->word[0], "match"))
			continue;
		if (of_decode(l->bytes, l->len, &msg))
			fail_msg("%s/%s", l->word[1], l->word[3]);
		value_and_mask(l, &msg.flow_mod.match);
		same_bytes(l, &msg.flow_mod.match);
		seen |= msg.flow_mod.match.fields;
		of_msg_free(&msg);
	}
	/* All but those that 1.3 does not have. */
	assert_true(seen == (((1ull << OFX_N_FIELDS) - 1) & ~(1ull << OFX_F_PBB_UCA) & ~(1ull << OFX_F_PACKET_TYPE) &
			     ~(1ull << OFX_F_ACTSET_OUTPUT)));
}

/* A match of the TLVs given in hexadecimal. */
static int match_of(const char *hex, struct of_match *m)
{
	struct buf b = {};
	uint8_t tlvs[256];
	size_t n = hex_bytes(hex, tlvs);
	struct wire w;
	uint8_t *copy;
	int error;

	buf_put_be16(&b, OFPMT_OXM);
	buf_put_be16(&b, 4 + n);
	buf_put(&b, tlvs, n);
	buf_pad8(&b, 0);
	copy = malloc(b.len);
	memcpy(copy, b.data, b.len);
	w = wire_of(copy, b.len);
	error = of_match_decode(&w, OFP_VERSION_13, m);
	if (!error)
		assert_int_equal(wire_left(&w), 0);
	free(copy);
	buf_free(&b);
	return error;
}

#define TAGGED "80000c021064"
#define ETH_IP "80000a020800"
#define ETH_IP6 "80000a0286dd"

static const struct {
	const char *what, *tlvs;
	int code; /* -1: legal */
} rules[] = {
	{"nothing", "", -1},
	{"class NXM", "0001020400000001", OFPBMC_BAD_FIELD},
	{"unknown experimenter", "ffff540600002320000a", OFPBMC_BAD_FIELD},
	{"experimenter id cut", "ffff54024f4e", OFPBMC_BAD_FIELD},
	{"unknown field", "8000fe0400000001", OFPBMC_BAD_FIELD},
	{"field of 1.4", "8000520101", OFPBMC_BAD_FIELD},
	{"payload too short", "8000000300000001", OFPBMC_BAD_LEN},
	{"payload too long", "800000050000000100", OFPBMC_BAD_LEN},
	{"payload past the end", "8000000400", OFPBMC_BAD_LEN},
	{"header cut", "800000", OFPBMC_BAD_LEN},
	{"masked payload without a mask", "80000508aabbccddeeff", OFPBMC_BAD_LEN},
	{"mask where none may be", "80000108000000010000000f", OFPBMC_BAD_MASK},
	{"the same field twice", ETH_IP ETH_IP, OFPBMC_DUP_FIELD},
	{"the same field twice, once all wildcards",
	 "8000070c000000000000000000000000"
	 "80000606aabbccddeeff",
	 OFPBMC_DUP_FIELD},
	{"vlan_vid of 14 bits", "80000c022000", OFPBMC_BAD_VALUE},
	{"vlan_vid without PRESENT", "80000c020005", OFPBMC_BAD_VALUE},
	{"vlan_vid none", "80000c020000", -1},
	{"vlan_vid any", "80000d0410001000", -1},
	{"vlan_vid mask of 16 bits", "80000d041000ffff", -1},
	{"vlan_pcp 8", TAGGED "80000e0108", OFPBMC_BAD_VALUE},
	{"vlan_pcp 7", TAGGED "80000e0107", -1},
	{"ip_dscp 64", ETH_IP "8000100140", OFPBMC_BAD_VALUE},
	{"ip_ecn 4", ETH_IP "8000120104", OFPBMC_BAD_VALUE},
	{"flow label of 21 bits", ETH_IP6 "8000380400100000", OFPBMC_BAD_VALUE},
	{"exthdr of 10 bits", ETH_IP6 "80004e020200", OFPBMC_BAD_VALUE},
	{"mpls_bos 2",
	 "80000a028847"
	 "8000480102",
	 OFPBMC_BAD_VALUE},
	{"value outside its mask",
	 "80000508"
	 "0102030405",
	 OFPBMC_BAD_LEN},
	{"value bit outside its mask", ETH_IP "800017080a000001ffffff00", OFPBMC_BAD_WILDCARDS},
	{"all-zero mask",
	 ETH_IP "8000170800000000"
		"00000000",
	 -1},
	{"all-zero mask, value set", ETH_IP "800017080000000100000000", OFPBMC_BAD_WILDCARDS},
	{"all-zero mask without prerequisite", "800017080000000000000000", -1},
	{"in_phy_port without in_port", "8000020400000001", OFPBMC_BAD_PREREQ},
	{"vlan_pcp without vlan_vid", "80000e0101", OFPBMC_BAD_PREREQ},
	{"vlan_pcp of no tag",
	 "80000c020000"
	 "80000e0101",
	 OFPBMC_BAD_PREREQ},
	{"vlan_pcp of no tag, masked",
	 "80000d0400001000"
	 "80000e0101",
	 OFPBMC_BAD_PREREQ},
	{"vlan_pcp of any tag",
	 "80000d0410001000"
	 "80000e0101",
	 -1},
	{"vlan_pcp of a vlan_vid that untagged packets have too",
	 "80000d0400000fff"
	 "80000e0101",
	 OFPBMC_BAD_PREREQ},
	{"vlan_pcp of vlan_vid bits that only a tag has",
	 "80000d0400010fff"
	 "80000e0101",
	 -1},
	{"vlan_pcp of a vlan_vid that is all wildcards",
	 "80000d0400000000"
	 "80000e0101",
	 OFPBMC_BAD_PREREQ},
	{"ipv4_src without eth_type", "800016040a000001", OFPBMC_BAD_PREREQ},
	{"ipv4_src with IPv6", ETH_IP6 "800016040a000001", OFPBMC_BAD_PREREQ},
	{"ipv4_src before eth_type", "800016040a000001" ETH_IP, OFPBMC_BAD_PREREQ},
	{"ip_proto with ARP",
	 "80000a020806"
	 "8000140106",
	 OFPBMC_BAD_PREREQ},
	{"tcp_dst without ip_proto", ETH_IP "80001c020050", OFPBMC_BAD_PREREQ},
	{"tcp_dst with UDP",
	 ETH_IP "8000140111"
		"80001c020050",
	 OFPBMC_BAD_PREREQ},
	{"tcp_dst over IPv6",
	 ETH_IP6 "8000140106"
		 "80001c020050",
	 -1},
	{"icmpv4_type over IPv6",
	 ETH_IP6 "8000140101"
		 "8000260108",
	 OFPBMC_BAD_PREREQ},
	{"icmpv6_type over IPv4",
	 ETH_IP "800014013a"
		"80003a0187",
	 OFPBMC_BAD_PREREQ},
	{"nd_sll with an advertisement",
	 ETH_IP6 "800014013a"
		 "80003a0188"
		 "80004006010203040506",
	 OFPBMC_BAD_PREREQ},
	{"nd_tll with an advertisement",
	 ETH_IP6 "800014013a"
		 "80003a0188"
		 "80004206010203040506",
	 -1},
	{"nd_target with an echo",
	 ETH_IP6 "800014013a"
		 "80003a0180"
		 "80003e10"
		 "fe800000000000000000000000000001",
	 OFPBMC_BAD_PREREQ},
	{"arp_op with IPv4", ETH_IP "80002a020001", OFPBMC_BAD_PREREQ},
	{"mpls_label without eth_type", "8000440400000010", OFPBMC_BAD_PREREQ},
	{"mpls_label of a multicast label",
	 "80000a028848"
	 "8000440400000010",
	 -1},
	{"pbb_isid with IPv4", ETH_IP "80004a03000001", OFPBMC_BAD_PREREQ},
};

static void rules_hold(void **state)
{
	struct of_match m;

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		int error = match_of(rules[i].tlvs, &m);

		if (error != (rules[i].code < 0 ? 0 : OF_ERROR(OFPET_BAD_MATCH, rules[i].code)))
			fail_msg("%s: %s", rules[i].what, of_error_name(error));
	}
}

static void header_is_checked(void **state)
{
	static const struct {
		uint8_t bytes[8];
		size_t len;
		int code;
	} rows[] = {
		{{0, 0, 0, 4}, 8, OFPBMC_BAD_TYPE}, {{0, 2, 0, 4}, 8, OFPBMC_BAD_TYPE},
		{{0, 1, 0, 3}, 8, OFPBMC_BAD_LEN},  {{0, 1, 0, 9}, 8, OFPBMC_BAD_LEN},
		{{0, 1, 0, 4}, 7, OFPBMC_BAD_LEN},  {{0, 1, 0}, 3, OFPBMC_BAD_LEN},
	};
	struct of_match m;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire w = wire_of(rows[i].bytes, rows[i].len);

		assert_error(of_match_decode(&w, OFP_VERSION_13, &m), OFPET_BAD_MATCH, rows[i].code);
	}
}

static void wildcards_are_no_field(void **state)
{
	struct of_match m, empty = {};

	assert_int_equal(match_of("800017080000000000000000", &m), 0);
	assert_true(of_match_equal(&m, &empty));
}

static void full_mask_is_exact(void **state)
{
	struct of_match masked, exact;
	struct buf b = {};

	assert_int_equal(match_of(ETH_IP "800017080a000001ffffffff", &masked), 0);
	assert_int_equal(match_of(ETH_IP "800016040a000001", &exact), 0);
	assert_true(of_match_equal(&masked, &exact));
	of_match_encode(&b, OFP_VERSION_13, &masked); /* but shown as it was given */
	assert_memory_equal(b.data + 10, "\x80\x00\x17\x08\x0a\x00\x00\x01\xff\xff\xff\xff", 12);
	buf_free(&b);
}

static void vlan_masks_are_of_13_bits(void **state)
{
	struct of_match m;

	assert_int_equal(match_of("80000c020000", &m), 0);
	assert_memory_equal(&m.mask.vlan_vid, "\x1f\xff", 2);
	assert_int_equal(match_of("80000d041000ffff", &m), 0);
	assert_memory_equal(&m.mask.vlan_vid, "\x1f\xff", 2);
}

static void covers_and_overlaps(void **state)
{
	struct of_match all = {}, net, wide, host, other, arp;

	assert_int_equal(match_of(ETH_IP "800017080a000000ff000000", &wide), 0);
	assert_int_equal(match_of(ETH_IP "800017080a010000ffff0000", &net), 0);
	assert_int_equal(match_of(ETH_IP "800016040a010203", &host), 0);
	assert_int_equal(match_of(ETH_IP "800016040b010203", &other), 0);
	assert_int_equal(match_of("80000a020806"
				  "80002c040a010203",
				  &arp),
			 0);
	assert_true(of_match_covers(&all, &host) && of_match_covers(&wide, &net) && of_match_covers(&net, &host));
	assert_true(of_match_covers(&net, &net));
	assert_false(of_match_covers(&net, &wide) || of_match_covers(&host, &net) || of_match_covers(&wide, &other));
	assert_false(of_match_covers(&host, &all) || of_match_covers(&host, &arp));
	assert_true(of_match_overlaps(&wide, &host) && of_match_overlaps(&host, &wide));
	assert_true(of_match_overlaps(&all, &arp));
	assert_false(of_match_overlaps(&host, &other) || of_match_overlaps(&host, &arp));
	assert_false(of_match_equal(&wide, &net));
}

static void fields_set_by_hand(void **state)
{
	struct of_match m = {}, decoded;

	of_match_set_be32(&m, OFX_F_IN_PORT, 7);
	of_match_set_be64(&m, OFX_F_METADATA, 0x1122334455667788ull);
	of_match_set_be32(&m, OFX_F_ETH_TYPE, 0x0800);
	of_match_set(&m, OFX_F_IPV4_SRC, "\x0a\x01\x02\x03");
	assert_int_equal(match_of("8000000400000007"
				  "800004081122334455667788" ETH_IP "800016040a010203",
				  &decoded),
			 0);
	assert_true(of_match_equal(&m, &decoded));
}

static void printed(void **state)
{
	struct of_match m;
	char text[200], tiny[8];

	assert_int_equal(match_of("8000000400000007"
				  "80000c021064" ETH_IP "800017080a000000ff000000",
				  &m),
			 0);
	of_match_print(&m, text, sizeof(text));
	assert_string_equal(text, "in_port=7,eth_type=0x800,vlan_vid=0x1064,ipv4_src=10.0.0.0/255.0.0.0");
	of_match_print(&m, tiny, sizeof(tiny));
	assert_string_equal(tiny, "in_port");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field),
		cmocka_unit_test(rules_hold),
		cmocka_unit_test(header_is_checked),
		cmocka_unit_test(wildcards_are_no_field),
		cmocka_unit_test(full_mask_is_exact),
		cmocka_unit_test(vlan_masks_are_of_13_bits),
		cmocka_unit_test(covers_and_overlaps),
		cmocka_unit_test(fields_set_by_hand),
		cmocka_unit_test(printed),
	};

	return cmocka_run_group_tests(tests, osken_setup, osken_teardown);
}
