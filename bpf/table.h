/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One table lookup (§5.3): the entry of highest priority that matches the key.
 *
 * A table is a list of places to look, by falling highest priority (include/ofxdp/table.h).  Each place gives at most
 * one candidate; the search stops when no later place can hold a better one.  Two rules of equal priority that match
 * the same packet are undefined by the spec, so it stops at equality too.
 *
 * There is one call site per map and loop: a lookup through a pointer that may be several maps is not inlined by the
 * verifier and costs half as much again.  The first entries are searched in line, the many of an ACL table through a
 * function call each, so that the verifier does not walk the body 256 times.
 */
#ifndef BPF_TABLE_H
#define BPF_TABLE_H

#include "bpf/maps.h"
#include "bpf/ctx.h"

#define OFX_NO_RULE (~0ULL)   /* no candidate: no such slot */
#define OFX_STALE (~0ULL - 1) /* the element was recycled under our eyes: look again */
#define OFX_LIST_INLINE 6

static __always_inline __u64 ref_word(const struct ofx_rule_ref *ref)
{
	return ref ? *(volatile __u64 *)&ref->word : OFX_NO_RULE; /* one read: elements are recycled in place */
}

/* The value of a hash element, if it still belongs to key k of n words. */
static __always_inline __u64 ref_checked(const struct ofx_rule_ref *found, const struct ofx_table_key *k, const int n)
{
	struct ofx_rule_ref ref = {.word = ref_word(found)};

	if (ref.word == OFX_NO_RULE || ref.word >> 48 == ofx_key_tag(k, n))
		return ref.word;
	return OFX_STALE;
}

/*
 * The first n words of the key under the subtable's mask.  Words behind n_words have mask 0 in the descriptor, so a
 * class is always filled up with zeros without a branch.
 */
static __always_inline void table_key(struct ofx_table_key *k, const struct ofx_state *s, const struct ofx_subtable *t,
				      __u32 id, const int n)
{
	k->subtable = id;
	k->pad = 0;
#pragma unroll
	for (int i = 0; i < n; i++)
		k->w[i] = s->key.w[t->word[i] & 15] & t->mask[i];
}

static __always_inline __u64 subtable_lookup(const struct ofx_state *s, __u32 id)
{
	const struct ofx_subtable *t = bpf_map_lookup_elem(&subtables, &id);
	struct ofx_table_key k;

	if (!t)
		return OFX_NO_RULE;
	switch (t->key_class) {
	case OFX_CLASS_8:
		table_key(&k, s, t, id, 0);
		return ref_checked(bpf_map_lookup_elem(&tbl8, &k), &k, 0);
	case OFX_CLASS_16:
		table_key(&k, s, t, id, 1);
		return ref_checked(bpf_map_lookup_elem(&tbl16, &k), &k, 1);
	case OFX_CLASS_32:
		table_key(&k, s, t, id, 3);
		return ref_checked(bpf_map_lookup_elem(&tbl32, &k), &k, 3);
	case OFX_CLASS_64:
		table_key(&k, s, t, id, 7);
		return ref_checked(bpf_map_lookup_elem(&tbl64, &k), &k, 7);
	case OFX_CLASS_128:
		table_key(&k, s, t, id, 15);
		return ref_checked(bpf_map_lookup_elem(&tbl128, &k), &k, 15);
	}
	return OFX_NO_RULE;
}

static __always_inline __u64 lpm4_lookup(const struct ofx_state *s, __u8 kind, __u8 table)
{
	__u64 both = s->key.w[OFX_W_ADDR];
	struct ofx_lpm4_key k = {.prefixlen = 64, .tag = {0, 0, kind, table}};
	__u32 addr = kind == OFX_ENTRY_LPM4_SRC ? (__u32)both : both >> 32;

	if (s->key.eth_type != bpf_htons(0x0800))
		return OFX_NO_RULE;
	__builtin_memcpy(k.addr, &addr, 4);
	return ref_word(bpf_map_lookup_elem(&lpm4, &k));
}

