/* SPDX-License-Identifier: GPL-2.0-only */
/* OFPT_SET_CONFIG, OFPT_GET_CONFIG_REPLY (§7.3.2) */
#include "user/openflow/codec.h"

int of_config_decode(struct wire *w, struct of_msg *msg)
{
	msg->config.flags = wire_be16(w);
	msg->config.miss_send_len = wire_be16(w);
	return 0;
}

void of_put_config(struct of_out *o, uint32_t xid, const struct of_config *c)
{
	size_t start = of_out_begin(o, OFPT_GET_CONFIG_REPLY, xid);

	buf_put_be16(&o->buf, c->flags);
	buf_put_be16(&o->buf, c->miss_send_len);
	of_out_end(o, start);
}
