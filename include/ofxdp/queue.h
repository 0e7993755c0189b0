/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Queues (§5.12 Set-Queue): classes of a port's root qdisc, made with tc.  Queue N is class MAJOR:N, where MAJOR: is
 * the qdisc's handle; so queues are 1 to 65535.
 *
 * A redirect bypasses qdiscs.  So a frame whose packet has a queue takes another way (bpf/queue.h):
 *
 *   execute: struct ofx_queued in front ─► NAME-q0 ═ NAME-q1: ofx_port (XDP): header to metadata, XDP_PASS
 *                                                   └─► ofx_egress (clsact ingress): skb->priority, the port's qdisc
 *
 *   port_qdisc   ARRAY[OFX_PORTS] of u32, by port index: handle of the port's root qdisc, 0 if it has none, or
 *                OFX_QDISC_DOWN.  ofx_port writes what it sees just before a frame needs it; where BPF can't look for
 *                itself the daemon writes it.
 */
#ifndef OFXDP_QUEUE_H
#define OFXDP_QUEUE_H

#include <linux/types.h>

#define OFX_QUEUE_MAX 0xffff
#define OFX_QDISC_DOWN 1U /* no handle (those have a minor number of 0): the port has no carrier, its qdisc drops */

#define OFX_QUEUED_MARK 0x6f66 /* struct ofx_queued as metadata: only ofx_port writes there */

/* In front of a frame on its way to NAME-q1, then its metadata.  Host byte order. */
struct ofx_queued {
	__u32 magic;	/* the switch's secret (rodata ofx_magic); as metadata 0 */
	__u16 mark;	/* OFX_QUEUED_MARK */
	__u16 queue;	/* 1 – OFX_QUEUE_MAX */
	__u16 to;	/* port index, or OFX_INDEX_NONE: flood */
	__u16 in_index; /* of the packet: left out by a flood */
};
_Static_assert(sizeof(struct ofx_queued) % 4 == 0 && sizeof(struct ofx_queued) <= 32, "fits metadata");

#endif
