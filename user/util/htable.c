/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/util/htable.h"
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 16

/*
 * Buckets 0 … n_buckets - 1.  A hash's bucket is given by as many of its low bits as it takes to write n_buckets - 1,
 * and by one bit less where that bucket is not there yet.
 */
static uint32_t bucket_of(const struct htable *t, uint32_t hash)
{
	const uint32_t mask = t->n_buckets > 1 ? UINT32_MAX >> __builtin_clz(t->n_buckets - 1) : 0;
	const uint32_t at = hash & mask;

	return at < t->n_buckets ? at : at & mask >> 1;
}

static bool make_room(struct htable *t)
{
	const uint32_t room = t->room ? 2 * t->room : FIRST_ROOM;
	struct hlink **bucket = realloc(t->bucket, room * sizeof(*bucket));

	if (!bucket)
		return false;
	t->bucket = bucket;
	t->room = room;
	return true;
}

/* One bucket more: it takes its objects from the one that had them until now. */
static void add_bucket(struct htable *t)
{
	const uint32_t added = t->n_buckets;
	struct hlink *left;

	if (added == t->room && !make_room(t))
		return;
	t->bucket[added] = NULL;
	t->n_buckets++;
	if (!added)
		return;
	left = t->bucket[added ^ 1u << (31 - __builtin_clz(added))];
	t->bucket[added ^ 1u << (31 - __builtin_clz(added))] = NULL;
	while (left) {
		struct hlink *link = left, **to = &t->bucket[bucket_of(t, link->hash)];

		left = link->next;
		link->next = *to;
		*to = link;
	}
}

bool htable_insert(struct htable *t, struct hlink *link, uint32_t hash)
{
	struct hlink **to;

	if (t->n >= t->n_buckets)
		add_bucket(t);
	if (!t->n_buckets)
		return false;
	to = &t->bucket[bucket_of(t, hash)];
	*link = (struct hlink){.next = *to, .hash = hash};
	*to = link;
	t->n++;
	return true;
}

void htable_remove(struct htable *t, struct hlink *link)
{
	struct hlink **at = &t->bucket[bucket_of(t, link->hash)];

	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	t->n--;
}

static struct hlink *with_hash(struct hlink *link, uint32_t hash)
{
	while (link && link->hash != hash)
		link = link->next;
	return link;
}

struct hlink *htable_first(const struct htable *t, uint32_t hash)
{
	return t->n ? with_hash(t->bucket[bucket_of(t, hash)], hash) : NULL;
}

struct hlink *htable_next(const struct hlink *link)
{
	return with_hash(link->next, link->hash);
}

void htable_free(struct htable *t)
{
	free(t->bucket);
	memset(t, 0, sizeof(*t));
}
