/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "include/openflow/openflow.h"
#include "user/switch/internal.h"
#include "user/util/cleanup.h"

#define AHEAD_FAR 16 /* buckets */
#define AHEAD_NEAR 8
#define CACHE_LINE 64

#define TRIM_CHUNKS 32 /* 2 MB: half a millisecond */
#define TRIM_MS 5

uint64_t sw_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SW_SECOND + ts.tv_nsec;
}

/* Hashes of controllers' values must not be foreseeable. */
static uint32_t hash_of(const struct sw *sw, const struct sw_match *match)
{
	return sw_match_hash(match->value, match->shape.n, sw->secret);
}

struct sw_flow *sw_flow_new(struct sw *sw, uint8_t table, uint16_t priority, const struct sw_match *match)
{
	size_t n = match->shape.n;
	struct sw_flow *flow = slab_take(&sw->flow_slabs[n]);

	if (!flow)
		return NULL;
	*flow = (struct sw_flow){.priority = priority, .hash = hash_of(sw, match), .created = sw_now()};
	memcpy(flow->value, match->value, n * sizeof(flow->value[0]));
	flow->subtable = sw_subtable_get(sw, table, &match->shape);
	if (!flow->subtable) {
		slab_give(&sw->flow_slabs[n], flow);
		return NULL;
	}
	return flow;
}

/* True: there is more. */
static bool trim_some(struct slab *slab)
{
	slab_trim(slab, TRIM_CHUNKS);
	return slab_is_idle(slab);
}

static void trim_later(struct sw *sw)
{
	static const struct timeval soon = {.tv_usec = TRIM_MS * 1000};

	if (sw->trim && !event_pending(sw->trim, EV_TIMEOUT, NULL))
		event_add(sw->trim, &soon);
}

void sw_flows_trim(evutil_socket_t fd, short what, void *aux)
{
	struct sw *sw = aux;
	bool more = trim_some(&sw->timeouts.slab);

	for (size_t i = 0; i < ARRAY_LEN(sw->flow_slabs); i++)
		more |= trim_some(&sw->flow_slabs[i]);
	if (more)
		trim_later(sw);
}

void sw_flow_free(struct sw *sw, struct sw_flow *flow)
{
	struct slab *slab = &sw->flow_slabs[flow->subtable->shape.n];

	sw_timeout_stop(sw, flow);
	sw_instructions_put(flow->inst);
	sw_subtable_put(flow->subtable);
	slab_give(slab, flow);
	if (slab_is_idle(slab))
		trim_later(sw);
}

/* The first entry from `f` on in its chain that has these values. */
static struct sw_flow *with_values(struct sw_flow *f, uint32_t hash, const uint64_t *value, unsigned int n)
{
	while (f && (f->hash != hash || memcmp(f->value, value, n * sizeof(f->value[0]))))
		f = f->next;
	return f;
}

/* The first entry from `f` on in its chain that has these values and this priority. */
static struct sw_flow *with_priority(struct sw_flow *f, uint32_t hash, const uint64_t *value, unsigned int n,
				     uint16_t priority)
{
	f = with_values(f, hash, value, n);
	while (f && f->priority != priority)
		f = with_values(f->next, hash, value, n);
	return f;
}

void sw_flow_expect(struct sw *sw, uint8_t table, const struct sw_match *match)
{
	const struct sw_subtable *s = sw_subtable_find(sw, table, &match->shape);

	if (s)
		sw_subtable_prefetch(s, hash_of(sw, match));
}

struct sw_flow *sw_flow_find(struct sw *sw, uint8_t table, uint16_t priority, const struct sw_match *match)
{
	const struct sw_subtable *s = sw_subtable_find(sw, table, &match->shape);
	uint32_t hash = hash_of(sw, match);

	if (!s)
		return NULL;
	return with_priority(sw_subtable_candidates(s, hash), hash, match->value, match->shape.n, priority);
}

