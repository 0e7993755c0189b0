/* SPDX-License-Identifier: GPL-2.0-only */
/* Actions and instructions, as os-ken writes them and as nobody should.  To compile: osken.h. */
#include "test/unit/osken.h"

static void every_set_field(void **state)
{
	uint64_t seen = 0, settable = 0;
	struct of_msg msg;
	uint8_t value[16];

	for (size_t i = 0; i < data.n; i++) {
		const struct osken_line *l = &data.line[i];
		const struct of_action *a;

		if (strcmp(l->word[0], "set"))
			continue;
		assert_int_equal(of_decode(l->bytes, l->len, &msg), 0);
		assert_int_equal(msg.packet_out.actions.n, 1);
		a = msg.packet_out.actions.v;
		assert_int_equal(a->type, OF_ACT_SET_FIELD);
		assert_int_equal(a->set.field, field_by_name(l->word[1]));
		assert_memory_equal(a->set.value, value, hex_bytes(l->word[2], value));
		assert_int_equal(a->set.mask[0], 0xff);
		seen |= 1ull << a->set.field;
		of_msg_free(&msg);
	}
	for (int f = 0; f < OFX_N_FIELDS; f++)
		if ((of_fields[f].flags & OFX_FF_SET) && f != OFX_F_PBB_UCA)
			settable |= 1ull << f;
	assert_true(seen == settable);
}

static void every_action(void **state)
{
	const struct osken_line *l = osken_msg(&data, "packet_out");
	static const uint16_t types[] = {0, 0, 11, 12, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27};
	const struct of_action *v;
	struct of_msg msg;
	struct buf b = {};

	assert_int_equal(of_decode(l->bytes, l->len, &msg), 0);
	assert_int_equal(msg.packet_out.actions.n, 17);
	v = msg.packet_out.actions.v;
	for (int i = 0; i < 17; i++)
		assert_int_equal(v[i].type, types[i]);
	assert_int_equal(v[0].output.port, 7);
	assert_true(v[1].output.port == OFPP_CONTROLLER && v[1].output.max_len == OFPCML_NO_BUFFER);
	assert_int_equal(v[4].ttl, 64);
	assert_int_equal(v[6].ethertype, 0x88a8);
	assert_int_equal(v[8].ethertype, 0x8847);
	assert_int_equal(v[9].ethertype, 0x0800);
	assert_int_equal(v[10].queue, 9);
	assert_int_equal(v[11].group, 10);
	assert_int_equal(v[12].ttl, 63);
	assert_memory_equal(v[14].set.value, "\x02\0\0\0\0\x03", 6);
	assert_int_equal(v[15].ethertype, 0x88e7);
	of_actions_encode(&b, OFP_VERSION_13, &msg.packet_out.actions);
	assert_int_equal(b.len, l->bytes[16] << 8 | l->bytes[17]);
	assert_memory_equal(b.data, l->bytes + 24, b.len);
	assert_int_equal(msg.packet_out.data_len, 60);
	assert_int_equal(msg.packet_out.data[59], 59);
	buf_free(&b);
	of_msg_free(&msg);
}

static void every_instruction(void **state)
{
	const struct osken_line *l = osken_msg(&data, "flow_mod");
	struct of_instructions copy;
	struct buf b = {};
	struct of_msg msg;

	assert_int_equal(of_decode(l->bytes, l->len, &msg), 0);
	assert_int_equal(of_instructions_copy(&msg.flow_mod.inst, &copy), 0);
	of_match_encode(&b, OFP_VERSION_13, &msg.flow_mod.match);
	of_msg_free(&msg);
	assert_int_equal(copy.present, 0x7e);
	assert_int_equal(copy.meter, 11);
	assert_int_equal(copy.goto_table, 5);
	assert_true(copy.metadata == 0x1122 && copy.metadata_mask == 0xffff);
	assert_int_equal(copy.apply.n, 17);
	assert_int_equal(copy.write.n, 1);
	of_instructions_encode(&b, OFP_VERSION_13, &copy);
	assert_int_equal(b.len, l->len - 48);
	assert_memory_equal(b.data, l->bytes + 48, b.len);
	buf_free(&b);
	of_instructions_free(&copy);
}

