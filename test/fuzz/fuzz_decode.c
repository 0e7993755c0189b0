/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The message decoder on any bytes: nothing is read outside the message, nothing leaks, and what it accepts and writes
 * again it accepts as the same.  Input: a message; its length field is also tried set right.
 */
#include <stdlib.h>
#include <string.h>
#include "include/openflow/openflow.h"
#include "user/openflow/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

static void match_again(const struct of_match *m)
{
	struct of_match again;
	struct buf b = {};
	struct wire w;

	of_match_encode(&b, OFP_VERSION_13, m);
	check(b.len % 8 == 0);
	w = wire_of(b.data, b.len);
	check(of_match_decode(&w, OFP_VERSION_13, &again) == 0 && !wire_left(&w));
	check(of_match_equal(m, &again) && m->masked == again.masked);
	check(of_match_covers(m, &again) && of_match_overlaps(m, &again));
	for (int i = 0; i < OFX_KEY_WORDS; i++)
		check(!(m->value.w[i] & ~m->mask.w[i]));
	buf_free(&b);
}

static void instructions_again(const struct of_instructions *inst)
{
	struct of_instructions again, copy;
	struct buf b = {}, c = {};
	struct wire w;

	check(of_instructions_copy(inst, &copy) == 0);
	of_instructions_encode(&b, OFP_VERSION_13, &copy);
	w = wire_of(b.data, b.len);
	check(of_instructions_decode(&w, b.len, OFP_VERSION_13, &again) == 0);
	of_instructions_encode(&c, OFP_VERSION_13, &again);
	check(b.len == c.len && (!b.len || !memcmp(b.data, c.data, b.len)));
	buf_free(&b);
	buf_free(&c);
	of_instructions_free(&again);
	of_instructions_free(&copy);
}

static void actions_again(const struct of_actions *actions, size_t len)
{
	struct of_actions again;
	struct buf b = {};
	struct wire w;

	of_actions_encode(&b, OFP_VERSION_13, actions);
	check(b.len == len);
	w = wire_of(b.data, b.len);
	check(of_actions_decode(&w, b.len, OFP_VERSION_13, &again) == 0 && again.n == actions->n);
	buf_free(&b);
	of_actions_free(&again);
}

/* As the switch would answer: the flow in statistics, the message in an error. */
static void answer(const struct of_msg *msg, int error)
{
	struct of_out o = {.version = OFP_VERSION_13};
	struct of_multipart mp;

	if (error) {
		of_put_error(&o, msg->xid, error, msg->raw, msg->raw_len);
		check(o.buf.len <= OF_MSG_MAX);
	} else if (msg->type == OF_FLOW_MOD) {
		of_multipart_begin(&mp, &o, OF_MP_FLOW, msg->xid);
		of_multipart_flow(&mp,
				  &(struct of_flow_stats){.match = &msg->flow_mod.match, .inst = &msg->flow_mod.inst});
		of_multipart_end(&mp);
	}
	buf_free(&o.buf);
}

/* Each table of the request is read to its end, or is an error. */
static void tables(const struct of_mp_request *r)
{
	struct wire w = wire_of(r->body, r->body_len);
	struct of_table_request t;

	while (wire_left(&w)) {
		size_t left = wire_left(&w);
		int error = of_table_request_decode(&w, OFP_VERSION_13, &t);

		check(error >= 0 && *of_error_name(error));
		check(memchr(t.name, 0, sizeof(t.name)) != NULL);
		if (error)
			return;
		check(left - wire_left(&w) ==
		      (size_t)(r->body[r->body_len - left] << 8 | r->body[r->body_len - left + 1]));
	}
}

static void one(const uint8_t *data, size_t size)
{
	struct of_msg msg;
	char text[512];
	int error = of_decode(data, size, &msg);

	check(error >= 0);
	check(*of_error_name(error));
	of_msg_print(&msg, text, sizeof(text));
	answer(&msg, error);
	if (!error && msg.type == OF_FLOW_MOD) {
		match_again(&msg.flow_mod.match);
		instructions_again(&msg.flow_mod.inst);
	}
	if (!error && msg.type == OF_PACKET_OUT)
		actions_again(&msg.packet_out.actions, data[16] << 8 | data[17]);
	if (!error && msg.type == OF_MULTIPART_REQUEST &&
	    (msg.multipart.type == OF_MP_FLOW || msg.multipart.type == OF_MP_AGGREGATE))
		match_again(&msg.multipart.flow.match);
	if (!error && msg.type == OF_MULTIPART_REQUEST && msg.multipart.type == OF_MP_TABLE_FEATURES)
		tables(&msg.multipart);
	of_msg_free(&msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	one(data, size);
	if (size < OFP_HEADER_LEN || size > OF_MSG_MAX)
		return 0;
	copy = malloc(size);
	memcpy(copy, data, size);
	copy[0] = OFP_VERSION_13;
	copy[2] = size >> 8;
	copy[3] = size & 0xff;
	one(copy, size);
	free(copy);
	return 0;
}
