/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * struct ofx_key: a packet as the flow tables see it.
 *
 * Sixteen 8-byte words.  Words 0-14 hold the fields of field.h at their byte offsets, each as its OXM payload (big
 * endian, right-aligned); a field whose header the packet lacks is zero.  Word 15 is never matched: it tells the shape
 * of the packet.  A match is (value, mask) of this layout, so a lookup is `key.w[i] & mask.w[i]` whatever the field.
 *
 * A match must not take the zero of an absent header for a field with the value zero (docs/matching.md).  So spare bits
 * of word 5 tell what a packet lacks (OFX_NO_*), and a match that asks a header for zeros only asks for the header's
 * bit to be zero, too.  They are zero in plain packets (bpf/parse.h), which thus have nothing to do with them.
 *
 * Written by bpf/parse (from the packet) and user/datapath (from a match); the layout is an ABI between them only.
 */
#ifndef OFXDP_KEY_H
#define OFXDP_KEY_H

#include <linux/types.h>
#include "field.h"

#define OFX_KEY_WORDS 15 /* words that can be matched */

/* Word numbers that code names. */
enum ofx_key_word {
	OFX_W_METADATA = 0,
	OFX_W_TUNNEL_ID = 1,
	OFX_W_PORTS = 2,   /* in_port, in_phy_port */
	OFX_W_ETH_DST = 3, /* eth_dst, eth_type */
	OFX_W_ETH_SRC = 4, /* eth_src, vlan_vid */
	OFX_W_L4 = 5,	   /* vlan_pcp, dscp, ecn, ip_proto, ports / icmp / arp_op */
	OFX_W_ADDR = 6,	   /* ipv4 src,dst; arp spa,tpa; ipv6_src[0..7]; mpls; pbb */
	OFX_W_ADDR1 = 7,   /* ipv6_src[8..15]; arp_sha */
	OFX_W_ADDR2 = 8,   /* ipv6_dst[0..7]; arp_tha */
	OFX_W_ADDR3 = 9,   /* ipv6_dst[8..15] */
	OFX_W_FLABEL = 10, /* ipv6_flabel, ipv6_exthdr, tcp_flags */
	OFX_W_ND = 11,	   /* nd_target, two words */
	OFX_W_ND1 = 12,
	OFX_W_ND_LL = 13, /* nd_sll or nd_tll */
	OFX_W_TYPE = 14,  /* packet_type, actset_output */
	OFX_W_SHAPE = 15,
};

struct ofx_key {
	union {
		__u64 w[OFX_KEY_WORDS + 1];
		__u8 b[(OFX_KEY_WORDS + 1) * 8];
		struct {
			__be64 metadata;
			__be64 tunnel_id;
			__be32 in_port;
			__be32 in_phy_port;
			__u8 eth_dst[6];
			__be16 eth_type; /* of the payload, after VLAN tags */
			__u8 eth_src[6];
			__be16 vlan_vid; /* outer tag: OFPVID_PRESENT (0x1000) | vid; 0: no tag */
			__u8 vlan_pcp;	 /* and OFX_NO_* */
			__u8 ip_dscp;
			__u8 ip_ecn;
			__u8 ip_proto;
			union {
				struct {
					__be16 tp_src;
					__be16 tp_dst;
				};
				struct {
					__u8 icmp_type;
					__u8 icmp_code;
				};
				__be16 arp_op;
			};
			union {
				struct {
					__be32 ipv4_src; /* and arp_spa */
					__be32 ipv4_dst; /* and arp_tpa */
					__u8 arp_sha[6];
					__u8 pad0[2];
					__u8 arp_tha[6];
					__u8 pad1[2];
				};
				struct {
					__be64 ipv6_src[2];
					__be64 ipv6_dst[2];
				};
				struct {
					__be32 mpls_label;
					__u8 mpls_tc;
					__u8 mpls_bos;
				};
				struct {
					__u8 pbb_isid[3];
					__u8 pbb_uca;
				};
			};
			__be32 ipv6_flabel;
			__be16 ipv6_exthdr;
			__be16 tcp_flags;
			__be64 nd_target[2];
			__u8 nd_ll[6];
			__u8 pad2[2];
			__be32 packet_type;
			__be32 actset_output;
			__u64 shape; /* OFX_SHAPE_*, host order */
		};
	};
};

