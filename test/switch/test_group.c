/* SPDX-License-Identifier: GPL-2.0-only */
/* GROUP_MOD, its errors, and what groups and flow entries are to each other (OpenFlow 1.3.5 §6.7, §7.3.4.2). */
#include "test/switch/rig.h"

/* clang-format off */
#define BUCKET(...) { .watch_port = OFPP_ANY, .watch_group = OFPG_ANY, .actions = ACTIONS(__VA_ARGS__) }
#define WEIGHED(w, ...) { .weight = (w), .watch_port = OFPP_ANY, .watch_group = OFPG_ANY, .actions = ACTIONS(__VA_ARGS__) }
#define WATCH(p, g, ...) { .watch_port = (p), .watch_group = (g), .actions = ACTIONS(__VA_ARGS__) }
#define BUCKETS(...) sizeof((struct of_bucket[]){ __VA_ARGS__ }) / sizeof(struct of_bucket), (struct of_bucket[]){ __VA_ARGS__ }
/* clang-format on */
#define NO_BUCKETS 0, NULL
#define SEND(...) send_mod(rig, &(struct of_group_mod){__VA_ARGS__})
#define FAILS(code) EXPECT_ERROR(GROUP_MOD_FAILED, OFPGMFC_##code)

static void send_mod(struct rig *rig, const struct of_group_mod *gm)
{
	struct buf b = {0};

	buf_put_be16(&b, gm->command);
	buf_put_u8(&b, gm->type);
	buf_put_zero(&b, 1);
	buf_put_be32(&b, gm->group);
	for (size_t i = 0; i < gm->n_buckets; i++) {
		size_t start = b.len;

		buf_put_be16(&b, 0);
		buf_put_be16(&b, gm->buckets[i].weight);
		buf_put_be32(&b, gm->buckets[i].watch_port);
		buf_put_be32(&b, gm->buckets[i].watch_group);
		buf_put_zero(&b, 4);
		of_actions_encode(&b, OF_VERSION_13, &gm->buckets[i].actions);
		buf_set_be16(&b, start, b.len - start);
	}
	rig_send_buf(rig, 0, OFPT_GROUP_MOD, &b);
}

static void add_indirect(struct rig *rig, uint32_t id)
{
	SEND(OFPGC_ADD, OFPGT_INDIRECT, id, BUCKETS(BUCKET(OUTPUT(1))));
	EXPECT_OK();
}

/* Each of the buckets has this one action. */
static void fill(struct of_bucket *buckets, size_t n, struct of_action *action)
{
	for (size_t i = 0; i < n; i++)
		buckets[i] = (struct of_bucket){
			.watch_port = OFPP_ANY, .watch_group = OFPG_ANY, .actions = {.n = 1, .v = action}};
}

static void add_modify_delete(void **state)
{
	struct rig *rig = *state;

	SEND(OFPGC_ADD, OFPGT_ALL, 1, BUCKETS(BUCKET(OUTPUT(1)), BUCKET(PUSH_VLAN, OUTPUT(2))));
	EXPECT_OK();
	assert_int_equal(fake_dp_group(rig->dp, 1)->n_buckets, 2);
	SEND(OFPGC_ADD, OFPGT_ALL, 1, NO_BUCKETS);
	FAILS(GROUP_EXISTS);
	SEND(OFPGC_MODIFY, OFPGT_SELECT, 1, BUCKETS(WEIGHED(4, OUTPUT(1))));
	EXPECT_OK();
	assert_int_equal(fake_dp_group(rig->dp, 1)->type, OFPGT_SELECT);
	assert_int_equal(fake_dp_group(rig->dp, 1)->n_modified, 1);
	SEND(OFPGC_MODIFY, OFPGT_ALL, 2, NO_BUCKETS);
	FAILS(UNKNOWN_GROUP);
	SEND(OFPGC_DELETE, 0, 2, NO_BUCKETS);
	EXPECT_OK();
	SEND(OFPGC_DELETE, 0, 1, NO_BUCKETS);
	EXPECT_OK();
	assert_int_equal(rig->dp->n_groups, 0);
	add_indirect(rig, OFPG_MAX);
	add_indirect(rig, 0);
	SEND(OFPGC_DELETE, 0, OFPG_ALL, NO_BUCKETS);
	EXPECT_OK();
	assert_int_equal(rig->dp->n_groups, 0);
}

