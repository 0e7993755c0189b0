/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Objects of one size, by the million: no header beside each of them, those made together lie together.  What is given
 * back is used again; memory goes back to the system when the last object does.
 */
#ifndef UTIL_SLAB_H
#define UTIL_SLAB_H

#include <stddef.h>
#include <stdint.h>

struct slab_object {
	struct slab_object *next;
};

struct slab {
	size_t size;		  /* of an object: a multiple of 8 */
	struct slab_object *free; /* given back */
	struct slab_object *chunks;
	size_t n_used;
	size_t n_left; /* objects of the newest chunk that were never used */
};

static inline struct slab slab_of(size_t size)
{
	return (struct slab){.size = size};
}

/* Not cleared.  NULL: out of memory. */
void *slab_take(struct slab *slab);
void slab_give(struct slab *slab, void *object);
/* All objects end, given back or not. */
void slab_close(struct slab *slab);

#endif
