/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Table features requests that change the tables (§7.3.5.5).  Each of our tables can do everything we can, and "the new
 * flow table features must be either a superset of, or equal to the requested features": so what asks for nothing
 * beyond that is granted, and a property that is left out asks for nothing.  max_entries is "advisory" and not for a
 * request to set.  Tables that the request leaves out are removed from the pipeline, but for table 0, where all packets
 * begin.
 *
 * With a table go its flow entries, and those of the tables before it: what they can lead to has changed.  The tables'
 * names are set, and the config as in TABLE_MOD.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/switch/internal.h"
#include "user/switch/job.h"

#define BAD(code) OF_ERROR(OFPET_TABLE_FEATURES_FAILED, OFPTFFC_##code)
#define BODY_MAX (1u << 20) /* bytes; what we say of all tables ourselves is less than half of that */
#define REMOVED_AT_ONCE 512 /* entries looked at in a step */
#define NO_REASON 0xff	    /* of no FLOW_REMOVED: none is sent */

/* Tables that a request has. */
struct chosen {
	bool has[OFX_TABLES];
};

static int check_table(struct sw *sw, const struct of_table_request *t)
{
	struct of_table_features f = sw_table_features_of(sw, t->table);

	f.instructions |= OF_INST_GOTO; /* where to is looked at below */
	if (t->metadata_match & ~f.metadata_match || t->metadata_write & ~f.metadata_write)
		return BAD(BAD_METADATA);
	if (t->config & ~OFPTC_DEPRECATED_MASK)
		return BAD(BAD_ARGUMENT);
	if (t->instructions & ~f.instructions || t->actions & ~f.actions)
		return BAD(BAD_ARGUMENT);
	if (t->match & ~f.match || t->masked & ~f.maskable || t->wildcards & ~f.wildcards ||
	    t->set_field & ~f.set_field)
		return BAD(BAD_ARGUMENT);
	return 0;
}

/* Goto leads to later tables, of those that there will be. */
static int check_next(const struct of_table_request *t, const struct chosen *chosen)
{
	for (unsigned int i = 0; i < 256; i++)
		if (t->next[i / 64] >> i % 64 & 1 && (i <= t->table || i >= OFX_TABLES || !chosen->has[i]))
			return BAD(BAD_ARGUMENT);
	return 0;
}

static int check_tables(struct sw *sw, uint8_t version, struct wire w, struct chosen *chosen)
{
	while (wire_left(&w)) {
		struct of_table_request t;
		int err = of_table_request_decode(&w, version, &t);

		if (err)
			return err;
		if (t.table >= OFX_TABLES || chosen->has[t.table])
			return BAD(BAD_TABLE);
		chosen->has[t.table] = true;
		err = check_table(sw, &t);
		if (err)
			return err;
	}
	return chosen->has[0] ? 0 : BAD(EPERM);
}

static int check_all(struct sw *sw, uint8_t version, struct wire w, struct chosen *chosen)
{
	int err = check_tables(sw, version, w, chosen);

	while (!err && wire_left(&w)) {
		struct of_table_request t;

		err = of_table_request_decode(&w, version, &t);
		if (!err)
			err = check_next(&t, chosen);
	}
	return err;
}

/* The last table that comes or goes; -1: none. */
static int last_change(const struct sw *sw, const struct chosen *chosen)
{
	int i = OFX_TABLES - 1;

	while (i >= 0 && chosen->has[i] == sw_table_exists(sw, i))
		i--;
	return i;
}

static void set_pipeline(struct sw *sw, const struct chosen *chosen)
{
	for (int i = 0; i < OFX_TABLES; i++) {
		sw->tables[i].removed = !chosen->has[i];
		if (!chosen->has[i])
			sw->tables[i].name[0] = 0;
	}
}

static void set_tables(struct sw *sw, uint8_t version, struct wire w)
{
	struct of_table_request t;

	while (wire_left(&w) && !of_table_request_decode(&w, version, &t)) {
		memcpy(sw->tables[t.table].name, t.name, sizeof(t.name));
		sw->tables[t.table].config = t.config;
	}
}

/* --- flow entries of the tables that have changed --- */

struct change {
	struct sw *sw;
	struct sw_selection selection;
	uint64_t begun; /* entries that come meanwhile are not meant */
	int last;	/* table */
};

static void remove_one(struct sw_flow *flow, void *aux)
{
	const struct change *c = aux;

	if (sw_flow_table(flow) <= c->last && sw_flow_created(flow) <= c->begun)
		sw_flow_remove(c->sw, flow, NO_REASON);
}

static int remove_some(struct sw *sw, struct sw_conn *conn, struct sw_job *job, bool *more)
{
	struct change *c = job->aux;

	*more = sw_walk_step(sw, &c->selection.walk, REMOVED_AT_ONCE, remove_one, c);
	if (!*more && conn)
		sw_table_features_put(sw, conn, job->xid);
	return 0;
}

static void remove_end(struct sw_job *job)
{
	struct change *c = job->aux;

	sw_walk_end(&c->selection.walk);
	free(c);
}

/* NULL: out of memory. */
static struct sw_job *remove_flows(struct sw *sw, const struct of_msg *msg, int last)
{
	struct change *c = calloc(1, sizeof(*c));
	struct sw_job *job = c ? sw_job_new(sw, msg) : NULL;

	if (!job) {
		free(c);
		return NULL;
	}
	*c = (struct change){.sw = sw, .begun = job->begun, .last = last};
	sw_selection_begin(&c->selection, OFPTT_ALL, &(struct of_match){0}, &SW_ANY_FLOW);
	job->step = remove_some;
	job->end = remove_end;
	job->changes = true;
	job->aux = c;
	return job;
}

static int set_all(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg, struct wire w)
{
	struct chosen chosen = {0};
	struct sw_job *job = NULL;
	int last, err = check_all(sw, conn->replies.version, w, &chosen);

	if (err)
		return err;
	last = last_change(sw, &chosen);
	if (last >= 0) {
		job = remove_flows(sw, msg, last);
		if (!job)
			return -ENOMEM;
	}
	set_pipeline(sw, &chosen);
	set_tables(sw, conn->replies.version, w);
	if (job)
		return sw_job_start(sw, conn, job);
	sw_table_features_put(sw, conn, msg->xid);
	return 0;
}

/* --- requests of several messages --- */

static int body_add(struct sw_conn *conn, uint32_t xid, const struct of_mp_request *r)
{
	struct buf *body = &conn->tables.body;

	/* without a body it asks, be it in several messages; a master may become a slave in between */
	if (conn->role == OFPCR_ROLE_SLAVE && (r->body_len || body->len))
		return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_IS_SLAVE);
	if ((conn->tables.open && conn->tables.xid != xid) || body->len + r->body_len > BODY_MAX)
		return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_MULTIPART_BUFFER_OVERFLOW);
	buf_put(body, r->body, r->body_len);
	if (body->error)
		return body->error;
	conn->tables.xid = xid;
	conn->tables.open = r->flags & OFPMPF_REQ_MORE;
	return 0;
}

/* After an error the messages that were to come, if they still do, are a request of their own. */
int sw_table_request(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	int err = body_add(conn, msg->xid, &msg->multipart);

	if (!err && conn->tables.open)
		return 0;
	if (!err && conn->tables.body.len)
		err = set_all(sw, conn, msg, wire_of(conn->tables.body.data, conn->tables.body.len));
	else if (!err)
		sw_table_features_put(sw, conn, msg->xid);
	conn->tables.open = false;
	buf_free(&conn->tables.body);
	return err;
}
