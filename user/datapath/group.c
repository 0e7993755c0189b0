/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Groups: buckets compiled into the maps of include/ofxdp/group.h, and their counters.
 *
 * A group keeps its index; each add or modify makes a whole new configuration (slot, buckets, ops) that nobody can
 * reach, and one write of the root publishes it.  The configuration before is taken apart after a grace period.
 */
#include "user/datapath/group.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "include/ofxdp/counter.h"
#include "include/ofxdp/group.h"
#include "include/ofxdp/port.h"
#include "include/openflow/openflow.h"
#include "user/datapath/internal.h"
#include "user/datapath/pool.h"
#include "user/openflow/error.h"
#include "user/util/cleanup.h"
#include "user/util/hash.h"
#include "user/util/log.h"
#include "user/util/memory.h"

#define GROUP_MOD_FAILED(code) OF_ERROR(OFPET_GROUP_MOD_FAILED, OFPGMFC_##code)
#define BUCKET_RUN_ORDERS 10 /* runs of up to 512 buckets */
#define GROUP_BYTES 1024
#define BUCKET_BYTES 128

_Static_assert(1 << (BUCKET_RUN_ORDERS - 1) == OFX_GROUP_BUCKETS, "one run holds a group's buckets");
_Static_assert(BUCKET_RUN_ORDERS <= RUN_ORDERS_MAX, "runs");

struct bucket_part {
	uint32_t first; /* in `bucket_ops` */
	uint8_t order;	/* of the run there, or RUN_NONE */
	struct group *watched;
};

/* A configuration of a group in the maps. */
struct config {
	struct dp_groups *groups;
	uint32_t slot; /* 0: none yet */
	struct ofx_group of;
	struct group *removed; /* the group whose last configuration it was */
	uint32_t first;	       /* in `buckets` */
	uint8_t order;	       /* of the run there, or RUN_NONE */
	size_t n;
	struct bucket_part part[];
};

/* A group, or one that is no more or not yet: its index stays while somebody watches it. */
struct group {
	uint32_t id, index;
	struct config *config; /* NULL: there is no such group */
	uint32_t refs;	       /* its own, the configurations that watch it, those of removed groups */
	UT_hash_handle hh;
};

struct dp_groups {
	struct dp *dp;
	int roots_fd, groups_fd, buckets_fd, ops_fd;
	struct numbers indexes, slots;
	struct runs bucket_runs, op_runs;
	uint32_t gen[OFX_GROUP_SLOTS];
	struct group *by_id;
	uint32_t n;	    /* groups that there are */
	uint32_t n_leaving; /* configurations that wait for a grace period */
};

static struct group *find_number(const struct dp_groups *groups, uint32_t id)
{
	struct group *g = NULL;

	if (groups)
		HASH_FIND(hh, groups->by_id, &id, sizeof(id), g);
	return g;
}

static struct group *find(const struct dp_groups *groups, uint32_t id)
{
	struct group *g = find_number(groups, id);

	return g && g->config ? g : NULL;
}

/* --- numbers and their indexes --- */

/* Room may come free with the grace periods that are under way. */
static int no_room(const struct dp_groups *groups, int err)
{
	return groups->n_leaving ? -EAGAIN : err;
}

static int take_index(struct dp_groups *groups, uint32_t *index)
{
	return numbers_take(&groups->indexes, index) ? 0 : no_room(groups, GROUP_MOD_FAILED(OUT_OF_GROUPS));
}

static int group_new(struct dp_groups *groups, uint32_t id, struct group **out)
{
	_free_ struct group *g = calloc(1, sizeof(*g));
	int err = g ? take_index(groups, &g->index) : -ENOMEM;

	if (err)
		return err;
	g->id = id;
	if (!hash_add(groups->by_id, id, g)) {
		numbers_give(&groups->indexes, g->index);
		return -ENOMEM;
	}
	*out = take_ptr(g);
	return 0;
}

/* A reference to the group with that number, which need not exist. */
static int group_get(struct dp_groups *groups, uint32_t id, struct group **out)
{
	struct group *g = find_number(groups, id);
	int err = g ? 0 : group_new(groups, id, &g);

	if (err)
		return err;
	g->refs++;
	*out = g;
	return 0;
}

static void group_put(struct dp_groups *groups, struct group *g)
{
	if (--g->refs)
		return;
	HASH_DEL(groups->by_id, g);
	numbers_give(&groups->indexes, g->index);
	free(g);
}

