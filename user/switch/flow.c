/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "include/openflow/openflow.h"
#include "user/switch/internal.h"
#include "user/switch/job.h"
#include "user/util/cleanup.h"
#include "user/util/clock.h"

#define AHEAD_FAR 16 /* buckets */
#define AHEAD_NEAR 8
#define CACHE_LINE 64
#define LOOKED_AT_ONCE 256 /* entries from one look at the clock to the next */

#define TRIM_CHUNKS 32 /* 2 MB: half a millisecond */
#define TRIM_MS 5

/* Hashes of controllers' values must not be foreseeable. */
static uint32_t hash_of(const struct sw *sw, uint16_t priority, const struct sw_match *match)
{
	return sw_match_hash(match->value, match->shape.n, priority, sw->secret);
}

struct sw_flow *sw_flow_new(struct sw *sw, uint8_t table, uint16_t priority, const struct sw_match *match)
{
	size_t n = match->shape.n;
	struct sw_flow *flow = slab_take(&sw->flow_slabs[n]);

	if (!flow)
		return NULL;
	*flow = (struct sw_flow){.priority = priority, .hash = hash_of(sw, priority, match), .created = clock_ns()};
	memcpy(flow->value, match->value, n * sizeof(flow->value[0]));
	flow->subtable = sw_subtable_get(sw, table, &match->shape);
	if (!flow->subtable) {
		slab_give(&sw->flow_slabs[n], flow);
		return NULL;
	}
	return flow;
}

void sw_flow_set_instructions(struct sw_flow *flow, struct sw_instructions *inst)
{
	struct sw_instructions *before = flow->inst;

	if (inst) {
		inst->refs++;
		sw_instructions_count(inst, 1);
	}
	if (before) {
		sw_instructions_count(before, -1);
		sw_instructions_put(before);
	}
	flow->inst = inst;
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
	sw_flow_set_instructions(flow, NULL);
	sw_subtable_put(flow->subtable);
	slab_give(slab, flow);
	if (slab_is_idle(slab))
		trim_later(sw);
}

void sw_flow_expect(struct sw *sw, uint8_t table, uint16_t priority, const struct sw_match *match)
{
	const struct sw_subtable *s = sw_subtable_find(sw, table, &match->shape);

	if (s)
		sw_subtable_prefetch(s, hash_of(sw, priority, match));
}

/* The entry of a subtable with these values and this priority, or NULL. */
static struct sw_flow *find_in(const struct sw *sw, const struct sw_subtable *s, const uint64_t *value,
			       uint16_t priority)
{
	const unsigned int n = s->shape.n;
	const uint32_t hash = sw_match_hash(value, n, priority, sw->secret);
	struct sw_flow *f = sw_subtable_candidates(s, hash);

	while (f && (f->hash != hash || f->priority != priority || memcmp(f->value, value, n * sizeof(*value))))
		f = f->next;
	return f;
}

struct sw_flow *sw_flow_find(struct sw *sw, uint8_t table, uint16_t priority, const struct sw_match *match)
{
	const struct sw_subtable *s = sw_subtable_find(sw, table, &match->shape);

	return s ? find_in(sw, s, match->value, priority) : NULL;
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

bool sw_flow_is_chosen(const struct sw_flow *flow, const struct sw_flow_filter *filter)
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
	walk->priority = UINT16_MAX;
}

