/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Meters (§5.7).  Written by user/datapath/meter.c, run by bpf/meter.h.
 *
 *   OFX_OP_METER arg ─► meters[index] ─► meter_slots[slot]: configuration, and each band's bucket
 *   state.meter[index]          by CPU: what came to the meter; goes on over a modify
 *   meter_band_counters[slot]   by CPU: what a band was applied to; begins anew with a modify (§6.8)
 *
 * Publication: a slot's configuration never changes once meters[] names it.  A modify fills another slot, whose buckets
 * are full, and writes the one word; slots and indexes are used again only after a grace period, with counters of 0.
 *
 * A band's bucket is a theoretical arrival time (GCRA, virtual scheduling): `tat` is when the bucket would be full
 * again.  A packet exceeds the band's rate if `tat` is `depth` or more ahead of now; one that does not moves `tat` by
 * its cost.  So a full bucket lets `depth` pass at once and a packet larger than what is left passes on credit; the
 * rate over any longer time is exact.  Time: units of 2^-8 ns; differences are signed, so that it may wrap.
 */
#ifndef OFXDP_METER_H
#define OFXDP_METER_H

#include <linux/types.h>
#include "counter.h"

#define OFX_METERS 4096	       /* that a controller may have at a time, beside the virtual ones */
#define OFX_METER_CONTROLLER 0 /* index of OFPM_CONTROLLER */
#define OFX_METER_SLOWPATH 1   /* index of OFPM_SLOWPATH */
#define OFX_METER_FIRST 2      /* indexes of others: OFX_METER_FIRST … OFX_METER_INDEXES - 1 */
#define OFX_METER_SPARE 1024   /* indexes and slots that wait for a grace period while others are taken */
#define OFX_METER_INDEXES (OFX_METER_FIRST + OFX_METERS + OFX_METER_SPARE)
#define OFX_METER_SLOTS (1 + OFX_METER_FIRST + OFX_METERS + OFX_METER_SPARE) /* slot 0 is never used */
#define OFX_BANDS 8							     /* of one meter */

#define OFX_METER_TIME_SHIFT 8		 /* units of time: 2^-8 ns */
#define OFX_METER_COST_SHIFT 16		 /* ofx_band.cost has so many fractional bits more */
#define OFX_METER_DEPTH_MAX (1ULL << 61) /* time units: 104 days */

enum ofx_band_type {
	OFX_BAND_DROP = 1, /* as OFPMBT_* */
	OFX_BAND_DSCP_REMARK,
};

struct ofx_band {
	__u64 tat;	 /* BPF writes it, with compare-and-swap */
	__u64 cost;	 /* of a packet, or, OFX_METER_BYTES, a byte: time units << OFX_METER_COST_SHIFT; below 2^54 */
	__u64 depth;	 /* time units, 1 to OFX_METER_DEPTH_MAX */
	__u32 rate;	 /* to choose among exceeded bands: packets/s or kb/s, as the controller said */
	__u8 type;	 /* enum ofx_band_type */
	__u8 prec_level; /* DSCP_REMARK: drop precedence levels to add */
	__u8 pad[2];
};

#define OFX_METER_BYTES 1 /* ofx_meter.flags: rates are in kb/s, a packet costs by its length */

struct ofx_meter {
	__u32 n_bands;
	__u32 flags; /* OFX_METER_* */
	__u32 id;    /* OpenFlow's number, for who looks at the maps */
	__u32 pad;
	struct ofx_band bands[OFX_BANDS];
};

/* meters, ARRAY[OFX_METER_INDEXES] of u64: the slot in `meter_slots`, 0 = no such meter: packets pass. */

struct ofx_band_counters {
	struct ofx_counter band[OFX_BANDS];
};

#endif
