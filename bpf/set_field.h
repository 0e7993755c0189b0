/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Set-fields into the frame.  They wait in s->set_value and s->set_mask, which have the layout of struct ofx_key, until
 * a header moves or the packet leaves; then all are written at once and each checksum is updated once.
 *
 * What headers the frame has is told by s->key.shape and s->off alone: the rest of s->key already shows the new values.
 * Whoever notes a set-field has asked whether its header is there (key_has()).
 */
#ifndef BPF_SET_FIELD_H
#define BPF_SET_FIELD_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include "bpf/csum.h"
#include "bpf/parse.h"
#include "bpf/pkt.h"
#include "include/ofxdp/state.h"

/* Differences of checksums that wait for sums_apply(). */
struct sums {
	__u64 ip;     /* IPv4 header */
	__u64 pseudo; /* addresses and protocol: TCP, UDP, ICMPv6 */
	__u64 l4;     /* transport header: those and ICMP */
	__u8 proto;   /* of the transport header as it stands in the frame; 0: no transport header */
};

#define DIRTY(s, word) ((s)->dirty & 1U << (word))
/* (old & ~mask) | value: value is within mask. */
#define MERGE(old, value, mask) (((old) & ~(mask)) | (value))

/* In the set_value and set_mask arrays, fields by their names. */
static __always_inline const struct ofx_key *set_value(const struct ofx_state *s)
{
	return (const void *)s->set_value;
}

static __always_inline const struct ofx_key *set_mask(const struct ofx_state *s)
{
	return (const void *)s->set_mask;
}

/* Of words that hold a MAC address first: the six bytes at `at`, with the two behind them, which stay as they are. */
static __always_inline int set_mac(ofx_ctx *ctx, const struct ofx_state *s, __u32 at, int word)
{
	pkt64 *mac = pkt_at(ctx, at, 8);

	if (!mac)
		return -1;
	*mac = MERGE(*mac, s->set_value[word] & PKT_FIRST6, s->set_mask[word] & PKT_FIRST6);
	return 0;
}

/* The eth_type that parse found: behind the tags, behind SNAP.  802.3 frames that have none stay as they are. */
static __always_inline int set_eth_type(ofx_ctx *ctx, const struct ofx_state *s)
{
	__u32 at = s->off.l3 ? s->off.l3 - 2 : 2 * ETH_ALEN + 4 * s->off.vlans;
	pkt16 *type = pkt_at(ctx, at, 2);

	if (type && bpf_ntohs(*type) < ETH_TYPE_MIN) {
		at += 2;
		if (parse_llc(ctx, &at) == bpf_htons(ETH_TYPE_NONE))
			return 0;
		type = pkt_at(ctx, at - 2, 2);
	}
	if (!type)
		return -1;
	*type = set_value(s)->eth_type;
	return 0;
}

static __always_inline int set_vlan(ofx_ctx *ctx, const struct ofx_state *s)
{
	__be16 vid_mask = DIRTY(s, OFX_W_ETH_SRC) ? set_mask(s)->vlan_vid & bpf_htons(0x0fff) : 0;
	__u8 pcp_mask = DIRTY(s, OFX_W_L4) ? set_mask(s)->vlan_pcp : 0;
	pkt16 *tci = pkt_at(ctx, ETH_HLEN, 2);

	if (!vid_mask && !pcp_mask)
		return 0;
	if (!tci || !s->off.vlans)
		return -1;
	if (vid_mask)
		*tci = MERGE(*tci, set_value(s)->vlan_vid & vid_mask, vid_mask);
	if (pcp_mask)
		*tci = MERGE(*tci, bpf_htons(set_value(s)->vlan_pcp << 13), bpf_htons(pcp_mask << 13));
	return 0;
}

static __always_inline int set_eth(ofx_ctx *ctx, const struct ofx_state *s)
{
	int err = 0;

	if (DIRTY(s, OFX_W_ETH_DST)) {
		err |= set_mac(ctx, s, 0, OFX_W_ETH_DST);
		if (set_mask(s)->eth_type)
			err |= set_eth_type(ctx, s);
	}
	if (DIRTY(s, OFX_W_ETH_SRC))
		err |= set_mac(ctx, s, ETH_ALEN, OFX_W_ETH_SRC);
	return err | set_vlan(ctx, s);
}

