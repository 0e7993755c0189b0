/* SPDX-License-Identifier: GPL-2.0-only */
/* Actions and instructions (OpenFlow 1.3.5 §7.2.4, §7.2.5), version-neutral.  Host byte order but for set-field. */
#ifndef OPENFLOW_ACTION_H
#define OPENFLOW_ACTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "user/openflow/match.h"

/* The numbers are OFPAT_* of OpenFlow 1.3. */
enum of_action_type {
	OF_ACT_OUTPUT = 0,
	OF_ACT_COPY_TTL_OUT = 11,
	OF_ACT_COPY_TTL_IN = 12,
	OF_ACT_SET_MPLS_TTL = 15,
	OF_ACT_DEC_MPLS_TTL = 16,
	OF_ACT_PUSH_VLAN = 17,
	OF_ACT_POP_VLAN = 18,
	OF_ACT_PUSH_MPLS = 19,
	OF_ACT_POP_MPLS = 20,
	OF_ACT_SET_QUEUE = 21,
	OF_ACT_GROUP = 22,
	OF_ACT_SET_NW_TTL = 23,
	OF_ACT_DEC_NW_TTL = 24,
	OF_ACT_SET_FIELD = 25,
	OF_ACT_PUSH_PBB = 26,
	OF_ACT_POP_PBB = 27,
	OF_ACT_EXPERIMENTER = 0xffff,
};

struct of_action {
	uint16_t type; /* enum of_action_type */
	union {
		struct {
			uint32_t port; /* OpenFlow 1.3 number, OFPP_* reserved ones included */
			uint16_t max_len;
		} output;
		uint32_t group;
		uint32_t queue;
		uint16_t ethertype; /* push, pop MPLS */
		uint8_t ttl;
		struct {
			uint8_t field;	   /* enum ofx_field */
			bool has_mask;	   /* 1.5 */
			uint8_t value[16]; /* OXM payload, of_fields[field].bytes of it */
			uint8_t mask[16];  /* all ones if !has_mask */
		} set;
	};
};

struct of_actions {
	size_t n;
	struct of_action *v;
};

/* An instruction set; at most one of each type.  `present` has bit OFPIT_* (1 goto … 6 meter). */
struct of_instructions {
	uint32_t present;
	uint8_t goto_table;
	uint32_t meter;
	uint64_t metadata, metadata_mask;
	struct of_actions write, apply;
};
#define OF_INST_GOTO (1u << 1)
#define OF_INST_METADATA (1u << 2)
#define OF_INST_WRITE (1u << 3)
#define OF_INST_APPLY (1u << 4)
#define OF_INST_CLEAR (1u << 5)
#define OF_INST_METER (1u << 6)

/*
 * Decode `len` bytes of actions.  Errors: BAD_TYPE, BAD_LEN, BAD_EXPERIMENTER, BAD_SET_TYPE/LEN/ARGUMENT.  On success
 * out->v is malloc'ed (NULL if n = 0): free with of_actions_free.  What actions mean for a match or the switch's state
 * (ports, groups, prerequisites of set-field) is checked by user/switch.
 */
int of_actions_decode(struct wire *w, size_t len, uint8_t version, struct of_actions *out);
void of_actions_encode(struct buf *b, uint8_t version, const struct of_actions *actions);
void of_actions_free(struct of_actions *actions);

/* Errors: UNKNOWN_INST, UNSUP_INST, BAD_LEN, BAD_EXPERIMENTER, DUP_INST; of its actions, those above. */
int of_instructions_decode(struct wire *w, size_t len, uint8_t version, struct of_instructions *out);
void of_instructions_encode(struct buf *b, uint8_t version, const struct of_instructions *inst);
void of_instructions_free(struct of_instructions *inst);
/* Has an entry of flow statistics room for them, beside the longest match? */
bool of_instructions_fit(const struct of_instructions *inst);
/* A deep copy; free it with of_instructions_free.  0, or -ENOMEM and an empty copy. */
int of_instructions_copy(const struct of_instructions *inst, struct of_instructions *copy);
/* " apply(push_vlan:0x8100,output:3) goto:2", cut to fit.  For logs. */
void of_instructions_print(const struct of_instructions *inst, char *text, size_t size);
void of_actions_print(const struct of_actions *actions, char *text, size_t size);

#endif
