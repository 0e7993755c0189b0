/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The generation of all that the flow tables say: map `generation`, one number that the flow cache keeps beside each
 * verdict.  A verdict made under another generation than the present one is void.
 */
#ifndef DATAPATH_GENERATION_H
#define DATAPATH_GENERATION_H

struct dp;

/* Needs the skeleton loaded. */
int generation_open(struct dp *dp);
void generation_close(struct dp *dp);
/*
 * Make every cached verdict void.  Call it *after* the writes that change what resolve finds (rule words, lists,
 * roots): BPF reads the generation before it resolves, so no verdict from before the writes outlives this call.
 */
void dp_generation_bump(struct dp *dp);

#endif
