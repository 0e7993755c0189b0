/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Liveness of ports, buckets and groups (§6.7): is this bucket a candidate now?
 *
 * A port is live if it exists, is not configured down, and its interface runs with a carrier.  The latter is read where
 * the kernel keeps it, so a link that goes down moves traffic with the very next packet, whether or not a daemon lives.
 * A bucket is live if its watch port or its watch group is, or if it watches nothing; a group is live if one of its
 * buckets is.  All of it is one big "or": the search for a live leaf needs no results from the levels in between.
 */
#ifndef BPF_LIVENESS_H
#define BPF_LIVENESS_H

#include "bpf/kernel.h"
#include "bpf/output.h"
#include "include/ofxdp/group.h"

/* The port's own interface.  No helper reads a devmap's entry, so walk the map itself.  NULL: there is none. */
static __always_inline struct net_device *port_device(__u32 index)
{
	const struct bpf_dtab *map = (const void *)&port_devices;
	struct bpf_dtab_netdev **entries = map->netdev_map, *entry = NULL;

	if (bpf_probe_read_kernel(&entry, sizeof(entry), entries + index) || !entry)
		return NULL;
	return BPF_CORE_READ(entry, dev);
}

/* Is it up, with none of these bits (1 << enum netdev_state_t)? */
static __always_inline int device_runs(struct net_device *dev, __u32 down)
{
	__u64 state = BPF_CORE_READ(dev, state);

	return (state & 1u << __LINK_STATE_START) && !(state & down);
}

static __always_inline int port_has_carrier(__u32 index)
{
	struct net_device *dev = port_device(index);

	return dev && device_runs(dev, 1u << __LINK_STATE_NOCARRIER | 1u << __LINK_STATE_DORMANT);
}

__weak __noinline int port_live(__u32 index)
{
	const struct ofx_port *port;

	if (index >= OFX_PORTS)
		return 0;
	port = port_at(index);
	if (!port || !(port->flags & OFX_PORT_EXISTS) || port->flags & OFX_PORT_DOWN)
		return 0;
	return ofx_sees_carrier ? port_has_carrier(index) : !(port->flags & OFX_PORT_NO_CARRIER);
}

/* Does the driver take frames from XDP?  As the kernel asks: a broadcast leaves out one that does not, silently. */
static __always_inline int port_takes_frames(__u32 index)
{
	struct net_device *dev = port_device(index);

	if (!dev)
		return 1;
	if (bpf_core_field_exists(dev->xdp_features))
		return BPF_CORE_READ(dev, xdp_features) & OFX_NETDEV_XDP_ACT_NDO_XMIT;
	return BPF_CORE_READ(dev, netdev_ops, ndo_xdp_xmit) != NULL;
}

/* The group as it is now.  NULL: there is none. */
static __always_inline const struct ofx_group *group_now(__u32 index, __u32 *slot)
{
	const volatile __u64 *root = bpf_map_lookup_elem(&group_roots, &index);

	*slot = root ? *root : 0;
	return *slot ? bpf_map_lookup_elem(&groups, slot) : NULL;
}

/* The group's buckets are to be looked at too. */
static __always_inline void live_push(struct ofx_state *s, __u32 index)
{
	__u32 slot, depth = s->live_depth;
	const struct ofx_group *g = group_now(index, &slot);

	if (!g || depth >= OFX_WATCH_DEPTH)
		return;
	s->live[depth].bucket = g->first;
	s->live[depth].left = g->n_buckets;
	s->live_depth = depth + 1;
}

/* 1: the bucket itself is live; 0: not, or not yet known: the group it watches has been noted. */
static __always_inline int live_bucket(struct ofx_state *s, __u32 number)
{
	const struct ofx_bucket *b = bpf_map_lookup_elem(&buckets, &number);

	if (!b)
		return 0;
	if (b->watch_port != OFX_NOT_WATCHED && port_live(b->watch_port))
		return 1;
	if (b->watch_group != OFX_NOT_WATCHED)
		live_push(s, b->watch_group);
	else if (b->watch_port == OFX_NOT_WATCHED)
		return 1;
	return 0;
}

/* The next bucket of the innermost group noted.  1: live; 0: go on; -1: none is left. */
__weak __noinline int live_step(struct ofx_state *s)
{
	__u32 depth, bucket;

	if (!s)
		return -1;
	depth = s->live_depth - 1;
	if (depth >= OFX_WATCH_DEPTH)
		return -1;
	if (!s->live[depth].left) {
		s->live_depth = depth;
		return 0;
	}
	bucket = s->live[depth].bucket;
	s->live[depth].bucket = bucket + 1;
	s->live[depth].left -= 1;
	return live_bucket(s, bucket);
}

/* A bucket below which no live one is found in so many looks counts as dead: work per packet is bounded. */
#define OFX_LIVE_STEPS (2 * OFX_GROUP_BUCKETS)

__weak __noinline int bucket_live(struct ofx_state *s, __u32 number)
{
	if (!s)
		return 0;
	s->live_depth = 0;
	if (live_bucket(s, number))
		return 1;
	if (!s->live_depth)
		return 0;
	for (int i = 0; i < OFX_LIVE_STEPS; i++) {
		int live = live_step(s);

		if (live)
			return live > 0;
	}
	return 0;
}

#endif
