/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames that arrive at NAME-c0 behind struct ofx_inject (include/ofxdp/packet_in.h): packet-outs (§7.3.7) with their
 * ops, frames of generic-mode ports, and packets that need a device with metadata (bpf/loop.h).
 */
#ifndef BPF_PACKET_OUT_H
#define BPF_PACKET_OUT_H

#include "bpf/counter.h"
#include "bpf/ctx.h"
#include "bpf/verdict.h"
#include "include/ofxdp/packet_in.h"

/*
 * The index of the port that a packet is to be from: OFX_INDEX_NONE if there is none of that number, or no longer.  It
 * floods to all ports then, and IN_PORT is a port that is not there.
 */
static __always_inline __u32 in_port_index(__u32 in_port)
{
	__u32 index = ofx_port_index(in_port);
	const struct ofx_port *port = index < OFX_PORTS ? port_at(index) : NULL;

	return port && port->flags & OFX_PORT_EXISTS ? index : OFX_INDEX_NONE;
}

/* The header of a frame that carries one.  0, or -1: not ours. */
static __always_inline int inject_header(ofx_ctx *ctx, __u32 magic, struct ofx_inject *out)
{
	const struct ofx_inject *h = ctx_data(ctx);

	if ((void *)(h + 1) > ctx_data_end(ctx) || h->magic != magic)
		return -1;
	*out = *h;
	return 0;
}

/* Append the ops behind the header to the verdict.  0, or -1: the frame ends before they do. */
__weak __noinline int inject_ops(ofx_ctx *ctx, struct ofx_state *s, __u32 n)
{
	if (!s || n > OFX_INJECT_OPS)
		return -1;
	for (__u32 i = 0; i < OFX_INJECT_OPS; i++) {
		const struct ofx_op *op = ctx_data(ctx) + sizeof(struct ofx_inject) + i * sizeof(*op);

		if (i >= n)
			return 0;
		if ((void *)(op + 1) > ctx_data_end(ctx) || verdict_copy(s, op))
			return -1;
	}
	return 0;
}

static __always_inline int inject_strip(ofx_ctx *ctx, __u32 n_ops)
{
	return ctx_grow_head(ctx, -(int)(sizeof(struct ofx_inject) + n_ops * sizeof(struct ofx_op)));
}

/*
 * The packet-out of that number has been executed, or, `mark`, is the last that was sent.  What is missing between it
 * and the one before is lost.  One CPU at a time is here: they come by one queue.
 */
static __always_inline void inject_done(__u32 number, int mark)
{
	__u32 zero = 0, missing;
	__u64 *last = bpf_map_lookup_elem(&injected, &zero);

	if (!last)
		return;
	missing = number - (__u32)*last - !mark;
	if (missing)
		count_drops(OFX_DROP_PACKET_OUT_LOST, missing);
	__sync_lock_test_and_set(last, number); /* not before what it tells of */
}

/* Put a header without ops in front of the frame.  0, or -1: no room. */
static __always_inline int inject_push(ofx_ctx *ctx, __u32 magic, __u8 kind, __u32 in_port, __u32 arg)
{
	struct ofx_inject *h;

	if (ctx_grow_head(ctx, sizeof(*h)))
		return -1;
	h = ctx_data(ctx);
	if ((void *)(h + 1) > ctx_data_end(ctx))
		return -1;
	h->magic = magic;
	h->in_port = in_port;
	h->kind = kind;
	h->n_ops = 0;
	h->pad = 0;
	h->arg = arg;
	return 0;
}

#endif
