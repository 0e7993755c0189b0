/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/table_lines.h"
#include <errno.h>
#include <string.h>
#include "user/datapath/chunk.h"
#include "user/util/log.h"

#define MIN_LINES 256
#define FULL_LOAD 3  /* rules a line: how many the largest region has to hold, and when a smaller one grows; … */
#define FEW_SPARE 32 /* … this too with so few lines left */

static uint32_t largest(uint32_t max_rules)
{
	uint32_t lines = (max_rules + FULL_LOAD - 1) / FULL_LOAD;

	return lines < MIN_LINES ? MIN_LINES : lines;
}

/* Where half 1 begins: such that of its regions those are in one chunk that can be. */
static uint32_t second_half(uint32_t lines)
{
	return lines <= OFX_LINE_CHUNK / 2 ? lines : chunks_for(lines, OFX_LINE_CHUNK) * OFX_LINE_CHUNK;
}

static uint32_t first_spare(uint32_t lines)
{
	return second_half(lines) + lines / 2;
}

uint32_t lines_chunks(uint32_t max_rules)
{
	uint32_t lines = largest(max_rules);

	return chunks_for(first_spare(lines) + lines / 4, OFX_LINE_CHUNK);
}

/* The smallest region in this half with so many lines, or the largest. */
static struct rule_region region_in_half(const struct lines *h, int half, uint32_t lines)
{
	uint32_t n = half ? h->max_lines / 2 : h->max_lines;

	while (n / 2 >= lines && n / 2 >= MIN_LINES)
		n /= 2;
	if (!half && n == h->max_lines / 2) /* none in half 1 would be larger */
		n = h->max_lines;
	return (struct rule_region){.base = half ? second_half(h->max_lines) : 0, .lines = n};
}

static void publish(struct lines *h, struct rule_region r)
{
	const struct ofx_rule_geometry g = {.base = r.base, .lines = r.lines};

	h->now = r;
	__atomic_store_n(h->geometry, g.word, __ATOMIC_RELEASE);
}

int lines_open(struct lines *h, struct ofx_rule_line *line, __u64 *geometry, uint32_t max_rules,
	       const struct lines_ops *ops, void *aux)
{
	*h = (struct lines){.line = line, .geometry = geometry, .ops = ops, .aux = aux};
	h->max_lines = largest(max_rules);
	h->first_spare = first_spare(h->max_lines);
	publish(h, region_in_half(h, 0, 0));
	return numbers_open(&h->spare, h->first_spare, h->first_spare + h->max_lines / 4);
}

void lines_close(struct lines *h)
{
	numbers_close(&h->spare);
}

static uint32_t spare_left(const struct lines *h)
{
	return h->spare.n_free + h->spare.size - h->spare.next;
}

/* A third is for the next region, or it could not be filled. */
static uint32_t spare_reserved(const struct lines *h, struct rule_region r)
{
	return r.base == h->now.base && r.lines < h->max_lines ? h->max_lines / 12 : 0;
}

