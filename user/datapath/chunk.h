/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arrays that grow: an ARRAY_OF_MAPS of mmapable ARRAYs (include/ofxdp/table.h).  Values are written by plain stores;
 * BPF must not be able to reach a value that is being written.
 *
 * The kernel takes about 11 ms (an RCU grace period) to put a map into another, so a thread makes chunks ahead of need.
 * Chunks are never given back.
 */
#ifndef DATAPATH_CHUNK_H
#define DATAPATH_CHUNK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "include/ofxdp/limits.h"
#include "user/datapath/mapped.h"

struct bpf_map;

struct chunks {
	int outer_fd;
	uint32_t value_size;
	uint32_t per_chunk; /* values, a power of two: … */
	uint32_t shift;	    /* … 1 << shift */
	uint32_t n;	    /* chunks in use */
	bool waited;	    /* the last chunks_grow() had to be asked again */
	uint32_t max;	    /* chunks at most */
	struct mapped *map; /* by chunk number, `made` of them */
	pthread_t thread;
	bool thread_runs;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	uint32_t made, wanted;
	uint32_t ahead; /* chunks made before they are needed */
	int error;	/* why the thread did not make what is wanted */
	bool stop;
};

/* How many chunks of `per_chunk` hold n values. */
static inline uint32_t chunks_for(uint64_t n, uint32_t per_chunk)
{
	return (n + per_chunk - 1) / per_chunk;
}

/* `map` has as many elements as there can be chunks.  None is in use yet, some are on their way. */
int chunks_open(struct chunks *c, const struct bpf_map *map, uint32_t value_size, uint32_t per_chunk);
void chunks_close(struct chunks *c);
/*
 * One chunk more in use: the values from c->n * c->per_chunk on.  -EAGAIN: it is being made, ask again; -ENOSPC: there
 * are no more; another errno: it could not be made, which has been logged.
 */
int chunks_grow(struct chunks *c);

/* Value i, i < c->n * c->per_chunk. */
static inline void *chunks_value(const struct chunks *c, uint32_t i)
{
	return (char *)c->map[i >> c->shift].at + (size_t)(i & (c->per_chunk - 1)) * c->value_size;
}

#endif
