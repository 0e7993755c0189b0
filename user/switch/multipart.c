/* SPDX-License-Identifier: GPL-2.0-only */
/* MULTIPART_REQUEST (§7.3.5): to the file of each type's noun. */
#include <errno.h>
#include <stdlib.h>
#include "user/switch/internal.h"
#include "user/switch/job.h"
#include "user/util/clock.h"

int sw_multipart_empty(struct sw_conn *conn, uint16_t type, uint32_t xid)
{
	struct of_multipart mp;

	of_multipart_begin(&mp, &conn->replies, type, xid);
	of_multipart_end(&mp);
	return 0;
}

/* --- replies in steps --- */

#define LOOK_EVERY 8 /* entries between looks at the clock */

struct each {
	sw_put_fn put;
	uint16_t type; /* OFPMP_* */
	size_t n, at;
	uint32_t *ids;
	struct of_multipart mp;
};

static int each_step(struct sw *sw, struct sw_conn *conn, struct sw_job *job, bool *more)
{
	const uint64_t end = clock_ns() + SW_JOB_STEP_NS;
	struct each *e = job->aux;

	of_multipart_begin(&e->mp, &conn->replies, e->type, job->xid);
	while (e->at < e->n) {
		e->put(sw, e->ids[e->at++], &e->mp);
		if (e->at % LOOK_EVERY == 0 && clock_ns() >= end)
			break;
	}
	*more = e->at < e->n;
	if (*more)
		of_multipart_pause(&e->mp);
	else
		of_multipart_end(&e->mp);
	return 0;
}

static void each_end(struct sw_job *job)
{
	struct each *e = job->aux;

	free(e->ids);
	free(e);
}

int sw_multipart_each(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg, uint32_t *ids, size_t n,
		      sw_put_fn put)
{
	struct each *e = ids ? calloc(1, sizeof(*e)) : NULL;
	struct sw_job *job = e ? sw_job_new(sw, msg) : NULL;

	if (!job) {
		free(ids);
		free(e);
		return -ENOMEM;
	}
	*e = (struct each){.put = put, .type = msg->multipart.type, .n = n, .ids = ids};
	job->aux = e;
	job->held += n * sizeof(*ids);
	job->step = each_step;
	job->end = each_end;
	return sw_job_start(sw, conn, job);
}

int sw_multipart(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	const struct of_mp_request *r = &msg->multipart;
	const uint32_t xid = msg->xid;
	int err;

	/* Only table features may span messages. */
	if (r->flags & OFPMPF_REQ_MORE && r->type != OFPMP_TABLE_FEATURES)
		return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_MULTIPART_BUFFER_OVERFLOW);
	switch (r->type) {
	case OFPMP_DESC:
		return sw_desc(sw, conn, xid);
	case OFPMP_FLOW:
	case OFPMP_AGGREGATE:
		if (r->flow.table != OFPTT_ALL && !sw_table_exists(sw, r->flow.table))
			return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_TABLE_ID);
		err = sw_match_check(&r->flow.match);
		return err ? err : sw_flow_stats(sw, conn, msg);
	case OFPMP_TABLE:
		return sw_table_stats(sw, conn, msg);
	case OFPMP_PORT_STATS:
	case OFPMP_PORT_DESC:
		return sw_port_multipart(sw, conn, msg);
	case OFPMP_QUEUE:
		return sw_queue_stats(sw, conn, msg);
	case OFPMP_GROUP:
	case OFPMP_GROUP_DESC:
		return sw_group_multipart(sw, conn, msg);
	case OFPMP_GROUP_FEATURES:
		return sw_group_features(sw, conn, xid);
	case OFPMP_METER:
	case OFPMP_METER_CONFIG:
		return sw_meter_multipart(sw, conn, msg);
	case OFPMP_METER_FEATURES:
		return sw_meter_features(sw, conn, xid);
	case OFPMP_TABLE_FEATURES:
		return sw_table_features(sw, conn, msg);
	case OFPMP_EXPERIMENTER:
		return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_EXPERIMENTER);
	}
	return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_MULTIPART);
}
