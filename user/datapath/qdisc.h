/* SPDX-License-Identifier: GPL-2.0-only */
/* Qdiscs and their classes through rtnetlink, as `tc qdisc` and `tc class` show them.  Results as in link.h. */
#ifndef DATAPATH_QDISC_H
#define DATAPATH_QDISC_H

#include <stddef.h>
#include <stdint.h>
#include "user/datapath/link.h"

struct qdisc_class {
	uint32_t classid; /* MAJOR:MINOR */
	uint32_t parent;
	bool inner;			/* has others below it: not told */
	uint64_t bytes, packets, drops; /* since it was made */
	uint64_t rate, ceil;		/* bytes/s, as configured (HTB); 0: not known */
};

/*
 * The leaf classes of the interface's root qdisc that skb->priority can choose, into an array that the caller frees.
 * None where the qdisc has no classes or is of a kind that chooses them otherwise (mq, mqprio …).
 */
int qdisc_leaves(struct nl *nl, uint32_t ifindex, struct qdisc_class **leaves, size_t *n);

/* Watching: a non-blocking socket that hears of qdiscs, classes and filters. */
int qdisc_watch_open(struct nl *nl);
/*
 * Calls `fn` for each of some changes that wait; type RTM_*, handle of what it is about.  The socket stays readable
 * while there are more.  -ENOBUFS: some were lost.
 */
int qdisc_watch_read(struct nl *nl, void (*fn)(void *aux, uint16_t type, uint32_t ifindex, uint32_t handle), void *aux);

#endif
