/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A message about so many flow entries that acting on it at once would keep everybody else waiting: a walk over them,
 * done in steps of a millisecond at most (sw_continue).  The connection's next message waits for it, others go on.
 */
#ifndef SWITCH_JOB_H
#define SWITCH_JOB_H

#include "user/switch/flow.h"
#include "user/switch/switch.h"

struct sw_job {
	/* 0 and *more, or what sw_handle()'s handlers return; then it was the last step. */
	int (*step)(struct sw *sw, struct sw_conn *conn, struct sw_job *job, bool *more);
	struct sw *sw;
	struct sw_match match;
	struct sw_flow_filter filter;
	struct sw_walk walk;
	bool changes;	     /* it is all or nothing: done to its end even if the connection ends */
	uint64_t begun;	     /* sw_now() */
	struct sw_job *next; /* in sw.left */
	uint16_t type;	     /* of the message, for its error */
	uint32_t xid;
	size_t raw_len; /* as much of the message as errors quote */
	uint8_t raw[64];
	struct { /* flow_stats.c */
		struct of_multipart mp;
		uint64_t now;		 /* of this step */
		uint64_t packets, bytes; /* of an aggregate */
		uint32_t flows;
	} stats;
};

/* Over what `match` and `filter` (whose match is set here) choose in `table`.  NULL: out of memory. */
struct sw_job *sw_job_new(struct sw *sw, uint32_t xid, uint8_t table, const struct of_match *match,
			  const struct sw_flow_filter *filter);
/* The first step; if there are more, the job is the connection's from now on.  Takes `job` in any case. */
int sw_job_start(struct sw *sw, struct sw_conn *conn, struct sw_job *job);
/* The connection's job ends here, done or not; none is fine. */
void sw_job_drop(struct sw_conn *conn);
/* The connection ends; its job, if it must be done to its end, goes on without (`conn` of its steps is NULL). */
void sw_job_leave(struct sw_conn *conn);

int sw_jobs_open(struct sw *sw);
void sw_jobs_close(struct sw *sw); /* those that go on alone end here */

#endif
