/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Statistics of flow entries, one by one or summed (§7.3.5.2, §7.3.5.3).  A reply about a million entries takes a while
 * and is large: it is written piece by piece, as far as the connection takes it.  Entries that come or go meanwhile are
 * in it or not; all others are, once.
 */
#include <errno.h>
#include <stdlib.h>
#include "user/switch/internal.h"
#include "user/switch/job.h"
#include "user/util/clock.h"

#define ENTRIES_AT_ONCE 512 /* some 64 KB, some 100 us */
#define SUMMED_AT_ONCE 4096

struct stats {
	struct sw *sw;
	struct sw_selection selection;
	struct of_multipart mp;
	uint64_t now;		 /* of this step */
	uint64_t packets, bytes; /* of an aggregate */
	uint32_t flows;
};

static void put_flow(struct sw_flow *flow, void *aux)
{
	struct stats *s = aux;
	uint64_t age = s->now - sw_flow_created(flow);
	struct of_match match;
	struct of_flow_stats stats = {
		.table = sw_flow_table(flow),
		.duration_sec = age / SW_SECOND,
		.duration_nsec = age % SW_SECOND,
		.priority = flow->priority,
		.idle_timeout = sw_flow_idle(flow),
		.hard_timeout = sw_flow_hard(flow),
		.flags = flow->flags,
		.cookie = flow->cookie,
		.match = &match,
		.inst = &flow->inst->of,
	};

	stats.encoded = sw_instructions_encoded(flow->inst, &stats.encoded_len);
	sw_flow_match(flow, &match);
	dp_flow_counters(s->sw->dp, flow->dp, &stats.packets, &stats.bytes);
	of_multipart_flow(&s->mp, &stats);
}

static void sum_flow(struct sw_flow *flow, void *aux)
{
	struct stats *s = aux;
	uint64_t packets, bytes;

	dp_flow_counters(s->sw->dp, flow->dp, &packets, &bytes);
	s->packets += packets;
	s->bytes += bytes;
	s->flows++;
}

/* A message or more. */
static int put_flows(struct sw *sw, struct sw_conn *conn, struct sw_job *job, bool *more)
{
	struct stats *s = job->aux;

	s->now = clock_ns();
	of_multipart_begin(&s->mp, &conn->replies, OFPMP_FLOW, job->xid);
	*more = sw_walk_step(sw, &s->selection.walk, ENTRIES_AT_ONCE, put_flow, s);
	if (*more)
		of_multipart_pause(&s->mp);
	else
		of_multipart_end(&s->mp);
	return 0;
}

static int sum_flows(struct sw *sw, struct sw_conn *conn, struct sw_job *job, bool *more)
{
	struct stats *s = job->aux;

	*more = sw_walk_step(sw, &s->selection.walk, SUMMED_AT_ONCE, sum_flow, s);
	if (*more)
		return 0;
	of_multipart_begin(&s->mp, &conn->replies, OFPMP_AGGREGATE, job->xid);
	of_multipart_aggregate(&s->mp, s->packets, s->bytes, s->flows);
	of_multipart_end(&s->mp);
	return 0;
}

static void stats_end(struct sw_job *job)
{
	struct stats *s = job->aux;

	sw_walk_end(&s->selection.walk);
	free(s);
}

int sw_flow_stats(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	const struct of_flow_stats_request *request = &msg->multipart.flow;
	const struct sw_flow_filter filter = {
		.cookie = request->cookie,
		.cookie_mask = request->cookie_mask,
		.out_port = request->out_port,
		.out_group = request->out_group,
	};
	struct stats *s = calloc(1, sizeof(*s));
	struct sw_job *job = s ? sw_job_new(sw, msg) : NULL;

	if (!job) {
		free(s);
		return -ENOMEM;
	}
	s->sw = sw;
	sw_selection_begin(&s->selection, request->table, &request->match, &filter);
	job->aux = s;
	job->end = stats_end;
	job->step = msg->multipart.type == OFPMP_FLOW ? put_flows : sum_flows;
	return sw_job_start(sw, conn, job);
}
