/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a CPU's programs work with: map `state`.  One record, for a lookup in a map costs a packet more than what it
 * does with the record.  BPF writes it; the user reads .cache, .log and counters, and clears counters of groups and
 * meters that nobody uses.
 *
 * Before .log it is one packet's state: everything that does not fit the stack and that stages hand on.  A packet has
 * it from its entry program to its redirect or drop; but for cpu, cont_seq and the cache's accounts nothing of that
 * survives to the next packet.
 *
 * What each CPU has for itself are ARRAY_OF_MAPS, each with an mmapable ARRAY by CPU number:
 *
 *   state                [0] this record
 *   flow_counters        [flow id] counter.h
 *   meter_band_counters  [slot] meter.h
 *   conts                [OFX_CONTS] loop.h
 *   cache, cache_short   [entries], [entries / 2] cache.h: may be absent
 *
 * A machine may have room for a hundred CPUs and has two: the user makes these for CPUs that are online, and for others
 * when they come.  Until then, and for good if no daemon lives, CPUs without them take turns at a set of their own,
 * behind the last CPU's (bpf/cpu.h).
 */
#ifndef OFXDP_STATE_H
#define OFXDP_STATE_H

#include "action.h"
#include "cache.h"
#include "counter.h"
#include "group.h"
#include "key.h"
#include "limits.h"
#include "loop.h"
#include "meter.h"
#include "table.h"

#define OFX_NO_OP 0xffffffffU

/* Offsets of headers from the frame's start, in bytes; 0 = not there.  Written by parse, kept right by push and pop. */
struct ofx_offsets {
	__u16 l3;    /* IPv4, IPv6 or ARP header; the Ethernet type stands 2 bytes before it */
	__u16 l4;    /* TCP, UDP, SCTP, ICMP header; only if whole (OFX_SHAPE_L4) */
	__u16 nd_ll; /* the link-layer address (6 bytes) in the ND option that the key shows */
	__u16 vlans; /* tags at offset 12, counted up to OFX_VLANS (bpf/parse.h) */
	__u16 mpls;  /* the outermost label stack entry */
	__u16 pbb;   /* the outermost I-TAG, with at least the addresses and the type that follow */
	__u16 proto; /* the byte that names the transport protocol, in the IPv4 or the last IPv6 (extension) header */
};

/* What a packet is looked up in the cache by (bpf/cache.h). */
struct cache_look {
	__u64 gen;		    /* the generation when the packet came; 0: not to be looked up */
	__u64 key[OFX_CACHE_WORDS]; /* of a short one, behind two words the mark */
};

/* One of the tuples that are looked at together (bpf/table.h). */
struct ofx_peek {
	__u64 hits; /* rules with the packet's tag in its line, … */
	__u32 line;
	__u32 more; /* … and the line behind it */
};

struct ofx_state {
	struct ofx_cache_cpu cache;
	struct cache_look look; /* what the packet was looked up by … */
	__u64 found;		/* its verdict there, of a packet that had to be parsed; 0: none */
	__u32 cache_at; /* … and where its verdict is, or is to be kept; CACHE_NONE; CACHE_SHORT and line * 2 + half */
	__u32 cpu;	/* where in the maps by CPU all this is; the user's */
	struct ofx_key key; /* parse and resolve */
	struct ofx_offsets off;
	/* set-fields not yet written to the frame: (frame & ~set_mask) | set_value, for words with their bit in dirty
	 */
	__u32 dirty;
	__u32 n_ops;
	__u64 set_value[OFX_KEY_WORDS];
	__u64 set_mask[OFX_KEY_WORDS];
	__u64 metadata, tunnel_id; /* pipeline fields as execute sees them; big endian as in the key */
	__u32 in_port;		   /* OpenFlow port number */
	__u32 in_index;		   /* ofx_port_index(in_port) */
	__u32 len;		   /* frame length as received: what flow counters add */
	__u32 budget;		   /* frames that may still come of it: at least 1 */
	__u32 flow;		   /* the current flow (OFX_OP_FLOW), for packet-ins */
	__u16 gen;
	__u8 table;
	__u8 next_table; /* where resolve starts */
	__u16 punt_flags;
	__u16 outputs;	 /* outputs done or dropped with a reason: at the end, 0 means OFX_DROP_NO_OUTPUT */
	__u32 at;	 /* the op that execute is at */
	__u32 last;	 /* the last op that needs the frame (op_needs_frame()); OFX_NO_OP: none */
	__u32 config;	 /* OFX_CONFIG_*, as read when the packet came */
	__u32 queue;	 /* outputs leave by it (OFX_OP_SET_QUEUE); 0: none */
	__u32 cont_seq;	 /* continuations this CPU has written; outlives the packet */
	__u32 best_slot; /* table lookup: the best candidate so far; priority -1: none */
	__s32 best_priority;
	__u64 geometry; /* struct ofx_rule_geometry of this lookup */
	struct ofx_peek peek[OFX_LIST_GROUP];
	struct ofx_stamp stamp; /* of the continuation being written or restored */
	__u32 live_depth; /* group liveness (bpf/liveness.h): groups being looked at, buckets yet to be seen in each */
	struct {
		__u32 bucket, left;
	} live[OFX_WATCH_DEPTH];
	struct ofx_cached_verdict made; /* in the making (bpf/simple.h) */
	struct ofx_cached_more made_more;
	__u32 key_changed; /* by set-fields or other changes: it may not be the key of the packet as it is */
	struct ofx_action_set set;
	struct ofx_op ops[OFX_VERDICT_OPS];

	/* The CPU's.  At the end, for what is farther than 32 kB from the record's start costs an instruction more. */
	struct ofx_flow_log log __attribute__((aligned(64)));
	struct ofx_port_cells port[OFX_PORTS]; /* by port index */
	struct ofx_cached near[OFX_CACHE_NEAR];
	struct ofx_cached_pair near_short[OFX_CACHE_NEAR / 2];
	struct ofx_cached_more more[OFX_CACHE_NEAR];
	struct ofx_counter group[OFX_GROUP_CELLS];   /* group.h */
	struct ofx_counter meter[OFX_METER_INDEXES]; /* what came to a meter; goes on over a modify */
};
_Static_assert(sizeof(struct ofx_state) % 64 == 0, "cache lines");
_Static_assert(sizeof(struct ofx_state) <= 4 << 20, "as large as a value may be");

#endif
