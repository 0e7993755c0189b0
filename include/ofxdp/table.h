/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flow tables in BPF maps.  user/datapath/table.c writes all of it, bpf/table.h reads.
 *
 *   table_roots[table]  u64 ─► lists[slot] ─► entries by falling highest priority
 *                                              ├ subtable: subtables[id] (a mask) + one hash map per key-size class
 *                                              └ trie: LPM_TRIE, IPv4 or IPv6
 *   hash or trie value  u64 ─► flows[slot] (a compiled flow entry) ─► op_pool[first…] for the ops past OFX_INLINE_OPS
 *
 * flows and op_pool grow with use: each is an ARRAY_OF_MAPS of chunks, ARRAYs of N elements (OFX_FLOW_CHUNK,
 * OFX_OP_CHUNK); element i is element i % N of chunk i / N.  A chunk that is there stays.  All these arrays are
 * mmapable: user writes them by plain stores.
 *
 * Publication: everything a pointer leads to is complete before the word that points there is written (a root, a hash
 * value, a trie value: one aligned 8-byte word, read once).  Nothing that was reachable (list, subtable, flow slot,
 * ops) is written again before an RCU grace period has passed since it was unreachable.
 */
#ifndef OFXDP_TABLE_H
#define OFXDP_TABLE_H

#include <linux/types.h>
#include "action.h"
#include "limits.h"

/* table_roots, ARRAY[OFX_TABLES] of u64: the slot in `lists`, 0 = empty table (slot 0 is never used). */

enum ofx_entry_kind {
	OFX_ENTRY_SUBTABLE = 0,
	OFX_ENTRY_LPM4_SRC,
	OFX_ENTRY_LPM4_DST,
	OFX_ENTRY_LPM6_SRC,
	OFX_ENTRY_LPM6_DST,
};

struct ofx_list_entry {
	__u32 subtable;	    /* number in `subtables`; unused for a trie */
	__u16 max_priority; /* of the rules reachable through this entry, or higher */
	__u8 kind;	    /* enum ofx_entry_kind */
	__u8 pad;
};

struct ofx_list {
	__u32 n;
	__u32 pad;
	struct ofx_list_entry entries[OFX_LIST_ENTRIES];
};

/* A mask: which words of the key, under which bits. */
struct ofx_subtable {
	__u8 n_words;	/* 0-15 */
	__u8 key_class; /* enum ofx_key_class: the smallest with n_words <= its words */
	__u8 word[14 + 1];
	__u8 pad[7];
	__u64 mask[15]; /* 0 behind n_words, word too: BPF fills up the class by them */
};

/* Key-size classes: hash maps tbl8, tbl16, tbl32, tbl64, tbl128. */
enum ofx_key_class {
	OFX_CLASS_8 = 0,  /* 0 words: match all */
	OFX_CLASS_16 = 1, /* 1 word */
	OFX_CLASS_32 = 2, /* 2-3 words */
	OFX_CLASS_64 = 3, /* 4-7 words */
	OFX_CLASS_128 = 4 /* 8-15 words */
};
#define OFX_CLASSES 5

/* Hash key: the subtable, then n_words masked key words, then zeros up to the class's size (8 << class bytes). */
struct ofx_table_key {
	__u32 subtable;
	__u32 pad;
	__u64 w[15];
};
_Static_assert(sizeof(struct ofx_table_key) == 128, "the widest legal match (ND with every field) fits class 128");

/* Trie keys.  prefixlen counts the tag's 32 bits. */
struct ofx_lpm4_key {
	__u32 prefixlen;
	__u8 tag[4]; /* 0, 0, enum ofx_entry_kind, table */
	__u8 addr[4];
};
struct ofx_lpm6_key {
	__u32 prefixlen;
	__u8 tag[4];
	__u8 addr[16];
};

/*
 * Value of hash and trie: one u64, read and written as such.  The kernel may recycle the element of a hash map as soon
 * as it is deleted or replaced, even between a reader's lookup and its read of the value, which then is another rule's:
 * the tag of the key it was written for tells.  (A trie frees its nodes after a grace period: tag 0.)
 */
struct ofx_rule_ref {
	union {
		__u64 word;
		struct {
			__u32 slot; /* in `flows` */
			__u16 priority;
			__u16 tag; /* ofx_key_tag() of the key */
		};
	};
};

/* 16 bits that differ with the key; n: words, those behind are zero.  Independent products: they run in parallel. */
static inline __u16 ofx_key_tag(const struct ofx_table_key *k, const int n)
{
	const __u64 odd = 0x9e3779b97f4a7c15ULL;
	__u64 sum = k->subtable * odd;

#pragma GCC unroll 15
	for (int i = 0; i < n; i++)
		sum += k->w[i] * (odd * (2 * i + 3));
	return sum >> 48;
}

#define OFX_NO_TABLE 255

/* struct ofx_flow.flags */
#define OFX_FLOW_CLEAR 1   /* clear-actions: empties the action set before this flow's write-actions */
#define OFX_FLOW_REPARSE 2 /* headers move, or a meter may remark: a goto parses the packet again (OFX_OP_RESUME) */
#define OFX_FLOW_SETS 4	   /* its apply-actions hold OFX_OP_SET: the key changes for later tables */
#define OFX_FLOW_SIMPLE                                                                                                \
	8 /* at most OFX_SIMPLE_OPS: apply-actions SET, OUTPUT, IN_PORT; write-actions none, or an output at the end   \
	   */

/*
 * A compiled flow entry, an element of `flows`.  Ops: n_apply apply-actions (write-metadata is the last of
 * them, an OFX_OP_SET of word 0), then n_write write-actions; op i is ops[i] for i < OFX_INLINE_OPS, else
 * op_pool[first + i - OFX_INLINE_OPS].
 */
struct ofx_flow {
	__u32 id;  /* the flow entry's identity: index of its counters; stays over a modify */
	__u16 gen; /* generation of id, to tell a reused one in late packet-ins */
	__u8 table;
	__u8 next_table; /* goto, or OFX_NO_TABLE */
	__u16 n_apply;
	__u16 n_write;
	__u32 first;
	__u32 flags;
	__u32 pad;
	struct ofx_op ops[OFX_INLINE_OPS];
	__u64 spare;
};
_Static_assert(sizeof(struct ofx_flow) == 128, "two cache lines");

#endif
