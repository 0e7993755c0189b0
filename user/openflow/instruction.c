/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/openflow/action.h"
#include "user/openflow/codec.h"

#define BAD(code) OF_ERROR(OFPET_BAD_INSTRUCTION, OFPBIC_##code)

static int list_decode(struct wire *w, uint8_t version, struct of_actions *out)
{
	wire_skip(w, 4);
	return w->error ? 0 : of_actions_decode(w, wire_left(w), version, out);
}

static int body_decode(struct wire *w, uint16_t type, uint8_t version, struct of_instructions *out)
{
	switch (type) {
	case OFPIT_GOTO_TABLE:
		out->goto_table = wire_u8(w);
		wire_skip(w, 3);
		return 0;
	case OFPIT_WRITE_METADATA:
		wire_skip(w, 4);
		out->metadata = wire_be64(w);
		out->metadata_mask = wire_be64(w);
		return 0;
	case OFPIT_WRITE_ACTIONS:
		return list_decode(w, version, &out->write);
	case OFPIT_APPLY_ACTIONS:
		return list_decode(w, version, &out->apply);
	case OFPIT_CLEAR_ACTIONS:
		wire_skip(w, 4);
		return 0;
	default:
		out->meter = wire_be32(w);
		return 0;
	}
}

static int instruction_decode(struct wire *w, uint8_t version, struct of_instructions *out)
{
	uint16_t type = wire_be16(w), len = wire_be16(w);
	struct wire body;
	int error;

	if (w->error || len < 8 || len % 8 || len - 4u > wire_left(w))
		return BAD(BAD_LEN);
	if (type == OFPIT_EXPERIMENTER)
		return BAD(BAD_EXPERIMENTER);
	if (!type || type > OFPIT_METER)
		return BAD(UNKNOWN_INST);
	if (out->present >> type & 1)
		return BAD(DUP_INST);
	body = wire_sub(w, len - 4);
	error = body_decode(&body, type, version, out);
	if (error)
		return error;
	out->present |= 1u << type;
	return body.error || wire_left(&body) ? BAD(BAD_LEN) : 0;
}

int of_instructions_decode(struct wire *w, size_t len, uint8_t version, struct of_instructions *out)
{
	struct wire list = wire_sub(w, len);
	int error = 0;

	*out = (struct of_instructions){};
	if (w->error)
		return BAD(BAD_LEN);
	while (!error && wire_left(&list))
		error = instruction_decode(&list, version, out);
	if (error)
		of_instructions_free(out);
	return error;
}

static void list_encode(struct buf *b, uint16_t type, uint8_t version, const struct of_actions *actions)
{
	size_t start = b->len;

	buf_put_be16(b, type);
	buf_put_zero(b, 6);
	of_actions_encode(b, version, actions);
	buf_set_be16(b, start + 2, b->len - start);
}

static void header(struct buf *b, uint16_t type, uint16_t len)
{
	buf_put_be16(b, type);
	buf_put_be16(b, len);
}

/* In the order of their execution (§5.9). */
void of_instructions_encode(struct buf *b, uint8_t version, const struct of_instructions *inst)
{
	if (inst->present & OF_INST_METER) {
		header(b, OFPIT_METER, 8);
		buf_put_be32(b, inst->meter);
	}
	if (inst->present & OF_INST_APPLY)
		list_encode(b, OFPIT_APPLY_ACTIONS, version, &inst->apply);
	if (inst->present & OF_INST_CLEAR)
		list_encode(b, OFPIT_CLEAR_ACTIONS, version, &(struct of_actions){});
	if (inst->present & OF_INST_WRITE)
		list_encode(b, OFPIT_WRITE_ACTIONS, version, &inst->write);
	if (inst->present & OF_INST_METADATA) {
		header(b, OFPIT_WRITE_METADATA, 24);
		buf_put_be32(b, 0);
		buf_put_be64(b, inst->metadata);
		buf_put_be64(b, inst->metadata_mask);
	}
	if (inst->present & OF_INST_GOTO) {
		header(b, OFPIT_GOTO_TABLE, 8);
		buf_put_u8(b, inst->goto_table);
		buf_put_zero(b, 3);
	}
}

#define ACTION_MAX 48 /* bytes of the longest action: a masked set-field of an IPv6 address */
#define ENTRY_MAX (OF_MSG_MAX - 16)
#define BESIDE (48 + 1024) /* the entry's other members, and a match: all fields with masks take less */

bool of_instructions_fit(const struct of_instructions *inst)
{
	struct buf b = {0};
	bool fit;

	if ((inst->apply.n + inst->write.n + 4) * ACTION_MAX < ENTRY_MAX - BESIDE)
		return true;
	of_instructions_encode(&b, OF_VERSION_13, inst);
	fit = b.len <= ENTRY_MAX - BESIDE;
	buf_free(&b);
	return fit;
}

void of_instructions_free(struct of_instructions *inst)
{
	of_actions_free(&inst->write);
	of_actions_free(&inst->apply);
	*inst = (struct of_instructions){};
}

static bool actions_copy(const struct of_actions *from, struct of_actions *to)
{
	*to = (struct of_actions){};
	if (!from->n)
		return true;
	to->v = calloc(from->n, sizeof(*to->v));
	if (!to->v)
		return false;
	to->n = from->n;
	memcpy(to->v, from->v, from->n * sizeof(*to->v));
	return true;
}

int of_instructions_copy(const struct of_instructions *inst, struct of_instructions *copy)
{
	bool done;

	*copy = *inst;
	done = actions_copy(&inst->write, &copy->write);
	done &= actions_copy(&inst->apply, &copy->apply);
	if (done)
		return 0;
	of_instructions_free(copy);
	return -ENOMEM;
}
