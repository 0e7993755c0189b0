/* SPDX-License-Identifier: GPL-2.0-only */
/* Whole messages from controllers: what os-ken writes, cut, damaged, and wrong.  To compile: osken.h. */
#include "test/unit/osken.h"

static struct of_msg get(const char *name)
{
	const struct osken_line *l = osken_msg(&data, name);
	struct of_msg msg;
	int error = of_decode(l->bytes, l->len, &msg);

	if (error)
		fail_msg("%s: %s", name, of_error_name(error));
	assert_int_equal(msg.version, OFP_VERSION_13);
	assert_int_equal(msg.xid, 0x01020304);
	assert_true(msg.raw == l->bytes && msg.raw_len == l->len);
	return msg;
}

static void flow_mods(void **state)
{
	struct of_msg msg = get("flow_mod");
	const struct of_flow_mod *f = &msg.flow_mod;

	assert_int_equal(msg.type, OF_FLOW_MOD);
	assert_true(f->cookie == 0x1122334455667788ull && f->cookie_mask == 0xff);
	assert_int_equal(f->table, 3);
	assert_int_equal(f->command, OFPFC_ADD);
	assert_int_equal(f->idle_timeout, 10);
	assert_int_equal(f->hard_timeout, 20);
	assert_int_equal(f->priority, 1000);
	assert_int_equal(f->buffer_id, OF_NO_BUFFER);
	assert_int_equal(f->out_port, 4);
	assert_int_equal(f->out_group, 5);
	assert_int_equal(f->flags, OFPFF_SEND_FLOW_REM | OFPFF_CHECK_OVERLAP);
	assert_int_equal(__builtin_popcountll(f->match.fields), 5);
	of_msg_free(&msg);

	msg = get("flow_mod_empty");
	assert_true(!msg.flow_mod.match.fields && !msg.flow_mod.inst.present && !msg.flow_mod.priority);
	of_msg_free(&msg);

	msg = get("flow_mod_delete");
	assert_int_equal(msg.flow_mod.command, OFPFC_DELETE);
	assert_int_equal(msg.flow_mod.table, OFPTT_ALL);
	assert_int_equal(msg.flow_mod.out_group, OFPG_ANY);
	assert_int_equal(msg.flow_mod.inst.present, 0); /* ignored */
	of_msg_free(&msg);
}

static void packet_outs(void **state)
{
	struct of_msg msg = get("packet_out");

	assert_int_equal(msg.packet_out.buffer_id, OF_NO_BUFFER);
	assert_int_equal(msg.packet_out.in_port, 3);
	of_msg_free(&msg);
	msg = get("packet_out_empty");
	assert_int_equal(msg.packet_out.actions.n + msg.packet_out.data_len, 0);
	of_msg_free(&msg);
}

static void group_mods(void **state)
{
	struct of_msg msg = get("group_mod");
	const struct of_group_mod *g = &msg.group_mod;

	assert_int_equal(g->command, OFPGC_MODIFY);
	assert_int_equal(g->type, OFPGT_SELECT);
	assert_int_equal(g->group, 77);
	assert_int_equal(g->n_buckets, 3);
	assert_int_equal(g->buckets[0].weight, 1);
	assert_int_equal(g->buckets[0].watch_port, 2);
	assert_int_equal(g->buckets[0].watch_group, 3);
	assert_int_equal(g->buckets[0].actions.n, 1);
	assert_int_equal(g->buckets[1].actions.n, 17);
	assert_int_equal(g->buckets[1].watch_port, OFPP_ANY);
	assert_int_equal(g->buckets[2].weight, 9);
	assert_int_equal(g->buckets[2].actions.n, 0);
	of_msg_free(&msg);
	msg = get("group_mod_delete");
	assert_true(msg.group_mod.group == OFPG_ALL && !msg.group_mod.n_buckets);
	of_msg_free(&msg);
}

static void meter_mods(void **state)
{
	struct of_msg msg = get("meter_mod");
	const struct of_meter_mod *m = &msg.meter_mod;

	assert_int_equal(m->command, OFPMC_ADD);
	assert_int_equal(m->flags, OFPMF_KBPS | OFPMF_BURST);
	assert_int_equal(m->meter, 12);
	assert_int_equal(m->n_bands, 2);
	assert_true(m->bands[0].type == OFPMBT_DROP && m->bands[0].rate == 1000 && m->bands[0].burst == 100);
	assert_true(m->bands[1].type == OFPMBT_DSCP_REMARK && m->bands[1].rate == 2000 && m->bands[1].burst == 200);
	assert_int_equal(m->bands[1].prec_level, 3);
	of_msg_free(&msg);
	msg = get("meter_mod_delete");
	assert_true(msg.meter_mod.meter == OFPM_ALL && !msg.meter_mod.n_bands);
	of_msg_free(&msg);
}

