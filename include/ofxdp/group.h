/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Groups in BPF maps.  user/datapath/group.c writes all of it, bpf/group.h and bpf/liveness.h read.
 *
 *   OFX_OP_GROUP.arg ─► group_roots[index] u64 ─► groups[slot] ─► buckets[first …] ─► bucket_ops[first …]
 *
 * Publication: one word, the root, read once per packet.  What it leads to is complete before it is written and is not
 * written again before a grace period has passed since it was unreachable.  An index belongs to one group number as
 * long as there is such a group, or a bucket that watches it, and a grace period longer.
 */
#ifndef OFXDP_GROUP_H
#define OFXDP_GROUP_H

#include <linux/types.h>
#include "limits.h"

/* group_roots, ARRAY[OFX_GROUPS] of u64: the slot in `groups`, 0 = no such group (slot 0 is never used). */

enum ofx_group_type { /* the numbers of OFPGT_* */
		      OFX_GROUP_ALL = 0,
		      OFX_GROUP_SELECT,
		      OFX_GROUP_INDIRECT,
		      OFX_GROUP_FF,
};

/* `groups`, ARRAY[OFX_GROUP_SLOTS] */
struct ofx_group {
	__u32 first;	 /* its buckets: buckets[first … first + n_buckets - 1] */
	__u16 n_buckets; /* at most OFX_GROUP_BUCKETS */
	__u8 type;	 /* enum ofx_group_type */
	__u8 pad;
	__u32 weight; /* SELECT: sum of the weights */
	__u32 gen;    /* of the slot: raised by each use, so that a late packet notices */
	__u32 id;     /* OpenFlow's number, for who looks at the maps */
	/* How many frames one packet may become here, groups that it leads to included, and how many of them flood. May
	 * change when one of those groups does. */
	__u16 copies, floods;
	__u64 packets_before, bytes_before; /* what its cell held when the group was added */
};

#define OFX_NOT_WATCHED 0xffffffffU

/* `buckets`, ARRAY[OFX_BUCKETS]; the number is also that of its counter. */
struct ofx_bucket {
	__u32 watch_port;  /* port index (of no port: never live), or OFX_NOT_WATCHED */
	__u32 watch_group; /* group index (there need be no group), or OFX_NOT_WATCHED */
	__u32 first;	   /* its ops, in the order of an action set: bucket_ops[first … first + n_ops - 1] */
	__u16 n_ops;	   /* at most OFX_BUCKET_OPS */
	__u16 weight;
	__u32 upto; /* SELECT: sum of the weights up to this bucket, its own included */
	__u32 pad;
};

/*
 * Counters, in each CPU's state (state.h): a group's is at its index, a bucket's at OFX_GROUPS + its number.  The user
 * sets a bucket's to 0 when it takes it; BPF writes then.
 */
#define OFX_GROUP_CELLS (OFX_GROUPS + OFX_BUCKETS)

#endif
