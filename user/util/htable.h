/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A hash table for up to millions of objects, which grows by one bucket with each insert (linear hashing: Litwin, VLDB
 * 1980).  uthash doubles all at once, which for a million takes a hundred milliseconds: too long where others wait.
 *
 * Objects have a struct hlink in them and are the caller's.  Zero-initialised is empty.
 */
#ifndef UTIL_HTABLE_H
#define UTIL_HTABLE_H

#include <stdbool.h>
#include <stdint.h>

struct hlink {
	struct hlink *next; /* in its bucket */
	uint32_t hash;
};

struct htable {
	struct hlink **bucket;
	uint32_t n;	    /* objects */
	uint32_t n_buckets; /* in use: at least as many as objects, as far as memory goes */
	uint32_t room;	    /* for so many; a power of two */
};

/* False: out of memory, and it was not put in (which can only be so for the first). */
bool htable_insert(struct htable *t, struct hlink *link, uint32_t hash);
void htable_remove(struct htable *t, struct hlink *link);
/* Objects of this hash: for (l = htable_first(t, hash); l; l = htable_next(l)). */
struct hlink *htable_first(const struct htable *t, uint32_t hash);
struct hlink *htable_next(const struct hlink *link);
/* Forget all objects, free what it has itself. */
void htable_free(struct htable *t);

#endif
