/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The switch's own veth pairs, one at a time.  They are known by their names; where one end has got another name, by
 * the programs of ours on them.
 */
#ifndef DATAPATH_VETH_H
#define DATAPATH_VETH_H

#include <stdbool.h>
#include <stdint.h>
#include "user/datapath/former.h"
#include "user/datapath/link.h"

struct veth {
	char a_name[IFNAMSIZ], b_name[IFNAMSIZ];
	bool roams;		    /* b may be in another network namespace */
	uint8_t a_mac[6], b_mac[6]; /* zeros: the kernel chooses */
	struct link a, b;	    /* as found or made, whatever its name; ifindex 0: not in this namespace */
	const char *foreign;	    /* -EEXIST: the name that somebody else has */
};

/* Names NAME-… of at most IFNAMSIZ - 1 characters. */
void veth_name(char ifname[IFNAMSIZ], const char *name, const char *suffix);
/*
 * Find the pair that v->a_name, v->b_name and v->roams describe.  `former` tells programs of ours.  -ENODEV: it is not
 * there, or only half of it (v->a or v->b); -EEXIST: somebody else has a name.  Changes nothing, logs nothing.
 */
int veth_find(struct nl *nl, struct veth *v, const struct former *former);
/* The sentence for -EEXIST. */
void veth_log_foreign(const struct veth *v);
/*
 * The same, found or made, with n_queues queues; one that is found may have others, up to `most`: CPUs share fewer.
 * Ends that were renamed get their names back.  Errors are logged.
 */
int veth_make(struct nl *nl, struct veth *v, uint32_t n_queues, uint32_t most, const struct former *former);
/* No addresses and no neighbour discovery of its own: frames there are the switch's. */
void veth_no_ipv6(struct nl *nl, const struct link *link);
/* Up, without ARP. */
int veth_up(struct nl *nl, const struct link *link);
/* Give it that name, even where the kernel (before 6.2) does that only while it is down. */
int veth_rename(struct nl *nl, const struct link *link, const char *name);
/* Delete it, if it is still there.  What could not be, and why, is logged. */
int veth_discard(struct nl *nl, const struct link *link);

#endif
