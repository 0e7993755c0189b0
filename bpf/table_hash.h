/* SPDX-License-Identifier: GPL-2.0-only */
/* The rule of one mask for a packet, in the kernel's hash maps (include/ofxdp/table_hash.h). */
#ifndef BPF_TABLE_HASH_H
#define BPF_TABLE_HASH_H

#include "bpf/maps.h"
#include "bpf/table_rule.h"
#include "include/ofxdp/table_hash.h"

/*
 * The kernel uses an element that was replaced for another key at once; and, before 6.16, who looks for one while it is
 * replaced may find neither.  So what is not there is looked for again if something was replaced meanwhile, and what is
 * not better than the best is looked at again.
 */
#define HASH_LOOKS 2

#define HASH_MAP(bytes)                                                                                                \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_HASH);                                                                       \
		__uint(map_flags, BPF_F_NO_PREALLOC);                                                                  \
		__uint(max_entries, OFX_HASH_ENTRIES);                                                                 \
		__type(key, struct ofx_hash_shown##bytes);                                                             \
		__type(value, struct ofx_rule_shown);                                                                  \
	} hash##bytes SEC(".maps")

HASH_MAP(16);
HASH_MAP(32);
HASH_MAP(64);

/* changes: as they were before the look. */
static __always_inline int hash_done(struct ofx_state *s, const void *word, __u8 table, __u64 changes)
{
	return word ? rule_try(s, word, table) : !(changes & 1) && changes == hash_changes;
}

/* Words behind the mask's are zero: so are their masks. */
#define HASH_SEARCH(bytes)                                                                                             \
	__weak __noinline int hash##bytes##_search(struct ofx_state *s, __u32 number, __u8 table)                      \
	{                                                                                                              \
		const struct ofx_subtable *t = bpf_map_lookup_elem(&subtables, &number);                               \
		struct ofx_hash_key##bytes key = {.tuple = number};                                                    \
                                                                                                                       \
		if (!s || !t)                                                                                          \
			return 0;                                                                                      \
		_Pragma("unroll") for (int i = 0; i < (bytes) / 8 - 1; i++) key.word[i] =                              \
			ofx_key_word(s->key.w, t, i);                                                                  \
		for (int i = 0; i < HASH_LOOKS; i++) {                                                                 \
			const __u64 changes = hash_changes;                                                            \
                                                                                                                       \
			if (hash_done(s, bpf_map_lookup_elem(&hash##bytes, &key), table, changes))                     \
				break;                                                                                 \
		}                                                                                                      \
		return 0;                                                                                              \
	}

HASH_SEARCH(16)
HASH_SEARCH(32)
HASH_SEARCH(64)

static __always_inline void hash_search(struct ofx_state *s, const struct ofx_list_entry *e, __u8 table)
{
	switch (e->kind) {
	case OFX_KIND_HASH16:
		hash16_search(s, e->subtable, table);
		break;
	case OFX_KIND_HASH32:
		hash32_search(s, e->subtable, table);
		break;
	case OFX_KIND_HASH64:
		hash64_search(s, e->subtable, table);
		break;
	}
}

#endif
