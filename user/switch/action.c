/* SPDX-License-Identifier: GPL-2.0-only */
#include <arpa/inet.h>
#include "include/openflow/openflow.h"
#include "user/switch/action.h"
#include "user/switch/internal.h"

#define BAD_ACTION(code) OF_ERROR(OFPET_BAD_ACTION, OFPBAC_##code)

#define ETH_IPV4 0x0800
#define ETH_IPV6 0x86dd
#define ETH_ARP 0x0806
#define ETH_VLAN 0x8100
#define ETH_SERVICE_VLAN 0x88a8
#define ETH_MPLS 0x8847
#define ETH_MPLS_MULTICAST 0x8848
#define ETH_PBB 0x88e7
enum { PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ICMPV6 = 58, PROTO_SCTP = 132 };
enum { ND_SOLICIT = 135, ND_ADVERT = 136 };

int sw_actions_check(struct sw *sw, const struct of_actions *actions, bool packet_out)
{
	for (size_t i = 0; i < actions->n; i++) {
		const struct of_action *a = &actions->v[i];

		if (a->type == OF_ACT_GROUP && !sw_group_is_usable(sw, a->group))
			return BAD_ACTION(BAD_OUT_GROUP);
		if (a->type == OF_ACT_OUTPUT && (!a->output.port || a->output.port == OFPP_ANY))
			return BAD_ACTION(BAD_OUT_PORT);
		/* 1.3.5 §7.2.5: the value of a VLAN id carries OFPVID_PRESENT; a tag is taken off with pop */
		if (a->type == OF_ACT_SET_FIELD && a->set.field == OFX_F_VLAN_VID && !a->set.has_mask &&
		    !(a->set.value[0] & OFPVID_PRESENT >> 8))
			return BAD_ACTION(BAD_SET_ARGUMENT);
	}
	return actions->n ? dp_check_actions(sw->dp, actions, packet_out) : 0;
}

struct sw_packet_shape sw_packet_shape_of(const struct of_match *match)
{
	struct sw_packet_shape shape = {-1, -1, -1, SW_VLAN_UNKNOWN, 0};

	if (of_match_has(match, OFX_F_ETH_TYPE))
		shape.eth_type = ntohs(match->value.eth_type);
	if (of_match_has(match, OFX_F_IP_PROTO))
		shape.ip_proto = match->value.ip_proto;
	if (of_match_has(match, OFX_F_ICMPV6_TYPE))
		shape.icmpv6_type = match->value.icmp_type;
	if (match->value.vlan_vid) /* untagged packets have zero here */
		shape.vlan = SW_VLAN_PRESENT;
	else if (ntohs(match->mask.vlan_vid) & OFPVID_PRESENT)
		shape.vlan = SW_VLAN_ABSENT;
	return shape;
}

static bool has_vlan(const struct sw_packet_shape *s)
{
	return s->pushed || s->vlan == SW_VLAN_PRESENT || s->vlan == SW_VLAN_UNCOVERED;
}

static bool has_ip(const struct sw_packet_shape *s)
{
	return s->eth_type == ETH_IPV4 || s->eth_type == ETH_IPV6;
}

static bool has_icmpv6(const struct sw_packet_shape *s)
{
	return s->eth_type == ETH_IPV6 && s->ip_proto == PROTO_ICMPV6;
}

static bool has_mpls(const struct sw_packet_shape *s)
{
	return s->eth_type == ETH_MPLS || s->eth_type == ETH_MPLS_MULTICAST;
}

static bool has_pbb(const struct sw_packet_shape *s)
{
	return s->eth_type == ETH_PBB;
}

static bool prereq_holds(const struct sw_packet_shape *s, enum ofx_prereq prereq)
{
	switch (prereq) {
	case OFX_PRE_NONE:
	case OFX_PRE_IN_PORT:
		return true;
	case OFX_PRE_VLAN:
		return has_vlan(s);
	case OFX_PRE_IP:
		return has_ip(s);
	case OFX_PRE_IPV4:
		return s->eth_type == ETH_IPV4;
	case OFX_PRE_IPV6:
		return s->eth_type == ETH_IPV6;
	case OFX_PRE_ARP:
		return s->eth_type == ETH_ARP;
	case OFX_PRE_MPLS:
		return has_mpls(s);
	case OFX_PRE_PBB:
		return has_pbb(s);
	case OFX_PRE_TCP:
		return has_ip(s) && s->ip_proto == PROTO_TCP;
	case OFX_PRE_UDP:
		return has_ip(s) && s->ip_proto == PROTO_UDP;
	case OFX_PRE_SCTP:
		return has_ip(s) && s->ip_proto == PROTO_SCTP;
	case OFX_PRE_ICMPV4:
		return s->eth_type == ETH_IPV4 && s->ip_proto == PROTO_ICMP;
	case OFX_PRE_ICMPV6:
		return has_icmpv6(s);
	case OFX_PRE_ND:
		return has_icmpv6(s) && (s->icmpv6_type == ND_SOLICIT || s->icmpv6_type == ND_ADVERT);
	case OFX_PRE_ND_SOL:
		return has_icmpv6(s) && s->icmpv6_type == ND_SOLICIT;
	case OFX_PRE_ND_ADV:
		return has_icmpv6(s) && s->icmpv6_type == ND_ADVERT;
	}
	return false;
}

