/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MPLS (§5.12): push, pop, TTL; and the copying of TTLs between headers.  The caller has committed pending set-fields.
 *
 * A label goes where §5.12 says: "immediately after the Ethernet header and before other tags".  So a tagged frame's
 * tag ends up below the label: the type at offset 12 becomes MPLS, the tag's TCI and what follows are the label's
 * payload, and a pop with the tag's TPID as Ethernet type gives the tagged frame back.
 */
#ifndef BPF_MPLS_H
#define BPF_MPLS_H

#include <linux/in.h>
#include "bpf/parse.h"
#include "bpf/ttl.h"

#define MPLS_ENTRY 4			/* bytes: label 20 bits, TC 3, BoS 1, TTL 8 */
#define MPLS_BOS 0x100			/* host order */
#define MPLS_HEAD_WORDS (3 + OFX_VLANS) /* 4-byte words in front of the Ethernet type of a label, at most */
#define MPLS_TTL_AT 3			/* in the entry */

/* --- TTLs --- */

/* A header with a TTL: at a label stack entry, or an IP header. */
struct ttl_header {
	__u32 at;
	__u32 kind; /* 0: none; TTL_OF_MPLS; 4, 6: the IP version */
};
#define TTL_OF_MPLS 1

static __always_inline struct ttl_header ttl_header_ip(ofx_ctx *ctx, __u32 at)
{
	const __u8 *ip = pkt_at(ctx, at, sizeof(struct iphdr));
	__u32 version = ip ? *ip >> 4 : 0;

	return (struct ttl_header){at, version == 4 || version == 6 ? version : 0};
}

static __always_inline struct ttl_header ttl_header_outer(const struct ofx_state *s)
{
	if (s->key.shape & OFX_SHAPE_MPLS)
		return (struct ttl_header){s->off.mpls, TTL_OF_MPLS};
	if (s->key.shape & OFX_SHAPE_IPV4)
		return (struct ttl_header){s->off.l3, 4};
	return (struct ttl_header){s->off.l3, s->key.shape & OFX_SHAPE_IPV6 ? 6 : 0};
}

/* The next one inwards: label → label, label → IP, IP → IP (RFC 2003, RFC 2473, without extension headers). */
static __always_inline struct ttl_header ttl_header_inner(ofx_ctx *ctx, struct ttl_header outer)
{
	struct ttl_header none = {0};
	const __u8 *p = pkt_at(ctx, outer.at, outer.kind == TTL_OF_MPLS ? MPLS_ENTRY : sizeof(struct iphdr));
	__u8 proto;

	if (!p || !outer.kind)
		return none;
	if (outer.kind == TTL_OF_MPLS) {
		if (!(p[2] & 1))
			return (struct ttl_header){outer.at + MPLS_ENTRY, TTL_OF_MPLS};
		return ttl_header_ip(ctx, outer.at + MPLS_ENTRY);
	}
	if (outer.kind == 4 && (p[6] & 0x1f || p[7])) /* a later fragment */
		return none;
	proto = p[outer.kind == 4 ? offsetof(struct iphdr, protocol) : offsetof(struct ipv6hdr, nexthdr)];
	if (proto != IPPROTO_IPIP && proto != IPPROTO_IPV6)
		return none;
	return ttl_header_ip(ctx, outer.at + (outer.kind == 4 ? (p[0] & 15) * 4 : sizeof(struct ipv6hdr)));
}

static __always_inline __u8 *ttl_of(ofx_ctx *ctx, struct ttl_header h)
{
	if (h.kind == TTL_OF_MPLS)
		return pkt_at(ctx, h.at + MPLS_TTL_AT, 1);
	return pkt_at(ctx, h.at + (h.kind == 4 ? offsetof(struct iphdr, ttl) : offsetof(struct ipv6hdr, hop_limit)), 1);
}

static __always_inline int ttl_copy(ofx_ctx *ctx, struct ttl_header from, struct ttl_header to)
{
	const __u8 *old = ttl_of(ctx, from);
	__u8 ttl, *new = ttl_of(ctx, to);

	if (!from.kind || !to.kind || !old || !new)
		return 0;
	ttl = *old;
	if (to.kind == 4) {
		struct iphdr *ip = pkt_at(ctx, to.at, sizeof(*ip));

		if (!ip)
			return -1;
		ttl_put_ipv4(ip, ttl);
		return 0;
	}
	*new = ttl;
	return 0;
}

/*
 * From the next-to-outermost header with a TTL to the outermost, or back; without two of them nothing is done.  0, or
 * -1: not possible.
 */
__weak __noinline int ttl_copy_out(ofx_ctx *ctx, struct ofx_state *s)
{
	struct ttl_header outer;

	if (!ctx || !s)
		return -1;
	outer = ttl_header_outer(s);
	return ttl_copy(ctx, ttl_header_inner(ctx, outer), outer);
}

