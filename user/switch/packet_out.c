/* SPDX-License-Identifier: GPL-2.0-only */
/* PACKET_OUT (§7.3.7). */
#include "user/switch/action.h"
#include "user/switch/internal.h"

#define ETH_HEADER 14

/*
 * Checked in this order: buffer (there are none), in_port (a port that exists, or CONTROLLER), frame (at least an
 * Ethernet header; nothing at all is as bad: without a buffer there is no packet), actions.  Prerequisites of actions
 * are the data plane's business: only it parses packets.
 */
static int check(struct sw *sw, const struct of_packet_out *po)
{
	if (po->buffer_id != OF_NO_BUFFER)
		return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BUFFER_UNKNOWN);
	if (po->in_port != OFPP_CONTROLLER && !sw_port_exists(sw, po->in_port))
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
