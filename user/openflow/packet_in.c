/* SPDX-License-Identifier: GPL-2.0-only */
/* OFPT_PACKET_IN (§7.4.1) */
#include "user/openflow/codec.h"

void of_put_packet_in(struct of_out *o, const struct of_packet_in *p)
{
	size_t start = of_out_begin(o, OFPT_PACKET_IN, 0), room, len = p->len;
	struct buf *b = &o->buf;

	buf_put_be32(b, OFP_NO_BUFFER);
	buf_put_be16(b, p->total_len);
	buf_put_u8(b, p->reason);
	buf_put_u8(b, p->table);
	buf_put_be64(b, p->cookie);
	of_match_encode(b, o->version, &p->match);
	buf_put_zero(b, 2); /* so that the IP header behind the Ethernet header is aligned */
	room = OF_MSG_MAX - (b->len - start);
	buf_put(b, p->data, len < room ? len : room);
	of_out_end(o, start);
}
