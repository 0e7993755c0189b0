/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One table lookup (§5.3): the entry of highest priority that matches the key.
 *
 * A table is a list of tuples, by falling highest priority (include/ofxdp/table.h).  The search stops when no
 * later one can hold a better rule.  Two rules of equal priority that match the same packet are undefined by the spec,
 * so it stops at equality too.
 *
 * A tuple without a rule for this packet costs a hash and a look at seven tags in one cache line.  Where a tag is
 * right, the flow entry itself says whether it matches: its slot is not written again before a grace period, so
 * whatever happens to the line meanwhile, what is found is a rule of this table that matches.
 *
 * The first entries are searched in line, the many of an ACL table by the dozen in a function.
 */
#ifndef BPF_TABLE_H
#define BPF_TABLE_H

#include "bpf/maps.h"
#include "bpf/ctx.h"

#define OFX_LIST_INLINE 4
#define OFX_LIST_CALL 14 /* entries a call */

/* --- does it match --- */

static __always_inline int word_differs(const struct ofx_state *s, const struct ofx_subtable *t, __u32 i, __u64 value)
{
	return ofx_key_word(s->key.w, t, i) != value;
}

/*
 * The match words behind those in the flow entry itself.  Counted without a division: the verifier can't follow one.
 */
__weak __noinline int flow_matches_far(const struct ofx_state *s, const struct ofx_flow *f,
				       const struct ofx_subtable *t)
{
	__u32 i = OFX_FLOW_WORDS;

	if (!s || !f || !t)
		return 0;
	while (i < OFX_KEY_WORDS && i < t->n_words) {
		const __u64 *words = (const __u64 *)op_at(ofx_flow_far_word(f, i));

		if (!words)
			return 0;
		for (__u32 n = 0; n < OFX_OP_WORDS; n++, i++) {
			if (i >= OFX_KEY_WORDS || i >= t->n_words)
				return 1;
			if (word_differs(s, t, i, words[n]))
				return 0;
		}
	}
	return 1;
}

static __always_inline int flow_matches(const struct ofx_state *s, const struct ofx_flow *f, __u8 table)
{
	__u32 mask = f->mask;
	const struct ofx_subtable *t = bpf_map_lookup_elem(&subtables, &mask);

	if (!t || f->table != table)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < OFX_FLOW_WORDS; i++) {
		if (i >= t->n_words)
			return 1;
		if (word_differs(s, t, i, f->match[i]))
			return 0;
	}
	return t->n_words == OFX_FLOW_WORDS || flow_matches_far(s, f, t);
}

/* --- tuples --- */

/* The best so far lives in the state, not in a register, so that the verifier forgets its value. */
static __always_inline void rule_found(struct ofx_state *s, struct ofx_rule_ref ref)
{
	s->best_priority = ref.priority;
	s->best_slot = ref.slot;
}

/* A rule whose tag is right, if it is still there. */
static __always_inline void rule_try(struct ofx_state *s, const __u64 *word, __u8 table)
{
	struct ofx_rule_ref ref = {.word = *(const volatile __u64 *)word};
	const struct ofx_flow *f;

	if (!ref.slot || (__s32)ref.priority <= s->best_priority)
		return;
	f = flow_at(ref.slot);
	if (f && flow_matches(s, f, table))
		rule_found(s, ref);
}

static __always_inline __u16 line_tag(const struct ofx_rule_line *line, __u32 i)
{
	return ((const volatile __u16 *)&line->rule[i])[3];
}

/* The first rule with this tag; OFX_LINE_RULES: none. */
static __always_inline __u32 line_find(const struct ofx_rule_line *line, __u16 tag)
{
#pragma unroll
	for (__u32 i = 0; i < OFX_LINE_RULES; i++)
		if (line_tag(line, i) == tag)
			return i;
	return OFX_LINE_RULES;
}

static __always_inline void line_search(struct ofx_state *s, const struct ofx_rule_line *line, __u16 tag, __u8 table)
{
	__u32 i = line_find(line, tag);

#pragma clang loop unroll(disable)
	for (; i < OFX_LINE_RULES; i++)
		if (line_tag(line, i) == tag)
			rule_try(s, &line->rule[i], table);
}

/* The lines behind a full one. */
__weak __noinline int lines_search(struct ofx_state *s, __u32 at, __u16 tag, __u8 table)
{
	if (!s)
		return 0;
	for (__u32 i = 0; i < OFX_MORE_LINES; i++) {
		const struct ofx_rule_line *line = bpf_map_lookup_elem(&rule_lines, &at);

		if (!at || !line)
			break;
		line_search(s, line, tag, table);
		at = line->more;
	}
	return 0;
}

static __always_inline void tuple_search(struct ofx_state *s, __u32 number, __u8 table)
{
	const struct ofx_rule_geometry g = {.word = s->geometry};
	const struct ofx_subtable *t = bpf_map_lookup_elem(&subtables, &number);
	const struct ofx_rule_line *line;
	__u64 hash;
	__u32 at;

	if (!t)
		return;
	hash = ofx_rule_hash(s->key.w, t, number, ofx_rule_secret);
	at = ofx_rule_line_of(hash, g);
	line = bpf_map_lookup_elem(&rule_lines, &at);
	if (!line)
		return;
	line_search(s, line, ofx_rule_tag(hash), table);
	if (line->more)
		lines_search(s, line->more, ofx_rule_tag(hash), table);
}

/* --- lists --- */

/* Look at one entry of the list.  0: go on; 1: the rest of the list can't be better. */
static __always_inline int list_step(struct ofx_state *s, const struct ofx_list_entry *e, __u8 table)
{
	if ((__s32)e->max_priority <= s->best_priority)
		return 1;
	tuple_search(s, e->subtable, table);
	return 0;
}

/* Entries `first` and following of the list at `slot`: OFX_LIST_CALL at most.  0: go on behind those; 1: done. */
__weak __noinline int list_walk_far(struct ofx_state *s, __u32 slot, __u32 first, __u8 table)
{
	const struct ofx_list *list = bpf_map_lookup_elem(&lists, &slot);

	if (!s || !list)
		return 1;
#pragma clang loop unroll(disable)
	for (__u32 n = 0; n < OFX_LIST_CALL; n++) {
		__u32 i = first + n;

		if (i >= list->n || i >= OFX_LIST_ENTRIES || list_step(s, &list->entries[i], table))
			return 1;
	}
	return 0;
}

static __always_inline void list_walk(struct ofx_state *s, __u32 slot, __u8 table)
{
	const struct ofx_list *list = bpf_map_lookup_elem(&lists, &slot);

	if (!list)
		return;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < OFX_LIST_INLINE; i++) {
		if (i >= list->n || list_step(s, &list->entries[i], table))
			return;
	}
	for (__u32 i = OFX_LIST_INLINE; i < OFX_LIST_ENTRIES; i += OFX_LIST_CALL) {
		if (i >= list->n || list_walk_far(s, slot, i, table))
			return;
	}
}

/* The matching entry of highest priority: its slot in `flows` is s->best_slot.  0, or -1: a table miss. */
static __always_inline int table_lookup(struct ofx_state *s, __u32 table)
{
	const volatile __u64 *root = bpf_map_lookup_elem(&table_roots, &table);
	const volatile __u64 *geometry;
	__u32 slot = root ? *root : 0, zero = 0;

	s->best_priority = -1;
	if (!slot)
		return -1;
	geometry = bpf_map_lookup_elem(&rule_geometry, &zero);
	s->geometry = geometry ? *geometry : 0;
	list_walk(s, slot, table);
	return s->best_priority < 0 ? -1 : 0;
}

#endif
