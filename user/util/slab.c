/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/util/slab.h"

#include <stdlib.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

#define SLAB_CHUNK (64 * 1024 - 64) /* with malloc's own header no more than 16 pages */
#define CHUNK_HEAD 16

static size_t per_chunk(const struct slab *slab)
{
	return (SLAB_CHUNK - CHUNK_HEAD) / slab->size;
}

static void *new_object(struct slab *slab)
{
	uint8_t *at;

	if (!slab->n_left) {
		struct slab_object *chunk = malloc(SLAB_CHUNK);

		if (!chunk)
			return NULL;
		chunk->next = slab->chunks;
		slab->chunks = chunk;
		slab->n_left = per_chunk(slab);
		ASAN_POISON_MEMORY_REGION((uint8_t *)chunk + CHUNK_HEAD, SLAB_CHUNK - CHUNK_HEAD);
	}
	at = (uint8_t *)slab->chunks + CHUNK_HEAD + (per_chunk(slab) - slab->n_left--) * slab->size;
	return at;
}

void *slab_take(struct slab *slab)
{
	struct slab_object *object = slab->free;

	if (!object)
		object = new_object(slab);
	if (!object)
		return NULL;
	ASAN_UNPOISON_MEMORY_REGION(object, slab->size);
	if (object == slab->free)
		slab->free = object->next;
	slab->n_used++;
	return object;
}

void slab_give(struct slab *slab, void *object)
{
	struct slab_object *o = object;

	o->next = slab->free;
	slab->free = o;
	ASAN_POISON_MEMORY_REGION(object, slab->size);
	if (!--slab->n_used)
		slab_close(slab); /* the next ones lie in order again, not where the last ones happened to end */
}

void slab_close(struct slab *slab)
{
	struct slab_object *chunk;

	while ((chunk = slab->chunks)) {
		slab->chunks = chunk->next;
		ASAN_UNPOISON_MEMORY_REGION((uint8_t *)chunk + CHUNK_HEAD, SLAB_CHUNK - CHUNK_HEAD);
		free(chunk);
	}
	*slab = (struct slab){.size = slab->size};
}
