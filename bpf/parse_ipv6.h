/* SPDX-License-Identifier: GPL-2.0-only */
/* Parse, part: IPv6 and its extension headers.  Only parse.h includes this. */
#ifndef BPF_PARSE_IPV6_H
#define BPF_PARSE_IPV6_H

#include <linux/in.h>
#include <linux/ipv6.h>
#include "bpf/parse_l4.h"
#include "bpf/pkt.h"
#include "include/ofxdp/state.h"

#define IPV6_EXT_HOP 0
#define IPV6_EXT_ROUTING 43
#define IPV6_EXT_FRAG 44
#define IPV6_EXT_ESP 50
#define IPV6_EXT_AUTH 51
#define IPV6_EXT_NONE 59
#define IPV6_EXT_DEST 60

#define IPV6_EXTS 8 /* extension headers walked; with more, there is no transport header */

/* ipv6_exthdr, OFPIEH_* (§7.2.3.8), and a bit of our own for the walk. */
enum {
	EXT_NONEXT = 1 << 0,
	EXT_ESP = 1 << 1,
	EXT_AUTH = 1 << 2,
	EXT_DEST = 1 << 3,
	EXT_FRAG = 1 << 4,
	EXT_ROUTER = 1 << 5,
	EXT_HOP = 1 << 6,
	EXT_UNREP = 1 << 7,
	EXT_UNSEQ = 1 << 8,
	EXT_LAST_DEST = 1 << 9, /* destination options in the place before the transport header */
};

/*
 * The headers seen so far and one more, `bit`.  The order RFC 2460 prefers: hop-by-hop, destination, routing, fragment,
 * authentication, ESP, destination; each at most once, destination twice.  `behind`: those that should not have come
 * yet.
 */
static __always_inline __u16 ext_seen(__u16 seen, __u16 bit, __u16 behind)
{
	if (seen & behind)
		seen |= EXT_UNSEQ;
	if (seen & bit)
		seen |= EXT_UNREP;
	return seen | bit;
}

static __always_inline __u16 ext_note(__u16 seen, __u8 kind)
{
	switch (kind) {
	case IPV6_EXT_HOP: /* HOP means: is the first header */
		if (!seen)
			return EXT_HOP;
		return seen & EXT_HOP ? ext_seen(seen, EXT_HOP, (__u16)~EXT_HOP) : seen | EXT_UNSEQ;
	case IPV6_EXT_ROUTING:
		return ext_seen(seen, EXT_ROUTER, EXT_FRAG | EXT_AUTH | EXT_LAST_DEST);
	case IPV6_EXT_FRAG:
		return ext_seen(seen, EXT_FRAG, EXT_AUTH | EXT_LAST_DEST);
	case IPV6_EXT_AUTH:
		return ext_seen(seen, EXT_AUTH, EXT_LAST_DEST);
	case IPV6_EXT_ESP:
		return ext_seen(seen, EXT_ESP, EXT_LAST_DEST);
	case IPV6_EXT_NONE:
		return seen | EXT_NONEXT;
	}
	if (seen & (EXT_DEST | EXT_ROUTER | EXT_FRAG | EXT_AUTH))
		return ext_seen(seen, EXT_LAST_DEST, 0) | EXT_DEST;
	return seen | EXT_DEST;
}

static __always_inline int is_ext(__u8 kind)
{
	return kind == IPV6_EXT_HOP || kind == IPV6_EXT_ROUTING || kind == IPV6_EXT_FRAG || kind == IPV6_EXT_ESP ||
	       kind == IPV6_EXT_AUTH || kind == IPV6_EXT_NONE || kind == IPV6_EXT_DEST;
}

/* A fragment header's word of offset and flags.  True: a later fragment, nothing of the transport header is in it. */
static __always_inline int ext_fragment(struct ofx_state *s, __be16 frag)
{
	if (frag & bpf_htons(0xfff9))
		s->key.shape |= OFX_SHAPE_FRAG;
	return (frag & bpf_htons(0xfff8)) != 0;
}

/*
 * One extension header: at s->off.l4, of kind s->key.ip_proto; both and s->off.proto, ipv6_exthdr (host order while
 * walking) move on.  0: go on, 1: s->off.l4 is the transport header, -1: there is none.  Everything is kept in memory,
 * so that to the verifier each step starts from the same state.
 */
static __always_inline int ext_step(ofx_ctx *ctx, struct ofx_state *s, __u32 end)
{
	__u8 kind = s->key.ip_proto;
	__u32 at = s->off.l4;
	const __u8 *ext;
	__u32 len;

	if (!is_ext(kind))
		return 1;
	s->key.ipv6_exthdr = ext_note(s->key.ipv6_exthdr, kind);
	ext = pkt_at(ctx, at, 8);
	if (kind == IPV6_EXT_ESP || kind == IPV6_EXT_NONE || !ext || at + 8 > end)
		return -1;
	len = kind == IPV6_EXT_FRAG ? 8 : kind == IPV6_EXT_AUTH ? (ext[1] + 2) * 4 : (ext[1] + 1) * 8;
	if (at + len > end)
		return -1;
	s->off.proto = at;
	s->off.l4 = at + len;
	s->key.ip_proto = ext[0];
	if (kind == IPV6_EXT_ROUTING && ext[3])
		s->key.shape |= OFX_SHAPE_ROUTED;
	return kind == IPV6_EXT_FRAG && ext_fragment(s, *(const pkt16 *)(ext + 2)) ? -1 : 0;
}

/* Walk the extension headers; returns the transport header's offset or 0. */
static __always_inline __u32 parse_exts(ofx_ctx *ctx, struct ofx_state *s, __u32 at, __u32 end)
{
	int step = 0;
	__u32 l4;

	s->off.l4 = at;
	for (int i = 0; i < IPV6_EXTS && !step; i++) {
		pkt_forget();
		step = ext_step(ctx, s, end);
	}
	pkt_forget();
	if (!step)
		step = !is_ext(s->key.ip_proto);
	l4 = s->off.l4;
	s->off.l4 = 0;
	s->key.ipv6_exthdr = bpf_htons(s->key.ipv6_exthdr & 0x1ff);
	return step > 0 ? l4 : 0;
}

static __always_inline void parse_ipv6(ofx_ctx *ctx, struct ofx_state *s, __u32 at)
{
	const struct ipv6hdr *ip = pkt_at(ctx, at, sizeof(*ip));
	struct ofx_key *k = &s->key;
	const pkt64 *addr;
	__u32 first, end;

	if (!ip)
		return;
	addr = (const void *)&ip->saddr;
	first = bpf_ntohl(*(const pkt32 *)ip);
	end = at + sizeof(*ip) + bpf_ntohs(ip->payload_len);
	if (first >> 28 != 6 || end > ctx_len(ctx))
		return;
	k->ip_dscp = first >> 22 & 0x3f;
	k->ip_ecn = first >> 20 & 3;
	k->ip_proto = ip->nexthdr;
	k->ipv6_flabel = bpf_htonl(first & 0xfffff);
	k->w[OFX_W_ADDR] = addr[0];
	k->w[OFX_W_ADDR1] = addr[1];
	k->w[OFX_W_ADDR2] = addr[2];
	k->w[OFX_W_ADDR3] = addr[3];
	k->shape |= OFX_SHAPE_IPV6;
	s->off.l3 = at;
	s->off.proto = at + offsetof(struct ipv6hdr, nexthdr);
	at = parse_exts(ctx, s, at + sizeof(*ip), end);
	if (at)
		parse_l4(ctx, s, at, end);
}

#endif
