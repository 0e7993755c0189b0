/* SPDX-License-Identifier: GPL-2.0-only */
/* Routes: into the kernel's tries and back, with packets and changes at the same time. */
#include "test/bpf/table_world.h"
#include <arpa/inet.h>
#include <string.h>
#include "build/ofxdp.skel.h"

enum { MANY = OFX_LPM_ROUTES + 500, LENGTHS = 33 };

/* What a kind of routes asks for. */
struct side {
	uint8_t kind;
	uint16_t type;
	uint8_t offset, bits; /* of the address in the key */
};

static const struct side sides[] = {
	{OFX_KIND_LPM4_SRC, 0x0800, 48, 32},
	{OFX_KIND_LPM4_DST, 0x0800, 52, 32},
	{OFX_KIND_LPM6_SRC, 0x86dd, 48, 128},
	{OFX_KIND_LPM6_DST, 0x86dd, 64, 128},
};

/* Few addresses, so that prefixes lie in one another: four values of each byte, of them zero. */
static void draw_address(uint8_t *addr, int bytes)
{
	for (int i = 0; i < bytes; i++)
		addr[i] = "\0\1\200\377"[random() % 4];
}

static uint32_t draw_length(const struct side *side)
{
	return random() % (side->bits + 1);
}

static void prefix(struct of_match *m, const struct side *side, const uint8_t *addr, uint32_t length)
{
	put(m, 30, 2, side->type, 0xffff);
	for (uint32_t i = 0; i < (length + 7) / 8; i++) {
		const uint32_t left = length - 8 * i, mask = left >= 8 ? 0xff : 0xff00 >> left & 0xff;

		put(m, side->offset + i, 1, addr[i], mask);
	}
}

/* Two for each length, so that the first of a key may change. */
static uint16_t priority_of(uint32_t length)
{
	return 100 + 2 * length;
}

static void route(struct world *w, struct rule *r, const struct side *side)
{
	const uint32_t length = draw_length(side);
	uint8_t addr[16];

	*r = (struct rule){0};
	draw_address(addr, side->bits / 8);
	prefix(&r->match, side, addr, length);
	random_inst(w, r);
	r->spec = (struct dp_rule){.priority = priority_of(length) + random() % 2, .match = &r->match};
}

static bool is_there(const struct world *w, const struct rule *r)
{
	for (size_t i = 0; i < w->n_rules; i++) {
		const struct rule *other = &w->rules[i];

		if (other->used && other->spec.priority == r->spec.priority &&
		    !memcmp(&other->match, &r->match, sizeof(r->match)))
			return true;
	}
	return false;
}

static void add_route(struct world *w, struct rule *r, const struct side *side)
{
	route(w, r, side);
	if (!is_there(w, r))
		assert_int_equal(world_add(w, r), 0);
}

static void change(struct world *w, struct rule *r, const struct side *side)
{
	if (!r->used) {
		add_route(w, r, side);
	} else if (random() % 2) {
		random_inst(w, r);
		world_modify(w, r);
	} else {
		world_remove(w, r);
	}
}

static void check_side(struct world *w, const struct side *side, int n)
{
	for (int i = 0; i < n; i++) {
		struct of_match m = {0};
		uint8_t addr[16];

		draw_address(addr, side->bits / 8);
		put(&m, 16, 4, 1, UINT32_MAX);
		prefix(&m, side, addr, side->bits);
		check_key(w, 0, &m.value);
	}
}

static void some_changes(struct world *w, const struct side *side, int n)
{
	for (int i = 0; i < n; i++) {
		change(w, &w->rules[random() % w->n_rules], side);
		check_side(w, side, 2);
		if (i % 20 == 0)
			event_base_loop(w->dp.base, EVLOOP_NONBLOCK);
	}
}

/* Each kind; whatever the stage, what is found is what a linear search finds. */
static void test_each_side(void **state)
{
	for (size_t k = 0; k < sizeof(sides) / sizeof(sides[0]); k++) {
		struct world *w = world_open(4000, 1000, false);

		w->n_rules = 300;
		for (int round = 0; round < 4; round++) {
			some_changes(w, &sides[k], 400);
			settle_kinds(w);
			assert_int_equal(n_of_kind(w, sides[k].kind), 1);
			assert_int_equal(n_of_kind(w, OFX_KIND_HASH16) + n_of_kind(w, OFX_KIND_HASH32), 0);
			check_side(w, &sides[k], 300);
		}
		world_remove_all(w);
		check_empty(w);
		world_close(w);
	}
}

