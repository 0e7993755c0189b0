/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PBB, MAC-in-MAC (§5.12, IEEE 802.1ah): push and pop.  The caller has committed pending set-fields.
 *
 * In front of the customer's whole frame stands a second Ethernet header, tagged or not (the B-TAG), of type 0x88e7,
 * and the first 4 bytes of the I-TAG; its other 12 are the customer frame's own addresses.
 */
#ifndef BPF_PBB_H
#define BPF_PBB_H

#include "bpf/parse.h"

#define PBB_PUSHED (ETH_HLEN + PBB_TCI) /* bytes in front of the customer's frame, without B-TAG */
#define PBB_ISID_BITS 0x00ffffff	/* of the I-TAG's first 4 bytes, host order */

/* The I-TAG to push (§5.12.1), host order: the I-SID of the one it lies on and the outermost tag's PCP, or 0. */
static __always_inline __u32 pbb_new_tci(ofx_ctx *ctx, const struct ofx_state *s)
{
	const pkt32 *outer = pkt_at(ctx, s->off.pbb, PBB_TCI);
	const pkt16 *tag = pkt_at(ctx, ETH_HLEN, 2);
	__u32 tci = 0;

	if (s->off.pbb && outer)
		tci = bpf_ntohl(*outer) & PBB_ISID_BITS;
	if (s->off.vlans && tag)
		tci |= (__u32)(bpf_ntohs(*tag) >> 13) << 29;
	return tci;
}

/* The frame is parsed anew then.  -1: no room, or no frame; nothing has changed. */
__weak __noinline int pbb_push(ofx_ctx *ctx, struct ofx_state *s)
{
	__u32 tci;
	pkt16 *to;

	if (!ctx || !s || !pkt_at(ctx, 0, ETH_HLEN))
		return -1;
	tci = pbb_new_tci(ctx, s);
	if (ctx_grow_head(ctx, PBB_PUSHED))
		return -1;
	to = pkt_at(ctx, 0, PBB_PUSHED + ETH_HLEN);
	if (!to)
		return -1;
	for (int i = 0; i < ETH_ALEN; i++)
		to[i] = to[PBB_PUSHED / 2 + i];
	to[6] = bpf_htons(ETH_P_8021AH);
	to[7] = bpf_htons(tci >> 16);
	to[8] = bpf_htons(tci);
	return parse_packet(ctx, s);
}

/* What is to be the frame's front after a pop: the customer's addresses, then B-TAGs, right before the customer's type.
 */
static __always_inline int pbb_move_front(ofx_ctx *ctx, __u32 at)
{
	const pkt32 *addr = pkt_at(ctx, at, PBB_HEADER), *tags = pkt_at(ctx, 2 * ETH_ALEN, OFX_VLANS * 4);
	__u32 front[3 + OFX_VLANS];
	pkt32 *to;

	if (!addr || !tags)
		return -1;
	front[0] = addr[1];
	front[1] = addr[2];
	front[2] = addr[3];
#pragma unroll
	for (__u32 i = 0; i < OFX_VLANS; i++)
		front[3 + i] = tags[i];
#pragma unroll
	for (__u32 i = 0; i < 3 + OFX_VLANS; i++) {
		to = pkt_at(ctx, PBB_PUSHED + i * 4, 4);
		if (to && PBB_PUSHED + i * 4 < at + PBB_HEADER - 2)
			*to = front[i];
	}
	return 0;
}

/*
 * Take off the I-TAG, if there is one: the customer's addresses come to the front.  B-TAGs stay (§5.12: they "should be
 * removed prior"), now as the outer tags of the customer's frame.  The frame is parsed anew.  0, or -1: it has come
 * behind more tags than parse looks through; nothing has changed.
 */
__weak __noinline int pbb_pop(ofx_ctx *ctx, struct ofx_state *s)
{
	__u32 at;

	if (!ctx || !s)
		return -1;
	if (!(s->key.shape & OFX_SHAPE_PBB))
		return 0;
	at = s->off.pbb;
	if (at > ETH_HLEN + 4 * OFX_VLANS)
		return -1;
	asm volatile("" : "+r"(at)); /* pkt_at() has to bound it: Linux 6.1 does not see that this has */
	if (pbb_move_front(ctx, at) || ctx_grow_head(ctx, -PBB_PUSHED))
		return -1;
	return parse_packet(ctx, s);
}

#endif
