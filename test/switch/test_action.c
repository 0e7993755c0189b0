/* SPDX-License-Identifier: GPL-2.0-only */
/* Which actions fit which matches (OpenFlow 1.3.5 §7.2.5): rows of {name, match, instructions, error}. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include "test/switch/rig.h"

#define BAD(code) OFPBAC_##code
#define NO_ERROR -1
enum { ANY, UNTAGGED, TAGGED, VID_BITS, IPV4, IPV6, ARP, TCP, ICMP6, ND_SOL, ND_ADV, MPLS, PBB };

static void set16(struct of_match *m, enum ofx_field f, uint16_t v)
{
	v = htons(v);
	of_match_set(m, f, &v);
}

static struct of_match match_of(int what)
{
	struct of_match m = {0};

	switch (what) {
	case UNTAGGED:
		match_vlan(&m, 0);
		break;
	case TAGGED:
		match_vlan(&m, 0x1000 | 5);
		break;
	case VID_BITS: /* vid 5, without asking for OFPVID_PRESENT */
		match_vlan(&m, 5);
		m.masked |= 1ull << OFX_F_VLAN_VID;
		m.mask.vlan_vid = htons(0xfff);
		break;
	case ARP:
		set16(&m, OFX_F_ETH_TYPE, 0x0806);
		break;
	case MPLS:
		set16(&m, OFX_F_ETH_TYPE, 0x8848);
		break;
	case PBB:
		set16(&m, OFX_F_ETH_TYPE, 0x88e7);
		break;
	case IPV4:
		set16(&m, OFX_F_ETH_TYPE, 0x0800);
		break;
	case TCP:
		match_tcp(&m, 80);
		break;
	case IPV6:
	case ICMP6:
	case ND_SOL:
	case ND_ADV:
		set16(&m, OFX_F_ETH_TYPE, 0x86dd);
		if (what >= ICMP6)
			of_match_set(&m, OFX_F_IP_PROTO, &(uint8_t){58});
		if (what >= ND_SOL)
			of_match_set(&m, OFX_F_ICMPV6_TYPE, &(uint8_t){what == ND_SOL ? 135 : 136});
		break;
	}
	return m;
}

struct row {
	const char *name;
	int match;
	struct of_instructions inst;
	int error;
};

#define SET_VID SET_FIELD(VLAN_VID, 0x10, 7)
#define SET_PCP SET_FIELD(VLAN_PCP, 3)
#define SET_LABEL SET_FIELD(MPLS_LABEL, 0, 0, 0, 7)
#define SET_ISID SET_FIELD(PBB_ISID, 0, 0, 7)
#define SET_IPV4 SET_FIELD(IPV4_SRC, 1)

/* clang-format off */
#define ACTION(t) { .type = OF_ACT_##t }
#define PUSH_MPLS { .type = OF_ACT_PUSH_MPLS, .ethertype = 0x8847 }
#define POP_MPLS(t) { .type = OF_ACT_POP_MPLS, .ethertype = t }
#define PUSH_PBB { .type = OF_ACT_PUSH_PBB, .ethertype = 0x88e7 }
#define POP_PBB ACTION(POP_PBB)