static int check_set_field(const struct of_action *a, struct sw_packet_shape *s)
{
	const uint8_t *v = a->set.value;

	/* vlan_vid has no prerequisite as a match field, but only a tag can hold it */
	if (!prereq_holds(s, of_fields[a->set.field].prereq) || (a->set.field == OFX_F_VLAN_VID && !has_vlan(s)))
		return BAD_ACTION(MATCH_INCONSISTENT);
	switch (a->set.field) {
	case OFX_F_ETH_TYPE:
		s->eth_type = v[0] << 8 | v[1];
		break;
	case OFX_F_IP_PROTO:
		s->ip_proto = v[0];
		break;
	case OFX_F_ICMPV6_TYPE:
		s->icmpv6_type = v[0];
		break;
	}
	return 0;
}

/* What is behind the header at the front is not known any more. */
static void new_payload(struct sw_packet_shape *s, int eth_type)
{
	s->eth_type = eth_type;
	s->ip_proto = -1;
	s->icmpv6_type = -1;
}

/* A label or an I-TAG goes before all tags (§5.12). */
static void push_before_tags(struct sw_packet_shape *s, int eth_type)
{
	new_payload(s, eth_type);
	s->vlan = SW_VLAN_ABSENT;
	s->pushed = 0;
}

static void pop_mpls(struct sw_packet_shape *s, uint16_t eth_type)
{
	bool tag = eth_type == ETH_VLAN || eth_type == ETH_SERVICE_VLAN;

	new_payload(s, tag ? -1 : eth_type);
	if (tag && !has_vlan(s))
		s->vlan = SW_VLAN_UNCOVERED;
}

/* The customer's frame comes to light; it may be of any type and, if no B-TAG stays in front of it, tagged or not. */
static void pop_pbb(struct sw_packet_shape *s)
{
	new_payload(s, -1);
	if (!has_vlan(s))
		s->vlan = SW_VLAN_UNCOVERED;
}

static int check_action(const struct of_action *a, struct sw_packet_shape *s)
{
	switch (a->type) {
	case OF_ACT_PUSH_VLAN:
		s->pushed++;
		return 0;
	case OF_ACT_POP_VLAN:
		if (!has_vlan(s))
			return BAD_ACTION(MATCH_INCONSISTENT);
		if (s->pushed)
			s->pushed--;
		else
			s->vlan = SW_VLAN_UNCOVERED;
		return 0;
	case OF_ACT_PUSH_MPLS:
	case OF_ACT_PUSH_PBB:
		push_before_tags(s, a->ethertype);
		return 0;
	case OF_ACT_POP_MPLS:
		if (!has_mpls(s))
			return BAD_ACTION(MATCH_INCONSISTENT);
		pop_mpls(s, a->ethertype);
		return 0;
	case OF_ACT_POP_PBB:
		if (!has_pbb(s))
			return BAD_ACTION(MATCH_INCONSISTENT);
		pop_pbb(s);
		return 0;
	case OF_ACT_SET_MPLS_TTL:
	case OF_ACT_DEC_MPLS_TTL:
		return has_mpls(s) ? 0 : BAD_ACTION(MATCH_INCONSISTENT);
	case OF_ACT_COPY_TTL_OUT:
	case OF_ACT_COPY_TTL_IN:
		return has_mpls(s) || has_ip(s) ? 0 : BAD_ACTION(MATCH_INCONSISTENT);
	case OF_ACT_SET_NW_TTL:
	case OF_ACT_DEC_NW_TTL:
		return has_ip(s) ? 0 : BAD_ACTION(MATCH_INCONSISTENT);
	case OF_ACT_SET_FIELD:
		return check_set_field(a, s);
	}
	return 0;
}

int sw_actions_check_list(const struct of_actions *actions, struct sw_packet_shape *shape)
{
	for (size_t i = 0; i < actions->n; i++) {
		int err = check_action(&actions->v[i], shape);

		if (err)
			return err;
	}
	return 0;
}

/* Position in an action set, §5.10: copy TTL in, pop, push, copy TTL out, decrement TTL, set, output. */
#define SET_ORDER_LAST 9
static unsigned int set_order(const struct of_action *a)
{
	switch (a->type) {
	case OF_ACT_COPY_TTL_IN:
		return 0;
	case OF_ACT_POP_VLAN:
		return 1;
	case OF_ACT_POP_MPLS:
		return 2;
	case OF_ACT_POP_PBB:
		return 3;
	case OF_ACT_PUSH_MPLS:
		return 4;
	case OF_ACT_PUSH_PBB:
		return 5;
	case OF_ACT_PUSH_VLAN:
		return 6;
	case OF_ACT_COPY_TTL_OUT:
		return 7;
	case OF_ACT_DEC_MPLS_TTL:
	case OF_ACT_DEC_NW_TTL:
		return 8;
	}
	return SET_ORDER_LAST;
}

int sw_actions_check_set(const struct of_actions *actions, struct sw_packet_shape *shape)
{
	for (unsigned int order = 0; order <= SET_ORDER_LAST; order++)
		for (size_t i = 0; i < actions->n; i++) {
			int err = set_order(&actions->v[i]) == order ? check_action(&actions->v[i], shape) : 0;

			if (err)
				return err;
		}
	return 0;
}
