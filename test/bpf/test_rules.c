/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hash of rules and tuples: thousands of random rules of hundreds of masks, added, modified and deleted while the
 * hash grows, against a plain list; and that no packet misses a rule that is there all the time.
 */
#include "test/bpf/table_world.h"
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <string.h>
#include <time.h>
#include "build/ofxdp.skel.h"

#define N_ACL 6000

/* Addresses lie near each other, so that many rules share what a wide mask leaves of them. */
static uint32_t acl_addr(void)
{
	return 0x0a000000 | (random() % 4) << 16 | (random() % 8) << 8 | random() % 256;
}

static void acl_rule(struct world *w, struct rule *r, uint16_t priority)
{
	static const int lens[] = {0, 8, 12, 16, 20, 22, 23, 24, 26, 28, 30, 31, 32};
	const int src = lens[random() % 13], dst = lens[random() % 13];

	*r = (struct rule){0};
	put(&r->match, 30, 2, 0x0800, 0xffff);
	put(&r->match, 48, 4, acl_addr(), src ? UINT32_MAX << (32 - src) : 0);
	put(&r->match, 52, 4, acl_addr(), dst ? UINT32_MAX << (32 - dst) : 0);
	if (random() % 2) {
		put(&r->match, 43, 1, 6, 0xff);
		if (random() % 2)
			put(&r->match, 46, 2, random() % 4, 0xffff);
		if (random() % 8 == 0)
			put(&r->match, 44, 2, random() % 4, 0xffff);
	}
	random_inst(w, r);
	r->spec = (struct dp_rule){.priority = priority, .match = &r->match};
}

static void acl_key(struct world *w, struct ofx_key *key)
{
	const struct rule *r = &w->rules[random() % w->n_rules];
	struct of_match m = {0};

	put(&m, 16, 4, 1, UINT32_MAX);
	put(&m, 30, 2, 0x0800, 0xffff);
	put(&m, 43, 1, 6, 0xff);
	put(&m, 44, 2, random() % 4, 0xffff);
	put(&m, 46, 2, random() % 4, 0xffff);
	put(&m, 48, 4, acl_addr(), UINT32_MAX);
	put(&m, 52, 4, acl_addr(), UINT32_MAX);
	*key = m.value;
	for (int i = 0; r->used && i < OFX_KEY_WORDS; i++)
		key->w[i] = (key->w[i] & ~r->match.mask.w[i]) | r->match.value.w[i];
}

/* Priorities are unique: what is found must be the very rule. */
static void check_acl(struct world *w, int n)
{
	struct ofx_key key;

	for (int i = 0; i < n; i++) {
		acl_key(w, &key);
		check_key(w, 0, &key);
	}
}

static void change(struct world *w, uint32_t i)
{
	struct rule *r = &w->rules[i];

	if (!r->used) {
		acl_rule(w, r, 1 + i);
		assert_int_equal(world_add(w, r), 0);
	} else if (random() % 3 == 0) {
		random_inst(w, r);
		world_modify(w, r);
	} else if (random() % 2) {
		world_remove(w, r);
	}
}

/* What ofxdpctl calls longest, from our own accounts. */
static uint32_t longest(const struct table *t)
{
	uint32_t most = 0, n;

	for (uint32_t i = 0; i < t->n_lookups; i++) {
		if (!t->lookups[i]->number)
			continue;
		n = tuple_longest(t->tables->tuple[t->lookups[i]->number]);
		most = n > most ? n : most;
	}
	return most;
}

static void test_acl(void **state)
{
	struct world *w = world_open(4 * N_ACL, 1000, false);
	struct table *t = &w->dp.tables->table[0];
	uint32_t next = 0, lines = w->dp.tables->rules.now.lines, seen_filling = 0, most = 0;

	w->n_rules = N_ACL;
	for (int round = 0; round < 600; round++) {
		for (int i = 0; i < 16 && next < N_ACL; i++)
			change(w, next++);
		for (int i = 0; i < 8; i++)
			change(w, random() % next);
		seen_filling += w->dp.tables->rules.phase == RULES_FILL;
		check_acl(w, 10);
		if (random() % 32 == 0)
			event_base_loop(w->dp.base, EVLOOP_NONBLOCK);
		most = t->n_lookups > most ? t->n_lookups : most;
		assert_true(longest(t) <= TUPLE_CHAIN + 1);
	}
	assert_true(w->dp.tables->rules.now.lines > lines && seen_filling > 5);
	settle(w);
	check_acl(w, 1500);
	print_message("%u rules, %u masks, %u lookups, at most %u; longest %u\n", w->dp.tables->n_flows, t->n_masks,
		      t->n_lookups, most, longest(t));
	assert_true(t->n_lookups < t->n_masks / 2);
	world_remove_all(w);
	assert_int_equal(t->n_masks, 0);
	check_empty(w);
	assert_int_equal(w->dp.tables->rules.now.lines, lines);
	world_close(w);
}