static void run_rows(struct rig *rig)
{
	const struct row rows[] = {
		{ "set vlan_vid of any packet", ANY, APPLY(SET_VID), BAD(MATCH_INCONSISTENT) },
		{ "set vlan_vid of untagged", UNTAGGED, APPLY(SET_VID), BAD(MATCH_INCONSISTENT) },
		{ "set vlan_vid of tagged", TAGGED, APPLY(SET_VID), NO_ERROR },
		{ "set vlan_pcp of vid bits", VID_BITS, APPLY(SET_PCP), NO_ERROR },
		{ "set vlan_vid without PRESENT", TAGGED, APPLY(SET_FIELD(VLAN_VID, 0, 7)), BAD(BAD_SET_ARGUMENT) },
		{ "push makes a tag", ANY, APPLY(PUSH_VLAN, SET_VID, SET_PCP, OUTPUT(1)), NO_ERROR },
		{ "set before push", ANY, APPLY(SET_VID, PUSH_VLAN), BAD(MATCH_INCONSISTENT) },
		{ "pop of any packet", ANY, APPLY(POP_VLAN), BAD(MATCH_INCONSISTENT) },
		{ "pop of untagged", UNTAGGED, APPLY(POP_VLAN), BAD(MATCH_INCONSISTENT) },
		{ "pop of tagged", TAGGED, APPLY(POP_VLAN), NO_ERROR },
		{ "push, pop of any packet", ANY, APPLY(PUSH_VLAN, POP_VLAN), NO_ERROR },
		{ "push, pop, pop of any packet", ANY, APPLY(PUSH_VLAN, POP_VLAN, POP_VLAN), BAD(MATCH_INCONSISTENT) },
		{ "push, pop, set of untagged", UNTAGGED, APPLY(PUSH_VLAN, POP_VLAN, SET_PCP), BAD(MATCH_INCONSISTENT) },
		{ "pop, pop of two tags", TAGGED, APPLY(POP_VLAN, POP_VLAN), NO_ERROR },
		{ "action set: push comes before set", ANY, WRITE(SET_VID, PUSH_VLAN), NO_ERROR },
		{ "action set: pop comes before push", ANY, WRITE(PUSH_VLAN, POP_VLAN), BAD(MATCH_INCONSISTENT) },
		{ "action set knows what apply pushed",
		  ANY, { .present = OF_INST_APPLY | OF_INST_WRITE, .apply = ACTIONS(PUSH_VLAN), .write = ACTIONS(SET_VID) },
		  NO_ERROR },
		{ "dec_ttl of any packet", ANY, APPLY(DEC_TTL), BAD(MATCH_INCONSISTENT) },
		{ "dec_ttl of ARP", ARP, APPLY(DEC_TTL), BAD(MATCH_INCONSISTENT) },
		{ "dec_ttl of IPv4", IPV4, APPLY(DEC_TTL), NO_ERROR },
		{ "dec_ttl of IPv6", IPV6, APPLY(DEC_TTL), NO_ERROR },
		{ "set ipv4_src of any packet", ANY, APPLY(SET_FIELD(IPV4_SRC, 1)), BAD(MATCH_INCONSISTENT) },
		{ "set ipv4_src of IPv6", IPV6, APPLY(SET_FIELD(IPV4_SRC, 1)), BAD(MATCH_INCONSISTENT) },
		{ "set ipv4_src of IPv4", IPV4, APPLY(SET_FIELD(IPV4_SRC, 1)), NO_ERROR },
		{ "set ip_dscp of IPv6", IPV6, APPLY(SET_FIELD(IP_DSCP, 8)), NO_ERROR },
		{ "set tcp_src of IPv4", IPV4, APPLY(SET_FIELD(TCP_SRC, 0, 9)), BAD(MATCH_INCONSISTENT) },
		{ "set tcp_src of TCP", TCP, APPLY(SET_FIELD(TCP_SRC, 0, 9)), NO_ERROR },
		{ "set udp_src of TCP", TCP, APPLY(SET_FIELD(UDP_SRC, 0, 9)), BAD(MATCH_INCONSISTENT) },
		{ "set ip_proto, then udp_src", TCP,
		  APPLY(SET_FIELD(IP_PROTO, 17), SET_FIELD(UDP_SRC, 0, 9)), NO_ERROR },
		{ "set arp_op of IPv4", IPV4, APPLY(SET_FIELD(ARP_OP, 0, 2)), BAD(MATCH_INCONSISTENT) },
		{ "set arp_op of ARP", ARP, APPLY(SET_FIELD(ARP_OP, 0, 2)), NO_ERROR },
		{ "set eth_type, then its fields", ARP,
		  APPLY(SET_FIELD(ETH_TYPE, 0x86, 0xdd), SET_FIELD(IPV6_FLABEL, 0, 0, 0, 1)), NO_ERROR },
		{ "set nd_target of ICMPv6", ICMP6, APPLY(SET_FIELD(IPV6_ND_TARGET, 1)), BAD(MATCH_INCONSISTENT) },
		{ "set nd_target of advertisement", ND_ADV, APPLY(SET_FIELD(IPV6_ND_TARGET, 1)), NO_ERROR },
		{ "set nd_sll of solicitation", ND_SOL, APPLY(SET_FIELD(IPV6_ND_SLL, 2)), NO_ERROR },
		{ "set nd_sll of advertisement", ND_ADV, APPLY(SET_FIELD(IPV6_ND_SLL, 2)), BAD(MATCH_INCONSISTENT) },
		{ "set mpls_label of IPv4", IPV4, APPLY(SET_LABEL), BAD(MATCH_INCONSISTENT) },
		{ "set mpls_label, mpls_bos of MPLS", MPLS, APPLY(SET_LABEL, SET_FIELD(MPLS_BOS, 0)), NO_ERROR },
		{ "push_mpls makes a label", ANY, APPLY(PUSH_MPLS, SET_LABEL, PUSH_MPLS, SET_LABEL), NO_ERROR },
		{ "push_mpls hides what it is pushed onto", TCP, APPLY(PUSH_MPLS, SET_IPV4), BAD(MATCH_INCONSISTENT) },
		{ "push_mpls hides tags", TAGGED, APPLY(PUSH_MPLS, SET_PCP), BAD(MATCH_INCONSISTENT) },
		{ "push_mpls, push_vlan, set both", IPV4, APPLY(PUSH_MPLS, PUSH_VLAN, SET_PCP, SET_LABEL), NO_ERROR },
		{ "pop_mpls of any packet", ANY, APPLY(POP_MPLS(0x0800)), BAD(MATCH_INCONSISTENT) },
		{ "pop_mpls of IPv4", IPV4, APPLY(POP_MPLS(0x0800)), BAD(MATCH_INCONSISTENT) },
		{ "pop_mpls says what is below", MPLS, APPLY(POP_MPLS(0x0800), SET_IPV4, DEC_TTL), NO_ERROR },
		{ "pop_mpls, set of another type", MPLS, APPLY(POP_MPLS(0x86dd), SET_IPV4), BAD(MATCH_INCONSISTENT) },
		{ "pop_mpls, no protocol known", MPLS, APPLY(POP_MPLS(0x0800), SET_FIELD(TCP_SRC, 0, 9)), BAD(MATCH_INCONSISTENT) },
		{ "pop_mpls to a tag", MPLS, APPLY(POP_MPLS(0x8100), SET_PCP, POP_VLAN), NO_ERROR },
		{ "pop_mpls to a tag, set ipv4_src", MPLS, APPLY(POP_MPLS(0x8100), SET_IPV4), BAD(MATCH_INCONSISTENT) },
		{ "pop_mpls twice", MPLS, APPLY(POP_MPLS(0x8847), POP_MPLS(0x0800), SET_IPV4), NO_ERROR },
		{ "pop_mpls, set mpls_label", MPLS, APPLY(POP_MPLS(0x0800), SET_LABEL), BAD(MATCH_INCONSISTENT) },
		{ "dec_mpls_ttl of IPv4", IPV4, APPLY(ACTION(DEC_MPLS_TTL)), BAD(MATCH_INCONSISTENT) },
		{ "dec_mpls_ttl, set_mpls_ttl of MPLS", MPLS, APPLY(ACTION(DEC_MPLS_TTL), ACTION(SET_MPLS_TTL)), NO_ERROR },
		{ "dec_ttl of MPLS", MPLS, APPLY(DEC_TTL), BAD(MATCH_INCONSISTENT) },
		{ "copy_ttl of MPLS", MPLS, APPLY(ACTION(COPY_TTL_OUT), ACTION(COPY_TTL_IN)), NO_ERROR },
		{ "copy_ttl of IPv6", IPV6, APPLY(ACTION(COPY_TTL_OUT), ACTION(COPY_TTL_IN)), NO_ERROR },
		{ "copy_ttl of ARP", ARP, APPLY(ACTION(COPY_TTL_OUT)), BAD(MATCH_INCONSISTENT) },
		{ "action set: pop, push, copy, set", MPLS,
		  WRITE(SET_LABEL, ACTION(DEC_MPLS_TTL), ACTION(COPY_TTL_OUT), PUSH_MPLS, POP_MPLS(0x0800)), NO_ERROR },
		{ "action set: pop comes before push", IPV4, WRITE(PUSH_MPLS, POP_MPLS(0x0800)), BAD(MATCH_INCONSISTENT) },
		{ "set pbb_isid of any packet", ANY, APPLY(SET_ISID), BAD(MATCH_INCONSISTENT) },
		{ "set pbb_isid of MPLS", MPLS, APPLY(SET_ISID), BAD(MATCH_INCONSISTENT) },
		{ "set pbb_isid of PBB", PBB, APPLY(SET_ISID), NO_ERROR },
		{ "push_pbb makes an I-TAG", ANY, APPLY(PUSH_PBB, SET_ISID, PUSH_PBB, SET_ISID), NO_ERROR },
		{ "push_pbb hides what it is pushed onto", TCP, APPLY(PUSH_PBB, SET_IPV4), BAD(MATCH_INCONSISTENT) },
		{ "push_pbb hides tags", TAGGED, APPLY(PUSH_PBB, SET_PCP), BAD(MATCH_INCONSISTENT) },
		{ "push_pbb, pop_vlan", TAGGED, APPLY(PUSH_PBB, POP_VLAN), BAD(MATCH_INCONSISTENT) },
		{ "push_pbb, push_vlan, set both", IPV4, APPLY(PUSH_PBB, PUSH_VLAN, SET_PCP, SET_ISID), NO_ERROR },
		{ "push_pbb, push_mpls, set pbb_isid", IPV4, APPLY(PUSH_PBB, PUSH_MPLS, SET_ISID), BAD(MATCH_INCONSISTENT) },
		{ "pop_pbb of any packet", ANY, APPLY(POP_PBB), BAD(MATCH_INCONSISTENT) },
		{ "pop_pbb of IPv4", IPV4, APPLY(POP_PBB), BAD(MATCH_INCONSISTENT) },
		{ "pop_pbb of PBB", PBB, APPLY(POP_PBB), NO_ERROR },
		{ "pop_pbb twice", PBB, APPLY(POP_PBB, POP_PBB), BAD(MATCH_INCONSISTENT) },
		{ "pop_pbb, set pbb_isid", PBB, APPLY(POP_PBB, SET_ISID), BAD(MATCH_INCONSISTENT) },
		{ "pop_pbb, the type is not known", PBB, APPLY(POP_PBB, SET_IPV4), BAD(MATCH_INCONSISTENT) },
		{ "pop_pbb, a tag may be there", PBB, APPLY(POP_PBB, POP_VLAN, POP_VLAN), NO_ERROR },
		{ "push_pbb, pop_pbb, push_pbb", ANY, APPLY(PUSH_PBB, POP_PBB, PUSH_PBB, SET_ISID), NO_ERROR },
		{ "pop_mpls to PBB", MPLS, APPLY(POP_MPLS(0x88e7), SET_ISID, POP_PBB), NO_ERROR },
		{ "dec_ttl, copy_ttl of PBB", PBB, APPLY(ACTION(COPY_TTL_IN)), BAD(MATCH_INCONSISTENT) },
		{ "action set: pop, push PBB, push VLAN, set", PBB, WRITE(SET_PCP, SET_ISID, PUSH_VLAN, PUSH_PBB, POP_PBB), NO_ERROR },
		{ "action set: push MPLS comes before push PBB", ANY, WRITE(PUSH_PBB, PUSH_MPLS, SET_ISID), NO_ERROR },
		{ "action set: pop_pbb comes before push_pbb", IPV4, WRITE(PUSH_PBB, POP_PBB), BAD(MATCH_INCONSISTENT) },
		{ "set_queue: no port has queues", ANY, APPLY({ .type = OF_ACT_SET_QUEUE, .queue = 0 }, OUTPUT(1)), BAD(BAD_QUEUE) },
		{ "set eth_dst, tunnel_id of any packet", ANY,
		  APPLY(SET_FIELD(ETH_DST, 2), SET_FIELD(TUNNEL_ID, 0, 0, 0, 0, 0, 0, 0, 1)), NO_ERROR },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct of_flow_mod fm = flow_mod(OFPFC_ADD);
		struct reply r = { 0 };
		int got = NO_ERROR;

		fm.match = match_of(rows[i].match);
		fm.inst = rows[i].inst;
		rig_flow_mod(rig, 0, &fm);
		if (rig_next(rig, 0, &r)) {
			assert_int_equal(r.type, OFPT_ERROR);
			assert_int_equal(rd16(r.body), OFPET_BAD_ACTION);
			got = rd16(r.body + 2);
		}
		if (got != rows[i].error)
			fail_msg("%s: error %d, not %d", rows[i].name, got, rows[i].error);
	}
}
/* clang-format on */

