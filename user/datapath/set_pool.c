/* SPDX-License-Identifier: GPL-2.0-only */
#include <bpf/bpf.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include "user/datapath/set_pool.h"
#include "user/util/cleanup.h"

#define PAIR_ROOM 2

struct place {
	uint32_t index;
	int fds[SET_KINDS];
	bool taken;
};

struct set_pool {
	int outer_fds[SET_KINDS];
	uint32_t capacity, soon, n;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows, and of places below `made` */
	pthread_cond_t changed;
	uint32_t made; /* places that have their sets */
	bool ended;
	struct place places[];
};

int set_new(enum set_kind kind, uint32_t room)
{
	static const char *const names[SET_KINDS] = {"pair", "flood", "flood_more"};
	int fd = bpf_map_create(BPF_MAP_TYPE_DEVMAP_HASH, names[kind], sizeof(uint32_t), sizeof(uint32_t),
				kind == SET_PAIR ? PAIR_ROOM : room, NULL);

	return fd < 0 ? -errno : fd;
}

int sets_publish(int outer_fd, const uint32_t *keys, const int *fds, uint32_t n)
{
	uint32_t done = n;

	if (n > 1 && !bpf_map_update_batch(outer_fd, keys, fds, &done, NULL))
		return 0;
	for (uint32_t i = 0; i < n; i++)
		if (bpf_map_update_elem(outer_fd, &keys[i], &fds[i], BPF_ANY))
			return -errno;
	return 0;
}

static void place_close(struct place *place)
{
	for (uint32_t kind = 0; kind < SET_KINDS; kind++)
		cleanup_close(&place->fds[kind]);
}

/* One kind of sets for places from … to - 1. */
static int fill_kind(struct set_pool *p, enum set_kind kind, uint32_t from, uint32_t to)
{
	_free_ uint32_t *keys = calloc(p->n, sizeof(*keys));
	_free_ int *fds = calloc(p->n, sizeof(*fds));

	if (!keys || !fds)
		return -ENOMEM;
	for (uint32_t i = from; i < to; i++) {
		int fd = set_new(kind, p->capacity);

		if (fd < 0)
			return fd;
		p->places[i].fds[kind] = fds[i] = fd;
		keys[i] = p->places[i].index;
	}
	return sets_publish(p->outer_fds[kind], keys + from, fds + from, to - from);
}

static bool fill(struct set_pool *p, uint32_t from, uint32_t to)
{
	int err = 0;

	for (uint32_t kind = 0; kind < SET_KINDS && !err && from < to; kind++)
		err = fill_kind(p, kind, from, to);
	pthread_mutex_lock(&p->lock);
	p->made = err ? p->made : to;
	p->ended = err || to == p->n;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	return !p->ended;
}

static void *pool_thread(void *arg)
{
	struct set_pool *p = arg;

	if (fill(p, 0, p->soon))
		fill(p, p->soon, p->n);
	return NULL;
}

/* Signals are for the event loop's thread. */
static bool pool_start(struct set_pool *p)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&p->thread, NULL, pool_thread, p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return !err;
}

struct set_pool *set_pool_open(const int outer_fds[SET_KINDS], uint32_t capacity, const uint32_t *indexes, uint32_t n,
			       uint32_t soon)
{
	struct set_pool *p = calloc(1, sizeof(*p) + n * sizeof(p->places[0]));

	if (!p)
		return NULL;
	for (uint32_t kind = 0; kind < SET_KINDS; kind++)
		p->outer_fds[kind] = outer_fds[kind];
	p->capacity = capacity;
	p->soon = soon;
	p->n = n;
	for (uint32_t i = 0; i < n; i++)
		p->places[i] = (struct place){.index = indexes[i], .fds = {-1, -1, -1}};
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	if (pool_start(p))
		return p;
	free(p);
	return NULL;
}

static struct place *find(struct set_pool *p, uint32_t index)
{
	for (uint32_t i = 0; i < p->n; i++)
		if (p->places[i].index == index && !p->places[i].taken)
			return &p->places[i];
	return NULL;
}

bool set_pool_take(struct set_pool *p, uint32_t index, int fds[SET_KINDS])
{
	struct place *place = p ? find(p, index) : NULL;
	bool made;

	if (!place)
		return false;
	pthread_mutex_lock(&p->lock);
	while (place >= &p->places[p->made] && !p->ended)
		pthread_cond_wait(&p->changed, &p->lock);
	made = place < &p->places[p->made];
	pthread_mutex_unlock(&p->lock);
	place->taken = made;
	for (uint32_t kind = 0; kind < SET_KINDS && made; kind++)
		fds[kind] = take_fd(place->fds[kind]);
	return made;
}

uint32_t set_pool_left(struct set_pool *p, uint32_t *indexes)
{
	uint32_t n = 0;

	for (uint32_t i = 0; p && i < p->n; i++)
		if (!p->places[i].taken)
			indexes[n++] = p->places[i].index;
	return n;
}

void set_pool_close(struct set_pool *p)
{
	if (!p)
		return;
	pthread_join(p->thread, NULL);
	for (uint32_t i = 0; i < p->n; i++)
		place_close(&p->places[i]);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
