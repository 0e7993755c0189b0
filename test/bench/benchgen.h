/* SPDX-License-Identifier: GPL-2.0-only */
/* What benchgen's programs, its user side and cases.py agree on: the headers of frame number n in each mode. */
#ifndef BENCH_BENCHGEN_H
#define BENCH_BENCHGEN_H

#include <linux/types.h>

#define BG_LENGTH 64	/* bytes of a frame */
#define BG_BATCH 64	/* frames between two looks of the switch at its ring */
#define BG_CHUNK 256	/* frames between two time stamps */
#define BG_STAMPS 32768 /* of them, in a ring */

/* What varies.  f: the flow, uniform over n_flows of them, or, where that is 0, a new one for each frame. */
enum bg_mode {
	BG_FIXED, /* nothing */
	BG_L2,	  /* eth_src, eth_dst */
	BG_PIPE,  /* those, ipv4_src, ipv4_dst, the ports */
	BG_DST,	  /* ipv4_dst over half of all addresses; ipv4_src, ports */
	BG_TUPLE, /* 5-tuple of a large net */
	BG_ACL,	  /* 5-tuple as rules of a firewall would know it: few networks, popular ports */
	BG_DST6,  /* ipv6_dst over 2^18 networks of 64 bits, in 2^12 of 32; ipv6_src, port */
	BG_MODES
};

/* A bijection that leaves no pattern (murmur3's last step); cases.py has the same. */
static inline __u32 bg_mix(__u32 x)
{
	x ^= x >> 16;
	x *= 0x85ebca6b;
	x ^= x >> 13;
	x *= 0xc2b2ae35;
	return x ^ x >> 16;
}

struct bg_stamp {
	__u64 ns;
	__u64 switches; /* how often another process got the core before that */
};

#define BG_SALT_A 0x5bd1e995
#define BG_SALT_B 0x9e3779b9

#endif
