/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The qdiscs of ports (include/ofxdp/queue.h), at NAME-q1.  ofx_port looks at the port's qdisc and hands the frame to
 * the stack, the header in front of it turned into metadata (qdisc_pass()).  ofx_egress, before the stack, gives it to
 * the port (qdisc_egress()); nothing gets past it into the stack.
 */
#ifndef BPF_QDISC_H
#define BPF_QDISC_H

#include <linux/pkt_cls.h>
#include "bpf/liveness.h"
#include "bpf/output.h"
#include "include/ofxdp/queue.h"

/* --- XDP --- */

/* What port_qdisc says of a port. */
static __always_inline __u32 qdisc_seen(__u32 index)
{
	struct net_device *dev = port_device(index);

	if (!dev || !device_runs(dev, 1u << __LINK_STATE_NOCARRIER))
		return OFX_QDISC_DOWN;
	return BPF_CORE_READ(dev, qdisc, handle);
}

/* A store only where something changed: the word is shared between CPUs. */
__weak __noinline int qdisc_look(__u32 index)
{
	__u32 *known = bpf_map_lookup_elem(&port_qdisc, &index), seen;

	if (!known || !ofx_sees_carrier)
		return 0;
	seen = qdisc_seen(index);
	if (*known != seen)
		*known = seen;
	return 0;
}

static __always_inline void qdisc_look_flood(void)
{
	__u32 zero = 0;
	const struct ofx_flood *f = bpf_map_lookup_elem(&flood_members, &zero);

	for (__u32 i = 0; f && i < OFX_FLOOD_PORTS; i++) {
		if (i >= *(volatile __u32 *)&f->n)
			break;
		qdisc_look(*(volatile __u16 *)&f->index[i]);
	}
}

/* The frame begins with our header: off with it, into the metadata.  The program's return value. */
static __always_inline int qdisc_pass(ofx_ctx *ctx)
{
	const struct ofx_queued *front = ctx_data(ctx);
	struct ofx_queued h, *meta;

	if ((void *)(front + 1) > ctx_data_end(ctx) || front->magic != ofx_magic)
		return drop(OFX_DROP_BAD_INJECT);
	h = *front;
	h.magic = 0; /* metadata stays with the frame beyond a veth port */
	h.mark = OFX_QUEUED_MARK;
	if (h.to == OFX_INDEX_NONE)
		qdisc_look_flood();
	else
		qdisc_look(h.to);
	if (ctx_grow_head(ctx, -(int)sizeof(h)))
		return drop(OFX_DROP_BAD_INJECT);
	meta = ctx_new_meta(ctx, sizeof(h));
	if (!meta || (void *)(meta + 1) > ctx_data(ctx))
		return drop(OFX_DROP_INTERNAL);
	*meta = h;
	return OFX_ACT_PASS;
}

/* --- ofx_egress: clsact, ingress --- */

/* Frame length; a tag stands beside the frame there, and is put back behind the qdisc. */
static __always_inline __u32 skb_len(const struct __sk_buff *skb)
{
	return skb->len + (skb->vlan_present ? 4 : 0);
}

static __always_inline void qdisc_count(__u32 index, __u32 len, int dropped)
{
	struct ofx_state *s = state_take();

	if (!s)
		return;
	count_tx(s, index, len);
	if (dropped)
		port_cells(s, index)->tx_dropped += 1;
	state_give(s);
}

/* The port's interface with skb->priority set for its queue; or 0: it can't take the frame, counted. */
static __always_inline __u32 qdisc_port(struct __sk_buff *skb, __u32 index, __u32 queue)
{
	const __u32 *qdisc = bpf_map_lookup_elem(&port_qdisc, &index);
	const struct ofx_port *port = port_at(index);
	__u32 len = skb_len(skb), handle = qdisc ? *qdisc : 0;
	int refused = port_refuses(port, len), gone;

	if (refused || !port) {
		count_drop(refused - 1);
		return 0;
	}
	gone = handle == OFX_QDISC_DOWN || (!ofx_sees_carrier && port->flags & OFX_PORT_NO_CARRIER);
	qdisc_count(index, len, gone);
	if (gone) {
		count_drop(OFX_DROP_TX_DROP);
		return 0;
	}
	skb->priority = handle ? TC_H_MAKE(handle, queue) : 0;
	return port->ifindex;
}

/* A copy to member i of a flood.  1: it left, or a drop was counted. */
__weak __noinline int qdisc_flood_member(struct __sk_buff *skb, __u32 i, __u32 queue, __u32 in_index)
{
	__u32 zero = 0, index, ifindex;
	const struct ofx_flood *f = bpf_map_lookup_elem(&flood_members, &zero);

	if (!f || i >= OFX_FLOOD_PORTS)
		return 0;
	index = f->index[i];
	if (index == in_index)
		return 0;
	ifindex = qdisc_port(skb, index, queue);
	if (ifindex && bpf_clone_redirect(skb, ifindex, 0) < 0)
		count_drop(OFX_DROP_REDIRECT_ERR);
	return 1;
}

static __always_inline int qdisc_flood(struct __sk_buff *skb, const struct ofx_queued *q)
{
	__u32 zero = 0;
	const struct ofx_flood *f = bpf_map_lookup_elem(&flood_members, &zero);
	int copies = 0;

	for (__u32 i = 0; f && i < OFX_FLOOD_PORTS; i++) {
		if (i >= *(volatile __u32 *)&f->n)
			break;
		copies += qdisc_flood_member(skb, i, q->queue, q->in_index);
	}
	if (!copies)
		count_drop(OFX_DROP_OUTPUT_NO_PORT);
	return TC_ACT_STOLEN;
}

static __always_inline int qdisc_egress(struct __sk_buff *skb)
{
	const struct ofx_queued *meta = (void *)(long)skb->data_meta;
	struct ofx_queued q;
	__u32 ifindex;

	if ((void *)(meta + 1) > (void *)(long)skb->data || meta->mark != OFX_QUEUED_MARK) {
		count_drop(OFX_DROP_BAD_INJECT);
		return TC_ACT_SHOT;
	}
	q = *meta;
	if (q.to == OFX_INDEX_NONE)
		return qdisc_flood(skb, &q);
	ifindex = qdisc_port(skb, q.to, q.queue);
	return ifindex ? bpf_redirect(ifindex, 0) : TC_ACT_STOLEN;
}

#endif
