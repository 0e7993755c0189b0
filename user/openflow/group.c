/* SPDX-License-Identifier: GPL-2.0-only */
/* OFPT_GROUP_MOD (§7.3.4.2), group statistics, description and features (§7.3.5.8 to §7.3.5.10) */
#include <stdlib.h>
#include "user/openflow/codec.h"

#define BUCKET_LEN 16u /* without its actions */
#define BAD(code) OF_ERROR(OFPET_GROUP_MOD_FAILED, OFPGMFC_##code)

static int bucket_decode(struct wire *w, uint8_t version, struct of_bucket *b)
{
	uint16_t len = wire_be16(w);

	b->weight = wire_be16(w);
	b->watch_port = wire_be32(w);
	b->watch_group = wire_be32(w);
	wire_skip(w, 4);
	if (w->error || len < BUCKET_LEN || len % 8 || len - BUCKET_LEN > wire_left(w))
		return BAD(BAD_BUCKET);
	return of_actions_decode(w, len - BUCKET_LEN, version, &b->actions);
}

int of_group_mod_decode(struct wire *w, struct of_msg *msg)
{
	struct of_group_mod *g = &msg->group_mod;
	int error = 0;

	g->command = wire_be16(w);
	g->type = wire_u8(w);
	wire_skip(w, 1);
	g->group = wire_be32(w);
	if (w->error)
		return OF_BAD_LEN;
	if (!wire_left(w))
		return 0;
	g->buckets = calloc(wire_left(w) / BUCKET_LEN + 1, sizeof(*g->buckets));
	if (!g->buckets)
		return OF_NO_MEMORY;
	while (!error && wire_left(w))
		error = bucket_decode(w, msg->version, &g->buckets[g->n_buckets++]);
	return error;
}

void of_group_mod_free(struct of_group_mod *g)
{
	for (size_t i = 0; i < g->n_buckets; i++)
		of_actions_free(&g->buckets[i].actions);
	free(g->buckets);
	*g = (struct of_group_mod){};
}

void of_multipart_group_stats(struct of_multipart *mp, const struct of_group_stats *g)
{
	struct buf *b = &mp->out->buf;
	size_t entry = of_entry_begin(mp);

	buf_put_be16(b, 0);
	buf_put_zero(b, 2);
	buf_put_be32(b, g->group);
	buf_put_be32(b, g->ref_count);
	buf_put_zero(b, 4);
	buf_put_be64(b, g->packets);
	buf_put_be64(b, g->bytes);
	buf_put_be32(b, g->duration_sec);
	buf_put_be32(b, g->duration_nsec);
	for (size_t i = 0; i < g->n_buckets; i++) {
		buf_put_be64(b, g->buckets[i].packets);
		buf_put_be64(b, g->buckets[i].bytes);
	}
	buf_set_be16(b, entry, b->len - entry);
	of_entry_end(mp, entry);
}

static void put_bucket(struct buf *b, uint8_t version, const struct of_bucket *bucket)
{
	size_t start = b->len;

	buf_put_be16(b, 0);
	buf_put_be16(b, bucket->weight);
	buf_put_be32(b, bucket->watch_port);
	buf_put_be32(b, bucket->watch_group);
	buf_put_zero(b, 4);
	of_actions_encode(b, version, &bucket->actions);
	buf_set_be16(b, start, b->len - start);
}

void of_multipart_group_desc(struct of_multipart *mp, const struct of_group_desc *g)
{
	struct buf *b = &mp->out->buf;
	size_t entry = of_entry_begin(mp);

	buf_put_be16(b, 0);
	buf_put_u8(b, g->type);
	buf_put_zero(b, 1);
	buf_put_be32(b, g->group);
	for (size_t i = 0; i < g->n_buckets; i++)
		put_bucket(b, mp->out->version, &g->buckets[i]);
	buf_set_be16(b, entry, b->len - entry);
	of_entry_end(mp, entry);
}

bool of_group_desc_fits(const struct of_group_desc *g)
{
	struct of_out out = {.version = OF_VERSION_13};
	struct of_multipart mp;
	size_t empty;
	bool fits;

	of_multipart_begin(&mp, &out, OFPMP_GROUP_DESC, 0);
	empty = out.buf.len;
	of_multipart_group_desc(&mp, g);
	fits = out.buf.len > empty; /* else nothing was written */
	buf_free(&out.buf);
	return fits;
}

void of_multipart_group_features(struct of_multipart *mp, const struct of_group_features *g)
{
	struct buf *b = &mp->out->buf;
	size_t entry = of_entry_begin(mp);

	buf_put_be32(b, g->types);
	buf_put_be32(b, g->capabilities);
	for (int i = 0; i < 4; i++)
		buf_put_be32(b, g->max_groups[i]);
	for (int i = 0; i < 4; i++)
		buf_put_be32(b, g->actions[i]);
	of_entry_end(mp, entry);
}
