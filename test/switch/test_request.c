/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests beside flow-mods and multiparts: features, barrier, packet-out, ports, groups, what is unknown. */
#include "test/switch/rig.h"

static void features(void **state)
{
	struct rig *rig = *state;
	struct reply r;

	rig_send(rig, 0, OFPT_FEATURES_REQUEST, NULL, 0);
	r = rig_expect(rig, 0, OFPT_FEATURES_REPLY);
	assert_int_equal(rd64(r.body), 0x42);
	assert_int_equal(rd32(r.body + 8), 0);	   /* n_buffers */
	assert_int_equal(r.body[12], 255);	   /* n_tables */
	assert_int_equal(rd32(r.body + 16), 0x4f); /* flow, table, port, group, queue statistics */
}

static void barrier(void **state)
{
	struct rig *rig = *state;

	rig_send(rig, 0, OFPT_BARRIER_REQUEST, NULL, 0);
	rig_expect(rig, 0, OFPT_BARRIER_REPLY);
}

static void send_packet_out(struct rig *rig, uint32_t buffer, uint32_t in_port, struct of_actions actions, size_t len)
{
	struct buf b = {0}, a = {0};

	of_actions_encode(&a, OF_VERSION_13, &actions);
	buf_put_be32(&b, buffer);
	buf_put_be32(&b, in_port);
	buf_put_be16(&b, a.len);
	buf_put_zero(&b, 6);
	if (a.len)
		buf_put(&b, a.data, a.len);
	if (len)
		buf_put_zero(&b, len);
	buf_free(&a);
	rig_send_buf(rig, 0, OFPT_PACKET_OUT, &b);
}

static void packet_out(void **state)
{
	struct rig *rig = *state;
	const struct of_actions out = ACTIONS(OUTPUT(OFPP_TABLE)), group = ACTIONS(GROUP(1)), bad = ACTIONS(OUTPUT(0)),
				none = {0};

	send_packet_out(rig, OF_NO_BUFFER, OFPP_CONTROLLER, out, 60);
	EXPECT_OK();
	assert_int_equal(rig->dp->packet_out.n, 1);
	assert_int_equal(rig->dp->packet_out.in_port, OFPP_CONTROLLER);
	assert_int_equal(rig->dp->packet_out.n_actions, 1);
	assert_int_equal(rig->dp->packet_out.len, 60);
	send_packet_out(rig, OF_NO_BUFFER, 2, out, 14);
	send_packet_out(rig, OF_NO_BUFFER, OFPP_LOCAL, out, 14);
	EXPECT_OK();
	assert_int_equal(rig->dp->packet_out.n, 3);
	send_packet_out(rig, OF_NO_BUFFER, 2, none, 60); /* a drop */
	EXPECT_OK();
	send_packet_out(rig, 7, 2, out, 0);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_BUFFER_UNKNOWN);
	send_packet_out(rig, OF_NO_BUFFER, 2, out, 13);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_BAD_PACKET);
	send_packet_out(rig, OF_NO_BUFFER, 2, out, 0);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_BAD_PACKET);
	send_packet_out(rig, OF_NO_BUFFER, 2, group, 60);
	EXPECT_ERROR(BAD_ACTION, OFPBAC_BAD_OUT_GROUP);
	send_packet_out(rig, OF_NO_BUFFER, 2, bad, 60);
	EXPECT_ERROR(BAD_ACTION, OFPBAC_BAD_OUT_PORT);
	assert_int_equal(rig->dp->packet_out.n, 3);
}

static void send_barrier(struct rig *rig, unsigned int conn)
{
	rig_send(rig, conn, OFPT_BARRIER_REQUEST, NULL, 0);
}

/* The loop turns: waiting jobs go on. */
static void turn(struct rig *rig)
{
	for (unsigned int i = 0; i < 3; i++)
		if (sw_busy(&rig->conn[i].c))
			sw_continue(rig->sw, &rig->conn[i].c);
}

static void barrier_waits_for_packet_outs(void **state)
{
	struct rig *rig = *state;
	const struct of_actions out = ACTIONS(OUTPUT(1));

	rig->hold = true;
	rig->dp->packet_out.stuck = true;
	send_packet_out(rig, OF_NO_BUFFER, 1, out, 60);
	send_barrier(rig, 0);
	send_barrier(rig, 1);
	rig_send(rig, 2, OFPT_FEATURES_REQUEST, NULL, 0); /* others go on */
	rig_expect(rig, 2, OFPT_FEATURES_REPLY);
	turn(rig);
	rig_expect_nothing(rig, 0);
	rig_expect_nothing(rig, 1);
	assert_true(sw_busy(&rig->conn[0].c));
	rig_run_ms(rig, 2);
	turn(rig);
	assert_true(sw_pause_us(&rig->conn[0].c) > 0 && sw_pause_us(&rig->conn[0].c) <= 10000);
	rig->dp->packet_out.done = 1;
	turn(rig);
	rig_expect(rig, 0, OFPT_BARRIER_REPLY);
	rig_expect(rig, 1, OFPT_BARRIER_REPLY);
	/* one delay is no excuse for later */
	send_packet_out(rig, OF_NO_BUFFER, 1, out, 60);
	send_barrier(rig, 0);
	turn(rig);
	rig_expect_nothing(rig, 0);
	rig->dp->packet_out.done = 2;
	turn(rig);
	rig_expect(rig, 0, OFPT_BARRIER_REPLY);
}

