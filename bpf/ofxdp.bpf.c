/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The itinerary of a packet: receive → parse → resolve → execute → output.
 *
 *   ofx_port      on every port, on the switch's end of LOCAL, and on the internal interfaces (inner())
 *   ofx_egress    on NAME-q1, clsact: hands them to the qdisc of their port
 *   ofx_relay     on NAME-hNN, generic: frames on their way to a port in generic mode
 *   ofx_probe     on nothing: what the daemon asks about a port
 *
 * What is lost behind the redirect is counted by the programs of trace.bpf.c.
 *
 * The stages are functions that the verifier checks on their own (global functions), once in each program that calls
 * them: hence one program for all interfaces.  They share struct ofx_state, the CPU's, which a program takes and gives
 * back (bpf/cpu.h).
 */
#include "bpf/ctx.h"
#include "bpf/loop.h"
#include "bpf/maps.h"
#include "bpf/packet_in.h"
#include "bpf/packet_out.h"
#include "bpf/qdisc.h"
#include "bpf/receive.h"

/* OFX_INJECT_OUT: the ops stand behind the header. */
static __always_inline int inject_out(ofx_ctx *ctx, struct ofx_state *s, __u32 in_port, __u32 n_ops)
{
	verdict_begin(s);
	if (inject_ops(ctx, s, n_ops) || inject_strip(ctx, n_ops))
		return drop(OFX_DROP_BAD_INJECT);
	state_receive(s, in_port, ctx_len(ctx));
	s->in_index = in_port_index(in_port);
	s->punt_flags |= OFX_PUNT_PACKET_OUT;
	return parse(ctx, s) ? drop(OFX_DROP_TRUNCATED) : 0;
}

/* OFX_INJECT_RX: as ofx_port would, but for what it has counted and checked already. */
static __always_inline int inject_rx(ofx_ctx *ctx, struct ofx_state *s, __u32 in_port)
{
	int act;

	if (inject_strip(ctx, 0))
		return drop(OFX_DROP_BAD_INJECT);
	state_receive(s, in_port, ctx_len(ctx));
	act = parse_received(ctx, s);
	if (!act)
		resolve_received(s);
	return act;
}

/* OFX_INJECT_CONT: the op that needs the stamp, once more. */
static __always_inline int inject_cont(ofx_ctx *ctx, struct ofx_state *s, __u32 seq, __u32 index)
{
	if (inject_strip(ctx, 0))
		return drop(OFX_DROP_BAD_INJECT);
	s->stamp.index = index;
	s->stamp.seq = seq;
	if (loop_restore(s, OFX_PART_BRANCH | OFX_PART_REST))
		return OFX_ACT_DROP;
	return parse(ctx, s) ? drop(OFX_DROP_TRUNCATED) : 0;
}

/* 0: the packet is parsed and its verdict at hand; else it has been dropped and counted. */
static __always_inline int inject_prepare(ofx_ctx *ctx, struct ofx_state *s, const struct ofx_inject *h)
{
	switch (h->kind) {
	case OFX_INJECT_OUT:
		return inject_out(ctx, s, h->in_port, h->n_ops);
	case OFX_INJECT_RX:
		return inject_rx(ctx, s, h->in_port);
	case OFX_INJECT_CONT:
		return inject_cont(ctx, s, h->in_port, h->arg);
	}
	return drop(OFX_DROP_BAD_INJECT);
}

/* The frame's fate, or OFX_RUN: its verdict is at hand.  h: its header. */
static __always_inline int inject(ofx_ctx *ctx, struct ofx_state *s, struct ofx_inject *h)
{
	int act;

	state_new(s);
	if (inject_header(ctx, ofx_magic, h))
		return drop(OFX_DROP_BAD_INJECT);
	if (h->kind == OFX_INJECT_MARK) {
		inject_done(h->arg, 1);
		return OFX_ACT_DROP;
	}
	act = inject_prepare(ctx, s, h);
	return act ? act : OFX_RUN;
}

/* The state of the packet that the frame's stamp names.  0, or counted: dropped. */
static __always_inline int state_from_stamp(ofx_ctx *ctx, struct ofx_state *s, int part)
{
	struct ofx_stamp stamp;

	state_new(s);
	if (ctx_take_stamp(ctx, &stamp))
		return drop(OFX_DROP_BAD_INJECT);
	s->stamp = stamp;
	if (loop_restore(s, part))
		return OFX_ACT_DROP;
	return parse(ctx, s) ? drop(OFX_DROP_TRUNCATED) : 0;
}

static __always_inline int branch(ofx_ctx *ctx, struct ofx_state *s)
{
	int act = state_from_stamp(ctx, s, OFX_PART_BRANCH);
	struct ofx_op op;

	if (act)
		return act;
	op = s->ops[0];
	verdict_begin(s);
	verdict_copy(s, &op);
	return OFX_RUN;
}

