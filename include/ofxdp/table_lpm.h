/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules that are prefixes of one address (routes), in the kernel's tries: lpm4, lpm6.  A key is what else such a rule
 * asks for, the table and the Ethernet type, and the address; the value is the rule, as in a line, of the highest
 * priority.  user/datapath/table_lpm.c writes, bpf/table_lpm.h reads.
 *
 * A trie costs a cache miss a level, so each of the two is many: an ARRAY_OF_MAPS of OFX_LPM_TRIES, of which the
 * address's leading bytes and the table choose one.  A prefix that does not tell all of these bits is in all tries that
 * its addresses may choose.
 */
#ifndef OFXDP_TABLE_LPM_H
#define OFXDP_TABLE_LPM_H

#include <linux/types.h>
#include "table.h"

#define OFX_LPM_TRIES 256
#define OFX_LPM_ROUTES 4096 /* IPv4's at most, and IPv6's: beyond, lines are quicker by far (README) */
#define OFX_LPM_NODES 65536 /* in all tries that have them */
#define OFX_LPM_TAG_BITS 32 /* of a key, before the address */
#define OFX_LPM4_BITS 8	    /* of the address: they choose the trie */
#define OFX_LPM6_BITS 32

struct ofx_lpm4_key {
	__u32 prefixlen; /* OFX_LPM_TAG_BITS more than the address's */
	__u8 table;
	__u8 dst; /* 0: of the source, 1: of the destination */
	__u8 eth_type[2];
	__u8 addr[4];
};

struct ofx_lpm6_key {
	__u32 prefixlen;
	__u8 table;
	__u8 dst;
	__u8 eth_type[2];
	__u8 addr[16];
};

/* The trie for an address, of which so many leading bits choose; beyond the bits of a prefix they are 0. */
static inline __attribute__((always_inline)) __u32 ofx_lpm_trie(__u8 table, const __u8 *addr, __u32 bits)
{
	__u8 trie = table;

	for (__u32 i = 0; i < bits / 8; i++)
		trie ^= addr[i];
	return trie;
}

/* So many tries have a prefix of this length: the first is ofx_lpm_trie()'s, the others differ in their lower bits. */
static inline __u32 ofx_lpm_copies(__u32 length, __u32 bits)
{
	const __u32 open = length < bits ? bits - length : 0;

	return open < 8 ? 1U << open : OFX_LPM_TRIES;
}

#endif
