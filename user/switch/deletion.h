/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The deletion of a group or a meter, with which the flow entries go that use it (§6.7, §6.8).  In steps: while it goes
 * on nothing new may come to use it (.dying), and it goes itself when no set of instructions names it any more, those
 * on their way to entries by a modify included.
 */
#ifndef SWITCH_DELETION_H
#define SWITCH_DELETION_H

#include <stdbool.h>
#include <stdint.h>
#include "user/switch/instruction.h"
#include "user/switch/switch.h"

/* id: of a dying group or meter, or all that are dying (OFPG_ALL, OFPM_ALL). */
struct sw_deletion_ops {
	/* Mark it dying: the deletion begins, and cannot fail any more. */
	void (*doom)(struct sw *sw, uint32_t id);
	bool (*uses)(const struct sw *sw, const struct sw_instructions *inst, uint32_t id);
	/* Sets of instructions that name it. */
	uint32_t (*n_sets)(const struct sw *sw, uint32_t id);
	/* Nobody uses it: forget it. */
	void (*bury)(struct sw *sw, uint32_t id);
	uint8_t reason; /* of the entries' FLOW_REMOVED */
};

/* As a handler. */
int sw_deletion_start(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg, uint32_t id,
		      const struct sw_deletion_ops *ops);

#endif
