/* SPDX-License-Identifier: GPL-2.0-only */
/* Groups: what other parts of the datapath ask of group.c (its public side is in datapath.h). */
#ifndef DATAPATH_GROUP_H
#define DATAPATH_GROUP_H

#include <stddef.h>
#include <stdint.h>
#include "include/ofxdp/action.h"

struct dp;

/* After the grace periods, before the flow tables; needs the skeleton loaded. */
int groups_open(struct dp *dp);
void groups_close(struct dp *dp);
/*
 * action_compile() leaves the group's id in an OFX_OP_GROUP: put its index there.  BAD_ACTION BAD_OUT_GROUP if there is
 * no such group.
 */
int groups_resolve(const struct dp *dp, struct ofx_op *ops, size_t n);

#endif
