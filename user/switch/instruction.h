/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instruction sets, shared: ten thousand routes with the same next hop keep one.  And the checks of a flow-mod's
 * instructions that the spec asks for (§6.4, §7.2.4, §7.2.5).
 */
#ifndef SWITCH_INSTRUCTION_H
#define SWITCH_INSTRUCTION_H

#include <stdint.h>
#include <uthash.h>
#include "user/openflow/action.h"
#include "user/openflow/match.h"

struct sw;

struct sw_instructions {
	struct of_instructions of; /* never changed */
	struct sw *sw;
	uint32_t refs;
	UT_hash_handle hh; /* sw->instructions, by key */
	uint8_t key[];	   /* the version, and the instructions as it encodes them */
};

/* A reference to the one that equals `inst`, made if there is none. */
struct sw_instructions *sw_instructions_get(struct sw *sw, const struct of_instructions *inst);
const void *sw_instructions_encoded(const struct sw_instructions *inst, size_t *len); /* for OpenFlow 1.3 */
void sw_instructions_put(struct sw_instructions *inst);				      /* NULL is fine */

/* What can be said without the match: goto, meter, groups, ports, types.  0 or an OpenFlow error. */
int sw_instructions_check(struct sw *sw, uint8_t table, const struct of_instructions *inst);
/* Prerequisites of the actions in packets that `match` lets through: 0 or OFPBAC_MATCH_INCONSISTENT. */
int sw_instructions_check_match(const struct of_instructions *inst, const struct of_match *match);

#endif
