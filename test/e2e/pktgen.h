/* SPDX-License-Identifier: GPL-2.0-only */
/* What pktgen's two programs, its user side and lib.py agree on. */
#ifndef E2E_PKTGEN_H
#define E2E_PKTGEN_H

#define PG_HEAD 64	     /* bytes of each frame that are written anew: Ethernet, IPv4, UDP, mark */
#define PG_MARK_AT 42	     /* where the mark stands in an untagged frame */
#define PG_MAGIC 0x6f667870  /* "ofxp" */
#define PG_MAX_SEQ (1 << 25) /* numbers a sink can tell apart */

struct pg_mark {
	__be32 magic;
	__be32 seq; /* from 0 */
};

/* What a sink saw, counted by the number of VLAN tags in front of the mark. */
struct pg_seen {
	__u64 received[3];
	__u64 unique, duplicates;
	__u64 other; /* frames without the mark: passed on */
};

#endif
