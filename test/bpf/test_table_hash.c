/* SPDX-License-Identifier: GPL-2.0-only */
/* Tables that change their kind: into the kernel's hash maps and back, with packets and changes at the same time. */
#include "test/bpf/table_world.h"
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "include/ofxdp/table_hash.h"

enum { MANY = 20000, ROOM = 4096 };

/* TCP to this address and port, each mask with other fields besides. */
static void service(struct world *w, struct rule *r, int mask, uint32_t i)
{
	*r = (struct rule){0};
	put(&r->match, 30, 2, 0x0800, 0xffff);
	put(&r->match, 52, 4, 0x0a000000 | i, UINT32_MAX);
	if (mask)
		put(&r->match, 43, 1, 6, 0xff);
	if (mask > 1)
		put(&r->match, 46, 2, i % 7, mask == 2 ? 0xffff : 0xff << (mask - 2));
	random_inst(w, r);
	r->spec = (struct dp_rule){.priority = 10 + mask, .match = &r->match};
}

static void service_key(struct ofx_key *key, uint32_t i)
{
	struct of_match m = {0};

	put(&m, 16, 4, 1, UINT32_MAX);
	put(&m, 30, 2, 0x0800, 0xffff);
	put(&m, 43, 1, 6, 0xff);
	put(&m, 46, 2, i % 7, 0xffff);
	put(&m, 52, 4, 0x0a000000 | i, UINT32_MAX);
	*key = m.value;
}

static void check_services(struct world *w, uint32_t n, int some)
{
	struct ofx_key key;

	for (int i = 0; i < some; i++) {
		service_key(&key, random() % (n + n / 4));
		check_key(w, 0, &key);
	}
}

static void change(struct world *w, struct rule *r, int mask, uint32_t i)
{
	if (!r->used) {
		service(w, r, mask, i);
		assert_int_equal(world_add(w, r), 0);
	} else if (random() % 2) {
		random_inst(w, r);
		world_modify(w, r);
	} else {
		world_remove(w, r);
	}
}

/* Few masks, many, few, none; whatever the stage, what is found is what a list finds. */
static void test_in_and_out(void **state)
{
	struct world *w = world_open(4000, 1000, false);

	w->n_rules = 700;
	for (int round = 0; round < 6; round++) {
		const int masks = round % 2 ? 7 : 3;

		for (int i = 0; i < 1500; i++) {
			const uint32_t at = random() % w->n_rules;

			if ((int)(at % 7) >= masks && !w->rules[at].used)
				continue;
			change(w, &w->rules[at], at % 7, at);
			check_services(w, w->n_rules, 2);
			if (i % 20 == 0)
				event_base_loop(w->dp.base, EVLOOP_NONBLOCK);
			if (i % 300 == 299 && round % 3) {
				settle_kinds(w);
				check_services(w, w->n_rules, 50);
			}
		}
		for (uint32_t i = 0; i < w->n_rules; i++)
			if ((int)(i % 7) >= masks && w->rules[i].used)
				world_remove(w, &w->rules[i]);
		settle_kinds(w);
		check_services(w, w->n_rules, 300);
		if (masks > 4)
			assert_int_equal(n_of_kind(w, OFX_KIND_HASH32), 0);
	}
	world_remove_all(w);
	settle_kinds(w);
	for (uint32_t i = 0; i < w->n_rules; i++)
		if (i % 7 < 3)
			change(w, &w->rules[i], i % 7, i);
	settle_kinds(w);
	assert_int_equal(n_of_kind(w, OFX_KIND_HASH32), 3);
	assert_int_equal(w->dp.tables->hashes.n[OFX_KIND_HASH32], w->dp.tables->n_flows);
	check_services(w, w->n_rules, 500);
	world_remove_all(w);
	check_empty(w);
	world_close(w);
}

/* Of many masks few are left: their rules come back from the tuples they shared. */
static void test_back(void **state)
{
	struct world *w = world_open(4000, 1000, false);

	w->n_rules = 700;
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < w->n_rules; i++)
			while (!w->rules[i].used)
				change(w, &w->rules[i], i % 7, i);
		if (round)
			settle_kinds(w);
		assert_true(!round || !n_of_kind(w, OFX_KIND_HASH32));
		for (uint32_t i = 0; i < w->n_rules; i++) {
			if (i % 7 >= 2)
				world_remove(w, &w->rules[i]);
			check_services(w, w->n_rules, 3);
			if (i % 50 == 0)
				event_base_loop(w->dp.base, EVLOOP_NONBLOCK);
		}
		for (int i = 0; i < 500; i++) {
			const uint32_t at = random() % 100 * 7 + i % 2;

			change(w, &w->rules[at], at % 7, at);
			check_services(w, w->n_rules, 3);
			if (i % 20 == 0)
				event_base_loop(w->dp.base, EVLOOP_NONBLOCK);
		}
		settle_kinds(w);
		assert_int_equal(n_of_kind(w, OFX_KIND_HASH32), 2);
		assert_int_equal(w->dp.tables->hashes.n[OFX_KIND_HASH32], w->dp.tables->n_flows);
		check_services(w, w->n_rules, 500);
	}
	world_remove_all(w);
	check_empty(w);
	world_close(w);
}

