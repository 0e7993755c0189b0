/* SPDX-License-Identifier: GPL-2.0-only */
/* Groups in the maps: what a bucket is compiled into, and that nothing is lost by changes, refusals and deletions. */
#include "test/bpf/table_world.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "build/ofxdp.skel.h"
#include "include/ofxdp/group.h"
#include "include/ofxdp/port.h"
#include "user/datapath/group.h"

static struct world *w;
static const struct dp_copies copies = {2, 1};

static int setup(void **state)
{
	w = world_open(64, 64, false);
	return groups_open(&w->dp);
}

static int teardown(void **state)
{
	groups_close(&w->dp);
	world_close(w);
	return 0;
}

static struct of_bucket bucket(struct of_action *v, size_t n)
{
	return (struct of_bucket){.watch_port = OFPP_ANY, .watch_group = OFPG_ANY, .actions = {n, v}};
}

static struct of_group_mod group(uint32_t id, uint8_t type, struct of_bucket *buckets, size_t n)
{
	return (struct of_group_mod){.type = type, .group = id, .n_buckets = n, .buckets = buckets};
}

static void get(const struct bpf_map *map, uint32_t key, void *value)
{
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(map), &key, value), 0);
}

/* The configuration that the group's index leads to. */
static bool published(uint32_t index, struct ofx_group *g)
{
	uint64_t root;

	get(w->dp.skel->maps.group_roots, index, &root);
	if (root)
		get(w->dp.skel->maps.groups, root, g);
	return root;
}

static uint32_t index_of(uint32_t id)
{
	struct ofx_op op = {.code = OFX_OP_GROUP, .arg = id};

	assert_int_equal(groups_resolve(&w->dp, &op, 1), 0);
	return op.arg;
}

/* §5.10: whatever the order written; of a type the last one; a group before an output. */
static void test_action_set(void **state)
{
	struct of_action v[] = {
		{.type = OF_ACT_OUTPUT, .output.port = 1},
		{.type = OF_ACT_SET_FIELD, .set = {.field = OFX_F_IP_DSCP, .value = {5}}},
		{.type = OF_ACT_DEC_NW_TTL},
		{.type = OF_ACT_PUSH_VLAN, .ethertype = 0x8100},
		{.type = OF_ACT_OUTPUT, .output.port = 2},
		{.type = OF_ACT_PUSH_MPLS, .ethertype = 0x8847},
		{.type = OF_ACT_PUSH_VLAN, .ethertype = 0x88a8},
		{.type = OF_ACT_POP_VLAN},
		{.type = OF_ACT_COPY_TTL_IN},
	};
	static const uint8_t want[] = {OFX_OP_COPY_TTL_IN, OFX_OP_POP_VLAN, OFX_OP_PUSH_MPLS, OFX_OP_PUSH_VLAN,
				       OFX_OP_DEC_IP_TTL,  OFX_OP_SET,	    OFX_OP_OUTPUT};
	struct of_bucket b = bucket(v, 9);
	struct of_group_mod gm = group(70000, OFPGT_INDIRECT, &b, 1);
	struct ofx_group g;
	struct ofx_bucket of;
	struct ofx_op op;

	assert_int_equal(dp_group_add(&w->dp, &gm, copies), 0);
	assert_true(published(index_of(70000), &g));
	assert_int_equal(g.n_buckets, 1);
	get(w->dp.skel->maps.buckets, g.first, &of);
	assert_int_equal(of.n_ops, sizeof(want));
	for (uint32_t i = 0; i < sizeof(want); i++) {
		get(w->dp.skel->maps.bucket_ops, of.first + i, &op);
		assert_int_equal(op.code, want[i]);
		if (op.code == OFX_OP_PUSH_VLAN)
			assert_int_equal(op.b, 0x88a8);
	}
	assert_int_equal(op.arg, 2);
	dp_group_remove(&w->dp, 70000);
	assert_int_equal(
		dp_check_actions(&w->dp,
				 &(struct of_actions){1, &(struct of_action){.type = OF_ACT_GROUP, .group = 70000}},
				 false),
		OF_ERROR(OFPET_BAD_ACTION, OFPBAC_BAD_OUT_GROUP));
	settle(w);
}