static void barrier_ends_all_the_same(void **state)
{
	struct rig *rig = *state;

	rig->dp->packet_out.stuck = true;
	send_packet_out(rig, OF_NO_BUFFER, 1, (struct of_actions)ACTIONS(OUTPUT(1)), 60);
	send_barrier(rig, 0); /* goes on until it is done */
	rig_expect(rig, 0, OFPT_BARRIER_REPLY);
}

/* There is room for two on their way. */
static void packet_outs_wait_for_room(void **state)
{
	struct rig *rig = *state;
	const struct of_actions out = ACTIONS(OUTPUT(1));

	rig->hold = true;
	rig->dp->packet_out.stuck = true;
	send_packet_out(rig, OF_NO_BUFFER, 1, out, 60);
	send_packet_out(rig, OF_NO_BUFFER, 2, out, 61);
	send_packet_out(rig, OF_NO_BUFFER, OFPP_LOCAL, out, 62);
	assert_int_equal(rig->dp->packet_out.n, 2);
	assert_true(sw_busy(&rig->conn[0].c));
	turn(rig);
	assert_int_equal(rig->dp->packet_out.n, 2);
	rig->dp->packet_out.done = 1;
	turn(rig);
	assert_false(sw_busy(&rig->conn[0].c));
	assert_int_equal(rig->dp->packet_out.n, 3);
	assert_int_equal(rig->dp->packet_out.len, 62);
	assert_int_equal(rig->dp->packet_out.in_port, OFPP_LOCAL);
	assert_int_equal(rig->dp->packet_out.n_actions, 1);
	EXPECT_OK();
	/* the connection ends: what it sent is done */
	send_packet_out(rig, OF_NO_BUFFER, 1, out, 70);
	assert_int_equal(rig->dp->packet_out.n, 3);
	sw_conn_remove(rig->sw, &rig->conn[0].c);
	rig_run_ms(rig, 5);
	assert_int_equal(rig->dp->packet_out.n, 3);
	rig->dp->packet_out.done = 3;
	rig_run_ms(rig, 20);
	assert_int_equal(rig->dp->packet_out.n, 4);
	assert_int_equal(rig->dp->packet_out.len, 70);
	sw_conn_add(rig->sw, &rig->conn[0].c);
}

static void packet_out_without_room(void **state)
{
	struct rig *rig = *state;

	rig->dp->packet_out.stuck = true;
	for (int i = 0; i < 2; i++)
		send_packet_out(rig, OF_NO_BUFFER, 1, (struct of_actions)ACTIONS(OUTPUT(1)), 60);
	EXPECT_OK();
	send_packet_out(rig, OF_NO_BUFFER, 1, (struct of_actions)ACTIONS(OUTPUT(1)), 60);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_EPERM);
	assert_int_equal(rig->dp->packet_out.n, 2);
}

/* The port need not be there (any more); reserved ones that no packet comes from are wrong. */
static void packet_out_from_any_number(void **state)
{
	static const uint32_t good[] = {0, 1, 3, 1023, 1024, 65535, OFPP_MAX, OFPP_CONTROLLER, OFPP_LOCAL, OFPP_ANY};
	static const uint32_t bad[] = {OFPP_MAX + 1, OFPP_IN_PORT, OFPP_TABLE, OFPP_NORMAL, OFPP_FLOOD, OFPP_ALL};
	struct rig *rig = *state;
	const struct of_actions out = ACTIONS(OUTPUT(1));

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		send_packet_out(rig, OF_NO_BUFFER, good[i], out, 60);
		EXPECT_OK();
		assert_int_equal(rig->dp->packet_out.n, i + 1);
		assert_int_equal(rig->dp->packet_out.in_port, good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		send_packet_out(rig, OF_NO_BUFFER, bad[i], out, 60);
		EXPECT_ERROR(BAD_REQUEST, OFPBRC_BAD_PORT);
	}
}

static void port_mod(struct rig *rig, uint32_t port, uint8_t mac_end, uint32_t config, uint32_t mask,
		     uint32_t advertise)
{
	struct buf b = {0};

	buf_put_be32(&b, port);
	buf_put_zero(&b, 4);
	buf_put(&b, (uint8_t[]){2, 0, 0, 0, 0, mac_end, 0, 0}, 8);
	buf_put_be32(&b, config);
	buf_put_be32(&b, mask);
	buf_put_be32(&b, advertise);
	buf_put_zero(&b, 4);
	rig_send_buf(rig, 0, OFPT_PORT_MOD, &b);
}