static bool outputs_to(const struct of_actions *actions, uint32_t port)
{
	for (size_t i = 0; i < actions->n; i++)
		if (actions->v[i].type == OF_ACT_OUTPUT && actions->v[i].output.port == port)
			return true;
	return false;
}

static bool sends_to_group(const struct of_actions *actions, uint32_t group)
{
	for (size_t i = 0; i < actions->n; i++)
		if (actions->v[i].type == OF_ACT_GROUP && actions->v[i].group == group)
			return true;
	return false;
}

/* What a filter asks beside the match. */
static bool chosen(const struct sw_flow *flow, const struct sw_flow_filter *filter)
{
	const struct of_instructions *inst = &flow->inst->of;

	if ((flow->cookie ^ filter->cookie) & filter->cookie_mask)
		return false;
	if (filter->out_port != OFPP_ANY && !outputs_to(&inst->apply, filter->out_port) &&
	    !outputs_to(&inst->write, filter->out_port))
		return false;
	return filter->out_group == OFPG_ANY || sends_to_group(&inst->apply, filter->out_group) ||
	       sends_to_group(&inst->write, filter->out_group);
}

/* --- walks --- */

struct sw_walk sw_walk_begin(uint8_t table, const struct sw_flow_filter *filter)
{
	bool all = table == OFPTT_ALL;

	return (struct sw_walk){.filter = filter, .table = all ? 0 : table, .last = all ? OFX_TABLES - 1 : table};
}

void sw_walk_end(struct sw_walk *walk)
{
	if (walk->at)
		sw_subtable_put(walk->at);
	walk->at = NULL;
}

/* Step to this subtable, NULL: to the next table. */
static void walk_to(struct sw_walk *walk, struct sw_subtable *next)
{
	if (next)
		next->refs++;
	sw_walk_end(walk); /* may end the one it leaves: after `next` was read from it */
	walk->at = next;
	walk->hash = 0;
}

/* Entries with just these values: they lie in one bucket. */
static void meet_equal(struct sw *sw, const struct sw_walk *walk, sw_flow_fn fn, void *aux)
{
	const struct sw_match *match = walk->filter->match;
	uint32_t hash = hash_of(sw, match);
	const unsigned int n = match->shape.n;
	struct sw_flow *f = with_values(sw_subtable_candidates(walk->at, hash), hash, match->value, n);

	for (; f; f = with_values(f->next, hash, match->value, n))
		if (chosen(f, walk->filter))
			fn(f, aux);
}

/*
 * Buckets stand in a row, their entries and those's counters anywhere: ask the memory for those of later buckets, first
 * for the entry, and when that is there for what it names.
 */
static void look_ahead(struct sw *sw, const struct sw_subtable *s, uint32_t hash)
{
	const struct sw_flow *far = sw_subtable_ahead(s, hash, AHEAD_FAR),
			     *near = sw_subtable_ahead(s, hash, AHEAD_NEAR);

	__builtin_prefetch(far);
	__builtin_prefetch((const char *)far + CACHE_LINE);
	if (!near)
		return;
	__builtin_prefetch(near->next);
	dp_flow_expect(sw->dp, near->dp);
}

/* All buckets from walk->hash on, as far as the budget goes. */
static void meet_covered(struct sw *sw, struct sw_walk *walk, uint32_t *budget, sw_flow_fn fn, void *aux)
{
	const struct sw_match *match = walk->filter->match;
	const struct sw_subtable *s = walk->at;

	while (*budget && walk->hash >> 32 == 0) {
		look_ahead(sw, s, walk->hash);
		for (struct sw_flow *f = sw_subtable_first(s, walk->hash); f; f = f->next) {
			*budget -= *budget > 0;
			__builtin_prefetch(f->next);
			if ((!match || sw_match_covers(match, &s->shape, f->value)) && chosen(f, walk->filter))
				fn(f, aux);
		}
		walk->hash = sw_subtable_next(s, walk->hash);
		*budget -= *budget > 0;
	}
}

