/* SPDX-License-Identifier: GPL-2.0-only */
/* OFPT_SET_ASYNC, OFPT_GET_ASYNC_REPLY (§7.3.10) */
#include "user/openflow/codec.h"

int of_async_decode(struct wire *w, struct of_msg *msg)
{
	uint32_t *masks[] = {msg->async.packet_in, msg->async.port_status, msg->async.flow_removed};

	for (int i = 0; i < 3; i++) {
		masks[i][0] = wire_be32(w);
		masks[i][1] = wire_be32(w);
	}
	return 0;
}

void of_put_async(struct of_out *o, uint32_t xid, const struct of_async *a)
{
	const uint32_t *masks[] = {a->packet_in, a->port_status, a->flow_removed};
	size_t start = of_out_begin(o, OFPT_GET_ASYNC_REPLY, xid);

	for (int i = 0; i < 3; i++) {
		buf_put_be32(&o->buf, masks[i][0]);
		buf_put_be32(&o->buf, masks[i][1]);
	}
	of_out_end(o, start);
}
