/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counting the flows of a verdict that the cache keeps: at once while the CPU has few flows, whose cells are near it;
 * by its log (include/ofxdp/counter.h) while it has many.
 */
#ifndef BPF_FLOW_LOG_H
#define BPF_FLOW_LOG_H

#include "bpf/counter.h"
#include "bpf/maps.h"
#include "include/ofxdp/state.h"

/* Add up the CPU's log. */
__weak __noinline int flow_log_add_up(struct ofx_state *s)
{
	struct ofx_flow_log *log;
	void *cells;
	__u32 cpu;

	if (!s)
		return 0;
	cpu = s->cpu;
	cells = bpf_map_lookup_elem(&flow_counters, &cpu);
	if (!cells)
		return 0;
	log = &s->log;
	add_in_order(&log->version, 1);
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < OFX_FLOW_LOG; i++) {
		__u64 word = log->word[i];
		count_in(cells, word, word >> 32);
	}
	log->n = 0;
	add_in_order(&log->version, 1);
	return 0;
}

/* Later, together with others. */
static __always_inline void flow_log(struct ofx_state *s, __u32 id, __u32 len)
{
	struct ofx_flow_log *log = &s->log;
	__u64 n = log->n;

	if (n >= OFX_FLOW_LOG)
		return;
	log->word[n] = id | (__u64)len << 32;
	*(volatile __u64 *)&log->n = n + 1;
	if (n + 1 == OFX_FLOW_LOG)
		flow_log_add_up(s);
}

/* Flows behind the first, if there are so many. */
#define FLOWS_MORE (OFX_CACHE_FLOWS - 1)

__weak __noinline int flow_log_more(struct ofx_state *s, const struct ofx_cached_more *more, __u32 n, __u32 len)
{
	if (!s || !more)
		return 0;
	for (__u32 i = 0; i < FLOWS_MORE && i + 1 < n; i++)
		flow_log(s, more->cell[i], len);
	return 0;
}

/* The first flow of v, which has one. */
static __always_inline void count_first(struct ofx_state *s, __u64 v, __u32 len)
{
	if (s->cache.mask >= OFX_CACHE_NEAR)
		flow_log(s, ofx_cached_cell0(v), len);
	else
		count_cell(s, ofx_cached_cell0(v), len);
}

/* n > 0 flows: `first` and those in more. */
static __always_inline void count_cells(const struct ofx_state *s, __u32 first, const struct ofx_cached_more *more,
					__u32 n, __u32 len)
{
	__u32 cpu = s->cpu;
	void *cells = bpf_map_lookup_elem(&flow_counters, &cpu);

	if (!cells)
		return;
	count_in(cells, first, len);
	if (!more)
		return;
#pragma unroll
	for (__u32 i = 0; i < FLOWS_MORE; i++) {
		if (i + 1 >= n)
			return;
		count_in(cells, more->cell[i], len);
	}
}

/* more: NULL if v has no more than one flow. */
static __always_inline void count_flows(struct ofx_state *s, __u64 v, const struct ofx_cached_more *more, __u32 len)
{
	__u32 n = ofx_cached_n(v) & OFX_CACHED_N;

	if (s->cache.mask >= OFX_CACHE_NEAR) {
		if (n)
			flow_log(s, ofx_cached_cell0(v), len);
		if (more)
			flow_log_more(s, more, n, len);
		return;
	}
	if (n)
		count_cells(s, ofx_cached_cell0(v), more, n, len);
}

#endif
