/* SPDX-License-Identifier: GPL-2.0-only */
/* Sizes that kernel and user must agree on.  Changing one changes the layout of pinned maps: raise OFX_LAYOUT too. */
#ifndef OFXDP_LIMITS_H
#define OFXDP_LIMITS_H

#define OFX_LAYOUT 7 /* version of the pinned maps' layout; part of the pin folder's contents */

#define OFX_TABLES 255	      /* tables 0-254; 255 is OFPTT_ALL */
#define OFX_PORTS 1024	      /* port indexes: 0 is LOCAL, 1-1023 are port numbers */
#define OFX_FLOOD_PORTS 256   /* ports that may exist at one time (members of a flood) */
#define OFX_LIST_ENTRIES 256  /* tuples in one table */
#define OFX_LISTS 1024	      /* published or retiring table lists */
#define OFX_SUBTABLES 8192    /* masks of rules and tuples, retiring ones included */
#define OFX_FLOW_CHUNK 16384U /* flows, insts and op_pool grow by chunks of so many elements; powers of two */
#define OFX_INST_CHUNK 8192U
#define OFX_OP_CHUNK 32768U
#define OFX_INLINE_OPS 2    /* ops in struct ofx_inst itself */
#define OFX_SIMPLE_OPS 6    /* ops of a flow that takes the short way through the tables, */
#define OFX_SIMPLE_TABLES 8 /* … and tables on it */
#define OFX_FLOW_OPS 64	    /* ops of one flow, apply and write together */
#define OFX_VERDICT_OPS 128 /* ops of one packet's walk through all tables */
#define OFX_CONT_OPS 128    /* ops that may remain when a packet takes the loop veth: a whole verdict */
#define OFX_CONTS 512	    /* continuations per CPU; a power of two */
#define OFX_COPIES 1024	    /* frames that may come of one packet, by lists, groups, floods, OUTPUT:TABLE together */
#define OFX_PUNT_QUEUES 32  /* receive queues for packet-ins, each with a socket of the daemon */
#define OFX_INJECT_OPS 64   /* ops of one packet-out */

#define OFX_GROUPS 8192			  /* groups, those waiting for a grace period after deletion included */
#define OFX_GROUP_SLOTS 16384		  /* configurations of groups, published or retiring */
#define OFX_BUCKETS 65536		  /* buckets of all groups together, retiring ones included */
#define OFX_GROUP_BUCKETS 512		  /* buckets of one group */
#define OFX_BUCKET_OPS 48		  /* ops of one bucket */
#define OFX_BUCKET_POOL (2 * OFX_BUCKETS) /* ops of all buckets together */
#define OFX_WATCH_DEPTH 4		  /* groups watched through groups watched … */

#define OFX_NAME_MAX 11 /* switch name: internal interfaces add up to 4 characters (IFNAMSIZ is 16) */

#endif
