/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The end of flow entries.  An entry leaves the tables at once; it stays in memory until the datapath reports its final
 * counters (late packet-ins name it until then), and its FLOW_REMOVED carries those.
 */
#include <errno.h>
#include <stdlib.h>
#include "user/switch/internal.h"
#include "user/util/cleanup.h"

struct sw_removal {
	struct sw *sw; /* NULL: the switch has ended meanwhile, only this struct is left to be freed */
	struct sw_flow *flow;
	uint64_t duration; /* ns */
	uint8_t reason;	   /* OFPRR_* */
	LIST_ENTRY(sw_removal) link;
};

static void send_flow_removed(const struct sw_removal *r, uint64_t packets, uint64_t bytes)
{
	const struct sw_flow *flow = r->flow;
	struct of_match match;
	struct of_flow_removed msg = {
		.cookie = flow->cookie,
		.priority = flow->priority,
		.reason = r->reason,
		.table = flow->table,
		.duration_sec = r->duration / SW_SECOND,
		.duration_nsec = r->duration % SW_SECOND,
		.idle_timeout = flow->idle_timeout,
		.hard_timeout = flow->hard_timeout,
		.packets = packets,
		.bytes = bytes,
		.match = &match,
	};

	sw_match_unpack(&flow->match, &match);
	for (struct sw_conn *c = r->sw->conns; c; c = c->next) {
		if (!sw_wants(c, c->async.flow_removed, r->reason))
			continue;
		of_put_flow_removed(&c->replies, &msg);
		c->wake(c);
	}
}

/* The counters are final: tell the controllers and forget the entry. */
static void gone(void *aux, uint64_t packets, uint64_t bytes)
{
	struct sw_removal *r = aux;

	if (r->sw) {
		LIST_REMOVE(r, link);
		if (r->flow->flags & OFPFF_SEND_FLOW_REM)
			send_flow_removed(r, packets, bytes);
		sw_flow_free(r->flow);
	}
	free(r);
}

static struct sw_removal *removal_new(struct sw *sw, struct sw_flow *flow, uint8_t reason, uint64_t now)
{
	struct sw_removal *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->sw = sw;
	r->flow = flow;
	r->reason = reason;
	r->duration = now - flow->created;
	return r;
}

static void removals_free(struct sw_removal **removals, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(removals[i]);
	free(removals);
}

/* The datapath's part.  On error `removals` holds what was allocated, for the caller to free. */
static int remove_from_datapath(struct sw *sw, const struct sw_flow_list *flows, uint8_t reason,
				struct sw_removal **removals)
{
	struct dp_txn *txn = dp_txn_begin(sw->dp);
	uint64_t now = sw_now();
	int err = txn ? 0 : -ENOMEM;

	for (size_t i = 0; i < flows->n && !err; i++) {
		removals[i] = removal_new(sw, flows->v[i], reason, now);
		err = removals[i] ? dp_txn_remove(txn, flows->v[i]->dp, gone, removals[i]) : -ENOMEM;
	}
	if (!err)
		return dp_txn_commit(txn);
	if (txn)
		dp_txn_abort(txn);
	return err;
}

int sw_flows_remove(struct sw *sw, const struct sw_flow_list *flows, uint8_t reason)
{
	struct sw_removal **removals;
	int err;

	if (!flows->n)
		return 0;
	removals = calloc(flows->n, sizeof(*removals));
	if (!removals)
		return -ENOMEM;
	err = remove_from_datapath(sw, flows, reason, removals);
	if (err) {
		removals_free(removals, flows->n);
		return err;
	}
	for (size_t i = 0; i < flows->n; i++) {
		LIST_INSERT_HEAD(&sw->removals, removals[i], link);
		sw_timeout_stop(sw, flows->v[i]);
		sw_table_remove(sw, flows->v[i]);
		sw_instructions_put(take_ptr(flows->v[i]->inst)); /* its users are counted (meter.c) */
	}
	free(removals);
	return 0;
}

void sw_removals_forget(struct sw *sw)
{
	struct sw_removal *r;

	while ((r = LIST_FIRST(&sw->removals))) {
		LIST_REMOVE(r, link);
		sw_flow_free(r->flow);
		r->sw = NULL;
	}
}
