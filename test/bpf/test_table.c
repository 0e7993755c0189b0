/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flow tables in the maps against a plain oracle: random changes of random rules, then every lookup done here as
 * bpf/table.h does it (and by the BPF program itself) must find what a linear search finds.
 */
#include "test/bpf/table_world.h"
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <endian.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "build/ofxdp.skel.h"
#include "include/ofxdp/cache.h"
#include "include/ofxdp/port.h"
#include "include/ofxdp/state.h"

/* --- changes --- */

static void change_one(struct world *w, struct rule *r)
{
	if (!r->used) {
		random_rule(w, r);
		assert_int_equal(world_add(w, r), 0);
	} else if (random() % 2) {
		random_inst(w, r);
		world_modify(w, r);
	} else {
		world_remove(w, r);
	}
}

static void random_changes(struct world *w, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		change_one(w, &w->rules[random() % w->n_rules]);
}

static void test_random(void **state)
{
	struct world *w = world_open(N_RULES, 200, false);

	for (int round = 0; round < 400; round++) {
		random_changes(w, 1 + random() % 20);
		check_world(w, 30);
		if (random() % 8 == 0)
			event_base_loop(w->dp.base, EVLOOP_NONBLOCK);
		if (random() % 100 == 0)
			world_remove_all(w);
	}
	settle(w);
	check_world(w, 1000);
	world_remove_all(w);
	check_empty(w);
	world_close(w);
}

/* A rule for one Ethernet address. */
static int add_mac(struct world *w, struct rule *r, uint64_t mac)
{
	*r = (struct rule){0};
	put(&r->match, 24, 6, mac, UINT64_MAX);
	r->spec = (struct dp_rule){.match = &r->match, .priority = mac};
	return world_add(w, r);
}

static void test_full(void **state)
{
	struct world *w = world_open(64, 16, false);
	struct ofx_key key = {0};
	struct rule extra;

	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 64; i++) /* ids of the round before wait for their grace period */
			assert_int_equal(add_mac(w, &w->rules[i], i + 1), 0);
		for (int i = 0; i < 30; i++) /* more than there are spare ids */
			assert_int_equal(add_mac(w, &extra, 1000 + i), TABLE_FULL);
		world_remove(w, &w->rules[0]);
		assert_int_equal(add_mac(w, &w->rules[0], 500), 0);
		for (int i = 0; i < 64; i++) {
			key = w->rules[i].match.value;
			check_key(w, 0, &key);
		}
		world_remove_all(w);
		check_key(w, 0, &key);
	}
	check_empty(w);
	world_close(w);
}

/* What waits for a grace period is asked for again, and nothing waits in the call itself. */
static void test_again(void **state)
{
	struct world *w = world_open(64, 16, false);
	struct rule *r = &w->rules[0];
	int n = 0, err = 0;

	assert_int_equal(add_mac(w, r, 1), 0); /* there are chunks */
	world_remove(w, r);
	settle(w);
	while (!err && n < 200) { /* nobody runs the event loop: nothing is given back */
		err = dp_inst_add(&w->dp, &r->inst, false, &r->spec.inst);
		if (err)
			break;
		err = dp_flow_add(&w->dp, &r->spec, r, &r->flow);
		if (err) {
			dp_inst_drop(&w->dp, r->spec.inst);
			break;
		}
		n++;
		world_remove(w, r);
	}
	assert_int_equal(err, -EAGAIN);
	assert_int_equal(n, 64 + 16);
	assert_int_equal(w->dp.tables->n_flows, 0);
	settle(w);
	assert_int_equal(add_mac(w, r, 1), 0);
	world_remove(w, r);
	check_empty(w);
	world_close(w);
}

static unsigned int n_told;

static void count_gone(void *aux, void *owner, uint64_t packets, uint64_t bytes)
{
	n_told++;
}

/* Whoever waits for removed flows is told, at the latest when the tables are closed: removals in all stages of it. */
static void test_close_tells(void **state)
{
	struct world *w = world_open(64, 64, false);

	n_told = 0;
	w->dp.cb.flow_gone = count_gone;
	for (int i = 0; i < 2; i++)
		assert_int_equal(add_mac(w, &w->rules[i], i + 1), 0);
	for (int i = 0; i < 2; i++) {
		world_remove(w, &w->rules[i]);
		if (!i)
			grace_flush(&w->dp); /* its grace period is over, the event loop has not told */
	}
	assert_int_equal(n_told, 0);
	world_close(w);
	assert_int_equal(n_told, 2);
}

/* The same of more than the event loop tells in a turn. */
static void test_close_tells_all(void **state)
{
	enum { N = 3000 };
	struct world *w = world_open(N, 100, false);

	n_told = 0;
	w->dp.cb.flow_gone = count_gone;
	for (int i = 0; i < N; i++)
		assert_int_equal(add_mac(w, &w->rules[i], i + 1), 0);
	for (int i = 0; i < N; i++)
		world_remove(w, &w->rules[i]);
	world_close(w);
	assert_int_equal(n_told, N);
}