/* What the program finds for n packets, some of which no rule matches.  How many one does. */
static uint32_t check_program(struct world *w, int n)
{
	uint64_t packets, bytes, before;
	uint32_t hits = 0;
	struct ofx_key key;

	for (int i = 0; i < n; i++) {
		const struct rule *r;

		acl_key(w, &key);
		key.eth_type = htons(0x0800);
		key.ip_proto = 6;
		r = oracle(w, 0, &key);
		if (!r)
			continue;
		dp_flow_counters(&w->dp, r->flow, &before, &bytes);
		send_key(w, &key);
		dp_flow_counters(&w->dp, r->flow, &packets, &bytes);
		assert_int_equal(packets, before + 1);
		hits++;
	}
	return hits;
}

/* As if there were so many rules that their lines do not fit one chunk. */
static void spread(struct world *w)
{
	struct lines *h = &w->dp.tables->rules;

	settle(w);
	assert_int_equal(h->phase, RULES_STEADY);
	/* Where the rules are now is a matter of how often the hash has grown, which takes its time; not there. */
	assert_true(h->max_lines >= 2 * OFX_LINE_CHUNK);
	assert_true(h->now.base ? h->now.base >= 2 * OFX_LINE_CHUNK : h->now.lines <= OFX_LINE_CHUNK / 2);
	h->next = (struct rule_region){.base = OFX_LINE_CHUNK / 2, .lines = OFX_LINE_CHUNK};
	h->phase = RULES_FILL;
	h->cursor = 0;
	lines_step(h, UINT32_MAX);
	settle(w);
	assert_int_equal(h->now.base, OFX_LINE_CHUNK / 2);
}

/* The program finds the same while the hash grows. */
static void test_acl_program(void **state)
{
	struct world *w = world_open(6 * OFX_LINE_CHUNK, 1000, true);
	uint32_t next = 0, hits = 0;

	w->n_rules = N_ACL;
	w->no_actions = true;
	open_port(w);
	while (next < N_ACL) {
		for (int i = 0; i < 20; i++, next++) {
			acl_rule(w, &w->rules[next], 1 + next);
			assert_int_equal(world_add(w, &w->rules[next]), 0);
		}
		hits += check_program(w, 6);
		if (random() % 4 == 0)
			event_base_loop(w->dp.base, EVLOOP_NONBLOCK);
	}
	assert_true(hits > 500);
	spread(w);
	assert_true(check_program(w, 500) > 100);
	world_remove_all(w);
	check_empty(w);
	world_close(w);
}

/* A rule that would take the table beyond its budget is refused, and nothing has changed; less rules make room. */
static void test_budget(void **state)
{
	struct world *w = world_open(4 * N_ACL, 1000, false);
	struct table *t = &w->dp.tables->table[0];
	uint32_t refused = 0, taken_again = 0;

	w->n_rules = N_ACL;
	w->dp.max_probes = 12;
	for (uint32_t i = 0; i < N_ACL; i++) {
		struct rule *r = &w->rules[i];
		uint32_t probes = table_probes(t);
		int err;

		acl_rule(w, r, 1 + i);
		err = world_add(w, r);
		assert_true(!err || err == TABLE_FULL);
		assert_true(table_probes(t) <= 12 && (!err || table_probes(t) == probes));
		refused += err != 0;
		taken_again += !err && refused;
		if (i % 64 == 0) {
			check_acl(w, 10);
			event_base_loop(w->dp.base, EVLOOP_NONBLOCK);
		}
	}
	settle(w);
	check_acl(w, 500);
	print_message("budget of 12: %u rules refused, %u others taken\n", refused, N_ACL - refused);
	assert_true(refused > N_ACL / 10 && taken_again > N_ACL / 10);
	world_remove_all(w);
	assert_int_equal(table_probes(t), 0);
	check_empty(w);
	world_close(w);
}

/* --- rules that are moved to tuples they share --- */

