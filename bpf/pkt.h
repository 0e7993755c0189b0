/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reaching into a frame.  Offsets are bytes from the frame's start; a packet pointer holds until the head moves or a
 * global function returns, so it is fetched where it is used.
 */
#ifndef BPF_PKT_H
#define BPF_PKT_H

#include "bpf/ctx.h"

/* Headers are not aligned and are looked at in several widths. */
typedef __u16 __attribute__((may_alias)) pkt16;
typedef __u32 __attribute__((may_alias)) pkt32;
typedef __u64 __attribute__((may_alias)) pkt64;

#define PKT_OFF_MASK 0x3fff /* bounds offsets for the verifier; no linear frame is longer */

/* The first six bytes in memory of an 8-byte word: a MAC address. */
#define PKT_FIRST6 bpf_cpu_to_be64(~0ULL << 16)

/* What was stored is read again: the verifier then knows nothing of the value, and follows one state instead of many.
 */
#define pkt_forget() asm volatile("" ::: "memory")

/* The `n` bytes at `at`, or NULL if the frame ends before. */
static __always_inline void *pkt_at(const ofx_ctx *ctx, __u32 at, __u32 n)
{
	char *p = (char *)ctx_data(ctx) + (at & PKT_OFF_MASK);

	return p + n <= (char *)ctx_data_end(ctx) ? p : NULL;
}

#endif
