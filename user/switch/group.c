/* SPDX-License-Identifier: GPL-2.0-only */
/* GROUP_MOD (§6.7, §7.3.4.2); group statistics, descriptions and features (§7.3.5.8 to §7.3.5.10). */
#include "user/switch/group.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/switch/deletion.h"
#include "user/switch/internal.h"
#include "user/util/clock.h"

#define GROUP_MOD_FAILED(code) OF_ERROR(OFPET_GROUP_MOD_FAILED, OFPGMFC_##code)

struct sw_group *sw_group_find(const struct sw *sw, uint32_t id)
{
	struct sw_group *g;

	HASH_FIND(hh, sw->groups, &id, sizeof(id), g);
	return g;
}

bool sw_group_is_usable(const struct sw *sw, uint32_t id)
{
	const struct sw_group *g = sw_group_find(sw, id);

	return g && !g->dying;
}

/* --- the groups' own buckets --- */

static void buckets_free(struct of_bucket *buckets, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(buckets[i].actions.v); /* flat: see struct of_action */
	free(buckets);
}

static struct of_bucket *buckets_copy(const struct of_bucket *from, size_t n)
{
	struct of_bucket *to = calloc(n + 1, sizeof(*to));

	for (size_t i = 0; to && i < n; i++) {
		size_t size = from[i].actions.n * sizeof(*from[i].actions.v);

		to[i] = from[i];
		to[i].actions.v = malloc(size + 1);
		if (!to[i].actions.v) {
			buckets_free(to, i);
			return NULL;
		}
		if (size)
			memcpy(to[i].actions.v, from[i].actions.v, size);
	}
	return to;
}

static int count_ref(struct sw *sw, uint32_t id, bool watch, int n)
{
	struct sw_group *g = sw_group_find(sw, id);

	if (g)
		*(watch ? &g->watched : &g->chained) += n;
	else if (watch)
		sw->n_unmet += n;
	return 0;
}

struct watch_count {
	uint32_t id, n;
};

static int count_watch(uint32_t id, bool watch, void *aux)
{
	struct watch_count *c = aux;

	c->n += watch && id == c->id;
	return 0;
}

/* Into the table.  Buckets may have watched it before it was there.  False: out of memory. */
static bool group_enter(struct sw *sw, struct sw_group *g)
{
	struct watch_count c = {.id = g->id};

	if (!hash_add(sw->groups, id, g))
		return false;
	for (const struct sw_group *other = sw->n_unmet ? sw->groups : NULL; other; other = other->hh.next)
		sw_group_each_ref(other->buckets, other->n_buckets, count_watch, &c);
	g->watched = c.n;
	sw->n_unmet -= c.n;
	return true;
}

static int add_ref(uint32_t id, bool watch, void *sw)
{
	return count_ref(sw, id, watch, 1);
}

static int drop_ref(uint32_t id, bool watch, void *sw)
{
	return count_ref(sw, id, watch, -1);
}

/* Takes `buckets` over. */
static void group_set(struct sw *sw, struct sw_group *g, const struct of_group_mod *gm, struct of_bucket *buckets)
{
	sw_group_each_ref(g->buckets, g->n_buckets, drop_ref, sw);
	buckets_free(g->buckets, g->n_buckets);
	g->type = gm->type;
	g->n_buckets = gm->n_buckets;
	g->buckets = buckets;
	sw_group_each_ref(g->buckets, g->n_buckets, add_ref, sw);
}

static void group_free(struct sw *sw, struct sw_group *g)
{
	sw_group_each_ref(g->buckets, g->n_buckets, drop_ref, sw);
	sw->n_unmet += g->watched;
	HASH_DEL(sw->groups, g);
	buckets_free(g->buckets, g->n_buckets);
	free(g);
}

void sw_groups_free(struct sw *sw)
{
	while (sw->groups)
		group_free(sw, sw->groups);
}

/* --- add, modify --- */

/* A group with that number, without buckets yet.  NULL: out of memory. */
static struct sw_group *group_new(struct sw *sw, uint32_t id)
{
	struct sw_group *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->id = id;
	g->created = clock_ns();
	if (group_enter(sw, g))
		return g;
	free(g);
	return NULL;
}

