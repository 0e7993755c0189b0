/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one list of match fields (OXM, OpenFlow 1.3.5 §7.2.3.7, with those that 1.4 and 1.5 add).
 *
 * Everything that needs to know a field takes it from here: the packet key of kernel and user (key.h), the codec,
 * the prerequisite check, table features.  X(ID, NAME, OXM, OFFSET, BYTES, BITS, FLAGS, PREREQ):
 *
 *   ID      OFX_F_<ID>, the field's number in our own bitmaps (not the OXM number: that may change with versions)
 *   NAME    the name ovs-ofctl and os-ken users know
 *   OXM     oxm_field of class OFPXMC_OPENFLOW_BASIC (0x8000)
 *   OFFSET  first byte in struct ofx_key; the bytes there are the OXM payload as it is on the wire (big endian)
 *   BYTES   payload length on the wire
 *   BITS    significant bits, right-aligned in the payload; the others must be zero
 *   FLAGS   MASK: oxm_hasmask allowed; SET: a set-field action may write it
 *   PREREQ  OFX_PRE_<x>: what else the match must hold (§7.2.3.8)
 *
 * Fields whose prerequisites exclude each other share bytes (IPv4, ARP, IPv6, MPLS and PBB addresses; transport ports,
 * ICMP type/code and ARP opcode), so that the widest legal match fits the largest key class.
 */
#ifndef OFXDP_FIELD_H
#define OFXDP_FIELD_H

#define OFX_FF_MASK 1 /* may be masked */
#define OFX_FF_SET 2  /* may be written by set-field */
#define OFX_FF_MS 3

/* clang-format off: a table */
#define OFX_FIELDS(X)                                                                                                  \
	X(METADATA, metadata, 2, 0, 8, 64, OFX_FF_MASK, NONE)                                                          \
	X(TUNNEL_ID, tunnel_id, 38, 8, 8, 64, OFX_FF_MS, NONE)                                                         \
	X(IN_PORT, in_port, 0, 16, 4, 32, 0, NONE)                                                                     \
	X(IN_PHY_PORT, in_phy_port, 1, 20, 4, 32, 0, IN_PORT)                                                          \
	X(ETH_DST, eth_dst, 3, 24, 6, 48, OFX_FF_MS, NONE)                                                             \
	X(ETH_TYPE, eth_type, 5, 30, 2, 16, OFX_FF_SET, NONE)                                                          \
	X(ETH_SRC, eth_src, 4, 32, 6, 48, OFX_FF_MS, NONE)                                                             \
	X(VLAN_VID, vlan_vid, 6, 38, 2, 13, OFX_FF_MS, NONE)                                                           \
	X(VLAN_PCP, vlan_pcp, 7, 40, 1, 3, OFX_FF_SET, VLAN)                                                           \
	X(IP_DSCP, ip_dscp, 8, 41, 1, 6, OFX_FF_SET, IP)                                                               \
	X(IP_ECN, ip_ecn, 9, 42, 1, 2, OFX_FF_SET, IP)                                                                 \
	X(IP_PROTO, ip_proto, 10, 43, 1, 8, OFX_FF_SET, IP)                                                            \
	X(TCP_SRC, tcp_src, 13, 44, 2, 16, OFX_FF_SET, TCP)                                                            \
	X(TCP_DST, tcp_dst, 14, 46, 2, 16, OFX_FF_SET, TCP)                                                            \
	X(UDP_SRC, udp_src, 15, 44, 2, 16, OFX_FF_SET, UDP)                                                            \
	X(UDP_DST, udp_dst, 16, 46, 2, 16, OFX_FF_SET, UDP)                                                            \
	X(SCTP_SRC, sctp_src, 17, 44, 2, 16, OFX_FF_SET, SCTP)                                                         \
	X(SCTP_DST, sctp_dst, 18, 46, 2, 16, OFX_FF_SET, SCTP)                                                         \
	X(ICMPV4_TYPE, icmpv4_type, 19, 44, 1, 8, OFX_FF_SET, ICMPV4)                                                  \
	X(ICMPV4_CODE, icmpv4_code, 20, 45, 1, 8, OFX_FF_SET, ICMPV4)                                                  \
	X(ICMPV6_TYPE, icmpv6_type, 29, 44, 1, 8, OFX_FF_SET, ICMPV6)                                                  \
	X(ICMPV6_CODE, icmpv6_code, 30, 45, 1, 8, OFX_FF_SET, ICMPV6)                                                  \
	X(ARP_OP, arp_op, 21, 44, 2, 16, OFX_FF_SET, ARP)                                                              \
	X(IPV4_SRC, ipv4_src, 11, 48, 4, 32, OFX_FF_MS, IPV4)                                                          \
	X(IPV4_DST, ipv4_dst, 12, 52, 4, 32, OFX_FF_MS, IPV4)                                                          \
	X(ARP_SPA, arp_spa, 22, 48, 4, 32, OFX_FF_MS, ARP)                                                             \
	X(ARP_TPA, arp_tpa, 23, 52, 4, 32, OFX_FF_MS, ARP)                                                             \
	X(ARP_SHA, arp_sha, 24, 56, 6, 48, OFX_FF_MS, ARP)                                                             \
	X(ARP_THA, arp_tha, 25, 64, 6, 48, OFX_FF_MS, ARP)                                                             \
	X(IPV6_SRC, ipv6_src, 26, 48, 16, 128, OFX_FF_MS, IPV6)                                                        \
	X(IPV6_DST, ipv6_dst, 27, 64, 16, 128, OFX_FF_MS, IPV6)                                                        \
	X(IPV6_FLABEL, ipv6_flabel, 28, 80, 4, 20, OFX_FF_MS, IPV6)                                                    \
	X(IPV6_EXTHDR, ipv6_exthdr, 39, 84, 2, 9, OFX_FF_MASK, IPV6)                                                   \
	X(TCP_FLAGS, tcp_flags, 42, 86, 2, 12, OFX_FF_MASK, TCP)                                                       \
	X(IPV6_ND_TARGET, ipv6_nd_target, 31, 88, 16, 128, OFX_FF_SET, ND)                                             \
	X(IPV6_ND_SLL, ipv6_nd_sll, 32, 104, 6, 48, OFX_FF_SET, ND_SOL)                                                \
	X(IPV6_ND_TLL, ipv6_nd_tll, 33, 104, 6, 48, OFX_FF_SET, ND_ADV)                                                \
	X(MPLS_LABEL, mpls_label, 34, 48, 4, 20, OFX_FF_SET, MPLS)                                                     \
	X(MPLS_TC, mpls_tc, 35, 52, 1, 3, OFX_FF_SET, MPLS)                                                            \
	X(MPLS_BOS, mpls_bos, 36, 53, 1, 1, OFX_FF_SET, MPLS)                                                          \
	X(PBB_ISID, pbb_isid, 37, 48, 3, 24, OFX_FF_MS, PBB)                                                           \
	X(PBB_UCA, pbb_uca, 41, 51, 1, 1, OFX_FF_SET, PBB)                                                             \
	X(PACKET_TYPE, packet_type, 44, 112, 4, 32, 0, NONE)                                                           \
	X(ACTSET_OUTPUT, actset_output, 43, 116, 4, 32, 0, NONE)