/* All of them in one table, whose masks have words in common. */
static void test_all_sides(void **state)
{
	struct world *w = world_open(4000, 1000, false);

	w->n_rules = 300;
	for (int round = 0; round < 6; round++) {
		for (int k = 0; k < 4; k++)
			some_changes(w, &sides[k], 100);
		settle_kinds(w);
		for (int k = 0; k < 4; k++)
			check_side(w, &sides[k], 100);
	}
	world_remove_all(w);
	check_empty(w);
	world_close(w);
}

/* A short prefix of high priority: the longest match is not the best, until it goes. */
static void test_order(void **state)
{
	static const uint8_t addr[] = {1, 1, 0, 0};
	const struct side *side = &sides[1];
	struct world *w = world_open(4000, 1000, false);
	struct rule *first = &w->rules[299];

	w->n_rules = 300;
	for (int i = 0; i < 200; i++)
		add_route(w, &w->rules[i], side);
	for (int round = 0; round < 3; round++) {
		settle_kinds(w);
		assert_int_equal(n_of_kind(w, side->kind), 1);
		*first = (struct rule){0};
		prefix(&first->match, side, addr, 9 + round);
		random_inst(w, first);
		first->spec = (struct dp_rule){.priority = 200, .match = &first->match};
		assert_int_equal(world_add(w, first), 0);
		for (int i = 60 * round; i < 60 * round + 60; i++) {
			if (w->rules[i].used) /* packets may still look into the trie */
				world_remove(w, &w->rules[i]);
			check_side(w, side, 30);
		}
		settle_kinds(w);
		assert_int_equal(n_of_kind(w, side->kind), 0);
		check_side(w, side, 300);
		world_remove(w, first);
		check_side(w, side, 300);
	}
	world_remove_all(w);
	check_empty(w);
	world_close(w);
}

/* Other rules are moved to where only routes lay until now: packets look there again. */
static void test_moved_to_routes(void **state)
{
	static const uint8_t addr[] = {10, 1, 2, 3};
	static const uint8_t lengths[] = {24, 16, 8, 20};
	const struct side *side = &sides[1];
	struct world *w = world_open(4000, 1000, false);
	struct ofx_key key;

	w->n_rules = 100;
	for (uint32_t i = 0; i < 24; i++) {
		struct rule *r = &w->rules[i];
		const uint32_t length = i < 4 ? lengths[i] : 32;

		prefix(&r->match, side, addr, length);
		if (i >= 4) {
			put(&r->match, 43, 1, 6, 0xff);
			put(&r->match, 46, 2, 1000 + i, 0xffff);
		}
		random_inst(w, r);
		r->spec = (struct dp_rule){.priority = i < 4 ? 10 * length : 150, .match = &r->match};
		if (i != 3)
			assert_int_equal(world_add(w, r), 0);
	}
	settle_kinds(w);
	assert_int_equal(n_of_kind(w, side->kind), 1);
	assert_int_equal(world_add(w, &w->rules[3]), 0); /* the fifth mask */
	settle_kinds(w);
	for (uint32_t i = 4; i < 24; i++) {
		key = w->rules[i].match.value;
		check_key(w, 0, &key);
	}
	world_remove_all(w);
	check_empty(w);
	world_close(w);
}

/* TCP ports of a network: other rules where routes lie.  Routes stay in tries. */
static void test_others(void **state)
{
	const struct side *side = &sides[1];
	struct world *w = world_open(4000, 1000, false);

	w->n_rules = 300;
	for (int i = 0; i < 200; i++)
		add_route(w, &w->rules[i], side);
	for (int round = 0; round < 3; round++) {
		settle_kinds(w);
		assert_int_equal(n_of_kind(w, side->kind), 1);
		for (int i = 200; i < 240; i++) {
			struct rule *r = &w->rules[i];

			route(w, r, side);
			put(&r->match, 43, 1, 6, 0xff);
			put(&r->match, 46, 2, i % 3, 0xffff);
			r->spec.priority = 50 + random() % 100;
			if (!is_there(w, r))
				assert_int_equal(world_add(w, r), 0);
			check_side(w, side, 20);
		}
		settle_kinds(w);
		assert_int_equal(n_of_kind(w, side->kind), 1);
		check_side(w, side, 300);
		for (int i = 200; i < 240; i++)
			if (w->rules[i].used)
				world_remove(w, &w->rules[i]);
		check_side(w, side, 300);
	}
	world_remove_all(w);
	check_empty(w);
	world_close(w);
}

