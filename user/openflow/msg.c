/* SPDX-License-Identifier: GPL-2.0-only */
/* Headers, and which decoder a message goes to. */
#include "user/openflow/msg.h"

#include <string.h>
#include "user/openflow/codec.h"
#include "user/util/cleanup.h"

static int empty_decode(struct wire *w, struct of_msg *msg)
{
	return 0;
}

/* Types without a decoder are the switch's own messages: BAD_TYPE when a controller sends them. */
static of_decoder *const decoders[] = {
	[OFPT_HELLO] = of_hello_decode,
	[OFPT_ERROR] = of_error_decode,
	[OFPT_ECHO_REQUEST] = of_echo_decode,
	[OFPT_ECHO_REPLY] = of_echo_decode,
	[OFPT_EXPERIMENTER] = of_experimenter_decode,
	[OFPT_FEATURES_REQUEST] = empty_decode,
	[OFPT_GET_CONFIG_REQUEST] = empty_decode,
	[OFPT_SET_CONFIG] = of_config_decode,
	[OFPT_PACKET_OUT] = of_packet_out_decode,
	[OFPT_FLOW_MOD] = of_flow_mod_decode,
	[OFPT_GROUP_MOD] = of_group_mod_decode,
	[OFPT_PORT_MOD] = of_port_mod_decode,
	[OFPT_TABLE_MOD] = of_table_mod_decode,
	[OFPT_MULTIPART_REQUEST] = of_multipart_decode,
	[OFPT_BARRIER_REQUEST] = empty_decode,
	[OFPT_QUEUE_GET_CONFIG_REQUEST] = of_queue_config_decode,
	[OFPT_ROLE_REQUEST] = of_role_decode,
	[OFPT_GET_ASYNC_REQUEST] = empty_decode,
	[OFPT_SET_ASYNC] = of_async_decode,
	[OFPT_METER_MOD] = of_meter_mod_decode,
};

/* HELLO and its ERROR come before a version is agreed on, and their layout is the same in all. */
static bool version_ok(const struct of_msg *msg)
{
	return msg->version == OFP_VERSION_13 || msg->type == OFPT_HELLO || msg->type == OFPT_ERROR;
}

static int body_decode(struct wire *w, struct of_msg *msg)
{
	int error;

	if (!version_ok(msg))
		return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_VERSION);
	if (msg->type >= ARRAY_LEN(decoders) || !decoders[msg->type])
		return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_TYPE);
	error = decoders[msg->type](w, msg);
	if (error)
		return error;
	return w->error || wire_left(w) ? OF_BAD_LEN : 0;
}

int of_decode(const void *data, size_t len, struct of_msg *msg)
{
	struct wire w = wire_of(data, len);
	uint16_t length;
	int error;

	memset(msg, 0, sizeof(*msg));
	msg->raw = data;
	msg->raw_len = len;
	msg->version = wire_u8(&w);
	msg->type = wire_u8(&w);
	length = wire_be16(&w);
	msg->xid = wire_be32(&w);
	if (w.error || length != len)
		return OF_BAD_LEN;
	error = body_decode(&w, msg);
	if (error) {
		of_msg_free(msg);
		memset(&msg->hello, 0, sizeof(*msg) - offsetof(struct of_msg, hello)); /* no half of a message */
	}
	return error;
}

/* Also for what a decoder left half done: the parts are zero or whole. */
void of_msg_free(struct of_msg *msg)
{
	switch (msg->type) {
	case OFPT_FLOW_MOD:
		of_instructions_free(&msg->flow_mod.inst);
		break;
	case OFPT_PACKET_OUT:
		of_actions_free(&msg->packet_out.actions);
		break;
	case OFPT_GROUP_MOD:
		of_group_mod_free(&msg->group_mod);
		break;
	case OFPT_METER_MOD:
		of_meter_mod_free(&msg->meter_mod);
		break;
	}
}

size_t of_out_begin(struct of_out *o, uint8_t type, uint32_t xid)
{
	size_t start = o->buf.len;

	buf_put_u8(&o->buf, o->version ? o->version : OFP_VERSION_13);
	buf_put_u8(&o->buf, type);
	buf_put_be16(&o->buf, 0);
	buf_put_be32(&o->buf, xid);
	return start;
}

void of_out_end(struct of_out *o, size_t start)
{
	buf_set_be16(&o->buf, start + 2, o->buf.len - start);
}

void of_put_empty(struct of_out *o, enum of_type type, uint32_t xid)
{
	of_out_end(o, of_out_begin(o, type, xid));
}