static void prerequisites(void **state)
{
	run_rows(*state);
}

/* A modify is checked against each entry it meets, whose match is narrower than its own; all or none change. */
static void modify_checks_the_entries(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = flow_mod(OFPFC_ADD), mod = flow_mod(OFPFC_MODIFY);
	const struct of_instructions dec = APPLY(DEC_TTL);

	fm.match = match_of(IPV4);
	rig_flow_mod(rig, 0, &fm);
	mod.inst = dec;
	rig_flow_mod(rig, 0, &mod);
	EXPECT_OK();
	assert_int_equal(fake_dp_find(rig->dp, 0, 100)->inst->of.apply.n, 1);
	fm.match = match_of(ARP);
	fm.priority = 101;
	rig_flow_mod(rig, 0, &fm);
	rig_flow_mod(rig, 0, &mod);
	EXPECT_ERROR(BAD_ACTION, OFPBAC_MATCH_INCONSISTENT);
	assert_int_equal(fake_dp_find(rig->dp, 0, 101)->inst->of.apply.n, 0);
}

/* A queue that some port has; which one, the packet's output decides. */
static void set_queue(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = flow_mod(OFPFC_ADD);
	const struct of_instructions has = APPLY({.type = OF_ACT_SET_QUEUE, .queue = 3}, OUTPUT(1));
	const struct of_instructions has_not = WRITE({.type = OF_ACT_SET_QUEUE, .queue = 4});

	rig->dp->queues[0] = (struct of_queue){.port_no = 2, .queue = 3};
	rig->dp->n_queues = 1;
	fm.inst = has;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();
	fm.inst = has_not;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_ERROR(BAD_ACTION, OFPBAC_BAD_QUEUE);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(prerequisites),
		T(set_queue),
		T(modify_checks_the_entries),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("action", tests, NULL, NULL);
}
