/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/openflow/action.h"

#include <stdlib.h>
#include <string.h>
#include "user/openflow/codec.h"

#define BAD(code) OF_ERROR(OFPET_BAD_ACTION, OFPBAC_##code)

/* w: what follows type and length; only the OXM TLV's own length and the padding behind it make up the action's. */
static int set_field_decode(struct wire *w, uint8_t version, struct of_action *a)
{
	const uint8_t *value;
	bool has_mask;
	size_t len;
	int field;

	if (wire_left(w) < 4)
		return BAD(BAD_SET_LEN);
	if (!of_oxm_get(w, version, &field, &has_mask, &len))
		return len > wire_left(w) ? BAD(BAD_SET_LEN) : BAD(BAD_SET_TYPE);
	if (has_mask || !(of_fields[field].flags & OFX_FF_SET)) /* masks came with 1.5 */
		return BAD(BAD_SET_TYPE);
	value = wire_get(w, len);
	if (!value || len != of_fields[field].bytes || wire_left(w) >= 8)
		return BAD(BAD_SET_LEN);
	wire_skip(w, wire_left(w));
	if (!of_oxm_in_range(field, value) || (field == OFX_F_VLAN_VID && !(value[0] & OFPVID_PRESENT >> 8)))
		return BAD(BAD_SET_ARGUMENT);
	a->set.field = field;
	memcpy(a->set.value, value, len);
	memset(a->set.mask, 0xff, len);
	return 0;
}

static int ethertype_decode(struct wire *w, struct of_action *a)
{
	uint16_t type = a->ethertype = wire_be16(w);
	bool ok = true;

	wire_skip(w, 2);
	if (a->type == OF_ACT_PUSH_VLAN)
		ok = type == 0x8100 || type == 0x88a8;
	if (a->type == OF_ACT_PUSH_MPLS)
		ok = type == 0x8847 || type == 0x8848;
	if (a->type == OF_ACT_PUSH_PBB)
		ok = type == 0x88e7;
	return w->error || ok ? 0 : BAD(BAD_ARGUMENT);
}

static int body_decode(struct wire *w, uint8_t version, struct of_action *a)
{
	switch (a->type) {
	case OF_ACT_OUTPUT:
		a->output.port = wire_be32(w);
		a->output.max_len = wire_be16(w);
		wire_skip(w, 6);
		return 0;
	case OF_ACT_COPY_TTL_OUT:
	case OF_ACT_COPY_TTL_IN:
	case OF_ACT_DEC_MPLS_TTL:
	case OF_ACT_POP_VLAN:
	case OF_ACT_DEC_NW_TTL:
	case OF_ACT_POP_PBB:
		wire_skip(w, 4);
		return 0;
	case OF_ACT_SET_MPLS_TTL:
	case OF_ACT_SET_NW_TTL:
		a->ttl = wire_u8(w);
		wire_skip(w, 3);
		return 0;
	case OF_ACT_PUSH_VLAN:
	case OF_ACT_PUSH_MPLS:
	case OF_ACT_POP_MPLS:
	case OF_ACT_PUSH_PBB:
		return ethertype_decode(w, a);
	case OF_ACT_SET_QUEUE:
		a->queue = wire_be32(w);
		return 0;
	case OF_ACT_GROUP:
		a->group = wire_be32(w);
		return 0;
	case OF_ACT_SET_FIELD:
		return set_field_decode(w, version, a);
	case OF_ACT_EXPERIMENTER:
		return BAD(BAD_EXPERIMENTER);
	default:
		return BAD(BAD_TYPE);
	}
}

static int action_decode(struct wire *w, uint8_t version, struct of_action *a)
{
	uint16_t len;
	struct wire body;
	int error;

	a->type = wire_be16(w);
	len = wire_be16(w);
	if (w->error || len < 8 || len % 8 || len - 4u > wire_left(w))
		return BAD(BAD_LEN);
	body = wire_sub(w, len - 4);
	error = body_decode(&body, version, a);
	if (error)
		return error;
	return body.error || wire_left(&body) ? BAD(BAD_LEN) : 0;
}

int of_actions_decode(struct wire *w, size_t len, uint8_t version, struct of_actions *out)
{
	struct wire list = wire_sub(w, len);
	int error = 0;

	*out = (struct of_actions){};
	if (w->error)
		return BAD(BAD_LEN);
	if (!len)
		return 0;
	out->v = calloc(len / 8 + 1, sizeof(*out->v)); /* no action is shorter than 8 bytes */
	if (!out->v)
		return OF_NO_MEMORY;
	while (!error && wire_left(&list))
		error = action_decode(&list, version, &out->v[out->n++]);
	if (error)
		of_actions_free(out);
	return error;
}

static void action_encode(struct buf *b, uint8_t version, const struct of_action *a)
{
	size_t start = b->len;

	buf_put_be16(b, a->type);
	buf_put_be16(b, 0);
	switch (a->type) {
	case OF_ACT_OUTPUT:
		buf_put_be32(b, a->output.port);
		buf_put_be16(b, a->output.max_len);
		buf_put_zero(b, 6);
		break;
	case OF_ACT_SET_MPLS_TTL:
	case OF_ACT_SET_NW_TTL:
		buf_put_u8(b, a->ttl);
		break;
	case OF_ACT_PUSH_VLAN:
	case OF_ACT_PUSH_MPLS:
	case OF_ACT_POP_MPLS:
	case OF_ACT_PUSH_PBB:
		buf_put_be16(b, a->ethertype);
		break;
	case OF_ACT_SET_QUEUE:
		buf_put_be32(b, a->queue);
		break;
	case OF_ACT_GROUP:
		buf_put_be32(b, a->group);
		break;
	case OF_ACT_SET_FIELD:
		of_oxm_put(b, version, a->set.field, false);
		buf_put(b, a->set.value, of_fields[a->set.field].bytes);
		break;
	}
	buf_pad8(b, start);
	buf_set_be16(b, start + 2, b->len - start);
}

void of_actions_encode(struct buf *b, uint8_t version, const struct of_actions *actions)
{
	for (size_t i = 0; i < actions->n; i++)
		action_encode(b, version, &actions->v[i]);
}

void of_actions_free(struct of_actions *actions)
{
	free(actions->v);
	*actions = (struct of_actions){};
}
