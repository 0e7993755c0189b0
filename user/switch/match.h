/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A match packed for storage: only the key words it looks at.  struct of_match is 272 bytes, a typical packed one 24 to
 * 88; with a million flow entries that difference matters.
 *
 * Two matches are the same rule exactly if their words, values and masks are equal.  `fields` and `masked` (what the
 * controller wrote, for statistics) do not count: a field with an all-zero mask equals no field (§7.2.3.5).
 */
#ifndef SWITCH_MATCH_H
#define SWITCH_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "user/openflow/match.h"

struct sw_match {
	uint64_t fields, masked; /* as in struct of_match */
	uint16_t words;		 /* bit i: key word i has a mask */
	uint16_t n;		 /* number of bits in `words` */
	uint64_t w[];		 /* n times value, mask; by rising word number */
};

/* Room for any packed match, for those on the stack. */
union sw_match_space {
	struct sw_match m;
	uint64_t room[3 + 2 * OFX_KEY_WORDS];
};

static inline size_t sw_match_size(const struct sw_match *m)
{
	return sizeof(*m) + m->n * 2 * sizeof(uint64_t);
}

/* Fields that the packet parser knows; a match on others is refused (OFPBMC_BAD_FIELD). */
#define SW_FIELD(f) (1ull << OFX_F_##f)
#define SW_MATCH_FIELDS                                                                                                \
	(((1ull << OFX_N_FIELDS) - 1) &                                                                                \
	 ~(SW_FIELD(PBB_UCA) | SW_FIELD(TCP_FLAGS) | SW_FIELD(PACKET_TYPE) | SW_FIELD(ACTSET_OUTPUT)))

/* 0 or OFPET_BAD_MATCH: a field the switch does not know, an in_port that no packet can have. */
int sw_match_check(const struct of_match *match);

const struct sw_match *sw_match_pack(union sw_match_space *space, const struct of_match *match);
void sw_match_unpack(const struct sw_match *m, struct of_match *match);
uint64_t sw_match_hash(const struct sw_match *m, uint64_t seed);
bool sw_match_equal(const struct sw_match *a, const struct sw_match *b);
/* Every packet that `b` matches is matched by `a` (non-strict flow-mods, §6.4). */
bool sw_match_covers(const struct sw_match *a, const struct sw_match *b);
/* One packet may match both (OFPFF_CHECK_OVERLAP). */
bool sw_match_overlaps(const struct sw_match *a, const struct sw_match *b);

#endif
