/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Groups (§5.6): OFX_OP_GROUP chooses buckets and runs their ops.  Nothing about the choice is ever cached.
 *
 * Only the verdict's last op is run on the frame at hand: a group before it gets a frame of its own (loop_fork()), so
 * that what is behind it sees the packet unchanged.  There, one bucket's ops take the verdict's place.
 *
 * ALL: each bucket works on a copy of the packet as it was when it came to the group.  The op is split in two, one for
 * the first bucket, which gets a copy, one for the others, and so on until an op has one bucket.  The parts name the
 * configuration that the packet met first (op: b = first bucket, value = slot | end << 32, mask = the slot's
 * generation), so that a group modified meanwhile does not give a packet some buckets of both.
 */
#ifndef BPF_GROUP_H
#define BPF_GROUP_H

#include "bpf/liveness.h"
#include "bpf/packet_in.h"
#include "bpf/parse.h"
#include "include/ofxdp/group.h"

#define OFX_NO_BUCKET 0xffffffffU

/* --- SELECT --- */

static __always_inline __u64 hash_word(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0xff51afd7ed558ccdULL;
	return hash ^ hash >> 32;
}

/*
 * What tells a flow: addresses, Ethernet type, VLAN, label, protocol, and ports where every packet of the flow has
 * them: fragments go with their first one.  Not how urgent a packet is: PCP, DSCP, TC.
 */
static __always_inline __u64 flow_hash(const struct ofx_state *s)
{
	struct ofx_key k = {.w[OFX_W_L4] = s->key.w[OFX_W_L4], .w[OFX_W_ADDR] = s->key.w[OFX_W_ADDR]};
	__u64 hash = ofx_secret;

	k.vlan_pcp = k.ip_dscp = k.ip_ecn = 0;
	if (s->key.shape & OFX_SHAPE_MPLS)
		k.mpls_tc = 0;
	if (s->key.shape & OFX_SHAPE_FRAG)
		k.tp_src = k.tp_dst = 0;
	hash = hash_word(hash, s->key.w[OFX_W_ETH_DST]);
	hash = hash_word(hash, s->key.w[OFX_W_ETH_SRC]);
	hash = hash_word(hash, k.w[OFX_W_L4]);
	hash = hash_word(hash, k.w[OFX_W_ADDR]);
	hash = hash_word(hash, s->key.w[OFX_W_ADDR1]);
	hash = hash_word(hash, s->key.w[OFX_W_ADDR2]);
	return hash_word(hash, s->key.w[OFX_W_ADDR3]);
}

/* The bucket in whose part of the weights `at` lies: the first with upto > at. */
__weak __noinline __u32 bucket_by_weight(const struct ofx_group *g, __u32 at)
{
	__u32 from = 0, to;

	if (!g)
		return OFX_NO_BUCKET;
	to = g->n_buckets;
	for (int i = 0; i < 10 && from < to; i++) { /* 2^10 > OFX_GROUP_BUCKETS */
		__u32 middle = (from + to) / 2, number = g->first + middle;
		const struct ofx_bucket *b = bpf_map_lookup_elem(&buckets, &number);

		if (!b)
			return OFX_NO_BUCKET;
		if (b->upto > at)
			to = middle;
		else
			from = middle + 1;
	}
	return from < g->n_buckets ? g->first + from : OFX_NO_BUCKET;
}

/* The first live bucket from the first on; SELECT: of those with a weight. */
__weak __noinline __u32 bucket_first_live(struct ofx_state *s, const struct ofx_group *g)
{
	if (!s || !g)
		return OFX_NO_BUCKET;
	for (__u32 i = 0; i < OFX_GROUP_BUCKETS; i++) {
		__u32 number = g->first + i;
		const struct ofx_bucket *b;

		if (i >= *(volatile __u16 *)&g->n_buckets)
			break;
		b = bpf_map_lookup_elem(&buckets, &number);
		if (b && (b->weight || g->type == OFX_GROUP_FF) && bucket_live(s, number))
			return number;
	}
	return OFX_NO_BUCKET;
}

