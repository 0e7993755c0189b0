/* SPDX-License-Identifier: GPL-2.0-only */
/* Several controllers: roles (§6.3.5), asynchronous messages (§6.3.4), packet-ins, port status, configuration. */
#include "include/ofxdp/config.h"
#include "test/switch/rig.h"
#include "user/switch/flow.h"

static void role(struct rig *rig, unsigned int conn, uint32_t role, uint64_t generation)
{
	struct buf b = {0};

	buf_put_be32(&b, role);
	buf_put_zero(&b, 4);
	buf_put_be64(&b, generation);
	rig_send_buf(rig, conn, OFPT_ROLE_REQUEST, &b);
}

static void expect_role(struct rig *rig, unsigned int conn, uint32_t role, uint64_t generation)
{
	struct reply r = rig_expect(rig, conn, OFPT_ROLE_REPLY);

	assert_int_equal(rd32(r.body), role);
	assert_int_equal(rd64(r.body + 8), generation);
}

static void set_async(struct rig *rig, unsigned int conn, const uint32_t masks[6])
{
	struct buf b = {0};

	for (int i = 0; i < 6; i++)
		buf_put_be32(&b, masks[i]);
	rig_send_buf(rig, conn, OFPT_SET_ASYNC, &b);
}

static void set_config(struct rig *rig, unsigned int conn, uint16_t flags, uint16_t miss_send_len)
{
	struct buf b = {0};

	buf_put_be16(&b, flags);
	buf_put_be16(&b, miss_send_len);
	rig_send_buf(rig, conn, OFPT_SET_CONFIG, &b);
}

static void punt(struct rig *rig, uint8_t reason, void *owner)
{
	const uint8_t frame[60] = {0};
	struct dp_packet_in p = {
		.in_port = 2,
		.table = 3,
		.reason = reason,
		.owner = owner,
		.data = frame,
		.len = sizeof(frame),
		.metadata = 0x77,
		.max_len = 10,
	};

	sw_datapath_callbacks.packet_in(rig->sw, &p);
}

static void equal_at_first(void **state)
{
	struct rig *rig = *state;

	role(rig, 0, OFPCR_ROLE_NOCHANGE, 0);
	expect_role(rig, 0, OFPCR_ROLE_EQUAL, UINT64_MAX);
}

static void one_master(void **state)
{
	struct rig *rig = *state;

	role(rig, 0, OFPCR_ROLE_MASTER, 5);
	expect_role(rig, 0, OFPCR_ROLE_MASTER, 5);
	role(rig, 1, OFPCR_ROLE_MASTER, 6);
	expect_role(rig, 1, OFPCR_ROLE_MASTER, 6);
	role(rig, 0, OFPCR_ROLE_NOCHANGE, 0);
	expect_role(rig, 0, OFPCR_ROLE_SLAVE, 6);
	role(rig, 2, OFPCR_ROLE_NOCHANGE, 0);
	expect_role(rig, 2, OFPCR_ROLE_EQUAL, 6);
	role(rig, 1, OFPCR_ROLE_MASTER, 6); /* again */
	expect_role(rig, 1, OFPCR_ROLE_MASTER, 6);
}

static void generations(void **state)
{
	struct rig *rig = *state;

	role(rig, 0, OFPCR_ROLE_SLAVE, UINT64_MAX - 1); /* the first is taken, whatever it is */
	expect_role(rig, 0, OFPCR_ROLE_SLAVE, UINT64_MAX - 1);
	role(rig, 1, OFPCR_ROLE_MASTER, UINT64_MAX - 2);
	rig_expect_error(rig, 1, OFPET_ROLE_REQUEST_FAILED, OFPRRFC_STALE);
	role(rig, 1, OFPCR_ROLE_NOCHANGE, 0);
	expect_role(rig, 1, OFPCR_ROLE_EQUAL, UINT64_MAX - 1);
	role(rig, 1, OFPCR_ROLE_MASTER, 3); /* wrapped around: newer */
	expect_role(rig, 1, OFPCR_ROLE_MASTER, 3);
	role(rig, 1, OFPCR_ROLE_EQUAL, 0); /* not compared */
	expect_role(rig, 1, OFPCR_ROLE_EQUAL, 3);
	role(rig, 1, 4, 9);
	rig_expect_error(rig, 1, OFPET_ROLE_REQUEST_FAILED, OFPRRFC_BAD_ROLE);
}

