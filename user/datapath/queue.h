/* SPDX-License-Identifier: GPL-2.0-only */
/* Queues, seen from inside (include/ofxdp/queue.h): leaf classes of the ports' root qdiscs. */
#ifndef DATAPATH_QUEUE_H
#define DATAPATH_QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct dp;
struct ofx_op;
struct port;

/* Before the ports: since when a queue has been there is remembered; what queues there are the kernel is asked. */
int queues_open(struct dp *dp);
void queues_close(struct dp *dp);
/*
 * Put ofx_egress before the stack at NAME-q1, in place of a former daemon's if `replace`.  A kernel that can't do it
 * has no queues, which is told.
 */
void queues_attach(struct dp *dp, bool replace);
/* A port came; its classes may have changed. */
void queues_look(struct dp *dp, const struct port *port);
/* It is a port no longer. */
void queues_forget(struct dp *dp, const struct port *port);
/* Is each OFX_OP_SET_QUEUE's queue there on some port?  0, or BAD_ACTION BAD_QUEUE. */
int queues_check(struct dp *dp, const struct ofx_op *ops, size_t n);

#endif
