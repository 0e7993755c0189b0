/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/need.h"
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <errno.h>
#include "build/ofxdp.skel.h"
#include "include/ofxdp/table_lpm.h"
#include "user/datapath/internal.h"
#include "user/datapath/punt.h"
#include "user/util/log.h"
#include "user/util/memory.h"

#define MB (1ULL << 20)
#define PROGRAM (10 * MB) /* the process, its programs in the kernel, links; connections have 4 MB */
#define ELEMENT 64	  /* of a hash, and of maps of maps, beside key and value */
#define BUCKET 16	  /* of a hash, which has a power of two of them */
#define TRIE 512	  /* an empty one, and for each CPU the kernel's stock of its elements */
#define TRIE_STOCK 640
#define CHUNKS_AT_FIRST 2 /* of flows, their instructions and operations */
#define CACHE_PART 2	  /* of what is left the flow cache may have one part in so many */

/* n or the next above. */
static uint64_t power_of_two(uint64_t n)
{
	return n < 2 ? 1 : 1ULL << (64 - __builtin_clzll(n - 1));
}

static uint64_t map_bytes(const struct bpf_map *map, uint32_t n_cpus)
{
	const uint64_t n = bpf_map__max_entries(map), value = (bpf_map__value_size(map) + 7) / 8 * 8;

	switch (bpf_map__type(map)) {
	case BPF_MAP_TYPE_ARRAY:
		return n * value;
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		return n * (value * n_cpus + 8);
	case BPF_MAP_TYPE_HASH: /* its elements take memory as they come */
		if (bpf_map__map_flags(map) & BPF_F_NO_PREALLOC)
			return power_of_two(n) * BUCKET;
		/* fall through */
	default:
		return n * (value + bpf_map__key_size(map) + ELEMENT);
	}
}

static uint64_t maps_bytes(const struct dp *dp)
{
	const struct bpf_map *map;
	uint64_t sum = 0;

	bpf_object__for_each_map(map, dp->skel->obj) sum += map_bytes(map, dp->cpus.n_possible);
	return sum;
}

static uint64_t tries_bytes(uint32_t n_cpus)
{
	return 2ULL * OFX_LPM_TRIES * (TRIE + (uint64_t)TRIE_STOCK * n_cpus);
}

/* Without the flow cache. */
static uint64_t need(const struct dp *dp)
{
	const uint64_t chunks = OFX_FLOW_CHUNK * sizeof(struct ofx_flow) + OFX_INST_CHUNK * sizeof(struct ofx_inst) +
				OFX_OP_CHUNK * sizeof(struct ofx_op);

	return PROGRAM + PUNT_BYTES + tries_bytes(dp->cpus.n_possible) + maps_bytes(dp) + cpus_bytes(&dp->cpus) -
	       cpus_cache_bytes(&dp->cpus) + CHUNKS_AT_FIRST * chunks;
}

/* Of it, what follows from --max-flows. */
static uint64_t flows_part(const struct dp *dp)
{
	const uint64_t cells = (uint64_t)dp->n_flow_ids * sizeof(struct ofx_cell);
	const __typeof__(dp->skel->maps) *maps = &dp->skel->maps;

	return map_bytes(maps->rule_lines, 0) + map_bytes(maps->hash16, 0) + map_bytes(maps->hash32, 0) +
	       map_bytes(maps->hash64, 0) + cells * (dp->cpus.n_first + 1);
}

static unsigned long long in_mb(uint64_t bytes)
{
	return (bytes + MB - 1) / MB;
}

static int too_little(const struct dp *dp, uint64_t bytes, uint64_t left, const char *why)
{
	const uint64_t part = flows_part(dp);

	if (bytes - part < left)
		log_error("the switch needs %llu MB of memory, and %s leaves %llu: --max-flows (%u now) takes %llu of "
			  "them; give a smaller one, or raise the limit",
			  in_mb(bytes), why, left / MB, dp->max_flows, in_mb(part));
	else
		log_error("the switch needs %llu MB of memory (with fewer --max-flows than %u at least %llu), and %s "
			  "leaves %llu: raise that limit",
			  in_mb(bytes), dp->max_flows, in_mb(bytes - part), why, left / MB);
	return -ENOMEM;
}

int need_memory(struct dp *dp)
{
	const uint64_t bytes = need(dp);
	const uint32_t entries = dp->cpus.entries;
	const char *why;
	const uint64_t left = memory_left(&why);

	if (bytes > left)
		return too_little(dp, bytes, left, why);
	cpus_limit_cache(&dp->cpus, (left - bytes) / CACHE_PART);
	if (dp->cpus.entries < entries)
		log_info("%s leaves %llu MB beside what is needed: the flow cache has %u entries a CPU, not %u", why,
			 (left - bytes) / MB, dp->cpus.entries, entries);
	return 0;
}
