/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/switch/job.h"

#include <errno.h>
#include <stdlib.h>
#include "user/switch/internal.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

struct sw_job *sw_job_new(struct sw *sw, uint32_t xid, uint8_t table, const struct of_match *match,
			  const struct sw_flow_filter *filter)
{
	struct sw_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->sw = sw;
	job->xid = xid;
	job->begun = sw_now();
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

/* --- without their connections --- */

static void go_on(struct sw *sw)
{
	static const struct timeval at_once = {0};

	if (sw->left)
		event_add(sw->left_due, &at_once);
}

void sw_job_leave(struct sw_conn *conn)
{
	struct sw_job *job = take_ptr(conn->job);

	if (!job)
		return;
	if (!job->changes) {
		job_free(job);
		return;
	}
	job->next = job->sw->left;
	job->sw->left = job;
	go_on(job->sw);
}

static void step_alone(evutil_socket_t fd, short what, void *aux)
{
	struct sw *sw = aux;
	struct sw_job *job = sw->left;
	bool more = false;
	int err = job->step(sw, NULL, job, &more);

	if (err)
		log_warn("message of type %u, of a connection that ended, failed in part (error %d)", job->type, err);
	if (err || !more) {
		sw->left = job->next;
		job_free(job);
	}
	go_on(sw);
}

int sw_jobs_open(struct sw *sw)
{
	sw->left_due = evtimer_new(sw->base, step_alone, sw);
	return sw->left_due ? 0 : -ENOMEM;
}

void sw_jobs_close(struct sw *sw)
{
	struct sw_job *job;

	while ((job = sw->left)) {
		sw->left = job->next;
		job_free(job);
	}
	event_free(sw->left_due);
}
