/* SPDX-License-Identifier: GPL-2.0-only */
/* For tests of the microflow cache on test/bpf/pipeline.h: its account, and packets that come twice. */
#ifndef TEST_BPF_PIPELINE_CACHE_H
#define TEST_BPF_PIPELINE_CACHE_H

#include "test/bpf/pipeline.h"
#include "user/datapath/cache.h"

#define FLOWS 8 /* whose counters are looked at */

/* --- the cache as the user sees it --- */

static int here; /* the CPU that all runs on */

static inline struct ofx_cache_live *live(void)
{
	return (struct ofx_cache_live *)skel->data_live->cache_live;
}

/* What a change of the tables ends with. */
static inline void changed(void)
{
	__atomic_add_fetch(&live()->gen, 1, __ATOMIC_SEQ_CST);
}

static inline void look_at(const struct ofx_key *mask)
{
	memcpy(live()->mask, mask->w, sizeof(live()->mask));
	live()->short_keys = cache_short_keys(mask->w);
	changed();
}

static inline void look_at_all(void)
{
	struct ofx_key all;

	memset(&all, 0xff, sizeof(all));
	look_at(&all);
}

static inline struct ofx_state *state_here(void)
{
	for (uint32_t i = 0; i < cpus.n; i++)
		if (cpus.cpu[i].state->cpu == (uint32_t)here)
			return cpus.cpu[i].state;
	fail_msg("CPU %d has no state", here);
	return NULL;
}

static inline struct ofx_cache_cpu account(void)
{
	return state_here()->cache;
}

static inline uint64_t hits(const struct ofx_cache_cpu *c)
{
	return c->hits + (c->mode == OFX_CACHE_OFF ? 0 : c->window - c->left - c->window_misses) - c->too_wide;
}

static inline uint64_t bypassed(const struct ofx_cache_cpu *c)
{
	return c->bypassed + (c->mode == OFX_CACHE_OFF ? c->window - c->left : 0);
}

static inline uint64_t misses(const struct ofx_cache_cpu *c)
{
	return c->misses + c->window_misses;
}

/* From port 1, so many times without a wire; what has become of it. */
static inline struct frame receive_here(const struct frame *f, uint32_t times)
{
	struct xdp_md from = {.data_end = f->len, .ingress_ifindex = if_nametoindex("p1")};
	struct frame out = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->b, .data_size_in = f->len, .data_out = out.b,
		    .data_size_out = sizeof(out.b), .ctx_in = &from, .ctx_size_in = sizeof(from), .repeat = times);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.ofx_port), &opts), 0);
	out.len = opts.data_size_out;
	return out;
}

/* One more of its kind since `before`, which becomes now. */
enum fate { MISSES, HITS, IS_TOO_WIDE };
static inline void expect_fate(struct ofx_cache_cpu *before, enum fate fate)
{
	struct ofx_cache_cpu now = account();

	assert_int_equal(misses(&now) - misses(before), fate == MISSES);
	assert_int_equal(hits(&now) - hits(before), fate == HITS);
	assert_int_equal(now.too_wide - before->too_wide, fate == IS_TOO_WIDE);
	*before = now;
}

static inline int fresh_cache(void **state)
{
	struct ofx_state *s = state_here();

	fresh(state);
	memset(s, 0, sizeof(*s));
	s->cpu = here;
	look_at_all();
	return 0;
}

/* Nothing looks at what short keys have no room for. */
static inline int fresh_l3(void **state)
{
	struct ofx_key most;

	fresh_cache(state);
	memset(&most, 0xff, sizeof(most));
	memset(most.eth_dst, 0, sizeof(most.eth_dst));
	memset(most.eth_src, 0, sizeof(most.eth_src));
	most.tcp_flags = 0;
	look_at(&most);
	assert_int_equal(live()->short_keys, OFX_KEYS_L3);
	return 0;
}