static void wrong_forms(void **state)
{
	struct rig *rig = *state;
	static struct of_bucket many[OFX_GROUP_BUCKETS + 1];

	fill(many, OFX_GROUP_BUCKETS + 1, &(struct of_action)OUTPUT(1));
	SEND(OFPGC_ADD, OFPGT_ALL, OFPG_MAX + 1, NO_BUCKETS);
	FAILS(INVALID_GROUP);
	SEND(OFPGC_DELETE, 0, OFPG_ANY, NO_BUCKETS);
	FAILS(INVALID_GROUP);
	SEND(OFPGC_ADD, 4, 1, NO_BUCKETS);
	FAILS(BAD_TYPE);
	SEND(9, 0, 1, NO_BUCKETS);
	FAILS(BAD_COMMAND);
	SEND(OFPGC_ADD, OFPGT_INDIRECT, 1, NO_BUCKETS);
	FAILS(INVALID_GROUP);
	SEND(OFPGC_ADD, OFPGT_INDIRECT, 1, 2, many);
	FAILS(INVALID_GROUP);
	SEND(OFPGC_ADD, OFPGT_ALL, 1, OFX_GROUP_BUCKETS + 1, many);
	FAILS(OUT_OF_BUCKETS);
	SEND(OFPGC_ADD, OFPGT_ALL, 1, BUCKETS(WEIGHED(1, OUTPUT(1))));
	FAILS(INVALID_GROUP);
	SEND(OFPGC_ADD, OFPGT_ALL, 1, BUCKETS(WATCH(1, OFPG_ANY, OUTPUT(1))));
	FAILS(WATCH_UNSUPPORTED);
	SEND(OFPGC_ADD, OFPGT_FF, 1, BUCKETS(BUCKET(OUTPUT(1))));
	FAILS(INVALID_GROUP);
	SEND(OFPGC_ADD, OFPGT_INDIRECT, 1, BUCKETS(WATCH(0, 0, OUTPUT(1))));
	FAILS(WATCH_UNSUPPORTED);
	for (size_t i = 0; i < 8; i++) {
		const uint32_t no_ports[] = {OFPP_MAX + 1, OFPP_IN_PORT, OFPP_TABLE,	  OFPP_NORMAL,
					     OFPP_FLOOD,   OFPP_ALL,	 OFPP_CONTROLLER, OFPP_MAX + 0x80};

		SEND(OFPGC_ADD, OFPGT_FF, 1, BUCKETS(WATCH(no_ports[i], OFPG_ANY, OUTPUT(1))));
		FAILS(BAD_WATCH);
	}
	SEND(OFPGC_ADD, OFPGT_FF, 1, BUCKETS(WATCH(OFPP_ANY, OFPG_ALL, OUTPUT(1))));
	FAILS(BAD_WATCH);
	SEND(OFPGC_DELETE, 0, 1, BUCKETS(BUCKET(OUTPUT(1))));
	FAILS(INVALID_GROUP);
	SEND(OFPGC_ADD, OFPGT_ALL, 1, BUCKETS(BUCKET(OUTPUT(1), GROUP(77))));
	EXPECT_ERROR(BAD_ACTION, OFPBAC_BAD_OUT_GROUP);
	SEND(OFPGC_ADD, OFPGT_ALL, 1, BUCKETS(BUCKET(OUTPUT(0))));
	EXPECT_ERROR(BAD_ACTION, OFPBAC_BAD_OUT_PORT);
	assert_int_equal(rig->dp->n_groups, 0);
	SEND(OFPGC_ADD, OFPGT_ALL, 1, OFX_GROUP_BUCKETS, many);
	SEND(OFPGC_ADD, OFPGT_ALL, 2, NO_BUCKETS);
	EXPECT_OK();
}

