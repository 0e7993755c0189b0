/* SPDX-License-Identifier: GPL-2.0-only */
/* Are actions possible, and do they fit the packets they will meet?  (§7.2.5; OFPBAC_MATCH_INCONSISTENT) */
#ifndef SWITCH_ACTION_H
#define SWITCH_ACTION_H

#include <stdbool.h>
#include <stdint.h>
#include "user/openflow/action.h"

struct sw;

/* Types, ports, groups, arguments.  0 or OFPET_BAD_ACTION. */
int sw_actions_check(struct sw *sw, const struct of_actions *actions, bool packet_out);

/* What is known of the packets that reach a point of an action list; -1: unknown. */
struct sw_packet_shape {
	int eth_type, ip_proto, icmpv6_type;
	enum sw_vlan {
		SW_VLAN_UNKNOWN, /* the match does not say */
		SW_VLAN_ABSENT,
		SW_VLAN_PRESENT,
		SW_VLAN_UNCOVERED, /* a tag was popped; what is below cannot be matched, so may be there */
	} vlan;
	unsigned int pushed; /* tags pushed onto `vlan` */
};

struct sw_packet_shape sw_packet_shape_of(const struct of_match *match);
/* Apply-actions: in the order of the list; *shape becomes that of the packets behind it. */
int sw_actions_check_list(const struct of_actions *actions, struct sw_packet_shape *shape);
/* Write-actions: in the order in which an action set is executed (§5.10). */
int sw_actions_check_set(const struct of_actions *actions, struct sw_packet_shape *shape);

#endif
