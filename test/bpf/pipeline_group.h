/* SPDX-License-Identifier: GPL-2.0-only */
/* Groups for the pipeline's tests (test/bpf/pipeline.h). */
#ifndef TEST_BPF_PIPELINE_GROUP_H
#define TEST_BPF_PIPELINE_GROUP_H

#include "test/bpf/pipeline.h"

#define GROUP(INDEX) op(OFX_OP_GROUP, 0, 0, INDEX)

struct bucket {
	struct ops ops;
	uint16_t weight;
	uint32_t watch_port, watch_group; /* 0: none; else the port index, the group's index + 1 */
};

/* How many frames the bucket makes (no floods here). */
static inline uint32_t bucket_copies(const struct bucket *b)
{
	const struct ofx_op *last = b->ops.n ? &b->ops.op[b->ops.n - 1] : NULL;
	struct ofx_group g = {0};
	uint32_t slot;

	if (!last || last->code != OFX_OP_GROUP)
		return 1;
	slot = last->arg + 1;
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skel->maps.groups), &slot, &g), 0);
	return g.copies;
}

/* Group `index`: slot index + 1, buckets from index * 64, ops of each from its number * OFX_BUCKET_OPS. */
static inline void group(uint32_t index, uint8_t type, size_t n, const struct bucket *buckets)
{
	struct ofx_group g = {.type = type, .n_buckets = n, .first = index * 64, .gen = 5};
	uint32_t slot = index + 1;
	uint64_t root = slot;

	for (uint32_t i = 0; i < n; i++) {
		const struct bucket *b = &buckets[i];
		uint32_t number = g.first + i;
		struct ofx_bucket of = {.first = number * OFX_BUCKET_OPS, .n_ops = b->ops.n, .weight = b->weight};

		g.copies = type == OFX_GROUP_ALL || !i ? g.copies + bucket_copies(b) : g.copies;
		g.weight += b->weight;
		of.upto = g.weight;
		of.watch_port = b->watch_port ?: OFX_NOT_WATCHED;
		of.watch_group = b->watch_group ? b->watch_group - 1 : OFX_NOT_WATCHED;
		for (uint32_t j = 0; j < b->ops.n; j++)
			put(skel->maps.bucket_ops, &(uint32_t){of.first + j}, &b->ops.op[j]);
		put(skel->maps.buckets, &number, &of);
	}
	put(skel->maps.groups, &slot, &g);
	put(skel->maps.group_roots, &index, &root);
}

#define B(...)                                                                                                         \
	{                                                                                                              \
		OPS(__VA_ARGS__), 0, 0, 0                                                                              \
	}
#define GROUP_OF(INDEX, TYPE, ...)                                                                                     \
	group(INDEX, OFX_GROUP_##TYPE, sizeof((struct bucket[]){__VA_ARGS__}) / sizeof(struct bucket),                 \
	      (struct bucket[]){__VA_ARGS__})

static inline uint64_t group_packets(uint32_t cell)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < cpus.n; i++)
		sum += cpus.cpu[i].state->group[cell].packets;
	return sum;
}

#endif