/* The datapath refuses: everything stays as it was. */
static void datapath_fails(void **state)
{
	struct rig *rig = *state;

	rig->dp->fail_group_with = OF_ERROR(OFPET_GROUP_MOD_FAILED, OFPGMFC_OUT_OF_BUCKETS);
	SEND(OFPGC_ADD, OFPGT_INDIRECT, 1, BUCKETS(BUCKET(OUTPUT(1))));
	FAILS(OUT_OF_BUCKETS);
	add_indirect(rig, 1);
	add_indirect(rig, 2);
	rig->dp->fail_group_with = OF_ERROR(OFPET_GROUP_MOD_FAILED, OFPGMFC_OUT_OF_BUCKETS);
	SEND(OFPGC_MODIFY, OFPGT_INDIRECT, 1, BUCKETS(BUCKET(GROUP(2))));
	FAILS(OUT_OF_BUCKETS);
	SEND(OFPGC_DELETE, 0, 2, NO_BUCKETS); /* nothing refers to it */
	EXPECT_OK();
	for (uint32_t id = 10; rig->dp->n_groups < rig->dp->max_groups; id++)
		add_indirect(rig, id);
	SEND(OFPGC_ADD, OFPGT_ALL, 9, NO_BUCKETS);
	FAILS(OUT_OF_GROUPS);
}

/* Buckets of former groups are waiting for a grace period: what would need their room waits, too. */
static void room_that_will_come(void **state)
{
	struct rig *rig = *state;

	rig->hold = true;
	rig->dp->fail_group_with = -EAGAIN;
	rig->dp->fail_group_more = 1;
	SEND(OFPGC_ADD, OFPGT_ALL, 1, BUCKETS(BUCKET(OUTPUT(1)), BUCKET(PUSH_VLAN, OUTPUT(2))));
	assert_true(sw_busy(&rig->conn[0].c));
	assert_int_equal(rig->dp->n_groups, 0);
	sw_continue(rig->sw, &rig->conn[0].c);
	assert_true(sw_busy(&rig->conn[0].c));
	sw_continue(rig->sw, &rig->conn[0].c);
	EXPECT_OK();
	assert_false(sw_busy(&rig->conn[0].c));
	assert_int_equal(fake_dp_group(rig->dp, 1)->n_buckets, 2);
	rig->dp->fail_group_with = -EAGAIN;
	rig->dp->fail_group_more = 5;
	SEND(OFPGC_MODIFY, OFPGT_INDIRECT, 1, BUCKETS(BUCKET(OUTPUT(2))));
	sw_conn_remove(rig->sw, &rig->conn[0].c); /* what was sent is done */
	rig_run_ms(rig, 20);
	assert_int_equal(fake_dp_group(rig->dp, 1)->type, OFPGT_INDIRECT);
	sw_conn_add(rig->sw, &rig->conn[0].c);
}

static void chains(void **state)
{
	struct rig *rig = *state;

	SEND(OFPGC_ADD, OFPGT_INDIRECT, 1, BUCKETS(BUCKET(GROUP(1))));
	FAILS(LOOP);
	add_indirect(rig, 1);
	SEND(OFPGC_ADD, OFPGT_INDIRECT, 2, BUCKETS(BUCKET(GROUP(1))));
	SEND(OFPGC_ADD, OFPGT_ALL, 3, BUCKETS(BUCKET(OUTPUT(1)), BUCKET(GROUP(2))));
	EXPECT_OK();
	SEND(OFPGC_MODIFY, OFPGT_ALL, 1, BUCKETS(BUCKET(GROUP(3))));
	FAILS(LOOP);
	SEND(OFPGC_MODIFY, OFPGT_FF, 1, BUCKETS(WATCH(1, 3, OUTPUT(1))));
	FAILS(LOOP);
	SEND(OFPGC_DELETE, 0, 1, NO_BUCKETS);
	FAILS(CHAINED_GROUP);
	SEND(OFPGC_MODIFY, OFPGT_INDIRECT, 2, BUCKETS(BUCKET(OUTPUT(2))));
	SEND(OFPGC_DELETE, 0, 1, NO_BUCKETS);
	EXPECT_OK();
	SEND(OFPGC_DELETE, 0, OFPG_ALL, NO_BUCKETS);
	EXPECT_OK();
	assert_int_equal(rig->dp->n_groups, 0);
}

