/* SPDX-License-Identifier: GPL-2.0-only */
/* What a GROUP_MOD asks for, checked before anything changes (§6.7, §7.3.4.2, OFPET_GROUP_MOD_FAILED). */
#include "user/switch/action.h"
#include "user/switch/internal.h"

#define GROUP_MOD_FAILED(code) OF_ERROR(OFPET_GROUP_MOD_FAILED, OFPGMFC_##code)

static bool watches(const struct of_bucket *b)
{
	return b->watch_port != OFPP_ANY || b->watch_group != OFPG_ANY;
}

/* There need be no such port or group: then it is not live.  Reserved ports are none that could ever be. */
static bool watch_is_valid(const struct of_bucket *b)
{
	if (b->watch_port > OFPP_MAX && b->watch_port != OFPP_LOCAL && b->watch_port != OFPP_ANY)
		return false;
	return b->watch_group <= OFPG_MAX || b->watch_group == OFPG_ANY;
}

/* Members that the type does not define make the group invalid; watching is for the types that choose. */
static int check_bucket(const struct of_group_mod *gm, const struct of_bucket *b)
{
	if (b->weight && gm->type != OFPGT_SELECT)
		return GROUP_MOD_FAILED(INVALID_GROUP);
	if (watches(b) && (gm->type == OFPGT_ALL || gm->type == OFPGT_INDIRECT))
		return GROUP_MOD_FAILED(WATCH_UNSUPPORTED);
	if (!watches(b) && gm->type == OFPGT_FF)
		return GROUP_MOD_FAILED(INVALID_GROUP);
	return watch_is_valid(b) ? 0 : GROUP_MOD_FAILED(BAD_WATCH);
}

static int check_form(const struct of_group_mod *gm)
{
	if (gm->group > OFPG_MAX)
		return GROUP_MOD_FAILED(INVALID_GROUP);
	if (gm->type > OFPGT_FF)
		return GROUP_MOD_FAILED(BAD_TYPE);
	if (gm->n_buckets > OFX_GROUP_BUCKETS)
		return GROUP_MOD_FAILED(OUT_OF_BUCKETS);
	if (gm->type == OFPGT_INDIRECT && gm->n_buckets != 1)
		return GROUP_MOD_FAILED(INVALID_GROUP);
	for (size_t i = 0; i < gm->n_buckets; i++) {
		int err = check_bucket(gm, &gm->buckets[i]);

		if (err)
			return err;
	}
	return of_group_desc_fits(&(struct of_group_desc){gm->type, gm->group, gm->n_buckets, gm->buckets})
		       ? 0
		       : GROUP_MOD_FAILED(OUT_OF_BUCKETS);
}

int sw_group_each_ref(const struct of_bucket *buckets, size_t n, sw_group_ref_fn fn, void *aux)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		const struct of_actions *actions = &buckets[i].actions;

		if (buckets[i].watch_group != OFPG_ANY)
			err = fn(buckets[i].watch_group, true, aux);
		for (size_t j = 0; j < actions->n && !err; j++)
			if (actions->v[j].type == OF_ACT_GROUP)
				err = fn(actions->v[j].group, false, aux);
	}
	return err;
}

/* --- circles, and what chains multiply --- */

/* A walk over the groups as they will be: `changed` stands for the one that is added or modified. */
struct walk {
	struct sw *sw;
	struct sw_group *changed;
	struct dp_copies bucket; /* the one being looked at */
	uint32_t depth;		 /* of the group being looked at */
};

struct dp_copies sw_copies_most(struct dp_copies a, struct dp_copies b)
{
	return (struct dp_copies){a.n > b.n ? a.n : b.n, a.floods > b.floods ? a.floods : b.floods};
}

static int measure(struct walk *w, struct sw_group *g);

static int measure_ref(uint32_t id, bool watch, void *aux)
{
	struct walk *w = aux, below = {.sw = w->sw, .changed = w->changed};
	struct sw_group *g = id == w->changed->id ? w->changed : sw_group_find(w->sw, id);
	int err = g ? measure(&below, g) : 0;
	uint32_t depth;

	if (err)
		return err;
	/* One to watch need not exist, but may come; one to forward to is refused with the actions. */
	depth = g ? g->depth + 1 : 1;
	if (watch && depth > w->depth)
		w->depth = depth;
	if (!watch && g)
		w->bucket = sw_copies_most(w->bucket, g->will);
	return 0;
}

static bool floods(const struct of_bucket *b)
{
	for (size_t i = 0; i < b->actions.n; i++) {
		const struct of_action *a = &b->actions.v[i];

		if (a->type == OF_ACT_OUTPUT && (a->output.port == OFPP_FLOOD || a->output.port == OFPP_ALL))
			return true;
	}
	return false;
}

/* Copies of ALL buckets add up, of the others one is taken. */
static int measure_buckets(struct walk *w, struct sw_group *g)
{
	struct dp_copies sum = {0}, most = {.n = 1};
	uint32_t all = 0;
	int err = 0;

	for (size_t i = 0; i < g->n_buckets && !err; i++) {
		w->bucket = (struct dp_copies){1, floods(&g->buckets[i])};
		err = sw_group_each_ref(&g->buckets[i], 1, measure_ref, w);
		most = sw_copies_most(most, w->bucket);
		sum.floods += w->bucket.floods;
		all += w->bucket.n;
		if (g->type == OFPGT_ALL && all > OFX_COPIES)
			return err ? err : GROUP_MOD_FAILED(OUT_OF_BUCKETS);
	}
	sum.n = all ?: 1;
	g->will = g->type == OFPGT_ALL ? sum : most;
	g->depth = w->depth;
	return err;
}

static int measure(struct walk *w, struct sw_group *g)
{
	int err;

	if (g->seen == w->sw->group_walk)
		return g->busy ? GROUP_MOD_FAILED(LOOP) : 0;
	g->seen = w->sw->group_walk;
	g->busy = true;
	err = measure_buckets(w, g);
	g->busy = false;
	if (err)
		return err;
	return g->depth > OFX_WATCH_DEPTH ? GROUP_MOD_FAILED(WATCH_UNSUPPORTED) : 0;
}

/* Chains of ALL groups multiply copies: of one packet there may come OFX_COPIES at one group. */
static int measure_all(struct sw *sw, const struct of_group_mod *gm, const struct sw_group *old,
		       struct dp_copies *copies)
{
	struct sw_group changed = {
		.id = gm->group, .type = gm->type, .n_buckets = gm->n_buckets, .buckets = gm->buckets};
	struct walk w = {.sw = sw, .changed = &changed};
	int err;

	sw->group_walk++;
	err = measure(&w, &changed);
	*copies = changed.will;
	if (!(old ? old->chained + old->watched : sw->n_unmet))
		return err;
	for (struct sw_group *g = sw->groups; g && !err; g = g->hh.next) { /* those above it are among them */
		w = (struct walk){.sw = sw, .changed = &changed};
		err = g == old ? 0 : measure(&w, g);
	}
	return err;
}

int sw_group_check(struct sw *sw, const struct of_group_mod *gm, const struct sw_group *old, struct dp_copies *copies)
{
	int err = check_form(gm);

	if (!err)
		err = measure_all(sw, gm, old, copies);
	for (size_t i = 0; i < gm->n_buckets && !err; i++)
		err = sw_actions_check(sw, &gm->buckets[i].actions, false);
	return err;
}
