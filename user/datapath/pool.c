/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/pool.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/util/cleanup.h"

#define NO_RUN UINT32_MAX

int numbers_open(struct numbers *n, uint32_t first, uint32_t size)
{
	*n = (struct numbers){.next = first, .size = size};
	n->free = calloc(size / 64 + 1, sizeof(*n->free));
	n->some = calloc(size / 4096 + 1, sizeof(*n->some));
	return n->free && n->some ? 0 : -ENOMEM;
}

void numbers_close(struct numbers *n)
{
	free(take_ptr(n->free));
	free(take_ptr(n->some));
}

static uint32_t take_lowest(struct numbers *n)
{
	uint32_t word, number;

	while (!n->some[n->low])
		n->low++;
	word = n->low * 64 + __builtin_ctzll(n->some[n->low]);
	number = word * 64 + __builtin_ctzll(n->free[word]);
	n->free[word] &= n->free[word] - 1;
	if (!n->free[word])
		n->some[n->low] &= n->some[n->low] - 1;
	n->n_free--;
	return number;
}

bool numbers_take(struct numbers *n, uint32_t *number)
{
	if (n->n_free)
		*number = take_lowest(n);
	else if (n->next < n->size)
		*number = n->next++;
	else
		return false;
	return true;
}

void numbers_give(struct numbers *n, uint32_t number)
{
	const uint32_t word = number / 64;

	n->free[word] |= 1ull << number % 64;
	n->some[word / 64] |= 1ull << word % 64;
	if (word / 64 < n->low)
		n->low = word / 64;
	n->n_free++;
}

static void run_push(struct runs *r, uint32_t first, uint8_t order)
{
	uint32_t next = r->head[order];

	r->link[first] = (struct run_link){.next = next, .prev = NO_RUN};
	if (next != NO_RUN)
		r->link[next].prev = first;
	r->head[order] = first;
	r->order[first] = order;
}

static void run_unlink(struct runs *r, uint32_t first)
{
	struct run_link l = r->link[first];

	if (l.prev != NO_RUN)
		r->link[l.prev].next = l.next;
	else
		r->head[r->order[first]] = l.next;
	if (l.next != NO_RUN)
		r->link[l.next].prev = l.prev;
	r->order[first] = RUN_NONE;
}

int runs_reserve(struct runs *r, uint32_t max, uint8_t orders)
{
	const uint32_t longest = 1u << (orders - 1);

	*r = (struct runs){.max = max / longest * longest, .orders = orders};
	for (int i = 0; i < orders; i++)
		r->head[i] = NO_RUN;
	r->link = malloc((r->max + 1) * sizeof(*r->link)); /* untouched pages cost nothing */
	r->order = malloc(r->max + 1);
	return r->link && r->order ? 0 : -ENOMEM;
}

void runs_grow(struct runs *r, uint32_t n)
{
	const uint32_t longest = 1u << (r->orders - 1), from = r->size;

	n = n < r->max - from ? n / longest * longest : r->max - from;
	memset(r->order + from, RUN_NONE, n);
	r->size += n;
	for (uint32_t first = r->size; first > from; first -= longest) /* the lowest is taken first */
		run_push(r, first - longest, r->orders - 1);
}

int runs_open(struct runs *r, uint32_t max, uint8_t orders)
{
	int err = runs_reserve(r, max, orders);

	if (!err)
		runs_grow(r, r->max);
	return err;
}

void runs_close(struct runs *r)
{
	free(take_ptr(r->link));
	free(take_ptr(r->order));
}

bool runs_take(struct runs *r, size_t n, uint32_t *first, uint8_t *order)
{
	uint8_t want = 0, have;

	while (want < r->orders && (1u << want) < n)
		want++;
	for (have = want; have < r->orders && r->head[have] == NO_RUN;)
		have++;
	if (have >= r->orders)
		return false;
	*first = r->head[have];
	*order = want;
	run_unlink(r, *first);
	while (have > want) { /* keep the lower half, free the upper */
		have--;
		run_push(r, *first + (1u << have), have);
	}
	return true;
}

void runs_give(struct runs *r, uint32_t first, uint8_t order)
{
	while (order < r->orders - 1) {
		uint32_t buddy = first ^ (1u << order);

		if (r->order[buddy] != order)
			break;
		run_unlink(r, buddy);
		first &= ~(1u << order);
		order++;
	}
	run_push(r, first, order);
}
