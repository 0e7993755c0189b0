/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The microflow cache in front of the tables: what a packet of the same flow was found to need.
 *
 *   .data.live  struct ofx_cache_live, a global variable of BPF: the user writes, BPF reads
 *   cache       [ofx_cache_entries] of struct ofx_cached by CPU (state.h), BPF's own
 *   cache_short [ofx_cache_entries / 2] of struct ofx_cached_pair by CPU, the same
 *   state       .cache, .near, .near_short and .more of each CPU
 *
 * Plain packets (TCP or UDP in IPv4, see bpf/parse.h) have entries of half a cache line while what rules look at fits
 * two words and the port (.short_keys): addresses, protocol and transport ports, or Ethernet addresses.
 *
 * An entry is found by the key words under the bits that any installed rule looks at, compared in full.  It is as old
 * as the generation that BPF read before it walked the tables; the user raises the generation after each change of what
 * the walk reads (tables, flow entries), so every packet that is received afterwards walks anew: a barrier stays exact.
 * Groups, meters and ports stay ops in the entry and are looked at when the packet is executed.
 *
 * The user widens the masks and begins a new generation before the rules that need them are reached, and narrows them
 * only after a new generation has begun; BPF reads the generation before the masks.  So a packet that meets such a rule
 * has either its masks, or an older generation than all packets that come to the CPU behind it: two packets of one
 * generation that the same entry serves differ in nothing that a rule of it looks at.
 */
#ifndef OFXDP_CACHE_H
#define OFXDP_CACHE_H

#include <linux/types.h>
#include "action.h"
#include "key.h"

/*
 * Entries per CPU, powers of two.  A cache begins with the first number of them, which stay near the CPU (state.h); it
 * takes the other maps', if it has them, when too many flows come for those, and is off when even these are too few.
 */
#define OFX_CACHE_NEAR_BITS 13
#define OFX_CACHE_NEAR (1 << OFX_CACHE_NEAR_BITS)
#define OFX_CACHE_ALL 131072 /* the loader makes fewer where there are many CPUs, or little memory, … */
/* … so that those of all CPUs take no more at first; none at all if there are no more than the near ones. */
#define OFX_CACHE_BYTES (96ULL * 1024 * 1024)

struct ofx_cache_live {
	__u64 gen;		   /* 0: no cache */
	__u64 mask[OFX_KEY_WORDS]; /* of OFX_W_PORTS: all or nothing */
	__u64 short_keys;	   /* enum ofx_short_keys, by the masks; goes with them */
	__u64 ports_take;	   /* bytes: frames up to this length every port there is takes; 0: look at the port */
};

/* Words of a plain packet that are looked at. */
enum ofx_short_keys {
	OFX_KEYS_LONG = 0, /* others, too */
	OFX_KEYS_L3,	   /* 5 and 6 at most */
	OFX_KEYS_L2,	   /* 3 and 4 at most */
};

/* What an entry's packets come to. */
enum ofx_cached_kind {
	OFX_CACHED_OUTPUT = 1, /* count flows, set fields, one output */
	OFX_CACHED_IN_PORT,    /* the same to the packet's in_port */
	OFX_CACHED_NONE,       /* count flows; nothing sends it (OFX_DROP_NO_OUTPUT) */
	OFX_CACHED_MISS,       /* count flows and a table miss */
	OFX_CACHED_OPS,	       /* ops[], to be executed as any verdict */
};

#define OFX_CACHE_WORDS 6 /* what packets without IPv6 and ARP have, see key[] */
#define OFX_CACHE_OPS 7
#define OFX_CACHE_FLOWS 6
#define OFX_CACHE_MORE_WORDS 23
#define OFX_CACHE_SETS 3 /* words that set-fields write, beside the Ethernet addresses */

struct ofx_cached_verdict {
	union {
		__u64 word; /* never 0 */
		struct {
			__u8 kind;   /* enum ofx_cached_kind */
			__u8 n;	     /* flows, or ops; OFX_CACHED_SETS */
			__u16 port;  /* index, of OUTPUT; table of MISS */
			__u32 cell0; /* a flow id: in flow_counters, of this CPU */
		};
	};
};

/* Parts of .word.  In one register: as a struct, the compiler takes it apart and puts it together time and again. */
static inline __attribute__((always_inline)) __u32 ofx_cached_kind(__u64 word)
{
	return word & 0xff;
}

