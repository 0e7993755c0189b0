/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The loop: how a packet goes on after a copy of it has left (bpf/loop.h).  Nothing here is for userspace, but the
 * layout is part of a pinned map (`conts`), so it stands beside the others and counts for OFX_LAYOUT.
 *
 * An output that is not the packet's last is a broadcast to the port and to the loop veth.  What execute knew is kept
 * in a continuation, and the frame carries a stamp that names it: 8 bytes of metadata in front of the frame (veth keeps
 * them; wires never show them).  Continuations are a ring per CPU, never freed: seq tells a late reader that its place
 * was taken (OFX_DROP_CONT_LOST).
 */
#ifndef OFXDP_LOOP_H
#define OFXDP_LOOP_H

#include <linux/types.h>
#include "action.h"
#include "key.h"
#include "limits.h"

/* Set-fields of one key word and one header; there are so many pairs of these (user/datapath/action.c). */
#define OFX_SET_FIELDS 27

/* The action set (§5.10): one slot per action type, set-fields merged by key word and header. */
struct ofx_action_set {
	__u32 present;	 /* bit OFX_OP_<code> for the slots below */
	__u32 dirty;	 /* bit i: set[i] is valid */
	__u16 push_vlan; /* TPID */
	__u8 ip_ttl;
	__u8 reason; /* of a CONTROLLER output */
	__u16 max_len;
	__u16 push_mpls; /* Ethernet type */
	__u32 output;	 /* op code of the output (OUTPUT, IN_PORT, FLOOD, CONTROLLER), 0 = none */
	__u32 port;	 /* its port index */
	__u16 pop_mpls;	 /* Ethernet type of what is below */
	__u8 mpls_ttl;
	__u8 pad[5];
	__u32 group;			   /* group index, of OFX_OP_GROUP */
	__u32 queue;			   /* of OFX_OP_SET_QUEUE */
	struct ofx_op set[OFX_SET_FIELDS]; /* OFX_OP_SET, by .arg */
};

struct ofx_stamp {
	__u32 index; /* ofx_state.cpu * OFX_CONTS + the number in its `conts` */
	__u32 seq;
};

struct ofx_cont {
	__u32 seq;     /* written last; 0 while the rest is being written */
	__u32 n_ops;   /* ops[0] is the op that made the copy */
	__u32 last;    /* as in struct ofx_state, for this ops[] */
	__u32 in_port; /* OpenFlow port number */
	__u32 len;     /* frame length as received */
	__u32 branch;  /* frames that may come of the copy, … */
	__u32 rest;    /* … and of what goes on behind it (struct ofx_state: budget) */
	__u32 flow;
	__u16 gen;
	__u8 table;
	__u8 has_set; /* the action set below is valid: an OFX_OP_RESUME is among the ops */
	__u16 punt_flags;
	__u16 outputs;
	__u32 config;
	__u32 queue;
	__u64 metadata, tunnel_id; /* big endian as in the key */
	struct ofx_op ops[OFX_CONT_OPS];
	struct ofx_action_set set;
};

#endif
