/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/util/slab.h"

#include <stdlib.h>
#include <sys/mman.h>

#define SLAB_CHUNK (64 * 1024)
#define CHUNK_HEAD 16

/*
 * From the system, not from malloc's heap: that gives memory back when its last part is free, all at once.  Under the
 * sanitizers from malloc, which knows what is pointed to from there.
 */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>

static void *chunk_new(void)
{
	return malloc(SLAB_CHUNK);
}

static void chunk_free(void *chunk)
{
	ASAN_UNPOISON_MEMORY_REGION(chunk, SLAB_CHUNK);
	free(chunk);
}
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))

static void *chunk_new(void)
{
	void *chunk = mmap(NULL, SLAB_CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return chunk == MAP_FAILED ? NULL : chunk;
}

static void chunk_free(void *chunk)
{
	munmap(chunk, SLAB_CHUNK);
}
#endif

static size_t per_chunk(const struct slab *slab)
{
	return (SLAB_CHUNK - CHUNK_HEAD) / slab->size;
}

static void push(struct slab_object **list, struct slab_object *o)
{
	o->next = *list;
	*list = o;
}

static struct slab_object *pop(struct slab_object **list)
{
	struct slab_object *o = *list;

	if (o)
		*list = o->next;
	return o;
}

static bool add_chunk(struct slab *slab)
{
	struct slab_object *chunk = pop(&slab->idle);

	if (!chunk)
		chunk = chunk_new();
	if (!chunk)
		return false;
	push(&slab->chunks, chunk);
	slab->n_left = per_chunk(slab);
	ASAN_POISON_MEMORY_REGION((uint8_t *)chunk + CHUNK_HEAD, SLAB_CHUNK - CHUNK_HEAD);
	return true;
}

static void *new_object(struct slab *slab)
{
	uint8_t *at;

	if (!slab->n_left && !add_chunk(slab))
		return NULL;
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
	push(&slab->free, object);
	ASAN_POISON_MEMORY_REGION(object, slab->size);
	if (--slab->n_used)
		return;
	/* the next ones lie in order again, not where the last ones happened to end */
	slab->free = NULL;
	slab->n_left = 0;
	for (struct slab_object *chunk; (chunk = pop(&slab->chunks));)
		push(&slab->idle, chunk);
}

void slab_trim(struct slab *slab, unsigned int n)
{
	for (struct slab_object *chunk; n && (chunk = pop(&slab->idle)); n--)
		chunk_free(chunk);
}

void slab_close(struct slab *slab)
{
	for (struct slab_object *chunk; (chunk = pop(&slab->chunks));)
		chunk_free(chunk);
	while (slab->idle)
		slab_trim(slab, 1);
	*slab = (struct slab){.size = slab->size};
}