/* A dead bucket's flows, and only those, choose again, by weight too. */
#define OFX_SELECT_TRIES 8
__weak __noinline __u32 bucket_select(struct ofx_state *s, const struct ofx_group *g)
{
	__u64 hash;

	if (!s || !g || !g->weight)
		return OFX_NO_BUCKET;
	hash = flow_hash(s);
	for (int i = 0; i < OFX_SELECT_TRIES; i++) {
		__u32 number = bucket_by_weight(g, (hash & 0xffffffff) * g->weight >> 32);

		if (bucket_live(s, number))
			return number;
		hash = hash_word(hash, ofx_secret + i + 1);
	}
	return bucket_first_live(s, g);
}

/* --- execution --- */

/* The ops behind the group only count; those that name a flow must not change whom a bucket's packet-in names. */
static __always_inline void group_count_rest(struct ofx_state *s)
{
	__u32 flow = s->flow;
	__u16 gen = s->gen;
	__u8 table = s->table;

	if (s->at + 1 >= s->n_ops)
		return;
	count_rest(s);
	s->flow = flow;
	s->gen = gen;
	s->table = table;
}

/* A bucket's ops become the verdict. */
__weak __noinline int bucket_run(struct ofx_state *s, __u32 number)
{
	const struct ofx_bucket *b = bpf_map_lookup_elem(&buckets, &number);

	if (!s)
		return drop(OFX_DROP_INTERNAL);
	if (!b)
		return skip_output(s, OFX_DROP_NO_BUCKET);
	count_group(s, OFX_GROUPS + number);
	group_count_rest(s);
	verdict_begin(s);
	s->outputs = 0; /* a bucket without one is a drop to be counted */
	for (__u32 i = 0; i < OFX_BUCKET_OPS; i++) {
		__u32 at = b->first + i;
		const struct ofx_op *op;

		if (i >= *(volatile __u16 *)&b->n_ops)
			break;
		op = bpf_map_lookup_elem(&bucket_ops, &at);
		if (op)
			verdict_copy(s, op);
	}
	return OFX_JUMP;
}

/* --- how many frames the budget should have for it (bpf/loop.h) --- */

static __always_inline __u32 group_frames(const struct ofx_state *s, __u32 index)
{
	__u32 slot;
	const struct ofx_group *g = group_now(index, &slot);

	return g ? g->copies + g->floods * (flood_frames(s) - 1) : 1;
}

/* Its ops are in the order of an action set: the last one sends. */
__weak __noinline __u32 bucket_frames(struct ofx_state *s, __u32 number)
{
	const struct ofx_bucket *b = bpf_map_lookup_elem(&buckets, &number);
	const struct ofx_op *op;
	__u32 at;

	if (!s || !b)
		return 1;
	at = b->first + b->n_ops - 1;
	op = b->n_ops ? bpf_map_lookup_elem(&bucket_ops, &at) : NULL;
	if (op && op->code == OFX_OP_GROUP)
		return group_frames(s, op->arg);
	return op && op->code == OFX_OP_FLOOD ? flood_frames(s) : 1;
}

/* Of OFX_OP_GROUP, which may be a part of one: then one bucket. */
static __always_inline __u32 group_op_frames(struct ofx_state *s, const struct ofx_op *op)
{
	const struct ofx_group *g;
	__u32 slot = op->value;

	if (!op->value)
		return group_frames(s, op->arg);
	g = bpf_map_lookup_elem(&groups, &slot);
	return g ? bucket_frames(s, g->first + op->b) : 1;
}

/* The group, or part of one, at s->at gets a frame of its own. */
__weak __noinline int group_fork(ofx_ctx *ctx, struct ofx_state *s)
{
	if (!s)
		return drop(OFX_DROP_INTERNAL);
	return loop_fork(ctx, s, budget_share(s, group_op_frames(s, verdict_op(s, s->at))));
}

static __always_inline void group_part(struct ofx_state *s, __u32 at, const struct ofx_op *op, __u32 first, __u64 value,
				       __u64 gen)
{
	op_write(verdict_op(s, at), op_head(OFX_OP_GROUP, 0, first, op->arg), value, gen);
}

