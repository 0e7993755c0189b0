/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All BPF maps, and the constants that the loader writes before load.  Their layouts are in include/ofxdp: tables in
 * table.h, ports and sets in port.h, counters in counter.h, continuations in loop.h.
 *
 * Sizes given here as OFX_SIZED are only placeholders: the loader sets them (bpf_map__set_max_entries) from the number
 * of flows and of CPUs.  All maps are pinned by the loader; none has programs in its entries.
 */
#ifndef BPF_MAPS_H
#define BPF_MAPS_H

#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "include/ofxdp/cache.h"
#include "include/ofxdp/counter.h"
#include "include/ofxdp/drop.h"
#include "include/ofxdp/group.h"
#include "include/ofxdp/loop.h"
#include "include/ofxdp/meter.h"
#include "include/ofxdp/port.h"
#include "include/ofxdp/state.h"
#include "include/ofxdp/table.h"
#include "include/ofxdp/table_lines.h"

#define OFX_SIZED 1024

/* Set by the loader.  n_cpus: CPU numbers there may be.  netns: inode number of the switch's namespace. */
const volatile __u32 ofx_magic;
const volatile __u32 ofx_n_cpus;
const volatile __u64 ofx_netns;
const volatile __u32 ofx_cache_entries = OFX_CACHE_NEAR;	 /* per CPU; 0: no cache */
const volatile __u32 ofx_cache_shift = 64 - OFX_CACHE_NEAR_BITS; /* of a hash, to the right: one of all entries */
const volatile __u64 ofx_cache_secret[OFX_CACHE_WORDS];		 /* odd: of the hash of keys */
const volatile __u64 ofx_secret;				 /* of hashes that choose buckets */
const volatile __u64 ofx_rule_secret[OFX_RULE_SECRETS];		 /* of the hash of rules */
const volatile __u32 ofx_sees_carrier = 1;			 /* bpf_probe_read_kernel() is allowed */

/* --- flow tables (include/ofxdp/table.h) --- */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, OFX_TABLES);
	__type(key, __u32);
	__type(value, __u64);
} table_roots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, OFX_LISTS);
	__type(key, __u32);
	__type(value, struct ofx_list);
} lists SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, OFX_SUBTABLES);
	__type(key, __u32);
	__type(value, struct ofx_subtable);
} subtables SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* the loader's, too */
	__type(key, __u32);
	__type(value, struct ofx_line_chunk);
} rule_lines SEC(".maps");

static __always_inline const struct ofx_rule_line *rule_line_at(__u32 at)
{
	__u32 number = at / OFX_LINE_CHUNK;
	const struct ofx_line_chunk *chunk = bpf_map_lookup_elem(&rule_lines, &number);

	return chunk ? &chunk->line[at % OFX_LINE_CHUNK] : NULL;
}

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} rule_geometry SEC(".maps");

/*
 * A map of arrays of N elements.  Sizes instead of types, so that an array has no BTF: before 6.2 the kernel takes only
 * maps into the outer one that are like its first in that, too, and user's have none.
 */
#define OFX_ARRAYS(NAME, TYPE, N)                                                                                      \
	struct NAME##_array {                                                                                          \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                                      \
		__uint(map_flags, BPF_F_MMAPABLE);                                                                     \
		__uint(max_entries, N);                                                                                \
		__uint(key_size, sizeof(__u32));                                                                       \
		__uint(value_size, sizeof(TYPE));                                                                      \
	};                                                                                                             \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);                                                              \
		__uint(max_entries, OFX_SIZED);                                                                        \
		__type(key, __u32);                                                                                    \
		__array(values, struct NAME##_array);                                                                  \
	} NAME SEC(".maps")

/* Both lookups are inlined by the verifier: the outer map and its elements are arrays of known size. */
static __always_inline void *element_at(void *arrays, __u32 array, __u32 i)
{
	void *map = bpf_map_lookup_elem(arrays, &array);

	return map ? bpf_map_lookup_elem(map, &i) : NULL;
}

/* Chunks: element i is element i % N of chunk i / N. */
OFX_ARRAYS(flows, struct ofx_flow, OFX_FLOW_CHUNK);
OFX_ARRAYS(insts, struct ofx_inst, OFX_INST_CHUNK);
OFX_ARRAYS(op_pool, struct ofx_op, OFX_OP_CHUNK);

static __always_inline const struct ofx_flow *flow_at(__u32 slot)
{
	return element_at(&flows, slot / OFX_FLOW_CHUNK, slot % OFX_FLOW_CHUNK);
}

