/* SPDX-License-Identifier: GPL-2.0-only */
/* Ops (include/ofxdp/action.h) as text, by the names of the actions they were compiled from. */
#ifndef CTL_ACTION_H
#define CTL_ACTION_H

#include <stddef.h>
#include <stdint.h>
#include "include/ofxdp/action.h"
#include "include/ofxdp/limits.h"

/* group_ids[OFX_GROUPS]: the number of the group that has an index.  What does not fit into `size` bytes is cut. */
void action_text(const struct ofx_op *ops, size_t n, const uint32_t *group_ids, char *text, size_t size);

#endif
