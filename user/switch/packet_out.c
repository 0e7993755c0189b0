/* SPDX-License-Identifier: GPL-2.0-only */
/* PACKET_OUT (§7.3.7). */
#include "user/switch/action.h"
#include "user/switch/internal.h"

#define ETH_HEADER 14

/*
 * A number that a port could have, be there such a port or not (it may just have gone; many applications say 0 or
 * OFPP_ANY), or a reserved one that a packet can come from.
 */
static bool can_be_from(uint32_t port)
{
	return port <= OFPP_MAX || port == OFPP_CONTROLLER || port == OFPP_LOCAL || port == OFPP_ANY;
}

/*
 * Checked in this order: buffer (there are none), in_port, frame (at least an Ethernet header; nothing at all is as
 * bad: without a buffer there is no packet), actions.  Prerequisites of actions are the data plane's business: only it
 * parses packets.
 */
static int check(struct sw *sw, const struct of_packet_out *po)
{
	if (po->buffer_id != OF_NO_BUFFER)
		return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BUFFER_UNKNOWN);
	if (!can_be_from(po->in_port))
		return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_PORT);
	if (po->data_len < ETH_HEADER)
		return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_PACKET);
	return sw_actions_check(sw, &po->actions, true);
}

int sw_packet_out(struct sw *sw, const struct of_packet_out *po)
{
	int err = check(sw, po);

	if (err || !po->actions.n) /* no action: a drop, as the controller wishes */
		return err;
	return dp_packet_out(sw->dp, po->in_port, &po->actions, po->data,
			     po->data_len); /* -EAGAIN: too many are on their way */
}