static void multiparts(void **state)
{
	static const char *const names[] = {
		"mp_desc",	   "mp_flow",		"mp_aggregate",	     "mp_table",	  "mp_port_stats",
		"mp_queue",	   "mp_group",		"mp_group_desc",     "mp_group_features", "mp_meter",
		"mp_meter_config", "mp_meter_features", "mp_table_features", "mp_port_desc",
	};
	struct of_mp_request r[14];

	for (int i = 0; i < 14; i++) {
		struct of_msg msg = get(names[i]);

		assert_int_equal(msg.type, OF_MULTIPART_REQUEST);
		assert_int_equal(msg.multipart.type, i);
		assert_int_equal(msg.multipart.flags, i == OF_MP_TABLE_FEATURES);
		r[i] = msg.multipart;
		of_msg_free(&msg);
	}
	assert_int_equal(r[OF_MP_FLOW].flow.table, 4);
	assert_int_equal(r[OF_MP_FLOW].flow.out_port, 5);
	assert_int_equal(r[OF_MP_FLOW].flow.out_group, 6);
	assert_true(r[OF_MP_FLOW].flow.cookie == 7 && r[OF_MP_FLOW].flow.cookie_mask == 8);
	assert_int_equal(r[OF_MP_FLOW].flow.match.fields, 1ull << OFX_F_IN_PORT);
	assert_int_equal(r[OF_MP_AGGREGATE].flow.table, OFPTT_ALL);
	assert_int_equal(r[OF_MP_AGGREGATE].flow.out_port, OFPP_ANY);
	assert_int_equal(r[OF_MP_PORT_STATS].port_no, 13);
	assert_true(r[OF_MP_QUEUE].port_no == 14 && r[OF_MP_QUEUE].queue == 15);
	assert_int_equal(r[OF_MP_GROUP].group, 16);
	assert_int_equal(r[OF_MP_METER].meter, 17);
	assert_int_equal(r[OF_MP_METER_CONFIG].meter, 18);
	assert_int_equal(r[OF_MP_TABLE_FEATURES].body_len, 0);
}

static void others(void **state)
{
	struct of_msg msg = get("hello_plain");

	assert_int_equal(msg.hello.versions, 0x1e);
	assert_int_equal(get("error").error, OF_ERROR(OFPET_BAD_MATCH, OFPBMC_BAD_MASK));
	assert_int_equal(get("echo_request").type, OF_ECHO_REQUEST);
	assert_int_equal(get("echo_reply").type, OF_ECHO_REPLY);
	assert_int_equal(get("features_request").type, OF_FEATURES_REQUEST);
	assert_int_equal(get("get_config_request").type, OF_GET_CONFIG_REQUEST);
	assert_int_equal(get("barrier_request").type, OF_BARRIER_REQUEST);
	assert_int_equal(get("get_async_request").type, OF_GET_ASYNC_REQUEST);
	msg = get("set_config");
	assert_true(msg.config.flags == OFPC_FRAG_DROP && msg.config.miss_send_len == 1500);
	msg = get("port_mod");
	assert_true(msg.port_mod.port_no == 3 && msg.port_mod.config == OFPPC_NO_RECV && msg.port_mod.mask == 0x65);
	assert_int_equal(msg.port_mod.advertise, 0x2840);
	assert_memory_equal(msg.port_mod.hw_addr, "\0\0\0\0\0\x11", 6);
	msg = get("table_mod");
	assert_true(msg.table_mod.table == OFPTT_ALL && msg.table_mod.config == 3);
	assert_int_equal(get("queue_get_config_request").queue_port, OFPP_ANY);
	msg = get("role_request");
	assert_int_equal(msg.role.role, OFPCR_ROLE_MASTER);
	assert_true(msg.role.generation_id == 0xffeeddccbbaa9988ull);
	msg = get("set_async");
	assert_true(msg.async.packet_in[0] == 1 && msg.async.packet_in[1] == 2 && msg.async.port_status[0] == 3);
	assert_true(msg.async.port_status[1] == 4 && msg.async.flow_removed[0] == 5 && msg.async.flow_removed[1] == 6);
}

