/* SPDX-License-Identifier: GPL-2.0-only */
/* OFPT_METER_MOD (§7.3.4.4), meter statistics, configuration, features (§7.3.5.11-13) */
#include <stdlib.h>
#include "user/openflow/codec.h"

#define BAND_LEN 16u /* of the bands we know; experimenters' are longer */

static int band_decode(struct wire *w, struct of_band *b)
{
	uint16_t len;

	b->type = wire_be16(w);
	len = wire_be16(w);
	b->rate = wire_be32(w);
	b->burst = wire_be32(w);
	if (b->type == OFPMBT_DSCP_REMARK) {
		b->prec_level = wire_u8(w);
		wire_skip(w, 3);
	} else {
		wire_skip(w, 4);
	}
	if (w->error || len < BAND_LEN || len % 8 || len - BAND_LEN > wire_left(w))
		return OF_BAD_LEN;
	if (b->type == OFPMBT_EXPERIMENTER)
		wire_skip(w, len - BAND_LEN); /* the switch refuses it */
	else if (b->type != OFPMBT_DROP && b->type != OFPMBT_DSCP_REMARK)
		return OF_ERROR(OFPET_METER_MOD_FAILED, OFPMMFC_BAD_BAND);
	else if (len != BAND_LEN)
		return OF_BAD_LEN;
	return 0;
}

int of_meter_mod_decode(struct wire *w, struct of_msg *msg)
{
	struct of_meter_mod *m = &msg->meter_mod;
	int error = 0;

	m->command = wire_be16(w);
	m->flags = wire_be16(w);
	m->meter = wire_be32(w);
	if (w->error)
		return OF_BAD_LEN;
	if (!wire_left(w))
		return 0;
	m->bands = calloc(wire_left(w) / BAND_LEN + 1, sizeof(*m->bands));
	if (!m->bands)
		return OF_NO_MEMORY;
	while (!error && wire_left(w))
		error = band_decode(w, &m->bands[m->n_bands++]);
	return error;
}

void of_meter_mod_free(struct of_meter_mod *m)
{
	free(m->bands);
	*m = (struct of_meter_mod){};
}

void of_multipart_meter(struct of_multipart *mp, const struct of_meter_stats *m)
{
	struct buf *b = &mp->out->buf;
	size_t entry = of_entry_begin(mp);

	buf_put_be32(b, m->meter);
	buf_put_be16(b, 0);
	buf_put_zero(b, 6);
	buf_put_be32(b, m->flows);
	buf_put_be64(b, m->packets);
	buf_put_be64(b, m->bytes);
	buf_put_be32(b, m->duration_sec);
	buf_put_be32(b, m->duration_nsec);
	for (size_t i = 0; i < m->n_bands; i++) {
		buf_put_be64(b, m->bands[i].packets);
		buf_put_be64(b, m->bands[i].bytes);
	}
	buf_set_be16(b, entry + 4, b->len - entry);
	of_entry_end(mp, entry);
}

static void band_encode(struct buf *b, const struct of_band *band)
{
	buf_put_be16(b, band->type);
	buf_put_be16(b, BAND_LEN);
	buf_put_be32(b, band->rate);
	buf_put_be32(b, band->burst);
	buf_put_u8(b, band->type == OFPMBT_DSCP_REMARK ? band->prec_level : 0);
	buf_put_zero(b, 3);
}

void of_multipart_meter_config(struct of_multipart *mp, const struct of_meter_config *m)
{
	struct buf *b = &mp->out->buf;
	size_t entry = of_entry_begin(mp);

	buf_put_be16(b, 0);
	buf_put_be16(b, m->flags);
	buf_put_be32(b, m->meter);
	for (size_t i = 0; i < m->n_bands; i++)
		band_encode(b, &m->bands[i]);
	buf_set_be16(b, entry, b->len - entry);
	of_entry_end(mp, entry);
}

void of_multipart_meter_features(struct of_multipart *mp, const struct of_meter_features *m)
{
	struct buf *b = &mp->out->buf;
	size_t entry = of_entry_begin(mp);

	buf_put_be32(b, m->max_meter);
	buf_put_be32(b, m->band_types);
	buf_put_be32(b, m->capabilities);
	buf_put_u8(b, m->max_bands);
	buf_put_u8(b, m->max_color);
	buf_put_zero(b, 2);
	of_entry_end(mp, entry);
}