int groups_resolve(const struct dp *dp, struct ofx_op *ops, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct group *g;

		if (ops[i].code != OFX_OP_GROUP)
			continue;
		g = find(dp->groups, ops[i].arg);
		if (!g)
			return OF_ERROR(OFPET_BAD_ACTION, OFPBAC_BAD_OUT_GROUP);
		ops[i].arg = g->index;
	}
	return 0;
}

/* --- counters --- */

static void cell_read(const struct dp_groups *groups, uint32_t cell, uint64_t *packets, uint64_t *bytes)
{
	const struct cpus *cpus = &groups->dp->cpus;

	*packets = *bytes = 0;
	for (uint32_t i = 0; i < cpus->n; i++) {
		const volatile struct ofx_counter *c = &cpus->cpu[i].state->group[cell];

		*packets += c->packets;
		*bytes += c->bytes;
	}
}

/* Nobody counts there: its grace period is over. */
static void cell_clear(struct dp_groups *groups, uint32_t cell)
{
	const struct cpus *cpus = &groups->dp->cpus;

	for (uint32_t i = 0; i < cpus->n; i++)
		cpus->cpu[i].state->group[cell] = (struct ofx_counter){0};
}

void dp_group_counters(struct dp *dp, uint32_t id, uint64_t *packets, uint64_t *bytes,
		       struct of_bucket_counter *buckets)
{
	const struct dp_groups *groups = dp->groups;
	const struct group *g = find(groups, id);

	*packets = *bytes = 0;
	if (!g)
		return;
	cell_read(groups, g->index, packets, bytes);
	*packets -= g->config->of.packets_before;
	*bytes -= g->config->of.bytes_before;
	for (size_t i = 0; i < g->config->n; i++)
		cell_read(groups, OFX_GROUPS + g->config->first + i, &buckets[i].packets, &buckets[i].bytes);
}

/* --- a bucket's ops --- */

/* Append the last action of that type, the one an action set keeps. */
static bool set_take(const struct of_actions *from, uint16_t type, struct of_actions *to)
{
	for (size_t i = from->n; i; i--) {
		if (from->v[i - 1].type != type)
			continue;
		to->v[to->n++] = from->v[i - 1];
		return true;
	}
	return false;
}

/* A bucket is an action set (§5.10): in its order, one of a type, set-fields one per field (the last one wins). */
static void set_order(const struct of_actions *from, struct of_actions *to)
{
	static const uint16_t before[] = {OF_ACT_COPY_TTL_IN, OF_ACT_POP_VLAN,	   OF_ACT_POP_MPLS,
					  OF_ACT_POP_PBB,     OF_ACT_PUSH_MPLS,	   OF_ACT_PUSH_PBB,
					  OF_ACT_PUSH_VLAN,   OF_ACT_COPY_TTL_OUT, OF_ACT_DEC_MPLS_TTL,
					  OF_ACT_DEC_NW_TTL,  OF_ACT_SET_MPLS_TTL, OF_ACT_SET_NW_TTL};

	for (size_t i = 0; i < ARRAY_LEN(before); i++)
		set_take(from, before[i], to);
	for (size_t i = 0; i < from->n; i++)
		if (from->v[i].type == OF_ACT_SET_FIELD)
			to->v[to->n++] = from->v[i];
	set_take(from, OF_ACT_SET_QUEUE, to);
	if (!set_take(from, OF_ACT_GROUP, to))
		set_take(from, OF_ACT_OUTPUT, to);
}

static int bucket_compile(const struct dp *dp, const struct of_actions *actions, struct ofx_op *ops, size_t *n)
{
	struct of_actions ordered = {.v = calloc(actions->n + 1, sizeof(*ordered.v))};
	int err;

	*n = 0;
	if (!ordered.v)
		return -ENOMEM;
	set_order(actions, &ordered);
	err = action_compile(&ordered, OFPR_ACTION, false, ops, n, OFX_BUCKET_OPS);
	free(ordered.v);
	return err ? err : groups_resolve(dp, ops, *n);
}

static int write_ops(struct dp_groups *groups, const struct ofx_op *ops, size_t n, struct bucket_part *part)
{
	if (!n)
		return 0;
	if (!runs_take(&groups->op_runs, n, &part->first, &part->order)) {
		part->order = RUN_NONE;
		return no_room(groups, GROUP_MOD_FAILED(OUT_OF_BUCKETS));
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = part->first + i;

		if (bpf_map_update_elem(groups->ops_fd, &at, &ops[i], BPF_ANY))
			return -errno;
	}
	return 0;
}

/* --- configurations --- */