static void test_weights_and_watches(void **state)
{
	struct of_action v = {.type = OF_ACT_OUTPUT, .output.port = 1};
	struct of_bucket b[3] = {bucket(&v, 1), bucket(&v, 1), bucket(&v, 1)};
	struct of_group_mod gm = group(1, OFPGT_SELECT, b, 3);
	struct ofx_bucket of;
	struct ofx_group g, after;
	uint32_t index;

	b[0].weight = 65535;
	b[2].weight = 65535;
	b[1].watch_port = OFPP_LOCAL;
	assert_int_equal(dp_group_add(&w->dp, &gm, copies), 0);
	index = index_of(1);
	assert_true(published(index, &g));
	assert_int_equal(g.weight, 131070);
	assert_true(g.copies == 2 && g.floods == 1);
	assert_int_equal(dp_group_set_copies(&w->dp, 1, (struct dp_copies){700, 9}), 0);
	assert_true(published(index, &after));
	assert_true(after.copies == 700 && after.floods == 9);
	after.copies = g.copies;
	after.floods = g.floods;
	assert_memory_equal(&after, &g, sizeof(g)); /* nothing else has changed */
	assert_int_equal(dp_group_set_copies(&w->dp, 1, copies), 0);
	get(w->dp.skel->maps.buckets, g.first + 1, &of);
	assert_int_equal(of.upto, 65535);
	assert_int_equal(of.watch_port, OFX_INDEX_LOCAL);
	assert_int_equal(of.watch_group, OFX_NOT_WATCHED);
	b[2].actions.v =
		&(struct of_action){.type = OF_ACT_GROUP, .group = 9}; /* not there: the group stays as it was */
	assert_int_equal(dp_group_modify(&w->dp, &gm, copies), OF_ERROR(OFPET_BAD_ACTION, OFPBAC_BAD_OUT_GROUP));
	assert_true(published(index, &after));
	assert_memory_equal(&after, &g, sizeof(g));
	b[2].actions.v = &v;
	gm = group(1, OFPGT_ALL, b, 2);
	assert_int_equal(dp_group_modify(&w->dp, &gm, copies), 0);
	assert_int_equal(index_of(1), index);
	assert_true(published(index, &after));
	assert_int_equal(after.type, OFX_GROUP_ALL);
	assert_int_not_equal(after.first, g.first); /* packets may still be at the former ones */
	dp_group_remove(&w->dp, 1);
	assert_false(published(index, &after));
	settle(w);
}

static void count(uint32_t index, uint64_t packets)
{
	w->dp.cpus.cpu[0].state->group[index] = (struct ofx_counter){packets, 100 * packets};
}

static void expect_count(uint32_t id, uint64_t packets)
{
	struct of_bucket_counter buckets[OFX_GROUP_BUCKETS];
	uint64_t n, bytes;

	dp_group_counters(&w->dp, id, &n, &bytes, buckets);
	assert_int_equal(n, packets);
	assert_int_equal(bytes, 100 * packets);
}

/* The number that a bucket watches keeps its index, whether there is such a group or not. */
static void test_watched_numbers(void **state)
{
	struct of_action v = {.type = OF_ACT_OUTPUT, .output.port = 1};
	struct of_bucket b[2] = {bucket(&v, 1), bucket(&v, 1)}, plain = bucket(&v, 1);
	struct of_group_mod watcher = group(1, OFPGT_FF, b, 2), watched = group(9, OFPGT_INDIRECT, &plain, 1);
	struct ofx_bucket of;
	struct ofx_group g;
	uint32_t index;

	b[0].watch_group = b[1].watch_group = 9;
	b[1].watch_port = 5000; /* no port ever has that number */
	assert_int_equal(dp_group_add(&w->dp, &watcher, copies), 0);
	assert_true(published(index_of(1), &g));
	get(w->dp.skel->maps.buckets, g.first + 1, &of);
	assert_int_equal(of.watch_port, OFX_INDEX_NONE);
	index = of.watch_group;
	assert_false(published(index, &g));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(dp_group_add(&w->dp, &watched, copies), 0);
		assert_int_equal(index_of(9), index);
		assert_true(published(index, &g));
		expect_count(9, 0);
		count(index, 10 * i + 7); /* a former one's count goes on where packets still are at it */
		expect_count(9, i ? 10 : 7);
		assert_int_equal(dp_group_modify(&w->dp, &watched, copies), 0);
		expect_count(9, i ? 10 : 7);
		dp_group_remove(&w->dp, 9);
		assert_false(published(index, &g));
		if (i == 1)
			settle(w);
	}
	b[0].watch_group = b[1].watch_group = OFPG_ANY;
	assert_int_equal(dp_group_modify(&w->dp, &watcher, copies), 0);
	settle(w);
	b[0].watch_group = 10; /* the index is free again */
	assert_int_equal(dp_group_modify(&w->dp, &watcher, copies), 0);
	assert_true(published(index_of(1), &g));
	get(w->dp.skel->maps.buckets, g.first, &of);
	assert_int_equal(of.watch_group, index);
	dp_group_remove(&w->dp, 1);
	settle(w);
}