__weak __noinline int ttl_copy_in(ofx_ctx *ctx, struct ofx_state *s)
{
	struct ttl_header outer;

	if (!ctx || !s)
		return -1;
	outer = ttl_header_outer(s);
	return ttl_copy(ctx, outer, ttl_header_inner(ctx, outer));
}

static __always_inline __u8 *mpls_ttl(ofx_ctx *ctx, const struct ofx_state *s)
{
	return s->key.shape & OFX_SHAPE_MPLS ? pkt_at(ctx, s->off.mpls + MPLS_TTL_AT, 1) : NULL;
}

/* Of the outermost label, if there is one.  0. */
__weak __noinline int mpls_ttl_set(ofx_ctx *ctx, struct ofx_state *s, __u8 ttl)
{
	__u8 *at = ctx && s ? mpls_ttl(ctx, s) : NULL;

	if (at)
		*at = ttl;
	return 0;
}

/* The same; 1: the TTL is invalid (it would become 0, or is), the packet unchanged. */
__weak __noinline int mpls_ttl_dec(ofx_ctx *ctx, struct ofx_state *s)
{
	__u8 *at = ctx && s ? mpls_ttl(ctx, s) : NULL;

	if (!at)
		return 0;
	if (*at <= 1)
		return 1;
	*at -= 1;
	return 0;
}

/* --- push and pop --- */

/*
 * The entry to push (§5.12.1), host order: a copy of the outermost label, or label and TC 0 and the IP header's TTL;
 * bottom of stack unless it lies on another label.
 */
static __always_inline __u32 mpls_new_entry(ofx_ctx *ctx, const struct ofx_state *s)
{
	const pkt32 *outer = pkt_at(ctx, s->off.mpls, MPLS_ENTRY);
	struct ttl_header ip = ttl_header_outer(s);
	const __u8 *ttl;

	if (s->key.shape & OFX_SHAPE_MPLS && outer)
		return (bpf_ntohl(*outer) & ~MPLS_BOS) | (s->off.vlans ? MPLS_BOS : 0);
	ttl = ttl_of(ctx, ip);
	return ip.kind && ttl ? *ttl | MPLS_BOS : MPLS_BOS;
}

/*
 * type: Ethernet type, host order.  The frame is parsed anew then.  -1: no room, or an 802.3 frame, whose length a
 * label would take the place of; nothing has changed.
 */
__weak __noinline int mpls_push(ofx_ctx *ctx, struct ofx_state *s, __u16 type)
{
	const pkt16 *old;
	__u32 entry;
	pkt32 *to;

	if (!ctx || !s)
		return -1;
	old = pkt_at(ctx, 2 * ETH_ALEN, 2);
	if (!old || bpf_ntohs(*old) < ETH_TYPE_MIN)
		return -1;
	entry = mpls_new_entry(ctx, s);
	if (ctx_grow_head(ctx, MPLS_ENTRY))
		return -1;
	to = pkt_at(ctx, 0, ETH_HLEN + MPLS_ENTRY);
	if (!to)
		return -1;
	to[0] = to[1];
	to[1] = to[2];
	to[2] = to[3];
	((pkt16 *)to)[6] = bpf_htons(type);
	((pkt16 *)to)[7] = bpf_htons(entry >> 16);
	((pkt16 *)to)[8] = bpf_htons(entry);
	return parse_packet(ctx, s);
}

/*
 * Take off the outermost label, if there is one; type: the Ethernet type then, host order.  The frame is parsed anew.
 * 0, or -1: it has come behind more tags than parse looks through; nothing has changed.
 */
__weak __noinline int mpls_pop(ofx_ctx *ctx, struct ofx_state *s, __u16 type)
{
	__u32 at;
	pkt16 *to;

	if (!ctx || !s)
		return -1;
	if (!(s->key.shape & OFX_SHAPE_MPLS))
		return 0;
	at = s->off.mpls;
	if (at > ETH_HLEN + 4 * OFX_VLANS)
		return -1;
	asm volatile("" : "+r"(at)); /* pkt_at() has to bound it: Linux 6.1 does not see that this has */
	to = pkt_at(ctx, at + MPLS_ENTRY - 2, 2);
	if (!to)
		return -1;
	*to = bpf_htons(type);
	for (__u32 i = MPLS_HEAD_WORDS; i > 0; i--) {
		pkt32 *words = pkt_at(ctx, (i - 1) * 4, 8);

		if (words && i * 4 <= at - 2)
			words[1] = words[0];
	}
	if (ctx_grow_head(ctx, -MPLS_ENTRY))
		return -1;
	return parse_packet(ctx, s);
}

#endif
