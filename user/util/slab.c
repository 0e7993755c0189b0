/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/util/slab.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

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

static void chunk_forget(void *chunk)
{
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

/* All but its first page, where it is linked. */
static void chunk_forget(void *chunk)
{
	const size_t page = sysconf(_SC_PAGESIZE);

	if (page < SLAB_CHUNK)
		madvise((uint8_t *)chunk + page, SLAB_CHUNK - page, MADV_DONTNEED);
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

static struct slab_object *more(struct slab *slab)
{
	struct slab_object *chunk = chunk_new();

	slab->n_chunks += chunk != NULL;
	return chunk;
}

bool slab_reserve(struct slab *slab, size_t n)
{
	while (slab->n_chunks * per_chunk(slab) < n) {
		struct slab_object *chunk = more(slab);

		if (!chunk)
			return false;
		push(&slab->bare, chunk);
	}
	slab->reserved = n;
	return true;
}

static bool add_chunk(struct slab *slab)
{
	struct slab_object *chunk = pop(&slab->idle) ?: pop(&slab->bare) ?: more(slab);

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
	for (struct slab_object *chunk; n && (chunk = pop(&slab->idle)); n--) {
		if ((slab->n_chunks - 1) * per_chunk(slab) < slab->reserved) {
			chunk_forget(chunk);
			push(&slab->bare, chunk);
		} else {
			chunk_free(chunk);
			slab->n_chunks--;
		}
	}
}

static void free_all(struct slab_object **list)
{
	for (struct slab_object *chunk; (chunk = pop(list));)
		chunk_free(chunk);
}

void slab_close(struct slab *slab)
{
	free_all(&slab->chunks);
	free_all(&slab->idle);
	free_all(&slab->bare);
	*slab = (struct slab){.size = slab->size};
}
