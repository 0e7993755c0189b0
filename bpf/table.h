/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One table lookup (§5.3): the entry of highest priority that matches the key.
 *
 * A table is a list of tuples, by falling highest priority (include/ofxdp/table.h).  The search stops when no
 * later one can hold a better rule.  Two rules of equal priority that match the same packet are undefined by the spec,
 * so it stops at equality too.
 *
 * A tuple without a rule for this packet costs a hash and a look at one cache line, at the tags and checks of five
 * rules at once.  Where they are right, the flow entry itself says whether it matches: its slot is not written again
 * before a grace period, so whatever happens to the line meanwhile, what is found is a rule of this table that matches.
 *
 * What costs time here is a wrong guess of the CPU about a branch, much more than the instructions that avoid it.
 */
#ifndef BPF_TABLE_H
#define BPF_TABLE_H

#include "bpf/maps.h"
#include "bpf/ctx.h"

#define OFX_LIST_CALL 16 /* entries a call */

/* --- does it match --- */

static __always_inline int word_differs(const struct ofx_state *s, const struct ofx_subtable *t, __u32 i, __u64 value)
{
	return ofx_key_word(s->key.w, t, i) != value;
}

/*
 * The match words behind those in the flow entry itself.  Counted without a division: the verifier can't follow one.
 */
