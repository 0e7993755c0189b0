/* SPDX-License-Identifier: GPL-2.0-only */
/* The microflow cache's user side: which key bits rules look at, and the generation (include/ofxdp/cache.h). */
#ifndef DATAPATH_CACHE_H
#define DATAPATH_CACHE_H

#include <stdint.h>
#include "include/ofxdp/cache.h"

struct dp;

/* What plain packets need while rules look at no more than these masks. */
enum ofx_short_keys cache_short_keys(const __u64 mask[OFX_KEY_WORDS]);
/* Needs the skeleton loaded.  From here on BPF uses the cache. */
void cache_open(struct dp *dp);
/* A rule is going to look at these bits: before it can be reached.  .shape is not looked at. */
void cache_widen(struct dp *dp, const struct ofx_key *mask);
/* Rules look at no other bits than these, since before the last dp_generation_bump(). */
void cache_narrow(struct dp *dp, const struct ofx_key *mask);
/* Frames up to this length, bytes, every port takes (struct ofx_cache_live, .ports_take). */
void cache_ports_take(struct dp *dp, uint32_t len);
/* What BPF reads when it walks the tables has changed: the next packet walks anew. */
void dp_generation_bump(struct dp *dp);

#endif
