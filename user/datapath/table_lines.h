/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hash of all tables' rules: the lines of map `rule_lines` (include/ofxdp/table_lines.h), written by plain stores.
 *
 * A word is known by its hash and its slot; words of one hash may be several.  The lines in use, a region, grow with
 * the rules: the next region is filled in small steps while every change goes into both; then the geometry word is
 * stored, and what was before is cleared after a grace period.
 *
 *     lines: half 0 (the largest region, or a smaller one), half 1 (a smaller one), spare lines for `more`
 */
#ifndef DATAPATH_TABLE_LINES_H
#define DATAPATH_TABLE_LINES_H

#include <stdbool.h>
#include <stdint.h>
#include "include/ofxdp/table.h"
#include "include/ofxdp/table_lines.h"
#include "user/datapath/pool.h"

struct rule_region {
	uint32_t base, lines; /* lines: 0: none */
};

enum rule_phase {
	RULES_STEADY,
	RULES_FILL, /* `next` is being filled */
	RULES_WAIT, /* `old` may still be read */
	RULES_CLEAR /* `old` is being cleared */
};

struct lines;
typedef void (*lines_fn)(struct lines *h, uint32_t number);

struct lines_ops {
	uint64_t (*hash_of)(void *aux, uint32_t slot);
	/* hash_of() will soon be asked. */
	void (*prefetch)(void *aux, uint32_t slot);
	/*
	 * `fn(lines, number)` after a grace period; not from within.  Pending at a time: one for each spare line,
	 * and one besides.
	 */
	void (*later)(void *aux, lines_fn fn, uint32_t number);
};

struct lines {
	struct ofx_rule_line *line; /* the whole map */
	__u64 *geometry;
	const struct lines_ops *ops;
	void *aux;
	struct rule_region now, next, old;
	enum rule_phase phase;
	uint32_t cursor;      /* lines of now (FILL) or old (CLEAR) that are done */
	uint32_t n;	      /* rules */
	uint32_t max_lines;   /* of half 0; half 1 has half as many, and there are a quarter as many spare ones, … */
	uint32_t first_spare; /* … from here on */
	struct numbers spare;
};

/* Chunks that a map for so many rules needs. */
uint32_t lines_chunks(uint32_t max_rules);
/* line: zeroed, those of lines_chunks(max_rules).  0 or -ENOMEM. */
int lines_open(struct lines *h, struct ofx_rule_line *line, __u64 *geometry, uint32_t max_rules,
	       const struct lines_ops *ops, void *aux);
void lines_close(struct lines *h);

/* Something will soon be done with this hash. */
void lines_prefetch(const struct lines *h, uint64_t hash);
/* A rule.  -EAGAIN: no line is left now, but will be; -ENOSPC: there is no room for it. */
int lines_add(struct lines *h, uint64_t hash, struct ofx_rule_ref ref);
/* Its word, or NULL. */
__u64 *lines_find(const struct lines *h, uint64_t hash, uint32_t slot);
/* Another word in place of the one with this slot, at once. */
void lines_change(struct lines *h, uint64_t hash, uint32_t slot, struct ofx_rule_ref ref);
void lines_remove(struct lines *h, uint64_t hash, uint32_t slot);

/*
 * A rule gets another hash: add it there, leave the former one; what is left is found by packets for a while, changed
 * together with the rule, and dropped after a grace period.  hash_of() knows the new one only.
 */
void lines_leave(struct lines *h);
void lines_drop(struct lines *h, uint64_t hash, uint32_t slot);

/* All words that may have this hash, that have its tag: for (word = first(); word; word = next()). */
struct rule_cursor {
	struct ofx_rule_line *line;
	uint64_t tag, hits; /* hits: ofx_line_hits() yet to be seen */
	uint32_t i;	    /* of the last one */
};
__u64 *lines_first(const struct lines *h, uint64_t hash, struct rule_cursor *c);
__u64 *lines_next(const struct lines *h, struct rule_cursor *c);

/* Go on growing, so many lines; false: nothing to do now. */
bool lines_step(struct lines *h, uint32_t lines);

#endif
