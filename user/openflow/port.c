/* SPDX-License-Identifier: GPL-2.0-only */
/* Ports: struct ofp_port (§7.2.1), OFPT_PORT_MOD (§7.3.4.3), OFPT_PORT_STATUS (§7.4.3), their multipart replies. */
#include "user/openflow/codec.h"

int of_port_mod_decode(struct wire *w, struct of_msg *msg)
{
	struct of_port_mod *p = &msg->port_mod;

	p->port_no = wire_be32(w);
	wire_skip(w, 4);
	wire_copy(w, p->hw_addr, sizeof(p->hw_addr));
	wire_skip(w, 2);
	p->config = wire_be32(w);
	p->mask = wire_be32(w);
	p->advertise = wire_be32(w);
	wire_skip(w, 4);
	return 0;
}

void of_put_port(struct buf *b, const struct of_port *p)
{
	buf_put_be32(b, p->port_no);
	buf_put_zero(b, 4);
	buf_put(b, p->hw_addr, sizeof(p->hw_addr));
	buf_put_zero(b, 2);
	of_put_text(b, p->name, OFP_MAX_PORT_NAME_LEN);
	buf_put_be32(b, p->config);
	buf_put_be32(b, p->state);
	buf_put_be32(b, p->curr);
	buf_put_be32(b, p->advertised);
	buf_put_be32(b, p->supported);
	buf_put_be32(b, p->peer);
	buf_put_be32(b, p->curr_speed);
	buf_put_be32(b, p->max_speed);
}

void of_put_port_status(struct of_out *o, uint8_t reason, const struct of_port *p)
{
	size_t start = of_out_begin(o, OFPT_PORT_STATUS, 0);

	buf_put_u8(&o->buf, reason);
	buf_put_zero(&o->buf, 7);
	of_put_port(&o->buf, p);
	of_out_end(o, start);
}

void of_multipart_port_desc(struct of_multipart *mp, const struct of_port *p)
{
	size_t entry = of_entry_begin(mp);

	of_put_port(&mp->out->buf, p);
	of_entry_end(mp, entry);
}

void of_multipart_port_stats(struct of_multipart *mp, const struct of_port_stats *s)
{
	const uint64_t counters[] = {
		s->rx_packets, s->tx_packets, s->rx_bytes,     s->tx_bytes,    s->rx_dropped, s->tx_dropped,
		s->rx_errors,  s->tx_errors,  s->rx_frame_err, s->rx_over_err, s->rx_crc_err, s->collisions,
	};
	struct buf *b = &mp->out->buf;
	size_t entry = of_entry_begin(mp);

	buf_put_be32(b, s->port_no);
	buf_put_zero(b, 4);
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		buf_put_be64(b, counters[i]);
	buf_put_be32(b, s->duration_sec);
	buf_put_be32(b, s->duration_nsec);
	of_entry_end(mp, entry);
}
