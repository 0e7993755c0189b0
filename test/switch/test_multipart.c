/* SPDX-License-Identifier: GPL-2.0-only */
/* Multipart requests (§7.3.5): filters of flow statistics, tables, ports, features, what is refused. */
#include <stdio.h>
#include <time.h>
#include "test/switch/rig.h"

static struct buf ask(struct rig *rig, uint16_t type, const void *body, size_t len)
{
	rig_multipart(rig, 0, type, 0, body, len);
	return rig_multipart_reply(rig, 0, type);
}

static void expect_empty(struct rig *rig, uint16_t type, const void *body, size_t len)
{
	struct buf b = ask(rig, type, body, len);

	assert_int_equal(b.len, 0);
	buf_free(&b);
	EXPECT_OK();
}

static void add_route(struct rig *rig, uint8_t table, uint32_t addr, uint32_t mask, uint64_t cookie, uint32_t port)
{
	struct of_flow_mod fm = flow_mod(OFPFC_ADD);
	const struct of_instructions inst = APPLY(OUTPUT(port));

	fm.table = table;
	fm.cookie = cookie;
	match_ipv4_dst(&fm.match, addr, mask);
	fm.inst = inst;
	rig_flow_mod(rig, 0, &fm);
}

static void flow_filters(void **state)
{
	struct rig *rig = *state;
	struct of_flow_stats_request r = flow_request();

	add_route(rig, 0, 0x0a000000, 0xff000000, 0x11, 1);
	add_route(rig, 0, 0x0a010000, 0xffff0000, 0x12, 2);
	add_route(rig, 3, 0x0a010000, 0xffff0000, 0x21, 1);
	assert_int_equal(rig_flow_stats(rig, &r, NULL), 3);
	r.table = 3;
	assert_int_equal(rig_flow_stats(rig, &r, NULL), 1);
	r.table = 4;
	assert_int_equal(rig_flow_stats(rig, &r, NULL), 0);
	r = flow_request();
	r.out_port = 1;
	assert_int_equal(rig_flow_stats(rig, &r, NULL), 2);
	r.out_group = 1;
	assert_int_equal(rig_flow_stats(rig, &r, NULL), 0);
	r = flow_request();
	r.cookie = 0x10;
	r.cookie_mask = 0xf0;
	assert_int_equal(rig_flow_stats(rig, &r, NULL), 2);
	r = flow_request();
	match_ipv4_dst(&r.match, 0x0a010000, 0xffff0000);
	assert_int_equal(rig_flow_stats(rig, &r, NULL), 2);
	r = flow_request();
	match_ipv4_dst(&r.match, 0x0a000000, 0xfe000000); /* wider than all */
	assert_int_equal(rig_flow_stats(rig, &r, NULL), 3);
	r = flow_request();
	match_tcp(&r.match, 80);
	assert_int_equal(rig_flow_stats(rig, &r, NULL), 0);
}

static void flow_match_and_instructions_read_back(void **state)
{
	struct rig *rig = *state;
	struct of_flow_stats_request all = flow_request();
	struct of_flow_mod fm = flow_mod(OFPFC_ADD);
	const struct of_instructions inst = {
		.present = OF_INST_GOTO | OF_INST_METADATA | OF_INST_WRITE | OF_INST_APPLY | OF_INST_CLEAR,
		.goto_table = 9,
		.metadata = 0x12,
		.metadata_mask = 0xff,
		.apply = ACTIONS(PUSH_VLAN, SET_FIELD(VLAN_VID, 0x10, 5), OUTPUT(1)),
		.write = ACTIONS(OUTPUT(OFPP_CONTROLLER)),
	};
	struct buf sent = {0}, request = flow_request_encode(&all), got;

	match_tcp(&fm.match, 80);
	of_match_set_be32(&fm.match, OFX_F_IN_PORT, 1);
	fm.inst = inst;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();
	got = ask(rig, OFPMP_FLOW, request.data, request.len);
	of_match_encode(&sent, OF_VERSION_13, &fm.match);
	of_instructions_encode(&sent, OF_VERSION_13, &inst);
	assert_int_equal(got.len, 48 + sent.len);
	assert_memory_equal(got.data + 48, sent.data, sent.len);
	buf_free(&got);
	buf_free(&sent);
	buf_free(&request);
}