/* DSCP and ECN: one byte in IPv4; in IPv6 bits 4-11 of the header's first word. */
static __always_inline int set_tos(ofx_ctx *ctx, const struct ofx_state *s, struct sums *sums)
{
	const struct ofx_key *v = set_value(s), *m = set_mask(s);
	__u16 mask = m->ip_dscp << 2 | m->ip_ecn;
	__u16 value = v->ip_dscp << 2 | v->ip_ecn;
	pkt16 *ip = pkt_at(ctx, s->off.l3, sizeof(struct ipv6hdr) / 2);
	int shift = s->key.shape & OFX_SHAPE_IPV6 ? 4 : 0;
	__be16 old;

	if (!mask)
		return 0;
	if (!ip || !(s->key.shape & (OFX_SHAPE_IPV4 | OFX_SHAPE_IPV6)))
		return -1;
	old = *ip;
	*ip = MERGE(old, bpf_htons(value << shift), bpf_htons(mask << shift));
	sums->ip += csum_diff16(old, *ip);
	return 0;
}

/* The protocol is in the pseudo header of TCP and UDP too. */
static __always_inline int set_ip_proto(ofx_ctx *ctx, const struct ofx_state *s, struct sums *sums)
{
	__u8 *proto = pkt_at(ctx, s->off.proto, 1);
	__u8 value = set_value(s)->ip_proto;
	__u64 diff;

	if (!set_mask(s)->ip_proto)
		return 0;
	if (!proto || !s->off.proto)
		return -1;
	diff = csum_diff16(bpf_htons(*proto), bpf_htons(value));
	*proto = value;
	sums->ip += diff;
	sums->pseudo += diff;
	return 0;
}

/* SCTP ports changed by `diff`.  The CRC is over the whole packet, so a fragment's cannot be known. */
static __always_inline int sctp_fix(ofx_ctx *ctx, const struct ofx_state *s, __u32 diff)
{
	__u32 l3 = s->off.l3, l4 = s->off.l4, end;
	const pkt16 *ip = pkt_at(ctx, l3, sizeof(struct iphdr));
	pkt32 *crc;

	if (!ip)
		return -1;
	end = s->key.shape & OFX_SHAPE_IPV4 ? l3 + bpf_ntohs(ip[1]) : l3 + sizeof(struct ipv6hdr) + bpf_ntohs(ip[2]);
	diff = crc32c_diff(__builtin_bswap32(bpf_ntohl(diff)), end - l4);
	crc = pkt_at(ctx, l4 + 8, 4);
	if (!crc)
		return -1;
	*crc ^= bpf_htonl(__builtin_bswap32(diff));
	return 0;
}

/* TCP, UDP, SCTP ports; ICMP type and code. */
static __always_inline int set_l4_head(ofx_ctx *ctx, const struct ofx_state *s, struct sums *sums, __u32 value,
				       __u32 mask)
{
	pkt32 *head = pkt_at(ctx, s->off.l4, 4);
	__u32 old, new;

	if (!head || !sums->proto)
		return -1;
	if ((sums->proto == IPPROTO_ICMP || sums->proto == IPPROTO_ICMPV6) && mask & bpf_htonl(0x0000ffff))
		return -1;
	if (sums->proto == IPPROTO_SCTP && s->key.shape & OFX_SHAPE_FRAG)
		return -1;
	old = *head;
	new = MERGE(old, value, mask);
	*head = new;
	sums->l4 += csum_diff32(old, new);
	return sums->proto == IPPROTO_SCTP ? sctp_fix(ctx, s, old ^ new) : 0;
}

static __always_inline int set_l4(ofx_ctx *ctx, const struct ofx_state *s, struct sums *sums)
{
	__u32 value = *(const pkt32 *)&set_value(s)->tp_src;
	__u32 mask = *(const pkt32 *)&set_mask(s)->tp_src;
	pkt16 *op;

	if (!mask)
		return 0;
	if (!(s->key.shape & OFX_SHAPE_ARP))
		return set_l4_head(ctx, s, sums, value, mask);
	op = pkt_at(ctx, s->off.l3 + 6, 2);
	if (!op || mask & bpf_htonl(0x0000ffff))
		return -1;
	*op = MERGE(*op, set_value(s)->arp_op, set_mask(s)->arp_op);
	return 0;
}

/* 8 bytes of IP addresses at `at`, from `word`. */
static __always_inline int set_addr(ofx_ctx *ctx, const struct ofx_state *s, __u32 at, int word, __u64 *sum)
{
	pkt64 *addr = pkt_at(ctx, at, 8);
	__u64 old, new;

	if (!DIRTY(s, word))
		return 0;
	if (!addr)
		return -1;
	old = *addr;
	new = MERGE(old, s->set_value[word], s->set_mask[word]);
	*addr = new;
	*sum += csum_diff64(old, new);
	return 0;
}

