/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counting.  Every cell belongs to one CPU (PERCPU maps, or maps by CPU), XDP runs with bottom halves off, so plain
 * additions are exact.  A flow counts when its OFX_OP_FLOW is executed, not when it is found: what ends a
 * packet early (a TTL that runs out) then leaves the later flows uncounted, as if the tables had been walked one by
 * one.
 */
#ifndef BPF_COUNTER_H
#define BPF_COUNTER_H

#include "bpf/cpu.h"
#include "bpf/ctx.h"
#include "bpf/maps.h"
#include "include/ofxdp/packet_in.h"

static __always_inline void count_drops(__u32 reason, __u64 n)
{
	__u64 *cell = bpf_map_lookup_elem(&drops, &reason);

	if (cell)
		*cell += n;
}

static __always_inline void count_drop(__u32 reason)
{
	count_drops(reason, 1);
}

/* Of a group, a bucket, a meter or a band. */
static __always_inline void counter_add(struct ofx_counter *c, __u32 len)
{
	c->packets += 1;
	c->bytes += len;
}

/* An addition that no other access to memory passes: with its result it is a barrier. */
static __always_inline void add_in_order(__u64 *to, __u64 n)
{
	__u64 before = __sync_fetch_and_add(to, n);

	asm volatile("" : : "r"(before) : "memory");
}

/* Of a flow entry or a port. */
static __always_inline void cell_add(struct ofx_cell *c, __u32 len)
{
	__u64 low = c->low + (OFX_CELL_PACKET | len);

	c->low = low;
	if (__builtin_expect(!(low & OFX_CELL_CARRY), 1))
		return;
	add_in_order(&c->high, ofx_cell_carried(low));
	*(volatile __u64 *)&c->low = ofx_cell_stays(low);
}

/* cells: this CPU's of flow entries. */
static __always_inline void count_in(void *cells, __u32 id, __u32 len)
{
	struct ofx_cell *c = bpf_map_lookup_elem(cells, &id);

	if (c)
		cell_add(c, len);
}

static __always_inline void count_cell(const struct ofx_state *s, __u32 id, __u32 len)
{
	__u32 cpu = s->cpu;
	void *cells = bpf_map_lookup_elem(&flow_counters, &cpu);

	if (cells)
		count_in(cells, id, len);
}

/* The packet, or this copy of it, ends here: every drop goes through this function. */
static __always_inline int drop(__u32 reason)
{
	count_drop(reason);
	return OFX_ACT_DROP;
}

/* OFX_OP_FLOW: the flow becomes the current one, which later packet-ins name. */
static __always_inline void count_flow(struct ofx_state *s, const struct ofx_op *op)
{
	s->flow = op->arg;
	s->gen = op->b;
	s->table = op->a;
	s->punt_flags &= ~OFX_PUNT_NO_FLOW;
	count_cell(s, op->arg, s->len);
}

/* A group or a bucket, by its cell (include/ofxdp/group.h). */
static __always_inline void count_group(struct ofx_state *s, __u32 cell)
{
	asm volatile("" : "+r"(cell)); /* compared and used from one register */
	if (cell < OFX_GROUP_CELLS)
		counter_add(&s->group[cell], s->len);
}

static __always_inline void count_miss(__u32 table)
{
	__u64 *n = bpf_map_lookup_elem(&table_misses, &table);

	if (n)
		*n += 1;
}

static __always_inline struct ofx_port_cells *port_cells(struct ofx_state *s, __u32 index)
{
	return &s->port[index % OFX_PORTS];
}

static __always_inline void count_rx(struct ofx_state *s, __u32 index, __u32 len)
{
	cell_add(&port_cells(s, index)->rx, len);
}

/* Counted when the frame is handed to the kernel; what the port then does not take is tx_dropped (trace.h). */
static __always_inline void count_tx(struct ofx_state *s, __u32 index, __u32 len)
{
	cell_add(&port_cells(s, index)->tx, len);
}

#endif
