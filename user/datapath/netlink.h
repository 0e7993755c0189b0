/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One rtnetlink socket and one request at a time on it (libmnl), for link.c and qdisc.c.  Results are 0 or a negative
 * errno; what the kernel said in words stands in nl->said.
 */
#ifndef DATAPATH_NETLINK_H
#define DATAPATH_NETLINK_H

#include <libmnl/libmnl.h>
#include "user/datapath/link.h"

#define NL_REPLY_SIZE 65536 /* bytes; the kernel fills one datagram of a dump with up to 32 KiB */
#define NL_WATCH_TURN 32    /* changes that are read in one turn of the event loop */

/* A bound socket that listens to `groups` (RTMGRP_*).  flags: SOCK_NONBLOCK or 0. */
int nl_socket_open(struct nl *nl, unsigned int groups, int flags);
/*
 * Send, and hand the answers to fn until the kernel has acknowledged.  What only asks is asked again if its answer got
 * lost.
 */
int nl_talk(struct nl *nl, struct nlmsghdr *h, mnl_cb_t fn, void *aux);

struct nl_dump {
	void (*begin)(void *aux); /* before each try; may be NULL */
	mnl_cb_t fn;
	void *aux;
	uint32_t tries; /* at most, a few milliseconds apart */
};

/*
 * The same for a dump.  What it lists may change meanwhile, which the kernel tells at some time of it: then some that
 * were there all along may be missing, others come twice; it is asked for again.  -EINTR: the last try ended so, too.
 */
int nl_dump(struct nl *nl, struct nlmsghdr *h, const struct nl_dump *dump);

#endif