static inline __attribute__((always_inline)) __u32 ofx_cached_n(__u64 word)
{
	return word >> 8 & 0xff;
}

/* Is it one flow and one output, nothing else? */
static inline __attribute__((always_inline)) int ofx_cached_forwards(__u64 word)
{
	return (word & 0xffff) == (OFX_CACHED_OUTPUT | 1 << 8);
}

static inline __attribute__((always_inline)) __u32 ofx_cached_port(__u64 word)
{
	return word >> 16 & 0xffff;
}

static inline __attribute__((always_inline)) __u32 ofx_cached_cell0(__u64 word)
{
	return word >> 32;
}

/* The common flow (one table, an output) is found and done within this cache line. */
struct ofx_cached {
	__u64 gen;		    /* 0: none */
	__u64 key[OFX_CACHE_WORDS]; /* key words 3-6 and 10, masked; port index | shape << 32 */
	struct ofx_cached_verdict verdict;
};
_Static_assert(sizeof(struct ofx_cached) == 64, "a cache line");

/* Of a plain packet. */
struct ofx_cached_short {
	__u64 mark;   /* generation << 16 | port index; 0: none */
	__u64 key[2]; /* the two words, masked */
	struct ofx_cached_verdict verdict;
};

/* Two that one look finds. */
struct ofx_cached_pair {
	struct ofx_cached_short e[2];
};
_Static_assert(sizeof(struct ofx_cached_pair) == 64, "a cache line");

/* The rest of an entry: two flows and more, set-fields, ops.  At the entry's number modulo OFX_CACHE_NEAR. */
struct ofx_cached_more {
	__u64 owner; /* the entry's number + 1 (state.h, cache_at); another's: this one has lost it */
	union {
		struct ofx_op ops[OFX_CACHE_OPS];
		struct {
			__u32 cell[OFX_CACHE_FLOWS - 1]; /* behind cell0 */
			__u16 n_sets;
			__u16 sets_eth;
			__u64 eth_mask[2], eth_value[2]; /* dst, src: as the key's words */
			struct {
				__u64 word, value, mask;
			} set[OFX_CACHE_SETS];
		};
		__u64 words[OFX_CACHE_MORE_WORDS];
	};
};
_Static_assert(sizeof(struct ofx_cached_more) == 192, "three cache lines");

#define OFX_CACHED_SETS 0x80 /* in .n: n_sets or sets_eth is not 0 */
#define OFX_CACHED_N 0x0f

/*
 * It is off where too few packets find themselves in it: then a look costs more than it saves.  Off, it is tried again
 * after a while: filled first, then measured.  A first taste tells whether that is worth its cost.
 */
enum ofx_cache_mode { OFX_CACHE_WARM = 0, OFX_CACHE_TRY, OFX_CACHE_ON, OFX_CACHE_OFF };

#define OFX_CACHE_WINDOW 4096 /* lookups that a hit rate is measured over */
#define OFX_CACHE_TASTE (3 * OFX_CACHE_WINDOW)
#define OFX_CACHE_HOPELESS (OFX_CACHE_TASTE - OFX_CACHE_TASTE / 32) /* misses in it: nearly every flow is new */
#define OFX_CACHE_PAUSE (256 * 1024)		 /* packets without it, the first time; then twice as many … */
#define OFX_CACHE_PAUSES 6			 /* … so many times */
#define OFX_CACHE_TURN_ON (OFX_CACHE_WINDOW / 2) /* misses at most */
#define OFX_CACHE_TURN_OFF (OFX_CACHE_WINDOW * 5 / 8)

/* The counters tell what was before the current window; in it are window - left packets, window_misses of them new. */
struct ofx_cache_cpu {
	__u64 hits, misses;
	__u64 bypassed;	    /* packets while it is off */
	__u64 too_long;	    /* misses whose verdict does not fit an entry */
	__u64 too_wide;	    /* hits that were none: packets with more key words than an entry holds */
	__u32 mode;	    /* enum ofx_cache_mode */
	__u32 window, left; /* packets until the mode is looked at again */
	__u32 window_misses;
	__u32 mask;   /* entries in use - 1; 0: not begun */
	__u32 pauses; /* so far, OFX_CACHE_PAUSES at most */
	__u32 shift;  /* of a hash, to the right: the number of an entry in use */
};

#endif
