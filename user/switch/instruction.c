/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdlib.h>
#include <string.h>
#include "include/openflow/openflow.h"
#include "user/switch/action.h"
#include "user/switch/internal.h"

/* Sets are compared as encoded: this version must be able to write every action there is. */
#define KEY_VERSION OF_VERSION_13

static struct sw_instructions *instructions_new(struct sw *sw, const struct of_instructions *inst,
						const struct buf *key)
{
	struct sw_instructions *s = calloc(1, sizeof(*s) + key->len);

	if (!s)
		abort();
	s->sw = sw;
	s->of = of_instructions_copy(inst);
	memcpy(s->key, key->data, key->len);
	HASH_ADD_KEYPTR(hh, sw->instructions, s->key, key->len, s);
	return s;
}

struct sw_instructions *sw_instructions_get(struct sw *sw, const struct of_instructions *inst)
{
	struct sw_instructions *s;
	struct buf *key = &sw->scratch;

	buf_clear(key);
	buf_put_u8(key, KEY_VERSION); /* so that "no instructions" has a key too */
	of_instructions_encode(key, KEY_VERSION, inst);
	HASH_FIND(hh, sw->instructions, key->data, key->len, s);
	if (!s)
		s = instructions_new(sw, inst, key);
	s->refs++;
	return s;
}

const void *sw_instructions_encoded(const struct sw_instructions *inst, size_t *len)
{
	*len = inst->hh.keylen - 1;
	return inst->key + 1;
}

void sw_instructions_put(struct sw_instructions *inst)
{
	if (!inst || --inst->refs)
		return;
	HASH_DEL(inst->sw->instructions, inst);
	of_instructions_free(&inst->of);
	free(inst);
}

int sw_instructions_check(struct sw *sw, uint8_t table, const struct of_instructions *inst)
{
	int err;

	if (inst->present & OF_INST_METER) {
		err = sw_meter_check(sw, inst->meter);
		if (err)
			return err;
	}
	if (inst->present & OF_INST_GOTO && (inst->goto_table <= table || inst->goto_table > OFPTT_MAX))
		return OF_ERROR(OFPET_BAD_INSTRUCTION, OFPBIC_BAD_TABLE_ID);
	err = sw_actions_check(sw, &inst->apply, false);
	return err ? err : sw_actions_check(sw, &inst->write, false);
}

int sw_instructions_check_match(const struct of_instructions *inst, const struct of_match *match)
{
	struct sw_packet_shape shape = sw_packet_shape_of(match);
	int err = sw_actions_check_list(&inst->apply, &shape);

	return err ? err : sw_actions_check_set(&inst->write, &shape);
}
