/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who owns which element of a BPF array: single numbers (flow slots, flow ids, lists, subtables) and runs of ops.
 * A freed element is handed out again at once: free it only after a grace period if BPF could reach it.
 * The lowest goes first: what is taken one after the other lies side by side in memory, and the processor reads ahead.
 */
#ifndef DATAPATH_POOL_H
#define DATAPATH_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers first … size - 1; size may rise up to what was opened. */
struct numbers {
	uint64_t *free; /* by bit: n_free numbers that were used before */
	uint64_t *some; /* by bit: words of `free` that are not 0 */
	uint32_t low;	/* words of `some` before it are 0 */
	uint32_t n_free;
	uint32_t next; /* this one and those behind it were never used */
	uint32_t size;
	uint32_t waiting; /* out of use, to be given back after a grace period (the owner counts them) */
	const char *none; /* what to say when none is left; NULL: nothing */
};

int numbers_open(struct numbers *n, uint32_t first, uint32_t size);
void numbers_close(struct numbers *n);
bool numbers_take(struct numbers *n, uint32_t *number); /* false: none left */
void numbers_give(struct numbers *n, uint32_t number);

/*
 * Runs of 1, 2, 4 … elements, by the buddy method: a run of 2^order starts at a multiple of 2^order.  orders: how many
 * there are, the longest run has 2^(orders - 1).
 */
#define RUN_ORDERS 8 /* of ops: a flow entry's 62 and 8 words of its match */
#define RUN_ORDERS_MAX 10
#define RUN_NONE 0xff /* the order of no run at all */

struct run_link {
	uint32_t next, prev;
};

struct runs {
	uint32_t size; /* elements in use, a multiple of the longest run */
	uint32_t max;  /* … that there may be */
	uint8_t orders;
	uint32_t head[RUN_ORDERS_MAX];
	struct run_link *link; /* by first element, of free runs */
	uint8_t *order;	       /* by first element: of a free run that starts there, else RUN_NONE */
	uint32_t waiting;      /* as of struct numbers */
};

/* Room for `max` elements; all of them are in use, or with runs_reserve() none until runs_grow(). */
int runs_open(struct runs *r, uint32_t max, uint8_t orders);
int runs_reserve(struct runs *r, uint32_t max, uint8_t orders);
/* n more in use (rounded down to whole runs of the longest kind, and to what is left). */
void runs_grow(struct runs *r, uint32_t n);
void runs_close(struct runs *r);
bool runs_take(struct runs *r, size_t n, uint32_t *first, uint8_t *order);
void runs_give(struct runs *r, uint32_t first, uint8_t order);

#endif
