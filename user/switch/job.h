/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A message that is not done at once: because it is about so many things that everybody else would be kept waiting (a
 * million flow entries, the statistics of all groups), or because what it needs is not there yet (-EAGAIN: room that
 * others have just left, packet-outs that are still on their way).  Its steps take a millisecond or two each
 * (sw_continue).  The connection's next message waits for it, others go on.
 */
#ifndef SWITCH_JOB_H
#define SWITCH_JOB_H

#include "user/switch/flow.h"
#include "user/switch/switch.h"

#define SW_JOB_STEP_NS 2000000 /* about how long a step may take */

struct sw_job {
	/*
	 * 0 and *more, or what sw_handle()'s handlers return; then it was the last step.  -EAGAIN: the same step again,
	 * after a pause if it has been told so for a while; 2 s after the first such answer it is an error, the one for
	 * "no room".
	 */
	int (*step)(struct sw *sw, struct sw_conn *conn, struct sw_job *job, bool *more);
	/* What it has beside the members below is let go of; NULL: nothing. */
	void (*end)(struct sw_job *job);
	struct sw *sw;
	bool changes;	       /* done to its end even if the connection ends; then `conn` of steps is NULL */
	bool last_try;	       /* for the step: -EAGAIN would be an error this time */
	unsigned int pause_us; /* that the next step is of no use before: the last one was told -EAGAIN; … */
	uint64_t waits_from;   /* … clock_ns() of the first such answer in a row; 0: none */
	uint64_t begun;	       /* clock_ns() */
	struct sw_job *next;   /* in sw.left */
	uint16_t type;	       /* of the message, for its error */
	uint32_t xid;
	size_t raw_len; /* as much of the message as errors quote */
	uint8_t raw[64];
	size_t held; /* bytes that it takes, a small `aux` included; what there is more whoever takes it adds */
	void *aux;   /* the step's */
};

/* NULL: out of memory. */
struct sw_job *sw_job_new(struct sw *sw, const struct of_msg *msg);
void sw_job_free(struct sw_job *job);
/* The first step; if there are more, the job is the connection's from now on.  Takes `job` in any case. */
int sw_job_start(struct sw *sw, struct sw_conn *conn, struct sw_job *job);
/* A step of it.  False: it was the last; *err as a handler's. */
bool sw_job_step(struct sw *sw, struct sw_conn *conn, struct sw_job *job, int *err);
/* The connection's job ends here, done or not; none is fine. */
void sw_job_drop(struct sw_conn *conn);
/* The connection ends; its job, if it must be done to its end, goes on without. */
void sw_job_leave(struct sw_conn *conn);

/* A message that outlives its handler.  NULL: out of memory; NULL is fine for the second. */
struct sw_msg_copy {
	struct of_msg msg;
	uint8_t raw[]; /* what `msg` points into */
};
struct sw_msg_copy *sw_msg_copy(const struct of_msg *msg);
size_t sw_msg_copy_held(const struct of_msg *msg); /* bytes at most, for sw_job.held */
void sw_msg_copy_free(struct sw_msg_copy *copy);

/* A message whose handler answered -EAGAIN: handle() again with a copy of it, until it answers something else. */
typedef int (*sw_handler)(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg);
int sw_job_again(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg, sw_handler handle);

int sw_jobs_open(struct sw *sw);
void sw_jobs_close(struct sw *sw); /* those that go on alone end here */

#endif