static void config_free(struct config *c)
{
	struct dp_groups *groups = c->groups;

	for (size_t i = 0; i < c->n; i++) {
		if (c->part[i].order != RUN_NONE)
			runs_give(&groups->op_runs, c->part[i].first, c->part[i].order);
		if (c->part[i].watched)
			group_put(groups, c->part[i].watched);
	}
	if (c->removed)
		group_put(groups, c->removed);
	if (c->order != RUN_NONE)
		runs_give(&groups->bucket_runs, c->first, c->order);
	if (c->slot)
		numbers_give(&groups->slots, c->slot);
	free(c);
}

/* Both may be of what is not there, or never can be: not live then. */
static int watch_indexes(struct dp_groups *groups, const struct of_bucket *b, struct ofx_bucket *to,
			 struct bucket_part *part)
{
	int err = b->watch_group == OFPG_ANY ? 0 : group_get(groups, b->watch_group, &part->watched);

	to->watch_port = b->watch_port == OFPP_ANY ? OFX_NOT_WATCHED : ofx_port_index(b->watch_port);
	to->watch_group = part->watched ? part->watched->index : OFX_NOT_WATCHED;
	return err;
}

static int write_bucket(struct dp_groups *groups, const struct of_bucket *b, struct config *c, size_t i, uint32_t upto)
{
	struct bucket_part *part = &c->part[i];
	struct ofx_op ops[OFX_BUCKET_OPS] = {0};
	struct ofx_bucket of = {.weight = b->weight, .upto = upto};
	uint32_t number = c->first + i;
	size_t n;
	int err = watch_indexes(groups, b, &of, part);

	if (!err)
		err = bucket_compile(groups->dp, &b->actions, ops, &n);
	if (!err)
		err = write_ops(groups, ops, n, part);
	if (err)
		return err;
	of.first = part->first;
	of.n_ops = n;
	cell_clear(groups, OFX_GROUPS + number);
	return bpf_map_update_elem(groups->buckets_fd, &number, &of, BPF_ANY) ? -errno : 0;
}

static int write_group(struct dp_groups *groups, struct config *c, struct dp_copies copies)
{
	c->of.copies = copies.n;
	c->of.floods = copies.floods;
	return bpf_map_update_elem(groups->groups_fd, &c->slot, &c->of, BPF_ANY) ? -errno : 0;
}

static int config_write(struct dp_groups *groups, const struct of_group_mod *gm, struct dp_copies copies,
			struct config *c)
{
	int err;

	if (!numbers_take(&groups->slots, &c->slot)) {
		c->slot = 0;
		return no_room(groups, GROUP_MOD_FAILED(OUT_OF_GROUPS));
	}
	if (c->n && !runs_take(&groups->bucket_runs, c->n, &c->first, &c->order)) {
		c->order = RUN_NONE;
		return no_room(groups, GROUP_MOD_FAILED(OUT_OF_BUCKETS));
	}
	c->of.first = c->first;
	for (size_t i = 0; i < c->n; i++) {
		c->of.weight += gm->buckets[i].weight;
		err = write_bucket(groups, &gm->buckets[i], c, i, c->of.weight);
		if (err)
			return err;
	}
	c->of.gen = ++groups->gen[c->slot];
	return write_group(groups, c, copies);
}

/* A group counts from its add on, whatever its modifications.  Packets of a former one may still be counted. */
static void count_from(const struct dp_groups *groups, const struct group *g, struct ofx_group *of)
{
	uint64_t packets, bytes;

	cell_read(groups, g->index, &packets, &bytes);
	of->packets_before = g->config ? g->config->of.packets_before : packets;
	of->bytes_before = g->config ? g->config->of.bytes_before : bytes;
}

static int config_new(struct dp_groups *groups, const struct of_group_mod *gm, struct dp_copies copies,
		      const struct group *g, struct config **out)
{
	struct config *c = calloc(1, sizeof(*c) + gm->n_buckets * sizeof(c->part[0]));
	int err;

	if (!c)
		return -ENOMEM;
	c->groups = groups;
	c->n = gm->n_buckets;
	c->order = RUN_NONE;
	for (size_t i = 0; i < c->n; i++)
		c->part[i].order = RUN_NONE;
	c->of = (struct ofx_group){.n_buckets = c->n, .type = gm->type, .id = gm->group};
	count_from(groups, g, &c->of);
	err = config_write(groups, gm, copies, c);
	if (err)
		config_free(c);
	else
		*out = c;
	return err;
}

static void config_retired(struct dp *dp, void *aux, uint32_t number)
{
	dp->groups->n_leaving--;
	config_free(aux);
}

static void config_retire(struct config *c)
{
	c->groups->n_leaving++;
	grace_defer(c->groups->dp, config_retired, c, 0);
}

