/* SPDX-License-Identifier: GPL-2.0-only */
/* OFPT_ROLE_REQUEST, OFPT_ROLE_REPLY (§7.3.9) */
#include "user/openflow/codec.h"

int of_role_decode(struct wire *w, struct of_msg *msg)
{
	msg->role.role = wire_be32(w);
	wire_skip(w, 4);
	msg->role.generation_id = wire_be64(w);
	return 0;
}

void of_put_role(struct of_out *o, uint32_t xid, const struct of_role *r)
{
	size_t start = of_out_begin(o, OFPT_ROLE_REPLY, xid);

	buf_put_be32(&o->buf, r->role);
	buf_put_zero(&o->buf, 4);
	buf_put_be64(&o->buf, r->generation_id);
	of_out_end(o, start);
}
