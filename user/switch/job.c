/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/switch/job.h"

#include <stdlib.h>
#include "user/switch/internal.h"
#include "user/util/cleanup.h"

struct sw_job *sw_job_new(struct sw *sw, uint32_t xid, uint8_t table, const struct of_match *match,
			  const struct sw_flow_filter *filter)
{
	struct sw_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->sw = sw;
	job->xid = xid;
	job->filter = *filter;
	sw_match_pack(&job->match, match);
	job->filter.match = job->match.shape.n ? &job->match : NULL;
	job->walk = sw_walk_begin(table, &job->filter);
	return job;
}

static void job_free(struct sw_job *job)
{
	sw_walk_end(&job->walk);
	free(job);
}

int sw_job_start(struct sw *sw, struct sw_conn *conn, struct sw_job *job)
{
	bool more = false;
	int err = job->step(sw, conn, job, &more);

	if (more && !err)
		conn->job = job;
	else
		job_free(job);
	return err;
}

void sw_job_drop(struct sw_conn *conn)
{
	if (conn->job)
		job_free(take_ptr(conn->job));
}