/* What is watched need not be there: it is not live then. */
static void watched_things_may_be_missing(void **state)
{
	struct rig *rig = *state;

	/* as in os-ken's documentation of OFPGroupMod: no port has number 0, and there is no group 0 */
	SEND(OFPGC_ADD, OFPGT_SELECT, 1,
	     BUCKETS({.weight = 100, .watch_port = 0, .watch_group = 0, .actions = ACTIONS(OUTPUT(1))}));
	SEND(OFPGC_ADD, OFPGT_FF, 2, BUCKETS(WATCH(77, OFPG_ANY, OUTPUT(1)), WATCH(OFPP_MAX, 77, OUTPUT(2))));
	SEND(OFPGC_ADD, OFPGT_FF, 3, BUCKETS(WATCH(OFPP_LOCAL, OFPG_MAX, OUTPUT(1))));
	EXPECT_OK();
	/* it comes, goes and comes again; only forwarding to it keeps it */
	for (int i = 0; i < 3; i++) {
		add_indirect(rig, 77);
		SEND(OFPGC_DELETE, 0, 77, NO_BUCKETS);
		EXPECT_OK();
	}
	/* a circle is found from each side */
	SEND(OFPGC_ADD, OFPGT_FF, 77, BUCKETS(WATCH(1, OFPG_ANY, OUTPUT(1)), WATCH(OFPP_ANY, 2, OUTPUT(1))));
	FAILS(LOOP);
	SEND(OFPGC_ADD, OFPGT_FF, 77, BUCKETS(WATCH(1, OFPG_ANY, GROUP(2))));
	FAILS(LOOP);
	SEND(OFPGC_ADD, OFPGT_FF, 77, BUCKETS(WATCH(OFPP_ANY, 77, OUTPUT(1))));
	FAILS(LOOP);
	SEND(OFPGC_MODIFY, OFPGT_FF, 2, BUCKETS(WATCH(1, OFPG_ANY, OUTPUT(1))));
	SEND(OFPGC_ADD, OFPGT_FF, 77, BUCKETS(WATCH(OFPP_ANY, 2, OUTPUT(1))));
	EXPECT_OK();
	SEND(OFPGC_MODIFY, OFPGT_FF, 2, BUCKETS(WATCH(OFPP_ANY, 77, OUTPUT(1))));
	FAILS(LOOP);
	SEND(OFPGC_DELETE, 0, OFPG_ALL, NO_BUCKETS);
	EXPECT_OK();
	assert_int_equal(rig->dp->n_groups, 0);
	add_indirect(rig, 77);
}

/* Chains of ALL groups multiply, and so does a modification below them. */
static void chains_multiply(void **state)
{
	struct rig *rig = *state;
	static struct of_bucket many[32];

	fill(many, 32, &(struct of_action)OUTPUT(1));
	SEND(OFPGC_ADD, OFPGT_ALL, 1, 32, many);
	fill(many, 32, &(struct of_action)GROUP(1));
	SEND(OFPGC_ADD, OFPGT_ALL, 2, 32, many);
	EXPECT_OK();
	SEND(OFPGC_ADD, OFPGT_ALL, 3, BUCKETS(BUCKET(GROUP(2)), BUCKET(OUTPUT(1))));
	FAILS(OUT_OF_BUCKETS);
	SEND(OFPGC_ADD, OFPGT_SELECT, 3, BUCKETS(WEIGHED(1, GROUP(2)), WEIGHED(1, GROUP(2))));
	EXPECT_OK();
	add_indirect(rig, 4);
	SEND(OFPGC_MODIFY, OFPGT_ALL, 4, BUCKETS(BUCKET(OUTPUT(1)), BUCKET(OUTPUT(2))));
	EXPECT_OK();
	SEND(OFPGC_MODIFY, OFPGT_ALL, 1, BUCKETS(BUCKET(OUTPUT(1)), BUCKET(GROUP(4))));
	EXPECT_OK();
	fill(many, 32, &(struct of_action)OUTPUT(1));
	SEND(OFPGC_MODIFY, OFPGT_ALL, 4, 32, many);
	FAILS(OUT_OF_BUCKETS); /* group 2 would make 32 * 33 */
}

