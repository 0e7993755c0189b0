/* SPDX-License-Identifier: GPL-2.0-only */
/* Actions as the pipeline's operations: words, masks, the headers they need, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <endian.h>
#include <string.h>
#include <cmocka.h>
#include "include/ofxdp/port.h"
#include "include/openflow/openflow.h"
#include "user/datapath/internal.h"
#include "user/openflow/error.h"

static int compile_one(struct of_action a, struct ofx_op *ops, size_t *n)
{
	const struct of_actions actions = {.n = 1, .v = &a};

	*n = 0;
	return action_compile(&actions, OFPR_ACTION, false, ops, n, OFX_FLOW_OPS);
}

static void test_set_field(void **state)
{
	struct of_action dst = {.type = OF_ACT_SET_FIELD, .set.field = OFX_F_ETH_DST, .set.value = {1, 2, 3, 4, 5, 6}};
	struct of_action type = {.type = OF_ACT_SET_FIELD, .set.field = OFX_F_ETH_TYPE, .set.value = {8, 6}};
	struct of_action vid = {.type = OF_ACT_SET_FIELD, .set.field = OFX_F_VLAN_VID, .set.value = {0x10, 7}};
	struct of_action v6 = {.type = OF_ACT_SET_FIELD, .set.field = OFX_F_IPV6_DST, .set.value = {0x20, [15] = 1}};
	struct of_action both[] = {dst, type};
	const struct of_actions merged = {.n = 2, .v = both};
	struct ofx_op ops[OFX_FLOW_OPS];
	size_t n = 0;

	assert_int_equal(action_compile(&merged, 0, false, ops, &n, OFX_FLOW_OPS), 0);
	assert_int_equal(n, 1);
	assert_int_equal(ops[0].a, OFX_W_ETH_DST);
	assert_int_equal(be64toh(ops[0].value), 0x0102030405060806);
	assert_int_equal(ops[0].mask, UINT64_MAX);
	assert_int_equal(compile_one(vid, ops, &n), 0);
	assert_int_equal(be64toh(ops[0].mask), 0x1fff);
	assert_int_equal(compile_one(v6, ops, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(ops[0].a, OFX_W_ADDR2);
	assert_int_equal(ops[1].a, OFX_W_ADDR3);
	assert_int_equal(be64toh(ops[1].value), 1);
	assert_int_equal(ops[1].b, OFX_SHAPE_IPV6);
}

/* In an action set, fields have a place of their own unless they share a word of the key and a header. */
static void test_set_places(void **state)
{
	uint32_t of_word[OFX_SET_FIELDS] = {0}; /* word + 1, and the header that is needed */

	for (int f = 0; f < OFX_N_FIELDS; f++) {
		struct of_action set = {.type = OF_ACT_SET_FIELD, .set.field = f};
		struct ofx_op ops[OFX_FLOW_OPS];
		size_t n = 0;

		if (!(of_fields[f].flags & OFX_FF_SET))
			continue;
		assert_int_equal(compile_one(set, ops, &n), 0);
		for (size_t i = 0; i < n; i++) {
			const uint32_t word = (ops[i].a + 1) << 16 | ops[i].b;

			assert_true(ops[i].arg < OFX_SET_FIELDS);
			assert_true(!of_word[ops[i].arg] || of_word[ops[i].arg] == word);
			of_word[ops[i].arg] = word;
		}
	}
	for (int i = 0; i < OFX_SET_FIELDS; i++)
		for (int j = 0; j <= i; j++)
			assert_true(of_word[i] && (i == j || of_word[i] != of_word[j]));
}

/* Behind a set-field that changes what headers are taken for, they are looked at anew before anything else is done. */
static void test_new_types(void **state)
{
	struct of_action proto = {.type = OF_ACT_SET_FIELD, .set.field = OFX_F_IP_PROTO, .set.value = {17}};
	struct of_action port = {.type = OF_ACT_SET_FIELD, .set.field = OFX_F_UDP_DST, .set.value = {0, 9}};
	struct of_action out = {.type = OF_ACT_OUTPUT, .output.port = 1}, dec = {.type = OF_ACT_DEC_NW_TTL};
	struct of_action list[] = {proto, out, port, dec, out, proto, proto, out};
	const struct of_actions actions = {.n = 8, .v = list};
	const uint8_t want[] = {OFX_OP_SET,    OFX_OP_OUTPUT, OFX_OP_PARSE, OFX_OP_SET, OFX_OP_DEC_IP_TTL,
				OFX_OP_OUTPUT, OFX_OP_SET,    OFX_OP_PARSE, OFX_OP_SET, OFX_OP_OUTPUT};
	struct ofx_op ops[OFX_FLOW_OPS];
	size_t n = 0;

	assert_int_equal(action_compile(&actions, 0, false, ops, &n, OFX_FLOW_OPS), 0);
	assert_int_equal(n, sizeof(want));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(ops[i].code, want[i]);
}

