/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ops: what actions are compiled into (user/datapath/action.c writes them, bpf/ runs them).
 *
 * An op is 24 bytes.  A flow entry holds a list of them (apply-actions, then write-actions); resolve concatenates the
 * lists of all matched flows, and at last the action set, into the packet's verdict; execute runs that.  A packet-out
 * carries a list in front of its frame.  Numbers are host order unless said otherwise.
 */
#ifndef OFXDP_ACTION_H
#define OFXDP_ACTION_H

#include <linux/types.h>

enum ofx_op_code {
	OFX_OP_NONE = 0,
	OFX_OP_FLOW,	   /* arg = flow id, a = table, b = generation: count this flow; it is the current one */
	OFX_OP_SET,	   /* a = key word; word = (word & ~mask) | value, value within mask, key's byte order;
			    * b = OFX_SHAPE_* of which the packet must have one, or nothing is done; 0: every packet has it;
			    * arg = its place in an action set (struct ofx_action_set) */
	OFX_OP_OUTPUT,	   /* arg = port index (ofx_port_index); the packet's own in_port drops this copy */
	OFX_OP_IN_PORT,	   /* output to the packet's in_port */
	OFX_OP_FLOOD,	   /* ALL and FLOOD: every port but in_port and those with NO_FWD */
	OFX_OP_CONTROLLER, /* a = OFPR_ reason, b = max_len; arg = 1 by the action set (resolve writes that) */
	OFX_OP_TABLE,	   /* packet-out only: walk the tables from 0 */
	OFX_OP_PUSH_VLAN,  /* b = TPID 0x8100 or 0x88a8, host order */
	OFX_OP_POP_VLAN,
	OFX_OP_SET_IP_TTL, /* a = TTL */
	OFX_OP_DEC_IP_TTL,
	OFX_OP_DROP,	     /* a = enum ofx_drop, b = table: made by resolve only; ends the packet, counted */
	OFX_OP_RESUME,	     /* a = table: made by resolve only; parse again, go on at that table */
	OFX_OP_MISS,	     /* a = table: made by resolve only; count a table miss, then drop (OFX_DROP_NO_MATCH) */
	OFX_OP_PUSH_MPLS,    /* b = Ethernet type 0x8847 or 0x8848, host order */
	OFX_OP_POP_MPLS,     /* b = Ethernet type of what is below, host order */
	OFX_OP_SET_MPLS_TTL, /* a = TTL */
	OFX_OP_DEC_MPLS_TTL,
	OFX_OP_COPY_TTL_OUT,
	OFX_OP_COPY_TTL_IN,
	OFX_OP_PUSH_PBB, /* Ethernet type 0x88e7 */
	OFX_OP_POP_PBB,
	OFX_OP_GROUP, /* arg = group index; the other members are the data plane's own (bpf/group.h), zero for user */
	OFX_OP_METER, /* arg = meter index (meter.h): may end the packet or change its DSCP */
	OFX_OP_SET_QUEUE, /* arg = queue, 1 – OFX_QUEUE_MAX: later outputs leave by it (queue.h) */
	OFX_OP_PARSE,	  /* a set-field changed what the headers are taken for */
	OFX_N_OPS
};

_Static_assert(OFX_N_OPS <= 32, "sets of op codes are 32-bit words");

struct ofx_op {
	__u8 code; /* enum ofx_op_code */
	__u8 a;
	__u16 b;
	__u32 arg;
	__u64 value;
	__u64 mask;
};

_Static_assert(sizeof(struct ofx_op) == 24, "op");

#endif
