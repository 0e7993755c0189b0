/* SPDX-License-Identifier: GPL-2.0-only */
/* OFPT_QUEUE_GET_CONFIG_REQUEST, _REPLY (§7.3.6) */
#include "user/openflow/codec.h"

int of_queue_config_decode(struct wire *w, struct of_msg *msg)
{
	msg->queue_port = wire_be32(w);
	wire_skip(w, 4);
	return 0;
}

void of_put_queue_config(struct of_out *o, uint32_t xid, uint32_t port)
{
	size_t start = of_out_begin(o, OFPT_QUEUE_GET_CONFIG_REPLY, xid);

	buf_put_be32(&o->buf, port);
	buf_put_zero(&o->buf, 4);
	of_out_end(o, start);
}
