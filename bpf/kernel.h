/* SPDX-License-Identifier: GPL-2.0-only */
/* Structs of the kernel that are read through its BTF: only the members needed, so no vmlinux.h. */
#ifndef BPF_KERNEL_H
#define BPF_KERNEL_H

#include <bpf/bpf_core_read.h>

#define OFX_RELOC __attribute__((preserve_access_index))

struct ns_common {
	unsigned int inum;
} OFX_RELOC;

struct net {
	struct ns_common ns;
} OFX_RELOC;

typedef struct {
	struct net *net;
} OFX_RELOC possible_net_t;

struct net_device_ops {
	void *ndo_xdp_xmit;
} OFX_RELOC;

struct Qdisc {
	__u32 handle;
} OFX_RELOC;

struct net_device {
	int ifindex;
	unsigned long state;
	unsigned int xdp_features; /* Linux 6.3 on */
	const struct net_device_ops *netdev_ops;
	possible_net_t nd_net;
	struct Qdisc *qdisc; /* the root */
} OFX_RELOC;

struct bpf_dtab_netdev {
	struct net_device *dev;
} OFX_RELOC;

/* What a pointer to a devmap points to. */
struct bpf_dtab {
	struct bpf_dtab_netdev **netdev_map; /* by key */
} OFX_RELOC;

#define OFX_NETDEV_XDP_ACT_NDO_XMIT 4 /* of xdp_features */

enum netdev_state_t {
	__LINK_STATE_START,
	__LINK_STATE_PRESENT,
	__LINK_STATE_NOCARRIER,
	__LINK_STATE_LINKWATCH_PENDING,
	__LINK_STATE_DORMANT,
};

#endif