static void word_store(__u64 *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static struct ofx_rule_line *line_of(const struct lines *h, struct rule_region r, uint64_t hash)
{
	return &h->line[ofx_rule_line_of(hash, (struct ofx_rule_geometry){.base = r.base, .lines = r.lines})];
}

static uint64_t with_byte(uint64_t word, int i, uint64_t byte)
{
	const int shift = 8 * (OFX_LINE_FIRST + i);

	return (word & ~(0xffULL << shift)) | byte << shift;
}

/* 0: no rule there. */
static void tag_store(struct ofx_rule_line *line, int i, uint64_t tag)
{
	word_store(&line->tags, with_byte(line->tags, i, tag));
}

static void rule_store(struct ofx_rule_line *line, int i, uint64_t word, uint64_t tag)
{
	const uint64_t checks = line->checks ?: OFX_CHECK_ANY * OFX_BYTES;

	word_store(&line->rule[i], word);
	word_store(&line->checks, with_byte(checks, i, (struct ofx_rule_ref){.word = word}.check));
	tag_store(line, i, tag);
}

/* A free place, or -1. */
static int line_free(const struct ofx_rule_line *line)
{
	const uint64_t free = ofx_line_hits(line->tags | 0xffff, 0); /* the lowest is sure to be */

	return free ? (int)(ofx_hit_offset(free) / 8) - OFX_LINE_FIRST : -1;
}

/* --- one region --- */

/* A further line behind `line`, with this rule. */
static int line_append(struct lines *h, struct rule_region r, struct ofx_rule_line *line, uint64_t word, uint64_t tag)
{
	uint32_t number;

	if (spare_left(h) <= spare_reserved(h, r) || !numbers_take(&h->spare, &number))
		return h->phase != RULES_STEADY || h->spare.waiting ? -EAGAIN : -ENOSPC;
	h->line[number] = (struct ofx_rule_line){0};
	rule_store(&h->line[number], 0, word, tag);
	word_store(&line->more, number);
	return 0;
}

/* -EAGAIN, -ENOSPC: as lines_add(). */
static int region_add(struct lines *h, struct rule_region r, uint64_t hash, uint64_t word)
{
	struct ofx_rule_line *line = line_of(h, r, hash);
	const uint64_t tag = ofx_rule_tag(hash);

	for (int n = 0;; n++, line = &h->line[line->more]) {
		const int free = line_free(line);

		if (free >= 0) {
			rule_store(line, free, word, tag);
			return 0;
		}
		if (n == OFX_MORE_LINES) /* rules may have come faster than it grew */
			return h->phase != RULES_STEADY ? -EAGAIN : -ENOSPC;
		if (!line->more)
			return line_append(h, r, line, word, tag);
	}
}

static __u64 *cursor_next(const struct lines *h, struct rule_cursor *c)
{
	for (;;) {
		while (c->hits) {
			c->i = ofx_hit_offset(c->hits) / 8 - OFX_LINE_FIRST;
			c->hits &= c->hits - 1;
			if (ofx_line_tag(c->line, c->i) == c->tag)
				return &c->line->rule[c->i];
		}
		if (!c->line->more)
			return NULL;
		c->line = &h->line[c->line->more];
		c->hits = ofx_line_hits(c->line->tags, c->tag);
	}
}

/* The cursor stands there then. */
static __u64 *cursor_find(const struct lines *h, struct rule_cursor *c, uint32_t slot)
{
	__u64 *word;

	do
		word = cursor_next(h, c);
	while (word && (struct ofx_rule_ref){.word = *word}.slot != slot);
	return word;
}

static struct rule_cursor cursor_begin(const struct lines *h, struct rule_region r, uint64_t hash)
{
	struct rule_cursor c = {.line = line_of(h, r, hash), .tag = ofx_rule_tag(hash)};

	c.hits = ofx_line_hits(c.line->tags, c.tag);
	return c;
}

static __u64 *region_find(const struct lines *h, struct rule_region r, uint64_t hash, uint32_t slot)
{
	struct rule_cursor c = cursor_begin(h, r, hash);

	return cursor_find(h, &c, slot);
}

static void spare_give(struct lines *h, uint32_t number)
{
	h->spare.waiting--;
	numbers_give(&h->spare, number);
}

/* Whoever reads an emptied line goes on to the rest through its `more`: it is used again after a grace period. */
static void unlink_empty(struct lines *h, struct ofx_rule_line *line)
{
	while (line->more) {
		uint32_t number = line->more;
		struct ofx_rule_line *more = &h->line[number];

		if (more->tags) {
			line = more;
			continue;
		}
		word_store(&line->more, more->more);
		h->spare.waiting++;
		h->ops->later(h->aux, spare_give, number);
	}
}

static void region_remove(struct lines *h, struct rule_region r, uint64_t hash, uint32_t slot)
{
	struct rule_cursor c = cursor_begin(h, r, hash);
	__u64 *word = cursor_find(h, &c, slot);

	if (!word)
		return;
	tag_store(c.line, c.i, 0);
	word_store(word, 0);
	unlink_empty(h, line_of(h, r, hash));
}

/* --- growth --- */

static void line_clear(struct lines *h, uint32_t number)
{
	uint32_t more = h->line[number].more;

	h->line[number] = (struct ofx_rule_line){0};
	while (more) {
		uint32_t next = h->line[more].more;

		h->line[more] = (struct ofx_rule_line){0};
		numbers_give(&h->spare, more);
		more = next;
	}
}

static void region_unread(struct lines *h, uint32_t number)
{
	h->phase = RULES_CLEAR;
	h->cursor = 0;
}

/* What `old` was is not read any more in a while. */
static void region_drop(struct lines *h, struct rule_region old)
{
	h->old = old;
	h->next = (struct rule_region){0};
	h->phase = RULES_WAIT;
	h->ops->later(h->aux, region_unread, 0);
}

/* What hash_of() will read for the rules of a line. */
static void prefetch_rules(const struct lines *h, const struct ofx_rule_line *line)
{
	for (int i = 0; i < OFX_LINE_RULES; i++)
		if (ofx_line_tag(line, i))
			h->ops->prefetch(h->aux, (struct ofx_rule_ref){.word = line->rule[i]}.slot);
}

/* A rule that has been left is not, it has another hash. */
static bool belongs(const struct lines *h, const struct ofx_rule_line *first, uint64_t hash, uint64_t tag)
{
	return line_of(h, h->now, hash) == first && ofx_rule_tag(hash) == tag;
}

static bool fill_from(struct lines *h, const struct ofx_rule_line *line)
{
	const struct ofx_rule_line *first = line;

	for (;; line = &h->line[line->more]) {
		for (int i = 0; i < OFX_LINE_RULES; i++) {
			const struct ofx_rule_ref ref = {.word = line->rule[i]};
			uint64_t hash;

			if (!ofx_line_tag(line, i))
				continue;
			hash = h->ops->hash_of(h->aux, ref.slot);
			if (!belongs(h, first, hash, ofx_line_tag(line, i)))
				continue;
			if (!region_find(h, h->next, hash, ref.slot) && region_add(h, h->next, hash, ref.word))
				return false;
		}
		if (!line->more)
			return true;
	}
}

static void fill(struct lines *h, uint32_t lines)
{
	const struct rule_region before = h->now;

	for (; lines && h->cursor < before.lines; lines--, h->cursor++) {
		if (h->cursor + 1 < before.lines)
			prefetch_rules(h, &h->line[before.base + h->cursor + 1]);
		if (fill_from(h, &h->line[before.base + h->cursor]))
			continue;
		log_warn("the rules' hash cannot grow: no lines left");
		region_drop(h, h->next);
		return;
	}
	if (h->cursor < before.lines)
		return;
	publish(h, h->next);
	region_drop(h, before);
}

static void clear(struct lines *h, uint32_t lines)
{
	for (; lines && h->cursor < h->old.lines; lines--, h->cursor++)
		line_clear(h, h->old.base + h->cursor);
	if (h->cursor == h->old.lines)
		h->phase = RULES_STEADY;
}

/* Rules may have come faster than what was before could be cleared: by as much as is needed. */
static void grow_if_full(struct lines *h)
{
	struct rule_region next;

	if (h->phase != RULES_STEADY ||
	    (h->n <= FULL_LOAD * h->now.lines && spare_left(h) > spare_reserved(h, h->now) + FEW_SPARE))
		return;
	next = region_in_half(h, !h->now.base, 2 * h->n / FULL_LOAD);
	if (next.lines <= h->now.lines)
		return;
	h->next = next;
	h->phase = RULES_FILL;
	h->cursor = 0;
}

bool lines_step(struct lines *h, uint32_t lines)
{
	if (h->phase == RULES_FILL)
		fill(h, lines);
	else if (h->phase == RULES_CLEAR)
		clear(h, lines);
	if (h->phase == RULES_STEADY)
		grow_if_full(h);
	return h->phase == RULES_FILL || h->phase == RULES_CLEAR;
}

/* --- all regions --- */

void lines_prefetch(const struct lines *h, uint64_t hash)
{
	__builtin_prefetch(line_of(h, h->now, hash), 1);
	if (h->next.lines)
		__builtin_prefetch(line_of(h, h->next, hash), 1);
}

int lines_add(struct lines *h, uint64_t hash, struct ofx_rule_ref ref)
{
	int err = h->next.lines ? region_add(h, h->next, hash, ref.word) : 0;

	if (err)
		return err;
	err = region_add(h, h->now, hash, ref.word);
	if (err) {
		if (h->next.lines)
			region_remove(h, h->next, hash, ref.slot);
		return err;
	}
	h->n++;
	grow_if_full(h);
	return 0;
}

__u64 *lines_find(const struct lines *h, uint64_t hash, uint32_t slot)
{
	return region_find(h, h->now, hash, slot);
}

void lines_change(struct lines *h, uint64_t hash, uint32_t slot, struct ofx_rule_ref ref)
{
	__u64 *word = region_find(h, h->now, hash, slot);

	if (word)
		word_store(word, ref.word);
	word = h->next.lines ? region_find(h, h->next, hash, slot) : NULL;
	if (word)
		word_store(word, ref.word);
}

/* Without rules it is small again: nothing is missed by a reader of either region. */
static void shrink(struct lines *h)
{
	if (h->phase == RULES_STEADY)
		publish(h, region_in_half(h, 0, 0));
}

void lines_leave(struct lines *h)
{
	h->n--;
}

void lines_drop(struct lines *h, uint64_t hash, uint32_t slot)
{
	region_remove(h, h->now, hash, slot);
	if (h->next.lines)
		region_remove(h, h->next, hash, slot);
}

void lines_remove(struct lines *h, uint64_t hash, uint32_t slot)
{
	lines_drop(h, hash, slot);
	if (!--h->n)
		shrink(h);
}

__u64 *lines_first(const struct lines *h, uint64_t hash, struct rule_cursor *c)
{
	*c = cursor_begin(h, h->now, hash);
	return cursor_next(h, c);
}

__u64 *lines_next(const struct lines *h, struct rule_cursor *c)
{
	return cursor_next(h, c);
}