static void aggregate(void **state)
{
	struct rig *rig = *state;
	struct of_flow_stats_request r = flow_request();
	struct buf request, got;

	add_route(rig, 0, 0x0a000000, 0xff000000, 1, 1);
	fake_dp_find(rig->dp, 0, 100)->packets = 5;
	fake_dp_find(rig->dp, 0, 100)->bytes = 500;
	add_route(rig, 1, 0x0a000000, 0xff000000, 1, 1);
	fake_dp_find(rig->dp, 1, 100)->packets = 1;
	fake_dp_find(rig->dp, 1, 100)->bytes = 64;
	request = flow_request_encode(&r);
	got = ask(rig, OFPMP_AGGREGATE, request.data, request.len);
	assert_int_equal(got.len, 24);
	assert_int_equal(rd64(got.data), 6);
	assert_int_equal(rd64(got.data + 8), 564);
	assert_int_equal(rd32(got.data + 16), 2);
	buf_free(&got);
	buf_free(&request);
}

static void tables(void **state)
{
	struct rig *rig = *state;
	struct buf b;

	add_route(rig, 2, 0x0a000000, 0xff000000, 1, 1);
	b = ask(rig, OFPMP_TABLE, NULL, 0);
	assert_int_equal(b.len, 255 * 24);
	for (unsigned int t = 0; t < 255; t++) {
		assert_int_equal(b.data[24 * t], t);
		assert_int_equal(rd32(b.data + 24 * t + 4), t == 2);
		assert_int_equal(rd64(b.data + 24 * t + 8), 1000 + t);
		assert_int_equal(rd64(b.data + 24 * t + 16), t);
	}
	buf_free(&b);
}

static void table_mod(struct rig *rig, uint8_t table, uint32_t config)
{
	struct buf b = {0};

	buf_put_u8(&b, table);
	buf_put_zero(&b, 3);
	buf_put_be32(&b, config);
	rig_send_buf(rig, 0, OFPT_TABLE_MOD, &b);
}

static void table_features(void **state)
{
	struct rig *rig = *state;
	unsigned int n = 0;
	struct buf b;

	table_mod(rig, 5, 4);
	EXPECT_ERROR(TABLE_MOD_FAILED, OFPTMFC_BAD_CONFIG);
	table_mod(rig, OFPTT_ALL, 2);
	table_mod(rig, 5, 3);
	EXPECT_OK();
	b = ask(rig, OFPMP_TABLE_FEATURES, NULL, 0);
	for (size_t at = 0; at < b.len; at += rd16(b.data + at), n++) {
		assert_true(rd16(b.data + at) >= 64);
		assert_int_equal(b.data[at + 2], n);
		assert_int_equal(rd64(b.data + at + 40), UINT64_MAX);	      /* metadata_match */
		assert_int_equal(rd32(b.data + at + 56), n == 5 ? 3 : 2);     /* config */
		assert_int_equal(rd32(b.data + at + 60), rig->dp->max_flows); /* max_entries */
	}
	assert_int_equal(n, 255);
	buf_free(&b);
}

static void ports(void **state)
{
	struct rig *rig = *state;
	const uint8_t any[8] = {0xff, 0xff, 0xff, 0xff}, two[8] = {0, 0, 0, 2}, three[8] = {0, 0, 0, 3};
	struct buf b = ask(rig, OFPMP_PORT_STATS, any, 8);

	assert_int_equal(b.len, 3 * 112);
	buf_free(&b);
	b = ask(rig, OFPMP_PORT_STATS, two, 8);
	assert_int_equal(b.len, 112);
	assert_int_equal(rd32(b.data), 2);
	assert_int_equal(rd64(b.data + 8), 10);
	buf_free(&b);
	rig_multipart(rig, 0, OFPMP_PORT_STATS, 0, three, 8);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_BAD_PORT);
	b = ask(rig, OFPMP_PORT_DESC, NULL, 0);
	assert_int_equal(b.len, 3 * 64);
	assert_int_equal(rd32(b.data + 2 * 64), OFPP_LOCAL);
	assert_string_equal((const char *)b.data + 64 + 16, "eth2");
	buf_free(&b);
}

static void desc(void **state)
{
	struct rig *rig = *state;
	struct buf b = ask(rig, OFPMP_DESC, NULL, 0);

	assert_int_equal(b.len, 1056);
	assert_string_equal((const char *)b.data, "ofxdp");
	assert_string_equal((const char *)b.data + 800, "test");
	buf_free(&b);
}

