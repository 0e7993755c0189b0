/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ports.  Written by user/datapath/port.c, read by bpf/.
 *
 *   port_of_ifindex   HASH ifindex (u32) → port index (u32); the ends of a generic port's relay pair too; of internal
 *                     interfaces OFX_PORTS + enum ofx_dev, of what is received there
 *   near_ports        [OFX_NEAR_IFINDEXES] by ifindex: ofx_near_port(), a shorter way for those with small ones
 *   ports             ARRAY[OFX_PORTS] of struct ofx_port, by port index
 *   tx_ports          DEVMAP[OFX_PORTS], by port index
 *   port_devices      DEVMAP[OFX_PORTS], by port index: its own interface, even where tx_ports leads to a relay; only
 *                     to be looked at (bpf/liveness.h)
 *   pair_sets         ARRAY_OF_MAPS[OFX_PORTS + 1] of DEVMAP_HASH: {the port, the loop}: a copy out, the packet goes on
 *   flood_sets        ARRAY_OF_MAPS[OFX_PORTS + 1] of DEVMAP_HASH: all ports a packet from this one floods to
 *   flood_more_sets   the same and the loop
 *   flood_members     ARRAY[1] of struct ofx_flood: the ports of a flood, for counting
 *   internal_max      ARRAY[1] u32: the longest frame that all internal interfaces take, headers in front included
 *   internal          DEVMAP[OFX_DEV_N], enum ofx_dev;  fork_set  DEVMAP_HASH {OFX_DEV_CONTINUE, OFX_DEV_BRANCH}
 */
#ifndef OFXDP_PORT_H
#define OFXDP_PORT_H

#include <linux/types.h>
#include "limits.h"

#define OFX_PORT_LOCAL 0xfffffffeU	/* OFPP_LOCAL */
#define OFX_PORT_CONTROLLER 0xfffffffdU /* OFPP_CONTROLLER: in_port of a packet-out that came from none */
#define OFX_NEAR_IFINDEXES 4096
#define OFX_INDEX_LOCAL 0
#define OFX_INDEX_NONE OFX_PORTS /* flood_sets: no port to leave out */

/* Port number → index: 1-1023 are themselves, LOCAL is 0, all others have none (OFX_INDEX_NONE). */
static inline __u32 ofx_port_index(__u32 port_no)
{
	if (port_no == OFX_PORT_LOCAL)
		return OFX_INDEX_LOCAL;
	return port_no && port_no < OFX_PORTS ? port_no : OFX_INDEX_NONE;
}

static inline __u32 ofx_port_no(__u32 index)
{
	return index == OFX_INDEX_LOCAL ? OFX_PORT_LOCAL : index;
}

#define OFX_PORT_EXISTS 1	 /* has an interface */
#define OFX_PORT_DOWN 2		 /* OFPPC_PORT_DOWN, or the interface is administratively down */
#define OFX_PORT_NO_RECV 4	 /* OFPPC_NO_RECV */
#define OFX_PORT_NO_FWD 8	 /* OFPPC_NO_FWD */
#define OFX_PORT_NO_PACKET_IN 16 /* OFPPC_NO_PACKET_IN */
#define OFX_PORT_GENERIC 32	 /* its XDP is generic: NAME-c0 before the pipeline, a relay pair behind it */
#define OFX_PORT_INNER 128	 /* no port: an internal interface, its index is OFX_PORTS + enum ofx_dev */
#define OFX_PORT_NO_CARRIER 64	 /* no link; decides liveness only where BPF can't look for itself */

struct ofx_port {
	__u32 ifindex;
	__u32 flags;	 /* OFX_PORT_* */
	__u32 max_frame; /* MTU + 18: Ethernet header and one tag more than the MTU; longer ones are dropped */
	__u32 pad;
};

/* Index and OFX_PORT_* of the port of an interface; 0: not known here. */
static inline __u32 ofx_near_port(__u32 index, __u32 flags)
{
	return (index + 1) | flags << 16;
}

struct ofx_flood {
	__u32 n;
	__u16 index[OFX_FLOOD_PORTS];
};

/*
 * Internal interfaces: veth pairs.  A frame redirected to one end is received at the other.
 *   ctl pair   NAME-c0 (kernel end), NAME-c1 (daemon's end: AF_XDP sockets)
 *   loop pair  NAME-l0, NAME-l1
 *   queue pair NAME-q0, NAME-q1 (ofx_egress as a clsact filter)
 *   relay pair NAME-gNN, NAME-hNN (program ofx_relay, generic) for each port in generic mode; tx_ports and the
 *              sets lead to NAME-gNN in its place
 */
enum ofx_dev {
	OFX_DEV_PUNT = 0, /* ifindex of c0: received at c1, to the daemon */
	OFX_DEV_INJECT,	  /* ifindex of c1: received at c0 */
	OFX_DEV_CONTINUE, /* ifindex of l0: received at l1, goes on behind the op */
	OFX_DEV_BRANCH,	  /* ifindex of l1: received at l0, runs the one op and ends */
	OFX_DEV_QUEUE,	  /* ifindex of q0: received at q1, to the qdisc of a port */
	OFX_DEV_BACK,	  /* ifindex of q1: nothing is sent there */
	OFX_DEV_N
};

#endif