static __always_inline int set_ipv6(ofx_ctx *ctx, const struct ofx_state *s, struct sums *sums)
{
	__u32 src = s->off.l3 + offsetof(struct ipv6hdr, saddr);
	__u64 dst_sum = 0;
	int err;

	err = set_addr(ctx, s, src, OFX_W_ADDR, &sums->pseudo);
	err |= set_addr(ctx, s, src + 8, OFX_W_ADDR1, &sums->pseudo);
	err |= set_addr(ctx, s, src + 16, OFX_W_ADDR2, &dst_sum);
	err |= set_addr(ctx, s, src + 24, OFX_W_ADDR3, &dst_sum);
	if (!(s->key.shape & OFX_SHAPE_ROUTED))
		sums->pseudo += dst_sum;
	if (DIRTY(s, OFX_W_FLABEL)) {
		pkt32 *ip = pkt_at(ctx, s->off.l3, 4);

		if (!ip)
			return -1;
		*ip = MERGE(*ip, set_value(s)->ipv6_flabel, set_mask(s)->ipv6_flabel);
	}
	return err;
}

static __always_inline int set_arp(ofx_ctx *ctx, const struct ofx_state *s)
{
	__u32 at = s->off.l3;
	pkt32 *spa = pkt_at(ctx, at + 14, 4), *tpa = pkt_at(ctx, at + 24, 4);
	int err = 0;

	if (!spa || !tpa || DIRTY(s, OFX_W_ADDR3) || DIRTY(s, OFX_W_FLABEL))
		return -1;
	if (DIRTY(s, OFX_W_ADDR)) {
		*spa = MERGE(*spa, set_value(s)->ipv4_src, set_mask(s)->ipv4_src);
		*tpa = MERGE(*tpa, set_value(s)->ipv4_dst, set_mask(s)->ipv4_dst);
	}
	if (DIRTY(s, OFX_W_ADDR1))
		err |= set_mac(ctx, s, at + 8, OFX_W_ADDR1);
	if (DIRTY(s, OFX_W_ADDR2))
		err |= set_mac(ctx, s, at + 18, OFX_W_ADDR2);
	return err;
}

#define MPLS_KEY_BITS bpf_cpu_to_be64(0x000fffff07010000ULL) /* of OFX_W_ADDR: label, TC, BoS */

/* The outermost label stack entry. */
static __always_inline int set_mpls(ofx_ctx *ctx, const struct ofx_state *s)
{
	const struct ofx_key *v = set_value(s), *m = set_mask(s);
	__u32 value = bpf_ntohl(v->mpls_label) << 12 | v->mpls_tc << 9 | v->mpls_bos << 8;
	__u32 mask = bpf_ntohl(m->mpls_label) << 12 | m->mpls_tc << 9 | m->mpls_bos << 8;
	pkt32 *entry = pkt_at(ctx, s->off.mpls, 4);

	if (!entry || s->set_mask[OFX_W_ADDR] & ~MPLS_KEY_BITS)
		return -1;
	*entry = MERGE(*entry, bpf_htonl(value), bpf_htonl(mask));
	return 0;
}

#define PBB_KEY_BITS bpf_cpu_to_be64(0xffffff0100000000ULL) /* of OFX_W_ADDR: I-SID, UCA */

static __always_inline int set_pbb(ofx_ctx *ctx, const struct ofx_state *s)
{
	const struct ofx_key *v = set_value(s), *m = set_mask(s);
	__u8 *tag = pkt_at(ctx, s->off.pbb, PBB_TCI);

	if (!tag || s->set_mask[OFX_W_ADDR] & ~PBB_KEY_BITS)
		return -1;
	tag[0] = MERGE(tag[0], v->pbb_uca << PBB_UCA_BIT, m->pbb_uca << PBB_UCA_BIT);
	for (int i = 0; i < 3; i++)
		tag[1 + i] = MERGE(tag[1 + i], v->pbb_isid[i], m->pbb_isid[i]);
	return 0;
}

#define OFX_W_BIT(word) (1U << (word))
#define SET_L3_WORDS                                                                                                   \
	(OFX_W_BIT(OFX_W_ADDR) | OFX_W_BIT(OFX_W_ADDR1) | OFX_W_BIT(OFX_W_ADDR2) | OFX_W_BIT(OFX_W_ADDR3) |            \
	 OFX_W_BIT(OFX_W_FLABEL))
#define SET_ND_WORDS (OFX_W_BIT(OFX_W_ND) | OFX_W_BIT(OFX_W_ND1) | OFX_W_BIT(OFX_W_ND_LL))

static __always_inline int set_l3(ofx_ctx *ctx, const struct ofx_state *s, struct sums *sums)
{
	__u64 sum = 0;
	int err;

	if (s->key.shape & OFX_SHAPE_IPV6)
		return set_ipv6(ctx, s, sums);
	if (s->key.shape & OFX_SHAPE_ARP)
		return set_arp(ctx, s);
	if (s->dirty & SET_L3_WORDS & ~OFX_W_BIT(OFX_W_ADDR))
		return -1;
	if (s->key.shape & OFX_SHAPE_MPLS)
		return set_mpls(ctx, s);
	if (s->key.shape & OFX_SHAPE_PBB)
		return set_pbb(ctx, s);
	if (!(s->key.shape & OFX_SHAPE_IPV4))
		return -1;
	err = set_addr(ctx, s, s->off.l3 + offsetof(struct iphdr, saddr), OFX_W_ADDR, &sum);
	sums->ip += sum;
	sums->pseudo += sum;
	return err;
}