static void slaves_change_nothing(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = flow_mod(OFPFC_ADD);
	const uint8_t zero[64] = {0};

	role(rig, 0, OFPCR_ROLE_SLAVE, 1);
	expect_role(rig, 0, OFPCR_ROLE_SLAVE, 1);
	rig_flow_mod(rig, 0, &fm);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_IS_SLAVE);
	assert_int_equal(rig->dp->n_flows, 0);
	rig_send(rig, 0, OFPT_PACKET_OUT, zero, 16);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_IS_SLAVE);
	rig_send(rig, 0, OFPT_GROUP_MOD, zero, 8);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_IS_SLAVE);
	rig_send(rig, 0, OFPT_PORT_MOD, zero, 32);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_IS_SLAVE);
	rig_send(rig, 0, OFPT_TABLE_MOD, zero, 8);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_IS_SLAVE);
	rig_send(rig, 0, OFPT_METER_MOD, zero, 8);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_IS_SLAVE);
	rig_multipart(rig, 0, OFPMP_TABLE_FEATURES, 0, zero, 64);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_IS_SLAVE);
	set_config(rig, 0, OFPC_FRAG_DROP, 128);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_IS_SLAVE);
	set_config(rig, 0, OFPC_FRAG_NORMAL, 99); /* concerns itself only */
	EXPECT_OK();
	assert_int_equal(rig_count(rig), 0); /* reading is allowed */
	rig_send(rig, 0, OFPT_BARRIER_REQUEST, NULL, 0);
	rig_expect(rig, 0, OFPT_BARRIER_REPLY);
}

/* … and are told so first, whatever else is wrong. */
static void slaves_are_told_first(void **state)
{
	static const uint8_t changes[] = {OFPT_PACKET_OUT, OFPT_FLOW_MOD,  OFPT_GROUP_MOD,
					  OFPT_PORT_MOD,   OFPT_TABLE_MOD, OFPT_METER_MOD};
	struct rig *rig = *state;
	const uint8_t zero[64] = {0};
	uint8_t ones[64];

	memset(ones, 0xff, sizeof(ones));
	role(rig, 0, OFPCR_ROLE_SLAVE, 1);
	expect_role(rig, 0, OFPCR_ROLE_SLAVE, 1);
	for (size_t i = 0; i < sizeof(changes); i++)
		for (size_t len = 0; len <= 64; len++) { /* too short, too long, unknown commands, ports, buffers … */
			rig_send(rig, 0, changes[i], zero, len);
			EXPECT_ERROR(BAD_REQUEST, OFPBRC_IS_SLAVE);
			rig_send(rig, 0, changes[i], ones, len);
			EXPECT_ERROR(BAD_REQUEST, OFPBRC_IS_SLAVE);
		}
	rig_multipart(rig, 0, OFPMP_TABLE_FEATURES, 0, ones, 3);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_IS_SLAVE);
	rig_multipart(rig, 0, OFPMP_TABLE_FEATURES, OFPMPF_REQ_MORE, ones, 64);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_IS_SLAVE);
	set_config(rig, 0, OFPC_FRAG_REASM, 128);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_IS_SLAVE);
	/* what it may send, or nobody: as to all */
	rig_send(rig, 0, OFPT_SET_CONFIG, zero, 3);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_BAD_LEN);
	rig_send(rig, 0, OFPT_PACKET_IN, zero, 8);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_BAD_TYPE);
	rig_multipart(rig, 0, OFPMP_TABLE_FEATURES, OFPMPF_REQ_MORE, NULL, 0);
	EXPECT_OK();
}

