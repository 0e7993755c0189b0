/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The few operations on a packet's context that the stages use, so that the same pipeline can run in another hook
 * (tc) one day.  Nothing outside this file and the programs' entry functions names struct xdp_md's fields.
 */
#ifndef BPF_CTX_H
#define BPF_CTX_H

#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "include/ofxdp/loop.h"

typedef struct xdp_md ofx_ctx;

#define OFX_ACT_DROP XDP_DROP
#define OFX_ACT_REDIRECT XDP_REDIRECT
#define OFX_ACT_PASS XDP_PASS

static __always_inline void *ctx_data(const ofx_ctx *ctx)
{
	return (void *)(long)ctx->data;
}

static __always_inline void *ctx_data_end(const ofx_ctx *ctx)
{
	return (void *)(long)ctx->data_end;
}

/* Frame length in bytes.  Computed here and now: the compiler would keep the two ends as 32-bit numbers for later. */
static __always_inline __u32 ctx_len(const ofx_ctx *ctx)
{
	__u64 len = (long)ctx->data_end - (long)ctx->data;

	asm volatile("" : "+r"(len));
	return len;
}

static __always_inline __u32 ctx_ifindex(const ofx_ctx *ctx)
{
	return ctx->ingress_ifindex;
}

static __always_inline __u32 ctx_rx_queue(const ofx_ctx *ctx)
{
	return ctx->rx_queue_index;
}

/* Make room for (n > 0) or take away (n < 0) bytes at the front.  0, or negative: unchanged.  Packet pointers end. */
static __always_inline int ctx_grow_head(ofx_ctx *ctx, int n)
{
	return bpf_xdp_adjust_head(ctx, -n);
}

/*
 * Room for `size` bytes of metadata in front of the frame, in place of any that came with it (a veth peer may send
 * some).  NULL: the driver has no metadata.  Packet pointers end.
 */
static __always_inline void *ctx_new_meta(ofx_ctx *ctx, int size)
{
	int have = (long)ctx->data - (long)ctx->data_meta; /* -1: none to be had, the helper says so */

	if (bpf_xdp_adjust_meta(ctx, have - size))
		return NULL;
	return (void *)(long)ctx->data_meta;
}

/* Put the stamp into the metadata.  0, or negative: the driver has none.  Packet pointers end. */
static __always_inline int ctx_put_stamp(ofx_ctx *ctx, struct ofx_stamp stamp)
{
	struct ofx_stamp *meta = ctx_new_meta(ctx, sizeof(stamp));

	if (!meta || (void *)(meta + 1) > ctx_data(ctx))
		return -1;
	*meta = stamp;
	return 0;
}

/* Read the stamp and take it off.  0, or negative: there is none. */
static __always_inline int ctx_take_stamp(ofx_ctx *ctx, struct ofx_stamp *stamp)
{
	struct ofx_stamp *meta = (void *)(long)ctx->data_meta;

	if ((void *)(meta + 1) > ctx_data(ctx))
		return -1;
	*stamp = *meta;
	return bpf_xdp_adjust_meta(ctx, sizeof(*stamp));
}

/* Redirects.  OFX_ACT_REDIRECT, or OFX_ACT_DROP if there is nobody at `index`; what fails later is counted in trace.h.
 */
static __always_inline int ctx_redirect(void *devmap, __u32 index)
{
	return bpf_redirect_map(devmap, index, XDP_DROP);
}

/* To every member of a DEVMAP_HASH. */
static __always_inline int ctx_broadcast(void *set)
{
	return bpf_redirect_map(set, 0, BPF_F_BROADCAST);
}

#endif
