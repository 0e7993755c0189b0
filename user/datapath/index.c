/* SPDX-License-Identifier: GPL-2.0-only */
/* The heads of a lookup's chains by key. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/datapath/table.h"
#include "user/util/cleanup.h"

#define INDEX_MIN 4

uint32_t index_hash(const uint64_t *key, unsigned int words)
{
	uint64_t h = 0x9e3779b97f4a7c15u;

	for (unsigned int i = 0; i < words; i++) {
		h = (h ^ key[i]) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	return h ^ h >> 29;
}

struct dp_flow **index_find(const struct flow_index *index, const uint64_t *key, unsigned int words, uint32_t hash)
{
	if (!index->size)
		return NULL;
	for (uint32_t i = hash & (index->size - 1); index->heads[i]; i = (i + 1) & (index->size - 1))
		if (index->heads[i]->hash == hash && !memcmp(index->heads[i]->key, key, words * sizeof(*key)))
			return &index->heads[i];
	return NULL;
}

/* The key is known not to be there and there is room. */
static void index_put(struct flow_index *index, struct dp_flow *head)
{
	uint32_t i = head->hash & (index->size - 1);

	while (index->heads[i])
		i = (i + 1) & (index->size - 1);
	index->heads[i] = head;
}

static int index_resize(struct flow_index *index, uint32_t size)
{
	struct flow_index larger = {.heads = calloc(size, sizeof(*larger.heads)), .size = size, .n = index->n};

	if (!larger.heads)
		return -ENOMEM;
	for (uint32_t i = 0; i < index->size; i++)
		if (index->heads[i])
			index_put(&larger, index->heads[i]);
	free(index->heads);
	*index = larger;
	return 0;
}

int index_insert(struct flow_index *index, struct dp_flow *head)
{
	if ((index->n + 1) * 4ull > index->size * 3ull) {
		int err = index_resize(index, index->size ? index->size * 2 : INDEX_MIN);

		if (err)
			return err;
	}
	index_put(index, head);
	index->n++;
	return 0;
}

/* Linear probing without tombstones: entries behind the hole move up if their probe would pass it. */
void index_remove(struct flow_index *index, struct dp_flow **where)
{
	uint32_t mask = index->size - 1;
	uint32_t hole = where - index->heads;

	for (uint32_t i = (hole + 1) & mask; index->heads[i]; i = (i + 1) & mask) {
		uint32_t home = index->heads[i]->hash & mask;

		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		index->heads[hole] = index->heads[i];
		hole = i;
	}
	index->heads[hole] = NULL;
	index->n--;
	if (index->size > 64 && index->n < index->size / 8)
		(void)index_resize(index, index->size / 2); /* no memory: it stays large */
}

void index_close(struct flow_index *index)
{
	free(take_ptr(index->heads));
	*index = (struct flow_index){0};
}
