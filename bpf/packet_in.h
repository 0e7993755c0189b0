/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packet-in (§5.12 output to CONTROLLER, §7.4.1): the frame goes to the daemon behind struct ofx_punt.
 *
 * execute writes the header and redirects to NAME-c0; the frame is received at NAME-c1, whose program
 * (packet_in_punt()) hands it to the AF_XDP socket of its queue.  One socket per queue for the whole switch, whatever
 * port it came from.
 *
 * The virtual meters (§5.7) come before all that: every packet-in takes the slow path and goes to a controller, so it
 * passes both, and what they drop costs the daemon nothing.
 */
#ifndef BPF_PACKET_IN_H
#define BPF_PACKET_IN_H

#include "bpf/output.h"
#include "include/ofxdp/packet_in.h"

#define OFPR_NO_MATCH 0
#define OFPR_INVALID_TTL 2

static __always_inline void punt_fill(struct ofx_punt *h, const struct ofx_state *s, __u32 reason, __u32 max_len,
				      __u32 flags)
{
	h->in_port = s->in_port;
	h->flow = s->flow;
	h->gen = s->gen;
	h->max_len = max_len;
	h->table = s->table;
	h->reason = reason;
	h->flags = s->punt_flags | flags;
	h->metadata = s->metadata;
	h->tunnel_id = s->tunnel_id;
}

/* Give the frame, as it is now, to the daemon.  flags: OFX_PUNT_ACTION_SET or 0. */
__weak __noinline int packet_in_send(ofx_ctx *ctx, struct ofx_state *s, __u32 reason, __u32 max_len, __u32 flags)
{
	struct ofx_punt *h;

	if (!s)
		return drop(OFX_DROP_INTERNAL);
	if (!fits_inside(ctx, sizeof(*h)))
		return drop(OFX_DROP_TOO_LONG);
	if (commit(ctx, s) || ctx_grow_head(ctx, sizeof(*h)))
		return drop(OFX_DROP_ACTION_FAILED);
	h = ctx_data(ctx);
	if ((void *)(h + 1) > ctx_data_end(ctx))
		return drop(OFX_DROP_INTERNAL);
	punt_fill(h, s, reason, max_len, flags);
	if (ctx_redirect(&internal, OFX_DEV_PUNT) != OFX_ACT_REDIRECT)
		return drop(OFX_DROP_INTERNAL);
	return OFX_ACT_REDIRECT;
}

/*
 * OFPPC_NO_PACKET_IN (§7.2.1): "packets on that port that generate a table miss should never trigger a packet-in". What
 * an entry sends on purpose comes up all the same, as does an invalid TTL: so spanning tree hears BPDUs on such ports.
 */
static __always_inline int packet_in_wanted(const struct ofx_state *s, __u32 reason)
{
	const struct ofx_port *port = s->in_index < OFX_PORTS ? port_at(s->in_index) : NULL;

	return reason != OFPR_NO_MATCH || !port || !(port->flags & OFX_PORT_NO_PACKET_IN);
}

/* 0, or 1 + the reason why there is no packet-in. */
static __always_inline int packet_in_meter(ofx_ctx *ctx, struct ofx_state *s)
{
	int ended = meter(ctx, s, OFX_METER_SLOWPATH);

	return ended ? ended : meter(ctx, s, OFX_METER_CONTROLLER);
}

/* OFX_OP_CONTROLLER at s->at. */
__weak __noinline int packet_in(ofx_ctx *ctx, struct ofx_state *s)
{
	const struct ofx_op *op;
	int act, ended;

	if (!s)
		return drop(OFX_DROP_INTERNAL);
	if (!packet_in_wanted(s, verdict_op(s, s->at)->a))
		return skip_output(s, OFX_DROP_NO_PACKET_IN);
	if (commit(ctx, s))
		return drop(OFX_DROP_ACTION_FAILED);
	if (!takes_frame(s))
		return loop_fork(ctx, s, 1);
	ended = packet_in_meter(ctx, s);
	if (ended)
		return skip_output(s, ended - 1);
	op = verdict_op(s, s->at);
	act = packet_in_send(ctx, s, op->a, op->b, op->arg == OFX_BY_ACTION_SET ? OFX_PUNT_ACTION_SET : 0);
	if (act == OFX_ACT_REDIRECT)
		count_rest(s);
	return act;
}

/* A TTL ran out (§5.12): the packet ends, as a packet-in if the switch is configured so. */
static __always_inline int packet_in_invalid_ttl(ofx_ctx *ctx, struct ofx_state *s)
{
	int ended;

	if (!(s->config & OFX_CONFIG_INVALID_TTL))
		return drop(OFX_DROP_TTL_INVALID);
	ended = packet_in_meter(ctx, s);
	if (ended)
		return drop(ended - 1);
	return packet_in_send(ctx, s, OFPR_INVALID_TTL, 0xffff, 0);
}

/* At NAME-c1. */
static __always_inline int packet_in_punt(ofx_ctx *ctx)
{
	if (ctx_len(ctx) < sizeof(struct ofx_punt))
		return drop(OFX_DROP_BAD_INJECT);
	if (ctx_redirect(&xsks, ctx_rx_queue(ctx)) != OFX_ACT_REDIRECT)
		return drop(OFX_DROP_PUNT_NO_DAEMON);
	return OFX_ACT_REDIRECT;
}

#endif
