/* SPDX-License-Identifier: GPL-2.0-only */
/* OFPT_ECHO_REQUEST, OFPT_ECHO_REPLY (§7.5.2, §7.5.3); OFPT_EXPERIMENTER (§7.5.5), of which we know none. */
#include "user/openflow/codec.h"

int of_echo_decode(struct wire *w, struct of_msg *msg)
{
	wire_skip(w, wire_left(w)); /* any body; who answers takes it from msg->raw */
	return 0;
}

void of_put_echo(struct of_out *o, bool reply, uint32_t xid, const void *body, size_t len)
{
	size_t start = of_out_begin(o, reply ? OFPT_ECHO_REPLY : OFPT_ECHO_REQUEST, xid);

	buf_put(&o->buf, body, len < OF_MSG_MAX - OFP_HEADER_LEN ? len : OF_MSG_MAX - OFP_HEADER_LEN);
	of_out_end(o, start);
}

int of_experimenter_decode(struct wire *w, struct of_msg *msg)
{
	wire_skip(w, 8);
	return w->error ? OF_BAD_LEN : OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_EXPERIMENTER);
}