static const struct {
	const char *what, *bytes;
	int code; /* -1: legal */
} bad_actions[] = {
	{"none", "", -1},
	{"cut header", "0000", OFPBAC_BAD_LEN},
	{"half an action", "0000001000000007", OFPBAC_BAD_LEN},
	{"length 0",
	 "0000000000000007"
	 "0000000000000000",
	 OFPBAC_BAD_LEN},
	{"length 4", "00120004", OFPBAC_BAD_LEN},
	{"length 12",
	 "0012000c00000000"
	 "00000000",
	 OFPBAC_BAD_LEN},
	{"output of 8 bytes", "0000000800000007", OFPBAC_BAD_LEN},
	{"output of 24 bytes",
	 "0000001800000007"
	 "0000000000000000"
	 "0000000000000000",
	 OFPBAC_BAD_LEN},
	{"group of 16 bytes",
	 "0016001000000007"
	 "0000000000000000",
	 OFPBAC_BAD_LEN},
	{"pop_vlan of 16 bytes",
	 "0012001000000000"
	 "0000000000000000",
	 OFPBAC_BAD_LEN},
	{"set_nw_ttl of 16 bytes",
	 "0017001001000000"
	 "0000000000000000",
	 OFPBAC_BAD_LEN},
	{"a type between", "0001000800000000", OFPBAC_BAD_TYPE},
	{"a type behind", "001c000800000000", OFPBAC_BAD_TYPE},
	{"experimenter", "ffff000800002320", OFPBAC_BAD_EXPERIMENTER},
	{"padding is not looked at", "0012000812345678", -1},
	{"push_vlan 0x9100", "0011000891000000", OFPBAC_BAD_ARGUMENT},
	{"push_mpls 0x0800", "0013000808000000", OFPBAC_BAD_ARGUMENT},
	{"push_pbb 0x8100", "001a000881000000", OFPBAC_BAD_ARGUMENT},
	{"pop_mpls of any type", "0014000812340000", -1},
	{"good, then bad",
	 "0012000800000000"
	 "001c000800000000",
	 OFPBAC_BAD_TYPE},
	{"set_field without a TLV", "0019000800000000", OFPBAC_BAD_SET_TYPE},
	{"set_field of an unknown field",
	 "00190010"
	 "8000fe0400000001"
	 "00000000",
	 OFPBAC_BAD_SET_TYPE},
	{"set_field of class NXM",
	 "00190010"
	 "0000000400000001"
	 "00000000",
	 OFPBAC_BAD_SET_TYPE},
	{"set_field in_port",
	 "00190010"
	 "8000000400000001"
	 "00000000",
	 OFPBAC_BAD_SET_TYPE},
	{"set_field metadata",
	 "00190010"
	 "800004080000000000000001",
	 OFPBAC_BAD_SET_TYPE},
	{"set_field ipv6_exthdr",
	 "00190010"
	 "80004e0200010000"
	 "00000000",
	 OFPBAC_BAD_SET_TYPE},
	{"set_field tcp_flags",
	 "00190010"
	 "ffff54064f4e46000001"
	 "0000",
	 OFPBAC_BAD_SET_TYPE},
	{"set_field masked",
	 "00190010"
	 "800017080a000000ff000000",
	 OFPBAC_BAD_SET_TYPE},
	{"set_field, value cut",
	 "00190008"
	 "80000606",
	 OFPBAC_BAD_SET_LEN},
	{"set_field, payload too short",
	 "00190010"
	 "8000060501020304"
	 "05000000",
	 OFPBAC_BAD_SET_LEN},
	{"set_field, payload too long",
	 "00190010"
	 "8000060701020304"
	 "05060700",
	 OFPBAC_BAD_SET_LEN},
	{"set_field, 8 bytes too many",
	 "00190018"
	 "8000060601020304"
	 "0506000000000000"
	 "00000000",
	 OFPBAC_BAD_SET_LEN},
	{"set_field vlan_vid",
	 "00190010"
	 "80000c0210050000"
	 "00000000",
	 -1},
	{"set_field vlan_vid without PRESENT",
	 "00190010"
	 "80000c0200050000"
	 "00000000",
	 OFPBAC_BAD_SET_ARGUMENT},
	{"set_field vlan_vid of 14 bits",
	 "00190010"
	 "80000c0230050000"
	 "00000000",
	 OFPBAC_BAD_SET_ARGUMENT},
	{"set_field vlan_pcp 8",
	 "00190010"
	 "80000e0108000000"
	 "00000000",
	 OFPBAC_BAD_SET_ARGUMENT},
	{"set_field ip_dscp 64",
	 "00190010"
	 "8000100140000000"
	 "00000000",
	 OFPBAC_BAD_SET_ARGUMENT},
	{"set_field mpls_label of 21 bits",
	 "00190010"
	 "8000440400100000"
	 "00000000",
	 OFPBAC_BAD_SET_ARGUMENT},
};