static void port_mods(void **state)
{
	struct rig *rig = *state;

	port_mod(rig, 3, 3, 0, 0, 0);
	EXPECT_ERROR(PORT_MOD_FAILED, OFPPMFC_BAD_PORT);
	port_mod(rig, 2, 1, 0, OFPPC_NO_FWD, 0);
	EXPECT_ERROR(PORT_MOD_FAILED, OFPPMFC_BAD_HW_ADDR);
	port_mod(rig, 2, 2, 0, 2, 0);
	EXPECT_ERROR(PORT_MOD_FAILED, OFPPMFC_BAD_CONFIG);
	port_mod(rig, 2, 2, 0, OFPPC_NO_FWD, OFPPF_10MB_HD);
	EXPECT_ERROR(PORT_MOD_FAILED, OFPPMFC_BAD_ADVERTISE);
	assert_int_equal(rig->dp->config_port, 0);
	port_mod(rig, 2, 2, OFPPC_NO_FWD | OFPPC_NO_RECV, OFPPC_NO_FWD | OFPPC_PORT_DOWN, OFPPF_10GB_FD);
	EXPECT_OK();
	assert_int_equal(rig->dp->config_port, 2);
	assert_int_equal(rig->dp->config_value, OFPPC_NO_FWD);
	assert_int_equal(rig->dp->config_mask, OFPPC_NO_FWD | OFPPC_PORT_DOWN);
}

/* ADD, MODIFY, DELETE of groups begin with command, type, number. */
static void mod(struct rig *rig, uint8_t msg, uint16_t command, uint16_t second, uint32_t number)
{
	struct buf b = {0};

	buf_put_be16(&b, command);
	buf_put_be16(&b, second);
	buf_put_be32(&b, number);
	rig_send_buf(rig, 0, msg, &b);
}

static void groups(void **state)
{
	struct rig *rig = *state;

	mod(rig, OFPT_GROUP_MOD, OFPGC_DELETE, 0, OFPG_ALL);
	mod(rig, OFPT_GROUP_MOD, OFPGC_DELETE, 0, 17);
	EXPECT_OK();
	mod(rig, OFPT_GROUP_MOD, OFPGC_ADD, OFPGT_ALL << 8, 1);
	EXPECT_OK();
	mod(rig, OFPT_GROUP_MOD, OFPGC_ADD, 9 << 8, 2);
	EXPECT_ERROR(GROUP_MOD_FAILED, OFPGMFC_BAD_TYPE);
	mod(rig, OFPT_GROUP_MOD, OFPGC_ADD, 0, OFPG_ANY);
	EXPECT_ERROR(GROUP_MOD_FAILED, OFPGMFC_INVALID_GROUP);
	mod(rig, OFPT_GROUP_MOD, OFPGC_MODIFY, 0, 2);
	EXPECT_ERROR(GROUP_MOD_FAILED, OFPGMFC_UNKNOWN_GROUP);
	mod(rig, OFPT_GROUP_MOD, 3, 0, 1);
	EXPECT_ERROR(GROUP_MOD_FAILED, OFPGMFC_BAD_COMMAND);
}

static void unknown_messages(void **state)
{
	struct rig *rig = *state;
	const uint8_t zero[16] = {0};

	rig_send(rig, 0, OFPT_EXPERIMENTER, zero, 8);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_BAD_EXPERIMENTER);
	rig_send(rig, 0, OFPT_BARRIER_REPLY, NULL, 0);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_BAD_TYPE);
	rig_send(rig, 0, 99, NULL, 0);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_BAD_TYPE);
}

/* A message that waits is kept, and decoded: all of it counts for its connection until it is done. */
static void what_waits_counts(void **state)
{
	struct rig *rig = *state;
	struct sw_conn *c = &rig->conn[0].c;
	struct of_action outputs[60];
	const struct of_actions out = {60, outputs};

	for (int i = 0; i < 60; i++)
		outputs[i] = (struct of_action)OUTPUT(1);
	rig->hold = true;
	rig->dp->packet_out.room = 0;
	assert_int_equal(sw_conn_memory(c), 0);
	send_packet_out(rig, OF_NO_BUFFER, 1, out, 60);
	assert_true(sw_busy(c));
	assert_true(sw_conn_memory(c) >= 24 + 60 * (16 + sizeof(struct of_action)) + 60);
	rig->dp->packet_out.room = 1;
	turn(rig);
	assert_false(sw_busy(c));
	assert_int_equal(sw_conn_memory(c), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(features),
		T(barrier),
		T(packet_out),
		T(barrier_waits_for_packet_outs),
		T(barrier_ends_all_the_same),
		T(packet_outs_wait_for_room),
		T(packet_out_without_room),
		T(what_waits_counts),
		T(packet_out_from_any_number),
		T(port_mods),
		T(groups),
		T(unknown_messages),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
