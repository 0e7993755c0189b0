/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters of flow entries and tables: the cells and what the CPUs' logs add to them (include/ofxdp/counter.h). */
#include "test/bpf/table_world.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <pthread.h>
#include <unistd.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "include/ofxdp/state.h"
#include "user/datapath/cell.h"

#define N 100 /* flow entries */

static struct world *w;
static struct rule rules[N];

static uint32_t id_of(uint32_t i)
{
	return flow_id(w->dp.tables, rules[i].flow);
}

static int open_rules(void **state)
{
	w = world_open(N, 10, false);
	for (uint32_t i = 0; i < N; i++) {
		rules[i] = (struct rule){.spec = {.match = &rules[i].match, .table = i % 2}};
		put(&rules[i].match, 24, 6, 0x020000000000 | i, UINT64_MAX);
		assert_int_equal(world_add(w, &rules[i]), 0);
	}
	return 0;
}

static int close_rules(void **state)
{
	world_close(w);
	return 0;
}

static void write_log(uint32_t cpu, const struct ofx_flow_log *log)
{
	w->dp.cpus.cpu[cpu].state->log = *log;
}

static void write_cell(uint32_t cpu, uint32_t i, struct ofx_counter c)
{
	w->dp.cpus.cpu[cpu].cells[id_of(i)].low = c.packets * OFX_CELL_PACKET | c.bytes;
}

static void log_packet(struct ofx_flow_log *log, uint32_t id, uint64_t bytes)
{
	log->word[log->n++] = id | bytes << 32;
}

static void expect_flow(uint32_t i, uint64_t packets, uint64_t bytes)
{
	uint64_t got[2];

	for (int round = 0; round < 2; round++) { /* the second time the log is known */
		dp_flow_counters(&w->dp, rules[i].flow, &got[0], &got[1]);
		assert_int_equal(got[0], packets);
		assert_int_equal(got[1], bytes);
	}
}

static void test_log_counts(void **state)
{
	struct dp_table_counters tables[OFX_TABLES];
	const uint32_t last = w->dp.cpus.n - 1;
	struct ofx_flow_log log = {0};

	write_cell(0, 7, (struct ofx_counter){.packets = 10, .bytes = 1000});
	expect_flow(7, 10, 1000);
	log_packet(&log, id_of(7), 64);
	log_packet(&log, id_of(8), 1500);
	write_log(last, &log);
	log_packet(&log, id_of(7), 65);
	write_log(last, &log);
	expect_flow(7, 12, 1129);
	expect_flow(8, 1, 1500);
	expect_flow(9, 0, 0);
	world_table_counters(w, tables);
	assert_int_equal(tables[1].matched, 12);
	assert_int_equal(tables[0].matched, 1);
	/* added up */
	write_cell(last, 8, (struct ofx_counter){.packets = 1, .bytes = 1500});
	write_cell(0, 7, (struct ofx_counter){.packets = 12, .bytes = 1129});
	log.n = 0;
	log.version += 2;
	write_log(last, &log);
	expect_flow(7, 12, 1129);
	expect_flow(8, 1, 1500);
	world_table_counters(w, tables);
	assert_int_equal(tables[1].matched, 12);
	assert_int_equal(tables[0].matched, 1);
}

/* A reset is a baseline, logged packets included. */
static void test_reset(void **state)
{
	struct ofx_flow_log log = {0};

	log_packet(&log, id_of(3), 100);
	write_log(0, &log);
	expect_flow(3, 1, 100);
	dp_flow_reset_counters(&w->dp, rules[3].flow);
	expect_flow(3, 0, 0);
	log_packet(&log, id_of(3), 100);
	write_log(0, &log);
	expect_flow(3, 1, 100);
}

/* A CPU that stops while it adds up holds nobody up. */
static void test_stopped_cpu(void **state)
{
	struct ofx_flow_log log = {.version = 1};
	uint64_t packets, bytes;

	log_packet(&log, id_of(5), 100);
	write_log(0, &log);
	dp_flow_counters(&w->dp, rules[5].flow, &packets, &bytes);
	assert_in_range(packets, 0, 1);
}

/* --- BPF's part, in another thread --- */

static struct ofx_flow_log *live_log;
static struct ofx_cell *live_cells;
static bool stop; /* tells the writing thread to return */

/* Not beyond what a cell holds without a carry, however slow the reader is. */
static void *count_on(void *aux)
{
	uint64_t n = 0;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		const uint32_t i = n % N;

		if (n == (uint64_t)N << 20) {
			usleep(1000);
			continue;
		}
		n++;

		live_log->word[live_log->n] = id_of(i) | 64ULL << 32;
		if (__atomic_add_fetch(&live_log->n, 1, __ATOMIC_RELEASE) < OFX_FLOW_LOG)
			continue;
		__atomic_add_fetch(&live_log->version, 1, __ATOMIC_SEQ_CST);
		for (int k = 0; k < OFX_FLOW_LOG; k++)
			live_cells[(uint32_t)live_log->word[k]].low += OFX_CELL_PACKET | 64;
		__atomic_store_n(&live_log->n, 0, __ATOMIC_RELEASE);
		__atomic_add_fetch(&live_log->version, 1, __ATOMIC_SEQ_CST);
	}
	return (void *)(uintptr_t)n;
}