static void expect_copies(struct rig *rig, uint32_t group, uint16_t n, uint16_t floods)
{
	const struct fake_group *g = fake_dp_group(rig->dp, group);

	assert_int_equal(g->copies.n, n);
	assert_int_equal(g->copies.floods, floods);
}

/* What a packet may become is known of each group, whichever in its chain changes. */
static void copies_are_told(void **state)
{
	struct rig *rig = *state;

	SEND(OFPGC_ADD, OFPGT_ALL, 1, BUCKETS(BUCKET(OUTPUT(1)), BUCKET(OUTPUT(OFPP_FLOOD)), BUCKET(OUTPUT(OFPP_ALL))));
	SEND(OFPGC_ADD, OFPGT_SELECT, 2, BUCKETS(WEIGHED(1, GROUP(1)), WEIGHED(1, OUTPUT(1))));
	SEND(OFPGC_ADD, OFPGT_ALL, 3, BUCKETS(BUCKET(GROUP(2)), BUCKET(GROUP(1)), BUCKET(OUTPUT(2)), BUCKET()));
	SEND(OFPGC_ADD, OFPGT_ALL, 4, NO_BUCKETS);
	EXPECT_OK();
	expect_copies(rig, 1, 3, 2);
	expect_copies(rig, 2, 3, 2);
	expect_copies(rig, 3, 8, 4);
	expect_copies(rig, 4, 1, 0);
	SEND(OFPGC_MODIFY, OFPGT_INDIRECT, 1, BUCKETS(BUCKET(OUTPUT(1))));
	EXPECT_OK();
	expect_copies(rig, 1, 1, 0);
	expect_copies(rig, 2, 1, 0);
	expect_copies(rig, 3, 4, 0);
	rig->dp->fail_group_with = OF_ERROR(OFPET_GROUP_MOD_FAILED, OFPGMFC_OUT_OF_BUCKETS);
	SEND(OFPGC_MODIFY, OFPGT_ALL, 1, BUCKETS(BUCKET(OUTPUT(1)), BUCKET(OUTPUT(OFPP_FLOOD))));
	FAILS(OUT_OF_BUCKETS);
	expect_copies(rig, 1, 1, 0);
	expect_copies(rig, 2, 1, 0);
	expect_copies(rig, 3, 4, 0);
}

static size_t desc_len(struct rig *rig)
{
	struct buf b;
	size_t len;

	rig_multipart(rig, 0, OFPMP_GROUP_DESC, 0, NULL, 0);
	b = rig_multipart_reply(rig, 0, OFPMP_GROUP_DESC);
	len = b.len;
	buf_free(&b);
	return len;
}

/* A GROUP_MOD has 8 bytes more room for buckets than a reply about the group: what can't be told is refused. */
static void as_large_as_a_reply(void **state)
{
	struct rig *rig = *state;
	struct of_action v[] = {SET_FIELD(ETH_DST, 2),
				SET_FIELD(ETH_SRC, 2),
				SET_FIELD(IPV4_SRC, 1),
				SET_FIELD(IPV4_DST, 2),
				SET_FIELD(IP_DSCP, 1),
				SET_FIELD(TCP_SRC, 1),
				OUTPUT(2)};
	struct of_action longer[] = {v[0], v[1], v[2], v[3], DEC_TTL, v[6]};
	static struct of_bucket many[OFX_GROUP_BUCKETS]; /* 16 bytes, and 16 for each action; DEC_TTL is 8 */
	struct of_actions *last = &many[OFX_GROUP_BUCKETS - 1].actions;

	fill(many, OFX_GROUP_BUCKETS, v);
	for (size_t i = 0; i < OFX_GROUP_BUCKETS; i++)
		many[i].actions.n = 7;
	*last = (struct of_actions){6, longer};
	SEND(OFPGC_ADD, OFPGT_ALL, 5, OFX_GROUP_BUCKETS, many); /* 65512 */
	FAILS(OUT_OF_BUCKETS);
	assert_int_equal(rig->dp->n_groups, 0);
	*last = (struct of_actions){5, v};
	SEND(OFPGC_ADD, OFPGT_ALL, 5, OFX_GROUP_BUCKETS, many); /* 65504 */
	EXPECT_OK();
	assert_int_equal(desc_len(rig), 65512);
	*last = (struct of_actions){6, longer};
	SEND(OFPGC_MODIFY, OFPGT_ALL, 5, OFX_GROUP_BUCKETS, many);
	FAILS(OUT_OF_BUCKETS);
	assert_int_equal(desc_len(rig), 65512);
}

