/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Statistics of flow entries, one by one or summed (§7.3.5.2, §7.3.5.3).  A reply about a million entries takes a while
 * and is large: it is written piece by piece, as far as the connection takes it.  Entries that come or go meanwhile are
 * in it or not; all others are, once.
 */
#include <errno.h>
#include "user/switch/internal.h"
#include "user/switch/job.h"

#define ENTRIES_AT_ONCE 512 /* some 64 KB, some 100 us */
#define SUMMED_AT_ONCE 4096

static void put_flow(struct sw_flow *flow, void *aux)
{
	struct sw_job *job = aux;
	uint64_t age = job->stats.now - sw_flow_created(flow);
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
	dp_flow_counters(job->sw->dp, flow->dp, &stats.packets, &stats.bytes);
	of_multipart_flow(&job->stats.mp, &stats);
}

static void sum_flow(struct sw_flow *flow, void *aux)
{
	struct sw_job *job = aux;
	uint64_t packets, bytes;

	dp_flow_counters(job->sw->dp, flow->dp, &packets, &bytes);
	job->stats.packets += packets;
	job->stats.bytes += bytes;
	job->stats.flows++;
}

/* A message or more. */
static int put_flows(struct sw *sw, struct sw_conn *conn, struct sw_job *job, bool *more)
{
	struct of_multipart *mp = &job->stats.mp;

	job->stats.now = sw_now();
	of_multipart_begin(mp, &conn->replies, OFPMP_FLOW, job->xid);
	*more = sw_walk_step(sw, &job->walk, ENTRIES_AT_ONCE, put_flow, job);
	if (*more)
		of_multipart_pause(mp);
	else
		of_multipart_end(mp);
	return 0;
}

static int sum_flows(struct sw *sw, struct sw_conn *conn, struct sw_job *job, bool *more)
{
	struct of_multipart *mp = &job->stats.mp;

	*more = sw_walk_step(sw, &job->walk, SUMMED_AT_ONCE, sum_flow, job);
	if (*more)
		return 0;
	of_multipart_begin(mp, &conn->replies, OFPMP_AGGREGATE, job->xid);
	of_multipart_aggregate(mp, job->stats.packets, job->stats.bytes, job->stats.flows);
	of_multipart_end(mp);
	return 0;
}

int sw_flow_stats(struct sw *sw, struct sw_conn *conn, uint32_t xid, uint16_t type,
		  const struct of_flow_stats_request *request)
{
	const struct sw_flow_filter filter = {
		.cookie = request->cookie,
		.cookie_mask = request->cookie_mask,
		.out_port = request->out_port,
		.out_group = request->out_group,
	};
	struct sw_job *job = sw_job_new(sw, xid, request->table, &request->match, &filter);

	if (!job)
		return -ENOMEM;
	job->step = type == OFPMP_FLOW ? put_flows : sum_flows;
	return sw_job_start(sw, conn, job);
}
