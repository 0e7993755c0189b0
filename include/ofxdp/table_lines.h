/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules in cache lines of our own: all of all tables, by a hash of the key under their tuple's mask.
 * user/datapath/table_lines.c writes, bpf/table_lines.h reads.
 */
#ifndef OFXDP_TABLE_LINES_H
#define OFXDP_TABLE_LINES_H

#include <linux/types.h>
#include "hash.h"
#include "key.h"
#include "table.h"

/*
 * rule_lines, ARRAY of chunks of cache lines: line i is line i % N of chunk i / N, as if it were one array.  Byte 2 + i
 * of `tags` is rule i's tag, 0: there is none; the other bytes are 0.  Byte 2 + i of `checks` is its check; none is 0
 * while there are rules.  Rules stand in no order.  `more` is the number of a further line for what did not fit, 0:
 * none (line 0 is never one); at most OFX_MORE_LINES of them follow one another.
 *
 * A reader takes `tags` and `checks` once, then the rules of those that are his.  So a rule's word and check are
 * written before its tag and stay where they are; what comes to its place when it is gone is a rule of another hash at
 * worst, which the reader compares with the packet as any other.
 */
#define OFX_LINE_RULES 5
#define OFX_LINE_FIRST 2 /* the first rule's word, and byte of the others' */
#define OFX_MORE_LINES 16

struct ofx_rule_line {
	union {
		struct {
			__u64 tags;
			__u64 checks;
			__u64 rule[OFX_LINE_RULES]; /* struct ofx_rule_ref */
			__u64 more;
		};
		__u64 word[8];
	};
};

/* As large as a value may be: where hashes lead to one chunk only, a lookup needs no more than its address. */
#define OFX_LINE_CHUNK 65536

struct ofx_line_chunk {
	struct ofx_rule_line line[OFX_LINE_CHUNK];
};
_Static_assert(sizeof(struct ofx_line_chunk) == 4 << 20, "no kernel's limit is lower");

#define OFX_BYTES 0x0101010101010101ULL

static inline __u64 ofx_line_tag(const struct ofx_rule_line *line, int i)
{
	return line->tags >> 8 * (OFX_LINE_FIRST + i) & 0xff;
}

/* A bit for each rule whose byte is 0; seldom, above such a one, for another. */
static inline __attribute__((always_inline)) __u64 ofx_line_zeros(__u64 bytes)
{
	return (bytes - OFX_BYTES) & ~bytes & 0x0080808080800000ULL;
}

/* A bit for each rule with this tag, and seldom for others. */
static inline __attribute__((always_inline)) __u64 ofx_line_hits(__u64 tags, __u64 tag)
{
	return ofx_line_zeros(tags ^ tag * OFX_BYTES);
}

/* Where the rule of the lowest of these bits (not none) stands in the line, in bytes. */
static inline __attribute__((always_inline)) __u32 ofx_hit_offset(__u64 hits)
{
	return ((hits & -hits) >> 7) * 0x0008101820283038ULL >> 56 & 0x38;
}

/* rule_geometry, ARRAY[1] of u64: the lines that hashes lead to; read once a lookup. */
struct ofx_rule_geometry {
	union {
		__u64 word;
		struct {
			__u32 base; /* the first */
			__u32 lines;
		};
	};
};

/*
 * The hash of a key in a quick tuple: of its three words, whatever bits of them the mask has.  secret: by key word, the
 * last one of no word.
 */
static inline __attribute__((always_inline)) __u64 ofx_quick_hash(const __u64 *key, const __u64 *mask, __u32 number,
								  const volatile __u64 *secret)
{
	__u64 sum = secret[OFX_KEY_WORDS] + number;

	sum += ofx_hash_word(key[OFX_W_ETH_DST] & mask[0], secret[OFX_W_ETH_DST]);
	sum += ofx_hash_word(key[OFX_W_L4] & mask[1], secret[OFX_W_L4]);
	sum += ofx_hash_word(key[OFX_W_ADDR] & mask[2], secret[OFX_W_ADDR]);
	return ofx_hash_end(sum);
}

