/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The end of flow entries.  An entry leaves the tables at once; it stays in memory until the datapath reports its final
 * counters (late packet-ins name it until then), and its FLOW_REMOVED carries those.
 */
#include <errno.h>
#include <stdlib.h>
#include "user/switch/internal.h"
#include "user/util/cleanup.h"

/* `created` of a removed entry is its duration, `hash` the reason. */
static void send_flow_removed(struct sw *sw, const struct sw_flow *flow, uint64_t packets, uint64_t bytes)
{
	uint64_t duration = sw_flow_created(flow);
	struct of_match match;
	struct of_flow_removed msg = {
		.cookie = flow->cookie,
		.priority = flow->priority,
		.reason = flow->hash,
		.table = sw_flow_table(flow),
		.duration_sec = duration / SW_SECOND,
		.duration_nsec = duration % SW_SECOND,
		.idle_timeout = sw_flow_idle(flow),
		.hard_timeout = sw_flow_hard(flow),
		.packets = packets,
		.bytes = bytes,
		.match = &match,
	};

	sw_flow_match(flow, &match);
	for (struct sw_conn *c = sw->conns; c; c = c->next) {
		if (!sw_wants(c, c->async.flow_removed, msg.reason))
			continue;
		of_put_flow_removed(&c->replies, &msg);
		c->wake(c);
	}
}

/* The counters are final: tell the controllers and forget the entry. */
static void gone(void *aux, uint64_t packets, uint64_t bytes)
{
	struct sw_flow *flow = aux;
	struct sw *sw = flow->subtable->sw;

	if (flow->flags & OFPFF_SEND_FLOW_REM && !sw->ended)
		send_flow_removed(sw, flow, packets, bytes);
	sw_flow_free(sw, flow);
	if (!--sw->n_removed && sw->ended)
		sw_release(sw);
}

static int remove_from_datapath(struct sw *sw, const struct sw_flow_list *flows)
{
	struct dp_txn *txn = dp_txn_begin(sw->dp);
	int err = txn ? 0 : -ENOMEM;

	for (size_t i = 0; i < flows->n && !err; i++)
		err = dp_txn_remove(txn, flows->v[i]->dp, gone, flows->v[i]);
	if (!err)
		return dp_txn_commit(txn);
	if (txn)
		dp_txn_abort(txn);
	return err;
}

static void take_out(struct sw *sw, struct sw_flow *flow, uint8_t reason, uint64_t now)
{
	sw->n_removed++;
	sw_subtable_remove(flow->subtable, flow);
	sw_instructions_put(take_ptr(flow->inst)); /* its users are counted (meter.c) */
	sw_timeout_pause(sw, flow);
	flow->hash = reason;
	if (flow->timed)
		flow->timeout->created = now - flow->timeout->created;
	else
		flow->created = now - flow->created;
}

int sw_flows_remove(struct sw *sw, const struct sw_flow_list *flows, uint8_t reason)
{
	uint64_t now = sw_now();
	int err;

	if (!flows->n)
		return 0;
	err = remove_from_datapath(sw, flows);
	for (size_t i = 0; i < flows->n && !err; i++)
		take_out(sw, flows->v[i], reason, now);
	return err;
}
