/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules in the kernel's hash maps: hash16, hash32, hash64, HASH by the size of a key.  The key is the tuple's
 * number and the words of a packet's key that its mask looks at (struct ofx_subtable), under the mask, zeros behind
 * them; the value is the rule, as in a line, of the highest priority.  user/datapath/table_hash.c writes,
 * bpf/table_hash.h reads.
 *
 * The kernel uses an element that was replaced or deleted for another key at once, so a reader who has found one may
 * read the rule of another key; the flow entry tells, and he looks once more.
 */
#ifndef OFXDP_TABLE_HASH_H
#define OFXDP_TABLE_HASH_H

#include <linux/types.h>
#include "table.h"

/*
 * Keys of each map at most: beyond, what the kernel spreads over buckets and elements is so far from the CPU that the
 * lines are quicker by more than a tenth (README, "Where tables live").
 */
#define OFX_HASH_ENTRIES 131072U
#define OFX_HASH_WORDS 7 /* of the widest mask that has a map: a larger key costs more than the lines do */

#define OFX_HASH_KEY(bytes)                                                                                            \
	struct ofx_hash_key##bytes {                                                                                   \
		__u32 tuple;                                                                                           \
		__u32 pad;                                                                                             \
		__u64 word[(bytes) / 8 - 1];                                                                           \
	}
OFX_HASH_KEY(16);
OFX_HASH_KEY(32);
OFX_HASH_KEY(64);

/* The same, as BTF describes it: a word as its bytes, in which addresses can be read. */
#define OFX_HASH_SHOWN(bytes)                                                                                          \
	struct ofx_hash_shown##bytes {                                                                                 \
		__u32 tuple;                                                                                           \
		__u32 pad;                                                                                             \
		__u8 word[(bytes) / 8 - 1][8];                                                                         \
	}
OFX_HASH_SHOWN(16);
OFX_HASH_SHOWN(32);
OFX_HASH_SHOWN(64);

/* The map for a mask of so many words; OFX_KIND_LINES: none. */
static inline __u8 ofx_hash_kind(__u32 n_words)
{
	return n_words <= 1		   ? OFX_KIND_HASH16
	       : n_words <= 3		   ? OFX_KIND_HASH32
	       : n_words <= OFX_HASH_WORDS ? OFX_KIND_HASH64
					   : OFX_KIND_LINES;
}

#endif