/* True: nothing is left there. */
static bool walk_subtable(struct sw *sw, struct sw_walk *walk, uint32_t *budget, sw_flow_fn fn, void *aux)
{
	const struct sw_match *match = walk->filter->match;

	if (!walk->at->n_flows || (match && !sw_shape_covers(&match->shape, &walk->at->shape)))
		return true;
	if (match && sw_shape_equal(&match->shape, &walk->at->shape)) {
		meet_equal(sw, walk, fn, aux);
		return true;
	}
	meet_covered(sw, walk, budget, fn, aux);
	return walk->hash >> 32 != 0;
}

bool sw_walk_step(struct sw *sw, struct sw_walk *walk, uint32_t budget, sw_flow_fn fn, void *aux)
{
	for (; walk->table <= walk->last; walk->table++) {
		if (!walk->at)
			walk_to(walk, sw->tables[walk->table].subtables);
		while (walk->at) {
			if (!budget || !walk_subtable(sw, walk, &budget, fn, aux))
				return true;
			walk_to(walk, walk->at->hh.next);
			budget -= budget > 0;
		}
	}
	return false;
}

void sw_flow_each(struct sw *sw, uint8_t table, const struct sw_flow_filter *filter, sw_flow_fn fn, void *aux)
{
	struct sw_walk walk = sw_walk_begin(table, filter);

	if (!filter->strict) {
		while (sw_walk_step(sw, &walk, UINT32_MAX, fn, aux))
			;
		return;
	}
	for (unsigned int i = walk.table; i <= walk.last; i++) {
		struct sw_flow *flow = sw_flow_find(sw, i, filter->priority, filter->match);

		if (flow && chosen(flow, filter))
			fn(flow, aux);
	}
}

/* --- overlap --- */

/* Looks at no other bits than the match: only entries with the match's values of those bits, which lie in one bucket.
 */
static bool overlaps_wider(struct sw *sw, const struct sw_subtable *s, uint16_t priority, const struct sw_match *match)
{
	uint64_t value[OFX_KEY_WORDS];
	unsigned int n = 0, i = 0;
	uint32_t hash;

	for (unsigned int left = match->shape.words; left; left &= left - 1, i++) {
		if (!(s->shape.words & left & -left))
			continue;
		value[n] = match->value[i] & s->shape.mask[n];
		n++;
	}
	hash = sw_match_hash(value, n, sw->secret);
	return with_priority(sw_subtable_candidates(s, hash), hash, value, n, priority);
}

static bool overlaps_any(struct sw *sw, const struct sw_subtable *s, uint16_t priority, const struct sw_match *match)
{
	for (uint64_t hash = 0; hash >> 32 == 0; hash = sw_subtable_next(s, hash)) {
		look_ahead(sw, s, hash);
		for (struct sw_flow *f = sw_subtable_first(s, hash); f; f = f->next)
			if (f->priority == priority && sw_match_overlaps(match, &s->shape, f->value))
				return true;
	}
	return false;
}

bool sw_flow_overlaps(struct sw *sw, uint8_t table, uint16_t priority, const struct sw_match *match)
{
	for (struct sw_subtable *s = sw->tables[table].subtables; s; s = s->hh.next) {
		bool wider = sw_shape_covers(&s->shape, &match->shape);

		if (s->n_flows && (wider ? overlaps_wider : overlaps_any)(sw, s, priority, match))
			return true;
	}
	return false;
}

void sw_flow_list_add(struct sw_flow *flow, void *aux)
{
	struct sw_flow_list *list = aux;

	if (list->n == list->size) {
		list->size = list->size ? 2 * list->size : 16;
		list->v = reallocarray(list->v, list->size, sizeof(*list->v));
		if (!list->v)
			abort();
	}
	list->v[list->n++] = flow;
}

void sw_flow_list_free(struct sw_flow_list *list)
{
	free(list->v);
	*list = (struct sw_flow_list){0};
}
