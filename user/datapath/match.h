/* SPDX-License-Identifier: GPL-2.0-only */
/* From a match to the bits of the key that packets are looked up by. */
#ifndef DATAPATH_MATCH_H
#define DATAPATH_MATCH_H

#include "user/openflow/match.h"

/*
 * The match's mask; and where it asks a header for zeros only, the bit by which that header's absence shows
 * (OFX_NO_*), for that has zeros, too.  The bit's value in the match is 0, as the match has it.
 */
void match_mask(const struct of_match *match, struct ofx_key *mask);

#endif
