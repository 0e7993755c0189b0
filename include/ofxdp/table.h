/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flow tables in BPF maps.  user/datapath/table.c writes all of it, bpf/table.h reads.
 *
 *   table_roots[table]  u64 ─► lists[slot] ─► tuples by falling highest priority: subtables[number] (a mask)
 *   rule_lines: the rules of all tuples, by hash  u64 ─► flows[slot] (a compiled flow entry) ─► insts[inst] (its
 *   compiled instructions) ─► op_pool[first…]
 *
 * The rules of all tables lie in one hash, lines of five each: a rule's line comes from the key's words under
 * its tuple's mask.  The tuple's mask may be wider than the rule's own (several masks share one tuple, so that fewer
 * must be tried): a rule that is met is a candidate only, and what is matched is its flow entry's own mask and words.
 *
 * flows, insts and op_pool grow with use: each is an ARRAY_OF_MAPS of chunks, ARRAYs of N elements (OFX_FLOW_CHUNK,
 * OFX_INST_CHUNK, OFX_OP_CHUNK); element i is element i % N of chunk i / N.  A chunk that is there stays.  All these
 * arrays are mmapable: user writes them by plain stores.
 *
 * Publication: everything a pointer leads to is complete before the word that points there is written (a root, a rule,
 * a flow entry's inst: one aligned word, read once).  Nothing that was reachable (list, subtable, flow slot, inst, ops)
 * is written again before an RCU grace period has passed since it was unreachable.
 */
#ifndef OFXDP_TABLE_H
#define OFXDP_TABLE_H

#include <linux/types.h>
#include "action.h"
#include "key.h"
#include "limits.h"

/* table_roots, ARRAY[OFX_TABLES] of u64: the slot in `lists`, 0 = empty table (slot 0 is never used). */

#define OFX_QUICK_WORDS 3
#define OFX_RULE_SECRETS (OFX_KEY_WORDS + 1) /* random words of a switch that hashes are made with */

/*
 * A tuple in a table's list.  A quick one, like almost all for IPv4 and ARP, looks at no other key words than
 * OFX_W_ETH_DST (with the Ethernet type), OFX_W_L4 and OFX_W_ADDR: a lookup needs no more than is here.
 */
struct ofx_list_entry {
	__u16 subtable;	    /* number in `subtables`; 0: of prefixes (table_lpm.h) */
	__u16 max_priority; /* of the rules reachable through this entry, or higher */
	__u8 quick;
	__u8 shift; /* of what a quick one checks (ofx_check_of_key()); of prefixes, which (enum ofx_kind) */
	__u8 group; /* enum ofx_list_group: of this and the next three, if they begin at a multiple of four */
	__u8 kind;  /* enum ofx_kind: where the rules are looked up; it changes in place, and `group` to NONE with it */
	__u64 mask[OFX_QUICK_WORDS]; /* of a quick one */
};

/*
 * Where the rules of an entry are looked up.  All are in the lines; those of a mask that shares its tuple with no other
 * may be in one of the kernel's hash maps besides (table_hash.h), and those that are prefixes of one address in its
 * tries (table_lpm.h), complete before the entry says so.
 */
enum ofx_kind {
	OFX_KIND_LINES = 0, /* rule_lines */
	OFX_KIND_NONE,	    /* nowhere: another entry of the list leads to all of them, or there are none yet */
	OFX_KIND_HASH16,    /* maps of table_hash.h */
	OFX_KIND_HASH32,
	OFX_KIND_HASH64,
	OFX_KIND_LPM4_SRC, /* maps of table_lpm.h */
	OFX_KIND_LPM4_DST,
	OFX_KIND_LPM6_SRC,
	OFX_KIND_LPM6_DST,
	OFX_KINDS
};

/* What entries that are looked at together have in common. */
enum ofx_list_group {
	OFX_GROUP_NONE = 0, /* to be looked at one by one */
	OFX_GROUP_QUICK,    /* all are quick */
	OFX_GROUP_ADDRESS   /* all masks are the Ethernet type and bits of OFX_W_ADDR */
};

#define OFX_LIST_GROUP 4
#define OFX_TYPE_MASK 0xffff000000000000ULL /* the Ethernet type in OFX_W_ETH_DST */

struct ofx_list {
	__u32 n;
	__u32 pad[3];
	struct ofx_list_entry entries[OFX_LIST_ENTRIES];
};

/* A mask: which words of the key, under which bits.  A quick one has those three words, bits or none. */
struct ofx_subtable {
	union {
		struct {
			__u8 n_words; /* 0-15 */
			__u8 at[15];  /* offsets in the key in bytes, rising; 0 behind n_words */
		};
		__u64 head; /* OFX_QUICK_HEAD: quick */
	};
	__u64 mask[15]; /* 0 behind n_words */
};

#define OFX_QUICK_HEAD (OFX_QUICK_WORDS | OFX_W_ETH_DST * 8 << 8 | OFX_W_L4 * 8 << 16 | (__u64)(OFX_W_ADDR * 8) << 24)

/* A rule: one u64, read and written as such. */
struct ofx_rule_ref {
	union {
		__u64 word;
		struct {
			__u32 slot; /* in `flows`, never 0 */
			__u16 priority;
			__u8 check;    /* ofx_checks_differ() */
			__u8 l4_check; /* ofx_l4_check_differs() */
		};
	};
};

/* The same, as BTF describes it to those who look into the kernel's maps. */
struct ofx_rule_shown {
	__u32 slot;
	__u16 priority;
	__u8 check;
	__u8 l4_check;
} __attribute__((aligned(8)));

/* Word i of what the mask looks at. */
static inline __attribute__((always_inline)) __u64 ofx_key_word(const __u64 *key, const struct ofx_subtable *t, int i)
{
	return *(const __u64 *)((const char *)key + (t->at[i] & 0x78)) & t->mask[i];
}

#define OFX_NO_TABLE 255

/*
 * A compiled set of instructions, an element of `insts`, shared by all flow entries of the same instructions.  Never
 * changed while BPF can reach it.  Ops: n_apply apply-actions (write-metadata is the last of them, an OFX_OP_SET of
 * word 0), then n_write write-actions; op i is ops[i] for i < OFX_INLINE_OPS, else op_pool[first + i - OFX_INLINE_OPS].
 */
struct ofx_inst {
	__u16 n_apply;
	__u16 n_write;
	__u8 next_table; /* goto, or OFX_NO_TABLE */
	__u8 flags;	 /* OFX_INST_* */
	__u16 pad;
	__u32 first;
	__u32 pad2;
	struct ofx_op ops[OFX_INLINE_OPS];
};
_Static_assert(sizeof(struct ofx_inst) == 64, "a cache line");

#define OFX_INST_CLEAR 1   /* clear-actions: empties the action set before these write-actions */
#define OFX_INST_REPARSE 2 /* headers move or change, or a meter may remark: a goto parses again (OFX_OP_RESUME) */
/*
 * Simple: OFX_SIMPLE_OPS at most, apply-actions SET, OUTPUT and IN_PORT only, write-actions none, or an output at the
 * end of the pipeline (bpf/simple.h).
 */
#define OFX_INST_SIMPLE 4
#define OFX_INST_NEW_TYPES 8 /* a set-field may change what headers are taken for: an action set then parses first */

/*
 * A compiled flow entry, an element of `flows`; its number there, the slot, is also its identity: the flow id, index of
 * its counters.  Written before a rule leads to it; of what BPF can reach only `inst` changes, by one store.
 *
 * It matches keys of which each word at subtables[mask].at[i] under .mask[i] is match[i].  Words behind the first
 * OFX_FLOW_WORDS stand in op_pool, OFX_OP_WORDS to an element.
 */
#define OFX_FLOW_WORDS 6
#define OFX_OP_WORDS 3

struct ofx_flow {
	__u16 gen; /* generation of the id, to tell a reused one in late packet-ins */
	__u8 table;
	__u8 flags;  /* OFX_FLOW_* */
	__u32 inst;  /* number in `insts` */
	__u16 mask;  /* number in `subtables` */
	__u16 tuple; /* number in `subtables`: where it is hashed, 0: nowhere; user's own, changes when it is moved */
	__u32 first; /* in op_pool: the further match words */
	__u64 match[OFX_FLOW_WORDS];
};
_Static_assert(sizeof(struct ofx_flow) == 64, "a cache line");
_Static_assert(sizeof(struct ofx_op) == OFX_OP_WORDS * 8, "words in op_pool");
_Static_assert(OFX_SUBTABLES <= 65536, "numbers of 16 bits");

#define OFX_FLOW_QUICK 1 /* its mask is quick, and stands behind its words: match[3…5] */

/* The element of op_pool that holds match word i, i >= OFX_FLOW_WORDS. */
static inline __u32 ofx_flow_far_word(const struct ofx_flow *f, __u32 i)
{
	return f->first + (i - OFX_FLOW_WORDS) / OFX_OP_WORDS;
}

#endif