static int publish(struct dp_groups *groups, const struct group *g, uint64_t slot)
{
	return bpf_map_update_elem(groups->roots_fd, &g->index, &slot, BPF_ANY) ? -errno : 0;
}

/* --- add, modify, remove --- */

/* What the group takes: its maps are there already; the switch keeps its actions. */
static bool has_memory(const struct of_group_mod *gm)
{
	size_t bytes = GROUP_BYTES;

	for (size_t i = 0; i < gm->n_buckets; i++)
		bytes += BUCKET_BYTES + gm->buckets[i].actions.n * sizeof(struct of_action);
	return memory_may(bytes);
}

int dp_group_add(struct dp *dp, const struct of_group_mod *gm, struct dp_copies copies)
{
	struct dp_groups *groups = dp->groups;
	struct config *c;
	struct group *g;
	int err;

	if (groups->n >= dp_max_groups(dp))
		return GROUP_MOD_FAILED(OUT_OF_GROUPS);
	if (!has_memory(gm))
		return -ENOMEM;
	err = group_get(groups, gm->group, &g);
	if (err)
		return err;
	err = config_new(groups, gm, copies, g, &c);
	if (!err) {
		err = publish(groups, g, c->slot);
		if (err)
			config_free(c);
	}
	if (err) {
		group_put(groups, g);
		return err;
	}
	g->config = c;
	groups->n++;
	return 0;
}

int dp_group_modify(struct dp *dp, const struct of_group_mod *gm, struct dp_copies copies)
{
	struct group *g = find(dp->groups, gm->group);
	struct config *c;
	int err = !g ? -ENOENT : has_memory(gm) ? config_new(dp->groups, gm, copies, g, &c) : -ENOMEM;

	if (err)
		return err;
	err = publish(dp->groups, g, c->slot);
	if (err) {
		config_free(c);
		return err;
	}
	config_retire(g->config);
	g->config = c;
	return 0;
}

int dp_group_set_copies(struct dp *dp, uint32_t id, struct dp_copies copies)
{
	struct group *g = find(dp->groups, id);

	return g ? write_group(dp->groups, g->config, copies) : -ENOENT;
}

void dp_group_remove(struct dp *dp, uint32_t id)
{
	struct group *g = find(dp->groups, id);

	if (!g)
		return;
	if (publish(dp->groups, g, 0))
		log_error("cannot take group %u out of the maps: %s", id, strerror(errno));
	g->config->removed = g;
	config_retire(take_ptr(g->config));
	dp->groups->n--;
}

uint32_t dp_max_groups(const struct dp *dp)
{
	return OFX_GROUPS / 2; /* the other half may be waiting for a grace period */
}

/* --- open, close --- */

static int open_pools(struct dp_groups *groups)
{
	int err = numbers_open(&groups->indexes, 0, OFX_GROUPS);

	if (!err)
		err = numbers_open(&groups->slots, 1, OFX_GROUP_SLOTS);
	if (!err)
		err = runs_open(&groups->bucket_runs, OFX_BUCKETS, BUCKET_RUN_ORDERS);
	if (!err)
		err = runs_open(&groups->op_runs, OFX_BUCKET_POOL, RUN_ORDERS);
	return err ? err : grace_reserve(groups->dp, OFX_GROUP_SLOTS);
}

int groups_open(struct dp *dp)
{
	struct dp_groups *groups = calloc(1, sizeof(*groups));
	const struct ofxdp_bpf *skel = dp->skel;
	int err;

	if (!groups)
		return -ENOMEM;
	groups->dp = dp;
	groups->roots_fd = bpf_map__fd(skel->maps.group_roots);
	groups->groups_fd = bpf_map__fd(skel->maps.groups);
	groups->buckets_fd = bpf_map__fd(skel->maps.buckets);
	groups->ops_fd = bpf_map__fd(skel->maps.bucket_ops);
	dp->groups = groups;
	err = open_pools(groups);
	if (err) {
		log_error("cannot set up the group table: %s", strerror(-err));
		groups_close(dp);
	}
	return err;
}

void groups_close(struct dp *dp)
{
	struct dp_groups *groups = dp->groups;
	struct group *g, *next;

	if (!groups)
		return;
	grace_flush(dp);
	HASH_ITER (hh, groups->by_id, g, next) {
		HASH_DEL(groups->by_id, g);
		free(g->config); /* what it refers to goes with it */
		free(g);
	}
	numbers_close(&groups->indexes);
	numbers_close(&groups->slots);
	runs_close(&groups->bucket_runs);
	runs_close(&groups->op_runs);
	free(take_ptr(dp->groups));
}
