/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A match in two parts: its shape, which bits of the key it looks at, and their values.  Thousands of flow entries have
 * the same shape: it is kept once (subtable.h), beside an entry are only the values, 8 to 120 bytes.
 *
 * Two matches are the same rule exactly if shape and values are equal.  How the controller wrote a field with a mask of
 * all ones does not count: it is a field without one.
 */
#ifndef SWITCH_MATCH_H
#define SWITCH_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "user/openflow/match.h"

struct sw_shape {
	uint64_t fields, masked;      /* as in struct of_match, but for masks of all ones */
	uint32_t words;		      /* bit i: key word i has a mask */
	uint32_t n;		      /* number of bits in `words` */
	uint64_t mask[OFX_KEY_WORDS]; /* n are used, by rising word number; the others are not initialised */
};

/* Bytes that tell two shapes apart, from the struct's begin. */
static inline size_t sw_shape_size(const struct sw_shape *s)
{
	return offsetof(struct sw_shape, mask) + s->n * sizeof(s->mask[0]);
}

struct sw_match {
	struct sw_shape shape;
	uint64_t value[OFX_KEY_WORDS]; /* as mask[] */
};

/* Fields that the packet parser knows; a match on others is refused (OFPBMC_BAD_FIELD). */
#define SW_FIELD(f) (1ull << OFX_F_##f)
#define SW_MATCH_FIELDS                                                                                                \
	(((1ull << OFX_N_FIELDS) - 1) &                                                                                \
	 ~(SW_FIELD(PBB_UCA) | SW_FIELD(TCP_FLAGS) | SW_FIELD(PACKET_TYPE) | SW_FIELD(ACTSET_OUTPUT)))

/* 0 or OFPET_BAD_MATCH: a field the switch does not know, an in_port that no packet can have. */
int sw_match_check(const struct of_match *match);

void sw_match_pack(struct sw_match *m, const struct of_match *match);
void sw_match_unpack(const struct sw_shape *shape, const uint64_t *value, struct of_match *match);
bool sw_shape_equal(const struct sw_shape *a, const struct sw_shape *b);
/* `b` looks at all bits that `a` looks at. */
bool sw_shape_covers(const struct sw_shape *a, const struct sw_shape *b);
/* secret: SW_HASH_SECRETS random words. */
#define SW_HASH_SECRETS (OFX_KEY_WORDS + 1)
uint32_t sw_match_hash(const uint64_t *value, unsigned int n, uint16_t priority, const uint64_t *secret);
/* Every packet that the match of `b` and `value` matches is matched by `a` (non-strict flow-mods, §6.4). */
bool sw_match_covers(const struct sw_match *a, const struct sw_shape *b, const uint64_t *value);
/* One packet may match both (OFPFF_CHECK_OVERLAP). */
bool sw_match_overlaps(const struct sw_match *a, const struct sw_shape *b, const uint64_t *value);

#endif
