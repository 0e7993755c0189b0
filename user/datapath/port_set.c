/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets of ports for broadcasts (include/ofxdp/port.h).  Members are keyed by port index, the loop by OFX_PORTS.
 *
 * Changing a member is immediate; putting a map into its place makes the kernel wait for an RCU grace period (11 ms),
 * so the first ports' sets are put there in one batch at start and stay when a port leaves.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "user/datapath/port.h"
#include "user/util/cleanup.h"

#define LOOP_KEY OFX_PORTS
#define POOL 17	       /* LOCAL and ports 1-16 have their sets from the start */
#define MIN_CAPACITY 8 /* members of a flood set, the loop included */

static int set_new(const char *name, uint32_t room)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_DEVMAP_HASH, name, sizeof(uint32_t), sizeof(uint32_t), room, NULL);

	return fd < 0 ? -errno : fd;
}

static int set_put(int set, uint32_t key, uint32_t ifindex)
{
	return bpf_map_update_elem(set, &key, &ifindex, BPF_ANY) ? -errno : 0;
}

static int set_drop(int set, uint32_t key)
{
	return bpf_map_delete_elem(set, &key) && errno != ENOENT ? -errno : 0;
}

/* Give places keys[0…n-1] of an outer map these inner maps. */
static int sets_publish(const struct bpf_map *outer, uint32_t *keys, int *fds, uint32_t n)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	uint32_t done = n;

	if (n > 1 && !bpf_map_update_batch(bpf_map__fd(outer), keys, fds, &done, &opts))
		return 0;
	for (uint32_t i = 0; i < n; i++)
		if (bpf_map_update_elem(bpf_map__fd(outer), &keys[i], &fds[i], BPF_ANY))
			return -errno;
	return 0;
}

/* A flood set for packets from port `index`, filled. */
static int flood_new(struct dp *dp, uint32_t index, bool more)
{
	struct dp_ports *p = dp->ports;
	_close_ int fd = set_new(more ? "flood_more" : "flood", p->sets.capacity);
	int err = 0;

	if (fd < 0)
		return fd;
	if (more)
		err = set_put(fd, LOOP_KEY, p->veths.ends[OFX_DEV_CONTINUE]);
	for (uint32_t i = 0; i < OFX_PORTS && !err; i++)
		if (i != index && p->port[i].flooding) {
			err = set_put(fd, i, port_tx(&p->port[i]));
			/* An interface that has just gone: netlink will tell. */
			if (err == -EINVAL)
				err = 0;
		}
	return err ? err : take_fd(fd);
}

static void sets_drop_fds(int *fds, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* New flood sets of one kind for all these ports, in place of those in `slots`. */
static int floods_remake(struct dp *dp, const uint32_t *indexes, uint32_t n, bool more)
{
	const struct bpf_map *outer = more ? dp->skel->maps.flood_more_sets : dp->skel->maps.flood_sets;
	int *slots = more ? dp->ports->sets.more : dp->ports->sets.flood;
	_free_ uint32_t *keys = calloc(n, sizeof(*keys));
	_free_ int *fds = calloc(n, sizeof(*fds));
	uint32_t made = 0;
	int err = keys && fds ? 0 : -ENOMEM;

	for (; made < n && !err; made++) {
		keys[made] = indexes[made];
		fds[made] = flood_new(dp, indexes[made], more);
		if (fds[made] < 0)
			err = fds[made];
	}
	if (!err)
		err = sets_publish(outer, keys, fds, n);
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

static int pairs_make(struct dp *dp, const uint32_t *indexes, uint32_t n)
{
	int *slots = dp->ports->sets.pair;
	_free_ uint32_t *keys = calloc(n, sizeof(*keys));
	_free_ int *fds = calloc(n, sizeof(*fds));
	uint32_t made = 0;

	if (!keys || !fds)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t index = indexes[i];

		if (index >= OFX_PORTS || slots[index] >= 0)
			continue;
		slots[index] = set_new("pair", 2);
		if (slots[index] < 0)
			return slots[index];
		keys[made] = index;
		fds[made++] = slots[index];
	}
	return sets_publish(dp->skel->maps.pair_sets, keys, fds, made);
}

static int sets_make(struct dp *dp, const uint32_t *indexes, uint32_t n)
{
	int err = pairs_make(dp, indexes, n);

	if (!err)
		err = floods_remake(dp, indexes, n, false);
	if (!err)
		err = floods_remake(dp, indexes, n, true);
	return err;
}

static uint32_t capacity_for(uint32_t n_ports)
{
	uint32_t room = MIN_CAPACITY;

	while (room < n_ports + 1)
		room *= 2;
	return room;
}

int sets_open(struct dp *dp, uint32_t n_ports)
{
	struct port_sets *s = &dp->ports->sets;
	uint32_t indexes[POOL + 1];

	memset(s->pair, -1, sizeof(s->pair));
	memset(s->flood, -1, sizeof(s->flood));
	memset(s->more, -1, sizeof(s->more));
	s->capacity = capacity_for(n_ports);
	for (uint32_t i = 0; i < POOL; i++)
		indexes[i] = i;
	indexes[POOL] = OFX_INDEX_NONE;
	return sets_make(dp, indexes, POOL + 1);
}

void sets_close(struct dp *dp)
{
	struct port_sets *s = &dp->ports->sets;

	if (!s->capacity)
		return;
	sets_drop_fds(s->pair, OFX_PORTS);
	sets_drop_fds(s->flood, OFX_PORTS + 1);
	sets_drop_fds(s->more, OFX_PORTS + 1);
	s->capacity = 0;
}

int sets_provide(struct dp *dp, uint32_t index, uint32_t n_ports)
{
	struct port_sets *s = &dp->ports->sets;
	uint32_t all[OFX_PORTS + 1], n = 0;

	if (capacity_for(n_ports) <= s->capacity)
		return s->flood[index] >= 0 ? 0 : sets_make(dp, &index, 1);
	s->capacity = capacity_for(n_ports);
	for (uint32_t i = 0; i <= OFX_PORTS; i++)
		if (s->flood[i] >= 0 || i == index)
			all[n++] = i;
	return sets_make(dp, all, n);
}

int sets_pair(struct dp *dp, uint32_t index, uint32_t ifindex)
{
	int set = dp->ports->sets.pair[index], err;

	if (!ifindex)
		return set_drop(set, index) ? -EIO : set_drop(set, LOOP_KEY);
	err = set_put(set, LOOP_KEY, dp->ports->veths.ends[OFX_DEV_CONTINUE]);
	return err ? err : set_put(set, index, ifindex);
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

int sets_flood(struct dp *dp, uint32_t index, uint32_t ifindex, bool member)
{
	struct port_sets *s = &dp->ports->sets;
	int err = 0;

	dp->ports->port[index].flooding = member;
	for (uint32_t i = 0; i <= OFX_PORTS && !err; i++) {
		if (i == index || s->flood[i] < 0)
			continue;
		err = member ? set_put(s->flood[i], index, ifindex) : set_drop(s->flood[i], index);
		if (!err)
			err = member ? set_put(s->more[i], index, ifindex) : set_drop(s->more[i], index);
	}
	return err ? err : members_write(dp);
}
