/* SPDX-License-Identifier: GPL-2.0-only */
/* The microflow cache's user side: which key bits rules look at, and the generation (include/ofxdp/cache.h). */
#ifndef DATAPATH_CACHE_H
#define DATAPATH_CACHE_H

#include <stdbool.h>
#include <stdint.h>
#include "include/ofxdp/cache.h"

struct dp;

/* Do these masks leave plain packets short keys (struct ofx_cache_live, .short_keys)? */
static inline bool cache_keys_are_short(const __u64 *mask)
{
	const struct ofx_key other = {.eth_dst = {255, 255, 255, 255, 255, 255},
				      .eth_src = {255, 255, 255, 255, 255, 255},
				      .tcp_flags = 0xffff};

	return !(mask[OFX_W_ETH_DST] & other.w[OFX_W_ETH_DST]) && !(mask[OFX_W_ETH_SRC] & other.w[OFX_W_ETH_SRC]) &&
	       !(mask[OFX_W_FLABEL] & other.w[OFX_W_FLABEL]);
}

/* Needs the skeleton loaded.  From here on BPF uses the cache. */
void cache_open(struct dp *dp);
/* A rule is going to look at these bits: before it can be reached.  .shape is not looked at. */
void cache_widen(struct dp *dp, const struct ofx_key *mask);
/* Rules look at no other bits than these, since before the last dp_generation_bump(). */
void cache_narrow(struct dp *dp, const struct ofx_key *mask);
/* What BPF reads when it walks the tables has changed: the next packet walks anew. */
void dp_generation_bump(struct dp *dp);

#endif