static int add(struct sw *sw, const struct of_group_mod *gm)
{
	struct dp_copies copies;
	struct of_bucket *buckets;
	struct sw_group *g;
	int err;

	g = gm->group <= OFPG_MAX ? sw_group_find(sw, gm->group) : NULL;
	if (g)
		return g->dying ? -EAGAIN : GROUP_MOD_FAILED(GROUP_EXISTS);
	err = sw_group_check(sw, gm, NULL, &copies);
	if (err)
		return err;
	buckets = buckets_copy(gm->buckets, gm->n_buckets);
	if (!buckets)
		return -ENOMEM;
	g = group_new(sw, gm->group);
	err = g ? dp_group_add(sw->dp, gm, copies) : -ENOMEM;
	if (err) {
		buckets_free(buckets, gm->n_buckets);
		if (g)
			group_free(sw, g);
		return err;
	}
	g->copies = copies;
	group_set(sw, g, gm, buckets);
	return 0;
}

static void set_copies(struct sw *sw, struct sw_group *g, struct dp_copies to)
{
	if (to.n == g->copies.n && to.floods == g->copies.floods)
		return;
	dp_group_set_copies(sw->dp, g->id, to);
	g->copies = to;
}

/*
 * Tell the datapath what the groups that lead to a changed one make of a packet.  Before the change: as much as before
 * or behind it; what a packet needs less, is no harm.
 */
static void tell_copies(struct sw *sw, bool before)
{
	for (struct sw_group *g = sw->groups; g; g = g->hh.next)
		if (g->seen == sw->group_walk)
			set_copies(sw, g, before ? sw_copies_most(g->copies, g->will) : g->will);
}

/* A change that was measured has failed. */
static void measure_again(struct sw *sw, struct sw_group *g)
{
	const struct of_group_mod as_it_is = {
		.type = g->type, .group = g->id, .n_buckets = g->n_buckets, .buckets = g->buckets};
	struct dp_copies same;

	sw_group_check(sw, &as_it_is, g, &same);
}

static int modify(struct sw *sw, const struct of_group_mod *gm)
{
	struct sw_group *g = gm->group <= OFPG_MAX ? sw_group_find(sw, gm->group) : NULL;
	struct dp_copies copies;
	struct of_bucket *buckets;
	int err;

	if (!g)
		return GROUP_MOD_FAILED(UNKNOWN_GROUP);
	if (g->dying)
		return -EAGAIN;
	err = sw_group_check(sw, gm, g, &copies);
	if (err)
		return err;
	buckets = buckets_copy(gm->buckets, gm->n_buckets);
	if (!buckets)
		return -ENOMEM;
	tell_copies(sw, true);
	err = dp_group_modify(sw->dp, gm, copies);
	if (err) {
		buckets_free(buckets, gm->n_buckets);
		measure_again(sw, g);
	} else {
		group_set(sw, g, gm, buckets);
		g->copies = copies;
	}
	tell_copies(sw, false);
	return err;
}

/* --- delete --- */

static void doom(struct sw *sw, uint32_t id)
{
	for (struct sw_group *g = sw->groups; g; g = g->hh.next)
		g->dying |= id == OFPG_ALL || id == g->id;
}

/* Those added while all are being deleted are not. */
static bool is_meant(const struct sw_group *g, uint32_t id)
{
	return g->dying && (id == OFPG_ALL || id == g->id);
}

static bool uses(const struct sw *sw, const struct sw_instructions *inst, uint32_t id)
{
	for (uint32_t i = 0; i < inst->n_groups; i++) {
		const struct sw_group *g = sw_group_find(sw, inst->groups[i]);

		if (g && is_meant(g, id))
			return true;
	}
	return false;
}

static uint32_t n_sets(const struct sw *sw, uint32_t id)
{
	uint32_t n = 0;

	for (const struct sw_group *g = sw->groups; g; g = g->hh.next)
		n += is_meant(g, id) ? g->sets : 0;
	return n;
}

