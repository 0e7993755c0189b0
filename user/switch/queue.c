/* SPDX-License-Identifier: GPL-2.0-only */
/* QUEUE_GET_CONFIG and queue statistics (§7.3.5.8, §7.3.6). */
#include <errno.h>
#include <stdlib.h>
#include "user/switch/internal.h"
#include "user/switch/job.h"
#include "user/util/cleanup.h"
#include "user/util/clock.h"

#define QUEUE_OP_FAILED(code) OF_ERROR(OFPET_QUEUE_OP_FAILED, OFPQOFC_##code)

/*
 * A request about queues.  To list those of a port is a question to the kernel, and there may be a thousand ports: in
 * steps.  What is said then is said at once, for one queue that is asked for must be somewhere, and a list of queues
 * has one message.
 */
struct request {
	uint32_t port_no, queue; /* as asked for */
	uint32_t *port_nos;	 /* of which … */
	size_t n_ports, at;	 /* … these have been listed */
	struct of_queue *v;
	size_t n;
	int (*answer)(struct sw_conn *conn, uint32_t xid, struct request *r);
};

static int add_port(struct sw *sw, uint32_t port_no, struct request *r)
{
	_free_ struct of_queue *queues = NULL;
	struct of_queue *more;
	size_t n;
	int err = dp_queue_list(sw->dp, port_no, &queues, &n);

	if (err || !n)
		return err == -ENOMEM ? err : 0; /* else the port has gone */
	more = realloc(r->v, (r->n + n) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		more[r->n + i] = queues[i];
	r->v = more;
	r->n += n;
	return 0;
}

static int list_some(struct sw *sw, struct sw_conn *conn, struct sw_job *job, bool *more)
{
	const uint64_t end = clock_ns() + SW_JOB_STEP_NS;
	struct request *r = job->aux;
	const size_t before = r->n;
	int err = 0;

	do {
		if (r->at == r->n_ports)
			return r->answer(conn, job->xid, r);
		err = add_port(sw, r->port_nos[r->at++], r);
	} while (!err && clock_ns() < end);
	job->held += (r->n - before) * sizeof(*r->v);
	*more = !err;
	return err;
}

static void request_end(struct sw_job *job)
{
	struct request *r = job->aux;

	free(r->port_nos);
	free(r->v);
	free(r);
}

static int request_start(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg, const struct request *request)
{
	struct request *r = malloc(sizeof(*r));
	struct sw_job *job = r ? sw_job_new(sw, msg) : NULL;
	int err;

	if (!job) {
		free(r);
		return -ENOMEM;
	}
	*r = *request;
	job->aux = r;
	job->step = list_some;
	job->end = request_end;
	err = sw_port_choose(sw, r->port_no, &r->port_nos, &r->n_ports);
	if (err) {
		sw_job_free(job);
		return err == -ENOENT ? QUEUE_OP_FAILED(BAD_PORT) : err;
	}
	job->held += OFX_PORTS * sizeof(*r->port_nos);
	return sw_job_start(sw, conn, job);
}

static int put_config(struct sw_conn *conn, uint32_t xid, struct request *r)
{
	if (of_put_queue_config(&conn->replies, xid, r->port_no, r->v, r->n))
		return 0;
	return QUEUE_OP_FAILED(EPERM); /* in part it would be wrong */
}

int sw_queue_config(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	return request_start(sw, conn, msg, &(struct request){.port_no = msg->queue_port, .answer = put_config});
}

/* Those asked for to the front; none at all is an error if it is one that was asked for. */
static int choose(struct request *r)
{
	size_t n = 0;

	if (r->queue == OFPQ_ALL)
		return 0;
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].queue == r->queue)
			r->v[n++] = r->v[i];
	r->n = n;
	return n ? 0 : QUEUE_OP_FAILED(BAD_QUEUE);
}

static int put_stats(struct sw_conn *conn, uint32_t xid, struct request *r)
{
	struct of_multipart mp;
	int err = choose(r);

	if (err)
		return err;
	of_multipart_begin(&mp, &conn->replies, OFPMP_QUEUE, xid);
	for (size_t i = 0; i < r->n; i++)
		of_multipart_queue(&mp, &r->v[i]);
	of_multipart_end(&mp);
	return 0;
}

int sw_queue_stats(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	const struct of_mp_request *r = &msg->multipart;

	return request_start(sw, conn, msg,
			     &(struct request){.port_no = r->port_no, .queue = r->queue, .answer = put_stats});
}
