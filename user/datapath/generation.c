/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/generation.h"
#include "build/ofxdp.skel.h"
#include "user/datapath/internal.h"

int generation_open(struct dp *dp)
{
	return mapped_open(&dp->generation_word, dp->skel->maps.generation, true);
}

void generation_close(struct dp *dp)
{
	mapped_close(&dp->generation_word);
}

void dp_generation_bump(struct dp *dp)
{
	/* full order: the writes before are seen by whoever sees the new number, and at once */
	__atomic_add_fetch((uint64_t *)dp->generation_word.at, 1, __ATOMIC_SEQ_CST);
}
