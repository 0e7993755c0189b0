/* SPDX-License-Identifier: GPL-2.0-only */
/* OFPT_FLOW_REMOVED (§7.4.2) */
#include "user/openflow/codec.h"

void of_put_flow_removed(struct of_out *o, const struct of_flow_removed *f)
{
	size_t start = of_out_begin(o, OFPT_FLOW_REMOVED, 0);
	struct buf *b = &o->buf;

	buf_put_be64(b, f->cookie);
	buf_put_be16(b, f->priority);
	buf_put_u8(b, f->reason);
	buf_put_u8(b, f->table);
	buf_put_be32(b, f->duration_sec);
	buf_put_be32(b, f->duration_nsec);
	buf_put_be16(b, f->idle_timeout);
	buf_put_be16(b, f->hard_timeout);
	buf_put_be64(b, f->packets);
	buf_put_be64(b, f->bytes);
	of_match_encode(b, o->version, f->match);
	of_out_end(o, start);
}
