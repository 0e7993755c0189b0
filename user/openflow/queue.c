/* SPDX-License-Identifier: GPL-2.0-only */
/* OFPT_QUEUE_GET_CONFIG_REQUEST, _REPLY (§7.3.6), queue statistics (§7.3.5.8) */
#include "user/openflow/codec.h"

int of_queue_config_decode(struct wire *w, struct of_msg *msg)
{
	msg->queue_port = wire_be32(w);
	wire_skip(w, 4);
	return 0;
}

static void put_rate(struct buf *b, uint16_t property, uint16_t rate)
{
	if (rate == OF_QUEUE_NO_RATE)
		return;
	buf_put_be16(b, property);
	buf_put_be16(b, 16);
	buf_put_zero(b, 4);
	buf_put_be16(b, rate);
	buf_put_zero(b, 6);
}

static void put_queue(struct buf *b, const struct of_queue *q)
{
	size_t start = b->len;

	buf_put_be32(b, q->queue);
	buf_put_be32(b, q->port_no);
	buf_put_be16(b, 0);
	buf_put_zero(b, 6);
	put_rate(b, OFPQT_MIN_RATE, q->min_rate);
	put_rate(b, OFPQT_MAX_RATE, q->max_rate);
	buf_set_be16(b, start + 8, b->len - start);
}

bool of_put_queue_config(struct of_out *o, uint32_t xid, uint32_t port, const struct of_queue *queues, size_t n)
{
	size_t start = of_out_begin(o, OFPT_QUEUE_GET_CONFIG_REPLY, xid);

	buf_put_be32(&o->buf, port);
	buf_put_zero(&o->buf, 4);
	for (size_t i = 0; i < n; i++)
		put_queue(&o->buf, &queues[i]);
	if (!o->buf.error && o->buf.len - start > OF_MSG_MAX) {
		o->buf.len = start;
		return false;
	}
	of_out_end(o, start);
	return true;
}

void of_multipart_queue(struct of_multipart *mp, const struct of_queue *q)
{
	struct buf *b = &mp->out->buf;
	size_t entry = of_entry_begin(mp);

	buf_put_be32(b, q->port_no);
	buf_put_be32(b, q->queue);
	buf_put_be64(b, q->tx_bytes);
	buf_put_be64(b, q->tx_packets);
	buf_put_be64(b, q->tx_errors);
	buf_put_be32(b, q->duration_sec);
	buf_put_be32(b, q->duration_nsec);
	of_entry_end(mp, entry);
}
