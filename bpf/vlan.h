/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Push and pop of VLAN tags (§5.12).  The caller has committed pending set-fields.  s->off and the key's shape stay
 * right; its fields do not follow (a match on a packet whose headers moved needs parse).
 */
#ifndef BPF_VLAN_H
#define BPF_VLAN_H

#include <linux/if_ether.h>
#include "bpf/parse.h"
#include "bpf/pkt.h"
#include "include/ofxdp/state.h"

#define VLAN_TAG 4 /* bytes */

/* Offsets behind the tag move with it. */
static __always_inline void vlan_shift(struct ofx_offsets *off, int n)
{
	if (off->l3)
		off->l3 += n;
	if (off->l4)
		off->l4 += n;
	if (off->mpls)
		off->mpls += n;
	if (off->pbb)
		off->pbb += n;
	if (off->nd_ll)
		off->nd_ll += n;
	if (off->proto)
		off->proto += n;
}

/* Tags at offset 12, counted up to OFX_VLANS. */
static __always_inline void vlan_count(ofx_ctx *ctx, struct ofx_state *s)
{
	__u64 shape = 0;
	__u16 n = 0;

	for (__u32 i = 0; i < OFX_VLANS; i++) {
		if (!vlan_at(ctx, i))
			break;
		n = i + 1;
		shape = i ? OFX_SHAPE_VLAN | OFX_SHAPE_VLAN2 : OFX_SHAPE_VLAN;
	}
	s->off.vlans = n;
	s->key.shape = (s->key.shape & ~(__u64)(OFX_SHAPE_VLAN | OFX_SHAPE_VLAN2)) | shape;
}

/*
 * A new outer tag with VID, PCP and DEI of the one that was, or zero.  tpid: host order.  -1: no room, or no frame;
 * nothing has changed.
 */
__weak __noinline int vlan_push(ofx_ctx *ctx, struct ofx_state *s, __u16 tpid)
{
	__be16 tci = 0;
	pkt32 *to;

	if (!ctx || !s)
		return -1;
	if (s->off.vlans) {
		const pkt16 *outer = pkt_at(ctx, ETH_HLEN, 2);

		tci = outer ? *outer : 0;
	}
	if (ctx_grow_head(ctx, VLAN_TAG))
		return -1;
	to = pkt_at(ctx, 0, ETH_HLEN + VLAN_TAG);
	if (!to)
		return -1;
	to[0] = to[1];
	to[1] = to[2];
	to[2] = to[3];
	((pkt16 *)to)[6] = bpf_htons(tpid);
	((pkt16 *)to)[7] = tci;
	vlan_shift(&s->off, VLAN_TAG);
	vlan_count(ctx, s);
	return 0;
}

/*
 * Take off the outermost tag, if there is one.  If that brings headers within reach of parse, the frame is parsed anew:
 * they may not have been seen yet.  0, or -1: not possible, and nothing has changed.
 */
__weak __noinline int vlan_pop(ofx_ctx *ctx, struct ofx_state *s)
{
	pkt32 *from;
	int deep;

	if (!ctx || !s)
		return -1;
	if (!s->off.vlans)
		return 0;
	deep = vlan_at(ctx, OFX_VLANS) != NULL;
	from = pkt_at(ctx, 0, ETH_HLEN + VLAN_TAG);
	if (!from)
		return -1;
	from[3] = from[2];
	from[2] = from[1];
	from[1] = from[0];
	if (ctx_grow_head(ctx, -VLAN_TAG))
		return -1;
	vlan_shift(&s->off, -VLAN_TAG);
	vlan_count(ctx, s);
	return deep && !vlan_at(ctx, OFX_VLANS) ? parse_packet(ctx, s) : 0;
}

#endif