static void demoted_in_the_middle(void **state)
{
	struct rig *rig = *state;
	const uint8_t zero[64] = {0};

	rig_multipart(rig, 0, OFPMP_TABLE_FEATURES, OFPMPF_REQ_MORE, zero, 64);
	EXPECT_OK();
	role(rig, 0, OFPCR_ROLE_SLAVE, 1);
	expect_role(rig, 0, OFPCR_ROLE_SLAVE, 1);
	rig_multipart(rig, 0, OFPMP_TABLE_FEATURES, 0, NULL, 0);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_IS_SLAVE);
}

static void packet_in_carries_the_pipeline(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = flow_mod(OFPFC_ADD);
	const struct of_packet_in *p = &rig->conn[0].packet_in;

	fm.cookie = 0xabc;
	rig_flow_mod(rig, 0, &fm);
	punt(rig, OFPR_ACTION, fake_dp_find(rig->dp, 0, 100)->owner);
	assert_int_equal(rig->conn[0].n_packet_in, 1);
	assert_int_equal(p->cookie, 0xabc);
	assert_int_equal(p->table, 3);
	assert_int_equal(p->reason, OFPR_ACTION);
	assert_int_equal(p->total_len, 60);
	assert_int_equal(p->len, 60); /* whole, whatever max_len: there are no buffers */
	assert_int_equal(p->match.fields, 1ull << OFX_F_IN_PORT | 1ull << OFX_F_METADATA);
	punt(rig, OFPR_ACTION, NULL);
	assert_int_equal(p->cookie, UINT64_MAX);
}

static void packet_in_goes_by_role_and_reason(void **state)
{
	struct rig *rig = *state;

	role(rig, 1, OFPCR_ROLE_SLAVE, 1);
	punt(rig, OFPR_NO_MATCH, NULL);
	assert_int_equal(rig->conn[0].n_packet_in, 1);
	assert_int_equal(rig->conn[1].n_packet_in, 0);
	assert_int_equal(rig->conn[2].n_packet_in, 1);
	assert_int_equal(rig->dp->n_punt_drops, 0);
	set_async(rig, 1, (uint32_t[6]){0, 1 << OFPR_NO_MATCH, 0, 0, 0, 0});
	set_async(rig, 0, (uint32_t[6]){1 << OFPR_ACTION, 0, 0, 0, 0, 0});
	punt(rig, OFPR_NO_MATCH, NULL);
	assert_int_equal(rig->conn[0].n_packet_in, 1);
	assert_int_equal(rig->conn[1].n_packet_in, 1);
	assert_int_equal(rig->conn[2].n_packet_in, 2);
	rig->conn[2].full = true;
	punt(rig, OFPR_NO_MATCH, NULL);
	assert_int_equal(rig->dp->n_punt_drops, 1);
	punt(rig, OFPR_INVALID_TTL, NULL); /* nobody takes it */
	assert_int_equal(rig->dp->n_punt_drops, 2);
}

static void invalid_ttl_is_punted_when_one_asks(void **state)
{
	struct rig *rig = *state;
	const uint32_t ttl = 1 << OFPR_INVALID_TTL;

	assert_int_equal(rig->dp->config, 0);
	set_async(rig, 0, (uint32_t[6]){0, ttl, 0, 0, 0, 0}); /* if it were a slave */
	assert_int_equal(rig->dp->config, 0);
	role(rig, 0, OFPCR_ROLE_SLAVE, 1);
	assert_int_equal(rig->dp->config, OFX_CONFIG_INVALID_TTL);
	role(rig, 0, OFPCR_ROLE_EQUAL, 1);
	assert_int_equal(rig->dp->config, 0);
	set_async(rig, 1, (uint32_t[6]){ttl, 0, 0, 0, 0, 0});
	set_config(rig, 0, OFPC_FRAG_DROP, 128);
	assert_int_equal(rig->dp->config, OFX_CONFIG_INVALID_TTL | OFX_CONFIG_FRAG_DROP);
	sw_conn_remove(rig->sw, &rig->conn[1].c);
	assert_int_equal(rig->dp->config, OFX_CONFIG_FRAG_DROP);
}

