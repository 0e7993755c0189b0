/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The datapath when allocations fail, one after the other until none does: what is refused has changed nothing, and
 * nothing is lost, of maps or of memory (the sanitizers look at the latter).
 */
#include "test/bpf/table_world.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "test/unit/fail_alloc.h"
#include "user/datapath/group.h"
#include "user/datapath/internal.h"

#define FLOWS 2000
#define PRIORITIES 100 /* of one match: a chain that gets a ladder */

static struct world *w;
static const struct dp_copies copies = {2, 1};

static int setup(void **state)
{
	w = world_open(FLOWS, 200, false);
	return groups_open(&w->dp) || meters_open(&w->dp);
}

static int teardown(void **state)
{
	fail_at = 0;
	grace_flush(&w->dp);
	groups_close(&w->dp);
	meters_close(&w->dp);
	world_close(w);
	return 0;
}

/* --- opening --- */

typedef int (*open_fn)(struct dp *dp);

/* Returns how many allocations it takes; all is open then. */
static unsigned int open_failing(struct dp *dp, open_fn open)
{
	int err = -ENOMEM;
	unsigned int at;

	for (at = 0; err; at++) {
		fail_at = at + 1;
		err = open(dp);
		assert_true(!err || !fail_at);
		fail_at = 0;
	}
	return at - 1;
}

/* Each says so and leaves nothing; what is already open goes on. */
static void opening(void **state)
{
	static const struct {
		open_fn open;
		unsigned int least;
	} parts[] = {{groups_open, 8}, {tables_open, 15}, {meters_open, 5}};
	struct dp *dp = &w->dp;

	grace_flush(dp);
	meters_close(dp);
	tables_close(dp);
	groups_close(dp);
	grace_close(dp);
	assert_true(open_failing(dp, grace_open) >= 1);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		assert_true(open_failing(dp, parts[i].open) >= parts[i].least);
}

/* --- flow entries --- */

/* What an addition can have touched. */
struct state {
	uint32_t n_flows, n_rules, ids, insts;
};

static struct state state_now(void)
{
	const struct dp_tables *t = w->dp.tables;

	return (struct state){.n_flows = t->n_flows,
			      .n_rules = t->rules.n,
			      .ids = t->ids.next - t->ids.n_free - t->ids.waiting,
			      .insts = t->inst_numbers.next - t->inst_numbers.n_free - t->inst_numbers.waiting};
}

/* Refused until no allocation of it fails.  How often. */
static unsigned int add_failing(struct rule *r)
{
	unsigned int n = 0;
	int err = -1;

	while (err) {
		const struct state before = state_now();
		struct state after;

		fail_at = n + 1;
		err = world_add(w, r);
		if (!err && !fail_at) /* something that it can do without */
			n++;
		fail_at = 0;
		after = state_now();
		if (!err)
			break;
		assert_memory_equal(&before, &after, sizeof(before));
		check_world(w, 2);
		n++;
	}
	return n;
}

static void random_rules(void **state)
{
	unsigned int n = 0;

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < w->n_rules; i++) {
			struct rule *r = &w->rules[i];

			if (r->used)
				continue;
			random_rule(w, r);
			n += add_failing(r);
			if (i % 16 == 0)
				event_base_loop(w->dp.base, EVLOOP_NONBLOCK);
		}
		check_world(w, 200);
		for (size_t i = round % 2; i < w->n_rules; i += 2) {
			fail_at = 1;
			world_remove(w, &w->rules[i]); /* never fails */
			fail_at = 0;
		}
		fail_at = 1 + round;
		settle(w);
		fail_at = 0;
		check_world(w, 200);
	}
	print_message("%u additions were refused\n", n);
	assert_true(n > 200);
	world_remove_all(w);
	check_empty(w);
}

/* One match with many priorities. */
static void chains(void **state)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < PRIORITIES; i++) {
		struct rule *r = &w->rules[i];

		random_inst(w, r);
		put(&r->match, 30, 2, 0x0800, 0xffff);
		r->spec = (struct dp_rule){.priority = i * 37 % PRIORITIES * 600, .match = &r->match};
		n += add_failing(r);
	}
	assert_true(n >= PRIORITIES / 2);
	check_world(w, 200);
	for (uint32_t i = 0; i < PRIORITIES; i++) {
		fail_at = 1;
		world_remove(w, &w->rules[i * 7 % PRIORITIES]);
		fail_at = 0;
		if (i % 10 == 0)
			check_world(w, 20);
	}
	check_empty(w);
}

