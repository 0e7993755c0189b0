/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the switch says: every message written once, then read and compared by os-ken (test/unit/osken_check.py, which
 * holds the numbers put in here).  To compile: osken.h.
 */
#include <signal.h>
#include "test/unit/osken.h"

#define XID 0x01020304

static FILE *checker;

/* The messages in `o`, each to the checker under that name. */
static void tell(struct of_out *o, const char *name)
{
	const uint8_t *at = o->buf.data, *end = at + o->buf.len;

	while (at < end) {
		const uint8_t *next = at + (at[2] << 8 | at[3]);

		assert_true(next > at && next <= end);
		fprintf(checker, "%s ", name);
		for (; at < next; at++)
			fprintf(checker, "%02x", *at);
		fputc('\n', checker);
	}
	buf_free(&o->buf);
}

static struct of_out out(void)
{
	return (struct of_out){.version = OFP_VERSION_13};
}

static void hello_and_errors(void **state)
{
	static uint8_t bytes[OF_MSG_MAX];
	struct of_out o = {};

	for (int i = 0; i < 80; i++)
		bytes[i] = i;
	of_put_hello(&o, XID, 1 << 1 | 1 << 4 | 1 << 6);
	tell(&o, "hello");
	o = out();
	of_put_error(&o, XID, OF_ERROR(OFPET_FLOW_MOD_FAILED, OFPFMFC_OVERLAP), bytes, 80);
	tell(&o, "error");
	of_put_error(&o, XID, OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_LEN), bytes, sizeof(bytes));
	tell(&o, "error_long");
	of_put_error(&o, XID, OF_ERROR(OFPET_BAD_INSTRUCTION, OFPBIC_DUP_INST), "12345678", 8);
	tell(&o, "error_dup_inst");
	o.version = 0; /* none agreed on */
	of_put_hello_failed(&o, XID, OF_ERROR(OFPET_HELLO_FAILED, OFPHFC_INCOMPATIBLE), "1.3 only");
	tell(&o, "hello_failed");
}

static void symmetric(void **state)
{
	struct of_out o = out();

	of_put_echo(&o, false, XID, "abc", 3);
	tell(&o, "echo_request");
	of_put_echo(&o, true, XID, NULL, 0);
	tell(&o, "echo_reply");
	of_put_empty(&o, OF_BARRIER_REPLY, XID);
	tell(&o, "barrier_reply");
}

static const struct of_queue queues[] = {
	{.port_no = 1, .queue = 5, .min_rate = 10, .max_rate = 1000},
	{.port_no = 1, .queue = 6, .min_rate = OF_QUEUE_NO_RATE, .max_rate = OF_QUEUE_NO_RATE},
	{9, 7, OF_QUEUE_NO_RATE, 20, 0x100000001, 0x100000002, 3, 4, 5},
};

static void answers(void **state)
{
	struct of_out o = out();

	of_put_features(&o, XID, &(struct of_features){0x1122334455667788ull, 0, 254, 1, 0x4f});
	tell(&o, "features");
	of_put_config(&o, XID, &(struct of_config){OFPC_FRAG_DROP, 128});
	tell(&o, "config");
	of_put_role(&o, XID, &(struct of_role){OFPCR_ROLE_SLAVE, 0xffeeddccbbaa9988ull});
	tell(&o, "role");
	of_put_async(&o, XID, &(struct of_async){{1, 2}, {3, 4}, {5, 6}});
	tell(&o, "asynchronous");
	of_put_queue_config(&o, XID, 9, NULL, 0);
	tell(&o, "queue_config_empty");
	of_put_queue_config(&o, XID, OFPP_ANY, queues, 3);
	tell(&o, "queue_config");
}

static struct of_match ip_match(void)
{
	struct of_match m = {};

	of_match_set_be32(&m, OFX_F_ETH_TYPE, 0x0800);
	of_match_set_be32(&m, OFX_F_IPV4_DST, 0x0a000001);
	return m;
}

