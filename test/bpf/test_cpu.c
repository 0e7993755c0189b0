/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPUs that have nothing of their own (bpf/cpu.h): they take turns at what they share, and get their own when somebody
 * looks.  Here only CPU 0 was online at the start.
 */
#include <event2/event.h>
#include <pthread.h>
#include "test/bpf/pipeline.h"

#define ROUNDS 300000

static int late; /* a CPU that came later */

static void run_on(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
}

/* Without a second CPU there is nothing to be tested. */
static int setup_late(void **state)
{
	static bool first[4096] = {true};
	cpu_set_t here;

	assert_int_equal(sched_getaffinity(0, sizeof(here), &here), 0);
	for (int i = 1; i < CPU_SETSIZE && !late; i++)
		late = CPU_ISSET(i, &here) ? i : 0;
	online = first;
	return setup(state);
}

static struct cpu *cpu_of(uint32_t number)
{
	for (uint32_t i = 0; i < cpus.n; i++)
		if (cpus.cpu[i].state->cpu == number)
			return &cpus.cpu[i];
	return NULL;
}

static uint64_t received_by(const struct cpu *cpu)
{
	return cell_read(&cpu->state->port[1].rx).packets;
}

/* From port 1, without a wire. */
static void receive_times(struct frame f, uint32_t times)
{
	struct xdp_md from = {.data_end = f.len, .ingress_ifindex = if_nametoindex("p1")};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f.b, .data_size_in = f.len, .ctx_in = &from,
		    .ctx_size_in = sizeof(from), .repeat = times);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.ofx_port), &opts), 0);
}

/* Two flow entries, by the source address. */
static struct frame from_source(uint32_t i)
{
	struct frame f = plain;

	memcpy(f.b + 26, &(uint32_t){htonl(0x0b000000 + i)}, 4);
	return f;
}

static void two_flows(void)
{
	const uint8_t word = OFX_W_ADDR;
	const uint64_t mask = htonl(1), value[2] = {0, htonl(1)};
	struct ofx_list_entry by_src = {.subtable = 7, .max_priority = 5};

	subtable(7, 1, &word, &mask);
	for (uint32_t i = 0; i < 2; i++) {
		flow(1 + i, 0, OFX_NO_TABLE, OFX_INST_SIMPLE, OPS(OUTPUT(2)), NO_OPS);
		rule(7, &value[i], 1 + i, 5);
	}
	list(0, 1, &by_src);
}

/* Copies, a continuation, a group's and a flow's counters, the cache. */
static void test_late_cpu(void **state)
{
	const struct cpu *shared = cpu_of(n_cpus);
	uint64_t received, before = drop_count(OFX_DROP_NO_CPU);

	if (!late)
		skip();
	assert_non_null(shared);
	assert_null(cpu_of(late));
	run_on(late);
	received = received_by(shared);
	apply(OPS(OUTPUT(2), set_mac(5), OUTPUT(3), set_mac(6), FLOOD));
	for (int i = 0; i < 3; i++) {
		send_frame(host[1], &plain);
		expect(2, plain);
		expect(3, to_mac(plain, 5));
		expect(2, to_mac(plain, 6));
		expect(3, to_mac(plain, 6));
		expect_no_more();
	}
	assert_int_equal(received_by(shared) - received, 3);
	assert_int_equal(skel->data_shared->cpu_shared, 0);
	run_on(0);
	send_frame(host[1], &plain);
	expect(2, plain);
	assert_int_equal(received_by(shared) - received, 3);
	assert_int_equal(drop_count(OFX_DROP_NO_CPU), before);
}

static void *flood_from(void *cpu)
{
	const int number = *(int *)cpu;

	run_on(number);
	receive_times(from_source(number != 0), ROUNDS);
	return NULL;
}

/* Two CPUs at one state: each packet is counted, where it belongs. */
static void test_turns(void **state)
{
	const struct cpu *shared = cpu_of(n_cpus);
	uint64_t drops = drop_count(OFX_DROP_NO_CPU), received = received_by(shared);
	int fd = bpf_map__fd(skel->maps.state), number[2] = {0, late};
	struct ofx_counter before[2] = {flow_count(1), flow_count(2)};
	struct port_totals tx = port_count(2);
	pthread_t thread[2];
	uint32_t zero = 0;

	if (!late)
		skip();
	two_flows();
	assert_int_equal(bpf_map_delete_elem(fd, &zero), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, flood_from, &number[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(drop_count(OFX_DROP_NO_CPU), drops);
	assert_int_equal(received_by(shared) - received, 2 * ROUNDS);
	assert_int_equal(port_count(2).tx_packets - tx.tx_packets, 2 * ROUNDS);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(flow_count(1 + i).packets - before[i].packets, ROUNDS);
		assert_int_equal(flow_count(1 + i).bytes - before[i].bytes, ROUNDS * plain.len);
	}
	assert_int_equal(skel->data_shared->cpu_shared, 0);
}

/* Somebody has it who does not go on: nobody waits for ever. */
static void test_stuck(void **state)
{
	uint64_t before = drop_count(OFX_DROP_NO_CPU);

	if (!late)
		skip();
	run_on(late);
	apply(OPS(OUTPUT(2)));
	skel->data_shared->cpu_shared = 1;
	send_frame(host[1], &plain);
	expect_drops(OFX_DROP_NO_CPU, before, 1);
	skel->data_shared->cpu_shared = 0;
	send_frame(host[1], &plain);
	expect(2, plain);
	expect_no_more();
}

/* The CPU is found to be online, and from then on works by itself.  What was counted before still is. */
static void test_found(void **state)
{
	const struct timeval pause = {.tv_usec = 20000};
	const struct cpu *shared = cpu_of(n_cpus), *own = NULL;
	struct event_base *base = event_base_new();
	uint64_t before = flow_count(1).packets, sent = 0, received;

	if (!late)
		skip();
	assert_int_equal(cpus_watch(&cpus, base), 0);
	run_on(late);
	apply(OPS(OUTPUT(2)));
	while (sent < 500 && !own) {
		event_base_loopexit(base, &pause);
		event_base_dispatch(base);
		receive_times(plain, 1);
		sent++;
		own = cpu_of(late) && received_by(cpu_of(late)) ? cpu_of(late) : NULL;
	}
	assert_non_null(own);
	received = received_by(shared);
	receive_times(plain, 100);
	assert_int_equal(received_by(shared), received);
	assert_int_equal(received_by(own), 101);
	assert_int_equal(flow_count(1).packets - before, sent + 100);
	cpus_close(&cpus);
	event_base_free(base);
}

#define T(F) cmocka_unit_test_setup(F, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {T(test_late_cpu), T(test_turns), T(test_stuck), T(test_found)};

	return cmocka_run_group_tests(tests, setup_late, teardown);
}