/* The instructions of a flow entry, as they are now. */
static __always_inline const struct ofx_inst *inst_of(const struct ofx_flow *flow)
{
	__u32 number = *(const volatile __u32 *)&flow->inst;

	return element_at(&insts, number / OFX_INST_CHUNK, number % OFX_INST_CHUNK);
}

static __always_inline const struct ofx_op *op_at(__u32 i)
{
	return element_at(&op_pool, i / OFX_OP_CHUNK, i % OFX_OP_CHUNK);
}

/* --- the microflow cache (include/ofxdp/cache.h) --- */

/* Words of struct ofx_cache_live. */
volatile __u64 cache_live[sizeof(struct ofx_cache_live) / 8] SEC(".data.live");

/* --- groups (include/ofxdp/group.h) --- */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OFX_GROUPS);
	__type(key, __u32);
	__type(value, __u64);
} group_roots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OFX_GROUP_SLOTS);
	__type(key, __u32);
	__type(value, struct ofx_group);
} groups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OFX_BUCKETS);
	__type(key, __u32);
	__type(value, struct ofx_bucket);
} buckets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OFX_BUCKET_POOL);
	__type(key, __u32);
	__type(value, struct ofx_op);
} bucket_ops SEC(".maps");

/* --- counters (include/ofxdp/counter.h) --- */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, OFX_TABLES);
	__type(key, __u32);
	__type(value, __u64);
} table_misses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, OFX_N_DROPS);
	__type(key, __u32);
	__type(value, __u64);
} drops SEC(".maps");

/* The number of the last packet-out executed (include/ofxdp/packet_in.h). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} injected SEC(".maps");

/* --- meters (include/ofxdp/meter.h) --- */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OFX_METER_INDEXES);
	__type(key, __u32);
	__type(value, __u64);
} meters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OFX_METER_SLOTS);
	__type(key, __u32);
	__type(value, struct ofx_meter);
} meter_slots SEC(".maps");

/* --- ports and where frames go (include/ofxdp/port.h); devmap values are plain interface indexes --- */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OFX_PORTS);
	__type(key, __u32);
	__type(value, __u32);
} port_of_ifindex SEC(".maps");

/* The same for small ifindexes, with the flags (ofx_near_port()); 0 = look there. */
volatile __u32 near_ports[OFX_NEAR_IFINDEXES] SEC(".data.near");
volatile __u64 hash_changes SEC(".data.near"); /* odd while an element of a hash map is replaced (table_hash.h) */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OFX_PORTS);
	__type(key, __u32);
	__type(value, struct ofx_port);
} ports SEC(".maps");

static __always_inline struct ofx_port *port_at(__u32 index)
{
	return bpf_map_lookup_elem(&ports, &index);
}

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, OFX_PORTS);
	__type(key, __u32);
	__type(value, __u32);
} tx_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, OFX_PORTS);
	__type(key, __u32);
	__type(value, __u32);
} port_devices SEC(".maps");

/*
 * Sets to broadcast to.  Inner maps may be of any size (the kernel compares type, key, value and flags of a devmap, not
 * max_entries); a broadcast looks into every bucket, so the user makes them as small as the set.
 */
struct ofx_set {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, OFX_PORTS + 1);
	__type(key, __u32);
	__array(values, struct ofx_set);
} pair_sets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, OFX_PORTS + 1);
	__type(key, __u32);
	__array(values, struct ofx_set);
} flood_sets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, OFX_PORTS + 1);
	__type(key, __u32);
	__array(values, struct ofx_set);
} flood_more_sets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ofx_flood);
} flood_members SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, OFX_DEV_N);
	__type(key, __u32);
	__type(value, __u32);
} internal SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} fork_set SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} internal_max SEC(".maps");

/* Root qdiscs of ports (include/ofxdp/queue.h). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OFX_PORTS);
	__type(key, __u32);
	__type(value, __u32);
} port_qdisc SEC(".maps");

/* Sockets of the daemon, by receive queue of NAME-c1. */
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, OFX_PUNT_QUEUES);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

/* --- what each CPU has for itself (include/ofxdp/state.h): by ofx_state.cpu --- */

OFX_ARRAYS(state, struct ofx_state, 1);
OFX_ARRAYS(conts, struct ofx_cont, OFX_CONTS);
OFX_ARRAYS(flow_counters, struct ofx_cell, OFX_SIZED);
OFX_ARRAYS(meter_band_counters, struct ofx_band_counters, OFX_METER_SLOTS);
OFX_ARRAYS(cache, struct ofx_cached, OFX_CACHE_NEAR);
OFX_ARRAYS(cache_short, struct ofx_cached_pair, OFX_CACHE_NEAR / 2);

/* --- settings --- */

/* OFX_CONFIG_* (include/ofxdp/config.h). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} config SEC(".maps");

#endif
