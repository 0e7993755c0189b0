/* SPDX-License-Identifier: GPL-2.0-only */
/* BARRIER (§7.3.8): all messages before it are done with when their handlers or jobs have ended, but for packet-outs.
 */
#include <errno.h>
#include <stdlib.h>
#include "user/switch/internal.h"
#include "user/switch/job.h"
#include "user/util/log.h"

static int reply(struct sw_conn *conn, uint32_t xid)
{
	of_put_empty(&conn->replies, OF_BARRIER_REPLY, xid);
	return 0;
}

/* aux: the number of the last packet-out before it. */
static int look(struct sw *sw, struct sw_conn *conn, struct sw_job *job, bool *more)
{
	const uint64_t *last = job->aux;

	if (dp_packet_outs_done(sw->dp, *last))
		return reply(conn, job->xid);
	if (!job->last_try)
		return -EAGAIN;
	log_peer(LOG_LVL_WARN,
		 "a barrier reply goes out before packet-outs that it was to wait for: they do not come through");
	return reply(conn, job->xid);
}

static void look_end(struct sw_job *job)
{
	free(job->aux);
}

int sw_barrier(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	const uint64_t last = dp_packet_out_last(sw->dp);
	struct sw_job *job;

	if (dp_packet_outs_done(sw->dp, last))
		return reply(conn, msg->xid);
	job = sw_job_new(sw, msg);
	if (!job)
		return -ENOMEM;
	job->step = look;
	job->end = look_end;
	job->aux = malloc(sizeof(last));
	if (!job->aux) {
		sw_job_free(job);
		return -ENOMEM;
	}
	*(uint64_t *)job->aux = last;
	return sw_job_start(sw, conn, job);
}
