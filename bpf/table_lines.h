/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rules of a tuple for a packet, in our lines.
 *
 * A tuple without a rule for this packet costs a hash and a look at one cache line, at the tags and checks of five
 * rules at once.  Where they are right, the flow entry itself says whether it matches: its slot is not written again
 * before a grace period, so whatever happens to the line meanwhile, what is found is a rule of this table that matches.
 */
#ifndef BPF_TABLE_LINES_H
#define BPF_TABLE_LINES_H

#include "bpf/table_rule.h"

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

#endif
