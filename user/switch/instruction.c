/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdlib.h>
#include <string.h>
#include "include/openflow/openflow.h"
#include "user/switch/action.h"
#include "user/switch/internal.h"
#include "user/switch/meter.h"

/* Sets are compared as encoded: this version must be able to write every action there is. */
#define KEY_VERSION OF_VERSION_13

/* --- groups and meters that it names --- */

static bool has_group(const struct sw_instructions *s, uint32_t group)
{
	for (uint32_t i = 0; i < s->n_groups; i++)
		if (s->groups[i] == group)
			return true;
	return false;
}

static bool note_groups(struct sw_instructions *s, const struct of_actions *actions)
{
	for (size_t i = 0; i < actions->n; i++) {
		uint32_t *more;

		if (actions->v[i].type != OF_ACT_GROUP || has_group(s, actions->v[i].group))
			continue;
		more = realloc(s->groups, (s->n_groups + 1) * sizeof(*more));
		if (!more)
			return false;
		s->groups = more;
		s->groups[s->n_groups++] = actions->v[i].group;
	}
	return true;
}

/* A set more, or less, that names them. */
static void count_sets(const struct sw_instructions *s, int change)
{
	struct sw_meter *meter = s->of.present & OF_INST_METER ? sw_meter_find(s->sw, s->of.meter) : NULL;

	if (meter)
		meter->sets += change;
	for (uint32_t i = 0; i < s->n_groups; i++) {
		struct sw_group *g = sw_group_find(s->sw, s->groups[i]);

		if (g)
			g->sets += change;
	}
}

void sw_instructions_count(const struct sw_instructions *s, int change)
{
	struct sw_meter *meter = s->of.present & OF_INST_METER ? sw_meter_find(s->sw, s->of.meter) : NULL;

	if (meter)
		meter->flows += change;
	for (uint32_t i = 0; i < s->n_groups; i++) {
		struct sw_group *g = sw_group_find(s->sw, s->groups[i]);

		if (g)
			g->flows += change;
	}
}

/* --- sets --- */

static bool only_outputs(const struct of_actions *actions)
{
	for (size_t i = 0; i < actions->n; i++)
		if (actions->v[i].type != OF_ACT_OUTPUT && actions->v[i].type != OF_ACT_GROUP)
			return false;
	return true;
}

static void instructions_free(struct sw_instructions *s)
{
	of_instructions_free(&s->of);
	free(s->groups);
	free(s);
}

static uint32_t hash_of(const struct buf *key)
{
	uint32_t hash;

	HASH_VALUE(key->data, key->len, hash);
	return hash;
}

static struct sw_instructions *instructions_new(struct sw *sw, const struct of_instructions *inst,
						const struct buf *key)
{
	struct sw_instructions *s = key->error ? NULL : calloc(1, sizeof(*s) + key->len);

	if (!s || of_instructions_copy(inst, &s->of)) {
		free(s);
		return NULL;
	}
	s->sw = sw;
	s->key_len = key->len;
	memcpy(s->key, key->data, key->len);
	s->needs_match = !only_outputs(&inst->apply) || !only_outputs(&inst->write);
	if (!note_groups(s, &inst->apply) || !note_groups(s, &inst->write) ||
	    !htable_insert(&sw->instructions, &s->link, hash_of(key))) {
		instructions_free(s);
		return NULL;
	}
	count_sets(s, 1);
	return s;
}

static struct sw_instructions *instructions_find(const struct sw *sw, const struct buf *key)
{
	for (struct hlink *l = htable_first(&sw->instructions, hash_of(key)); l; l = htable_next(l)) {
		struct sw_instructions *s = (struct sw_instructions *)l;

		if (s->key_len == key->len && !memcmp(s->key, key->data, key->len))
			return s;
	}
	return NULL;
}

struct sw_instructions *sw_instructions_get(struct sw *sw, const struct of_instructions *inst)
{
	struct sw_instructions *s;
	struct buf *key = &sw->scratch;

	buf_clear(key);
	buf_put_u8(key, KEY_VERSION); /* so that "no instructions" has a key too */
	of_instructions_encode(key, KEY_VERSION, inst);
	s = instructions_find(sw, key);
	if (!s)
		s = instructions_new(sw, inst, key);
	if (s)
		s->refs++;
	if (key->error)
		buf_free(key);
	return s;
}

int sw_instructions_compile(struct sw_instructions *s, bool table_miss, uint32_t *number)
{
	int err = s->compiled[table_miss] ? 0 : dp_inst_add(s->sw->dp, &s->of, table_miss, &s->number[table_miss]);

	s->compiled[table_miss] = !err;
	*number = s->number[table_miss];
	return err;
}

const void *sw_instructions_encoded(const struct sw_instructions *inst, size_t *len)
{
	*len = inst->key_len - 1;
	return inst->key + 1;
}

void sw_instructions_put(struct sw_instructions *s)
{
	if (!s || --s->refs)
		return;
	for (int i = 0; i < 2; i++)
		if (s->compiled[i] && !s->sw->ended)
			dp_inst_drop(s->sw->dp, s->number[i]);
	htable_remove(&s->sw->instructions, &s->link);
	count_sets(s, -1);
	instructions_free(s);
}

int sw_instructions_check(struct sw *sw, uint8_t table, const struct of_instructions *inst)
{
	int err;

	if (inst->present & OF_INST_METER) {
		err = sw_meter_check(sw, inst->meter);
		if (err)
			return err;
	}
	if (inst->present & OF_INST_GOTO && (inst->goto_table <= table || !sw_table_exists(sw, inst->goto_table)))
		return OF_ERROR(OFPET_BAD_INSTRUCTION, OFPBIC_BAD_TABLE_ID);
	if (!of_instructions_fit(inst)) /* set-fields that join take no room in the data plane */
		return OF_ERROR(OFPET_BAD_ACTION, OFPBAC_TOO_MANY);
	err = sw_actions_check(sw, &inst->apply, false);
	return err ? err : sw_actions_check(sw, &inst->write, false);
}

int sw_instructions_check_match(const struct of_instructions *inst, const struct of_match *match)
{
	struct sw_packet_shape shape = sw_packet_shape_of(match);
	int err = sw_actions_check_list(&inst->apply, &shape);

	return err ? err : sw_actions_check_set(&inst->write, &shape);
}
