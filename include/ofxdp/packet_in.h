/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Headers in front of frames on the ctl veth pair.
 *
 * Punt (kernel → daemon, through AF_XDP): struct ofx_punt, then the frame.
 * Inject (daemon → kernel, or kernel → kernel where metadata in front of a frame is not to be had): struct ofx_inject,
 * then n_ops ops, then the frame.  A frame with a wrong magic is a counted drop.  Host byte order.
 *
 * Packet-outs are numbered as they are sent, modulo 2^32.  They come by one queue, in their order: so `injected`,
 * mmapable ARRAY[1] of u64, the number of the last one that was executed, tells of all before it that they were too, or
 * are lost and counted (OFX_DROP_PACKET_OUT_LOST).
 */
#ifndef OFXDP_PACKET_IN_H
#define OFXDP_PACKET_IN_H

#include <linux/types.h>

struct ofx_punt {
	__u32 in_port; /* OpenFlow port number */
	__u32 flow;    /* flow id whose action punted the packet */
	__u16 gen;     /* its generation */
	__u16 max_len;
	__u8 table;
	__u8 reason; /* OFPR_* as in OpenFlow 1.3: 0 no match, 1 action, 2 invalid TTL */
	__u16 flags; /* OFX_PUNT_* */
	__be64 metadata;
	__be64 tunnel_id;
};
_Static_assert(sizeof(struct ofx_punt) == 32, "punt header");

#define OFX_PUNT_PACKET_OUT 1 /* the packet came by a packet-out; flow is meaningless unless it went through tables */
#define OFX_PUNT_NO_FLOW 2    /* no flow entry is behind it */
#define OFX_PUNT_ACTION_SET 4 /* by the action set, not by apply-actions (1.4+: OFPR_ACTION_SET) */

enum ofx_inject_kind {
	OFX_INJECT_OUT = 1, /* packet-out: run the ops; in_port as the controller said */
	OFX_INJECT_RX,	    /* as if received on in_port (frames of generic-mode ports); n_ops 0 */
	OFX_INJECT_CONT,    /* continuation arg, its seq in in_port: go on with its current op; n_ops 0 */
	OFX_INJECT_MARK,    /* nothing but its number: that of the packet-out before it; n_ops 0 */
};

struct ofx_inject {
	__u32 magic;   /* the switch's secret (rodata ofx_magic) */
	__u32 in_port; /* OpenFlow port number; OUT: of any port, or none */
	__u8 kind;     /* enum ofx_inject_kind */
	__u8 n_ops;    /* ops that follow, at most OFX_INJECT_OPS */
	__u16 pad;
	__u32 arg; /* OUT, MARK: number of the packet-out, see map `injected` */
};
_Static_assert(sizeof(struct ofx_inject) == 16, "inject header");

#endif