static __always_inline int go_on(ofx_ctx *ctx, struct ofx_state *s)
{
	int act = state_from_stamp(ctx, s, OFX_PART_REST);

	if (act)
		return act;
	s->at = 1;
	return OFX_RUN;
}

/*
 * A frame on an internal interface; dev: where it was sent to.
 *   NAME-c0   packet-outs; frames of generic-mode ports; packets that need a device with metadata
 *   NAME-c1   packet-ins, to the daemon's sockets
 *   NAME-l0   one op that gives its frame away, ahead of others
 *   NAME-l1   what is behind an op that left a copy
 *   NAME-q1   frames that leave by a queue
 */
static __always_inline int inner(ofx_ctx *ctx, struct ofx_state *s, __u32 dev, struct ofx_inject *h)
{
	switch (dev) {
	case OFX_DEV_PUNT:
		return packet_in_punt(ctx);
	case OFX_DEV_INJECT:
		return inject(ctx, s, h);
	case OFX_DEV_BRANCH:
		return branch(ctx, s);
	case OFX_DEV_CONTINUE:
		return go_on(ctx, s);
	}
	return qdisc_pass(ctx);
}

/* ofx_near_port() of a port with a high ifindex, or 0. */
static __always_inline __u32 port_far(__u32 ifindex)
{
	__u32 *index = bpf_map_lookup_elem(&port_of_ifindex, &ifindex);
	struct ofx_port *port = index ? port_at(*index) : NULL;

	if (index && *index >= OFX_PORTS)
		return ofx_near_port(*index, OFX_PORT_INNER);
	return port ? ofx_near_port(*index, port->flags) : 0;
}

static __always_inline int port_receive(ofx_ctx *ctx, struct ofx_state *s, __u32 index)
{
	__u32 len = ctx_len(ctx);

	count_rx(s, index, len);
	s->cache_at = CACHE_NONE;
	return receive(ctx, s, index, len);
}

/* A frame that is not looked up here. */
static __always_inline int elsewhere(ofx_ctx *ctx, struct ofx_state *s, __u32 port, __u32 index, struct ofx_inject *h)
{
	if (port & OFX_PORT_INNER << 16)
		return inner(ctx, s, index - OFX_PORTS, h);
	count_rx(s, index, ctx_len(ctx));
	return port & (OFX_PORT_NO_RECV | OFX_PORT_DOWN) << 16 ? port_no_recv(s, index) : port_hop(ctx, index);
}

SEC("xdp")
int ofx_port(struct xdp_md *ctx)
{
	__u32 ifindex = ctx_ifindex(ctx), index;
	__u32 port = ifindex < OFX_NEAR_IFINDEXES ? near_ports[ifindex] : 0;
	struct ofx_inject h = {};
	struct ofx_state *s;
	int act;

	if (!port)
		port = port_far(ifindex);
	if (!port)
		return drop(OFX_DROP_PORT_UNKNOWN);
	s = state_take();
	if (!s)
		return drop(OFX_DROP_NO_CPU);
	index = (port & 0xffff) - 1;
	if (port & (OFX_PORT_INNER | OFX_PORT_NO_RECV | OFX_PORT_DOWN | OFX_PORT_GENERIC) << 16)
		act = elsewhere(ctx, s, port, index, &h);
	else
		act = port_receive(ctx, s, index);
	/* The long way, for all: the verifier walks it once. */
	if (act == OFX_RUN)
		act = run_verdict(ctx, s);
	if (h.kind == OFX_INJECT_OUT)
		inject_done(h.arg, 0);
	state_give(s);
	return act;
}

/* Only in generic mode can a frame be given to a driver that takes none from XDP; what fails is counted in trace.h. */
SEC("xdp")
int ofx_relay(struct xdp_md *ctx)
{
	__u32 ifindex = ctx_ifindex(ctx), *found = bpf_map_lookup_elem(&port_of_ifindex, &ifindex);
	struct ofx_port *port = found ? port_at(*found) : NULL;

	return port ? bpf_redirect(port->ifindex, 0) : drop(OFX_DROP_OUTPUT_NO_PORT);
}

/* Run by the daemon (BPF_PROG_TEST_RUN) on 4 bytes, a port's index: XDP_DROP if its driver takes no frames from XDP. */
SEC("xdp")
int ofx_probe(struct xdp_md *ctx)
{
	const __u32 *index = ctx_data(ctx);

	if ((void *)(index + 1) > ctx_data_end(ctx) || *index >= OFX_PORTS || !ofx_sees_carrier)
		return XDP_PASS;
	return port_takes_frames(*index) ? XDP_PASS : XDP_DROP;
}

SEC("tc")
int ofx_egress(struct __sk_buff *skb)
{
	return qdisc_egress(skb);
}

char _license[] SEC("license") = "GPL";
