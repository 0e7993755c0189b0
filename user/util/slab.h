/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Objects of one size, by the million: no header beside each of them, those made together lie together.  What is given
 * back is used again.  When the last object is given back, all the memory waits to be used anew, in order, or to be
 * freed with slab_trim(): a hundred megabytes at once would take tens of milliseconds.
 */
#ifndef UTIL_SLAB_H
#define UTIL_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slab_object {
	struct slab_object *next;
};

struct slab {
	size_t size;		  /* of an object: a multiple of 8 */
	struct slab_object *free; /* given back */
	struct slab_object *chunks;
	struct slab_object *idle; /* chunks without objects */
	struct slab_object *bare; /* … whose memory was given back, all but their places */
	size_t n_used;
	size_t n_left;	 /* objects of the newest chunk that were never used */
	size_t n_chunks; /* of all kinds */
	size_t reserved; /* objects */
};

static inline struct slab slab_of(size_t size)
{
	return (struct slab){.size = size};
}

/*
 * From now on so many objects can be used at a time without fail: their places are taken, and memory with their first
 * use.  False: out of memory, and what could be had before still can.
 */
bool slab_reserve(struct slab *slab, size_t n);
/* Not cleared.  NULL: out of memory. */
void *slab_take(struct slab *slab);
void slab_give(struct slab *slab, void *object);
static inline bool slab_is_idle(const struct slab *slab)
{
	return slab->idle;
}

/* Free up to n idle chunks, of 64 KB; of those that are reserved, the memory only. */
void slab_trim(struct slab *slab, unsigned int n);
/* All objects end, given back or not; all memory is freed. */
void slab_close(struct slab *slab);

#endif
