/* SPDX-License-Identifier: GPL-2.0-only */
/* OFPT_PACKET_OUT (§7.3.7) */
#include "user/openflow/codec.h"

int of_packet_out_decode(struct wire *w, struct of_msg *msg)
{
	struct of_packet_out *p = &msg->packet_out;
	uint16_t actions_len;
	int error;

	p->buffer_id = wire_be32(w);
	p->in_port = wire_be32(w);
	actions_len = wire_be16(w);
	wire_skip(w, 6);
	if (w->error || actions_len > wire_left(w))
		return OF_BAD_LEN;
	error = of_actions_decode(w, actions_len, msg->version, &p->actions);
	if (error)
		return error;
	p->data_len = wire_left(w);
	p->data = wire_get(w, p->data_len);
	return 0;
}
