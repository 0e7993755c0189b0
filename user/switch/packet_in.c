/* SPDX-License-Identifier: GPL-2.0-only */
/* PACKET_IN (§7.4.1): whole frames, there are no buffers; to every connection whose role and masks ask for the reason.
 */
#include "user/switch/internal.h"

#define NO_COOKIE UINT64_MAX /* no flow entry is behind it */

static void fill(struct of_packet_in *msg, const struct dp_packet_in *p)
{
	const struct sw_flow *flow = p->owner;

	*msg = (struct of_packet_in){
		.total_len = p->len,
		.reason = p->reason,
		.table = p->table,
		.cookie = flow ? flow->cookie : NO_COOKIE,
		.data = p->data,
		.len = p->len,
	};
	of_match_set_be32(&msg->match, OFX_F_IN_PORT, p->in_port);
	if (p->metadata)
		of_match_set_be64(&msg->match, OFX_F_METADATA, p->metadata);
	if (p->tunnel_id)
		of_match_set_be64(&msg->match, OFX_F_TUNNEL_ID, p->tunnel_id);
}

void sw_packet_in(void *aux, const struct dp_packet_in *p)
{
	struct sw *sw = aux;
	struct of_packet_in msg;
	bool taken = false;

	if (!sw->dp)
		return; /* not started: dp_open still runs, no flow entry can have sent it */
	fill(&msg, p);
	for (struct sw_conn *c = sw->conns; c; c = c->next) {
		if (!sw_wants(c, c->async.packet_in, p->reason))
			continue;
		taken = true;
		if (!c->packet_in(c, &msg))
			dp_count_punt_drop(sw->dp);
	}
	if (!taken)
		dp_count_punt_drop(sw->dp);
}

void sw_packet_ins_end(void *aux)
{
	struct sw *sw = aux;

	for (struct sw_conn *c = sw->conns, *next; c; c = next) {
		next = c->next;
		c->packet_ins_end(c);
	}
}
