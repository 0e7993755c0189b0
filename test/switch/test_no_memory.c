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
	while (sw_busy(c)) {
		rig->dp->packet_out.room = 2; /* what it waits for comes */
		rig->dp->packet_out.done = rig->dp->packet_out.n;
		sw_continue(rig->sw, c);
	}
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
static const struct of_instructions to_group = APPLY(GROUP(5)), set = WRITE(GROUP(5), OUTPUT(1));

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

/* Other tables and shapes, time-outs, checks for overlaps, MODIFY_STRICT, what others are told of a removal. */
static void more_flows(void **state)
{
	struct of_flow_mod all = flow_mod(OFPFC_DELETE);
	struct rig *rig = *state;
	int n_lost = 0;

	group(rig, OFPGC_ADD, 1);
	for (uint32_t i = 0; i < 40; i++) {
		struct of_flow_mod fm = route(i << 8, UINT32_MAX << (i % 8 + 8));

		fm.table = i % 3;
		fm.priority = 1000 + i;
		fm.idle_timeout = i % 2;
		fm.flags = OFPFF_SEND_FLOW_REM | (i % 4 ? 0 : OFPFF_CHECK_OVERLAP);
		fm.inst = i % 5 ? to_port_1 : set;
		try_all(rig, OFPT_FLOW_MOD, flow_mod_encode(&fm));
		fm.command = OFPFC_MODIFY_STRICT;
		fm.inst = to_port_2;
		try_all(rig, OFPT_FLOW_MOD, flow_mod_encode(&fm));
	}
	assert_int_equal(rig_count(rig), 40);
	all.table = OFPTT_ALL;
	try_all(rig, OFPT_FLOW_MOD, flow_mod_encode(&all));
	fail_at = 1; /* of the first who is told */
	fake_dp_grace(rig->dp);
	fail_at = 0;
	for (int i = 0; i < 3; i++) {
		struct reply r;
		int n = 0;

		n_lost += rig->conn[i].c.replies.buf.error != 0;
		while (!rig->conn[i].c.replies.buf.error && rig_next(rig, i, &r))
			n += r.type == OFPT_FLOW_REMOVED;
		assert_true(rig->conn[i].c.replies.buf.error || n == 40);
	}
	assert_int_equal(n_lost, 1);
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

/* --- questions --- */

/* What the connection was answered, as far as it is not lost; its length. */
static size_t answer_length(struct rig *rig)
{
	struct rig_conn *c = &rig->conn[0];
	const size_t len = c->c.replies.buf.error ? 0 : c->c.replies.buf.len - c->read;

	buf_free(&c->c.replies.buf);
	c->read = 0;
	return len;
}

/* Each allocation that it takes fails in turn: it gets an error, or loses its connection, or a whole answer. */
static void ask(struct rig *rig, uint8_t type, struct buf body)
{
	struct buf message = with_header(type, &body);
	size_t whole;
	bool failed = true;

	handle(rig, &message, 0);
	whole = answer_length(rig);
	assert_true(whole >= 8);
	for (unsigned int at = 1; failed; at++) {
		size_t len;
		bool error;

		failed = handle(rig, &message, at);
		error = rig->conn[0].c.replies.buf.len > 1 && rig->conn[0].c.replies.buf.data[1] == OFPT_ERROR;
		len = answer_length(rig);
		if (len != whole && !(failed && (error || !len)))
			fail_msg("%zu bytes of %zu, allocation %u failed", len, whole, at);
	}
	buf_free(&message);
}

static struct buf multipart(uint16_t type, const void *data, size_t len)
{
	struct buf b = {0};

	buf_put_be16(&b, type);
	buf_put_zero(&b, 6);
	buf_put(&b, data, len);
	return b;
}

static void statistics(void **state)
{
	static const uint16_t of_flows[] = {OFPMP_FLOW, OFPMP_AGGREGATE};
	static const uint16_t plain[] = {OFPMP_DESC,	      OFPMP_TABLE,	    OFPMP_PORT_DESC,
					 OFPMP_GROUP_DESC,    OFPMP_GROUP_FEATURES, OFPMP_METER_FEATURES,
					 OFPMP_TABLE_FEATURES};
	static const uint16_t of_all[] = {OFPMP_PORT_STATS, OFPMP_GROUP, OFPMP_METER, OFPMP_METER_CONFIG, OFPMP_QUEUE};
	struct of_flow_stats_request r = flow_request();
	struct rig *rig = *state;

	group(rig, OFPGC_ADD, 1);
	meter(rig, OFPMC_ADD, 1000);
	for (uint32_t i = 0; i < 10; i++)
		flow(rig, OFPFC_ADD, i, &to_group);
	rig->dp->n_queues = 3;
	for (uint32_t i = 0; i < 3; i++)
		rig->dp->queues[i] = (struct of_queue){.port_no = 1, .queue = i + 1};
	for (size_t i = 0; i < sizeof(of_flows) / sizeof(of_flows[0]); i++) {
		struct buf request = flow_request_encode(&r);

		ask(rig, OFPT_MULTIPART_REQUEST, multipart(of_flows[i], request.data, request.len));
		buf_free(&request);
	}
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		ask(rig, OFPT_MULTIPART_REQUEST, multipart(plain[i], NULL, 0));
	for (size_t i = 0; i < sizeof(of_all) / sizeof(of_all[0]); i++) {
		static const uint8_t all[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
		static const uint8_t all_padded[8] = {0xff, 0xff, 0xff, 0xff};

		ask(rig, OFPT_MULTIPART_REQUEST, multipart(of_all[i], of_all[i] == OFPMP_QUEUE ? all : all_padded, 8));
	}
}

static void other_questions(void **state)
{
	struct rig *rig = *state;
	struct buf b = {0};

	rig->dp->n_queues = 1;
	rig->dp->queues[0] = (struct of_queue){.port_no = 1, .queue = 1};
	ask(rig, OFPT_FEATURES_REQUEST, b);
	ask(rig, OFPT_GET_CONFIG_REQUEST, b);
	ask(rig, OFPT_GET_ASYNC_REQUEST, b);
	ask(rig, OFPT_BARRIER_REQUEST, b);
	rig->dp->packet_out.n++; /* one that a barrier waits for */
	ask(rig, OFPT_BARRIER_REQUEST, b);
	buf_put_be64(&b, 0); /* NOCHANGE */
	buf_put_be64(&b, 0);
	ask(rig, OFPT_ROLE_REQUEST, b);
	b = (struct buf){0};
	buf_put_be64(&b, (uint64_t)OFPP_ANY << 32);
	ask(rig, OFPT_QUEUE_GET_CONFIG_REQUEST, b);
}

static struct buf first_table(void)
{
	struct buf b = multipart(OFPMP_TABLE_FEATURES, NULL, 0);

	buf_put_be16(&b, 64); /* without properties: what it can */
	buf_put_zero(&b, 6);
	buf_put(&b, "first", 5);
	buf_put_zero(&b, 32 - 5 + 24);
	return b;
}

/* All tables but the first go, and with them its entries, or nothing does; who loses his connection has to ask. */
static void table_features(void **state)
{
	struct rig *rig = *state;
	struct buf body = first_table(), message = with_header(OFPT_MULTIPART_REQUEST, &body);
	bool failed = true;

	for (uint32_t i = 0; i < 5; i++)
		flow(rig, OFPFC_ADD, i, &to_port_1);
	for (unsigned int at = 1; failed; at++) {
		bool lost, refused;
		size_t left;

		failed = handle(rig, &message, at);
		lost = rig->conn[0].c.replies.buf.error;
		refused = was_refused(rig);
		left = rig_count(rig);
		assert_true(left == (refused ? 5 : 0) || (lost && left == 0));
	}
	buf_free(&message);
}

static struct buf packet_out(void)
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
	return b;
}

static void packet_outs(void **state)
{
	struct rig *rig = *state;

	try_all(rig, OFPT_PACKET_OUT, packet_out());
	rig->dp->packet_out.room = 0; /* it waits, and its copy */
	try_all(rig, OFPT_PACKET_OUT, packet_out());
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(flows, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(groups, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(meters, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(refused_deletion, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(more_flows, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(statistics, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(other_questions, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(table_features, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(packet_outs, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