/* As the switch does: room may come free with a grace period. */
static int add(const struct of_group_mod *gm)
{
	int err = dp_group_add(&w->dp, gm, copies);

	while (err == -EAGAIN) {
		settle(w);
		err = dp_group_add(&w->dp, gm, copies);
	}
	return err;
}

static int modify(const struct of_group_mod *gm)
{
	int err = dp_group_modify(&w->dp, gm, copies);

	while (err == -EAGAIN) {
		settle(w);
		err = dp_group_modify(&w->dp, gm, copies);
	}
	return err;
}

/* How many groups with all the buckets a group may have. */
static uint32_t fill(struct of_bucket *many)
{
	uint32_t n = 0;
	int err = 0;

	for (; !err; n += !err) {
		struct of_group_mod gm = group(100 + n, OFPGT_ALL, many, OFX_GROUP_BUCKETS);

		err = add(&gm);
	}
	assert_int_equal(err, OF_ERROR(OFPET_GROUP_MOD_FAILED, OFPGMFC_OUT_OF_BUCKETS));
	for (uint32_t i = 0; i < n; i++)
		dp_group_remove(&w->dp, 100 + i);
	return n;
}

static void test_nothing_is_lost(void **state)
{
	static struct of_bucket many[OFX_GROUP_BUCKETS];
	struct of_action v = {.type = OF_ACT_OUTPUT, .output.port = 1};
	struct of_group_mod gm = group(1, OFPGT_ALL, many, OFX_GROUP_BUCKETS);

	for (size_t i = 0; i < OFX_GROUP_BUCKETS; i++)
		many[i] = bucket(&v, 1);
	for (int round = 0; round < 3; round++)
		assert_int_equal(fill(many), OFX_BUCKETS / OFX_GROUP_BUCKETS);
	many[OFX_GROUP_BUCKETS - 2].watch_group = 77;
	many[OFX_GROUP_BUCKETS - 1].actions.v = &(struct of_action){.type = OF_ACT_OUTPUT, .output.port = 5000};
	for (int i = 0; i < 300; i++)
		assert_int_equal(add(&gm), OF_ERROR(OFPET_BAD_ACTION, OFPBAC_BAD_OUT_PORT));
	many[OFX_GROUP_BUCKETS - 1].actions.v = &v;
	assert_int_equal(add(&gm), 0);
	for (int i = 0; i < 300; i++)
		assert_int_equal(modify(&gm), 0);
	dp_group_remove(&w->dp, 1);
	assert_int_equal(fill(many), OFX_BUCKETS / OFX_GROUP_BUCKETS);
	settle(w);
}

static void test_as_many_as_told(void **state)
{
	const uint32_t max = dp_max_groups(&w->dp);

	assert_true(max >= 4096);
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i <= max; i++) {
			struct of_group_mod gm = group(i, OFPGT_ALL, NULL, 0);

			assert_int_equal(add(&gm),
					 i < max ? 0 : OF_ERROR(OFPET_GROUP_MOD_FAILED, OFPGMFC_OUT_OF_GROUPS));
		}
		for (uint32_t i = 0; i < max; i++)
			dp_group_remove(&w->dp, i);
	}
	settle(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_action_set),	cmocka_unit_test(test_weights_and_watches),
		cmocka_unit_test(test_watched_numbers), cmocka_unit_test(test_nothing_is_lost),
		cmocka_unit_test(test_as_many_as_told),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
