/* SPDX-License-Identifier: GPL-2.0-only */
/* Individual and aggregate flow statistics (§7.3.5.2, §7.3.5.3) */
#include "user/openflow/codec.h"

int of_flow_stats_request_decode(struct wire *w, uint8_t version, struct of_flow_stats_request *r)
{
	r->table = wire_u8(w);
	wire_skip(w, 3);
	r->out_port = wire_be32(w);
	r->out_group = wire_be32(w);
	wire_skip(w, 4);
	r->cookie = wire_be64(w);
	r->cookie_mask = wire_be64(w);
	if (w->error || wire_left(w) < 8)
		return OF_BAD_LEN;
	return of_match_decode(w, version, &r->match);
}

void of_multipart_flow(struct of_multipart *mp, const struct of_flow_stats *f)
{
	struct buf *b = &mp->out->buf;
	size_t entry = of_entry_begin(mp);

	buf_put_be16(b, 0);
	buf_put_u8(b, f->table);
	buf_put_zero(b, 1);
	buf_put_be32(b, f->duration_sec);
	buf_put_be32(b, f->duration_nsec);
	buf_put_be16(b, f->priority);
	buf_put_be16(b, f->idle_timeout);
	buf_put_be16(b, f->hard_timeout);
	buf_put_be16(b, f->flags);
	buf_put_zero(b, 4);
	buf_put_be64(b, f->cookie);
	buf_put_be64(b, f->packets);
	buf_put_be64(b, f->bytes);
	of_match_encode(b, mp->out->version, f->match);
	if (f->encoded && mp->out->version == OFP_VERSION_13)
		buf_put(b, f->encoded, f->encoded_len);
	else
		of_instructions_encode(b, mp->out->version, f->inst);
	buf_set_be16(b, entry, b->len - entry);
	of_entry_end(mp, entry);
}

void of_multipart_aggregate(struct of_multipart *mp, uint64_t packets, uint64_t bytes, uint32_t flows)
{
	struct buf *b = &mp->out->buf;
	size_t entry = of_entry_begin(mp);

	buf_put_be64(b, packets);
	buf_put_be64(b, bytes);
	buf_put_be32(b, flows);
	buf_put_zero(b, 4);
	of_entry_end(mp, entry);
}