/* Rules that come home to a tuple that is in a hash map already are put there, too. */
static void test_home_to_a_map(void **state)
{
	struct world *w = world_open(4000, 1000, false);

	w->n_rules = 350;
	for (uint32_t i = 0; i < w->n_rules; i++)
		if (i % 7 || i < 200)
			change(w, &w->rules[i], i % 7, i);
	settle_kinds(w);
	for (int masks = 6; masks > 1; masks--) {
		for (uint32_t i = 0; i < w->n_rules; i++)
			if ((int)(i % 7) == masks)
				world_remove(w, &w->rules[i]);
		settle_kinds(w);
		for (uint32_t i = 0; masks == 4 && i < w->n_rules; i++)
			if (i % 7 == 0 && !w->rules[i].used)
				change(w, &w->rules[i], 0, i);
		settle_kinds(w);
		check_services(w, w->n_rules, 500);
	}
	assert_int_equal(n_of_kind(w, OFX_KIND_HASH32), 2);
	assert_int_equal(w->dp.tables->hashes.n[OFX_KIND_HASH32], w->dp.tables->n_flows);
	world_remove_all(w);
	check_empty(w);
	world_close(w);
}

/* Of equal matches the best is there, whichever come and go. */
static void test_chains(void **state)
{
	struct world *w = world_open(1000, 1000, false);

	w->n_rules = 60;
	for (int round = 0; round < 2000; round++) {
		const uint32_t at = random() % w->n_rules;
		struct rule *r = &w->rules[at];

		if (r->used) {
			world_remove(w, r);
		} else {
			service(w, r, 1, at % 5);
			r->spec.priority = 10 + at;
			assert_int_equal(world_add(w, r), 0);
		}
		check_services(w, 5, 5);
		if (round % 50 == 0)
			settle_kinds(w);
	}
	world_remove_all(w);
	check_empty(w);
	world_close(w);
}

/* More than a map takes: all of it in the lines again, and in the map when there is room. */
static void test_full(void **state)
{
	struct world *w = world_open(MANY, 1000, false);

	w->dp.tables->hashes.size[OFX_KIND_HASH64] = ROOM;
	free(w->rules);
	w->rules = calloc(MANY, sizeof(*w->rules));
	w->n_rules = 0; /* no linear search */
	for (uint32_t i = 0; i < MANY; i++) {
		struct rule *r = &w->rules[i];

		service(w, r, 2, i);
		put(&r->match, 16, 4, 1, UINT32_MAX);
		put(&r->match, 8, 6, 0x020000000001, 0xffffffffffff);
		assert_int_equal(world_add(w, r), 0);
		if (i == ROOM - 2) {
			settle_kinds(w);
			assert_int_equal(n_of_kind(w, OFX_KIND_HASH64), 1);
		}
		if (i == ROOM + 1)
			assert_int_equal(n_of_kind(w, OFX_KIND_HASH64), 0);
	}
	settle_kinds(w);
	assert_int_equal(n_of_kind(w, OFX_KIND_HASH64), 0);
	assert_int_equal(w->dp.tables->hashes.n[OFX_KIND_HASH64], 0);
	w->n_rules = MANY;
	for (uint32_t i = 0; i < MANY - 1000; i++)
		world_remove(w, &w->rules[i]);
	random_inst(w, &w->rules[MANY - 1]);
	world_modify(w, &w->rules[MANY - 1]);
	settle_kinds(w);
	assert_int_equal(n_of_kind(w, OFX_KIND_HASH64), 1);
	assert_int_equal(w->dp.tables->hashes.n[OFX_KIND_HASH64], 1000);
	world_remove_all(w);
	check_empty(w);
	world_close(w);
}

/* --- packets at the same time --- */

/* A rule that is there all the time takes every packet, wherever its table lies. */
static void test_none_misses(void **state)
{
	struct world *w = world_open(4000, 1000, true);
	struct sender s = {.w = w};
	struct rule always;
	uint64_t packets, bytes;

	w->n_rules = 700;
	w->no_actions = true;
	open_port(w);
	service(w, &always, 2, 5000);
	assert_int_equal(world_add(w, &always), 0);
	service_key(&s.key, 5000);
	sender_start(&s);
	for (int round = 0; round < 16; round++) {
		const int masks = round % 2 ? 7 : 3;

		for (int i = 0; i < 100; i++) {
			const uint32_t at = random() % w->n_rules;

			if ((int)(at % 7) < masks)
				change(w, &w->rules[at], at % 7, at);
			if (i % 10 == 0)
				world_modify(w, &always);
			event_base_loop(w->dp.base, EVLOOP_NONBLOCK);
		}
		for (uint32_t i = 0; i < w->n_rules; i++)
			if (i % 7 >= 3 && w->rules[i].used)
				world_remove(w, &w->rules[i]);
		if (round % 4 < 2)
			settle_kinds(w);
	}
	world_remove_all(w);
	settle_kinds(w);
	sender_stop(&s);
	dp_flow_counters(&w->dp, always.flow, &packets, &bytes);
	assert_true(s.n > 1000);
	assert_int_equal(packets, s.n);
	world_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_and_out), cmocka_unit_test(test_back), cmocka_unit_test(test_home_to_a_map),
		cmocka_unit_test(test_chains),	   cmocka_unit_test(test_full), cmocka_unit_test(test_none_misses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
