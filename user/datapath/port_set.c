/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets of ports for broadcasts (include/ofxdp/port.h).  Members are keyed by port index, the loop by OFX_PORTS.
 *
 * Changing a member is immediate; putting a map into its place makes the kernel wait for an RCU grace period (11 ms).
 * So sets for the first ports are put there ahead of need (set_pool.h), and sets stay when a port leaves.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "user/datapath/port.h"
#include "user/util/cleanup.h"

#define LOOP_KEY OFX_PORTS
#define POOL 17	       /* LOCAL and ports 1-16 find their sets in place */
#define MIN_CAPACITY 8 /* members of a flood set, the loop included */

static int set_put(int set, uint32_t key, uint32_t ifindex)
{
	return bpf_map_update_elem(set, &key, &ifindex, BPF_ANY) ? -errno : 0;
}

static int set_drop(int set, uint32_t key)
{
	return bpf_map_delete_elem(set, &key) && errno != ENOENT ? -errno : 0;
}

static const struct bpf_map *outer_map(struct dp *dp, enum set_kind kind)
{
	const struct bpf_map *const maps[SET_KINDS] = {dp->skel->maps.pair_sets, dp->skel->maps.flood_sets,
						       dp->skel->maps.flood_more_sets};

	return maps[kind];
}

/* One that is being made anew, or has just gone, is put in once it is there (sets_loop()). */
static int put_loop(struct dp *dp, int set)
{
	uint32_t loop = dp->ports->veths.ends[OFX_DEV_CONTINUE];
	int err = loop ? set_put(set, LOOP_KEY, loop) : 0;

	return err == -EINVAL ? 0 : err;
}

/* All ports that packets from port `index` flood to. */
static int flood_fill(struct dp *dp, int set, uint32_t index, enum set_kind kind)
{
	struct dp_ports *p = dp->ports;
	int err = 0;

	if (kind == SET_FLOOD_MORE)
		err = put_loop(dp, set);
	for (uint32_t i = 0; i < OFX_PORTS && !err; i++)
		if (i != index && p->port[i].flooding) {
			err = set_put(set, i, port_tx(&p->port[i]));
			/* An interface that has just gone: netlink will tell. */
			if (err == -EINVAL)
				err = 0;
		}
	return err;
}

static int flood_new(struct dp *dp, uint32_t index, enum set_kind kind)
{
	_close_ int fd = set_new(kind, dp->ports->sets.capacity);
	int err = fd < 0 ? fd : flood_fill(dp, fd, index, kind);

	return err ? err : take_fd(fd);
}

static void sets_drop_fds(int *fds, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* New flood sets of one kind for all these ports, in place of those there are. */
static int floods_remake(struct dp *dp, const uint32_t *indexes, uint32_t n, enum set_kind kind)
{
	int *slots = dp->ports->sets.fd[kind];
	_free_ int *fds = calloc(n, sizeof(*fds));
	uint32_t made = 0;
	int err = fds ? 0 : -ENOMEM;

	for (; made < n && !err; made++) {
		fds[made] = flood_new(dp, indexes[made], kind);
		if (fds[made] < 0)
			err = fds[made];
	}
	if (!err)
		err = sets_publish(bpf_map__fd(outer_map(dp, kind)), indexes, fds, n);
	if (err) {
		if (fds)
			sets_drop_fds(fds, made);
		return err;
	}
	for (uint32_t i = 0; i < n; i++) {
		sets_drop_fds(&slots[indexes[i]], 1);
		slots[indexes[i]] = fds[i];
	}
	return 0;
}

/* Of those that have none yet. */
static int pairs_make(struct dp *dp, const uint32_t *indexes, uint32_t n)
{
	int *slots = dp->ports->sets.fd[SET_PAIR];
	_free_ uint32_t *keys = calloc(n, sizeof(*keys));
	_free_ int *fds = calloc(n, sizeof(*fds));
	uint32_t made = 0;

	if (!keys || !fds)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		if (slots[indexes[i]] >= 0)
			continue;
		keys[made] = indexes[i];
		fds[made] = set_new(SET_PAIR, 0);
		if (fds[made] < 0)
			return fds[made];
		slots[indexes[i]] = fds[made++];
	}
	return made ? sets_publish(bpf_map__fd(outer_map(dp, SET_PAIR)), keys, fds, made) : 0;
}

static int sets_make(struct dp *dp, const uint32_t *indexes, uint32_t n)
{
	int err = pairs_make(dp, indexes, n);

	if (!err)
		err = floods_remake(dp, indexes, n, SET_FLOOD);
	if (!err)
		err = floods_remake(dp, indexes, n, SET_FLOOD_MORE);
	return err;
}

static uint32_t capacity_for(uint32_t n_ports)
{
	uint32_t room = MIN_CAPACITY;

	while (room < n_ports + 1)
		room *= 2;
	return room;
}

/* Appends to indexes[*n], unless it is there. */
static void want(uint32_t *indexes, uint32_t *n, uint32_t index)
{
	for (uint32_t i = 0; i < *n; i++)
		if (indexes[i] == index)
			return;
	indexes[(*n)++] = index;
}

