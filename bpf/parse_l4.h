/* SPDX-License-Identifier: GPL-2.0-only */
/* Parse, part: transport headers and neighbour discovery.  Only parse.h and parse_ipv6.h include this. */
#ifndef BPF_PARSE_L4_H
#define BPF_PARSE_L4_H

#include <linux/in.h>
#include "bpf/pkt.h"
#include "include/ofxdp/state.h"

#define TCP_HEAD 20
#define UDP_HEAD 8
#define SCTP_HEAD 12
#define ICMP_HEAD 8
#define ICMPV6_HEAD 4
#define IPPROTO_ICMPV6 58

#define ND_SOLICIT 135
#define ND_ADVERT 136
#define ND_HEAD 24 /* with the target address at 8 */
#define ND_OPT_SLL 1
#define ND_OPT_TLL 2
#define ND_OPTIONS 8 /* looked at */

/* The first link-layer address option of the kind that belongs to the message, among options in [at, end). */
static __always_inline void parse_nd_ll(ofx_ctx *ctx, struct ofx_state *s, __u32 at, __u32 end, __u8 kind)
{
	s->off.nd_ll = at;
	for (int i = 0; i < ND_OPTIONS; i++) {
		const __u8 *opt;

		pkt_forget();
		at = s->off.nd_ll;
		opt = pkt_at(ctx, at, 8);
		if (!opt || at + 8 > end || !opt[1])
			break;
		if (opt[0] == kind && opt[1] == 1) {
			s->key.w[OFX_W_ND_LL] = *(const pkt32 *)(opt + 2);
			*(pkt16 *)&s->key.nd_ll[4] = *(const pkt16 *)(opt + 6);
			s->off.nd_ll = at + 2;
			s->key.shape |= kind == ND_OPT_SLL ? OFX_SHAPE_ND_SLL : OFX_SHAPE_ND_TLL;
			return;
		}
		if (at + opt[1] * 8 > end)
			break;
		s->off.nd_ll = at + opt[1] * 8;
	}
	s->off.nd_ll = 0;
}

static __always_inline void parse_nd(ofx_ctx *ctx, struct ofx_state *s, __u32 at, __u32 end, __u8 type)
{
	const void *nd = pkt_at(ctx, at, ND_HEAD);

	if (!nd || at + ND_HEAD > end)
		return;
	s->key.w[OFX_W_ND] = *(const pkt64 *)(nd + 8);
	s->key.w[OFX_W_ND1] = *(const pkt64 *)(nd + 16);
	s->key.shape |= OFX_SHAPE_ND;
	parse_nd_ll(ctx, s, at + ND_HEAD, end, type == ND_SOLICIT ? ND_OPT_SLL : ND_OPT_TLL);
}

/* Its bytes at least; *found: its shape.  0: no protocol of ours. */
static __always_inline __u32 l4_head(__u8 proto, __u64 shape, __u64 *found)
{
	switch (proto) {
	case IPPROTO_TCP:
		*found = OFX_SHAPE_TCP;
		return TCP_HEAD;
	case IPPROTO_UDP:
		*found = OFX_SHAPE_UDP;
		return UDP_HEAD;
	case IPPROTO_SCTP:
		*found = OFX_SHAPE_SCTP;
		return SCTP_HEAD;
	case IPPROTO_ICMP:
		*found = OFX_SHAPE_ICMPV4;
		return shape & OFX_SHAPE_IPV4 ? ICMP_HEAD : 0;
	case IPPROTO_ICMPV6:
		*found = OFX_SHAPE_ICMPV6;
		return shape & OFX_SHAPE_IPV6 ? ICMPV6_HEAD : 0;
	}
	return 0;
}

/* The transport header at `at` of protocol s->key.ip_proto; the IP packet ends at `end`. */
static __always_inline void parse_l4(ofx_ctx *ctx, struct ofx_state *s, __u32 at, __u32 end)
{
	struct ofx_key *k = &s->key;
	__u8 proto = k->ip_proto;
	__u64 found = 0;
	__u32 head = l4_head(proto, k->shape, &found);
	const void *p;

	if (!head || at + head > end)
		return;
	p = pkt_at(ctx, at, ICMPV6_HEAD);
	if (!p)
		return;
	if (proto == IPPROTO_TCP) {
		const __u8 *tcp = pkt_at(ctx, at, TCP_HEAD);

		if (!tcp || tcp[12] >> 4 < 5 || at + (tcp[12] >> 4) * 4 > end)
			return;
		k->tcp_flags = *(const pkt16 *)(tcp + 12) & bpf_htons(0x0fff);
	}
	k->shape |= found;
	s->off.l4 = at;
	if (proto != IPPROTO_ICMP && proto != IPPROTO_ICMPV6) {
		k->tp_src = *(const pkt16 *)p;
		k->tp_dst = *(const pkt16 *)(p + 2);
		return;
	}
	k->icmp_type = *(const __u8 *)p;
	k->icmp_code = *(const __u8 *)(p + 1);
	if (proto == IPPROTO_ICMPV6 && (k->icmp_type == ND_SOLICIT || k->icmp_type == ND_ADVERT))
		parse_nd(ctx, s, at, end, k->icmp_type);
}

#endif
