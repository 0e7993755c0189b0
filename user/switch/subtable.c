/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdlib.h>
#include <string.h>
#include "user/switch/internal.h"

#define FIRST_BITS 2
#define MAX_BITS 28
#define MOVES 4 /* old buckets moved with each insert: two would do before the next doubling */

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
	if (!s->buckets) {
		free(s);
		return NULL;
	}
	s->bits = FIRST_BITS;
	s->sw = sw;
	s->table = table;
	memcpy(&s->shape, shape, key);
	HASH_ADD_KEYPTR(hh, sw->tables[table].subtables, &s->shape, key, s);
	return s;
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

struct sw_flow **sw_subtable_bucket(const struct sw_subtable *s, uint32_t hash)
{
	return is_old(s, hash) ? &s->old[hash >> (33 - s->bits)] : &s->buckets[hash >> (32 - s->bits)];
}

uint64_t sw_subtable_next(const struct sw_subtable *s, uint32_t hash)
{
	unsigned int shift = is_old(s, hash) ? 33 - s->bits : 32 - s->bits;

	return ((uint64_t)(hash >> shift) + 1) << shift;
}

static void move_bucket(struct sw_subtable *s)
{
	for (struct sw_flow *f = s->old[s->n_moved], *next; f; f = next) {
		struct sw_flow **to = &s->buckets[f->hash >> (32 - s->bits)];

		next = f->next;
		f->next = *to;
		*to = f;
	}
	s->n_moved++;
}

/* Buckets stand in the order they are moved in, their entries anywhere: ask for those of the next insert. */
static void prefetch_moves(const struct sw_subtable *s)
{
	const uint32_t n = 1u << (s->bits - 1);

	for (uint32_t i = s->n_moved + 2 * MOVES; i < s->n_moved + 3 * MOVES && i < n; i++)
		__builtin_prefetch(s->old[i]);
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
	struct sw_flow **buckets = calloc(2u << s->bits, sizeof(*buckets));

	if (!buckets)
		return;
	s->old = s->buckets;
	s->n_moved = 0;
	s->buckets = buckets;
	s->bits++;
}

void sw_subtable_insert(struct sw_subtable *s, struct sw_flow *flow)
{
	struct sw_flow **bucket;

	if (s->old)
		move_some(s);
	else if (s->n_flows >= 1u << s->bits && s->bits < MAX_BITS)
		double_buckets(s);
	bucket = sw_subtable_bucket(s, flow->hash);
	flow->next = *bucket;
	*bucket = flow;
	s->n_flows++;
	s->sw->tables[s->table].n_flows++;
}

void sw_subtable_remove(struct sw_subtable *s, struct sw_flow *flow)
{
	struct sw_flow **at = sw_subtable_bucket(s, flow->hash);

	while (*at != flow)
		at = &(*at)->next;
	*at = flow->next;
	flow->next = NULL;
	s->n_flows--;
	s->sw->tables[s->table].n_flows--;
}
