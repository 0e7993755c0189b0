/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One rtnetlink socket and one request at a time on it (libmnl), for link.c.  Results are 0 or a negative errno; what
 * the kernel said in words stands in nl->said.
 */
#ifndef DATAPATH_NETLINK_H
#define DATAPATH_NETLINK_H

#include <libmnl/libmnl.h>
#include "user/datapath/link.h"

#define NL_REPLY_SIZE 65536 /* bytes; the kernel fills one datagram of a dump with up to 32 KiB */
#define NL_WATCHED 32	    /* changes told in one turn of the event loop, then others have theirs */

/* A bound socket that listens to `groups` (RTMGRP_*).  flags: SOCK_NONBLOCK or 0. */
int nl_socket_open(struct nl *nl, unsigned int groups, int flags);
/* Send, and hand the answers to fn until the kernel has acknowledged or ended the dump. */
int nl_talk(struct nl *nl, struct nlmsghdr *h, mnl_cb_t fn, void *aux);

#endif