static void async_is_read_back(void **state)
{
	struct rig *rig = *state;
	const uint32_t masks[6] = {1, 2, 3, 4, 5, 6};
	struct reply r;

	rig_send(rig, 0, OFPT_GET_ASYNC_REQUEST, NULL, 0);
	r = rig_expect(rig, 0, OFPT_GET_ASYNC_REPLY);
	assert_int_equal(rd32(r.body), 3);     /* packet-in, master */
	assert_int_equal(rd32(r.body + 4), 0); /* slave */
	assert_int_equal(rd32(r.body + 8), 7); /* port status */
	assert_int_equal(rd32(r.body + 12), 7);
	assert_int_equal(rd32(r.body + 16), 15); /* flow removed */
	assert_int_equal(rd32(r.body + 20), 0);
	set_async(rig, 0, masks);
	rig_send(rig, 0, OFPT_GET_ASYNC_REQUEST, NULL, 0);
	r = rig_expect(rig, 0, OFPT_GET_ASYNC_REPLY);
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(rd32(r.body + 4 * i), masks[i]);
}

static void port_status_and_flow_removed_by_mask(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = flow_mod(OFPFC_ADD);
	struct reply r;

	role(rig, 1, OFPCR_ROLE_SLAVE, 1);
	expect_role(rig, 1, OFPCR_ROLE_SLAVE, 1);
	set_async(rig, 2, (uint32_t[6]){0, 0, 1 << OFPPR_DELETE, 0, 1 << OFPRR_IDLE_TIMEOUT, 0});
	sw_datapath_callbacks.port_status(rig->sw, OFPPR_ADD, &rig->dp->ports[1]);
	for (unsigned int i = 0; i < 2; i++) {
		r = rig_expect(rig, i, OFPT_PORT_STATUS);
		assert_int_equal(r.body[0], OFPPR_ADD);
		assert_int_equal(rd32(r.body + 8), 2);
		assert_int_equal(rig->conn[i].n_wake, 1);
	}
	rig_expect_nothing(rig, 2);
	fm.flags = OFPFF_SEND_FLOW_REM;
	rig_flow_mod(rig, 0, &fm);
	fm.command = OFPFC_DELETE;
	rig_flow_mod(rig, 0, &fm);
	fake_dp_grace(rig->dp);
	rig_expect(rig, 0, OFPT_FLOW_REMOVED);
	rig_expect_nothing(rig, 0);
	rig_expect_nothing(rig, 1);
	rig_expect_nothing(rig, 2);
}

static void config(void **state)
{
	struct rig *rig = *state;
	struct reply r;

	set_config(rig, 0, OFPC_FRAG_REASM, 128);
	EXPECT_ERROR(SWITCH_CONFIG_FAILED, OFPSCFC_BAD_FLAGS);
	set_config(rig, 0, 4, 128);
	EXPECT_ERROR(SWITCH_CONFIG_FAILED, OFPSCFC_BAD_FLAGS);
	set_config(rig, 0, 0, 0xfffe); /* whole frames are sent anyway */
	EXPECT_OK();
	set_config(rig, 0, OFPC_FRAG_DROP, 0xffff);
	EXPECT_OK();
	assert_int_equal(rig->dp->config, OFX_CONFIG_FRAG_DROP);
	for (unsigned int i = 0; i < 2; i++) { /* fragments: the switch's; miss_send_len: the connection's */
		rig_send(rig, i, OFPT_GET_CONFIG_REQUEST, NULL, 0);
		r = rig_expect(rig, i, OFPT_GET_CONFIG_REPLY);
		assert_int_equal(rd16(r.body), OFPC_FRAG_DROP);
		assert_int_equal(rd16(r.body + 2), i ? 128 : 0xffff);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(equal_at_first),
		T(one_master),
		T(generations),
		T(slaves_change_nothing),
		T(slaves_are_told_first),
		T(demoted_in_the_middle),
		T(packet_in_carries_the_pipeline),
		T(packet_in_goes_by_role_and_reason),
		T(invalid_ttl_is_punted_when_one_asks),
		T(async_is_read_back),
		T(port_status_and_flow_removed_by_mask),
		T(config),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("role", tests, NULL, NULL);
}
