/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who owns which element of a BPF array: single numbers (flow slots, flow ids, lists, subtables) and runs of ops.
 * A freed element is handed out again at once: free it only after a grace period if BPF could reach it.
 */
#ifndef DATAPATH_POOL_H
#define DATAPATH_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers first … size - 1. */
struct numbers {
	uint32_t *free; /* n_free numbers that were used before */
	uint32_t n_free;
	uint32_t next; /* this one and those behind it were never used */
	uint32_t size;
};

int numbers_open(struct numbers *n, uint32_t first, uint32_t size);
void numbers_close(struct numbers *n);
bool numbers_take(struct numbers *n, uint32_t *number); /* false: none left */
void numbers_give(struct numbers *n, uint32_t number);

/* Runs of 1, 2, 4 … 64 ops, by the buddy method: a run of 2^order starts at a multiple of 2^order. */
#define RUN_ORDERS 7
#define RUN_NONE 0xff /* the order of no run at all */

struct run_link {
	uint32_t next, prev;
};

struct runs {
	uint32_t size; /* ops, a multiple of the longest run */
	uint32_t head[RUN_ORDERS];
	struct run_link *link; /* by first op, of free runs */
	uint8_t *order;	       /* by first op: of a free run that starts there, else RUN_NONE */
};

int runs_open(struct runs *r, uint32_t size);
void runs_close(struct runs *r);
bool runs_take(struct runs *r, size_t n, uint32_t *first, uint8_t *order);
void runs_give(struct runs *r, uint32_t first, uint8_t order);

#endif
