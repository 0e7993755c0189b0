/* SPDX-License-Identifier: GPL-2.0-only */
/* OFPT_MULTIPART_REQUEST, OFPT_MULTIPART_REPLY (§7.3.5), the description (§7.3.5.1). */
#include <string.h>
#include "user/openflow/codec.h"

#define MP_HEADER_LEN (OFP_HEADER_LEN + 8)

/* A number and 4 bytes of padding. */
static uint32_t number(struct wire *w)
{
	uint32_t v = wire_be32(w);

	wire_skip(w, 4);
	return v;
}

static int body_decode(struct wire *w, uint8_t version, struct of_mp_request *r)
{
	switch (r->type) {
	case OFPMP_DESC:
	case OFPMP_TABLE:
	case OFPMP_GROUP_DESC:
	case OFPMP_GROUP_FEATURES:
	case OFPMP_METER_FEATURES:
	case OFPMP_PORT_DESC:
		return 0;
	case OFPMP_FLOW:
	case OFPMP_AGGREGATE:
		return of_flow_stats_request_decode(w, version, &r->flow);
	case OFPMP_PORT_STATS:
		r->port_no = number(w);
		return 0;
	case OFPMP_QUEUE:
		r->port_no = wire_be32(w);
		r->queue = wire_be32(w);
		return 0;
	case OFPMP_GROUP:
		r->group = number(w);
		return 0;
	case OFPMP_METER:
	case OFPMP_METER_CONFIG:
		r->meter = number(w);
		return 0;
	case OFPMP_TABLE_FEATURES:
		r->body_len = wire_left(w);
		r->body = wire_get(w, r->body_len);
		return 0;
	case OFPMP_EXPERIMENTER:
		wire_skip(w, 8);
		return w->error ? OF_BAD_LEN : OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_EXPERIMENTER);
	default:
		return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_MULTIPART);
	}
}

int of_multipart_decode(struct wire *w, struct of_msg *msg)
{
	struct of_mp_request *r = &msg->multipart;

	r->type = wire_be16(w);
	r->flags = wire_be16(w);
	wire_skip(w, 4);
	return w->error ? OF_BAD_LEN : body_decode(w, msg->version, r);
}

static void header(struct of_multipart *mp)
{
	struct buf *b = &mp->out->buf;

	mp->start = of_out_begin(mp->out, OFPT_MULTIPART_REPLY, mp->xid);
	buf_put_be16(b, mp->type);
	buf_put_be16(b, 0);
	buf_put_zero(b, 4);
}

void of_multipart_begin(struct of_multipart *mp, struct of_out *out, uint16_t type, uint32_t xid)
{
	*mp = (struct of_multipart){.out = out, .xid = xid, .type = type};
	header(mp);
}

void of_multipart_end(struct of_multipart *mp)
{
	of_out_end(mp->out, mp->start);
}

void of_multipart_pause(struct of_multipart *mp)
{
	struct buf *b = &mp->out->buf;

	if (b->error)
		return;
	if (b->len == mp->start + MP_HEADER_LEN) {
		b->len = mp->start; /* it has no entries: never begun */
		return;
	}
	buf_set_be16(b, mp->start + OFP_HEADER_LEN + 2, OFPMPF_REPLY_MORE);
	of_multipart_end(mp);
}

size_t of_entry_begin(struct of_multipart *mp)
{
	return mp->out->buf.len;
}

/* Entries are written where they would stand; one that makes its message too long moves behind a new header. */
void of_entry_end(struct of_multipart *mp, size_t entry)
{
	struct buf *b = &mp->out->buf;
	size_t len = b->len - entry;
	uint8_t *at;

	if (b->error || b->len - mp->start <= OF_MSG_MAX)
		return;
	if (len > OF_MSG_MAX - MP_HEADER_LEN) {
		b->len = entry; /* no message can hold it: of what a controller sets, such is refused */
		return;
	}
	buf_put_zero(b, MP_HEADER_LEN);
	if (b->error)
		return;
	at = b->data + entry;
	memmove(at + MP_HEADER_LEN, at, len);
	buf_set_be16(b, mp->start + OFP_HEADER_LEN + 2, OFPMPF_REPLY_MORE);
	b->len = entry;
	of_multipart_end(mp);
	header(mp);
	b->len += len;
}

void of_put_text(struct buf *b, const char *text, size_t size)
{
	char *at = buf_put_zero(b, size);

	if (text)
		memcpy(at, text, strnlen(text, size - 1));
}

void of_multipart_desc(struct of_multipart *mp, const struct of_desc *d)
{
	struct buf *b = &mp->out->buf;
	size_t entry = of_entry_begin(mp);

	of_put_text(b, d->mfr, OFP_DESC_STR_LEN);
	of_put_text(b, d->hw, OFP_DESC_STR_LEN);
	of_put_text(b, d->sw, OFP_DESC_STR_LEN);
	of_put_text(b, d->serial, OFP_SERIAL_NUM_LEN);
	of_put_text(b, d->dp, OFP_DESC_STR_LEN);
	of_entry_end(mp, entry);
}