static __always_inline int set_nd(ofx_ctx *ctx, const struct ofx_state *s, struct sums *sums)
{
	int err;

	if (!(s->key.shape & OFX_SHAPE_ND))
		return -1;
	err = set_addr(ctx, s, s->off.l4 + 8, OFX_W_ND, &sums->l4);
	err |= set_addr(ctx, s, s->off.l4 + 16, OFX_W_ND1, &sums->l4);
	if (DIRTY(s, OFX_W_ND_LL)) {
		/* The option's type and length stand before the address: eight aligned bytes in all. */
		pkt16 *opt = pkt_at(ctx, s->off.nd_ll - 2, 8);
		const pkt16 *v = (const void *)set_value(s)->nd_ll, *m = (const void *)set_mask(s)->nd_ll;

		if (!opt || !s->off.nd_ll)
			return -1;
		for (int i = 0; i < 3; i++) {
			__u16 new = MERGE(opt[1 + i], v[i], m[i]);

			sums->l4 += csum_diff16(opt[1 + i], new);
			opt[1 + i] = new;
		}
	}
	return err;
}

static __always_inline void sums_apply(ofx_ctx *ctx, const struct ofx_state *s, const struct sums *sums)
{
	struct iphdr *ip = pkt_at(ctx, s->off.l3, sizeof(*ip));
	__u32 at = s->off.l4;
	pkt16 *csum;

	if (sums->ip && s->key.shape & OFX_SHAPE_IPV4 && ip)
		ip->check = csum_apply(ip->check, sums->ip);
	at += sums->proto == IPPROTO_TCP ? 16 : sums->proto == IPPROTO_UDP ? 6 : 2;
	csum = pkt_at(ctx, at, 2);
	if (!sums->proto || sums->proto == IPPROTO_SCTP || !csum)
		return;
	if (sums->proto == IPPROTO_UDP)
		*csum = csum_apply_udp(*csum, sums->l4 + sums->pseudo);
	else if (sums->proto == IPPROTO_ICMP)
		*csum = csum_apply(*csum, sums->l4);
	else
		*csum = csum_apply(*csum, sums->l4 + sums->pseudo);
}

static __always_inline int set_ip(ofx_ctx *ctx, struct ofx_state *s)
{
	struct sums sums = {0};
	int err = 0;

	if (s->off.l4) {
		const __u8 *proto = pkt_at(ctx, s->off.proto, 1);

		sums.proto = proto ? *proto : 0;
	}
	if (DIRTY(s, OFX_W_L4)) {
		err |= set_l4(ctx, s, &sums);
		err |= set_tos(ctx, s, &sums);
		err |= set_ip_proto(ctx, s, &sums);
	}
	if (s->dirty & SET_L3_WORDS)
		err |= set_l3(ctx, s, &sums);
	if (s->dirty & SET_ND_WORDS)
		err |= set_nd(ctx, s, &sums);
	sums_apply(ctx, s, &sums);
	return err;
}

static __always_inline void set_pipeline(struct ofx_state *s)
{
	if (DIRTY(s, OFX_W_METADATA))
		s->metadata = MERGE(s->metadata, s->set_value[OFX_W_METADATA], s->set_mask[OFX_W_METADATA]);
	if (DIRTY(s, OFX_W_TUNNEL_ID))
		s->tunnel_id = MERGE(s->tunnel_id, s->set_value[OFX_W_TUNNEL_ID], s->set_mask[OFX_W_TUNNEL_ID]);
}

/*
 * Write all pending set-fields; s->dirty is 0 then.  metadata and tunnel_id go to s->metadata, s->tunnel_id.  -1: one
 * of them is not possible: its header is not there, or it is the port of a fragment of SCTP (the others have been
 * written).
 */
__weak __noinline int commit_sets(ofx_ctx *ctx, struct ofx_state *s)
{
	int err = 0;

	if (!ctx || !s)
		return -1;
	set_pipeline(s);
	if (s->dirty & (OFX_W_BIT(OFX_W_ETH_DST) | OFX_W_BIT(OFX_W_ETH_SRC) | OFX_W_BIT(OFX_W_L4)))
		err |= set_eth(ctx, s);
	if (s->dirty & (OFX_W_BIT(OFX_W_L4) | SET_L3_WORDS | SET_ND_WORDS))
		err |= set_ip(ctx, s);
	s->dirty = 0;
	return err;
}

#endif
