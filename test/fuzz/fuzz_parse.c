/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The packet functions of bpf/ on any bytes: nothing is read or written beside the frame, and what parse says of a
 * frame is true of it.  Input: one byte that says what to do after the first parse (DO_*), then the frame.
 */
#include "test/fuzz/shim/ctx.h"
/* BPF reads packets unaligned, as x86 and arm64 do. */
#pragma clang attribute push(__attribute__((no_sanitize("alignment"))), apply_to = function)
#include "bpf/mpls.h"
#include "bpf/parse.h"
#include "bpf/pbb.h"
#include "bpf/set_field.h"
#include "bpf/ttl.h"
#include "bpf/vlan.h"

#define DO_SET 1
#define DO_PUSH 2
#define DO_POP 4
#define DO_TTL 8
#define DO_DEC 16
#define DO_PUSH_POP 32
#define DO_MPLS 64
#define DO_COPY_TTL 128

#define MAX_FRAME 9216

static void check(int holds)
{
	if (!holds)
		abort();
}

static int equal(const void *a, const void *b, size_t n)
{
	return !memcmp(a, b, n);
}

/* Offsets lie in the frame, with as much behind them as their header has at least. */
static void check_offsets(const struct ofx_state *s, size_t len)
{
	const struct ofx_offsets *off = &s->off;
	__u64 shape = s->key.shape, l3 = shape & (OFX_SHAPE_IPV4 | OFX_SHAPE_IPV6 | OFX_SHAPE_ARP);
	size_t head = shape & OFX_SHAPE_IPV4 ? 20 : shape & OFX_SHAPE_IPV6 ? 40 : 28;

	check((l3 & (l3 - 1)) == 0);
	check(!l3 == !off->l3);
	check(!off->l3 || (off->l3 >= 14 + 4 * off->vlans && off->l3 + head <= len));
	check(!(shape & OFX_SHAPE_L4) == !off->l4);
	check(!off->l4 || (off->l4 >= off->l3 + head && off->l4 + 4U <= len));
	check(!(shape & (OFX_SHAPE_IPV4 | OFX_SHAPE_IPV6)) == !off->proto);
	check(!off->proto || (off->proto > off->l3 && off->proto < len));
	check(!off->nd_ll || (off->nd_ll >= off->l4 + 26 && off->nd_ll + 6U <= len));
	check(!(shape & OFX_SHAPE_MPLS) == !off->mpls);
	check(!off->mpls || (off->mpls == 14 + 4 * off->vlans && off->mpls + 4U <= len && !off->l3));
	check(!(shape & OFX_SHAPE_PBB) == !off->pbb);
	check(!off->pbb || (off->pbb == 14 + 4 * off->vlans && off->pbb + 18U <= len && !off->l3 && !off->mpls));
	check(!(shape & OFX_SHAPE_VLAN) == !off->vlans && !(shape & OFX_SHAPE_VLAN2) == (off->vlans < 2));
}

static void check_shape(const struct ofx_state *s)
{
	const struct ofx_key *k = &s->key;
	__u64 shape = k->shape;

	check(!(shape & OFX_SHAPE_FRAG) || shape & OFX_SHAPE_IP);
	check(!(shape & OFX_SHAPE_L4) || shape & OFX_SHAPE_IP);
	check(!(shape & OFX_SHAPE_ICMPV4) || shape & OFX_SHAPE_IPV4);
	check(!(shape & OFX_SHAPE_ICMPV6) || shape & OFX_SHAPE_IPV6);
	check(!(shape & OFX_SHAPE_ND) || shape & OFX_SHAPE_ICMPV6);
	check(!(shape & OFX_SHAPE_ROUTED) || shape & OFX_SHAPE_IPV6);
	check(!(shape & OFX_SHAPE_ND_LL) || shape & OFX_SHAPE_ND);
	check(!(shape & OFX_SHAPE_ND_LL) == !s->off.nd_ll);
	check(!(shape & OFX_SHAPE_VLAN) == !k->vlan_vid);
	check(shape & OFX_SHAPE_L4 || shape & OFX_SHAPE_ARP || (!k->tp_src && !k->tp_dst));
	check(shape & OFX_SHAPE_ND || (!k->nd_target[0] && !k->nd_target[1] && !k->w[OFX_W_ND_LL]));
	check(shape & OFX_SHAPE_IPV6 || (!k->w[OFX_W_ADDR3] && !k->ipv6_flabel && !k->ipv6_exthdr));
	check(!k->w[OFX_W_TYPE]);
}