/* Masks by the hundred: their table begins to share tuples, and rules are moved. */
static void moves(void **state)
{
	for (uint32_t i = 0; i < 300; i++) {
		struct rule *r = &w->rules[i];

		random_inst(w, r);
		put(&r->match, 30, 2, 0x0800, 0xffff);
		put(&r->match, 48, 4, 0x0a000000 + (i << 8), UINT32_MAX << (i % 25));
		put(&r->match, 52, 4, 0x0b000000 + (i << 8), UINT32_MAX << (i % 12));
		r->spec = (struct dp_rule){.priority = i, .match = &r->match};
		add_failing(r);
		fail_at = 1 + i % 5;
		event_base_loop(w->dp.base, EVLOOP_NONBLOCK);
		fail_at = 0;
	}
	settle(w);
	check_world(w, 1000);
	world_remove_all(w);
	check_empty(w);
}

/* --- groups --- */

typedef int (*group_fn)(struct dp *dp, const struct of_group_mod *gm, struct dp_copies copies);

/* Returns how often it was refused. */
static unsigned int group_failing(group_fn fn, uint32_t id, size_t n_buckets)
{
	struct of_action v[] = {{.type = OF_ACT_PUSH_VLAN, .ethertype = 0x8100},
				{.type = OF_ACT_OUTPUT, .output.port = 1}};
	struct of_bucket buckets[16];
	struct of_group_mod gm = {.type = OFPGT_ALL, .group = id, .n_buckets = n_buckets, .buckets = buckets};
	struct ofx_op op = {.code = OFX_OP_GROUP, .arg = id};
	bool there = !groups_resolve(&w->dp, &op, 1);
	unsigned int n = 0;

	for (size_t i = 0; i < n_buckets; i++)
		buckets[i] = (struct of_bucket){
			.watch_port = OFPP_ANY, .watch_group = 1000 * (i + 1) + id, .actions = {2, v}};
	for (;; n++) {
		int err;

		fail_at = n + 1;
		err = fn(&w->dp, &gm, copies);
		fail_at = 0;
		if (!err)
			return n;
		op.arg = id;
		assert_int_equal(!groups_resolve(&w->dp, &op, 1), there);
		if (err == -EAGAIN)
			settle(w);
		else
			assert_int_equal(err, -ENOMEM);
	}
}

/* So many that the table of groups doubles, watched ones that are not there among them. */
static void groups(void **state)
{
	unsigned int n = 0;

	for (uint32_t id = 1; id <= 300; id++)
		n += group_failing(dp_group_add, id, 1 + id % 3);
	for (uint32_t id = 1; id <= 300; id += 7)
		n += group_failing(dp_group_modify, id, 16);
	assert_true(n > 2 * 300);
	fail_at = 1;
	for (uint32_t id = 1; id <= 300; id++)
		dp_group_remove(&w->dp, id);
	fail_at = 0;
	settle(w);
	for (uint32_t id = 1; id <= 300; id++) /* all room is there again */
		assert_int_equal(group_failing(dp_group_add, id, 0) <= 4, true);
}

/* --- meters --- */

static void meters(void **state)
{
	struct of_band band = {.type = OFPMBT_DROP, .rate = 1000};
	struct of_meter_mod mm = {.flags = OFPMF_KBPS, .n_bands = 1, .bands = &band};
	unsigned int n = 0;
	uint32_t index;

	for (mm.meter = 1; mm.meter <= 300; mm.meter++) {
		for (unsigned int at = 1;; at++, n++) {
			int err;

			fail_at = at;
			err = dp_meter_add(&w->dp, &mm);
			fail_at = 0;
			assert_int_equal(!meters_index(&w->dp, mm.meter, &index), !err);
			if (!err)
				break;
			assert_int_equal(err, -ENOMEM);
		}
	}
	assert_true(n > 300);
	fail_at = 1;
	for (mm.meter = 1; mm.meter <= 300; mm.meter++) {
		assert_int_equal(dp_meter_modify(&w->dp, &mm), 0);
		dp_meter_delete(&w->dp, mm.meter);
	}
	fail_at = 0;
	settle(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(opening, setup, teardown),
		cmocka_unit_test_setup_teardown(random_rules, setup, teardown),
		cmocka_unit_test_setup_teardown(chains, setup, teardown),
		cmocka_unit_test_setup_teardown(moves, setup, teardown),
		cmocka_unit_test_setup_teardown(groups, setup, teardown),
		cmocka_unit_test_setup_teardown(meters, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
