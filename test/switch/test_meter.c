/* SPDX-License-Identifier: GPL-2.0-only */
/* METER_MOD with all its errors, the flow entries that use meters, statistics, configuration and features. */
#include "test/switch/rig.h"
#include "user/openflow/error.h"

#define DROP(RATE, BURST) ((struct of_band){OFPMBT_DROP, RATE, BURST, 0})
#define REMARK(RATE, BURST, LEVELS) ((struct of_band){OFPMBT_DSCP_REMARK, RATE, BURST, LEVELS})

static void send_mod(struct rig *rig, uint16_t command, uint16_t flags, uint32_t meter, size_t n,
		     const struct of_band *bands)
{
	struct buf b = {0};

	buf_put_be16(&b, command);
	buf_put_be16(&b, flags);
	buf_put_be32(&b, meter);
	for (size_t i = 0; i < n; i++) {
		buf_put_be16(&b, bands[i].type);
		buf_put_be16(&b, 16);
		buf_put_be32(&b, bands[i].rate);
		buf_put_be32(&b, bands[i].burst);
		buf_put_u8(&b, bands[i].prec_level);
		buf_put_zero(&b, 3);
	}
	rig_send_buf(rig, 0, OFPT_METER_MOD, &b);
}
#define METER_MOD(RIG, COMMAND, FLAGS, METER, ...)                                                                     \
	send_mod(RIG, OFPMC_##COMMAND, FLAGS, METER, sizeof((struct of_band[]){__VA_ARGS__}) / sizeof(struct of_band), \
		 (struct of_band[]){__VA_ARGS__})

static void ask(struct rig *rig, uint16_t type, uint32_t meter)
{
	struct buf b = {0};

	buf_put_be32(&b, meter);
	buf_put_zero(&b, 4);
	rig_multipart(rig, 0, type, 0, b.data, b.len);
	buf_free(&b);
}

static struct buf answer(struct rig *rig, uint16_t type, uint32_t meter)
{
	ask(rig, type, meter);
	return rig_multipart_reply(rig, 0, type);
}

/* A flow entry with this priority that uses the meter. */
static void add_flow(struct rig *rig, uint16_t priority, uint32_t meter)
{
	struct of_flow_mod fm = flow_mod(OFPFC_ADD);

	fm.priority = priority;
	fm.flags = OFPFF_SEND_FLOW_REM;
	fm.inst.present = OF_INST_METER;
	fm.inst.meter = meter;
	rig_flow_mod(rig, 0, &fm);
}

static uint32_t flow_count(struct rig *rig, uint32_t meter)
{
	struct buf b = answer(rig, OFPMP_METER, meter);
	uint32_t n;

	assert_true(b.len >= 40 && rd32(b.data) == meter && rd16(b.data + 4) == b.len);
	n = rd32(b.data + 12);
	buf_free(&b);
	return n;
}