/* clang-format on */

/* Prerequisites, OpenFlow 1.3.5 table 12. */
enum ofx_prereq {
	OFX_PRE_NONE,
	OFX_PRE_IN_PORT, /* in_port present */
	OFX_PRE_VLAN,	 /* vlan_vid present and not NONE */
	OFX_PRE_IP,	 /* eth_type 0x0800 or 0x86dd */
	OFX_PRE_IPV4,	 /* eth_type 0x0800 */
	OFX_PRE_IPV6,	 /* eth_type 0x86dd */
	OFX_PRE_ARP,	 /* eth_type 0x0806 */
	OFX_PRE_MPLS,	 /* eth_type 0x8847 or 0x8848 */
	OFX_PRE_PBB,	 /* eth_type 0x88e7 */
	OFX_PRE_TCP,	 /* ip_proto 6 */
	OFX_PRE_UDP,	 /* ip_proto 17 */
	OFX_PRE_SCTP,	 /* ip_proto 132 */
	OFX_PRE_ICMPV4,	 /* eth_type 0x0800, ip_proto 1 */
	OFX_PRE_ICMPV6,	 /* eth_type 0x86dd, ip_proto 58 */
	OFX_PRE_ND,	 /* icmpv6_type 135 or 136 */
	OFX_PRE_ND_SOL,	 /* icmpv6_type 135 */
	OFX_PRE_ND_ADV,	 /* icmpv6_type 136 */
};

#define OFX_FIELD_ENUM(ID, NAME, OXM, OFF, BYTES, BITS, FLAGS, PRE) OFX_F_##ID,
enum ofx_field { OFX_FIELDS(OFX_FIELD_ENUM) OFX_N_FIELDS };
#undef OFX_FIELD_ENUM

#endif
