/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets (include/ofxdp/port.h) put into their places ahead of need, empty.  The kernel takes about 11 ms, an RCU grace
 * period, to put a map into another one; newer kernels once for a whole batch, older ones once an element.  So a thread
 * does it, while the daemon goes on with its start.
 */
#ifndef DATAPATH_SET_POOL_H
#define DATAPATH_SET_POOL_H

#include <stdbool.h>
#include <stdint.h>

enum set_kind { SET_PAIR, SET_FLOOD, SET_FLOOD_MORE, SET_KINDS };

/* An empty set with room for so many members; a descriptor or a negative errno. */
int set_new(enum set_kind kind, uint32_t room);
/* Give places keys[0…n-1] of an outer map these sets. */
int sets_publish(int outer_fd, const uint32_t *keys, const int *fds, uint32_t n);

struct set_pool;

/*
 * Begin to make sets of all kinds for these n port indexes, the first `soon` of them as soon as can be.  outer_fds: the
 * outer maps by kind, open until set_pool_close().  `capacity`: room in flood sets.  NULL: out of memory or threads.
 */
struct set_pool *set_pool_open(const int outer_fds[SET_KINDS], uint32_t capacity, const uint32_t *indexes, uint32_t n,
			       uint32_t soon);
/* The sets of an index, which the caller owns then; waits until they are made.  False: the pool has none. */
bool set_pool_take(struct set_pool *pool, uint32_t index, int fds[SET_KINDS]);
/* Fills indexes[] (room for as many as at open) with those whose sets are not taken, and returns their number. */
uint32_t set_pool_left(struct set_pool *pool, uint32_t *indexes);
/* Waits for the thread.  What was not taken stays in its place. */
void set_pool_close(struct set_pool *pool);

#endif