/*
 * The first bucket in a copy of the packet, the others go on with it.  One at a time: of a packet there are never more
 * than two frames on their way in the loop, so a burst of 64 frames does not overrun the 256 places of a veth's ring,
 * as it does when both parts of a split go on splitting.
 */
static __always_inline int group_split(ofx_ctx *ctx, struct ofx_state *s, __u32 slot, __u32 gen, __u32 first, __u32 end)
{
	__u32 at = s->at, middle = first + 1;
	struct ofx_op op = *verdict_op(s, at);

	if (!at)
		return drop(OFX_DROP_INTERNAL);
	group_part(s, at - 1, &op, first, slot | (__u64)middle << 32, gen);
	group_part(s, at, &op, middle, slot | (__u64)end << 32, gen);
	s->at = at - 1;
	return group_fork(ctx, s);
}

static __always_inline int group_all(ofx_ctx *ctx, struct ofx_state *s, const struct ofx_group *g, __u32 slot,
				     __u32 first, __u32 end)
{
	if (first >= end)
		return skip_output(s, OFX_DROP_NO_BUCKET);
	if (end - first > 1 && s->budget == 1)
		count_drop(OFX_DROP_TOO_MANY_ROUNDS);
	if (end - first == 1 || s->budget == 1)
		return bucket_run(s, g->first + first);
	if (commit(ctx, s))
		return drop(OFX_DROP_ACTION_FAILED);
	return group_split(ctx, s, slot, g->gen, first, end);
}

/* The key of the packet as it is at this op: resolve has made all set-fields in it, a copy goes on with none; what
 * pushes and pops is in neither. */
static __always_inline int key_as_is(ofx_ctx *ctx, struct ofx_state *s)
{
	if (!s->key_changed)
		return 0;
	s->key_changed = 0;
	return commit(ctx, s) || parse_packet(ctx, s);
}

static __always_inline int group_choose(ofx_ctx *ctx, struct ofx_state *s, const struct ofx_group *g)
{
	__u32 number = OFX_NO_BUCKET;

	switch (g->type) {
	case OFX_GROUP_SELECT:
		if (key_as_is(ctx, s))
			return drop(OFX_DROP_ACTION_FAILED);
		number = bucket_select(s, g);
		break;
	case OFX_GROUP_INDIRECT:
		number = g->first;
		break;
	case OFX_GROUP_FF:
		number = bucket_first_live(s, g);
		break;
	}
	return number == OFX_NO_BUCKET ? skip_output(s, OFX_DROP_NO_BUCKET) : bucket_run(s, number);
}

/* The packet comes to the group. */
__weak __noinline int group_enter(ofx_ctx *ctx, struct ofx_state *s, __u32 index)
{
	__u32 slot;
	const struct ofx_group *g = group_now(index, &slot);

	if (!s)
		return drop(OFX_DROP_INTERNAL);
	if (!g)
		return skip_output(s, OFX_DROP_NO_GROUP);
	count_group(s, index);
	if (g->type == OFX_GROUP_ALL)
		return group_all(ctx, s, g, slot, 0, g->n_buckets);
	return group_choose(ctx, s, g);
}

/* A part of an ALL group that it has come to. */
__weak __noinline int group_go_on(ofx_ctx *ctx, struct ofx_state *s)
{
	const struct ofx_group *g;
	struct ofx_op op;
	__u32 slot;

	if (!s)
		return drop(OFX_DROP_INTERNAL);
	op = *verdict_op(s, s->at);
	slot = op.value;
	g = bpf_map_lookup_elem(&groups, &slot);
	if (!g || g->gen != op.mask)
		return skip_output(s, OFX_DROP_NO_GROUP);
	return group_all(ctx, s, g, slot, op.b, op.value >> 32);
}

/* OFX_OP_GROUP at s->at. */
static __always_inline int group(ofx_ctx *ctx, struct ofx_state *s)
{
	const struct ofx_op *op = verdict_op(s, s->at);

	if (takes_frame(s))
		return op->value ? group_go_on(ctx, s) : group_enter(ctx, s, op->arg);
	if (commit(ctx, s))
		return drop(OFX_DROP_ACTION_FAILED);
	return group_fork(ctx, s);
}

#endif
