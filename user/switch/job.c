/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/switch/job.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include "user/switch/internal.h"
#include "user/util/cleanup.h"
#include "user/util/clock.h"

#define LOOKS_NS 300000 /* so long a job that waits looks each time round, other work in between, then now and then */
#define PAUSE_US 1000
#define PATIENCE_NS (2 * SW_SECOND)
#define AUX_HELD 1024 /* bytes about, of sw_job.aux */

struct sw_job *sw_job_new(struct sw *sw, const struct of_msg *msg)
{
	struct sw_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->sw = sw;
	job->begun = clock_ns();
	job->type = msg->type;
	job->xid = msg->xid;
	job->held = sizeof(*job) + AUX_HELD;
	job->raw_len = msg->raw_len < sizeof(job->raw) ? msg->raw_len : sizeof(job->raw);
	memcpy(job->raw, msg->raw, job->raw_len);
	return job;
}

void sw_job_free(struct sw_job *job)
{
	if (job->end)
		job->end(job);
	free(job);
}

static void wait_begin(struct sw_job *job)
{
	const uint64_t now = clock_ns();

	if (!job->waits_from)
		job->waits_from = now;
	job->pause_us = now - job->waits_from < LOOKS_NS ? 0 : PAUSE_US;
	if (!job->pause_us)
		sched_yield(); /* what is waited for may need this CPU */
}

static void wait_end(struct sw_job *job)
{
	job->pause_us = job->waits_from = 0;
}

bool sw_job_step(struct sw *sw, struct sw_conn *conn, struct sw_job *job, int *err)
{
	bool more = false;

	job->last_try = job->waits_from && clock_ns() - job->waits_from >= PATIENCE_NS;
	*err = job->step(sw, conn, job, &more);
	sw_publish(sw);
	if (*err == -EAGAIN && !job->last_try) {
		wait_begin(job);
		*err = 0;
		return true;
	}
	wait_end(job);
	return !*err && more;
}

int sw_job_start(struct sw *sw, struct sw_conn *conn, struct sw_job *job)
{
	int err;

	if (sw_job_step(sw, conn, job, &err))
		conn->job = job;
	else
		sw_job_free(job);
	return err;
}

void sw_job_drop(struct sw_conn *conn)
{
	if (conn->job)
		sw_job_free(take_ptr(conn->job));
}

unsigned int sw_pause_us(const struct sw_conn *conn)
{
	return conn->job ? conn->job->pause_us : 0;
}

/* --- without their connections --- */

static void go_on(struct sw *sw)
{
	if (sw->left)
		event_add(sw->left_due, &(struct timeval){.tv_usec = sw->left->pause_us});
}

void sw_job_leave(struct sw_conn *conn)
{
	struct sw_job *job = take_ptr(conn->job);

	if (!job)
		return;
	if (!job->changes) {
		sw_job_free(job);
		return;
	}
	job->next = job->sw->left;
	job->sw->left = job;
	go_on(job->sw);
}

unsigned int sw_jobs_left(const struct sw *sw)
{
	unsigned int n = 0;

	for (const struct sw_job *job = sw->left; job; job = job->next)
		n++;
	return n;
}

size_t sw_jobs_left_memory(const struct sw *sw)
{
	size_t held = 0;

	for (const struct sw_job *job = sw->left; job; job = job->next)
		held += job->held;
	return held;
}

/* By turns: one may wait for what another has. */
static void step_alone(evutil_socket_t fd, short what, void *aux)
{
	struct sw *sw = aux;
	struct sw_job *job = sw->left, **last = &sw->left;
	int err;

	sw->left = job->next;
	job->next = NULL;
	if (sw_job_step(sw, NULL, job, &err)) {
		while (*last)
			last = &(*last)->next;
		*last = job;
	} else {
		if (err)
			sw_tell_refused("a connection that has ended", job->type, job->xid, err);
		sw_job_free(job);
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
		sw_job_free(job);
	}
	event_free(sw->left_due);
}

/* --- messages to be tried again --- */

struct sw_msg_copy *sw_msg_copy(const struct of_msg *msg)
{
	struct sw_msg_copy *copy = calloc(1, sizeof(*copy) + msg->raw_len);

	if (!copy)
		return NULL;
	memcpy(copy->raw, msg->raw, msg->raw_len);
	if (!of_decode(copy->raw, msg->raw_len, &copy->msg)) /* it could be decoded before */
		return copy;
	free(copy);
	return NULL;
}

size_t sw_msg_copy_held(const struct of_msg *msg)
{
	return sizeof(struct sw_msg_copy) + msg->raw_len + of_msg_parts_most(msg->raw_len);
}

void sw_msg_copy_free(struct sw_msg_copy *copy)
{
	if (copy)
		of_msg_free(&copy->msg);
	free(copy);
}

struct again {
	sw_handler handle;
	struct sw_msg_copy *copy;
};

static int again_step(struct sw *sw, struct sw_conn *conn, struct sw_job *job, bool *more)
{
	struct again *again = job->aux;

	return again->handle(sw, conn, &again->copy->msg);
}

static void again_end(struct sw_job *job)
{
	struct again *again = job->aux;

	sw_msg_copy_free(again->copy);
	free(again);
}

int sw_job_again(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg, sw_handler handle)
{
	struct again *again = calloc(1, sizeof(*again));
	struct sw_job *job = again ? sw_job_new(sw, msg) : NULL;

	if (!job) {
		free(again);
		return -ENOMEM;
	}
	again->handle = handle;
	again->copy = sw_msg_copy(msg);
	job->aux = again;
	job->changes = true;
	job->step = again_step;
	job->end = again_end;
	job->held += sw_msg_copy_held(msg);
	if (!again->copy) {
		sw_job_free(job);
		return -ENOMEM;
	}
	wait_begin(job);
	conn->job = job;
	return 0;
}