/* What the key says of headers that are not there. */
static void check_absence(const struct ofx_state *s)
{
	const struct ofx_offsets *off = &s->off;
	__u64 shape = s->key.shape, l4 = shape & OFX_SHAPE_L4;
	__u8 no = s->key.vlan_pcp & OFX_NO_BITS;

	check((l4 & (l4 - 1)) == 0);
	check(!(no & OFX_NO_L3) == (off->l3 || off->mpls || off->pbb));
	check(!(no & OFX_NO_L4) == !!off->l4);
	check(!(no & OFX_NO_ND) == (!(shape & OFX_SHAPE_ICMPV6) || shape & OFX_SHAPE_ND));
	check(!(no & OFX_NO_ND_LL) == (!(shape & OFX_SHAPE_ICMPV6) || off->nd_ll));
	check(!(s->key.vlan_pcp & ~OFX_NO_BITS & ~7));
}

/* Fields are the bytes at their headers' offsets. */
static void check_fields(const struct ofx_state *s, const unsigned char *frame)
{
	const struct ofx_key *k = &s->key;
	const struct ofx_offsets *off = &s->off;
	const unsigned char *l3 = frame + off->l3;

	check(equal(k->eth_dst, frame, 6) && equal(k->eth_src, frame + 6, 6));
	check(!off->l3 || equal(&k->eth_type, l3 - 2, 2));
	if (k->shape & OFX_SHAPE_IPV4)
		check(equal(&k->ipv4_src, l3 + 12, 8));
	if (k->shape & OFX_SHAPE_IPV6)
		check(equal(k->ipv6_src, l3 + 8, 32));
	if (k->shape & OFX_SHAPE_ARP)
		check(equal(k->arp_sha, l3 + 8, 6) && equal(k->arp_tha, l3 + 18, 6) && equal(&k->arp_op, l3 + 6, 2));
	if (off->mpls) {
		check(equal(&k->eth_type, frame + off->mpls - 2, 2) && !(k->mpls_tc & ~7) && !(k->mpls_bos & ~1));
		check((bpf_ntohl(k->mpls_label) << 4 | k->mpls_tc << 1 | k->mpls_bos) ==
		      (unsigned int)(frame[off->mpls] << 16 | frame[off->mpls + 1] << 8 | frame[off->mpls + 2]));
	}
	if (off->pbb) {
		check(equal(&k->eth_type, frame + off->pbb - 2, 2) && equal(k->pbb_isid, frame + off->pbb + 1, 3));
		check(k->pbb_uca == !!(frame[off->pbb] & 8));
	}
	if (off->proto)
		check(k->ip_proto == frame[off->proto]);
	if (off->l4)
		check(equal(&k->tp_src, frame + off->l4, 2));
	if (k->shape & OFX_SHAPE_ND)
		check(equal(k->nd_target, frame + off->l4 + 8, 16));
	if (off->nd_ll)
		check(equal(k->nd_ll, frame + off->nd_ll, 6));
}

static void set_all(ofx_ctx *ctx, struct ofx_state *s, unsigned char seed)
{
	s->dirty = (1U << OFX_KEY_WORDS) - 1;
	for (int w = 0; w < OFX_KEY_WORDS; w++) {
		s->set_mask[w] = 0xff00ffff0ffff0ffULL * (seed | 1);
		s->set_value[w] = 0x0123456789abcdefULL * (seed + w) & s->set_mask[w];
	}
	commit_sets(ctx, s);
	check(!s->dirty);
}

/* A push and a pop leave frame and offsets as they were. */
static void push_pop(ofx_ctx *ctx, struct ofx_state *s)
{
	struct ofx_offsets off = s->off;
	unsigned char copy[MAX_FRAME];
	size_t len = ctx->len;

	memcpy(copy, ctx->data, len);
	check(!vlan_push(ctx, s, 0x8100) && !vlan_pop(ctx, s));
	check(ctx->len == len && equal(copy, ctx->data, len) && equal(&off, &s->off, sizeof(off)));
}

/* A push puts a header before the frame, a pop takes it off. */
static void pbb_push_pop(ofx_ctx *ctx, struct ofx_state *s)
{
	struct ofx_offsets off = s->off;
	unsigned char copy[MAX_FRAME];
	size_t len = ctx->len;

	memcpy(copy, ctx->data, len);
	check(!pbb_push(ctx, s) && s->off.pbb == 14 && ctx->len == len + 18);
	check(equal(copy, ctx->data, 12) && equal(copy, ctx->data + 18, len));
	check(!pbb_pop(ctx, s));
	check(ctx->len == len && equal(copy, ctx->data, len) && equal(&off, &s->off, sizeof(off)));
}

