/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Drops behind the redirect: the XDP program has said "redirect", the kernel or the driver does not do it.  Tracepoints
 * tell; they fire for every XDP user of the machine, so each looks whether the device is one of this switch: in our
 * namespace (an ifindex is unique only there) and a port or an internal interface.  The kernel's structs are read
 * through its typed pointers, which it allows where it refuses bpf_probe_read_kernel() (lockdown), and which costs
 * less.
 */
#ifndef BPF_TRACE_H
#define BPF_TRACE_H

#include "bpf/counter.h"
#include "bpf/kernel.h"

const volatile __u32 ofx_tx_ports; /* id of map tx_ports, which the kernel lets no tracing program use; by the loader */

static __always_inline int dev_is_here(const struct net_device *dev)
{
	return dev->nd_net.net->ns.inum == ofx_netns;
}

/* 0: not a device of ours; 1: internal; 2 + index: a port. */
static __always_inline __u32 dev_role(const struct net_device *dev)
{
	__u32 ifindex, *index;

	if (!dev || !dev_is_here(dev))
		return 0;
	ifindex = dev->ifindex;
	index = bpf_map_lookup_elem(&port_of_ifindex, &ifindex);
	if (!index)
		return 0;
	return *index < OFX_PORTS ? 2 + *index : 1;
}

static __always_inline void count_role_tx_dropped(__u32 role, __u64 n)
{
	struct ofx_state *s = role >= 2 ? state_take() : NULL;

	if (!s)
		return;
	port_cells(s, role - 2)->tx_dropped += n;
	state_give(s);
}

/*
 * dev = where the frame was received; the element of the map is where it should have gone.  Without a map it is
 * ofx_relay's, whose interface stands for the port.
 */
static __always_inline void trace_redirect_err(const struct net_device *dev, __u32 map_type, __u32 map_id, __u32 index)
{
	__u32 role = dev_role(dev);

	if (!role)
		return;
	if (map_type == BPF_MAP_TYPE_XSKMAP) {
		count_drop(OFX_DROP_PUNT_FULL);
		return;
	}
	count_drop(OFX_DROP_REDIRECT_ERR);
	if (map_type == BPF_MAP_TYPE_UNSPEC)
		count_role_tx_dropped(role, 1);
	else if (map_id == ofx_tx_ports)
		count_role_tx_dropped(2 + index, 1);
}

/* A bulk of frames was given to the driver of `to`; it did not take `n` of them. */
static __always_inline void trace_devmap_xmit(const struct net_device *from, const struct net_device *to, __s32 n)
{
	if (n <= 0 || !dev_role(from))
		return;
	count_drops(OFX_DROP_TX_DROP, n);
	count_role_tx_dropped(dev_role(to), n);
}

/* A failed redirect is counted where it failed; drivers may report it here once more. */
static __always_inline void trace_exception(const struct net_device *dev, __u32 act)
{
	if (act != XDP_REDIRECT && dev_role(dev))
		count_drop(OFX_DROP_EXCEPTION);
}

#endif
