/* SPDX-License-Identifier: GPL-2.0-only */
/* The rule with the longest prefix of an address, in the kernel's tries (include/ofxdp/table_lpm.h). */
#ifndef BPF_TABLE_LPM_H
#define BPF_TABLE_LPM_H

#include "bpf/maps.h"
#include "bpf/table_rule.h"
#include "include/ofxdp/table_lpm.h"

#define LPM_MAP(family)                                                                                                \
	struct lpm##family##_trie {                                                                                    \
		__uint(type, BPF_MAP_TYPE_LPM_TRIE);                                                                   \
		__uint(map_flags, BPF_F_NO_PREALLOC);                                                                  \
		__uint(max_entries, OFX_LPM_ROUTES);                                                                   \
		__type(key, struct ofx_lpm##family##_key);                                                             \
		__type(value, struct ofx_rule_shown);                                                                  \
	};                                                                                                             \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);                                                              \
		__uint(max_entries, OFX_LPM_TRIES);                                                                    \
		__type(key, __u32);                                                                                    \
		__array(values, struct lpm##family##_trie);                                                            \
	} lpm##family SEC(".maps")

LPM_MAP(4);
LPM_MAP(6);

/* A packet without the header that its type names has no address: of routes only the default one is for it. */
static __always_inline __u32 prefixlen(const struct ofx_state *s, __u32 bits)
{
	return OFX_LPM_TAG_BITS + (s->key.vlan_pcp & OFX_NO_L3 ? 0 : bits);
}

/* none: NULL.  clang leaves a type that only an inner map names out of BTF, unless a function has a pointer to it. */
__weak __noinline int lpm4_search(struct ofx_state *s, __u8 table, __u8 dst, const struct ofx_lpm4_key *none)
{
	struct ofx_lpm4_key key = {.table = table, .dst = dst};
	__be32 addr;
	void *trie;
	__u32 i;

	if (!s)
		return 0;
	addr = dst ? s->key.ipv4_dst : s->key.ipv4_src;
	key.prefixlen = prefixlen(s, 32);
	__builtin_memcpy(key.eth_type, &s->key.eth_type, sizeof(key.eth_type));
	__builtin_memcpy(key.addr, &addr, sizeof(key.addr));
	i = ofx_lpm_trie(table, key.addr, OFX_LPM4_BITS);
	trie = bpf_map_lookup_elem(&lpm4, &i);
	if (trie)
		rule_try(s, bpf_map_lookup_elem(trie, &key), table);
	return 0;
}

__weak __noinline int lpm6_search(struct ofx_state *s, __u8 table, __u8 dst, const struct ofx_lpm6_key *none)
{
	struct ofx_lpm6_key key = {.table = table, .dst = dst};
	void *trie;
	__u32 i;

	if (!s)
		return 0;
	key.prefixlen = prefixlen(s, 128);
	__builtin_memcpy(key.eth_type, &s->key.eth_type, sizeof(key.eth_type));
	__builtin_memcpy(key.addr, dst ? s->key.ipv6_dst : s->key.ipv6_src, sizeof(key.addr));
	i = ofx_lpm_trie(table, key.addr, OFX_LPM6_BITS);
	trie = bpf_map_lookup_elem(&lpm6, &i);
	if (trie)
		rule_try(s, bpf_map_lookup_elem(trie, &key), table);
	return 0;
}

static __always_inline void lpm_search(struct ofx_state *s, __u32 kind, __u8 table)
{
	if (kind == OFX_KIND_LPM4_SRC || kind == OFX_KIND_LPM4_DST)
		lpm4_search(s, table, kind == OFX_KIND_LPM4_DST, NULL);
	else
		lpm6_search(s, table, kind == OFX_KIND_LPM6_DST, NULL);
}

#endif