static const struct of_port port3 = {
	3, {2, 0, 0, 0, 0, 3}, "eth3", OFPPC_NO_FWD, OFPPS_LIVE, 0x2840, 1, 2, 4, 10000000, 40000000,
};

static void unsolicited(void **state)
{
	struct of_packet_in p = {.total_len = 60, .reason = OFPR_ACTION, .table = 2, .cookie = 0xaabb, .len = 60};
	struct of_match m = ip_match();
	struct of_flow_removed f = {
		.cookie = 0xaabb,
		.priority = 9,
		.reason = OFPRR_HARD_TIMEOUT,
		.table = 2,
		.duration_sec = 10,
		.duration_nsec = 11,
		.idle_timeout = 12,
		.hard_timeout = 13,
		.packets = 14,
		.bytes = 15,
		.match = &m,
	};
	struct of_out o = out();
	uint8_t frame[60];

	for (int i = 0; i < 60; i++)
		frame[i] = i;
	p.data = frame;
	of_match_set_be32(&p.match, OFX_F_IN_PORT, 7);
	of_match_set_be64(&p.match, OFX_F_METADATA, 0x1234);
	of_match_set_be64(&p.match, OFX_F_TUNNEL_ID, 0x5678);
	of_put_packet_in(&o, &p);
	tell(&o, "packet_in");
	of_put_flow_removed(&o, &f);
	tell(&o, "flow_removed");
	of_put_port_status(&o, OFPPR_MODIFY, &port3);
	tell(&o, "port_status");
}

static void descriptions(void **state)
{
	struct of_multipart mp;
	struct of_out o = out();
	char m[300], s[300];

	memset(m, 'm', sizeof(m));
	memset(s, 's', sizeof(s));
	m[299] = s[299] = '\0';
	of_multipart_begin(&mp, &o, OF_MP_DESC, XID);
	of_multipart_desc(&mp, &(struct of_desc){m, "hardware", "software", s, NULL});
	of_multipart_end(&mp);
	tell(&o, "mp_desc");
	of_multipart_begin(&mp, &o, OF_MP_PORT_DESC, XID);
	of_multipart_port_desc(&mp, &port3);
	of_multipart_port_desc(&mp, &port3);
	of_multipart_end(&mp);
	tell(&o, "mp_port_desc");
	of_multipart_begin(&mp, &o, OF_MP_GROUP_DESC, XID);
	of_multipart_end(&mp);
	tell(&o, "mp_empty");
}

static void groups(void **state)
{
	const struct of_bucket_counter counters[] = {{11, 12}, {13, 14}};
	struct of_action actions[] = {{.type = OF_ACT_PUSH_VLAN, .ethertype = 0x8100},
				      {.type = OF_ACT_OUTPUT, .output = {.port = 3, .max_len = 0}},
				      {.type = OF_ACT_GROUP, .group = 9}};
	const struct of_bucket buckets[] = {{5, 6, 7, {2, actions}}, {0, OFPP_ANY, OFPG_ANY, {1, &actions[2]}}};
	struct of_multipart mp;
	struct of_out o = out();

	of_multipart_begin(&mp, &o, OF_MP_GROUP, XID);
	of_multipart_group_stats(&mp, &(struct of_group_stats){1, 2, 3, 4, 5, 6, 2, counters});
	of_multipart_group_stats(&mp, &(struct of_group_stats){.group = OFPG_MAX});
	of_multipart_end(&mp);
	tell(&o, "mp_group");
	of_multipart_begin(&mp, &o, OF_MP_GROUP_DESC, XID);
	of_multipart_group_desc(&mp, &(struct of_group_desc){OFPGT_SELECT, 1, 2, buckets});
	of_multipart_group_desc(&mp, &(struct of_group_desc){OFPGT_ALL, OFPG_MAX, 0, NULL});
	of_multipart_end(&mp);
	tell(&o, "mp_group_desc");
}

