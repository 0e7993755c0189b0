/* SPDX-License-Identifier: GPL-2.0-only */
/* Maps that grow by chunks: memory follows use, the limit is exact, values stay where they are, BPF sees them. */
#include "include/ofxdp/cache.h"
#include "test/bpf/table_world.h"
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "build/ofxdp.skel.h"
#include "include/ofxdp/port.h"
#include "user/datapath/cell.h"

#define N_FLOWS 40000 /* three chunks */
#define N_OPS 9	      /* of a flow: some behind the inline ones */

static struct rule *rules; /* of the test */

static void make_rule(struct rule *r, uint32_t i)
{
	*r = (struct rule){0};
	put(&r->match, 24, 6, 0x020000000000 | i, UINT64_MAX);
	for (uint32_t n = 0; n < N_OPS; n++)
		r->actions[n] = (struct of_action){.type = OF_ACT_OUTPUT, .output.port = 1 + (i + n) % 1000};
	r->inst = (struct of_instructions){.present = OF_INST_APPLY, .apply = {.n = N_OPS, .v = r->actions}};
	r->spec = (struct dp_rule){.match = &r->match, .priority = 1};
}

static int add(struct world *w, uint32_t i)
{
	make_rule(&rules[i], i);
	return world_add(w, &rules[i]);
}

static struct world *open_world(bool program)
{
	rules = calloc(N_FLOWS + 100, sizeof(*rules));
	assert_non_null(rules);
	return world_open(N_FLOWS, 1000, program);
}

static void close_world(struct world *w)
{
	world_close(w);
	free(rules);
}

/* Of this thread alone: others may use the CPU. */
static uint64_t thread_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t generation(const struct world *w)
{
	return ((const struct ofx_cache_live *)w->dp.skel->data_live->cache_live)->gen;
}

/* Element i as the kernel has it, by its own way through the map. */
static void kernel_value(const struct bpf_map *map, uint32_t per_chunk, uint32_t i, void *value)
{
	uint32_t chunk = i / per_chunk, at = i % per_chunk, id;
	int fd;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(map), &chunk, &id), 0);
	fd = bpf_map_get_fd_by_id(id);
	assert_true(fd >= 0);
	assert_int_equal(bpf_map_lookup_elem(fd, &at, value), 0);
	close(fd);
}

static void check_kernel(const struct world *w, uint32_t i)
{
	struct ofx_inst inst;
	struct ofx_flow f;
	struct ofx_op op;

	kernel_value(w->dp.skel->maps.flows, OFX_FLOW_CHUNK, flow_id(w->dp.tables, rules[i].flow), &f);
	assert_int_equal(f.inst, rules[i].spec.inst);
	kernel_value(w->dp.skel->maps.insts, OFX_INST_CHUNK, f.inst, &inst);
	assert_int_equal(inst.n_apply, N_OPS);
	for (uint32_t n = 0; n < N_OPS; n++) {
		if (n < OFX_INLINE_OPS)
			op = inst.ops[n];
		else
			kernel_value(w->dp.skel->maps.op_pool, OFX_OP_CHUNK, inst.first + n - OFX_INLINE_OPS, &op);
		assert_int_equal(op.arg, rules[i].actions[n].output.port);
	}
}

static uint32_t made(struct chunks *c)
{
	uint32_t n;

	pthread_mutex_lock(&c->lock);
	n = c->made;
	pthread_mutex_unlock(&c->lock);
	return n;
}

static void test_grows_to_the_limit(void **state)
{
	struct world *w = open_world(false);
	struct dp_tables *t = w->dp.tables;

	assert_int_equal(t->flows.max, 3);
	assert_int_equal(t->op_pool.max, 16 * N_FLOWS / OFX_OP_CHUNK + 1);
	for (uint32_t i = 0; i < N_FLOWS; i++) {
		assert_int_equal(add(w, i), 0);
		assert_int_equal(t->flows.n, flow_id(t, rules[i].flow) / OFX_FLOW_CHUNK + 1);
	}
	assert_int_equal(t->flows.n, 3);
	assert_true(made(&t->op_pool) < t->op_pool.max); /* 8 places a flow */
	for (int i = 0; i < 10; i++)
		assert_int_equal(add(w, N_FLOWS + i), TABLE_FULL);
	for (uint32_t i = 0; i < N_FLOWS; i += 997)
		check_kernel(w, i);
	check_kernel(w, N_FLOWS - 1);
	world_remove(w, &rules[5]);
	assert_int_equal(add(w, 5), 0);
	assert_int_equal(add(w, N_FLOWS), TABLE_FULL);
	for (uint32_t i = 0; i < N_FLOWS; i++)
		world_remove(w, &rules[i]);
	check_empty(w);
	close_world(w);
}

/* A few flow entries take a few chunks. */
static void test_small(void **state)
{
	struct world *w = open_world(false);
	struct dp_tables *t = w->dp.tables;

	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(add(w, i), 0);
	assert_int_equal(t->flows.n, 1);
	assert_int_equal(t->op_pool.n, 1);
	assert_true(made(&t->op_pool) <= 3);
	for (uint32_t i = 0; i < 100; i++)
		world_remove(w, &rules[i]);
	settle(w);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(add(w, i), 0);
	assert_int_equal(t->flows.n, 1);
	close_world(w);
}

