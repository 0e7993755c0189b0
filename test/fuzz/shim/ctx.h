/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stands in for bpf/ctx.h (include it first: the guard is the same), so that the packet functions run natively on a
 * buffer.  The buffer is exactly as long as the frame: the address sanitizer sees each byte read or written beside it.
 */
#ifndef BPF_CTX_H
#define BPF_CTX_H

#include <bpf/bpf_endian.h>
#include <linux/types.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define __noinline __attribute__((noinline))
#define __weak __attribute__((weak))

typedef struct {
	unsigned char *data;
	size_t len;
} ofx_ctx;

static inline void *ctx_data(const ofx_ctx *ctx)
{
	return ctx->data;
}

static inline void *ctx_data_end(const ofx_ctx *ctx)
{
	return ctx->data + ctx->len;
}

static inline __u32 ctx_len(const ofx_ctx *ctx)
{
	return ctx->len;
}

static inline int ctx_grow_head(ofx_ctx *ctx, int n)
{
	unsigned char *data;

	if (n < 0 && ctx->len < (size_t)-n + 14)
		return -1;
	data = malloc(ctx->len + n);
	if (n < 0)
		memcpy(data, ctx->data - n, ctx->len + n);
	else
		memcpy(data + n, ctx->data, ctx->len);
	if (n > 0)
		memset(data, 0xee, n);
	free(ctx->data);
	ctx->data = data;
	ctx->len += n;
	return 0;
}

#endif
