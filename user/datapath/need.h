/* SPDX-License-Identifier: GPL-2.0-only */
/* Is there memory for a switch?  Asked before anything is made: what the kernel cannot give, it takes by killing. */
#ifndef DATAPATH_NEED_H
#define DATAPATH_NEED_H

struct dp;

/*
 * The skeleton is open and its sizes set, dp->cpus planned.  Caches are made smaller where memory is short.  0, or
 * -ENOMEM and a sentence has been logged that says how much is needed.
 */
int need_memory(struct dp *dp);

#endif
