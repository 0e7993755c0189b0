/* SPDX-License-Identifier: GPL-2.0-only */
/* Table features (§7.3.5.5).  The bitmaps of struct of_table_features become lists of types and OXM headers. */
#include "user/openflow/codec.h"

static size_t prop_begin(struct buf *b, uint16_t type)
{
	size_t start = b->len;

	buf_put_be16(b, type);
	buf_put_be16(b, 0);
	return start;
}

/* The length leaves out the padding. */
static void prop_end(struct buf *b, size_t start)
{
	buf_set_be16(b, start + 2, b->len - start);
	buf_pad8(b, start);
}

/* Instructions, actions: their headers without any data, 4 bytes each. */
static void put_types(struct buf *b, uint16_t prop, uint32_t types)
{
	size_t start = prop_begin(b, prop);

	for (int type = 0; type < 32; type++) {
		if (types >> type & 1) {
			buf_put_be16(b, type);
			buf_put_be16(b, 4);
		}
	}
	prop_end(b, start);
}

static void put_fields(struct buf *b, uint8_t version, uint16_t prop, uint64_t fields, uint64_t masked)
{
	size_t start = prop_begin(b, prop);

	for (int oxm = 0; oxm < 128; oxm++) {
		int f = of_field_by_oxm(oxm);
		bool known = version != OFP_VERSION_13 || oxm <= OFPXMT_OFB_IPV6_EXTHDR || f == OFX_F_TCP_FLAGS;

		if (f >= 0 && known && fields >> f & 1)
			of_oxm_put(b, version, f, masked >> f & 1);
	}
	prop_end(b, start);
}

static void put_next_tables(struct buf *b, uint16_t prop, const struct of_table_features *t)
{
	size_t start = prop_begin(b, prop);

	for (unsigned int i = 0; i < 256; i++)
		if (t->next[i / 64] >> i % 64 & 1)
			buf_put_u8(b, i);
	prop_end(b, start);
}

static void put_properties(struct buf *b, uint8_t version, const struct of_table_features *t)
{
	put_types(b, OFPTFPT_INSTRUCTIONS, t->instructions);
	put_types(b, OFPTFPT_INSTRUCTIONS_MISS, t->miss_instructions);
	put_next_tables(b, OFPTFPT_NEXT_TABLES, t);
	put_next_tables(b, OFPTFPT_NEXT_TABLES_MISS, t);
	for (int prop = OFPTFPT_WRITE_ACTIONS; prop <= OFPTFPT_APPLY_ACTIONS_MISS; prop++)
		put_types(b, prop, t->actions);
	put_fields(b, version, OFPTFPT_MATCH, t->match, t->maskable);
	put_fields(b, version, OFPTFPT_WILDCARDS, t->wildcards, 0);
	for (int prop = OFPTFPT_WRITE_SETFIELD; prop <= OFPTFPT_APPLY_SETFIELD_MISS; prop++)
		put_fields(b, version, prop, t->set_field, 0);
}

void of_multipart_table_features(struct of_multipart *mp, const struct of_table_features *t)
{
	struct buf *b = &mp->out->buf;
	size_t entry = of_entry_begin(mp);

	buf_put_be16(b, 0);
	buf_put_u8(b, t->table);
	buf_put_zero(b, 5);
	of_put_text(b, t->name, OFP_MAX_TABLE_NAME_LEN);
	buf_put_be64(b, t->metadata_match);
	buf_put_be64(b, t->metadata_write);
	buf_put_be32(b, t->config);
	buf_put_be32(b, t->max_entries);
	put_properties(b, mp->out->version, t);
	buf_set_be16(b, entry, b->len - entry);
	of_entry_end(mp, entry);
}