/* Messages that may end in several places: a cut one is a shorter one. */
static bool has_open_end(uint8_t type, size_t len)
{
	switch (type) {
	case OFPT_HELLO:
	case OFPT_ERROR:
	case OFPT_ECHO_REQUEST:
	case OFPT_ECHO_REPLY:
	case OFPT_PACKET_OUT:
		return true;
	case OFPT_FLOW_MOD:
	case OFPT_GROUP_MOD:
	case OFPT_METER_MOD:
		return len % 8 == 0;
	default:
		return false;
	}
}

static void decode_copy(const uint8_t *bytes, size_t len, bool may_be_good, const char *name)
{
	uint8_t *copy = memcpy(malloc(len + !len), bytes, len);
	struct of_msg msg;
	char text[300];
	int error = of_decode(copy, len, &msg);

	if (!error && !may_be_good)
		fail_msg("%s, %zu bytes: no error", name, len);
	assert_true(error >= 0);
	of_msg_print(&msg, text, sizeof(text));
	of_msg_free(&msg);
	free(copy);
}

static void cut_at_every_length(void **state)
{
	for (size_t i = 0; i < data.n; i++) {
		const struct osken_line *l = &data.line[i];

		for (size_t len = 0; len < l->len; len++) {
			uint8_t saved[2] = {l->bytes[2], l->bytes[3]};

			decode_copy(l->bytes, len, false, l->word[1]); /* the header tells of more */
			l->bytes[2] = len >> 8;
			l->bytes[3] = len;
			decode_copy(l->bytes, len, len >= 8 && has_open_end(l->bytes[1], len), l->word[1]);
			memcpy(l->bytes + 2, saved, 2);
		}
	}
}

static void longer_than_it_may_be(void **state)
{
	struct buf b = {};

	for (size_t i = 0; i < data.n; i++) {
		const struct osken_line *l = &data.line[i];
		bool open = l->bytes[1] == OFPT_HELLO || has_open_end(l->bytes[1], 1) ||
			    !strcmp(l->word[1], "flow_mod_delete") || !strcmp(l->word[1], "mp_table_features");

		buf_clear(&b);
		buf_put(&b, l->bytes, l->len);
		buf_put_zero(&b, 8);
		buf_set_be16(&b, 2, b.len);
		decode_copy(b.data, b.len, open, l->word[1]);
	}
	buf_free(&b);
}

/* Every byte of every message replaced by a few others: nothing is read outside, nothing leaks. */
static void damaged(void **state)
{
	static const uint8_t flips[] = {0xff, 0x01, 0x80, 0x08, 0x10};

	for (size_t i = 0; i < data.n; i++) {
		const struct osken_line *l = &data.line[i];

		for (size_t at = 0; at < l->len * sizeof(flips); at++) {
			uint8_t flip = flips[at % sizeof(flips)];

			l->bytes[at / sizeof(flips)] ^= flip;
			decode_copy(l->bytes, l->len, true, l->word[1]);
			l->bytes[at / sizeof(flips)] ^= flip;
		}
	}
}

#define BRC(code) OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_##code)
#define FIXED                                                                                                          \
	"0000000000000000"                                                                                             \
	"0000000000000000" /* of a flow-mod: cookie, mask */