static void errors(void **state)
{
	struct rig *rig = *state;
	struct of_band many[9];

	METER_MOD(rig, ADD, OFPMF_KBPS, 0, DROP(1, 0));
	EXPECT_ERROR(METER_MOD_FAILED, OFPMMFC_INVALID_METER);
	METER_MOD(rig, ADD, OFPMF_KBPS, OFPM_MAX + 1, DROP(1, 0));
	EXPECT_ERROR(METER_MOD_FAILED, OFPMMFC_INVALID_METER);
	METER_MOD(rig, ADD, OFPMF_KBPS, OFPM_ALL, DROP(1, 0));
	EXPECT_ERROR(METER_MOD_FAILED, OFPMMFC_INVALID_METER);
	METER_MOD(rig, ADD, OFPMF_KBPS | OFPMF_PKTPS, 1, DROP(1, 0));
	EXPECT_ERROR(METER_MOD_FAILED, OFPMMFC_BAD_FLAGS);
	METER_MOD(rig, ADD, 0x10, 1, DROP(1, 0));
	EXPECT_ERROR(METER_MOD_FAILED, OFPMMFC_BAD_FLAGS);
	METER_MOD(rig, ADD, 0, 1, REMARK(1, 0, 0));
	EXPECT_ERROR(METER_MOD_FAILED, OFPMMFC_BAD_BAND_VALUE);
	METER_MOD(rig, ADD, 0, 1, (struct of_band){OFPMBT_EXPERIMENTER, 1, 0, 0});
	EXPECT_ERROR(METER_MOD_FAILED, OFPMMFC_BAD_BAND);
	METER_MOD(rig, ADD, 0, 1, (struct of_band){3, 1, 0, 0});
	EXPECT_ERROR(METER_MOD_FAILED, OFPMMFC_BAD_BAND);
	for (int i = 0; i < 9; i++)
		many[i] = DROP(i + 1, 0);
	send_mod(rig, OFPMC_ADD, 0, 1, 9, many);
	EXPECT_ERROR(METER_MOD_FAILED, OFPMMFC_OUT_OF_BANDS);
	METER_MOD(rig, MODIFY, 0, 1, DROP(1, 0));
	EXPECT_ERROR(METER_MOD_FAILED, OFPMMFC_UNKNOWN_METER);
	METER_MOD(rig, MODIFY, 0, 0, DROP(1, 0));
	EXPECT_ERROR(METER_MOD_FAILED, OFPMMFC_INVALID_METER);
	send_mod(rig, OFPMC_DELETE, 0, 0, 0, NULL);
	EXPECT_ERROR(METER_MOD_FAILED, OFPMMFC_INVALID_METER);
	send_mod(rig, 3, 0, 1, 0, NULL);
	EXPECT_ERROR(METER_MOD_FAILED, OFPMMFC_BAD_COMMAND);
	rig->dp->meters.fail_with = OF_ERROR(OFPET_METER_MOD_FAILED, OFPMMFC_OUT_OF_METERS);
	METER_MOD(rig, ADD, 0, 1, DROP(1, 0));
	EXPECT_ERROR(METER_MOD_FAILED, OFPMMFC_OUT_OF_METERS);
	ask(rig, OFPMP_METER, 1);
	EXPECT_ERROR(METER_MOD_FAILED, OFPMMFC_UNKNOWN_METER);
	ask(rig, OFPMP_METER_CONFIG, 0);
	EXPECT_ERROR(METER_MOD_FAILED, OFPMMFC_INVALID_METER);
	assert_int_equal(rig->dp->meters.n, 0);
}

static void add_modify_delete(void **state)
{
	struct rig *rig = *state;
	struct buf b;

	send_mod(rig, OFPMC_DELETE, 0, 17, 0, NULL); /* of none: no error */
	METER_MOD(rig, ADD, OFPMF_PKTPS | OFPMF_STATS, 17, DROP(100, 5), REMARK(50, 0, 2));
	METER_MOD(rig, ADD, 0, OFPM_CONTROLLER, DROP(100, 0));
	EXPECT_OK();
	METER_MOD(rig, ADD, 0, 17, DROP(100, 0));
	EXPECT_ERROR(METER_MOD_FAILED, OFPMMFC_METER_EXISTS);
	b = answer(rig, OFPMP_METER_CONFIG, 17);
	assert_int_equal(b.len, 8 + 2 * 16);
	assert_memory_equal(b.data, "\0\x28\0\x0a\0\0\0\x11", 8);
	assert_memory_equal(b.data + 8, "\0\1\0\x10\0\0\0\x64\0\0\0\5\0\0\0\0", 16);
	assert_memory_equal(b.data + 24, "\0\2\0\x10\0\0\0\x32\0\0\0\0\2\0\0\0", 16);
	buf_free(&b);
	rig->dp->meters.fail_with = OF_ERROR(OFPET_METER_MOD_FAILED, OFPMMFC_BAD_RATE);
	METER_MOD(rig, MODIFY, 0, 17, DROP(0, 0));
	EXPECT_ERROR(METER_MOD_FAILED, OFPMMFC_BAD_RATE);
	rig->dp->meters.fail_with = 0;
	b = answer(rig, OFPMP_METER_CONFIG, 17);
	assert_int_equal(b.len, 8 + 2 * 16);
	buf_free(&b);
	METER_MOD(rig, MODIFY, 0, 17, DROP(7, 8));
	EXPECT_OK();
	assert_int_equal(rig->dp->meters.n_modify, 1);
	b = answer(rig, OFPMP_METER_CONFIG, OFPM_ALL);
	assert_int_equal(b.len, 2 * (8 + 16));
	assert_memory_equal(b.data, "\0\x18\0\0\0\0\0\x11\0\1\0\x10\0\0\0\7\0\0\0\x08", 20);
	buf_free(&b);
	send_mod(rig, OFPMC_DELETE, 0, OFPM_ALL, 0, NULL);
	EXPECT_OK();
	assert_int_equal(rig->dp->meters.n, 0);
	b = answer(rig, OFPMP_METER_CONFIG, OFPM_ALL);
	assert_int_equal(b.len, 0);
	buf_free(&b);
}