/* Instructions that were published are not written again before a grace period: old numbers don't come back until then.
 */
static void test_instructions_wait(void **state)
{
	struct world *w = open_world(false);
	bool *used = calloc(N_FLOWS + 2000, sizeof(*used));
	uint32_t again = 0;

	assert_int_equal(add(w, 0), 0);
	used[rules[0].spec.inst] = true;
	for (int i = 0; i < 5000; i++) { /* the event loop does not run: nothing is given back */
		world_modify(w, &rules[0]);
		assert_false(used[rules[0].spec.inst]);
		used[rules[0].spec.inst] = true;
	}
	settle(w);
	for (int i = 0; i < 1000; i++) {
		world_modify(w, &rules[0]);
		again += used[rules[0].spec.inst];
	}
	assert_int_equal(again, 1000);
	free(used);
	close_world(w);
}

static void test_generation(void **state)
{
	struct world *w = open_world(false);
	uint64_t before = generation(w);

	assert_int_equal(add(w, 0), 0);
	assert_true(generation(w) > before);
	before = generation(w);
	world_modify(w, &rules[0]);
	assert_true(generation(w) > before);
	settle(w);
	make_rule(&rules[1], 1);
	put(&rules[1].match, 18, 2, 1, UINT64_MAX); /* packets are looked up by more than before … */
	before = generation(w);
	assert_int_equal(dp_inst_add(&w->dp, &rules[1].inst, false, &rules[1].spec.inst), 0);
	assert_int_equal(dp_flow_add(&w->dp, &rules[1].spec, &rules[1], &rules[1].flow), 0);
	assert_true(generation(w) > before); /* … and anew, before they can meet the rule */
	world_remove(w, &rules[1]);
	settle(w);
	before = generation(w);
	world_remove(w, &rules[0]);
	assert_true(generation(w) > before);
	before = generation(w);
	settle(w); /* the empty list goes */
	assert_true(generation(w) > before);
	close_world(w);
}

/* --- the program itself --- */

static void send_to(struct world *w, uint32_t i)
{
	uint8_t frame[64] = {0x02, 0, i >> 24, i >> 16, i >> 8, i, 0x02, [12] = 0x88, 0xb5};
	struct xdp_md md = {.data_end = sizeof(frame), .ingress_ifindex = 1};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .ctx_in = &md,
		    .ctx_size_in = sizeof(md));

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(w->dp.skel->progs.ofx_port), &opts), 0);
}

/* Packets find flow entries in every chunk. */
static void test_program(void **state)
{
	struct world *w = open_world(true);
	uint64_t packets, bytes;

	open_port(w);
	for (uint32_t i = 0; i < N_FLOWS; i++)
		assert_int_equal(add(w, i), 0);
	for (uint32_t i = 0; i < N_FLOWS; i += 1999)
		send_to(w, i);
	for (uint32_t i = 0; i < N_FLOWS; i++) {
		dp_flow_counters(&w->dp, rules[i].flow, &packets, &bytes);
		assert_int_equal(packets, i % 1999 == 0);
		assert_int_equal(bytes, packets * 64);
	}
	close_world(w);
}

static uint64_t sum_everything(const struct dp_tables *t)
{
	const struct cpus *cpus = &t->dp->cpus;
	uint64_t sum = 0;

	for (uint32_t cpu = 0; cpu < cpus->n; cpu++)
		for (uint32_t i = 0; i < t->dp->n_flow_ids; i++)
			sum += cell_packets(&cpus->cpu[cpu].cells[i]);
	return sum;
}

/* Counters of a million flow entries keep nobody waiting: no pause above 10 ms, where the machine's memory allows it.
 */
static void test_table_counters_of_a_million(void **state)
{
	const uint32_t n = 1000000;
	struct world *w = world_open(n, 1000, false);
	struct dp_table_counters counters[OFX_TABLES];
	struct dp_tables *t = w->dp.tables;
	uint64_t best = UINT64_MAX, plain = UINT64_MAX;
	const char *slow = getenv("SLOW"); /* an emulated machine: so many times longer */

	for (uint32_t i = 1; i < n; i++)
		counters_enter(t, i, i % 100 ? i % 3 : i % 255);
	t->ids.next = n;
	for (int i = 0; i < 5; i++) {
		uint64_t start = thread_ns(), middle;

		assert_int_equal(sum_everything(t), 0);
		middle = thread_ns();
		world_table_counters(w, counters);
		best = smaller(best, thread_ns() - middle);
		plain = smaller(plain, middle - start);
	}
	print_message("%.1f ms, a plain sum %.1f ms\n", best / 1e6, plain / 1e6);
	assert_true(best < 10000000ULL * (slow ? atoi(slow) : 1) || best < 8 * plain);
	for (uint32_t i = 0; i < OFX_TABLES; i++)
		assert_int_equal(counters[i].matched, 0);
	t->ids.next = 1;
	world_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows_to_the_limit),
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_instructions_wait),
		cmocka_unit_test(test_generation),
		cmocka_unit_test(test_program),
		cmocka_unit_test(test_table_counters_of_a_million),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