static void add_route(struct world *w, uint32_t i, int bits, uint32_t addr)
{
	struct rule *r = &w->rules[i];

	*r = (struct rule){0};
	put(&r->match, 30, 2, 0x0800, 0xffff);
	put(&r->match, 52, 4, addr, UINT32_MAX << (32 - bits));
	random_inst(w, r);
	r->spec = (struct dp_rule){.priority = 1 + i, .match = &r->match};
	assert_int_equal(world_add(w, r), 0);
}

static void check_routes(struct world *w)
{
	for (uint32_t i = 0; i < w->n_rules; i++)
		check_key(w, 0, &w->rules[i].match.value);
}

/* Those of the first masks, and of a chain, are found before, meanwhile and afterwards; changed and removed meanwhile.
 */
static void test_moves(void **state)
{
	static const int bits[] = {25, 26, 28, 30};
	struct world *w = world_open(N_ACL, 1000, false);
	struct table *t = &w->dp.tables->table[0];
	uint32_t n = 0;

	for (int i = 0; i < 400; i++, n++)
		add_route(w, n, bits[i % 4], 0x0a000000 + i * 64);
	for (int i = 0; i < 3; i++, n++)
		add_route(w, n, 26, 0x0a000040);
	w->n_rules = n;
	assert_int_equal(t->n_lookups, 4);
	add_route(w, n++, 32, 0x0a000001);
	w->n_rules = n;
	assert_true(t->moving);
	for (int round = 0; t->moving; round++) {
		struct rule *r = &w->rules[random() % n];

		event_base_loop(w->dp.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
		check_routes(w);
		if (r->used && round % 2) {
			world_remove(w, r);
		} else if (r->used) {
			random_inst(w, r);
			world_modify(w, r);
		}
		check_routes(w);
	}
	settle(w);
	check_routes(w);
	for (uint32_t i = 0; i < t->n_lookups; i++)
		assert_int_equal(t->tables->tuple[t->lookups[i]->number]->mask.ipv4_dst, htonl(0xffffff00));
	assert_int_equal(t->n_masks, 5);
	world_remove_all(w);
	assert_int_equal(t->n_masks, 0);
	check_empty(w);
	world_close(w);
}

/* --- packets and changes at the same time --- */

/* A rule that is there all the time takes every packet, whatever comes, goes and grows around it. */
static void test_none_misses(void **state)
{
	struct world *w = world_open(4 * N_ACL, 1000, true);
	struct sender s = {.w = w};
	struct rule always;
	uint64_t packets, bytes;
	uint32_t next = 0;

	w->n_rules = N_ACL;
	w->no_actions = true;
	open_port(w);
	acl_rule(w, &always, 60000);
	assert_int_equal(world_add(w, &always), 0);
	acl_key(w, &s.key);
	s.key.ip_proto = 6;
	for (int i = 0; i < OFX_KEY_WORDS; i++)
		s.key.w[i] = (s.key.w[i] & ~always.match.mask.w[i]) | always.match.value.w[i];
	sender_start(&s);
	for (int round = 0; round < 400; round++) {
		for (int i = 0; i < 30 && next < N_ACL; i++)
			change(w, next++);
		for (int i = 0; i < 20; i++)
			change(w, random() % next);
		if (random() % 4 == 0)
			world_modify(w, &always);
		event_base_loop(w->dp.base, EVLOOP_NONBLOCK);
	}
	world_remove_all(w);
	settle(w);
	sender_stop(&s);
	dp_flow_counters(&w->dp, always.flow, &packets, &bytes);
	assert_true(s.n > 1000);
	assert_int_equal(packets, s.n);
	world_close(w);
}

/* --- speed, for the eye --- */

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* A flow-mod costs the same whatever is there: no system call, no scan. */
static void test_many(void **state)
{
	const uint32_t n = 100000;
	struct world *w = world_open(n, 1000, false);
	struct rule r = {0};
	double start = seconds();

	for (uint32_t i = 0; i < n; i++) {
		r.match = (struct of_match){0};
		put(&r.match, 30, 2, 0x0800, 0xffff);
		put(&r.match, 48, 4, i * 2654435761u, UINT32_MAX);
		put(&r.match, 52, 4, i, UINT32_MAX);
		r.spec = (struct dp_rule){.match = &r.match, .priority = 10};
		assert_int_equal(world_add(w, &r), 0);
	}
	print_message("%.0f adds/s\n", n / (seconds() - start));
	assert_int_equal(w->dp.tables->rules.n, n);
	assert_int_equal(w->dp.tables->table[0].n_lookups, 1);
	world_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_acl),   cmocka_unit_test(test_acl_program), cmocka_unit_test(test_budget),
		cmocka_unit_test(test_moves), cmocka_unit_test(test_none_misses), cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
