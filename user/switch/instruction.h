/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instruction sets, shared: ten thousand routes with the same next hop keep one.  And the checks of a flow-mod's
 * instructions that the spec asks for (§6.4, §7.2.4, §7.2.5).
 */
#ifndef SWITCH_INSTRUCTION_H
#define SWITCH_INSTRUCTION_H

#include <stdbool.h>
#include <stdint.h>
#include "user/openflow/action.h"
#include "user/openflow/match.h"
#include "user/util/htable.h"

struct sw;

struct sw_instructions {
	struct hlink link;	   /* sw->instructions; first */
	struct of_instructions of; /* never changed */
	struct sw *sw;
	uint32_t refs;
	bool compiled[2];   /* in the data plane: for other entries, for table-miss entries, … */
	uint32_t number[2]; /* … as dp_inst_add() numbered it */
	bool needs_match;   /* it has actions that not every packet can be given to */
	uint32_t n_groups;
	uint32_t *groups; /* that it leads to, each once */
	size_t key_len;
	uint8_t key[]; /* the version, and the instructions as it encodes them */
};

/* A reference to the one that equals `inst`, made if there is none.  NULL: out of memory. */
struct sw_instructions *sw_instructions_get(struct sw *sw, const struct of_instructions *inst);
void sw_instructions_put(struct sw_instructions *inst); /* NULL is fine */
/* Its number in the data plane, compiled if need be: as dp_inst_add(). */
int sw_instructions_compile(struct sw_instructions *inst, bool table_miss, uint32_t *number);
const void *sw_instructions_encoded(const struct sw_instructions *inst, size_t *len); /* for OpenFlow 1.3 */
/* So many flow entries more have it, or less: the statistics of its groups and meter tell. */
void sw_instructions_count(const struct sw_instructions *inst, int change);

/* What can be said without the match: goto, meter, groups, ports, types.  0 or an OpenFlow error. */
int sw_instructions_check(struct sw *sw, uint8_t table, const struct of_instructions *inst);
/* Prerequisites of the actions in packets that `match` lets through: 0 or OFPBAC_MATCH_INCONSISTENT. */
int sw_instructions_check_match(const struct of_instructions *inst, const struct of_match *match);

#endif