static void actions_are_checked(void **state)
{
	struct of_actions actions;
	uint8_t bytes[64];

	for (size_t i = 0; i < sizeof(bad_actions) / sizeof(bad_actions[0]); i++) {
		size_t n = hex_bytes(bad_actions[i].bytes, bytes);
		uint8_t *copy = memcpy(malloc(n + !n), bytes, n);
		struct wire w = wire_of(copy, n);
		int code = bad_actions[i].code, error = of_actions_decode(&w, n, OFP_VERSION_13, &actions);

		if (error != (code < 0 ? 0 : OF_ERROR(OFPET_BAD_ACTION, code)))
			fail_msg("%s: %s", bad_actions[i].what, of_error_name(error));
		if (!error)
			of_actions_free(&actions);
		free(copy);
	}
}

#define BIC(code) OF_ERROR(OFPET_BAD_INSTRUCTION, OFPBIC_##code)
static const struct {
	const char *what, *bytes;
	int error;
} bad_instructions[] = {
	{"none", "", 0},
	{"cut header", "000100", BIC(BAD_LEN)},
	{"length 0", "0001000005000000", BIC(BAD_LEN)},
	{"length past the end", "0001001005000000", BIC(BAD_LEN)},
	{"length no multiple of 8",
	 "0004000c00000000"
	 "00000000",
	 BIC(BAD_LEN)},
	{"goto of 16 bytes",
	 "0001001005000000"
	 "0000000000000000",
	 BIC(BAD_LEN)},
	{"metadata of 16 bytes",
	 "0002001000000000"
	 "0000000000000000",
	 BIC(BAD_LEN)},
	{"meter of 16 bytes",
	 "0006001000000001"
	 "0000000000000000",
	 BIC(BAD_LEN)},
	{"clear with an action",
	 "0005001000000000"
	 "0012000800000000",
	 BIC(BAD_LEN)},
	{"type 0", "0000000800000000", BIC(UNKNOWN_INST)},
	{"type 7", "0007000800000000", BIC(UNKNOWN_INST)},
	{"experimenter", "ffff000800002320", BIC(BAD_EXPERIMENTER)},
	{"goto twice",
	 "0001000805000000"
	 "0001000806000000",
	 BIC(DUP_INST)},
	{"apply twice",
	 "0004001000000000"
	 "0012000800000000"
	 "0004000800000000",
	 BIC(DUP_INST)},
	{"bad action within",
	 "0004001000000000"
	 "001c000800000000",
	 OF_ERROR(OFPET_BAD_ACTION, OFPBAC_BAD_TYPE)},
	{"cut action within",
	 "0003001000000000"
	 "0000001000000001",
	 OF_ERROR(OFPET_BAD_ACTION, OFPBAC_BAD_LEN)},
	{"apply without actions", "0004000800000000", 0},
};

static void instructions_are_checked(void **state)
{
	struct of_instructions inst;
	uint8_t bytes[64];

	for (size_t i = 0; i < sizeof(bad_instructions) / sizeof(bad_instructions[0]); i++) {
		size_t n = hex_bytes(bad_instructions[i].bytes, bytes);
		uint8_t *copy = memcpy(malloc(n + !n), bytes, n);
		struct wire w = wire_of(copy, n);
		int error = of_instructions_decode(&w, n, OFP_VERSION_13, &inst);

		if (error != bad_instructions[i].error)
			fail_msg("%s: %s", bad_instructions[i].what, of_error_name(error));
		if (!error)
			of_instructions_free(&inst);
		free(copy);
	}
}

static void printed(void **state)
{
	const struct osken_line *l = osken_msg(&data, "flow_mod");
	struct of_msg msg;
	char text[1000];

	assert_int_equal(of_decode(l->bytes, l->len, &msg), 0);
	of_instructions_print(&msg.flow_mod.inst, text, sizeof(text));
	assert_string_equal(text,
			    " meter:11 apply(output:7,output:CONTROLLER,copy_ttl_out,copy_ttl_in,set_mpls_ttl:64,"
			    "dec_mpls_ttl,push_vlan:0x88a8,pop_vlan,push_mpls:0x8847,pop_mpls:0x0800,set_queue:9,"
			    "group:10,set_nw_ttl:63,dec_nw_ttl,set_field:eth_dst=02:00:00:00:00:03,push_pbb:0x88e7,"
			    "pop_pbb) clear write(output:2) metadata:0x1122/0xffff goto:5");
	of_msg_free(&msg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_set_field),	    cmocka_unit_test(every_action),
		cmocka_unit_test(every_instruction),	    cmocka_unit_test(actions_are_checked),
		cmocka_unit_test(instructions_are_checked), cmocka_unit_test(printed),
	};

	return cmocka_run_group_tests(tests, osken_setup, osken_teardown);
}
