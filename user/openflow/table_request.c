/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A table of a table features request (§7.3.5.5): its lists become bitmaps.  "Exactly one of each" property is asked
 * for, but controllers leave some out: these ask for nothing.  Two of a kind are refused.
 */
#include "user/openflow/codec.h"

#define BAD(code) OF_ERROR(OFPET_TABLE_FEATURES_FAILED, OFPTFFC_##code)
#define HEADER_LEN 64 /* before the properties */

/* Instructions or actions: headers without data. */
static int types_decode(struct wire *w, uint32_t *types)
{
	while (wire_left(w)) {
		uint16_t type = wire_be16(w), len = wire_be16(w);

		if (w->error)
			return BAD(BAD_LEN);
		if (type >= 32) /* an experimenter's, with its id behind */
			return BAD(BAD_ARGUMENT);
		if (len != 4)
			return BAD(BAD_LEN);
		*types |= 1u << type;
	}
	return 0;
}

/* OXM headers.  masked may be NULL: it does not matter there. */
static int fields_decode(struct wire *w, uint8_t version, uint64_t *fields, uint64_t *masked)
{
	while (wire_left(w)) {
		int field;
		size_t len;
		bool has_mask, known = of_oxm_get(w, version, &field, &has_mask, &len);

		if (w->error)
			return BAD(BAD_LEN);
		if (!known)
			return BAD(BAD_ARGUMENT);
		*fields |= 1ull << field;
		if (has_mask && masked)
			*masked |= 1ull << field;
	}
	return 0;
}

static int next_tables_decode(struct wire *w, uint64_t next[4])
{
	while (wire_left(w)) {
		uint8_t table = wire_u8(w);

		next[table / 64] |= 1ull << table % 64;
	}
	return 0;
}

static int list_decode(struct wire *w, uint8_t version, uint16_t type, struct of_table_request *t)
{
	switch (type) {
	case OFPTFPT_INSTRUCTIONS:
	case OFPTFPT_INSTRUCTIONS_MISS:
		return types_decode(w, &t->instructions);
	case OFPTFPT_NEXT_TABLES:
	case OFPTFPT_NEXT_TABLES_MISS:
		return next_tables_decode(w, t->next);
	case OFPTFPT_WRITE_ACTIONS:
	case OFPTFPT_WRITE_ACTIONS_MISS:
	case OFPTFPT_APPLY_ACTIONS:
	case OFPTFPT_APPLY_ACTIONS_MISS:
		return types_decode(w, &t->actions);
	case OFPTFPT_MATCH:
		return fields_decode(w, version, &t->match, &t->masked);
	case OFPTFPT_WILDCARDS:
		return fields_decode(w, version, &t->wildcards, NULL);
	case OFPTFPT_WRITE_SETFIELD:
	case OFPTFPT_WRITE_SETFIELD_MISS:
	case OFPTFPT_APPLY_SETFIELD:
	case OFPTFPT_APPLY_SETFIELD_MISS:
		return fields_decode(w, version, &t->set_field, NULL);
	}
	return BAD(BAD_TYPE);
}

/* seen: bit per type. */
static int property_decode(struct wire *w, uint8_t version, struct of_table_request *t, uint32_t *seen)
{
	uint16_t type = wire_be16(w), len = wire_be16(w);
	struct wire list;
	int err;

	if (w->error || len < 4)
		return BAD(BAD_LEN);
	list = wire_sub(w, len - 4);
	wire_skip(w, -len & 7);
	if (w->error)
		return BAD(BAD_LEN);
	err = list_decode(&list, version, type, t);
	if (err)
		return err;
	if (*seen >> type & 1)
		return BAD(BAD_ARGUMENT);
	*seen |= 1u << type;
	return 0;
}

int of_table_request_decode(struct wire *w, uint8_t version, struct of_table_request *t)
{
	uint16_t len = wire_be16(w);
	uint32_t seen = 0;
	struct wire e;

	*t = (struct of_table_request){0};
	if (w->error || len < HEADER_LEN)
		return BAD(BAD_LEN);
	e = wire_sub(w, len - 2);
	if (w->error)
		return BAD(BAD_LEN);
	t->table = wire_u8(&e);
	wire_skip(&e, 5);
	wire_copy(&e, t->name, sizeof(t->name));
	t->name[sizeof(t->name) - 1] = 0;
	t->metadata_match = wire_be64(&e);
	t->metadata_write = wire_be64(&e);
	t->config = wire_be32(&e);
	t->max_entries = wire_be32(&e);
	while (wire_left(&e)) {
		int err = property_decode(&e, version, t, &seen);

		if (err)
			return err;
	}
	return 0;
}