/* Entries of just this match, of all priorities: a chain that the datapath has.  True: nothing is left there. */
static bool meet_equal(struct sw *sw, struct sw_walk *walk, uint32_t *budget, sw_flow_fn fn, void *aux)
{
	struct dp_flow *flow, *below;
	struct of_match match;

	if (walk->priority < 0)
		return true;
	sw_match_unpack(&walk->at->shape, walk->filter->match->value, &match);
	for (flow = dp_flow_find(sw->dp, walk->table, &match, walk->priority); flow; flow = below) {
		struct sw_flow *f = dp_flow_owner(flow);

		if (!*budget)
			return false;
		*budget -= 1;
		below = dp_flow_below(sw->dp, flow);
		walk->priority = (int32_t)f->priority - 1;
		if (sw_flow_is_chosen(f, walk->filter))
			fn(f, aux);
	}
	return true;
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

static bool is_asked_for(const struct sw_flow *flow, const struct sw_subtable *s, const struct sw_flow_filter *filter)
{
	if (filter->overlap)
		return flow->priority == filter->priority && sw_match_overlaps(filter->match, &s->shape, flow->value);
	return (!filter->match || sw_match_covers(filter->match, &s->shape, flow->value)) &&
	       sw_flow_is_chosen(flow, filter);
}

/* All buckets from walk->hash on, as far as the budget goes.  True: nothing is left there. */
static bool meet_all(struct sw *sw, struct sw_walk *walk, uint32_t *budget, sw_flow_fn fn, void *aux)
{
	const struct sw_subtable *s = walk->at;

	while (*budget && walk->hash >> 32 == 0) {
		look_ahead(sw, s, walk->hash);
		for (struct sw_flow *f = sw_subtable_first(s, walk->hash), *next; f; f = next) {
			next = f->next;
			*budget -= *budget > 0;
			__builtin_prefetch(next);
			if (is_asked_for(f, s, walk->filter))
				fn(f, aux);
		}
		walk->hash = sw_subtable_next(s, walk->hash);
		*budget -= *budget > 0;
	}
	return walk->hash >> 32 != 0;
}

/*
 * Entries that look at no other bits than the match does, and so overlap it only if they have the match's values of
 * those: one entry at most has them and the priority.
 */
static void meet_wider(struct sw *sw, struct sw_walk *walk, sw_flow_fn fn, void *aux)
{
	const struct sw_match *match = walk->filter->match;
	const struct sw_subtable *s = walk->at;
	uint64_t value[OFX_KEY_WORDS];
	unsigned int n = 0, i = 0;
	struct sw_flow *flow;

	for (unsigned int left = match->shape.words; left; left &= left - 1, i++) {
		if (!(s->shape.words & left & -left))
			continue;
		value[n] = match->value[i] & s->shape.mask[n];
		n++;
	}
	flow = find_in(sw, s, value, walk->filter->priority);
	if (flow)
		fn(flow, aux);
}

/* True: nothing is left there. */
static bool walk_subtable(struct sw *sw, struct sw_walk *walk, uint32_t *budget, sw_flow_fn fn, void *aux)
{
	const struct sw_match *match = walk->filter->match;
	const struct sw_shape *shape = &walk->at->shape;

	if (!walk->at->n_flows)
		return true;
	if (walk->filter->overlap && sw_shape_covers(shape, &match->shape)) {
		meet_wider(sw, walk, fn, aux);
		return true;
	}
	if (walk->filter->overlap || !match)
		return meet_all(sw, walk, budget, fn, aux);
	if (!sw_shape_covers(&match->shape, shape))
		return true;
	if (sw_shape_equal(&match->shape, shape))
		return meet_equal(sw, walk, budget, fn, aux);
	return meet_all(sw, walk, budget, fn, aux);
}

/* False: all tables are done. */
static bool walk_some(struct sw *sw, struct sw_walk *walk, uint32_t budget, sw_flow_fn fn, void *aux)
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

bool sw_walk_step(struct sw *sw, struct sw_walk *walk, uint32_t budget, sw_flow_fn fn, void *aux)
{
	const uint64_t end = clock_ns() + SW_JOB_STEP_NS;

	while (budget) {
		const uint32_t some = budget < LOOKED_AT_ONCE ? budget : LOOKED_AT_ONCE;

		if (!walk_some(sw, walk, some, fn, aux))
			return false;
		if (clock_ns() >= end)
			break;
		budget -= some;
	}
	return true;
}

void sw_selection_begin(struct sw_selection *s, uint8_t table, const struct of_match *match,
			const struct sw_flow_filter *filter)
{
	s->filter = *filter;
	sw_match_pack(&s->match, match);
	s->filter.match = s->match.shape.n || filter->overlap ? &s->match : NULL;
	s->walk = sw_walk_begin(table, &s->filter);
}

void sw_selection_again(struct sw_selection *s, uint8_t table)
{
	sw_walk_end(&s->walk);
	s->walk = sw_walk_begin(table, &s->filter);
}