static void watching_has_a_depth(void **state)
{
	struct rig *rig = *state;

	SEND(OFPGC_ADD, OFPGT_FF, 1, BUCKETS(WATCH(1, OFPG_ANY, OUTPUT(1))));
	for (uint32_t id = 2; id <= 1 + OFX_WATCH_DEPTH; id++)
		SEND(OFPGC_ADD, OFPGT_FF, id, BUCKETS(WATCH(OFPP_ANY, id - 1, OUTPUT(1))));
	EXPECT_OK();
	SEND(OFPGC_ADD, OFPGT_FF, 9, BUCKETS(WATCH(OFPP_ANY, 1 + OFX_WATCH_DEPTH, OUTPUT(1))));
	FAILS(WATCH_UNSUPPORTED);
	/* the same with one that is not there yet */
	SEND(OFPGC_DELETE, 0, 1, NO_BUCKETS);
	SEND(OFPGC_ADD, OFPGT_FF, 1, BUCKETS(WATCH(OFPP_ANY, 10, OUTPUT(1))));
	FAILS(WATCH_UNSUPPORTED);
	add_indirect(rig, 1);
	SEND(OFPGC_MODIFY, OFPGT_FF, 1, BUCKETS(WATCH(1, OFPG_ANY, OUTPUT(1))));
	EXPECT_OK();
	add_indirect(rig, 10);
	SEND(OFPGC_MODIFY, OFPGT_FF, 1, BUCKETS(WATCH(OFPP_ANY, 10, OUTPUT(1))));
	FAILS(WATCH_UNSUPPORTED);
}

static void flows_go_with_their_group(void **state)
{
	struct rig *rig = *state;
	const struct of_instructions to_1 = APPLY(OUTPUT(2), GROUP(1)), to_2 = WRITE(GROUP(2)),
				     to_none = APPLY(OUTPUT(1));
	const struct of_instructions *inst[] = {&to_1, &to_2, &to_none};
	struct reply r;

	add_indirect(rig, 1);
	add_indirect(rig, 2);
	for (uint16_t i = 0; i < 3; i++) {
		struct of_flow_mod fm = flow_mod(OFPFC_ADD);

		fm.priority = i + 1;
		fm.flags = OFPFF_SEND_FLOW_REM;
		fm.inst = *inst[i];
		rig_flow_mod(rig, 0, &fm);
	}
	EXPECT_OK();
	SEND(OFPGC_DELETE, 0, 1, NO_BUCKETS);
	EXPECT_OK();
	assert_int_equal(rig_count(rig), 2);
	fake_dp_grace(rig->dp);
	r = rig_expect(rig, 0, OFPT_FLOW_REMOVED);
	assert_int_equal(r.body[10], OFPRR_GROUP_DELETE);
	assert_int_equal(rd16(r.body + 8), 1);
	rig_expect_nothing(rig, 0);
	SEND(OFPGC_DELETE, 0, OFPG_ALL, NO_BUCKETS);
	assert_int_equal(rig_count(rig), 1);
}

