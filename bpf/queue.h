/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Queues (include/ofxdp/queue.h): the way of a frame through the qdisc of its port.
 *
 * execute sends the frame to NAME-q1 behind a header; what happens there is in bpf/qdisc.h.
 */
#ifndef BPF_QUEUE_H
#define BPF_QUEUE_H

#include "bpf/loop.h"
#include "include/ofxdp/queue.h"

static __always_inline int queue_push(ofx_ctx *ctx, const struct ofx_state *s, __u32 to)
{
	struct ofx_queued *h;

	if (ctx_grow_head(ctx, sizeof(*h)))
		return -1;
	h = ctx_data(ctx);
	if ((void *)(h + 1) > ctx_data_end(ctx))
		return -1;
	h->magic = ofx_magic;
	h->mark = 0;
	h->queue = s->queue;
	h->to = to;
	h->in_index = s->in_index;
	return 0;
}

/* The frame, set-fields committed, leaves by s->queue: to a port, or OFX_INDEX_NONE: a flood. */
__weak __noinline int queue_send(ofx_ctx *ctx, struct ofx_state *s, __u32 to)
{
	if (!s)
		return drop(OFX_DROP_INTERNAL);
	if (!fits_inside(ctx, sizeof(struct ofx_queued)))
		return drop(OFX_DROP_TOO_LONG);
	if (queue_push(ctx, s, to))
		return drop(OFX_DROP_ACTION_FAILED);
	return ctx_redirect(&internal, OFX_DEV_QUEUE) == OFX_ACT_REDIRECT ? OFX_ACT_REDIRECT : drop(OFX_DROP_INTERNAL);
}

#endif
