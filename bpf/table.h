/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One table lookup (§5.3): the entry of highest priority that matches the key.
 *
 * A table is a list of tuples, by falling highest priority (include/ofxdp/table.h).  The search stops when no
 * later one can hold a better rule.  Two rules of equal priority that match the same packet are undefined by the spec,
 * so it stops at equality too.
 *
 * What costs time here is a wrong guess of the CPU about a branch, much more than the instructions that avoid it.
 */
#ifndef BPF_TABLE_H
#define BPF_TABLE_H

#include "bpf/table_hash.h"
#include "bpf/table_lines.h"
#include "bpf/table_lpm.h"

#define OFX_LIST_CALL 16 /* entries a call */

/* --- lists --- */

/* Look at one entry of the list.  0: go on; 1: the rest of the list can't be better. */
static __always_inline int list_step(struct ofx_state *s, const struct ofx_list_entry *e, __u8 table)
{
	if ((__s32)e->max_priority <= s->best_priority)
		return 1;
	if (e->kind >= OFX_KIND_LPM4_SRC)
		lpm_search(s, e->kind, table);
	else if (e->kind)
		hash_search(s, e, table);
	else if (e->quick)
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
