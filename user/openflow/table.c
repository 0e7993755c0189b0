/* SPDX-License-Identifier: GPL-2.0-only */
/* OFPT_TABLE_MOD (§7.3.3), table statistics (§7.3.5.4) */
#include "user/openflow/codec.h"

int of_table_mod_decode(struct wire *w, struct of_msg *msg)
{
	msg->table_mod.table = wire_u8(w);
	wire_skip(w, 3);
	msg->table_mod.config = wire_be32(w);
	return 0;
}

void of_multipart_table(struct of_multipart *mp, const struct of_table_stats *t)
{
	struct buf *b = &mp->out->buf;
	size_t entry = of_entry_begin(mp);

	buf_put_u8(b, t->table);
	buf_put_zero(b, 3);
	buf_put_be32(b, t->active);
	buf_put_be64(b, t->lookups);
	buf_put_be64(b, t->matched);
	of_entry_end(mp, entry);
}
