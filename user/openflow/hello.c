/* SPDX-License-Identifier: GPL-2.0-only */
/* OFPT_HELLO (§7.5.1) */
#include "user/openflow/codec.h"

/* Without a bitmap: the header's version is the highest, and all below are offered. */
static uint32_t up_to(uint8_t version)
{
	return version >= 31 ? 0xfffffffe : (2u << version) - 2;
}

/* One element; elements of other types are to be skipped. */
static int element_decode(struct wire *w, struct of_hello *h)
{
	uint16_t type = wire_be16(w), len = wire_be16(w), pad = -len & 7;
	struct wire body;

	if (w->error || len < 4)
		return OF_BAD_LEN;
	body = wire_sub(w, len - 4);
	wire_skip(w, pad < wire_left(w) ? pad : wire_left(w)); /* some leave the last element's padding out */
	if (w->error)
		return OF_BAD_LEN;
	if (type != OFPHET_VERSIONBITMAP)
		return 0;
	h->versions = wire_be32(&body);
	return body.error ? OF_BAD_LEN : 0;
}

int of_hello_decode(struct wire *w, struct of_msg *msg)
{
	struct wire elements = wire_sub(w, wire_left(w));
	struct of_hello *h = &msg->hello;
	int error = 0;

	h->versions = up_to(msg->version);
	while (!error && wire_left(&elements))
		error = element_decode(&elements, h);
	if (error && msg->version < OFP_VERSION_13) {
		/* Elements came with 1.3.1; a body that older versions send is to be ignored. */
		h->versions = up_to(msg->version);
		error = 0;
	}
	return error;
}

void of_put_hello(struct of_out *o, uint32_t xid, uint32_t versions)
{
	size_t start = of_out_begin(o, OFPT_HELLO, xid);

	if (versions)
		buf_set_u8(&o->buf, start, 31 - __builtin_clz(versions));
	buf_put_be16(&o->buf, OFPHET_VERSIONBITMAP);
	buf_put_be16(&o->buf, 8);
	buf_put_be32(&o->buf, versions);
	of_out_end(o, start);
}