/* Where a packet must try many other masks anyway, routes are not worth a trie. */
static void test_few_among_others(void **state)
{
	const struct side *side = &sides[1];
	struct world *w = world_open(4000, 1000, false);

	w->n_rules = 300;
	for (int i = 0; i < 20; i++)
		add_route(w, &w->rules[i], side);
	for (int round = 0; round < 2; round++) {
		settle_kinds(w);
		assert_int_equal(n_of_kind(w, side->kind), 1);
		for (int i = 100; i < 160; i++) {
			struct rule *r = &w->rules[i];

			*r = (struct rule){0};
			put(&r->match, 0, 8, 1ULL << (i - 100), 1ULL << (i - 100));
			random_inst(w, r);
			r->spec = (struct dp_rule){.priority = i, .match = &r->match};
			assert_int_equal(world_add(w, r), 0);
		}
		settle_kinds(w);
		assert_int_equal(n_of_kind(w, side->kind), 0);
		check_side(w, side, 100);
		for (int i = 100; i < 160; i++)
			world_remove(w, &w->rules[i]);
	}
	world_remove_all(w);
	check_empty(w);
	world_close(w);
}

static void many(struct rule *r, uint32_t i)
{
	const uint32_t length = 20 + i % 3, addr = htonl(i << 12);

	prefix(&r->match, &sides[1], (const uint8_t *)&addr, length);
	r->spec = (struct dp_rule){.priority = 100 + length, .match = &r->match};
}

/* More than tries take: all of it in the lines again, and in tries when there are few. */
static void test_full(void **state)
{
	struct world *w = world_open(2 * MANY, 1000, false);

	for (uint32_t i = 0; i < MANY; i++) {
		many(&w->rules[i], i);
		assert_int_equal(world_add(w, &w->rules[i]), 0);
		if (i == OFX_LPM_ROUTES - 2) {
			settle_kinds(w);
			assert_int_equal(n_of_kind(w, OFX_KIND_LPM4_DST), 1);
		}
	}
	settle_kinds(w);
	assert_int_equal(n_of_kind(w, OFX_KIND_LPM4_DST), 0);
	for (uint32_t i = 0; i < 1000; i++)
		world_remove(w, &w->rules[i]);
	settle_kinds(w);
	assert_int_equal(n_of_kind(w, OFX_KIND_LPM4_DST), 1);
	w->n_rules = MANY;
	world_remove_all(w);
	check_empty(w);
	world_close(w);
}

/* A rule that is there all the time takes every packet, wherever its table lies. */
static void test_none_misses(void **state)
{
	static const uint8_t addr[] = {1, 1, 1, 1};
	const struct side *side = &sides[1];
	struct world *w = world_open(4000, 1000, true);
	struct sender s = {.w = w};
	struct of_match m = {0};
	struct rule always = {0};
	uint64_t packets, bytes;

	w->n_rules = 200;
	w->no_actions = true;
	open_port(w);
	prefix(&always.match, side, addr, 32);
	random_inst(w, &always);
	always.spec = (struct dp_rule){.priority = priority_of(32) + 1, .match = &always.match};
	assert_int_equal(world_add(w, &always), 0);
	put(&m, 16, 4, 1, UINT32_MAX);
	put(&m, 43, 1, 6, 0xff);
	prefix(&m, side, addr, 32);
	s.key = m.value;
	sender_start(&s);
	for (int round = 0; round < 12; round++) {
		for (int i = 0; i < 100; i++) {
			struct rule *r = &w->rules[random() % w->n_rules];

			change(w, r, side);
			if (r->used && r->spec.priority >= priority_of(32))
				world_remove(w, r);
			if (i % 10 == 0)
				world_modify(w, &always);
			event_base_loop(w->dp.base, EVLOOP_NONBLOCK);
		}
		if (round % 2)
			settle_kinds(w);
		if (round % 4 == 3)
			world_remove_all(w);
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
		cmocka_unit_test(test_each_side),   cmocka_unit_test(test_all_sides),
		cmocka_unit_test(test_order),	    cmocka_unit_test(test_few_among_others),
		cmocka_unit_test(test_others),	    cmocka_unit_test(test_moved_to_routes),
		cmocka_unit_test(test_none_misses), cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
