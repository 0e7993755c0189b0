/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Meters (§5.7; include/ofxdp/meter.h).  Every band's bucket is charged on its own; of the bands that a packet exceeds,
 * the one with the highest rate is applied.  Bytes are those of the frame as received, as in all counters.
 */
#ifndef BPF_METER_H
#define BPF_METER_H

#include "bpf/counter.h"
#include "bpf/set_field.h"
#include "include/ofxdp/meter.h"

/* What meter_charge() tells: the packet passes, is to be dropped, or OFX_METER_REMARK + levels. */
#define OFX_METER_PASS 0
#define OFX_METER_DROP 1
#define OFX_METER_REMARK 0x100

#define OFX_METER_STALL (4000000000ULL << OFX_METER_TIME_SHIFT) /* more than a CPU may stop for, in a packet */
#define OFX_METER_TRIES 4					/* to swap tat, while other CPUs do so too */

/* Is the bucket empty?  If it is not, the packet is taken out of it. */
static __always_inline int band_exceeded(struct ofx_band *b, __u64 now, __u64 amount)
{
	__u64 cost = amount * b->cost >> OFX_METER_COST_SHIFT, depth = b->depth;

	for (int i = 0; i < OFX_METER_TRIES; i++) {
		__u64 tat = *(volatile __u64 *)&b->tat, from = tat;
		__s64 ahead = tat - now;

		/*
		 * Full; or not used for so long that the clock has come round: no packet takes tat so far ahead.  Other
		 * CPUs may, while this one is kept from its work since it read the clock.
		 */
		if (ahead < 0 || (__u64)ahead > depth + b->cost + OFX_METER_STALL) {
			from = now;
			ahead = 0;
		}
		if ((__u64)ahead >= depth)
			return 1;
		if (__sync_val_compare_and_swap(&b->tat, tat, from + cost) == tat)
			return 0;
	}
	__sync_fetch_and_add(&b->tat, cost); /* crowded, so tat is near now: no update must get lost */
	return 0;
}

static __always_inline void meter_count(struct ofx_state *s, __u32 index)
{
	asm volatile("" : "+r"(index)); /* compared and used from one register */
	if (index < OFX_METER_INDEXES)
		counter_add(&s->meter[index], s->len);
}

static __always_inline void meter_count_band(const struct ofx_state *s, __u32 slot, __u32 band)
{
	struct ofx_band_counters *c = element_at(&meter_band_counters, s->cpu, slot);

	if (c && band < OFX_BANDS)
		counter_add(&c->band[band], s->len);
}

/* The exceeded band of the highest rate, or -1. */
static __always_inline int meter_band(struct ofx_meter *m, __u32 len)
{
	__u64 amount = m->flags & OFX_METER_BYTES ? len : 1;
	__u64 now = bpf_ktime_get_ns() << OFX_METER_TIME_SHIFT;
	__u32 best_rate = 0;
	int best = -1;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < OFX_BANDS; i++) {
		struct ofx_band *b = &m->bands[i];

		if (i >= *(volatile __u32 *)&m->n_bands)
			break;
		if (band_exceeded(b, now, amount) && b->rate > best_rate) {
			best_rate = b->rate;
			best = i;
		}
	}
	return best;
}

/* The packet comes to a meter: OFX_METER_*. */
__weak __noinline int meter_charge(struct ofx_state *s, __u32 index)
{
	volatile __u64 *word = bpf_map_lookup_elem(&meters, &index);
	const struct ofx_band *b;
	struct ofx_meter *m;
	__u32 slot;
	int band;

	if (!s || !word)
		return OFX_METER_PASS;
	slot = *word;
	if (!slot)
		return OFX_METER_PASS;
	m = bpf_map_lookup_elem(&meter_slots, &slot);
	if (!m)
		return OFX_METER_PASS;
	meter_count(s, index);
	band = meter_band(m, s->len);
	if (band < 0 || band >= OFX_BANDS)
		return OFX_METER_PASS;
	meter_count_band(s, slot, band);
	b = &m->bands[band];
	return b->type == OFX_BAND_DROP ? OFX_METER_DROP : OFX_METER_REMARK + b->prec_level;
}

/* --- DSCP remark --- */

/* AFxy (RFC 2597): class x 1-4 in the upper three bits, drop precedence y 1-3 in the next two, then 0. */
static __always_inline __u8 dscp_raise(__u8 dscp, __u32 levels)
{
	__u32 class = dscp >> 3, y = dscp >> 1 & 3;

	if (dscp & 1 || !y || class < 1 || class > 4)
		return dscp;
	y += levels;
	return class << 3 | (y > 3 ? 3 : y) << 1;
}

/* The DSCP in the frame, or -1: no IP packet. */
static __always_inline int dscp_read(ofx_ctx *ctx, const struct ofx_state *s)
{
	const pkt16 *ip = pkt_at(ctx, s->off.l3, 2);

	if (!ip)
		return -1;
	if (s->key.shape & OFX_SHAPE_IPV4)
		return bpf_ntohs(*ip) >> 2 & 0x3f;
	return s->key.shape & OFX_SHAPE_IPV6 ? bpf_ntohs(*ip) >> 6 & 0x3f : -1;
}

/* The new DSCP joins the pending set-fields, which are none: those before have been written. */
static __always_inline int meter_remark(ofx_ctx *ctx, struct ofx_state *s, __u32 levels)
{
	struct ofx_key *value = (void *)s->set_value, *mask = (void *)s->set_mask;
	int dscp;

	if (s->dirty && commit_sets(ctx, s))
		return -1;
	dscp = dscp_read(ctx, s);
	if (dscp < 0 || dscp_raise(dscp, levels) == dscp)
		return 0;
	s->set_value[OFX_W_L4] = 0;
	s->set_mask[OFX_W_L4] = 0;
	value->ip_dscp = dscp_raise(dscp, levels);
	mask->ip_dscp = 0x3f;
	s->dirty |= 1u << OFX_W_L4;
	return 0;
}

/* Apply the meter: 0: the packet goes on; else 1 + the reason for which it ends, not counted yet. */
__weak __noinline int meter(ofx_ctx *ctx, struct ofx_state *s, __u32 index)
{
	int act;

	if (!s)
		return 1 + OFX_DROP_INTERNAL;
	act = meter_charge(s, index);
	if (act == OFX_METER_PASS)
		return 0;
	if (act == OFX_METER_DROP)
		return 1 + OFX_DROP_METER;
	return meter_remark(ctx, s, act - OFX_METER_REMARK) ? 1 + OFX_DROP_ACTION_FAILED : 0;
}

#endif