static void meters(struct of_out *o)
{
	const struct of_band bands[] = {{OFPMBT_DROP, 1000, 100, 0}, {OFPMBT_DSCP_REMARK, 2000, 0, 2}};
	const struct of_band_stats counts[] = {{7, 8}, {9, 10}};
	struct of_multipart mp;

	of_multipart_begin(&mp, o, OF_MP_METER, XID);
	of_multipart_meter(&mp, &(struct of_meter_stats){1, 2, 3, 4, 5, 6, 2, counts});
	of_multipart_meter(&mp, &(struct of_meter_stats){.meter = 0xfffffffe});
	of_multipart_end(&mp);
	tell(o, "mp_meter");
	of_multipart_begin(&mp, o, OF_MP_METER_CONFIG, XID);
	of_multipart_meter_config(&mp, &(struct of_meter_config){OFPMF_PKTPS | OFPMF_BURST, 1, 2, bands});
	of_multipart_meter_config(&mp, &(struct of_meter_config){.meter = 3});
	of_multipart_end(&mp);
	tell(o, "mp_meter_config");
}

static void features(void **state)
{
	struct of_multipart mp;
	struct of_out o = out();

	of_multipart_begin(&mp, &o, OF_MP_GROUP_FEATURES, XID);
	of_multipart_group_features(&mp, &(struct of_group_features){0xf, 7, {1, 2, 3, 4}, {5, 6, 7, 8}});
	of_multipart_end(&mp);
	tell(&o, "mp_group_features");
	meters(&o);
	of_multipart_begin(&mp, &o, OF_MP_METER_FEATURES, XID);
	of_multipart_meter_features(&mp, &(struct of_meter_features){100, 6, 0xf, 2, 1});
	of_multipart_end(&mp);
	tell(&o, "mp_meter_features");
}

static void table_features(void **state)
{
	struct of_table_features t = {
		.table = 3,
		.name = "classifier",
		.metadata_match = 0xff,
		.metadata_write = 0xffff,
		.config = 3,
		.max_entries = 1000,
		.instructions = 0x3e,
		.miss_instructions = 1 << OFPIT_GOTO_TABLE | 1 << OFPIT_APPLY_ACTIONS,
		.actions = 1 << OFPAT_OUTPUT | 1 << OFPAT_PUSH_VLAN | 1 << OFPAT_POP_VLAN | 1 << OFPAT_SET_FIELD,
		.match = 1ull << OFX_F_IN_PORT | 1ull << OFX_F_ETH_DST | 1ull << OFX_F_IPV4_SRC |
			 1ull << OFX_F_TCP_FLAGS | 1ull << OFX_F_PACKET_TYPE, /* the last is not of 1.3 */
		.wildcards = 1ull << OFX_F_IN_PORT | 1ull << OFX_F_ETH_DST,
		.set_field = 1ull << OFX_F_ETH_DST | 1ull << OFX_F_VLAN_VID,
		.maskable = 1ull << OFX_F_ETH_DST | 1ull << OFX_F_IPV4_SRC | 1ull << OFX_F_TCP_FLAGS,
		.next = {7 << 4},
	};
	struct of_multipart mp;
	struct of_out o = out();

	of_multipart_begin(&mp, &o, OF_MP_TABLE_FEATURES, XID);
	of_multipart_table_features(&mp, &t);
	of_multipart_end(&mp);
	tell(&o, "mp_table_features");
}

static void statistics(void **state)
{
	struct of_multipart mp;
	struct of_out o = out();

	of_multipart_begin(&mp, &o, OF_MP_AGGREGATE, XID);
	of_multipart_aggregate(&mp, 1, 2, 3);
	of_multipart_end(&mp);
	tell(&o, "mp_aggregate");
	of_multipart_begin(&mp, &o, OF_MP_TABLE, XID);
	of_multipart_table(&mp, &(struct of_table_stats){0, 5, 6, 7});
	of_multipart_table(&mp, &(struct of_table_stats){1, 5, 6, 7});
	of_multipart_end(&mp);
	tell(&o, "mp_table");
	of_multipart_begin(&mp, &o, OF_MP_PORT_STATS, XID);
	of_multipart_port_stats(&mp, &(struct of_port_stats){3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14});
	of_multipart_end(&mp);
	tell(&o, "mp_port_stats");
	of_multipart_begin(&mp, &o, OF_MP_QUEUE, XID);
	for (size_t i = 0; i < 3; i++)
		of_multipart_queue(&mp, &queues[i]);
	of_multipart_end(&mp);
	tell(&o, "mp_queue");
}