static __always_inline int flow_matches_far(const struct ofx_state *s, const struct ofx_flow *f,
					    const struct ofx_subtable *t)
{
	__u32 i = OFX_FLOW_WORDS;

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

__weak __noinline int flow_matches_slow(const struct ofx_state *s, const struct ofx_flow *f)
{
	const struct ofx_subtable *t;
	__u32 mask;

	if (!s || !f)
		return 0;
	mask = f->mask;
	t = bpf_map_lookup_elem(&subtables, &mask);
	if (!t)
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

static __always_inline int flow_matches_quick(const struct ofx_state *s, const struct ofx_flow *f)
{
	const __u64 *w = s->key.w, *match = f->match;

	return !(((w[OFX_W_ETH_DST] & match[3]) ^ match[0]) | ((w[OFX_W_L4] & match[4]) ^ match[1]) |
		 ((w[OFX_W_ADDR] & match[5]) ^ match[2]));
}

static __always_inline int flow_matches(const struct ofx_state *s, const struct ofx_flow *f, __u8 table)
{
	if (f->table != table)
		return 0;
	return f->flags & OFX_FLOW_QUICK ? flow_matches_quick(s, f) : flow_matches_slow(s, f);
}

/* --- tuples --- */

/* The best so far lives in the state, not in a register, so that the verifier forgets its value. */
static __always_inline void rule_found(struct ofx_state *s, struct ofx_rule_ref ref)
{
	s->best_priority = ref.priority;
	s->best_slot = ref.slot;
}

/* Better than the best, for all that the rule itself tells?  As one condition, which the CPU guesses better. */
static __always_inline int rule_may_do(const struct ofx_state *s, struct ofx_rule_ref ref)
{
	const __u32 l4 = ofx_l4_check_of_key(s->key.w[OFX_W_L4]);

	return !(ofx_l4_check_differs(ref.l4_check, l4) | (__u32)(ref.priority - s->best_priority - 1) >> 31);
}

/* A rule whose tag and check are right, if it is still there. */
static __always_inline void rule_try(struct ofx_state *s, const void *word, __u8 table)
{
	struct ofx_rule_ref ref = {.word = *(const volatile __u64 *)word};
	const struct ofx_flow *f;

	if (!ref.slot || !rule_may_do(s, ref))
		return;
	f = flow_at(ref.slot);
	if (f && flow_matches(s, f, table))
		rule_found(s, ref);
}

/* check: ofx_check_of_key(); of no matter in tuples that check nothing. */
static __always_inline __u64 line_hits(const struct ofx_rule_line *line, __u64 tag, __u64 check)
{
	const __u64 tags = *(const volatile __u64 *)&line->tags, checks = *(const volatile __u64 *)&line->checks;

	return ofx_line_candidates(tags, checks, tag, check);
}

static __always_inline void line_search(struct ofx_state *s, const struct ofx_rule_line *line, __u64 hits, __u8 table)
{
#pragma clang loop unroll(disable)
	for (int i = 0; i < OFX_LINE_RULES; i++) {
		if (!hits)
			return;
		rule_try(s, (const char *)line + ofx_hit_offset(hits), table);
		hits &= hits - 1;
	}
}

/* One line and those behind it. */
static __always_inline void lines_walk(struct ofx_state *s, __u32 at, __u64 tag, __u64 check, __u8 table)
{
	for (__u32 i = 0; i <= OFX_MORE_LINES; i++) {
		const struct ofx_rule_line *line = rule_line_at(at);

		if (!line)
			break;
		line_search(s, line, line_hits(line, tag, check), table);
		at = line->more;
		if (!at)
			break;
	}
}

/* As a function: from the places that are not in a hurry. */
__weak __noinline int lines_search(struct ofx_state *s, __u32 at, __u64 tag, __u64 check, __u8 table)
{
	if (s)
		lines_walk(s, at, tag, check, table);
	return 0;
}

static __always_inline struct ofx_rule_geometry geometry(const struct ofx_state *s)
{
	return (struct ofx_rule_geometry){.word = s->geometry};
}

__weak __noinline int tuple_search(struct ofx_state *s, __u32 number, __u8 table)
{
	const struct ofx_subtable *t;
	__u64 hash;

	if (!s)
		return 0;
	t = bpf_map_lookup_elem(&subtables, &number);
	if (!t)
		return 0;
	hash = ofx_rule_hash(s->key.w, t, number, ofx_rule_secret);
	lines_walk(s, ofx_rule_line_of(hash, geometry(s)), ofx_rule_tag(hash), 0, table);
	return 0;
}

static __always_inline __u64 quick_hash(const struct ofx_state *s, const struct ofx_list_entry *e)
{
	return ofx_quick_hash(s->key.w, e->mask, e->subtable, ofx_rule_secret);
}

static __always_inline __u64 quick_check(const struct ofx_state *s, const struct ofx_list_entry *e)
{
	return ofx_check_of_key(s->key.w[OFX_W_ADDR], e->shift);
}

static __always_inline void quick_search(struct ofx_state *s, const struct ofx_list_entry *e, __u8 table)
{
	const __u64 hash = quick_hash(s, e), tag = ofx_rule_tag(hash), check = quick_check(s, e);

	lines_search(s, ofx_rule_line_of(hash, geometry(s)), tag, check, table);
}

/* --- lists --- */

/* Look at one entry of the list.  0: go on; 1: the rest of the list can't be better. */
static __always_inline int list_step(struct ofx_state *s, const struct ofx_list_entry *e, __u8 table)
{
	if ((__s32)e->max_priority <= s->best_priority)
		return 1;
	if (e->quick)
		quick_search(s, e, table);
	else
		tuple_search(s, e->subtable, table);
	return 0;
}

/* Look at a group's entries one after the other.  1: done. */
static __always_inline int list_singly(struct ofx_state *s, const struct ofx_list *list, __u32 first, __u8 table)
{
#pragma clang loop unroll(disable)
	for (__u32 n = 0; n < OFX_LIST_GROUP; n++) {
		__u32 i = first + n;

		if (i >= list->n || i >= OFX_LIST_ENTRIES || list_step(s, &list->entries[i], table))
			return 1;
	}
	return 0;
}

/* --- groups --- */

/* Where the lines of all tuples are. */
struct group_look {
	const struct ofx_line_chunk *chunk; /* NULL: in several; no groups then */
	__u32 base, lines;		    /* in it */
};

/*
 * Look into the line of tuple i.  Without a branch, so that the CPU looks into the lines of a group at the same time
 * and no wrong guess about one delays the others.
 */
static __always_inline void group_peek(struct ofx_state *s, const struct group_look *look,
				       const struct ofx_list_entry *e, __u64 hash, int i)
{
	const __u32 at = look->base + ((hash >> 32) * look->lines >> 32);
	const struct ofx_rule_line *line = &look->chunk->line[at % OFX_LINE_CHUNK];

	s->peek[i].line = at;
	s->peek[i].more = line->more;
	s->peek[i].hits = line_hits(line, ofx_rule_tag(hash), quick_check(s, &e[i]));
}

static __always_inline void group_peek_all(struct ofx_state *s, const struct group_look *look,
					   const struct ofx_list_entry *e)
{
	if (e->group == OFX_GROUP_ADDRESS) {
		const __u64 type = ofx_type_sum(s->key.w, ofx_rule_secret), addr = s->key.w[OFX_W_ADDR];
		const __u64 secret = ofx_rule_secret[OFX_W_ADDR];

#pragma unroll
		for (int i = 0; i < OFX_LIST_GROUP; i++)
			group_peek(s, look, e, ofx_address_hash(type, addr, e[i].mask[2], e[i].subtable, secret), i);
	} else {
#pragma unroll
		for (int i = 0; i < OFX_LIST_GROUP; i++)
			group_peek(s, look, e, quick_hash(s, &e[i]), i);
	}
}

/* What was found there. */
static __always_inline void group_found(struct ofx_state *s, const struct group_look *look,
					const struct ofx_list_entry *e, const struct ofx_peek *peek, __u8 table)
{
	const struct ofx_rule_line *line = &look->chunk->line[peek->line % OFX_LINE_CHUNK];
	const __u32 more = peek->more;

	line_search(s, line, peek->hits, table);
	if (more)
		lines_search(s, more, ofx_rule_tag(quick_hash(s, e)), quick_check(s, e), table);
}

/* Look at a group.  0: go on; 1: the rest of the list can't be better. */
static __always_inline int group_step(struct ofx_state *s, const struct group_look *look,
				      const struct ofx_list_entry *e, __u8 table)
{
	if ((__s32)e->max_priority <= s->best_priority)
		return 1;
	group_peek_all(s, look, e);
#pragma clang loop unroll(disable)
	for (int i = 0; i < OFX_LIST_GROUP; i++) {
		if (!(s->peek[i].hits | s->peek[i].more))
			continue;
		if ((__s32)e[i].max_priority <= s->best_priority)
			return 1;
		group_found(s, look, &e[i], &s->peek[i], table);
	}
	return 0;
}

static __always_inline void group_begin(const struct ofx_state *s, struct group_look *look)
{
	const struct ofx_rule_geometry g = geometry(s);
	const __u32 number = g.base / OFX_LINE_CHUNK;

	look->chunk = bpf_map_lookup_elem(&rule_lines, &number);
	look->base = g.base % OFX_LINE_CHUNK;
	look->lines = g.lines;
	if (look->base + look->lines > OFX_LINE_CHUNK)
		look->chunk = NULL;
}

/* Entries `first` and following of the list at `slot`: OFX_LIST_CALL at most.  0: go on behind those; 1: done. */
__weak __noinline int list_walk_from(struct ofx_state *s, __u32 slot, __u32 first, __u8 table)
{
	const struct ofx_list *list = bpf_map_lookup_elem(&lists, &slot);
	struct group_look look;

	if (!s || !list)
		return 1;
	group_begin(s, &look);
#pragma clang loop unroll(disable)
	for (__u32 n = 0; n < OFX_LIST_CALL; n += OFX_LIST_GROUP) {
		const __u32 i = (first + n) & (OFX_LIST_ENTRIES - OFX_LIST_GROUP);
		const struct ofx_list_entry *e = &list->entries[i];
		int done;

		if (i >= list->n)
			return 1;
		if (e->group && look.chunk)
			done = group_step(s, &look, e, table);
		else
			done = list_singly(s, list, i, table);
		if (done)
			return 1;
	}
	return 0;
}

static __always_inline void list_walk(struct ofx_state *s, __u32 slot, __u8 table)
{
	for (__u32 i = 0; i < OFX_LIST_ENTRIES; i += OFX_LIST_CALL) {
		if (list_walk_from(s, slot, i, table))
			return;
	}
}

/* The matching entry of highest priority: its slot in `flows` is s->best_slot.  0, or -1: a table miss. */
static __always_inline int table_lookup(struct ofx_state *s, __u32 table)
{
	const volatile __u64 *geometry, *root;
	__u32 slot, zero = 0;

	/* before the list: a rule may have moved to another tuple while other lines were being filled */
	geometry = bpf_map_lookup_elem(&rule_geometry, &zero);
	s->geometry = geometry ? *geometry : 0;
	root = bpf_map_lookup_elem(&table_roots, &table);
	slot = root ? *root : 0;
	s->best_priority = -1;
	if (!slot)
		return -1;
	list_walk(s, slot, table);
	return s->best_priority < 0 ? -1 : 0;
}

#endif
