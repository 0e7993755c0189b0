/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/chain.h"
#include <errno.h>
#include <stdlib.h>
#include "user/datapath/table.h"
#include "user/util/cleanup.h"

#define LADDER_FROM 32	/* entries of a chain that gets one */
#define LADDER_UNTIL 16 /* … that loses it again */
#define LONG (1u << 31) /* in dp_flow.chain, with the number of the ladder; else, in a head, the chain's length */
#define RUNGS 256

/* Flow ids by priority: rung[upper byte][lower byte], 0: none. */
struct ladder {
	uint32_t n;
	uint16_t count[RUNGS];
	uint32_t *rung[RUNGS];
};

int ladders_open(struct ladders *l, uint32_t n_flow_ids)
{
	const uint32_t n = n_flow_ids / LADDER_UNTIL + 1;
	int err = numbers_open(&l->numbers, 0, n);

	l->v = calloc(n, sizeof(*l->v));
	return err || !l->v ? -ENOMEM : 0;
}

static void ladder_free(struct ladder *ladder)
{
	for (int i = 0; ladder && i < RUNGS; i++)
		free(ladder->rung[i]);
	free(ladder);
}

void ladders_close(struct ladders *l)
{
	for (uint32_t i = 0; l->v && i < l->numbers.next; i++)
		ladder_free(l->v[i]);
	free(take_ptr(l->v));
	numbers_close(&l->numbers);
}

bool chain_is_long(const struct dp_flow *flow)
{
	return flow->chain & LONG;
}

static struct ladder *ladder_of(const struct dp_tables *tables, const struct dp_flow *flow)
{
	return chain_is_long(flow) ? tables->ladders.v[flow->chain & ~LONG] : NULL;
}

static bool ladder_set(struct ladder *l, uint16_t priority, uint32_t id)
{
	uint32_t **rung = &l->rung[priority >> 8];

	if (!*rung)
		*rung = calloc(RUNGS, sizeof(**rung));
	if (!*rung)
		return false;
	(*rung)[priority & 0xff] = id;
	l->count[priority >> 8]++;
	l->n++;
	return true;
}

static void ladder_unset(struct ladder *l, uint16_t priority)
{
	uint32_t **rung = &l->rung[priority >> 8];

	(*rung)[priority & 0xff] = 0;
	l->n--;
	if (!--l->count[priority >> 8])
		free(take_ptr(*rung));
}

/* The id at the nearest priority from `at` on, upwards (step 1) or downwards (-1), or 0. */
static uint32_t ladder_search(const struct ladder *l, int at, int step)
{
	while (at >= 0 && at < RUNGS * RUNGS) {
		const uint32_t *rung = l->rung[at / RUNGS];

		if (!rung)
			at = step > 0 ? (at | (RUNGS - 1)) + 1 : (at & ~(RUNGS - 1)) - 1;
		else if (rung[at % RUNGS])
			return rung[at % RUNGS];
		else
			at += step;
	}
	return 0;
}

static struct dp_flow *flow_of(const struct dp_tables *tables, uint32_t id)
{
	return id ? &tables->flow[id] : NULL;
}

struct dp_flow *chain_below(const struct dp_tables *tables, const struct dp_flow *flow)
{
	return flow_of(tables, flow->below);
}

struct dp_flow *chain_above(const struct dp_tables *tables, struct dp_flow *head, uint16_t priority)
{
	const struct ladder *l = head ? ladder_of(tables, head) : NULL;
	struct dp_flow *above = NULL;

	if (l)
		return flow_of(tables, ladder_search(l, priority + 1, 1));
	for (struct dp_flow *f = head; f && f->priority > priority; f = chain_below(tables, f))
		above = f;
	return above;
}

struct dp_flow *chain_at_most(const struct dp_tables *tables, struct dp_flow *head, uint16_t priority)
{
	const struct ladder *l = head ? ladder_of(tables, head) : NULL;
	struct dp_flow *f = head;

	if (l)
		return flow_of(tables, ladder_search(l, priority, -1));
	while (f && f->priority > priority)
		f = chain_below(tables, f);
	return f;
}

uint32_t chain_length(const struct dp_tables *tables, const struct dp_flow *head)
{
	const struct ladder *l = ladder_of(tables, head);

	return l ? l->n : head->chain;
}

/* Returns how many there are. */
static uint32_t mark_all(const struct dp_tables *tables, struct dp_flow *head, uint32_t chain)
{
	uint32_t n = 0;

	for (struct dp_flow *f = head; f; f = chain_below(tables, f), n++)
		f->chain = chain;
	return n;
}

static struct ladder *ladder_fill(const struct dp_tables *tables, struct dp_flow *head)
{
	struct ladder *l = calloc(1, sizeof(*l));

	for (struct dp_flow *f = head; l && f; f = chain_below(tables, f)) {
		if (ladder_set(l, f->priority, flow_id(tables, f)))
			continue;
		ladder_free(l);
		return NULL;
	}
	return l;
}

/* Without the memory for it the chain goes on being walked. */
static void ladder_make(struct dp_tables *tables, struct dp_flow *head)
{
	struct ladders *all = &tables->ladders;
	uint32_t number;

	if (!numbers_take(&all->numbers, &number))
		return;
	all->v[number] = ladder_fill(tables, head);
	if (all->v[number])
		mark_all(tables, head, LONG | number);
	else
		numbers_give(&all->numbers, number);
}

/* The head tells the length again. */
static void ladder_drop(struct dp_tables *tables, uint32_t number, struct dp_flow *head)
{
	ladder_free(take_ptr(tables->ladders.v[number]));
	numbers_give(&tables->ladders.numbers, number);
	head->chain = mark_all(tables, head, 0);
}

void chain_insert(struct dp_tables *tables, struct dp_flow *head, struct dp_flow *flow)
{
	struct dp_flow *above = chain_above(tables, head, flow->priority);
	struct ladder *l = head ? ladder_of(tables, head) : NULL;
	const uint32_t chain = head ? head->chain : 0;

	flow->below = above ? above->below : head ? flow_id(tables, head) : 0;
	if (above)
		above->below = flow_id(tables, flow);
	else
		head = flow;
	if (l && ladder_set(l, flow->priority, flow_id(tables, flow))) {
		flow->chain = chain;
	} else if (l) {
		ladder_drop(tables, chain & ~LONG, head);
	} else {
		head->chain = chain + 1;
		if (head->chain >= LADDER_FROM)
			ladder_make(tables, head);
	}
}

static void long_remove(struct dp_tables *tables, struct dp_flow *flow)
{
	struct ladder *l = ladder_of(tables, flow);
	struct dp_flow *above = flow_of(tables, ladder_search(l, flow->priority + 1, 1));

	ladder_unset(l, flow->priority);
	if (above)
		above->below = flow->below;
	if (l->n <= LADDER_UNTIL)
		ladder_drop(tables, flow->chain & ~LONG, flow_of(tables, ladder_search(l, RUNGS * RUNGS - 1, -1)));
}

void chain_remove(struct dp_tables *tables, struct dp_flow *head, struct dp_flow *flow)
{
	struct dp_flow *next = chain_below(tables, flow), *above;

	if (chain_is_long(flow)) {
		long_remove(tables, flow);
		return;
	}
	if (head == flow) {
		if (next)
			next->chain = flow->chain - 1;
		return;
	}
	above = chain_above(tables, head, flow->priority);
	above->below = flow->below;
	head->chain--;
}