static const struct {
	const char *what;
	uint8_t version, type;
	const char *body;
	int error;
} wrong[] = {
	{"version 1.0", 1, OFPT_FEATURES_REQUEST, "", BRC(BAD_VERSION)},
	{"version 1.4", 5, OFPT_ECHO_REQUEST, "", BRC(BAD_VERSION)},
	{"type 30", 4, 30, "", BRC(BAD_TYPE)},
	{"type 255", 4, 255, "", BRC(BAD_TYPE)},
	{"features reply", 4, OFPT_FEATURES_REPLY, "", BRC(BAD_TYPE)},
	{"packet-in", 4, OFPT_PACKET_IN, "", BRC(BAD_TYPE)},
	{"barrier reply", 4, OFPT_BARRIER_REPLY, "", BRC(BAD_TYPE)},
	{"multipart reply", 4, OFPT_MULTIPART_REPLY, "0000000000000000", BRC(BAD_TYPE)},
	{"experimenter", 4, OFPT_EXPERIMENTER, "0000232000000001", BRC(BAD_EXPERIMENTER)},
	{"experimenter without id", 4, OFPT_EXPERIMENTER, "", BRC(BAD_LEN)},
	{"barrier with a body", 4, OFPT_BARRIER_REQUEST, "00", BRC(BAD_LEN)},
	{"multipart of an unknown type", 4, OFPT_MULTIPART_REQUEST, "000e000000000000", BRC(BAD_MULTIPART)},
	{"multipart experimenter", 4, OFPT_MULTIPART_REQUEST,
	 "ffff00000000000000002320"
	 "00000001",
	 BRC(BAD_EXPERIMENTER)},
	{"multipart experimenter, short", 4, OFPT_MULTIPART_REQUEST, "ffff000000000000", BRC(BAD_LEN)},
	{"multipart desc with a body", 4, OFPT_MULTIPART_REQUEST,
	 "0000000000000000"
	 "00000000",
	 BRC(BAD_LEN)},
	{"error of 2 bytes", 4, OFPT_ERROR, "0001", BRC(BAD_LEN)},
	{"error of another version", 1, OFPT_ERROR, "00000000", 0},
	{"flow-mod command 5", 4, OFPT_FLOW_MOD,
	 FIXED "0005000000000000"
	       "ffffffff0000000000000000"
	       "00000000"
	       "0001000400000000",
	 OF_ERROR(OFPET_FLOW_MOD_FAILED, OFPFMFC_BAD_COMMAND)},
	{"flow-mod flag 0x20", 4, OFPT_FLOW_MOD,
	 FIXED "0000000000000000"
	       "ffffffff0000000000000000"
	       "00200000"
	       "0001000400000000",
	 OF_ERROR(OFPET_FLOW_MOD_FAILED, OFPFMFC_BAD_FLAGS)},
	{"flow-mod, old match", 4, OFPT_FLOW_MOD,
	 FIXED "0000000000000000"
	       "ffffffff0000000000000000"
	       "00000000"
	       "0000005800000000",
	 OF_ERROR(OFPET_BAD_MATCH, OFPBMC_BAD_TYPE)},
	{"packet-out, actions past the end", 4, OFPT_PACKET_OUT,
	 "ffffffff00000001"
	 "0010000000000000"
	 "0012000800000000",
	 BRC(BAD_LEN)},
	{"packet-out, actions of 4 bytes", 4, OFPT_PACKET_OUT,
	 "ffffffff00000001"
	 "0004000000000000"
	 "0012000800000000",
	 OF_ERROR(OFPET_BAD_ACTION, OFPBAC_BAD_LEN)},
	{"bucket of 8 bytes", 4, OFPT_GROUP_MOD,
	 "0000000000000001"
	 "0008000000000000"
	 "0000000000000000",
	 OF_ERROR(OFPET_GROUP_MOD_FAILED, OFPGMFC_BAD_BUCKET)},
	{"bucket past the end", 4, OFPT_GROUP_MOD,
	 "0000000000000001"
	 "0018000000000000"
	 "0000000000000000",
	 OF_ERROR(OFPET_GROUP_MOD_FAILED, OFPGMFC_BAD_BUCKET)},
	{"band of an unknown type", 4, OFPT_METER_MOD,
	 "0000000100000001"
	 "00030010000003e8"
	 "0000006400000000",
	 OF_ERROR(OFPET_METER_MOD_FAILED, OFPMMFC_BAD_BAND)},
	{"band of 24 bytes", 4, OFPT_METER_MOD,
	 "0000000100000001"
	 "00010018000003e8"
	 "0000006400000000"
	 "0000000000000000",
	 BRC(BAD_LEN)},
	{"experimenter's band", 4, OFPT_METER_MOD,
	 "0000000100000001"
	 "ffff0018000003e8"
	 "0000006400002320"
	 "0000000000000000",
	 0},
};

static void wrong_messages(void **state)
{
	struct buf b = {};
	struct of_msg msg;
	uint8_t body[128];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int error;

		begin(&b, wrong[i].type);
		b.data[0] = wrong[i].version;
		buf_put(&b, body, hex_bytes(wrong[i].body, body));
		error = decode(&b, &msg);
		if (error != wrong[i].error)
			fail_msg("%s: %s", wrong[i].what, of_error_name(error));
		assert_int_equal(msg.xid, 0x55);
		assert_int_equal(msg.version, wrong[i].version);
		assert_int_equal(msg.type, wrong[i].type);
		of_msg_free(&msg);
	}
	buf_free(&b);
}