static void test_mpls(void **state)
{
	struct of_action label = {.type = OF_ACT_SET_FIELD, .set.field = OFX_F_MPLS_LABEL, .set.value = {0, 1, 2, 3}};
	struct of_action bos = {.type = OF_ACT_SET_FIELD, .set.field = OFX_F_MPLS_BOS, .set.value = {1}};
	struct of_action both[] = {label, bos};
	const struct of_actions merged = {.n = 2, .v = both};
	const struct {
		struct of_action action;
		struct ofx_op op;
	} rows[] = {
		{{.type = OF_ACT_PUSH_MPLS, .ethertype = 0x8848}, {.code = OFX_OP_PUSH_MPLS, .b = 0x8848}},
		{{.type = OF_ACT_POP_MPLS, .ethertype = 0x0800}, {.code = OFX_OP_POP_MPLS, .b = 0x0800}},
		{{.type = OF_ACT_SET_MPLS_TTL, .ttl = 9}, {.code = OFX_OP_SET_MPLS_TTL, .a = 9}},
		{{.type = OF_ACT_DEC_MPLS_TTL}, {.code = OFX_OP_DEC_MPLS_TTL}},
		{{.type = OF_ACT_COPY_TTL_OUT}, {.code = OFX_OP_COPY_TTL_OUT}},
		{{.type = OF_ACT_COPY_TTL_IN}, {.code = OFX_OP_COPY_TTL_IN}},
	};
	struct ofx_op ops[OFX_FLOW_OPS];
	size_t n = 0;

	assert_int_equal(action_compile(&merged, 0, false, ops, &n, OFX_FLOW_OPS), 0);
	assert_int_equal(n, 1);
	assert_int_equal(ops[0].a, OFX_W_ADDR);
	assert_int_equal(be64toh(ops[0].value), 0x0001020300010000);
	assert_int_equal(be64toh(ops[0].mask), 0x000fffff00010000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(compile_one(rows[i].action, ops, &n), 0);
		assert_int_equal(n, 1);
		assert_memory_equal(&ops[0], &rows[i].op, sizeof(ops[0]));
	}
}

static void test_pbb(void **state)
{
	struct of_action isid = {.type = OF_ACT_SET_FIELD, .set.field = OFX_F_PBB_ISID, .set.value = {1, 2, 3}};
	struct of_action masked = isid;
	struct ofx_op ops[OFX_FLOW_OPS];
	size_t n = 0;

	assert_int_equal(compile_one(isid, ops, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(ops[0].a, OFX_W_ADDR);
	assert_int_equal(be64toh(ops[0].value), 0x0102030000000000);
	assert_int_equal(be64toh(ops[0].mask), 0xffffff0000000000);
	masked.set.has_mask = true;
	masked.set.mask[1] = 0xff;
	assert_int_equal(compile_one(masked, ops, &n), 0);
	assert_int_equal(be64toh(ops[0].value), 0x0002000000000000);
	assert_int_equal(be64toh(ops[0].mask), 0x00ff000000000000);
	assert_int_equal(compile_one((struct of_action){.type = OF_ACT_PUSH_PBB, .ethertype = 0x88e7}, ops, &n), 0);
	assert_int_equal(ops[0].code, OFX_OP_PUSH_PBB);
	assert_int_equal(compile_one((struct of_action){.type = OF_ACT_POP_PBB}, ops, &n), 0);
	assert_int_equal(ops[0].code, OFX_OP_POP_PBB);
}

static void test_bad_actions(void **state)
{
	const struct {
		struct of_action action;
		int code;
	} rows[] = {
		{{.type = OF_ACT_OUTPUT, .output.port = OFPP_NORMAL}, OFPBAC_BAD_OUT_PORT},
		{{.type = OF_ACT_OUTPUT, .output.port = OFPP_ANY}, OFPBAC_BAD_OUT_PORT},
		{{.type = OF_ACT_OUTPUT, .output.port = OFPP_TABLE}, OFPBAC_BAD_OUT_PORT},
		{{.type = OF_ACT_OUTPUT, .output.port = 0}, OFPBAC_BAD_OUT_PORT},
		{{.type = OF_ACT_OUTPUT, .output.port = OFX_PORTS}, OFPBAC_BAD_OUT_PORT},
		{{.type = OF_ACT_PUSH_VLAN, .ethertype = 0x0800}, OFPBAC_BAD_ARGUMENT},
		{{.type = OF_ACT_SET_FIELD, .set.field = OFX_F_IN_PORT}, OFPBAC_BAD_SET_TYPE},
		{{.type = OF_ACT_SET_QUEUE}, OFPBAC_BAD_QUEUE},
		{{.type = OF_ACT_PUSH_MPLS, .ethertype = 0x0800}, OFPBAC_BAD_ARGUMENT},
		{{.type = OF_ACT_PUSH_PBB, .ethertype = 0x8100}, OFPBAC_BAD_ARGUMENT},
	};
	struct of_action many[OFX_FLOW_OPS + 1];
	const struct of_actions too_many = {.n = OFX_FLOW_OPS + 1, .v = many};
	struct of_action group = {.type = OF_ACT_GROUP, .group = 1};
	const struct of_actions to_group = {.n = 1, .v = &group};
	struct dp without_groups = {0};
	struct ofx_op ops[OFX_FLOW_OPS];
	size_t n;

	assert_int_equal(dp_check_actions(&without_groups, &to_group, false),
			 OF_ERROR(OFPET_BAD_ACTION, OFPBAC_BAD_OUT_GROUP));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(compile_one(rows[i].action, ops, &n), OF_ERROR(OFPET_BAD_ACTION, rows[i].code));
	for (size_t i = 0; i <= OFX_FLOW_OPS; i++)
		many[i] = (struct of_action){.type = OF_ACT_OUTPUT, .output.port = 1};
	assert_int_equal(dp_check_actions(NULL, &too_many, false), OF_ERROR(OFPET_BAD_ACTION, OFPBAC_TOO_MANY));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_field),   cmocka_unit_test(test_set_places), cmocka_unit_test(test_new_types),
		cmocka_unit_test(test_bad_actions), cmocka_unit_test(test_mpls),       cmocka_unit_test(test_pbb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