/* The customer's addresses, the outer tags, the rest of the customer's frame. */
static void pop_pbb(ofx_ctx *ctx, struct ofx_state *s)
{
	unsigned char copy[MAX_FRAME];
	size_t len = ctx->len;
	unsigned int at;

	parse_packet(ctx, s);
	at = s->off.pbb;
	memcpy(copy, ctx->data, len);
	check(!pbb_pop(ctx, s));
	if (!at) {
		check(ctx->len == len && equal(copy, ctx->data, len));
		return;
	}
	check(ctx->len == len - 18 && equal(copy + at + 4, ctx->data, 12) && equal(copy + 12, ctx->data + 12, at - 14));
	check(equal(copy + at + 16, ctx->data + at - 2, ctx->len - (at - 2)));
}

/* A push and a pop leave the frame as it was; one pop more takes just the label. */
static void mpls(ofx_ctx *ctx, struct ofx_state *s, unsigned char steps)
{
	unsigned int type = ctx->data[12] << 8 | ctx->data[13];
	unsigned char copy[MAX_FRAME];
	size_t len = ctx->len;
	struct ofx_offsets off;

	parse_packet(ctx, s); /* steps before may have changed the frame's structure */
	off = s->off;
	memcpy(copy, ctx->data, len);
	if (type >= 0x600) {
		check(!mpls_push(ctx, s, 0x8847) && s->off.mpls == 14 && ctx->len == len + 4);
		check(!mpls_pop(ctx, s, type));
		check(ctx->len == len && equal(copy, ctx->data, len) && equal(&off, &s->off, sizeof(off)));
	} else {
		check(mpls_push(ctx, s, 0x8847) == -1);
	}
	check(!mpls_ttl_set(ctx, s, steps) && (off.mpls || equal(copy, ctx->data, len)));
	check(!mpls_pop(ctx, s, 0x0800));
	if (!off.mpls) {
		check(ctx->len == len && equal(copy, ctx->data, len));
		return;
	}
	check(ctx->len == len - 4 && equal(copy, ctx->data, off.mpls - 2));
	check(equal(copy + off.mpls + 4, ctx->data + off.mpls, ctx->len - off.mpls));
}

/* What was copied out can be copied in again; an outermost label stays as it is then (a checksum ffff becomes 0). */
static void copy_ttl(ofx_ctx *ctx, struct ofx_state *s)
{
	unsigned char copy[4];

	check(!ttl_copy_out(ctx, s));
	memcpy(copy, ctx->data + s->off.mpls, sizeof(copy));
	check(!ttl_copy_in(ctx, s) && equal(copy, ctx->data + s->off.mpls, sizeof(copy)));
}

static void run_steps(ofx_ctx *ctx, struct ofx_state *s, unsigned char steps)
{
	if (steps & DO_PUSH_POP) {
		push_pop(ctx, s);
		pbb_push_pop(ctx, s);
	}
	if (steps & DO_PUSH)
		vlan_push(ctx, s, 0x88a8);
	if (steps & DO_SET)
		set_all(ctx, s, steps);
	if (steps & DO_POP) {
		vlan_pop(ctx, s);
		pop_pbb(ctx, s);
	}
	if (steps & DO_COPY_TTL)
		copy_ttl(ctx, s);
	if (steps & DO_MPLS)
		mpls(ctx, s, steps);
	if (steps & DO_TTL)
		ttl_set(ctx, s, steps);
	if (steps & DO_DEC) {
		ttl_dec(ctx, s);
		mpls_ttl_dec(ctx, s);
	}
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	static struct ofx_state s, again;
	ofx_ctx ctx;

	if (size < 1 || size > MAX_FRAME)
		return 0;
	ctx.len = size - 1;
	ctx.data = malloc(ctx.len);
	if (ctx.len)
		memcpy(ctx.data, data + 1, ctx.len);
	memset(&s, 0xa5, offsetof(struct ofx_state, log)); /* what is the packet's */
	memset(&again, 0x5a, offsetof(struct ofx_state, log));
	s.in_port = again.in_port = 1;
	s.metadata = again.metadata = s.tunnel_id = again.tunnel_id = 2;
	check(parse_packet(&ctx, &s) == (ctx.len < 14 ? -1 : 0));
	parse_packet(&ctx, &again);
	check(equal(&s.key, &again.key, sizeof(s.key)) && equal(&s.off, &again.off, sizeof(s.off)));
	if (ctx.len >= 14) {
		check_offsets(&s, ctx.len);
		check_shape(&s);
		check_absence(&s);
		check_fields(&s, ctx.data);
		run_steps(&ctx, &s, data[0]);
		parse_packet(&ctx, &s);
		check_offsets(&s, ctx.len);
	}
	free(ctx.data);
	return 0;
}
#pragma clang attribute pop
