/* SPDX-License-Identifier: GPL-2.0-only */
/* Statistics of flow entries, one by one or summed (§7.3.5.2, §7.3.5.3). */
#include "user/switch/internal.h"

struct stats_run {
	struct sw *sw;
	uint64_t now;
	struct of_multipart mp;
	uint64_t packets, bytes; /* of an aggregate */
	uint32_t flows;
};

static void run(struct stats_run *run, const struct of_flow_stats_request *request, sw_flow_fn fn)
{
	union sw_match_space space;
	struct sw_flow_filter filter = {
		.match = sw_match_pack(&space, &request->match),
		.cookie = request->cookie,
		.cookie_mask = request->cookie_mask,
		.out_port = request->out_port,
		.out_group = request->out_group,
	};

	run->now = sw_now();
	sw_flow_each(run->sw, request->table, &filter, fn, run);
}

static void put_flow(struct sw_flow *flow, void *aux)
{
	struct stats_run *run = aux;
	uint64_t age = run->now - flow->created;
	struct of_match match;
	struct of_flow_stats stats = {
		.table = flow->table,
		.duration_sec = age / SW_SECOND,
		.duration_nsec = age % SW_SECOND,
		.priority = flow->priority,
		.idle_timeout = flow->idle_timeout,
		.hard_timeout = flow->hard_timeout,
		.flags = flow->flags,
		.cookie = flow->cookie,
		.match = &match,
		.inst = &flow->inst->of,
	};

	sw_match_unpack(&flow->match, &match);
	dp_flow_counters(run->sw->dp, flow->dp, &stats.packets, &stats.bytes);
	of_multipart_flow(&run->mp, &stats);
}

int sw_flow_stats(struct sw *sw, struct sw_conn *conn, uint32_t xid, const struct of_flow_stats_request *request)
{
	struct stats_run r = {.sw = sw};

	of_multipart_begin(&r.mp, &conn->replies, OFPMP_FLOW, xid);
	run(&r, request, put_flow);
	of_multipart_end(&r.mp);
	return 0;
}

static void sum_flow(struct sw_flow *flow, void *aux)
{
	struct stats_run *run = aux;
	uint64_t packets, bytes;

	dp_flow_counters(run->sw->dp, flow->dp, &packets, &bytes);
	run->packets += packets;
	run->bytes += bytes;
	run->flows++;
}

int sw_flow_aggregate(struct sw *sw, struct sw_conn *conn, uint32_t xid, const struct of_flow_stats_request *request)
{
	struct stats_run r = {.sw = sw};

	run(&r, request, sum_flow);
	of_multipart_begin(&r.mp, &conn->replies, OFPMP_AGGREGATE, xid);
	of_multipart_aggregate(&r.mp, r.packets, r.bytes, r.flows);
	of_multipart_end(&r.mp);
	return 0;
}