static void no_queues(void **state)
{
	struct rig *rig = *state;
	const uint8_t all[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	const uint8_t of_1[8] = {0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff}, q_3_of_1[8] = {0, 0, 0, 1, 0, 0, 0, 3};
	const uint8_t of_9[8] = {0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff};
	struct reply r;

	expect_empty(rig, OFPMP_QUEUE, all, 8);
	expect_empty(rig, OFPMP_QUEUE, of_1, 8);
	rig_multipart(rig, 0, OFPMP_QUEUE, 0, q_3_of_1, 8);
	EXPECT_ERROR(QUEUE_OP_FAILED, OFPQOFC_BAD_QUEUE);
	rig_multipart(rig, 0, OFPMP_QUEUE, 0, of_9, 8);
	EXPECT_ERROR(QUEUE_OP_FAILED, OFPQOFC_BAD_PORT);
	rig_send(rig, 0, OFPT_QUEUE_GET_CONFIG_REQUEST, (uint8_t[8]){0, 0, 0, 1}, 8);
	r = rig_expect(rig, 0, OFPT_QUEUE_GET_CONFIG_REPLY);
	assert_int_equal(rd32(r.body), 1);
	assert_int_equal(r.len, 8);
	rig_send(rig, 0, OFPT_QUEUE_GET_CONFIG_REQUEST, (uint8_t[8]){0, 0, 0, 9}, 8);
	EXPECT_ERROR(QUEUE_OP_FAILED, OFPQOFC_BAD_PORT);
}

/* The message about them has no parts: all of a port's or none. */
static void more_queues_than_can_be_told(void **state)
{
	struct rig *rig = *state;
	struct reply r;

	for (uint32_t i = 0; i < 1400; i++)
		rig->dp->queues[i] = (struct of_queue){.port_no = 1 + (i >= 1364), .queue = i + 1};
	rig->dp->n_queues = 1400;
	rig_send(rig, 0, OFPT_QUEUE_GET_CONFIG_REQUEST, (uint8_t[8]){0, 0, 0, 1}, 8);
	r = rig_expect(rig, 0, OFPT_QUEUE_GET_CONFIG_REPLY);
	assert_int_equal(r.len, 8 + 1364 * 48);
	rig_send(rig, 0, OFPT_QUEUE_GET_CONFIG_REQUEST, (uint8_t[8]){0xff, 0xff, 0xff, 0xff}, 8);
	EXPECT_ERROR(QUEUE_OP_FAILED, OFPQOFC_EPERM);
	rig->dp->queues[1364].port_no = 1;
	rig_send(rig, 0, OFPT_QUEUE_GET_CONFIG_REQUEST, (uint8_t[8]){0, 0, 0, 1}, 8);
	EXPECT_ERROR(QUEUE_OP_FAILED, OFPQOFC_EPERM);
	rig_send(rig, 0, OFPT_QUEUE_GET_CONFIG_REQUEST, (uint8_t[8]){0, 0, 0, 2}, 8);
	r = rig_expect(rig, 0, OFPT_QUEUE_GET_CONFIG_REPLY);
	assert_int_equal(r.len, 8 + 35 * 48);
}

/* A FLOW_MOD may be longer than what a reply can tell of an entry: set-fields that join are one operation. */
static void flow_entries_fit_a_reply(void **state)
{
	static struct of_action v[4085];
	struct of_flow_stats_request all = flow_request();
	struct rig *rig = *state;
	struct of_flow_mod fm = flow_mod(OFPFC_ADD);
	struct of_match widest = {0};
	struct buf b = {0};

	for (size_t i = 0; i < 4085; i++)
		v[i] = (struct of_action)SET_FIELD(ETH_DST, 2);
	fm.inst = (struct of_instructions){.present = OF_INST_APPLY, .apply = {4085, v}}; /* 65368 bytes */
	rig_flow_mod(rig, 0, &fm);
	EXPECT_ERROR(BAD_ACTION, OFPBAC_TOO_MANY);
	fm.inst.apply.n = 4000;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();
	assert_int_equal(rig_flow_stats(rig, &all, NULL), 1);
	fm.command = OFPFC_MODIFY;
	fm.inst.apply.n = 4085;
	rig_flow_mod(rig, 0, &fm);
	EXPECT_ERROR(BAD_ACTION, OFPBAC_TOO_MANY);
	/* the match beside them */
	memset(&widest.mask, 0x55, sizeof(widest.mask));
	widest.fields = widest.masked = (1ull << OFX_N_FIELDS) - 1;
	of_match_encode(&b, OF_VERSION_13, &widest);
	assert_in_range(b.len, 500, 1024);
	buf_free(&b);
}

/* Port and queue of each entry of the statistics asked for. */
static void expect_queues(struct rig *rig, uint32_t port, uint32_t queue, size_t n, const uint32_t (*want)[2])
{
	uint32_t body[2] = {htonl(port), htonl(queue)};
	struct buf b;

	rig_multipart(rig, 0, OFPMP_QUEUE, 0, body, 8);
	b = rig_multipart_reply(rig, 0, OFPMP_QUEUE);
	assert_int_equal(b.len, 40 * n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(rd32(b.data + 40 * i), want[i][0]);
		assert_int_equal(rd32(b.data + 40 * i + 4), want[i][1]);
		assert_int_equal(rd64(b.data + 40 * i + 16), 100 * want[i][0] + want[i][1]);
	}
	buf_free(&b);
}

static void queues(void **state)
{
	const uint32_t all[][2] = {{1, 1}, {1, 2}, {2, 1}}, first[][2] = {{1, 1}, {2, 1}};
	struct rig *rig = *state;
	struct reply r;

	for (uint32_t i = 0; i < 3; i++)
		rig->dp->queues[i] = (struct of_queue){.port_no = all[i][0],
						       .queue = all[i][1],
						       .min_rate = i ? 50 : OF_QUEUE_NO_RATE,
						       .max_rate = OF_QUEUE_NO_RATE,
						       .tx_packets = 100 * all[i][0] + all[i][1]};
	rig->dp->n_queues = 3;
	expect_queues(rig, OFPP_ANY, OFPQ_ALL, 3, all);
	expect_queues(rig, 1, OFPQ_ALL, 2, all);
	expect_queues(rig, 1, 2, 1, all + 1);
	expect_queues(rig, OFPP_ANY, 1, 2, first);
	rig_multipart(rig, 0, OFPMP_QUEUE, 0, (uint8_t[8]){0, 0, 0, 2, 0, 0, 0, 2}, 8);
	EXPECT_ERROR(QUEUE_OP_FAILED, OFPQOFC_BAD_QUEUE);
	rig_send(rig, 0, OFPT_QUEUE_GET_CONFIG_REQUEST, (uint8_t[8]){0, 0, 0, 1}, 8);
	r = rig_expect(rig, 0, OFPT_QUEUE_GET_CONFIG_REPLY);
	assert_int_equal(r.len, 8 + 16 + 32);
	assert_int_equal(rd32(r.body + 8), 1);
	assert_int_equal(rd32(r.body + 24), 2);
	rig_send(rig, 0, OFPT_QUEUE_GET_CONFIG_REQUEST, (uint8_t[8]){0xff, 0xff, 0xff, 0xff}, 8);
	r = rig_expect(rig, 0, OFPT_QUEUE_GET_CONFIG_REPLY);
	assert_int_equal(rd32(r.body), OFPP_ANY);
	assert_int_equal(r.len, 8 + 16 + 32 + 32);
}

static void groups(void **state)
{
	struct rig *rig = *state;
	const uint8_t all_groups[8] = {0xff, 0xff, 0xff, 0xfc};
	struct buf b;

	expect_empty(rig, OFPMP_GROUP, all_groups, 8);
	expect_empty(rig, OFPMP_GROUP_DESC, NULL, 0);
	b = ask(rig, OFPMP_GROUP_FEATURES, NULL, 0);
	assert_int_equal(b.len, 40);
	buf_free(&b);
}

static void refused(void **state)
{
	struct rig *rig = *state;
	const uint8_t experimenter[8] = {0};

	rig_multipart(rig, 0, OFPMP_DESC, OFPMPF_REQ_MORE, NULL, 0);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_MULTIPART_BUFFER_OVERFLOW);
	rig_multipart(rig, 0, 14, 0, NULL, 0);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_BAD_MULTIPART);
	rig_multipart(rig, 0, OFPMP_EXPERIMENTER, 0, experimenter, 8);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_BAD_EXPERIMENTER);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(flow_filters),
		T(flow_match_and_instructions_read_back),
		T(aggregate),
		T(tables),
		T(table_features),
		T(ports),
		T(desc),
		T(queues),
		T(no_queues),
		T(more_queues_than_can_be_told),
		T(flow_entries_fit_a_reply),
		T(groups),
		T(refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("multipart", tests, NULL, NULL);
}
