/* SPDX-License-Identifier: GPL-2.0-only */
/* The IPv4 TTL and IPv6 hop limit actions (§5.12).  No match field shows them, so pending set-fields do not matter. */
#ifndef BPF_TTL_H
#define BPF_TTL_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include "bpf/csum.h"
#include "bpf/pkt.h"
#include "include/ofxdp/state.h"

static __always_inline void ttl_put_ipv4(struct iphdr *ip, __u8 ttl)
{
	ip->check = csum_apply(ip->check, csum_diff16(bpf_htons(ip->ttl << 8), bpf_htons(ttl << 8)));
	ip->ttl = ttl;
}

static __always_inline int ttl_write(ofx_ctx *ctx, const struct ofx_state *s, int dec, __u8 ttl)
{
	__u32 at = s->off.l3;

	if (s->key.shape & OFX_SHAPE_IPV4) {
		struct iphdr *ip = pkt_at(ctx, at, sizeof(*ip));

		if (!ip)
			return -1;
		if (dec && ip->ttl <= 1)
			return 1;
		ttl_put_ipv4(ip, dec ? ip->ttl - 1 : ttl);
		return 0;
	}
	if (s->key.shape & OFX_SHAPE_IPV6) {
		struct ipv6hdr *ip = pkt_at(ctx, at, sizeof(*ip));

		if (!ip)
			return -1;
		if (dec && ip->hop_limit <= 1)
			return 1;
		ip->hop_limit = dec ? ip->hop_limit - 1 : ttl;
	}
	return 0;
}

/* Of an IP packet; others stay as they are.  0, or -1: not possible. */
__weak __noinline int ttl_set(ofx_ctx *ctx, struct ofx_state *s, __u8 ttl)
{
	return ctx && s ? ttl_write(ctx, s, 0, ttl) : -1;
}

/* The same; 1: the TTL is invalid (it would become 0, or is), the packet unchanged. */
__weak __noinline int ttl_dec(ofx_ctx *ctx, struct ofx_state *s)
{
	return ctx && s ? ttl_write(ctx, s, 1, 0) : -1;
}

#endif
