/* SPDX-License-Identifier: GPL-2.0-only */
/* Which absences of headers a match looks at besides its own bits: docs/matching.md. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "user/datapath/match.h"

/* Fields as OXM payloads in hex, and OFX_NO_*. */
static const struct {
	const char *name;
	struct {
		int field;
		uint8_t value[16];
	} fields[6];
	uint8_t no;
} rows[] = {
#define F(ID, ...)                                                                                                     \
	{                                                                                                              \
		OFX_F_##ID + 1,                                                                                        \
		{                                                                                                      \
			__VA_ARGS__                                                                                    \
		}                                                                                                      \
	}
#define IP F(ETH_TYPE, 8, 0)
#define IP6 F(ETH_TYPE, 0x86, 0xdd)
#define ARP F(ETH_TYPE, 8, 6)
	{"everything", {}, 0},
	{"Ethernet, metadata", {F(METADATA), F(ETH_DST), F(ETH_SRC), IP, F(VLAN_VID)}, 0},
	{"tag", {F(VLAN_VID, 0x10, 0), F(VLAN_PCP)}, 0},
	{"IPv4 dscp 0", {IP, F(IP_DSCP)}, OFX_NO_L3},
	{"IPv4 dscp 0 of some protocol", {IP, F(IP_DSCP), F(IP_PROTO, 47)}, 0},
	{"IPv4 protocol 0", {IP, F(IP_PROTO)}, OFX_NO_L3},
	{"IPv4 address", {IP, F(IPV4_DST, 10)}, 0},
	{"IPv4 address 0", {IP, F(IPV4_DST)}, OFX_NO_L3},
	{"IPv4 addresses, one of them 0", {IP, F(IPV4_SRC), F(IPV4_DST, 10)}, 0},
	{"IPv6 address 0", {IP6, F(IPV6_SRC)}, OFX_NO_L3},
	{"IPv6 address, last bit", {IP6, F(IPV6_SRC, [15] = 1)}, 0},
	{"IPv6 label 0, no extension header", {IP6, F(IPV6_FLABEL), F(IPV6_EXTHDR)}, OFX_NO_L3},
	{"ARP opcode 0", {ARP, F(ARP_OP)}, OFX_NO_L3},
	{"ARP opcode 1, address 0", {ARP, F(ARP_OP, 0, 1), F(ARP_SPA), F(ARP_THA)}, 0},
	{"label 0", {F(ETH_TYPE, 0x88, 0x47), F(MPLS_LABEL), F(MPLS_TC)}, OFX_NO_L3},
	{"bottom of stack", {F(ETH_TYPE, 0x88, 0x47), F(MPLS_LABEL), F(MPLS_BOS, 1)}, 0},
	{"I-SID 0", {F(ETH_TYPE, 0x88, 0xe7), F(PBB_ISID)}, OFX_NO_L3},
	{"UDP", {IP, F(IP_PROTO, 17)}, 0},
	{"UDP port 0", {IP, F(IP_PROTO, 17), F(UDP_DST)}, OFX_NO_L4},
	{"UDP port 0, address 0", {IP, F(IP_PROTO, 17), F(UDP_DST), F(IPV4_SRC)}, OFX_NO_L4},
	{"UDP ports, one of them 0", {IP, F(IP_PROTO, 17), F(UDP_DST), F(UDP_SRC, 0, 9)}, 0},
	{"echo reply", {IP, F(IP_PROTO, 1), F(ICMPV4_TYPE), F(ICMPV4_CODE)}, OFX_NO_L4},
	{"echo request", {IP, F(IP_PROTO, 1), F(ICMPV4_TYPE, 8), F(ICMPV4_CODE)}, 0},
	{"SCTP port 0", {IP6, F(IP_PROTO, 132), F(SCTP_SRC)}, OFX_NO_L4},
#define NS IP6, F(IP_PROTO, 58), F(ICMPV6_TYPE, 135)
	{"ICMPv6 type 0", {IP6, F(IP_PROTO, 58), F(ICMPV6_TYPE)}, OFX_NO_L4},
	{"ND target", {NS, F(IPV6_ND_TARGET, 0x20)}, 0},
	{"ND target 0", {NS, F(IPV6_ND_TARGET)}, OFX_NO_ND},
	{"ND address 0", {NS, F(IPV6_ND_SLL)}, OFX_NO_ND_LL},
	{"ND target 0, address", {NS, F(IPV6_ND_TARGET), F(IPV6_ND_SLL, 2)}, OFX_NO_ND},
	{"ND target 0, address 0", {NS, F(IPV6_ND_TARGET), F(IPV6_ND_SLL)}, OFX_NO_ND | OFX_NO_ND_LL},
};

static void test_rows(void **state)
{
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct of_match match = {0};
		struct ofx_key mask, want;

		for (int i = 0; i < 6 && rows[r].fields[i].field; i++)
			of_match_set(&match, rows[r].fields[i].field - 1, rows[r].fields[i].value);
		want = match.mask;
		want.vlan_pcp |= rows[r].no;
		match_mask(&match, &mask);
		if (memcmp(&mask, &want, sizeof(mask)))
			fail_msg("%s: %02x, not %02x", rows[r].name, mask.vlan_pcp, want.vlan_pcp);
	}
}

/* Under a mask the bits asked for count. */
static void test_masked(void **state)
{
	struct of_match match = {0};
	struct ofx_key mask;

	of_match_set_be32(&match, OFX_F_ETH_TYPE, 0x0800);
	of_match_set_be32(&match, OFX_F_IPV4_DST, 0);
	match.mask.ipv4_dst = htonl(0x80000000);
	match_mask(&match, &mask);
	assert_int_equal(mask.vlan_pcp, OFX_NO_L3);
	assert_int_equal(mask.ipv4_dst, htonl(0x80000000));
	match.value.ipv4_dst = htonl(0x80000000);
	match_mask(&match, &mask);
	assert_int_equal(mask.vlan_pcp, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_masked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
