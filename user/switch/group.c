/* SPDX-License-Identifier: GPL-2.0-only */
/* GROUP_MOD (§6.7, §7.3.4.2); group statistics, descriptions and features (§7.3.5.8 to §7.3.5.10). */
#include "user/switch/group.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/switch/internal.h"

#define GROUP_MOD_FAILED(code) OF_ERROR(OFPET_GROUP_MOD_FAILED, OFPGMFC_##code)

struct sw_group *sw_group_find(const struct sw *sw, uint32_t id)
{
	struct sw_group *g;

	HASH_FIND(hh, sw->groups, &id, sizeof(id), g);
	return g;
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
	return 0;
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

static int add(struct sw *sw, const struct of_group_mod *gm)
{
	struct of_bucket *buckets;
	struct sw_group *g;
	int err;

	if (gm->group <= OFPG_MAX && sw_group_find(sw, gm->group))
		return GROUP_MOD_FAILED(GROUP_EXISTS);
	err = sw_group_check(sw, gm, NULL);
	if (err)
		return err;
	g = calloc(1, sizeof(*g));
	buckets = buckets_copy(gm->buckets, gm->n_buckets);
	err = g && buckets ? dp_group_add(sw->dp, gm) : -ENOMEM;
	if (err) {
		if (buckets)
			buckets_free(buckets, gm->n_buckets);
		free(g);
		return err;
	}
	g->id = gm->group;
	g->created = sw_now();
	group_set(sw, g, gm, buckets);
	HASH_ADD(hh, sw->groups, id, sizeof(g->id), g);
	return 0;
}

static int modify(struct sw *sw, const struct of_group_mod *gm)
{
	struct sw_group *g = gm->group <= OFPG_MAX ? sw_group_find(sw, gm->group) : NULL;
	struct of_bucket *buckets;
	int err;

	if (!g)
		return GROUP_MOD_FAILED(UNKNOWN_GROUP);
	err = sw_group_check(sw, gm, g);
	if (err)
		return err;
	buckets = buckets_copy(gm->buckets, gm->n_buckets);
	if (!buckets)
		return -ENOMEM;
	err = dp_group_modify(sw->dp, gm);
	if (err)
		buckets_free(buckets, gm->n_buckets);
	else
		group_set(sw, g, gm, buckets);
	return err;
}

/* --- delete --- */

static bool leads_to(const struct of_actions *actions, uint32_t group)
{
	for (size_t i = 0; i < actions->n; i++)
		if (actions->v[i].type == OF_ACT_GROUP && (group == OFPG_ALL || actions->v[i].group == group))
			return true;
	return false;
}

static bool uses(const struct sw_instructions *inst, uint32_t group)
{
	return leads_to(&inst->of.apply, group) || leads_to(&inst->of.write, group);
}

struct users {
	uint32_t group;
	struct sw_flow_list flows;
};

static void add_user(struct sw_flow *flow, void *aux)
{
	struct users *u = aux;

	if (uses(flow->inst, u->group))
		sw_flow_list_add(flow, &u->flows);
}

static void each_flow(struct sw *sw, sw_flow_fn fn, void *aux)
{
	const struct sw_flow_filter all = {.out_port = OFPP_ANY, .out_group = OFPG_ANY};

	sw_flow_each(sw, OFPTT_ALL, &all, fn, aux);
}

/* Flow entries go with the group they lead to (§6.7).  Most deletions have none: few instruction sets tell it. */
static int remove_users(struct sw *sw, uint32_t group)
{
	struct users u = {.group = group};
	int err;

	for (const struct sw_instructions *inst = sw->instructions; inst; inst = inst->hh.next) {
		if (!uses(inst, group))
			continue;
		each_flow(sw, add_user, &u);
		break;
	}
	err = sw_flows_remove(sw, &u.flows, OFPRR_GROUP_DELETE);
	sw_flow_list_free(&u.flows);
	return err;
}

static int delete_all(struct sw *sw)
{
	int err = remove_users(sw, OFPG_ALL);

	while (!err && sw->groups) {
		dp_group_remove(sw->dp, sw->groups->id);
		group_free(sw, sw->groups);
	}
	return err;
}

/* Of a group that is not there: no error (§6.7). */
static int delete (struct sw *sw, uint32_t id)
{
	struct sw_group *g;
	int err;

	if (id == OFPG_ALL)
		return delete_all(sw);
	if (id > OFPG_MAX)
		return GROUP_MOD_FAILED(INVALID_GROUP);
	g = sw_group_find(sw, id);
	if (!g)
		return 0;
	if (g->chained + g->watched)
		return GROUP_MOD_FAILED(CHAINED_GROUP);
	err = remove_users(sw, id);
	if (err)
		return err;
	dp_group_remove(sw->dp, id);
	group_free(sw, g);
	return 0;
}

int sw_group_mod(struct sw *sw, const struct of_group_mod *gm)
{
	switch (gm->command) {
	case OFPGC_ADD:
		return add(sw, gm);
	case OFPGC_MODIFY:
		return modify(sw, gm);
	case OFPGC_DELETE:
		return delete (sw, gm->group);
	}
	return GROUP_MOD_FAILED(BAD_COMMAND);
}

/* --- statistics, descriptions, features --- */

static void count_actions(struct sw *sw, const struct of_actions *actions)
{
	for (size_t i = 0; i < actions->n; i++) {
		struct sw_group *g = actions->v[i].type == OF_ACT_GROUP ? sw_group_find(sw, actions->v[i].group) : NULL;

		if (g)
			g->refs++;
	}
}

static void count_flow(struct sw_flow *flow, void *sw)
{
	count_actions(sw, &flow->inst->of.apply);
	count_actions(sw, &flow->inst->of.write);
}

static void put_stats(struct sw *sw, struct of_multipart *mp, const struct sw_group *g)
{
	struct of_bucket_counter buckets[OFX_GROUP_BUCKETS] = {0};
	uint64_t age = sw_now() - g->created;
	struct of_group_stats stats = {
		.group = g->id,
		.ref_count = g->refs,
		.duration_sec = age / SW_SECOND,
		.duration_nsec = age % SW_SECOND,
		.n_buckets = g->n_buckets,
		.buckets = buckets,
	};

	dp_group_counters(sw->dp, g->id, &stats.packets, &stats.bytes, buckets);
	of_multipart_group_stats(mp, &stats);
}

int sw_group_stats(struct sw *sw, struct sw_conn *conn, uint32_t xid, uint32_t group)
{
	struct of_multipart mp;

	for (struct sw_group *g = sw->groups; g; g = g->hh.next)
		g->refs = g->chained;
	each_flow(sw, count_flow, sw);
	of_multipart_begin(&mp, &conn->replies, OFPMP_GROUP, xid);
	for (const struct sw_group *g = sw->groups; g; g = g->hh.next)
		if (group == OFPG_ALL || group == g->id)
			put_stats(sw, &mp, g);
	of_multipart_end(&mp);
	return 0;
}

int sw_group_desc(struct sw *sw, struct sw_conn *conn, uint32_t xid)
{
	struct of_multipart mp;

	of_multipart_begin(&mp, &conn->replies, OFPMP_GROUP_DESC, xid);
	for (const struct sw_group *g = sw->groups; g; g = g->hh.next)
		of_multipart_group_desc(&mp, &(struct of_group_desc){g->type, g->id, g->n_buckets, g->buckets});
	of_multipart_end(&mp);
	return 0;
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