static __always_inline __u64 lpm6_lookup(const struct ofx_state *s, __u8 kind, __u8 table)
{
	int src = kind == OFX_ENTRY_LPM6_SRC;
	__u64 hi = src ? s->key.w[OFX_W_ADDR] : s->key.w[OFX_W_ADDR2];
	__u64 lo = src ? s->key.w[OFX_W_ADDR1] : s->key.w[OFX_W_ADDR3];
	struct ofx_lpm6_key k = {.prefixlen = 160, .tag = {0, 0, kind, table}};

	if (s->key.eth_type != bpf_htons(0x86dd))
		return OFX_NO_RULE;
	__builtin_memcpy(k.addr, &hi, 8);
	__builtin_memcpy(k.addr + 8, &lo, 8);
	return ref_word(bpf_map_lookup_elem(&lpm6, &k));
}

static __always_inline __u64 entry_lookup(const struct ofx_state *s, const struct ofx_list_entry *e, __u8 table)
{
	switch (e->kind) {
	case OFX_ENTRY_SUBTABLE:
		return subtable_lookup(s, e->subtable);
	case OFX_ENTRY_LPM4_SRC:
	case OFX_ENTRY_LPM4_DST:
		return lpm4_lookup(s, e->kind, table);
	case OFX_ENTRY_LPM6_SRC:
	case OFX_ENTRY_LPM6_DST:
		return lpm6_lookup(s, e->kind, table);
	}
	return OFX_NO_RULE;
}

/*
 * Look at one entry of the list and keep the better of its candidate and s->best.  0: go on; 1: the rest of the list
 * can't be better.  The best so far lives in the state, not in a register, so that the verifier forgets its value.
 */
static __always_inline int list_step(struct ofx_state *s, const struct ofx_list_entry *e, __u8 table)
{
	struct ofx_rule_ref ref;

	if ((__s32)e->max_priority <= s->best_priority)
		return 1;
	ref.word = entry_lookup(s, e, table);
	if (ref.word == OFX_STALE) {
		s->stale = 1;
		return 1;
	}
	if (ref.word != OFX_NO_RULE && (__s32)ref.priority > s->best_priority) {
		s->best_priority = ref.priority;
		s->best_slot = ref.slot;
	}
	return 0;
}

/* One entry of the list at `slot`, for the entries behind the first ones. */
__weak __noinline int list_step_far(struct ofx_state *s, __u32 slot, __u32 i, __u8 table)
{
	const struct ofx_list *list = bpf_map_lookup_elem(&lists, &slot);

	if (!s || !list || i >= OFX_LIST_ENTRIES)
		return 1;
	return list_step(s, &list->entries[i], table);
}

static __always_inline void list_walk(struct ofx_state *s, __u32 slot, __u8 table)
{
	const struct ofx_list *list = bpf_map_lookup_elem(&lists, &slot);
	__u32 i, n;

	if (!list)
		return;
	n = list->n;
	for (i = 0; i < OFX_LIST_INLINE; i++) {
		if (i >= n || list_step(s, &list->entries[i], table))
			return;
	}
	for (; i < OFX_LIST_ENTRIES; i++) {
		if (i >= n || list_step_far(s, slot, i, table))
			return;
	}
}

/*
 * The matching entry of highest priority: its slot in `flows` is s->best_slot.  0; -1: a table miss; 1: a rule was
 * changed under our eyes, look again.
 */
static __always_inline int table_lookup(struct ofx_state *s, __u32 table)
{
	const volatile __u64 *root = bpf_map_lookup_elem(&table_roots, &table);
	__u32 slot = root ? *root : 0;

	s->best_priority = -1;
	s->stale = 0;
	if (slot)
		list_walk(s, slot, table);
	if (s->stale)
		return 1;
	return s->best_priority < 0 ? -1 : 0;
}

#endif
