/* SPDX-License-Identifier: GPL-2.0-only */
/* OFPT_ERROR (§7.4.4) and the names of errors. */
#include "user/openflow/error.h"

#include <stdio.h>
#include <string.h>
#include "user/openflow/codec.h"
#include "user/util/cleanup.h"

#define ONFERR_DUP_INSTRUCTION 2600

static const char *const hello_failed[] = {"INCOMPATIBLE", "EPERM"};
static const char *const bad_request[] = {
	"BAD_VERSION",	  "BAD_TYPE",
	"BAD_MULTIPART",  "BAD_EXPERIMENTER",
	"BAD_EXP_TYPE",	  "EPERM",
	"BAD_LEN",	  "BUFFER_EMPTY",
	"BUFFER_UNKNOWN", "BAD_TABLE_ID",
	"IS_SLAVE",	  "BAD_PORT",
	"BAD_PACKET",	  "MULTIPART_BUFFER_OVERFLOW",
};
static const char *const bad_action[] = {
	"BAD_TYPE", "BAD_LEN",	    "BAD_EXPERIMENTER", "BAD_EXP_TYPE",	    "BAD_OUT_PORT",	  "BAD_ARGUMENT",
	"EPERM",    "TOO_MANY",	    "BAD_QUEUE",	"BAD_OUT_GROUP",    "MATCH_INCONSISTENT", "UNSUPPORTED_ORDER",
	"BAD_TAG",  "BAD_SET_TYPE", "BAD_SET_LEN",	"BAD_SET_ARGUMENT",
};
static const char *const bad_instruction[] = {
	"UNKNOWN_INST",	    "UNSUP_INST",   "BAD_TABLE_ID", "UNSUP_METADATA", "UNSUP_METADATA_MASK",
	"BAD_EXPERIMENTER", "BAD_EXP_TYPE", "BAD_LEN",	    "EPERM",	      "DUP_INST",
};
static const char *const bad_match[] = {
	"BAD_TYPE",  "BAD_LEN",	  "BAD_TAG",  "BAD_DL_ADDR_MASK", "BAD_NW_ADDR_MASK", "BAD_WILDCARDS",
	"BAD_FIELD", "BAD_VALUE", "BAD_MASK", "BAD_PREREQ",	  "DUP_FIELD",	      "EPERM",
};
static const char *const flow_mod_failed[] = {
	"UNKNOWN", "TABLE_FULL", "BAD_TABLE_ID", "OVERLAP", "EPERM", "BAD_TIMEOUT", "BAD_COMMAND", "BAD_FLAGS",
};
static const char *const group_mod_failed[] = {
	"GROUP_EXISTS",	     "INVALID_GROUP",  "WEIGHT_UNSUPPORTED",
	"OUT_OF_GROUPS",     "OUT_OF_BUCKETS", "CHAINING_UNSUPPORTED",
	"WATCH_UNSUPPORTED", "LOOP",	       "UNKNOWN_GROUP",
	"CHAINED_GROUP",     "BAD_TYPE",       "BAD_COMMAND",
	"BAD_BUCKET",	     "BAD_WATCH",      "EPERM",
};
static const char *const port_mod_failed[] = {"BAD_PORT", "BAD_HW_ADDR", "BAD_CONFIG", "BAD_ADVERTISE", "EPERM"};
static const char *const table_mod_failed[] = {"BAD_TABLE", "BAD_CONFIG", "EPERM"};
static const char *const queue_op_failed[] = {"BAD_PORT", "BAD_QUEUE", "EPERM"};
static const char *const switch_config_failed[] = {"BAD_FLAGS", "BAD_LEN", "EPERM"};
static const char *const role_request_failed[] = {"STALE", "UNSUP", "BAD_ROLE"};
static const char *const meter_mod_failed[] = {
	"UNKNOWN",  "METER_EXISTS", "INVALID_METER", "UNKNOWN_METER",  "BAD_COMMAND",	"BAD_FLAGS",
	"BAD_RATE", "BAD_BURST",    "BAD_BAND",	     "BAD_BAND_VALUE", "OUT_OF_METERS", "OUT_OF_BANDS",
};
static const char *const table_features_failed[] = {
	"BAD_TABLE", "BAD_METADATA", "BAD_TYPE", "BAD_LEN", "BAD_ARGUMENT", "EPERM",
};

