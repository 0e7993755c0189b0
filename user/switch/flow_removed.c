/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The end of flow entries.  An entry leaves the tables at once; it stays in memory until the datapath reports its final
 * counters (late packet-ins name it until then), and its FLOW_REMOVED carries those.
 */
#include "user/switch/internal.h"
#include "user/util/clock.h"

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
void sw_flow_gone(void *aux, void *owner, uint64_t packets, uint64_t bytes)
{
	struct sw_flow *flow = owner;
	struct sw *sw = aux;

	if (flow->flags & OFPFF_SEND_FLOW_REM && !sw->ended)
		send_flow_removed(sw, flow, packets, bytes);
	sw_flow_free(sw, flow);
	if (!--sw->n_removed && sw->ended)
		sw_release(sw);
}

void sw_flow_remove(struct sw *sw, struct sw_flow *flow, uint8_t reason)
{
	const uint64_t now = clock_ns();

	dp_flow_remove(sw->dp, flow->dp);
	sw->changed = true;
	sw->n_removed++;
	sw_subtable_remove(flow->subtable, flow);
	sw_flow_set_instructions(flow, NULL);
	sw_timeout_pause(sw, flow);
	flow->hash = reason;
	if (flow->timed)
		flow->timeout->created = now - flow->timeout->created;
	else
		flow->created = now - flow->created;
}
