/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocations fail, one after the other: the request is refused, nothing of it is done, and nothing is lost.
 */
#include "test/switch/rig.h"
#include "test/unit/fail_alloc.h"

/* --- one request under want of memory --- */

/* True: the allocation was one that failed. */
static bool handle(struct rig *rig, const struct buf *message, unsigned int at)
{
	struct sw_conn *c = &rig->conn[0].c;
	struct of_msg msg = {0};
	int err;

	fail_at = at;
	err = of_decode(message->data, message->len, &msg);
	if (err)
		of_put_error(&c->replies, 1, err, message->data, message->len);
	else
		sw_handle(rig->sw, c, &msg);
	while (sw_busy(c))
		sw_continue(rig->sw, c);
	of_msg_free(&msg);
	at = fail_at;
	fail_at = 0;
	return !at;
}

/* By an error, or by the end of the connection: there is no room for an answer. */
static bool was_refused(struct rig *rig)
{
	struct rig_conn *c = &rig->conn[0];
	bool refused = c->c.replies.buf.error;
	struct reply r;

	if (refused) {
		buf_free(&c->c.replies.buf);
		c->read = 0;
	}

	while (rig_next(rig, 0, &r))
		refused |= r.type == OFPT_ERROR;
	return refused;
}

static struct buf with_header(uint8_t type, struct buf *body)
{
	struct buf b = {0};

	buf_put_u8(&b, OF_VERSION_13);
	buf_put_u8(&b, type);
	buf_put_be16(&b, 8 + body->len);
	buf_put_be32(&b, 1);
	buf_put(&b, body->data, body->len);
	buf_free(body);
	return b;
}

/* What the switch says about itself: it is the same after a request that was refused. */
static struct buf state_of(struct rig *rig)
{
	static const uint16_t types[] = {OFPMP_FLOW, OFPMP_GROUP_DESC, OFPMP_METER_CONFIG};
	struct buf all = {0};

	for (size_t i = 0; i < 3; i++) {
		struct of_flow_stats_request r = flow_request();
		struct buf body = {0}, part;

		if (types[i] == OFPMP_FLOW)
			body = flow_request_encode(&r);
		else if (types[i] == OFPMP_METER_CONFIG)
			buf_put_be64(&body, (uint64_t)OFPM_ALL << 32);
		rig_multipart(rig, 0, types[i], 0, body.data, body.len);
		buf_free(&body);
		part = rig_multipart_reply(rig, 0, types[i]);
		for (size_t at = 0; types[i] == OFPMP_FLOW && at < part.len; at += rd16(part.data + at))
			memset(part.data + at + 4, 0, 8); /* its age */
		buf_put(&all, part.data, part.len);
		buf_free(&part);
	}
	return all;
}

static void expect_same(struct buf *a, struct buf *b)
{
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->data, b->data, a->len);
}

/* The first allocation fails, then the second …, until it is done: none is left that can fail, or that it needs. */
static void try_all(struct rig *rig, uint8_t type, struct buf body)
{
	struct buf message = with_header(type, &body);
	bool failed, refused = true;

	for (unsigned int at = 1; refused; at++) {
		struct buf before = state_of(rig), after;

		failed = handle(rig, &message, at);
		refused = was_refused(rig);
		assert_true(!refused || failed);
		after = state_of(rig);
		if (refused)
			expect_same(&before, &after);
		buf_free(&before);
		buf_free(&after);
	}
	buf_free(&message);
}

/* --- requests --- */

static const struct of_instructions to_port_1 = APPLY(PUSH_VLAN, OUTPUT(1)), to_port_2 = APPLY(OUTPUT(2));
static const struct of_instructions to_group = APPLY(GROUP(5));

static void flow(struct rig *rig, uint8_t command, uint32_t addr, const struct of_instructions *inst)
{
	struct of_flow_mod fm = route(addr, UINT32_MAX);

	fm.command = command;
	fm.hard_timeout = command == OFPFC_ADD ? 100 : 0;
	fm.inst = *inst;
	try_all(rig, OFPT_FLOW_MOD, flow_mod_encode(&fm));
}

static void flows(void **state)
{
	static const struct of_instructions none;
	struct of_flow_mod all = flow_mod(OFPFC_MODIFY);
	struct rig *rig = *state;

	for (uint32_t i = 0; i < 40; i++)
		flow(rig, OFPFC_ADD, i, &to_port_1);
	flow(rig, OFPFC_ADD, 7, &to_port_2); /* in place of another */
	all.inst = to_port_2;
	try_all(rig, OFPT_FLOW_MOD, flow_mod_encode(&all));
	flow(rig, OFPFC_DELETE_STRICT, 7, &none);
	all = flow_mod(OFPFC_DELETE);
	try_all(rig, OFPT_FLOW_MOD, flow_mod_encode(&all));
	assert_int_equal(rig_count(rig), 0);
}