static inline int fresh_l2(void **state)
{
	struct ofx_key most;

	fresh_cache(state);
	memset(&most, 0xff, sizeof(most));
	most.w[OFX_W_L4] = most.w[OFX_W_ADDR] = 0;
	most.tcp_flags = 0;
	look_at(&most);
	assert_int_equal(live()->short_keys, OFX_KEYS_L2);
	return 0;
}

static inline int setup_cache(void **state)
{
	cpu_set_t one;

	assert_int_equal(sched_getaffinity(0, sizeof(one), &one), 0);
	for (int i = 0; i < CPU_SETSIZE; i++)
		here = CPU_ISSET(i, &one) ? i : here; /* the last: on CPU 0 all that is by CPU begins at 0 */
	CPU_ZERO(&one);
	CPU_SET(here, &one);
	return sched_setaffinity(0, sizeof(one), &one) || setup(state);
}

/* --- each packet twice --- */

struct counts {
	struct ofx_counter flow[FLOWS];
	struct port_totals port[N_PORTS + 1];
	uint64_t drops[OFX_N_DROPS], misses[4];
};

static inline uint64_t table_misses(uint32_t table)
{
	uint64_t cells[n_cpus], sum = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skel->maps.table_misses), &table, cells), 0);
	for (int i = 0; i < n_cpus; i++)
		sum += cells[i];
	return sum;
}

static inline void count(struct counts *c)
{
	for (uint32_t i = 0; i < FLOWS; i++)
		c->flow[i] = flow_count(i);
	for (uint32_t i = 0; i <= N_PORTS; i++)
		c->port[i] = port_count(i);
	for (uint32_t i = 0; i < OFX_N_DROPS; i++)
		c->drops[i] = drop_count(i);
	for (uint32_t i = 0; i < 4; i++)
		c->misses[i] = table_misses(i);
}

/* More than `before`, there. */
static inline void count_since(struct counts *before)
{
	struct counts now;

	count(&now);
	for (size_t i = 0; i < sizeof(now) / 8; i++)
		((uint64_t *)before)[i] = ((uint64_t *)&now)[i] - ((uint64_t *)before)[i];
}

struct wanted {
	int host;
	struct frame frame;
};

/* What came of the packet the second time. */
static struct counts came;

/* From port 1, first new to the cache, then known to it. */
static inline void twice(const struct frame *sent, enum fate second, size_t n, const struct wanted *want)
{
	struct ofx_cache_cpu c = account();
	struct counts first;

	changed();
	for (int round = 0; round < 2; round++) {
		count(&came);
		send_frame(host[1], sent);
		for (size_t i = 0; i < n; i++)
			expect(want[i].host, want[i].frame);
		expect_no_more();
		expect_fate(&c, second == HITS && !round ? MISSES : second);
		count_since(&came);
		if (!round)
			first = came;
	}
	assert_memory_equal(&first, &came, sizeof(came));
	assert_int_equal(came.port[1].rx_packets, 1);
	assert_int_equal(came.port[1].rx_bytes, sent->len);
}
#define TWICE(SENT, ...)                                                                                               \
	twice(SENT, HITS, sizeof((struct wanted[]){__VA_ARGS__}) / sizeof(struct wanted),                              \
	      (struct wanted[]){__VA_ARGS__})
#define NOTHING(SENT) twice(SENT, HITS, 0, NULL)

/* Those flows have been counted once, others not. */
static inline void expect_flows(uint32_t n, uint64_t len)
{
	for (uint32_t i = 1; i < FLOWS; i++) {
		assert_int_equal(came.flow[i].packets, i <= n);
		assert_int_equal(came.flow[i].bytes, i <= n ? len : 0);
	}
}

/* A flow by itself, as the user marks it; unmarked, the long way has to come to the same. */
static const uint32_t ways[] = {0, OFX_INST_SIMPLE};

static inline void one_table(uint32_t way, struct ops ops)
{
	flow(1, 0, OFX_NO_TABLE, way, ops, NO_OPS);
	match_all(0, 1);
}

#endif
