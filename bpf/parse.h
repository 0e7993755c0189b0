/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parse: a frame into struct ofx_key (all words), its shape and the offsets of its headers.
 *
 * A layer that is malformed or does not fit the frame ends parsing: its fields and those of what it carries are zero,
 * its offset is 0, its shape bit is not set, and the key says that it is not there (OFX_NO_*); the packet still matches
 * by what stands before.  What IP calls padding (beyond total length or payload length) is not read as a header.
 */
#ifndef BPF_PARSE_H
#define BPF_PARSE_H

#include <linux/if_ether.h>
#include <linux/ip.h>
#include "bpf/parse_ipv6.h"
#include "bpf/parse_l4.h"
#include "bpf/pkt.h"
#include "include/ofxdp/state.h"

#define ETH_TYPE_NONE 0x05ff /* eth_type of 802.3 frames without SNAP and OUI 0 (OFP_DL_TYPE_NOT_ETH_TYPE) */
#define ETH_TYPE_MIN 0x0600  /* below: a length */
#define OFX_VLANS 4	     /* tags that are looked through; behind more, nothing is parsed and eth_type is a TPID */
#define ARP_FOR_IPV4 28	     /* bytes */

static __always_inline int is_vlan_tpid(__be16 type)
{
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

/* LLC at `at`, behind an 802.3 length: SNAP with OUI 0 has an Ethernet type; then *at moves behind it. */
static __always_inline __be16 parse_llc(ofx_ctx *ctx, __u32 *at)
{
	const pkt16 *llc = pkt_at(ctx, *at, 8);

	if (!llc || llc[0] != bpf_htons(0xaaaa) || llc[1] != bpf_htons(0x0300) || llc[2] ||
	    bpf_ntohs(llc[3]) < ETH_TYPE_MIN)
		return bpf_htons(ETH_TYPE_NONE);
	*at += 8;
	return llc[3];
}

/* The tag at offset 12 + 4 * i, whole with the type behind it, or NULL. */
static __always_inline const pkt16 *vlan_at(ofx_ctx *ctx, __u32 i)
{
	const pkt16 *tag = pkt_at(ctx, 2 * ETH_ALEN + 4 * i, 6);

	return tag && is_vlan_tpid(tag[0]) ? tag : NULL;
}

/* Ethernet header and up to OFX_VLANS tags, of which the outer one is in the key.  Returns eth_type; *at is behind it.
 */
static __always_inline __be16 parse_eth(ofx_ctx *ctx, struct ofx_state *s, const void *eth, __u32 *at)
{
	const pkt64 *dst = eth;
	const pkt64 *src = eth + ETH_ALEN;
	__be16 type = ((const pkt16 *)eth)[6];

	s->key.w[OFX_W_ETH_DST] = *dst & PKT_FIRST6;
	s->key.w[OFX_W_ETH_SRC] = *src & PKT_FIRST6;
	*at = ETH_HLEN;
	if (is_vlan_tpid(type)) {
		for (__u32 i = 0; i < OFX_VLANS; i++) {
			const pkt16 *tag = vlan_at(ctx, i);

			if (!tag)
				break;
			if (!i) {
				s->key.vlan_vid = (tag[1] & bpf_htons(0x0fff)) | bpf_htons(0x1000);
				s->key.vlan_pcp = bpf_ntohs(tag[1]) >> 13;
			}
			s->key.shape = i ? OFX_SHAPE_VLAN | OFX_SHAPE_VLAN2 : OFX_SHAPE_VLAN;
			s->off.vlans = i + 1;
			type = tag[2];
			*at = ETH_HLEN + 4 * (i + 1);
		}
	}
	return bpf_ntohs(type) < ETH_TYPE_MIN ? parse_llc(ctx, at) : type;
}

static __always_inline void parse_arp(ofx_ctx *ctx, struct ofx_state *s, __u32 at)
{
	const void *arp = pkt_at(ctx, at, ARP_FOR_IPV4);
	const pkt16 *half = arp;
	struct ofx_key *k = &s->key;

	/* Hardware type Ethernet, protocol IPv4, address lengths 6 and 4. */
	if (!arp || half[0] != bpf_htons(1) || half[1] != bpf_htons(ETH_P_IP) || half[2] != bpf_htons(0x0604))
		return;
	k->arp_op = half[3];
	k->w[OFX_W_ADDR1] = *(const pkt64 *)(arp + 8) & PKT_FIRST6;
	k->ipv4_src = *(const pkt32 *)(arp + 14);
	k->w[OFX_W_ADDR2] = *(const pkt64 *)(arp + 18) & PKT_FIRST6;
	k->ipv4_dst = *(const pkt32 *)(arp + 24);
	k->shape |= OFX_SHAPE_ARP;
	s->off.l3 = at;
}

static __always_inline void parse_ipv4(ofx_ctx *ctx, struct ofx_state *s, __u32 at)
{
	const struct iphdr *ip = pkt_at(ctx, at, sizeof(*ip));
	struct ofx_key *k = &s->key;
	__u32 head, total;

	if (!ip)
		return;
	head = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	if (ip->version != 4 || head < sizeof(*ip) || total < head || at + total > ctx_len(ctx))
		return;
	k->ip_dscp = ip->tos >> 2;
	k->ip_ecn = ip->tos & 3;
	k->ip_proto = ip->protocol;
	k->w[OFX_W_ADDR] = *(const pkt64 *)&ip->saddr;
	k->shape |= OFX_SHAPE_IPV4;
	s->off.l3 = at;
	s->off.proto = at + offsetof(struct iphdr, protocol);
	if (ip->frag_off & bpf_htons(0x3fff))
		k->shape |= OFX_SHAPE_FRAG;
	if (ip->frag_off & bpf_htons(0x1fff))
		return; /* a later one: the transport header is in the first */
	parse_l4(ctx, s, at + head, at + total);
}

static __always_inline int is_mpls(__be16 type)
{
	return type == bpf_htons(ETH_P_MPLS_UC) || type == bpf_htons(ETH_P_MPLS_MC);
}

/* The outermost label.  What is behind the stack has no type in the frame, so it is not parsed. */
static __always_inline void parse_mpls(ofx_ctx *ctx, struct ofx_state *s, __u32 at)
{
	const pkt32 *entry = pkt_at(ctx, at, 4);
	struct ofx_key *k = &s->key;
	__u32 fields;

	if (!entry || at != ETH_HLEN + 4 * s->off.vlans) /* in SNAP it is no label of ours */
		return;
	fields = bpf_ntohl(*entry);
	k->mpls_label = bpf_htonl(fields >> 12);
	k->mpls_tc = fields >> 9 & 7;
	k->mpls_bos = fields >> 8 & 1;
	k->shape |= OFX_SHAPE_MPLS;
	s->off.mpls = at;
}

#define PBB_TCI 4     /* bytes: PCP 3 bits, DEI 1, UCA 1, reserved 3, I-SID 24 */
#define PBB_HEADER 18 /* bytes of an I-TAG with the customer's addresses, and the customer's type */
#define PBB_UCA_BIT 3 /* in the TCI's first byte */

/* An I-TAG.  The customer's frame in it is not parsed. */
static __always_inline void parse_pbb(ofx_ctx *ctx, struct ofx_state *s, __u32 at)
{
	const __u8 *tag = pkt_at(ctx, at, PBB_HEADER);
	struct ofx_key *k = &s->key;

	if (!tag || at != ETH_HLEN + 4 * s->off.vlans)
		return;
	k->pbb_isid[0] = tag[1];
	k->pbb_isid[1] = tag[2];
	k->pbb_isid[2] = tag[3];
	k->pbb_uca = tag[0] >> PBB_UCA_BIT & 1;
	k->shape |= OFX_SHAPE_PBB;
	s->off.pbb = at;
}

/* What the key holds beside the packet's headers. */
static __always_inline void key_pipeline(struct ofx_state *s)
{
	__be32 in_port = bpf_htonl(s->in_port);

	s->key.metadata = s->metadata;
	s->key.tunnel_id = s->tunnel_id;
	s->key.w[OFX_W_PORTS] = in_port | (__u64)in_port << 32;
}

static __always_inline void parse_reset(struct ofx_state *s)
{
	__builtin_memset(&s->key.w[OFX_W_ETH_DST], 0, sizeof(s->key) - OFX_W_ETH_DST * 8);
	__builtin_memset(&s->off, 0, sizeof(s->off));
	key_pipeline(s);
}

/*
 * The frames that most are, in line: TCP or UDP in IPv4 without options, fragments or tags.  All else, and all that is
 * odd about them, is parse_packet()'s; the two agree.  They have all that their headers announce: of OFX_NO_* nothing.
 */
#define PLAIN_L4 (ETH_HLEN + sizeof(struct iphdr))

/* Such a frame, or NULL.  Its key's words, of which others are 0, are read where they are needed. */
static __always_inline const void *plain_at(const ofx_ctx *ctx)
{
	const void *p = pkt_at(ctx, 0, PLAIN_L4 + TCP_HEAD);
	const struct iphdr *ip = p + ETH_HLEN;
	const __u8 *l4 = p + PLAIN_L4;
	__u32 total;

	if (!p || *(const pkt16 *)(p + 12) != bpf_htons(ETH_P_IP) || *(const __u8 *)ip != 0x45 ||
	    ip->frag_off & bpf_htons(0x3fff))
		return NULL;
	total = bpf_ntohs(ip->tot_len);
	if (total < sizeof(*ip) + UDP_HEAD || ETH_HLEN + total > ctx_len(ctx))
		return NULL;
	if (ip->protocol == IPPROTO_UDP)
		return p;
	if (ip->protocol != IPPROTO_TCP || l4[12] >> 4 < 5 || sizeof(*ip) + (l4[12] >> 4) * 4 > total)
		return NULL;
	return p;
}

static __always_inline __u64 plain_eth_dst(const void *p)
{
	return (*(const pkt64 *)p & PKT_FIRST6) | (__u64)bpf_htons(ETH_P_IP) << 48;
}

static __always_inline __u64 plain_eth_src(const void *p)
{
	return *(const pkt64 *)(p + ETH_ALEN) & PKT_FIRST6;
}

static __always_inline __u64 plain_l4(const void *p)
{
	const struct iphdr *ip = p + ETH_HLEN;

	return (ip->tos >> 2) << 8 | (ip->tos & 3) << 16 | (__u64)ip->protocol << 24 |
	       (__u64) * (const pkt32 *)(p + PLAIN_L4) << 32;
}

static __always_inline __u64 plain_addr(const void *p)
{
	return *(const pkt64 *)(p + ETH_HLEN + offsetof(struct iphdr, saddr)); /* by its type it would be two loads */
}

/* The word of IPv6's flow label: TCP flags. */
static __always_inline __u64 plain_flags(const void *p)
{
	const struct iphdr *ip = p + ETH_HLEN;

	if (ip->protocol != IPPROTO_TCP)
		return 0;
	return (__u64)(*(const pkt16 *)(p + PLAIN_L4 + 12) & bpf_htons(0x0fff)) << 48;
}

static __always_inline __u64 plain_shape(const void *p)
{
	const struct iphdr *ip = p + ETH_HLEN;

	return OFX_SHAPE_IPV4 | (ip->protocol == IPPROTO_TCP ? OFX_SHAPE_TCP : OFX_SHAPE_UDP);
}

/* As parse_packet(): the key. */
static __always_inline void plain_key(struct ofx_state *s, const void *p)
{
	key_pipeline(s);
	s->key.w[OFX_W_ETH_DST] = plain_eth_dst(p);
	s->key.w[OFX_W_ETH_SRC] = plain_eth_src(p);
	s->key.w[OFX_W_L4] = plain_l4(p);
	s->key.w[OFX_W_ADDR] = plain_addr(p);
	s->key.w[OFX_W_ADDR1] = s->key.w[OFX_W_ADDR2] = s->key.w[OFX_W_ADDR3] = 0;
	s->key.w[OFX_W_FLABEL] = plain_flags(p);
	s->key.w[OFX_W_ND] = s->key.w[OFX_W_ND1] = s->key.w[OFX_W_ND_LL] = s->key.w[OFX_W_TYPE] = 0;
	s->key.w[OFX_W_SHAPE] = plain_shape(p);
}

/* … and where the headers are. */
static __always_inline void plain_offsets(struct ofx_state *s)
{
	__builtin_memset(&s->off, 0, sizeof(s->off));
	s->off.l3 = ETH_HLEN;
	s->off.l4 = PLAIN_L4;
	s->off.proto = ETH_HLEN + offsetof(struct iphdr, protocol);
}

/*
 * Fill s->key and s->off from the frame and from s->in_port, s->metadata, s->tunnel_id.  0, or -1: shorter than an
 * Ethernet header (key and offsets are zero but for the pipeline fields).
 */
__weak __noinline int parse_packet(ofx_ctx *ctx, struct ofx_state *s)
{
	const void *eth;
	__be16 type;
	__u32 at;

	if (!ctx || !s)
		return -1;
	parse_reset(s);
	eth = pkt_at(ctx, 0, ETH_HLEN);
	if (!eth)
		return -1;
	type = parse_eth(ctx, s, eth, &at);
	s->key.eth_type = type;
	s->off.l3 = at;
	pkt_forget();
	at = s->off.l3;
	s->off.l3 = 0;
	if (type == bpf_htons(ETH_P_IP))
		parse_ipv4(ctx, s, at);
	else if (type == bpf_htons(ETH_P_IPV6))
		parse_ipv6(ctx, s, at);
	else if (type == bpf_htons(ETH_P_ARP))
		parse_arp(ctx, s, at);
	else if (is_mpls(type))
		parse_mpls(ctx, s, at);
	else if (type == bpf_htons(ETH_P_8021AH))
		parse_pbb(ctx, s, at);
	s->key.vlan_pcp |= ofx_key_no(s->key.shape);
	return 0;
}

#endif