static const struct {
	const char *what;
	uint8_t version;
	const char *body;
	uint32_t versions; /* 0: BAD_LEN */
} hellos[] = {
	{"1.0", 1, "", 0x02},
	{"1.3, no elements", 4, "", 0x1e},
	{"version 0", 0, "", 0}, /* nothing offered, no error either */
	{"version 200", 200, "", 0xfffffffe},
	{"1.3 and 1.0 by bitmap", 4, "0001000800000012", 0x12},
	{"1.5 header, bitmap with 1.3", 6, "0001000800000052", 0x52},
	{"longer bitmap", 4, "0001000c00000010ffffffff00000000", 0x10},
	{"last padding left out", 4, "0001000c00000010ffffffff", 0x10},
	{"unknown element before", 4,
	 "0009000512000000"
	 "0001000800000010",
	 0x10},
	{"element length 3", 4, "0001000300000010", 0},
	{"element past the end", 4, "0001001000000010", 0},
	{"bitmap empty", 4, "0001000400000000", 0},
	{"1.0 with whatever", 1, "0102030405", 0x02},
};

static void hello_elements(void **state)
{
	struct buf b = {};
	struct of_msg msg;
	uint8_t body[64];

	for (size_t i = 0; i < sizeof(hellos) / sizeof(hellos[0]); i++) {
		int error;

		begin(&b, OFPT_HELLO);
		b.data[0] = hellos[i].version;
		buf_put(&b, body, hex_bytes(hellos[i].body, body));
		error = decode(&b, &msg);
		if (error != (hellos[i].versions || !hellos[i].version ? 0 : BRC(BAD_LEN)) ||
		    msg.hello.versions != hellos[i].versions)
			fail_msg("%s: %s, versions %x", hellos[i].what, of_error_name(error), msg.hello.versions);
	}
	buf_free(&b);
}

static void printed(void **state)
{
	struct of_msg msg = get("flow_mod_delete");
	char text[300], tiny[4];

	of_msg_print(&msg, text, sizeof(text));
	assert_string_equal(text, "FLOW_MOD xid 0x1020304 delete table 255 priority 32768 cookie 0x0/0x0 idle 0 hard 0 "
				  "flags 0x0 []");
	of_msg_print(&msg, tiny, sizeof(tiny));
	assert_string_equal(tiny, "FLO");
	of_msg_free(&msg);
	msg = get("mp_aggregate");
	of_msg_print(&msg, text, sizeof(text));
	assert_string_equal(text, "MULTIPART_REQUEST xid 0x1020304 AGGREGATE table 255 [in_port=1]");
}

static void error_names(void **state)
{
	assert_string_equal(of_error_name(0), "success");
	assert_string_equal(of_error_name(OF_ERROR(OFPET_TABLE_FEATURES_FAILED, OFPTFFC_EPERM)),
			    "OFPET_TABLE_FEATURES_FAILED OFPTFFC_EPERM");
	assert_string_equal(of_error_name(OF_ERROR(OFPET_METER_MOD_FAILED, OFPMMFC_OUT_OF_BANDS)),
			    "OFPET_METER_MOD_FAILED OFPMMFC_OUT_OF_BANDS");
	assert_string_equal(of_error_name(OF_ERROR(OFPET_GROUP_MOD_FAILED, OFPGMFC_EPERM)),
			    "OFPET_GROUP_MOD_FAILED OFPGMFC_EPERM");
	assert_string_equal(of_error_name(OF_ERROR(OFPET_BAD_ACTION, OFPBAC_BAD_SET_ARGUMENT)),
			    "OFPET_BAD_ACTION OFPBAC_BAD_SET_ARGUMENT");
	assert_string_equal(of_error_name(OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_MULTIPART_BUFFER_OVERFLOW)),
			    "OFPET_BAD_REQUEST OFPBRC_MULTIPART_BUFFER_OVERFLOW");
	assert_string_equal(of_error_name(OF_ERROR(OFPET_BAD_MATCH, 77)), "OFPET_BAD_MATCH code 77");
	assert_string_equal(of_error_name(OF_ERROR(99, 1)), "error type 99 code 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flow_mods),
		cmocka_unit_test(packet_outs),
		cmocka_unit_test(group_mods),
		cmocka_unit_test(meter_mods),
		cmocka_unit_test(multiparts),
		cmocka_unit_test(others),
		cmocka_unit_test(cut_at_every_length),
		cmocka_unit_test(longer_than_it_may_be),
		cmocka_unit_test(damaged),
		cmocka_unit_test(wrong_messages),
		cmocka_unit_test(hello_elements),
		cmocka_unit_test(printed),
		cmocka_unit_test(error_names),
	};

	return cmocka_run_group_tests(tests, osken_setup, osken_teardown);
}