/* Counters never go back while packets are counted, and are exact when none is. */
static void test_counters_rise(void **state)
{
	struct dp_table_counters tables[OFX_TABLES] = {0}, before[OFX_TABLES];
	uint64_t seen[N] = {0}, packets, bytes, sum = 0;
	pthread_t thread;
	void *sent;

	stop = false;
	live_log = &w->dp.cpus.cpu[0].state->log;
	live_cells = w->dp.cpus.cpu[0].cells;
	assert_int_equal(pthread_create(&thread, NULL, count_on, NULL), 0);
	for (int round = 0; round < 3000; round++) {
		for (uint32_t i = round % 7; i < N; i += 7) {
			dp_flow_counters(&w->dp, rules[i].flow, &packets, &bytes);
			assert_true(packets >= seen[i]);
			seen[i] = packets;
		}
		memcpy(before, tables, sizeof(tables));
		world_table_counters(w, tables);
		assert_true(tables[0].matched >= before[0].matched && tables[1].matched >= before[1].matched);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, &sent);
	for (uint32_t i = 0; i < N; i++) {
		dp_flow_counters(&w->dp, rules[i].flow, &packets, &bytes);
		assert_int_equal(bytes, 64 * packets);
		sum += packets;
	}
	assert_int_equal(sum, (uintptr_t)sent);
	world_table_counters(w, tables);
	assert_int_equal(tables[0].matched + tables[1].matched, (uintptr_t)sent);
}

/* The steps of a carry: whenever it is read, a cell says the same. */
static void test_carry_steps(void **state)
{
	for (uint64_t carries = 6; carries < 8; carries++) {
		const uint64_t turn = carries & 1 ? OFX_CELL_TURN : 0, bytes = (5ULL << 30) + 77;
		const uint64_t full = OFX_CELL_CARRY | turn | bytes, old = carries << 32 | 1000;
		const struct ofx_cell steps[] = {{.high = old, .low = full},
						 {.high = old + ofx_cell_carried(full), .low = full},
						 {.high = old + ofx_cell_carried(full), .low = ofx_cell_stays(full)}};

		for (int i = 0; i < 3; i++) {
			struct ofx_counter c = cell_read(&steps[i]);

			assert_int_equal(c.packets, (carries + 1) << 20);
			assert_int_equal(cell_packets(&steps[i]), (carries + 1) << 20);
			assert_int_equal(c.bytes, (1000ULL << 30) + bytes);
		}
	}
}

/* As cell_add() of bpf/counter.h, in steps that come to a carry after four. */
#define STEP (1ULL << 18)

static void *carry_on(void *aux)
{
	struct ofx_cell *c = &live_cells[id_of(5)];
	uint64_t n = 0;

	for (; !__atomic_load_n(&stop, __ATOMIC_ACQUIRE); n++) {
		const uint64_t low = c->low + STEP * (OFX_CELL_PACKET | 64);

		__atomic_store_n(&c->low, low, __ATOMIC_RELEASE);
		if (!(low & OFX_CELL_CARRY))
			continue;
		__atomic_add_fetch(&c->high, ofx_cell_carried(low), __ATOMIC_SEQ_CST);
		__atomic_store_n(&c->low, ofx_cell_stays(low), __ATOMIC_RELEASE);
	}
	return (void *)(uintptr_t)n;
}

/* Packets and bytes are of one moment, also while they are carried. */
static void test_carries(void **state)
{
	uint64_t packets, bytes, seen = 0;
	pthread_t thread;
	void *steps;

	live_cells = w->dp.cpus.cpu[0].cells;
	stop = false;
	assert_int_equal(pthread_create(&thread, NULL, carry_on, NULL), 0);
	for (int round = 0; round < 300000; round++) {
		dp_flow_counters(&w->dp, rules[5].flow, &packets, &bytes);
		assert_int_equal(bytes, 64 * packets);
		assert_true(packets >= seen);
		seen = packets;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, &steps);
	dp_flow_counters(&w->dp, rules[5].flow, &packets, &bytes);
	assert_int_equal(packets, STEP * (uintptr_t)steps);
	assert_int_equal(bytes, 64 * packets);
}

int main(void)
{
#define T(NAME) cmocka_unit_test_setup_teardown(NAME, open_rules, close_rules)
	const struct CMUnitTest tests[] = {T(test_log_counts),	  T(test_reset),   T(test_stopped_cpu),
					   T(test_counters_rise), T(test_carries), cmocka_unit_test(test_carry_steps)};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
