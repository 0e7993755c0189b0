/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdlib.h>
#include <string.h>
#include "user/switch/internal.h"
#include "user/util/memory.h"

#define FIRST_BITS 2
#define MAX_BITS 28
#define ADDRESS ((1ull << 48) - 1) /* of a bucket's word */
#define MOVES 4			   /* old buckets moved with each insert: two would do before the next doubling */

struct sw_subtable *sw_subtable_find(struct sw *sw, uint8_t table, const struct sw_shape *shape)
{
	struct sw_table *t = &sw->tables[table];
	struct sw_subtable *s = t->last;

	if (s && sw_shape_equal(&s->shape, shape))
		return s;
	HASH_FIND(hh, t->subtables, shape, sw_shape_size(shape), s);
	if (s)
		t->last = s;
	return s;
}

static struct sw_subtable *subtable_new(struct sw *sw, uint8_t table, const struct sw_shape *shape)
{
	size_t key = sw_shape_size(shape);
	struct sw_subtable *s = calloc(1, offsetof(struct sw_subtable, shape) + key);

	if (!s)
		return NULL;
	s->buckets = calloc(1u << FIRST_BITS, sizeof(*s->buckets));
	s->bits = FIRST_BITS;
	s->sw = sw;
	s->table = table;
	memcpy(&s->shape, shape, key);
	if (s->buckets && hash_add_key(sw->tables[table].subtables, &s->shape, key, s))
		return s;
	free(s->buckets);
	free(s);
	return NULL;
}

struct sw_subtable *sw_subtable_get(struct sw *sw, uint8_t table, const struct sw_shape *shape)
{
	struct sw_subtable *s = sw_subtable_find(sw, table, shape);

	if (!s)
		s = subtable_new(sw, table, shape);
	if (s)
		s->refs++;
	return s;
}

void sw_subtable_free(struct sw_subtable *s)
{
	struct sw_table *t = &s->sw->tables[s->table];

	if (t->last == s)
		t->last = NULL;
	HASH_DEL(t->subtables, s);
	free(s->buckets);
	free(s->old);
	free(s);
}

void sw_subtable_put(struct sw_subtable *s)
{
	if (!--s->refs)
		sw_subtable_free(s);
}

/* Is the old bucket of this hash still to be moved? */
static bool is_old(const struct sw_subtable *s, uint32_t hash)
{
	return s->old && hash >> (33 - s->bits) >= s->n_moved;
}

static uint64_t *bucket_of(const struct sw_subtable *s, uint32_t hash)
{
	return is_old(s, hash) ? &s->old[hash >> (33 - s->bits)] : &s->buckets[hash >> (32 - s->bits)];
}

static struct sw_flow *first_of(uint64_t word)
{
	return (struct sw_flow *)(uintptr_t)(word & ADDRESS);
}

static uint64_t filter_bit(uint32_t hash)
{
	return 1ull << (48 + hash % 16);
}

static void bucket_push(uint64_t *bucket, struct sw_flow *flow)
{
	flow->next = first_of(*bucket);
	*bucket = (*bucket & ~ADDRESS) | filter_bit(flow->hash) | (uintptr_t)flow;
}

struct sw_flow *sw_subtable_first(const struct sw_subtable *s, uint32_t hash)
{
	return first_of(*bucket_of(s, hash));
}

struct sw_flow *sw_subtable_ahead(const struct sw_subtable *s, uint32_t hash, unsigned int n)
{
	uint64_t there = hash + ((uint64_t)n << (32 - s->bits));

	return there >> 32 ? NULL : sw_subtable_first(s, there);
}

struct sw_flow *sw_subtable_candidates(const struct sw_subtable *s, uint32_t hash)
{
	uint64_t word = *bucket_of(s, hash);

	return word & filter_bit(hash) ? first_of(word) : NULL;
}

void sw_subtable_prefetch(const struct sw_subtable *s, uint32_t hash)
{
	__builtin_prefetch(bucket_of(s, hash), 1);
}

uint64_t sw_subtable_next(const struct sw_subtable *s, uint32_t hash)
{
	unsigned int shift = is_old(s, hash) ? 33 - s->bits : 32 - s->bits;

	return ((uint64_t)(hash >> shift) + 1) << shift;
}

static void move_bucket(struct sw_subtable *s)
{
	for (struct sw_flow *f = first_of(s->old[s->n_moved]), *next; f; f = next) {
		next = f->next;
		bucket_push(&s->buckets[f->hash >> (32 - s->bits)], f);
	}
	s->n_moved++;
}

/* Buckets stand in the order they are moved in, their entries anywhere: ask for those of the next insert. */
static void prefetch_moves(const struct sw_subtable *s)
{
	const uint32_t n = 1u << (s->bits - 1);

	for (uint32_t i = s->n_moved + 2 * MOVES; i < s->n_moved + 3 * MOVES && i < n; i++)
		__builtin_prefetch(first_of(s->old[i]));
}

static void move_some(struct sw_subtable *s)
{
	prefetch_moves(s);
	for (int i = 0; i < MOVES && s->old; i++) {
		move_bucket(s);
		if (s->n_moved < 1u << (s->bits - 1))
			continue;
		free(s->old);
		s->old = NULL;
	}
}

/* Without the memory, chains get longer. */
static void double_buckets(struct sw_subtable *s)
{
	const size_t n = 2u << s->bits;
	uint64_t *buckets = memory_may_grow(n * sizeof(*buckets)) ? calloc(n, sizeof(*buckets)) : NULL;

	if (!buckets)
		return;
	s->old = s->buckets;
	s->n_moved = 0;
	s->buckets = buckets;
	s->bits++;
}

void sw_subtable_insert(struct sw_subtable *s, struct sw_flow *flow)
{
	if (s->old)
		move_some(s);
	else if (s->n_flows >= 1u << s->bits && s->bits < MAX_BITS)
		double_buckets(s);
	bucket_push(bucket_of(s, flow->hash), flow);
	s->n_flows++;
	s->sw->tables[s->table].n_flows++;
}

void sw_subtable_remove(struct sw_subtable *s, struct sw_flow *flow)
{
	uint64_t *bucket = bucket_of(s, flow->hash);
	struct sw_flow *before = first_of(*bucket);

	if (before == flow) {
		/* an emptied bucket's filter, too */
		*bucket = flow->next ? (*bucket & ~ADDRESS) | (uintptr_t)flow->next : 0;
	} else {
		while (before->next != flow)
			before = before->next;
		before->next = flow->next;
	}
	flow->next = NULL;
	s->n_flows--;
	s->sw->tables[s->table].n_flows--;
}