int sets_open(struct dp *dp, const uint32_t *first, uint32_t n_first)
{
	const uint32_t capacity = capacity_for(n_first + 1);
	struct port_sets *s = &dp->ports->sets;
	_free_ uint32_t *indexes = calloc(n_first + 2 + POOL, sizeof(*indexes));
	uint32_t n = 0, soon;
	int outer_fds[SET_KINDS];

	memset(s->fd, -1, sizeof(s->fd));
	s->capacity = capacity;
	if (!indexes)
		return -ENOMEM;
	for (uint32_t kind = 0; kind < SET_KINDS; kind++)
		outer_fds[kind] = bpf_map__fd(outer_map(dp, kind));
	want(indexes, &n, OFX_INDEX_NONE);
	want(indexes, &n, OFX_INDEX_LOCAL);
	for (uint32_t i = 0; i < n_first; i++)
		want(indexes, &n, first[i]);
	soon = n;
	for (uint32_t i = 0; i < POOL; i++)
		want(indexes, &n, i);
	s->pool = set_pool_open(outer_fds, capacity, indexes, n, soon);
	return s->pool ? 0 : -ENOMEM;
}

void sets_close(struct dp *dp)
{
	struct port_sets *s = &dp->ports->sets;

	if (!s->capacity)
		return;
	set_pool_close(s->pool);
	sets_drop_fds(s->fd[0], SET_KINDS * (OFX_PORTS + 1));
	s->pool = NULL;
	s->capacity = 0;
}

/* From the pool, filled; an error: it has none that are of use. */
static int sets_take(struct dp *dp, uint32_t index)
{
	struct port_sets *s = &dp->ports->sets;
	int fds[SET_KINDS], err = 0;

	if (!set_pool_take(s->pool, index, fds))
		return -ENOENT;
	for (uint32_t kind = 0; kind < SET_KINDS; kind++)
		s->fd[kind][index] = fds[kind];
	for (uint32_t kind = SET_FLOOD; kind <= SET_FLOOD_MORE && !err; kind++)
		err = flood_fill(dp, fds[kind], index, kind);
	return err;
}

/* Flood sets with more room, for all that have some, in the pool too, and for this one. */
static int sets_grow(struct dp *dp, uint32_t index)
{
	struct port_sets *s = &dp->ports->sets;
	uint32_t all[OFX_PORTS + 1 + POOL + OFX_FLOOD_PORTS], n = set_pool_left(s->pool, all);

	set_pool_close(s->pool);
	s->pool = NULL;
	want(all, &n, index);
	for (uint32_t i = 0; i <= OFX_PORTS; i++)
		if (s->fd[SET_FLOOD][i] >= 0)
			want(all, &n, i);
	return sets_make(dp, all, n);
}

int sets_provide(struct dp *dp, uint32_t index, uint32_t n_ports)
{
	struct port_sets *s = &dp->ports->sets;

	if (capacity_for(n_ports) > s->capacity) {
		s->capacity = capacity_for(n_ports);
		return sets_grow(dp, index);
	}
	if (s->fd[SET_FLOOD][index] >= 0)
		return 0;
	return sets_take(dp, index) ? sets_make(dp, &index, 1) : 0;
}

int sets_pair(struct dp *dp, uint32_t index, uint32_t ifindex)
{
	int set = dp->ports->sets.fd[SET_PAIR][index], err;

	if (set < 0)
		return ifindex ? -ENOENT : 0;
	if (!ifindex)
		return set_drop(set, index) ? -EIO : set_drop(set, LOOP_KEY);
	err = put_loop(dp, set);
	return err ? err : set_put(set, index, ifindex);
}

int sets_loop(struct dp *dp)
{
	struct port_sets *s = &dp->ports->sets;
	int err = 0;

	for (uint32_t i = 0; i <= OFX_PORTS && !err; i++) {
		if (i < OFX_PORTS && s->fd[SET_PAIR][i] >= 0 && dp->ports->port[i].exists)
			err = put_loop(dp, s->fd[SET_PAIR][i]);
		if (!err && s->fd[SET_FLOOD_MORE][i] >= 0)
			err = put_loop(dp, s->fd[SET_FLOOD_MORE][i]);
	}
	return err;
}

/* For counting what a broadcast sent; written as a whole. */
static int members_write(struct dp *dp)
{
	struct ofx_flood members = {0};
	uint32_t zero = 0;

	for (uint32_t i = 0; i < OFX_PORTS && members.n < OFX_FLOOD_PORTS; i++)
		if (dp->ports->port[i].flooding)
			members.index[members.n++] = i;
	return bpf_map_update_elem(bpf_map__fd(dp->skel->maps.flood_members), &zero, &members, BPF_ANY) ? -errno : 0;
}

static int flood_member(int set, uint32_t index, uint32_t ifindex, bool member)
{
	if (set < 0)
		return 0;
	return member ? set_put(set, index, ifindex) : set_drop(set, index);
}

int sets_flood(struct dp *dp, uint32_t index, uint32_t ifindex, bool member)
{
	struct port_sets *s = &dp->ports->sets;
	int err = 0;

	dp->ports->port[index].flooding = member;
	for (uint32_t i = 0; i <= OFX_PORTS && !err; i++) {
		if (i == index)
			continue;
		for (uint32_t kind = SET_FLOOD; kind <= SET_FLOOD_MORE && !err; kind++)
			err = flood_member(s->fd[kind][i], index, ifindex, member);
	}
	return err ? err : members_write(dp);
}