/* What the sums in tuples of OFX_GROUP_ADDRESS have in common, … */
static inline __attribute__((always_inline)) __u64 ofx_type_sum(const __u64 *key, const volatile __u64 *secret)
{
	return secret[OFX_KEY_WORDS] + ofx_hash_word(key[OFX_W_ETH_DST] & OFX_TYPE_MASK, secret[OFX_W_ETH_DST]) +
	       ofx_hash_word(0, secret[OFX_W_L4]);
}

/* … and the hash in one of them; secret: of OFX_W_ADDR. */
static inline __attribute__((always_inline)) __u64 ofx_address_hash(__u64 type, __u64 addr, __u64 mask, __u32 number,
								    __u64 secret)
{
	return ofx_hash_end(type + number + ofx_hash_word(addr & mask, secret));
}

/* The hash of a key in tuple `number`.  */
static inline __attribute__((always_inline)) __u64 ofx_rule_hash(const __u64 *key, const struct ofx_subtable *t,
								 __u32 number, const volatile __u64 *secret)
{
	const int n = t->n_words;
	__u64 sum = secret[OFX_KEY_WORDS] + number;

	if (t->head == OFX_QUICK_HEAD)
		return ofx_quick_hash(key, t->mask, number, secret);
#ifdef __clang__
#pragma clang loop unroll(disable)
#endif
	for (int i = 0; i < OFX_KEY_WORDS; i++) {
		if (i >= n)
			break;
		sum += ofx_hash_word(ofx_key_word(key, t, i), secret[(t->at[i] & 0x78) / 8]);
	}
	return ofx_hash_end(sum);
}

/* Never 0.  Line and tag come from different bits of the upper half. */
static inline __attribute__((always_inline)) __u64 ofx_rule_tag(__u64 hash)
{
	return (hash >> 32 & 0xff) | 1;
}

static inline __attribute__((always_inline)) __u32 ofx_rule_line_of(__u64 hash, struct ofx_rule_geometry g)
{
	return g.base + ((hash >> 32) * g.lines >> 32);
}

/* --- checks --- */

/*
 * What a rule that shares a wider tuple asks for besides, in part, so that few flow entries are looked at in vain: of
 * eight bits of OFX_W_ADDR, at a place the tuple says, the leading ones that the rule looks at, seven at most; then a
 * one, then zeros.  It is asked of all rules of a line at the same time.
 */
#define OFX_CHECK_BITS 7
#define OFX_CHECK_ANY 0x80

/* shift: of the OFX_W_ADDR word, to the right. */
static inline __attribute__((always_inline)) __u64 ofx_check_of_key(__u64 addr, __u32 shift)
{
	return addr >> (shift & 63) & 0xff;
}

/* Of checks side by side, none of them 0: the bits in which they differ from the keys.  lowest: the last bit of each.
 */
static inline __attribute__((always_inline)) __u64 ofx_check_bits(__u64 checks, __u64 keys, __u64 lowest)
{
	return (checks ^ keys) & ~(checks ^ (checks - lowest));
}

/* In each byte: 0, or the rule does not match. */
static inline __attribute__((always_inline)) __u64 ofx_checks_differ(__u64 checks, __u64 key)
{
	return ofx_check_bits(checks, key * OFX_BYTES, OFX_BYTES);
}

/*
 * Of the protocol's last bit and the last six of the destination port, in the same form: asked of a rule when all the
 * rest is right.
 */
static inline __attribute__((always_inline)) __u32 ofx_l4_check_of_key(__u64 l4)
{
	return (l4 >> 24 & 1) << 7 | (l4 >> 56 & 0x3f) << 1;
}

static inline __attribute__((always_inline)) __u32 ofx_l4_check_differs(__u32 check, __u32 key)
{
	return ofx_check_bits(check, key, 1);
}

/* As ofx_line_hits(), of those that may match. */
static inline __attribute__((always_inline)) __u64 ofx_line_candidates(__u64 tags, __u64 checks, __u64 tag, __u64 key)
{
	return ofx_line_zeros((tags ^ tag * OFX_BYTES) | ofx_checks_differ(checks, key));
}

#endif