/* More masks than a list holds. */
static void test_many_masks(void **state)
{
	struct world *w = world_open(600, 100, false);
	struct rule *rules = calloc(300, sizeof(*rules));

	for (int i = 0; i < 300; i++) {
		struct rule *r = &rules[i];

		put(&r->match, 24, 6, 0, 0xffff00000000 | (i + 1)); /* 300 different masks */
		r->spec = (struct dp_rule){.match = &r->match, .priority = i};
		assert_int_equal(world_add(w, r), i < OFX_LIST_ENTRIES ? 0 : TABLE_FULL);
	}
	w->rules[0] = rules[OFX_LIST_ENTRIES - 1];
	assert_ptr_equal(oracle(w, 0, &rules[0].match.value), &w->rules[0]);
	for (int i = 0; i < OFX_LIST_ENTRIES - 1; i++)
		world_remove(w, &rules[i]);
	world_remove_all(w);
	check_empty(w);
	free(rules);
	world_close(w);
}

/* --- many priorities of one match --- */

#define N_PRIORITIES 5000

static uint16_t priority_of(const struct dp_flow *flow)
{
	return ((const struct rule *)dp_flow_owner(flow))->spec.priority;
}

/* Those that are there are found by falling priority, and the highest is what packets meet. */
static void check_chain(struct world *w, const struct of_match *match, const bool there[N_PRIORITIES])
{
	struct dp_flow *flow = dp_flow_find(&w->dp, 0, match, UINT16_MAX);
	struct ofx_rule_ref ref;
	int at = N_PRIORITIES - 1;

	for (; at >= 0 && !there[at]; at--)
		;
	assert_int_equal(walk(w->dp.tables, 0, &match->value, &ref), at >= 0);
	if (at >= 0)
		assert_int_equal(ref.priority, at);
	for (; at >= 0; at--) {
		if (!there[at])
			continue;
		assert_non_null(flow);
		assert_int_equal(priority_of(flow), at);
		flow = dp_flow_below(&w->dp, flow);
	}
	assert_null(flow);
}

static void check_at_most(struct world *w, const struct of_match *match, const bool there[N_PRIORITIES], int most)
{
	struct dp_flow *flow = dp_flow_find(&w->dp, 0, match, most);

	while (most >= 0 && !there[most])
		most--;
	assert_int_equal(!flow, most < 0);
	if (flow)
		assert_int_equal(priority_of(flow), most);
}