static void flows(void **state)
{
	struct of_action apply[] = {
		{.type = OF_ACT_PUSH_VLAN, .ethertype = 0x8100},
		{.type = OF_ACT_SET_FIELD, .set = {.field = OFX_F_VLAN_VID, .value = {0x10, 0x64}}},
		{.type = OF_ACT_OUTPUT, .output = {4, 0}},
	};
	struct of_instructions inst = {.present = OF_INST_GOTO | OF_INST_APPLY, .goto_table = 5, .apply = {3, apply}};
	struct of_match m = ip_match();
	struct of_flow_stats f = {0, 1, 2, 3, 4, 5, OFPFF_SEND_FLOW_REM, 6, 7, 8, &m, &inst, NULL, 0};
	struct of_multipart mp;
	struct of_out o = out();

	of_multipart_begin(&mp, &o, OF_MP_FLOW, XID);
	of_multipart_flow(&mp, &f);
	f.table = 1;
	of_multipart_flow(&mp, &f);
	of_multipart_end(&mp);
	tell(&o, "mp_flow");
	of_multipart_begin(&mp, &o, OF_MP_FLOW, XID);
	for (f.cookie = 0; f.cookie < 2000; f.cookie++)
		of_multipart_flow(&mp, &f);
	of_multipart_end(&mp);
	tell(&o, "mp_split");
}

/* One message after the other in the same buffer, and a reply that fills its message to the last byte. */
static void messages_stand_one_behind_the_other(void **state)
{
	struct of_multipart mp;
	struct of_out o = out();
	size_t one, n;

	of_put_empty(&o, OF_BARRIER_REPLY, 1);
	of_multipart_begin(&mp, &o, OF_MP_TABLE, 2);
	for (n = 0; n < (OF_MSG_MAX - 16) / 24; n++)
		of_multipart_table(&mp, &(struct of_table_stats){});
	one = o.buf.len;
	assert_int_equal(mp.start, 8);
	of_multipart_table(&mp, &(struct of_table_stats){.active = 0x11223344});
	assert_int_equal(mp.start, one);
	of_multipart_end(&mp);
	of_put_empty(&o, OF_BARRIER_REPLY, 3);
	assert_int_equal(o.buf.data[8 + 2] << 8 | o.buf.data[8 + 3], one - 8);
	assert_int_equal(o.buf.data[8 + 11], OFPMPF_REPLY_MORE);
	assert_int_equal(o.buf.data[one + 11], 0);
	assert_memory_equal(o.buf.data + one + 16 + 4, "\x11\x22\x33\x44", 4);
	assert_int_equal(o.buf.len, one + 16 + 24 + 8);
	buf_free(&o.buf);
}

static void osken_agrees(void **state)
{
	int status = pclose(checker);

	checker = NULL;
	assert_int_equal(status, 0);
}

static int start(void **state)
{
	signal(SIGPIPE, SIG_IGN); /* a checker that gave up says so by its exit code */
	checker = popen("/usr/bin/python3 test/unit/osken_check.py", "w");
	return checker ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_and_errors),
		cmocka_unit_test(symmetric),
		cmocka_unit_test(answers),
		cmocka_unit_test(unsolicited),
		cmocka_unit_test(descriptions),
		cmocka_unit_test(groups),
		cmocka_unit_test(features),
		cmocka_unit_test(table_features),
		cmocka_unit_test(statistics),
		cmocka_unit_test(flows),
		cmocka_unit_test(messages_stand_one_behind_the_other),
		cmocka_unit_test(osken_agrees), /* last: it closes the checker */
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
