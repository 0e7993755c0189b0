/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/trie.h"
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "include/ofxdp/table_lpm.h"
#include "user/datapath/set_pool.h"
#include "user/util/cleanup.h"

#define ELEMENT 192 /* bytes of the kernel's for a prefix, with a node that branches to it */

/* --- prefixes --- */

static bool is_ipv6(uint8_t kind)
{
	return kind >= OFX_KIND_LPM6_SRC;
}

static uint32_t bits_of(uint8_t kind)
{
	return is_ipv6(kind) ? OFX_LPM6_BITS : OFX_LPM4_BITS;
}

uint32_t trie_copies(uint8_t kind, uint32_t length)
{
	return ofx_lpm_copies(length, bits_of(kind));
}

/* A prefix as the kernel has it. */
struct place {
	union {
		struct ofx_lpm4_key v4;
		struct ofx_lpm6_key v6;
	};
	uint32_t trie; /* the first of those that have it */
};

static struct place place_of(struct prefix prefix, const struct ofx_key *key)
{
	/* v4 begins in the same way */
	struct place p = {.v6 = {.prefixlen = OFX_LPM_TAG_BITS + prefix.length, .table = prefix.table}};

	memcpy(p.v6.eth_type, &key->eth_type, sizeof(p.v6.eth_type));
	if (is_ipv6(prefix.kind)) {
		p.v6.dst = prefix.kind == OFX_KIND_LPM6_DST;
		memcpy(p.v6.addr, p.v6.dst ? key->ipv6_dst : key->ipv6_src, sizeof(p.v6.addr));
	} else {
		p.v4.dst = prefix.kind == OFX_KIND_LPM4_DST;
		memcpy(p.v4.addr, p.v4.dst ? &key->ipv4_dst : &key->ipv4_src, sizeof(p.v4.addr));
	}
	p.trie = ofx_lpm_trie(prefix.table, is_ipv6(prefix.kind) ? p.v6.addr : p.v4.addr, bits_of(prefix.kind));
	return p;
}

int trie_put(const struct tries *tries, struct prefix prefix, const struct ofx_key *key, struct ofx_rule_ref ref)
{
	const uint32_t copies = trie_copies(prefix.kind, prefix.length);
	const struct place p = place_of(prefix, key);

	if (!memory_may_grow((size_t)copies * ELEMENT))
		return -ENOMEM;
	for (uint32_t i = 0; i < copies; i++)
		if (bpf_map_update_elem(tries->fd[p.trie ^ i], &p.v4, &ref, BPF_ANY))
			return -errno;
	return 0;
}

void trie_drop(const struct tries *tries, struct prefix prefix, const struct ofx_key *key)
{
	const uint32_t copies = trie_copies(prefix.kind, prefix.length);
	const struct place p = place_of(prefix, key);

	for (uint32_t i = 0; i < copies; i++)
		bpf_map_delete_elem(tries->fd[p.trie ^ i], &p.v4);
}

/* --- opening and closing --- */

/* The layout of the keys of the tries in a map of maps. */
struct layout {
	const struct bpf_map *map;
	const char *name; /* struct, so that bpftool prints its fields */
	uint32_t size;
};

static int make(struct tries *tries, const struct bpf_object *obj, const struct layout *key)
{
	const struct btf *btf = bpf_object__btf(obj);
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC, .btf_fd = bpf_object__btf_fd(obj),
		    .btf_key_type_id = btf__find_by_name_kind(btf, key->name, BTF_KIND_STRUCT),
		    .btf_value_type_id = btf__find_by_name_kind(btf, "ofx_rule_shown", BTF_KIND_STRUCT));

	for (uint32_t i = 0; i < OFX_LPM_TRIES; i++) {
		tries->fd[i] = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, bpf_map__name(key->map), key->size,
					      sizeof(struct ofx_rule_ref), OFX_LPM_ROUTES, &opts);
		if (tries->fd[i] < 0)
			return -errno;
	}
	return 0;
}

static int publish(const struct tries *tries, const struct bpf_map *map)
{
	uint32_t keys[OFX_LPM_TRIES];

	for (uint32_t i = 0; i < OFX_LPM_TRIES; i++)
		keys[i] = i;
	return sets_publish(bpf_map__fd(map), keys, tries->fd, OFX_LPM_TRIES);
}

static int open_all(struct dp_tables *tables, struct tries *tries, const struct layout *key)
{
	const uint32_t max = tables->dp->max_flows;
	int err = make(tries, tables->dp->skel->obj, key);

	tries->most = max < OFX_LPM_ROUTES ? max : OFX_LPM_ROUTES;
	return err ? err : publish(tries, key->map);
}

int tries_open(struct dp_tables *tables)
{
	const struct ofxdp_bpf *skel = tables->dp->skel;
	const struct layout keys[] = {{skel->maps.lpm4, "ofx_lpm4_key", sizeof(struct ofx_lpm4_key)},
				      {skel->maps.lpm6, "ofx_lpm6_key", sizeof(struct ofx_lpm6_key)}};
	int err;

	tables->tries = calloc(2, sizeof(*tables->tries));
	if (!tables->tries)
		return -ENOMEM;
	for (uint32_t i = 0; i < OFX_LPM_TRIES; i++)
		tables->tries[0].fd[i] = tables->tries[1].fd[i] = -1;
	err = open_all(tables, &tables->tries[0], &keys[0]);
	return err ? err : open_all(tables, &tables->tries[1], &keys[1]);
}

void tries_close(struct dp_tables *tables)
{
	for (uint32_t i = 0; tables->tries && i < OFX_LPM_TRIES; i++) {
		cleanup_close(&tables->tries[0].fd[i]);
		cleanup_close(&tables->tries[1].fd[i]);
	}
	free(take_ptr(tables->tries));
}