static void flows_go_with_their_meter(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm;
	struct reply r;

	METER_MOD(rig, ADD, 0, 1, DROP(100, 0));
	METER_MOD(rig, ADD, 0, 2, DROP(100, 0));
	add_flow(rig, 1, 1);
	add_flow(rig, 2, 1);
	add_flow(rig, 3, 2);
	fm = flow_mod(OFPFC_ADD);
	rig_flow_mod(rig, 0, &fm);
	EXPECT_OK();
	assert_int_equal(flow_count(rig, 1), 2);
	assert_int_equal(flow_count(rig, 2), 1);
	fm = flow_mod(OFPFC_MODIFY_STRICT); /* takes it off meter 1 */
	fm.priority = 2;
	rig_flow_mod(rig, 0, &fm);
	assert_int_equal(flow_count(rig, 1), 1);
	send_mod(rig, OFPMC_DELETE, 0, 1, 0, NULL);
	assert_int_equal(rig_count(rig), 3);
	fake_dp_grace(rig->dp);
	r = rig_expect(rig, 0, OFPT_FLOW_REMOVED);
	assert_int_equal(rd16(r.body + 8), 1);
	assert_int_equal(r.body[10], OFPRR_DELETE);
	EXPECT_OK();
	add_flow(rig, 4, 1);
	EXPECT_ERROR(METER_MOD_FAILED, OFPMMFC_UNKNOWN_METER);
	assert_int_equal(flow_count(rig, 2), 1);
	send_mod(rig, OFPMC_DELETE, 0, OFPM_ALL, 0, NULL);
	EXPECT_OK();
	assert_int_equal(rig_count(rig), 2);
	METER_MOD(rig, ADD, 0, 2, DROP(100, 0));
	assert_int_equal(flow_count(rig, 2), 0); /* though the old one's end is still on its way */
}

static void statistics(void **state)
{
	struct rig *rig = *state;
	struct buf b;

	METER_MOD(rig, ADD, 0, 1, DROP(100, 0), DROP(200, 0));
	rig->dp->meters.counters = (struct dp_meter_counters){.in = {10, 1000}, .band = {{3, 300}, {2, 200}, {99, 99}}};
	rig_run_ms(rig, 5);
	b = answer(rig, OFPMP_METER, OFPM_ALL);
	assert_int_equal(b.len, 40 + 2 * 16);
	assert_int_equal(rd64(b.data + 16), 10);
	assert_int_equal(rd64(b.data + 24), 1000);
	assert_int_equal(rd32(b.data + 32), 0);
	assert_in_range(rd32(b.data + 36), 4000000, 999999999);
	assert_int_equal(rd64(b.data + 40), 3);
	assert_int_equal(rd64(b.data + 64), 200);
	buf_free(&b);
}

static void features(void **state)
{
	struct rig *rig = *state;
	struct buf b;

	rig_multipart(rig, 0, OFPMP_METER_FEATURES, 0, NULL, 0);
	b = rig_multipart_reply(rig, 0, OFPMP_METER_FEATURES);
	assert_int_equal(b.len, 16);
	assert_int_equal(rd32(b.data), 4096);
	assert_int_equal(rd32(b.data + 4), 1 << OFPMBT_DROP | 1 << OFPMBT_DSCP_REMARK);
	assert_int_equal(rd32(b.data + 8), 0xf);
	assert_int_equal(b.data[12], 8);
	buf_free(&b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(errors), T(add_modify_delete), T(flows_go_with_their_meter), T(statistics), T(features),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("meter", tests, NULL, NULL);
}
