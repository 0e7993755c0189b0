/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a key's words come to a hash, in kernel and user alike.
 *
 * Keys come in grids: addresses and ports that differ in their last bytes only, which stand at a word's top.  There a
 * multiplication alone keeps what differs, and grids of thousands share some hundred hashes.  So words are mixed before
 * they are added up.
 *
 * ofx_hash_word() is for what has to be good whatever keys somebody chooses: NH of UMAC (RFC 4418 §5.2), but for an
 * exclusive or in place of its additions.  Two keys that differ share a sum once in 2^32 secrets.  A sum is used after
 * ofx_hash_end(): of its bits the upper ones are not even.
 *
 * ofx_hash_fold() is for the flow cache, where a word costs every packet: who crafts flows so that they displace each
 * other slows down no other's.
 */
#ifndef OFXDP_HASH_H
#define OFXDP_HASH_H

#include <linux/types.h>

/* A word of a key; secret: the word's own, random. */
static inline __attribute__((always_inline)) __u64 ofx_hash_word(__u64 word, __u64 secret)
{
	const __u64 mixed = word ^ secret;

	return (mixed & 0xffffffff) * (mixed >> 32);
}

/* A sum of words becomes a hash, of which all bits are good. */
static inline __attribute__((always_inline)) __u64 ofx_hash_end(__u64 sum)
{
	return (sum ^ sum >> 32) * 0xd6e8feb86659fd93ULL;
}

/* A word whose top byte often is all that differs, to be multiplied by an odd secret: the upper bits of a sum of such
 * products are good. */
static inline __attribute__((always_inline)) __u64 ofx_hash_fold(__u64 word)
{
	return word ^ word >> 37;
}

#endif
