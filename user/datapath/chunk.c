/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/chunk.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include "user/util/cleanup.h"
#include "user/util/log.h"
#include "user/util/memory.h"

/*
 * Chunks made and not in use: two give 32 ms at 500 000 flow entries a second; twice as many each time that somebody
 * had to wait.
 */
#define AHEAD_MIN 2
#define AHEAD_MAX 16
#define BATCH 8

/* A map of one chunk, mapped to *m.  Its descriptor, or a negative errno. */
static int chunk_new(const struct chunks *c, struct mapped *m)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	_close_ int fd =
		bpf_map_create(BPF_MAP_TYPE_ARRAY, "ofx_chunk", sizeof(uint32_t), c->value_size, c->per_chunk, &opts);
	int err;

	if (fd < 0)
		return fd;
	err = mapped_open_fd(m, fd, c->value_size, c->per_chunk, true);
	return err ? err : take_fd(fd);
}

/*
 * Put the maps into the outer one.  Newer kernels wait once for a whole batch, older ones once an element.  How many
 * are in, from the first on; errno tells why not all.
 */
static uint32_t chunks_put(const struct chunks *c, uint32_t first, const int *fds, uint32_t n)
{
	uint32_t keys[BATCH], done = n;

	for (uint32_t i = 0; i < n; i++)
		keys[i] = first + i;
	if (!n || !bpf_map_update_batch(c->outer_fd, keys, fds, &done, NULL))
		return n;
	for (done = 0; done < n; done++)
		if (bpf_map_update_elem(c->outer_fd, &keys[done], &fds[done], BPF_ANY))
			break;
	return done;
}

/* n <= BATCH chunks from number `first` on.  How many; *err tells why not all. */
static uint32_t chunks_make(struct chunks *c, uint32_t first, uint32_t n, int *err)
{
	struct mapped map[BATCH] = {0};
	uint32_t made = 0, put;
	int fds[BATCH];

	*err = 0;
	while (made < n) {
		fds[made] = chunk_new(c, &map[made]);
		if (fds[made] < 0) {
			*err = fds[made];
			break;
		}
		made++;
	}
	put = chunks_put(c, first, fds, made);
	if (put < made)
		*err = -errno;
	for (uint32_t i = 0; i < made; i++) {
		close(fds[i]);
		if (i < put)
			c->map[first + i] = map[i];
		else
			mapped_close(&map[i]);
	}
	return put;
}

static void *chunks_thread(void *arg)
{
	struct chunks *c = arg;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		uint32_t first = c->made, n, made;
		int err;

		while (c->made >= c->wanted && !c->stop)
			pthread_cond_wait(&c->changed, &c->lock);
		if (c->stop)
			break;
		n = c->wanted - first < BATCH ? c->wanted - first : BATCH;
		pthread_mutex_unlock(&c->lock);
		made = chunks_make(c, first, n, &err);
		pthread_mutex_lock(&c->lock);
		c->made += made;
		c->error = err;
		if (err)
			c->wanted = c->made; /* until somebody asks again */
		pthread_cond_broadcast(&c->changed);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* Under the lock.  False: there is not so much memory. */
static bool chunks_want(struct chunks *c, uint32_t n)
{
	n = n < c->max ? n : c->max;
	if (n <= c->wanted)
		return true;
	if (!memory_may_grow((size_t)(n - c->wanted) * c->per_chunk * c->value_size))
		return false;
	c->wanted = n;
	pthread_cond_broadcast(&c->changed);
	return true;
}

int chunks_grow(struct chunks *c)
{
	int err = 0;

	if (c->n == c->max)
		return -ENOSPC;
	pthread_mutex_lock(&c->lock);
	if (c->made == c->n) {
		err = c->error ?: -EAGAIN;
		c->error = 0; /* told; the next one who asks has it tried again */
		if (c->n && !c->waited && c->ahead < AHEAD_MAX)
			c->ahead *= 2;
	}
	c->waited = err == -EAGAIN;
	if (!chunks_want(c, c->n + 1 + c->ahead) && !chunks_want(c, c->n + 1) && err)
		err = -ENOMEM;
	pthread_mutex_unlock(&c->lock);
	if (err && err != -EAGAIN && err != -ENOMEM) /* of want of memory memory.h tells */
		log_error("cannot make room for more flow entries: %s", strerror(-err));
	if (!err)
		c->n++;
	return err;
}

/* Signals are for the event loop's thread. */
static int chunks_start(struct chunks *c)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&c->thread, NULL, chunks_thread, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	c->thread_runs = !err;
	return -err;
}

int chunks_open(struct chunks *c, const struct bpf_map *map, uint32_t value_size, uint32_t per_chunk)
{
	*c = (struct chunks){.outer_fd = bpf_map__fd(map),
			     .value_size = value_size,
			     .per_chunk = per_chunk,
			     .shift = __builtin_ctz(per_chunk),
			     .max = bpf_map__max_entries(map),
			     .ahead = AHEAD_MIN};
	c->map = calloc(c->max, sizeof(*c->map));
	if (!c->map)
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
	chunks_want(c, c->ahead);
	return chunks_start(c);
}

void chunks_close(struct chunks *c)
{
	if (!c->map)
		return;
	if (c->thread_runs) {
		pthread_mutex_lock(&c->lock);
		c->stop = true;
		pthread_cond_broadcast(&c->changed);
		pthread_mutex_unlock(&c->lock);
		pthread_join(c->thread, NULL);
	}
	for (uint32_t i = 0; i < c->made; i++)
		mapped_close(&c->map[i]);
	free(take_ptr(c->map));
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
}