static void group(struct rig *rig, uint16_t command, uint32_t port)
{
	struct buf b = {0};

	buf_put_be16(&b, command);
	buf_put_be16(&b, 0);
	buf_put_be32(&b, 5);
	for (int i = 0; port && i < 3; i++) {
		buf_put_be16(&b, 32);
		buf_put_be16(&b, 0);
		buf_put_be64(&b, UINT64_MAX); /* watches nothing */
		buf_put_be32(&b, 0);
		buf_put_be32(&b, 16); /* OUTPUT */
		buf_put_be32(&b, port);
		buf_put_be64(&b, 0);
	}
	try_all(rig, OFPT_GROUP_MOD, b);
}

static void groups(void **state)
{
	struct rig *rig = *state;

	group(rig, OFPGC_ADD, 1);
	group(rig, OFPGC_MODIFY, 2);
	for (uint32_t i = 0; i < 40; i++)
		flow(rig, OFPFC_ADD, i, &to_group);
	group(rig, OFPGC_DELETE, 0);
	assert_int_equal(rig_count(rig), 0);
}

static void meter(struct rig *rig, uint16_t command, uint32_t rate)
{
	struct buf b = {0};

	buf_put_be16(&b, command);
	buf_put_be16(&b, 1); /* KBPS */
	buf_put_be32(&b, 6);
	if (rate) {
		buf_put_be32(&b, 1 << 16 | 16); /* DROP */
		buf_put_be32(&b, rate);
		buf_put_be64(&b, 0);
	}
	try_all(rig, OFPT_METER_MOD, b);
}

static void meters(void **state)
{
	static const struct of_instructions metered = {.present = OF_INST_METER, .meter = 6};
	struct rig *rig = *state;

	meter(rig, OFPMC_ADD, 1000);
	meter(rig, OFPMC_MODIFY, 2000);
	for (uint32_t i = 0; i < 40; i++)
		flow(rig, OFPFC_ADD, i, &metered);
	meter(rig, OFPMC_DELETE, 0);
	assert_int_equal(rig_count(rig), 0);
}

/* A group whose deletion was refused can be used as before. */
static void refused_deletion(void **state)
{
	struct of_flow_mod fm = route(0, UINT32_MAX);
	struct rig *rig = *state;
	struct buf body = {0}, message;
	unsigned int n = 0;

	group(rig, OFPGC_ADD, 1);
	buf_put_be16(&body, OFPGC_DELETE);
	buf_put_be16(&body, 0);
	buf_put_be32(&body, 5);
	message = with_header(OFPT_GROUP_MOD, &body);
	fm.inst = to_group;
	for (unsigned int at = 1; handle(rig, &message, at) && was_refused(rig); at++, n++) {
		rig_flow_mod(rig, 0, &fm);
		rig_expect_nothing(rig, 0);
	}
	assert_true(n);
	buf_free(&message);
}

static void statistics(void **state)
{
	static const uint16_t types[] = {OFPMP_FLOW, OFPMP_AGGREGATE};
	struct of_flow_stats_request r = flow_request();
	struct rig *rig = *state;

	for (size_t i = 0; i < 2; i++) {
		struct buf request = flow_request_encode(&r), b = {0};

		buf_put_be16(&b, types[i]);
		buf_put_zero(&b, 6);
		buf_put(&b, request.data, request.len);
		buf_free(&request);
		try_all(rig, OFPT_MULTIPART_REQUEST, b);
	}
}

static void packet_out(void **state)
{
	static const uint8_t frame[60];
	struct buf b = {0};

	buf_put_be32(&b, OFP_NO_BUFFER);
	buf_put_be32(&b, OFPP_CONTROLLER);
	buf_put_be16(&b, 16);
	buf_put_zero(&b, 6);
	buf_put_be32(&b, 16); /* OUTPUT */
	buf_put_be32(&b, 1);
	buf_put_be64(&b, 0);
	buf_put(&b, frame, sizeof(frame));
	try_all(*state, OFPT_PACKET_OUT, b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(flows, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(groups, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(meters, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(refused_deletion, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(statistics, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(packet_out, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