static void test_priorities(void **state)
{
	struct world *w = world_open(N_PRIORITIES, 1000, false);
	struct rule *rules = calloc(N_PRIORITIES, sizeof(*rules));
	bool there[N_PRIORITIES] = {false};
	struct of_match match = {0};

	put(&match, 24, 6, 7, UINT64_MAX);
	for (int round = 0; round < 6; round++) {
		const int n =
			round % 2 ? 40 : N_PRIORITIES; /* around the length at which chains get a ladder, and many */

		for (int i = 0; i < 2 * n; i++) {
			const int p = random() % (round ? n : N_PRIORITIES);
			struct rule *r = &rules[p];

			if (there[p]) {
				world_remove(w, r);
			} else {
				r->match = match;
				r->spec = (struct dp_rule){.match = &r->match, .priority = p};
				assert_int_equal(world_add(w, r), 0);
			}
			there[p] = !there[p];
			check_at_most(w, &match, there, random() % N_PRIORITIES);
			if (n == 40 || i % 500 == 0)
				check_chain(w, &match, there);
		}
		check_chain(w, &match, there);
		for (int p = 0; p < N_PRIORITIES; p++) {
			if (there[p])
				world_remove(w, &rules[p]);
			there[p] = false;
		}
		check_chain(w, &match, there);
	}
	check_empty(w);
	free(rules);
	world_close(w);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* 10 000 routes of many lengths share few tuples, one flow-mod each. */
static void test_routes(void **state)
{
	struct world *w = world_open(20000, 1000, false);
	struct rule *rules = calloc(10000, sizeof(*rules));
	struct ofx_rule_ref ref;
	double start;

	for (uint32_t i = 0; i < 10000; i++) {
		struct rule *r = &rules[i];
		unsigned int len = 16 + i % 17;

		put(&r->match, 30, 2, 0x0800, 0xffff);
		put(&r->match, 52, 4, i * 2654435761u, UINT32_MAX << (32 - len));
		r->spec = (struct dp_rule){.match = &r->match, .priority = 1000 + len};
	}
	start = seconds();
	for (uint32_t i = 0; i < 10000; i++)
		assert_int_equal(world_add(w, &rules[i]), 0);
	print_message("%.0f adds/s\n", 10000 / (seconds() - start));
	assert_true(w->dp.tables->table[0].n_lookups <= 8);
	for (uint32_t i = 0; i < 10000; i++) {
		assert_true(walk(w->dp.tables, 0, &rules[i].match.value, &ref));
		assert_true(ref.priority >= rules[i].spec.priority);
	}
	free(rules);
	world_close(w);
}

/* --- the program itself finds the same, and counts it --- */

static uint64_t all_packets(struct world *w, uint16_t priority, const struct ofx_key *key)
{
	uint64_t sum = 0, packets, bytes;

	for (size_t i = 0; i < w->n_rules; i++) {
		struct rule *r = &w->rules[i];

		if (!rule_matches(r, 0, key) || r->spec.priority != priority)
			continue;
		dp_flow_counters(&w->dp, r->flow, &packets, &bytes);
		assert_int_equal(bytes, packets * sizeof(struct frame));
		sum += packets;
	}
	return sum;
}

static void test_program(void **state)
{
	struct world *w = world_open(N_RULES, 200, true);
	struct dp_table_counters counters[OFX_TABLES];
	uint64_t n_hits = 0, n_sent = 0, before;
	struct ofx_key key;

	w->no_actions = true;
	open_port(w);
	for (int round = 0; round < 100; round++) {
		random_changes(w, 1 + random() % 20);
		for (int i = 0; i < 20; i++) {
			const struct rule *expected;

			random_key(w, &key);
			key.eth_type = htons(0x0800);
			key.in_port = htonl(1);
			key.ip_proto = 6;
			memset(&key.b[56], 0, sizeof(key) - 56);
			expected = oracle(w, 0, &key);
			before = expected ? all_packets(w, expected->spec.priority, &key) : 0;
			send_key(w, &key);
			n_sent++;
			if (!expected)
				continue;
			n_hits++;
			assert_int_equal(all_packets(w, expected->spec.priority, &key), before + 1);
			if (random() % 8 == 0)
				dp_flow_reset_counters(&w->dp, expected->flow);
		}
		world_table_counters(w, counters);
		assert_int_equal(counters[0].matched, n_hits);
		assert_int_equal(counters[0].lookups, n_sent);
	}
	assert_true(n_hits > n_sent / 4);
	world_remove_all(w);
	check_empty(w);
	world_table_counters(w, counters);
	assert_int_equal(counters[0].matched, n_hits);
	assert_int_equal(counters[1].lookups, 0);
	world_close(w);
}

/* --- the flow cache --- */

/* Packets that were not found in this CPU's part. */
static uint32_t cache_misses(const struct world *w)
{
	return w->dp.cpus.cpu[sched_getcpu()].state->cache.window_misses;
}

/* TCP flows between two addresses, one to each port. */
static void send_flows(struct world *w, uint32_t src, uint32_t dst, uint16_t n)
{
	struct ofx_key key = {.ip_proto = 6, .ipv4_src = src, .ipv4_dst = dst};

	for (uint16_t i = 0; i < n; i++) {
		key.tp_dst = htons(i);
		send_key(w, &key);
	}
}

/* Flows that have been seen are found, whichever addresses a sender chooses. */
static void test_cache_finds(void **state)
{
	static const uint64_t addresses[] = {
		0x0a0000010a000002ULL,
		-0xff51afd7ed558ccdULL, /* with a constant from the hash it is 0 */
		-0xbf58476d1ce4e5b9ULL,
		-0x94d049bb133111ebULL,
	};
	enum { FLOWS = 64 };
	struct world *w = world_open(64, 64, true);
	struct rule *r = &w->rules[0];
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	open_port(w);
	put(&r->match, 30, 2, 0x0800, 0xffff);
	put(&r->match, 43, 1, 6, 0xff);
	put(&r->match, 46, 2, 1, 0xffff);
	put(&r->match, 48, 8, 1, UINT64_MAX);
	r->spec = (struct dp_rule){.match = &r->match, .priority = 1};
	assert_int_equal(world_add(w, r), 0);
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		const uint32_t src = addresses[i], dst = addresses[i] >> 32, before = cache_misses(w);

		send_flows(w, src, dst, FLOWS);
		assert_int_equal(cache_misses(w) - before, FLOWS);
		send_flows(w, src, dst, FLOWS);
		assert_int_equal(cache_misses(w) - before, FLOWS);
	}
	world_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),		cmocka_unit_test(test_full),
		cmocka_unit_test(test_again),		cmocka_unit_test(test_priorities),
		cmocka_unit_test(test_many_masks),	cmocka_unit_test(test_routes),
		cmocka_unit_test(test_program),		cmocka_unit_test(test_close_tells),
		cmocka_unit_test(test_close_tells_all), cmocka_unit_test(test_cache_finds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