/* Bits of .shape: which headers parse found, whole and well-formed. */
#define OFX_SHAPE_VLAN (1 << 0) /* one tag at least */
#define OFX_SHAPE_IPV4 (1 << 1)
#define OFX_SHAPE_IPV6 (1 << 2)
#define OFX_SHAPE_ARP (1 << 3)
#define OFX_SHAPE_MPLS (1 << 4) /* an MPLS label; nothing behind the stack is parsed */
#define OFX_SHAPE_PBB (1 << 5)	/* a PBB I-TAG; the customer's frame in it is not parsed */
#define OFX_SHAPE_TCP (1 << 6)	/* not of a later fragment: there it is in the first one */
#define OFX_SHAPE_UDP (1 << 7)
#define OFX_SHAPE_SCTP (1 << 8)
#define OFX_SHAPE_ICMPV4 (1 << 9)
#define OFX_SHAPE_ICMPV6 (1 << 10)
#define OFX_SHAPE_ND (1 << 11)	   /* neighbour solicitation or advertisement, with its target */
#define OFX_SHAPE_ND_SLL (1 << 12) /* a solicitation's option: the source's link-layer address */
#define OFX_SHAPE_ND_TLL (1 << 13) /* an advertisement's option: the target's */
/* … and what is no header.  Those above fit 16 bits: an op may need them (OFX_OP_SET). */
#define OFX_SHAPE_VLAN2 (1 << 16)  /* two tags at least */
#define OFX_SHAPE_FRAG (1 << 17)   /* a fragment, first or later */
#define OFX_SHAPE_ROUTED (1 << 18) /* IPv6 routing header with segments left: ipv6_dst is not the last destination */

#define OFX_SHAPE_IP (OFX_SHAPE_IPV4 | OFX_SHAPE_IPV6)
#define OFX_SHAPE_L3 (OFX_SHAPE_IP | OFX_SHAPE_ARP | OFX_SHAPE_MPLS | OFX_SHAPE_PBB)
#define OFX_SHAPE_L4 (OFX_SHAPE_TCP | OFX_SHAPE_UDP | OFX_SHAPE_SCTP | OFX_SHAPE_ICMPV4 | OFX_SHAPE_ICMPV6)
#define OFX_SHAPE_ND_LL (OFX_SHAPE_ND_SLL | OFX_SHAPE_ND_TLL)

/* Spare bits of .vlan_pcp: what the packet lacks, whole and well-formed. */
#define OFX_NO_L3 0x80	  /* what the Ethernet type names: IP, ARP, a label, an I-TAG */
#define OFX_NO_L4 0x40	  /* a transport header */
#define OFX_NO_ND 0x20	  /* an ICMPv6 packet: a target of neighbour discovery */
#define OFX_NO_ND_LL 0x10 /* an ICMPv6 packet: the link-layer address that goes with its type */
#define OFX_NO_BITS 0xf0

static inline __attribute__((always_inline)) __u8 ofx_key_no(__u64 shape)
{
	__u8 no = 0;

	if (!(shape & OFX_SHAPE_L3))
		no |= OFX_NO_L3;
	if (!(shape & OFX_SHAPE_L4))
		no |= OFX_NO_L4;
	if (shape & OFX_SHAPE_ICMPV6 && !(shape & OFX_SHAPE_ND))
		no |= OFX_NO_ND;
	if (shape & OFX_SHAPE_ICMPV6 && !(shape & OFX_SHAPE_ND_LL))
		no |= OFX_NO_ND_LL;
	return no;
}

_Static_assert(sizeof(struct ofx_key) == 128, "16 words");
#define OFX_FIELD_ASSERT(ID, NAME, OXM, OFF, BYTES, BITS, FLAGS, PRE)                                                  \
	_Static_assert((OFF) + (BYTES) <= OFX_KEY_WORDS * 8 && (BITS) <= (BYTES)*8, #NAME);
OFX_FIELDS(OFX_FIELD_ASSERT)
#undef OFX_FIELD_ASSERT

#endif