#define ROW(type, prefix, codes) [OFPET_##type] = {#type, #prefix, codes, ARRAY_LEN(codes)}
static const struct {
	const char *type, *prefix;
	const char *const *codes;
	size_t n;
} names[] = {
	ROW(HELLO_FAILED, OFPHFC, hello_failed),
	ROW(BAD_REQUEST, OFPBRC, bad_request),
	ROW(BAD_ACTION, OFPBAC, bad_action),
	ROW(BAD_INSTRUCTION, OFPBIC, bad_instruction),
	ROW(BAD_MATCH, OFPBMC, bad_match),
	ROW(FLOW_MOD_FAILED, OFPFMFC, flow_mod_failed),
	ROW(GROUP_MOD_FAILED, OFPGMFC, group_mod_failed),
	ROW(PORT_MOD_FAILED, OFPPMFC, port_mod_failed),
	ROW(TABLE_MOD_FAILED, OFPTMFC, table_mod_failed),
	ROW(QUEUE_OP_FAILED, OFPQOFC, queue_op_failed),
	ROW(SWITCH_CONFIG_FAILED, OFPSCFC, switch_config_failed),
	ROW(ROLE_REQUEST_FAILED, OFPRRFC, role_request_failed),
	ROW(METER_MOD_FAILED, OFPMMFC, meter_mod_failed),
	ROW(TABLE_FEATURES_FAILED, OFPTFFC, table_features_failed),
};

const char *of_error_name(int error)
{
	static char text[80];
	uint16_t type = of_error_type(error), code = of_error_code(error);

	if (error <= 0)
		return error ? strerror(-error) : "success";
	if (type >= ARRAY_LEN(names))
		snprintf(text, sizeof(text), "error type %u code %u", type, code);
	else if (code >= names[type].n)
		snprintf(text, sizeof(text), "OFPET_%s code %u", names[type].type, code);
	else
		snprintf(text, sizeof(text), "OFPET_%s %s_%s", names[type].type, names[type].prefix,
			 names[type].codes[code]);
	return text;
}

int of_error_decode(struct wire *w, struct of_msg *msg)
{
	uint16_t type = wire_be16(w), code = wire_be16(w);

	/* An experimenter's type passes 14 bits: what is left of it is still none that we know. */
	msg->error = OF_ERROR(type & 0x3fff, code);
	wire_skip(w, wire_left(w));
	return 0;
}

static void put_error(struct of_out *o, uint32_t xid, int error, const void *data, size_t len)
{
	size_t start = of_out_begin(o, OFPT_ERROR, xid), room;
	struct buf *b = &o->buf;

	if (o->version == OFP_VERSION_13 && error == OF_ERROR(OFPET_BAD_INSTRUCTION, OFPBIC_DUP_INST)) {
		/* The code came with 1.4; 1.3 has it as an ONF extension. */
		buf_put_be16(b, OFPET_EXPERIMENTER);
		buf_put_be16(b, ONFERR_DUP_INSTRUCTION);
		buf_put_be32(b, OF_ONF_EXPERIMENTER);
	} else {
		buf_put_be16(b, of_error_type(error));
		buf_put_be16(b, of_error_code(error));
	}
	room = OF_MSG_MAX - (b->len - start);
	buf_put(b, data, len < room ? len : room);
	of_out_end(o, start);
}

void of_put_error(struct of_out *o, uint32_t xid, int error, const void *offending, size_t len)
{
	put_error(o, xid, error, offending, len);
}

void of_put_hello_failed(struct of_out *o, uint32_t xid, int error, const char *text)
{
	put_error(o, xid, error, text, text ? strlen(text) : 0);
}

static struct {
	int error;
	const char *why;
} last;

int of_error_because(int error, const char *why)
{
	last.error = error;
	last.why = why;
	return error;
}

const char *of_error_why(int error)
{
	const char *why = last.error == error ? last.why : NULL;

	last.why = NULL;
	return why;
}
