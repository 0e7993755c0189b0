/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>
#include "user/switch/internal.h"

#define FIRST_BUCKETS 16

uint32_t sw_table_hash(const struct sw *sw, uint16_t priority, const struct sw_match *match)
{
	return sw_match_hash(match, sw->secret + priority);
}

struct sw_flow *sw_table_find(struct sw *sw, uint8_t table, uint16_t priority, const struct sw_match *match)
{
	const struct sw_table *t = &sw->tables[table];
	uint32_t hash = sw_table_hash(sw, priority, match);

	if (!t->n_buckets)
		return NULL;
	for (struct sw_flow *f = t->buckets[hash & (t->n_buckets - 1)]; f; f = f->next)
		if (f->hash == hash && f->priority == priority && sw_match_equal(&f->match, match))
			return f;
	return NULL;
}

static void rehash(struct sw_table *t, struct sw_flow **buckets, uint32_t n_buckets)
{
	for (uint32_t i = 0; i < t->n_buckets; i++)
		for (struct sw_flow *f = t->buckets[i], *next; f; f = next) {
			struct sw_flow **bucket = &buckets[f->hash & (n_buckets - 1)];

			next = f->next;
			f->next = *bucket;
			*bucket = f;
		}
	free(t->buckets);
	t->buckets = buckets;
	t->n_buckets = n_buckets;
}

int sw_table_reserve(struct sw *sw, uint8_t table)
{
	struct sw_table *t = &sw->tables[table];
	uint32_t n_buckets = t->n_buckets ? 2 * t->n_buckets : FIRST_BUCKETS;
	struct sw_flow **buckets;

	if (t->n_flows < t->n_buckets)
		return 0;
	buckets = calloc(n_buckets, sizeof(*buckets));
	if (buckets)
		rehash(t, buckets, n_buckets);
	else if (!t->n_buckets)
		return -ENOMEM;
	return 0; /* without the memory, chains get longer */
}

void sw_table_insert(struct sw *sw, struct sw_flow *flow)
{
	struct sw_table *t = &sw->tables[flow->table];
	struct sw_flow **bucket = &t->buckets[flow->hash & (t->n_buckets - 1)];

	flow->next = *bucket;
	*bucket = flow;
	t->n_flows++;
}

void sw_table_remove(struct sw *sw, struct sw_flow *flow)
{
	struct sw_table *t = &sw->tables[flow->table];
	struct sw_flow **at = &t->buckets[flow->hash & (t->n_buckets - 1)];

	while (*at != flow)
		at = &(*at)->next;
	*at = flow->next;
	flow->next = NULL;
	t->n_flows--;
}
