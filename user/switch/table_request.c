/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Table features requests that change the tables (§7.3.5.5).  Each of our tables can do everything we can, and "the new
 * flow table features must be either a superset of, or equal to the requested features": so a request for all tables
 * that asks for nothing beyond that is granted as it is, no feature changes and no flow entry goes.  What can be set
 * are the tables' names, and the config as in TABLE_MOD.  Tables cannot be taken out of the pipeline: EPERM.
 */
#include <string.h>
#include "user/switch/internal.h"

#define BAD(code) OF_ERROR(OFPET_TABLE_FEATURES_FAILED, OFPTFFC_##code)
#define BODY_MAX (1u << 20) /* bytes; what we say of all tables ourselves is less than half of that */

static bool next_is_later(const struct of_table_request *t)
{
	for (unsigned int i = 0; i < 256; i++)
		if (t->next[i / 64] >> i % 64 & 1 && (i <= t->table || i >= OFX_TABLES))
			return false;
	return true;
}

static int check_table(struct sw *sw, const struct of_table_request *t)
{
	struct of_table_features f = sw_table_features_of(sw, t->table);

	if (t->metadata_match & ~f.metadata_match || t->metadata_write & ~f.metadata_write)
		return BAD(BAD_METADATA);
	if (t->config & ~OFPTC_DEPRECATED_MASK || t->max_entries > f.max_entries)
		return BAD(BAD_ARGUMENT);
	if (t->instructions & ~(f.instructions & f.miss_instructions) || t->actions & ~f.actions)
		return BAD(BAD_ARGUMENT);
	if (t->match & ~f.match || t->masked & ~f.maskable || t->wildcards & ~f.wildcards ||
	    t->set_field & ~f.set_field)
		return BAD(BAD_ARGUMENT);
	return next_is_later(t) ? 0 : BAD(BAD_ARGUMENT);
}

static int check_all(struct sw *sw, uint8_t version, struct wire w)
{
	bool seen[OFX_TABLES] = {false};
	unsigned int n = 0;

	for (; wire_left(&w); n++) {
		struct of_table_request t;
		int err = of_table_request_decode(&w, version, &t);

		if (err)
			return err;
		if (t.table >= OFX_TABLES || seen[t.table])
			return BAD(BAD_TABLE);
		err = check_table(sw, &t);
		if (err)
			return err;
		seen[t.table] = true;
	}
	return n == OFX_TABLES ? 0 : BAD(EPERM);
}

static int set_all(struct sw *sw, uint8_t version, struct wire w)
{
	int err = check_all(sw, version, w);

	while (!err && wire_left(&w)) {
		struct of_table_request t;

		err = of_table_request_decode(&w, version, &t);
		if (err)
			return err;
		memcpy(sw->tables[t.table].name, t.name, sizeof(t.name));
		sw->tables[t.table].config = t.config;
	}
	return err;
}

static int body_add(struct sw_conn *conn, uint32_t xid, const struct of_mp_request *r)
{
	struct buf *body = &conn->tables.body;

	/* without a body it asks, be it in several messages; a master may become a slave in between */
	if (conn->role == OFPCR_ROLE_SLAVE && (r->body_len || body->len))
		return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_IS_SLAVE);
	if ((conn->tables.open && conn->tables.xid != xid) || body->len + r->body_len > BODY_MAX)
		return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_MULTIPART_BUFFER_OVERFLOW);
	if (r->body_len)
		buf_put(body, r->body, r->body_len);
	conn->tables.xid = xid;
	conn->tables.open = r->flags & OFPMPF_REQ_MORE;
	return 0;
}

/* After an error the messages that were to come, if they still do, are a request of their own: they lack tables. */
int sw_table_request(struct sw *sw, struct sw_conn *conn, uint32_t xid, const struct of_mp_request *r, bool *more)
{
	int err = body_add(conn, xid, r);

	*more = !err && conn->tables.open;
	if (*more)
		return 0;
	if (!err && conn->tables.body.len)
		err = set_all(sw, conn->replies.version, wire_of(conn->tables.body.data, conn->tables.body.len));
	conn->tables.open = false;
	buf_free(&conn->tables.body);
	return err;
}
