/* SPDX-License-Identifier: GPL-2.0-only */
/* OFPT_FEATURES_REPLY (§7.3.1) */
#include "user/openflow/codec.h"

void of_put_features(struct of_out *o, uint32_t xid, const struct of_features *f)
{
	size_t start = of_out_begin(o, OFPT_FEATURES_REPLY, xid);
	struct buf *b = &o->buf;

	buf_put_be64(b, f->dpid);
	buf_put_be32(b, f->n_buffers);
	buf_put_u8(b, f->n_tables);
	buf_put_u8(b, f->auxiliary_id);
	buf_put_zero(b, 2);
	buf_put_be32(b, f->capabilities);
	buf_put_zero(b, 4);
	of_out_end(o, start);
}