static void filters(void **state)
{
	struct rig *rig = *state;
	struct of_flow_stats_request r = flow_request();
	struct of_flow_mod fm = flow_mod(OFPFC_ADD);

	add_indirect(rig, 1);
	fm.inst = (struct of_instructions)APPLY(GROUP(1));
	rig_flow_mod(rig, 0, &fm);
	r.out_group = 1;
	assert_int_equal(rig_flow_stats(rig, &r, NULL), 1);
	r.out_group = 2;
	assert_int_equal(rig_flow_stats(rig, &r, NULL), 0);
	fm = flow_mod(OFPFC_DELETE);
	fm.out_group = 2;
	rig_flow_mod(rig, 0, &fm);
	assert_int_equal(rig_count(rig), 1);
	fm.out_group = 1;
	rig_flow_mod(rig, 0, &fm);
	assert_int_equal(rig_count(rig), 0);
}

static void statistics(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = flow_mod(OFPFC_ADD);
	uint8_t request[8] = {0xff, 0xff, 0xff, 0xfc};
	struct buf b;

	SEND(OFPGC_ADD, OFPGT_SELECT, 7, BUCKETS(WEIGHED(3, OUTPUT(1)), WATCH(2, OFPG_ANY, PUSH_VLAN, OUTPUT(2))));
	SEND(OFPGC_ADD, OFPGT_INDIRECT, 8, BUCKETS(BUCKET(GROUP(7))));
	fm.inst = (struct of_instructions)APPLY(GROUP(7));
	rig_flow_mod(rig, 0, &fm);
	rig_multipart(rig, 0, OFPMP_GROUP, 0, request, 8);
	b = rig_multipart_reply(rig, 0, OFPMP_GROUP);
	assert_int_equal(b.len, 40 + 2 * 16 + 40 + 16);
	assert_int_equal(rd32(b.data + 4), 7);
	assert_int_equal(rd32(b.data + 8), 2); /* a flow entry and a bucket */
	assert_int_equal(rd64(b.data + 16), 1007);
	assert_int_equal(rd64(b.data + 40 + 16), 71); /* packets of the second bucket */
	assert_int_equal(rd32(b.data + 72 + 4), 8);
	assert_int_equal(rd32(b.data + 72 + 8), 0);
	buf_free(&b);
	memcpy(request, (uint8_t[]){0, 0, 0, 8}, 4);
	rig_multipart(rig, 0, OFPMP_GROUP, 0, request, 8);
	b = rig_multipart_reply(rig, 0, OFPMP_GROUP);
	assert_int_equal(b.len, 40 + 16);
	buf_free(&b);
	rig_multipart(rig, 0, OFPMP_GROUP_DESC, 0, NULL, 0);
	b = rig_multipart_reply(rig, 0, OFPMP_GROUP_DESC);
	assert_int_equal(b.len, 8 + 16 + 16 + 16 + 8 + 16 + 8 + 16 + 8);
	assert_int_equal(b.data[2], OFPGT_SELECT);
	assert_int_equal(rd16(b.data + 8 + 2), 3);
	assert_int_equal(rd32(b.data + 8 + 32 + 4), 2); /* watch_port of the second bucket */
	buf_free(&b);
	rig_multipart(rig, 0, OFPMP_GROUP_FEATURES, 0, NULL, 0);
	b = rig_multipart_reply(rig, 0, OFPMP_GROUP_FEATURES);
	assert_int_equal(b.len, 40);
	assert_int_equal(rd32(b.data), 0xf);
	assert_int_equal(rd32(b.data + 4), 0xf);
	assert_int_equal(rd32(b.data + 8), rig->dp->max_groups);
	assert_true(rd32(b.data + 24) & 1u << OFPAT_GROUP);
	buf_free(&b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(add_modify_delete),
		T(wrong_forms),
		T(datapath_fails),
		T(room_that_will_come),
		T(chains),
		T(chains_multiply),
		T(copies_are_told),
		T(watched_things_may_be_missing),
		T(as_large_as_a_reply),
		T(watching_has_a_depth),
		T(flows_go_with_their_group),
		T(filters),
		T(statistics),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