static void bury(struct sw *sw, uint32_t id)
{
	struct sw_group *g, *next;

	HASH_ITER (hh, sw->groups, g, next) {
		if (!is_meant(g, id))
			continue;
		dp_group_remove(sw->dp, g->id);
		group_free(sw, g);
	}
}

/* Of a group that is not there: no error (§6.7). */
static int delete (struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	static const struct sw_deletion_ops ops = {
		.doom = doom, .uses = uses, .n_sets = n_sets, .bury = bury, .reason = OFPRR_GROUP_DELETE};
	const uint32_t id = msg->group_mod.group;
	const struct sw_group *g = sw_group_find(sw, id);

	if (id > OFPG_MAX && id != OFPG_ALL)
		return GROUP_MOD_FAILED(INVALID_GROUP);
	if (!g && id != OFPG_ALL)
		return 0;
	if (g && g->chained)
		return GROUP_MOD_FAILED(CHAINED_GROUP);
	return sw_deletion_start(sw, conn, msg, id, &ops);
}

int sw_group_mod(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	switch (msg->group_mod.command) {
	case OFPGC_ADD:
		return add(sw, &msg->group_mod);
	case OFPGC_MODIFY:
		return modify(sw, &msg->group_mod);
	case OFPGC_DELETE:
		if (msg->group_mod.n_buckets)
			return GROUP_MOD_FAILED(INVALID_GROUP);
		return delete (sw, conn, msg);
	}
	return GROUP_MOD_FAILED(BAD_COMMAND);
}

/* --- statistics, descriptions, features --- */

static void put_stats(struct sw *sw, uint32_t id, struct of_multipart *mp)
{
	const struct sw_group *g = sw_group_find(sw, id);
	struct of_bucket_counter buckets[OFX_GROUP_BUCKETS] = {0};
	struct of_group_stats stats = {.group = id, .buckets = buckets};
	uint64_t age;

	if (!g)
		return;
	age = clock_ns() - g->created;
	stats.ref_count = g->flows + g->chained;
	stats.duration_sec = age / SW_SECOND;
	stats.duration_nsec = age % SW_SECOND;
	stats.n_buckets = g->n_buckets;
	dp_group_counters(sw->dp, id, &stats.packets, &stats.bytes, buckets);
	of_multipart_group_stats(mp, &stats);
}

static void put_desc(struct sw *sw, uint32_t id, struct of_multipart *mp)
{
	const struct sw_group *g = sw_group_find(sw, id);

	if (g)
		of_multipart_group_desc(mp, &(struct of_group_desc){g->type, g->id, g->n_buckets, g->buckets});
}

int sw_group_multipart(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	const bool stats = msg->multipart.type == OFPMP_GROUP;
	uint32_t *ids = calloc(HASH_COUNT(sw->groups) + 1, sizeof(*ids)), n = 0;

	for (const struct sw_group *g = sw->groups; ids && g; g = g->hh.next)
		if (!stats || msg->multipart.group == OFPG_ALL || msg->multipart.group == g->id)
			ids[n++] = g->id;
	return sw_multipart_each(sw, conn, msg, ids, n, stats ? put_stats : put_desc);
}

int sw_group_features(struct sw *sw, struct sw_conn *conn, uint32_t xid)
{
	const uint32_t max = dp_max_groups(sw->dp), actions = sw_table_actions();
	struct of_multipart mp;
	struct of_group_features f = {
		.types = 1u << OFPGT_ALL | 1u << OFPGT_SELECT | 1u << OFPGT_INDIRECT | 1u << OFPGT_FF,
		.capabilities =
			OFPGFC_SELECT_WEIGHT | OFPGFC_SELECT_LIVENESS | OFPGFC_CHAINING | OFPGFC_CHAINING_CHECKS,
		.max_groups = {max, max, max, max},
		.actions = {actions, actions, actions, actions},
	};

	of_multipart_begin(&mp, &conn->replies, OFPMP_GROUP_FEATURES, xid);
	of_multipart_group_features(&mp, &f);
	of_multipart_end(&mp);
	return 0;
}
