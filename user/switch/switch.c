/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "user/switch/internal.h"
#include "user/switch/job.h"
#include "user/util/cleanup.h"
#include "user/util/clock.h"
#include "user/util/log.h"

const struct dp_callbacks sw_datapath_callbacks = {
	.port_status = sw_port_status,
	.packet_in = sw_packet_in,
	.packet_ins_end = sw_packet_ins_end,
	.flow_gone = sw_flow_gone,
};

struct sw *sw_new(const struct sw_config *config, struct event_base *base)
{
	struct sw *sw = calloc(1, sizeof(*sw));

	if (!sw)
		return NULL;
	sw->base = base;
	sw->dpid = config->dpid;
	sw->name = strdup(config->name);
	for (size_t i = 0; i <= OFX_KEY_WORDS; i++)
		sw->flow_slabs[i] = slab_of(sizeof(struct sw_flow) + i * sizeof(uint64_t));
	if (getrandom(sw->secret, sizeof(sw->secret), 0) != sizeof(sw->secret))
		sw->secret[0] = clock_ns();
	sw->trim = evtimer_new(base, sw_flows_trim, sw);
	if (!sw->name || !sw->trim || sw_jobs_open(sw) || sw_timeouts_open(sw)) {
		if (sw->trim)
			event_free(sw->trim);
		if (sw->left_due)
			event_free(sw->left_due);
		free(sw->name);
		free(sw);
		return NULL;
	}
	return sw;
}

void sw_start(struct sw *sw, struct dp *dp)
{
	sw->dp = dp;
	sw_ports_start(sw);
	sw_config_update(sw);
}

void sw_publish(struct sw *sw)
{
	if (sw->changed)
		dp_publish(sw->dp);
	sw->changed = false;
}

static void leave_instructions(struct sw_flow *flow, void *aux)
{
	sw_flow_set_instructions(flow, NULL);
}

void sw_release(struct sw *sw)
{
	for (unsigned int i = 0; i < OFX_TABLES; i++)
		while (sw->tables[i].subtables)
			sw_subtable_free(sw->tables[i].subtables);
	for (size_t i = 0; i <= OFX_KEY_WORDS; i++)
		slab_close(&sw->flow_slabs[i]);
	slab_close(&sw->timeouts.slab);
	free(sw);
}

/* Flow entries lie in slabs, and so go all at once; but removed ones the datapath will still report. */
void sw_free(struct sw *sw)
{
	const struct sw_flow_filter all = SW_ANY_FLOW;
	struct sw_walk walk = sw_walk_begin(OFPTT_ALL, &all);

	if (!sw)
		return;
	sw->ended = true; /* from here on the data plane is left as it is */
	sw_jobs_close(sw);
	while (sw_walk_step(sw, &walk, UINT32_MAX, leave_instructions, NULL))
		;
	htable_free(&sw->instructions);
	sw_groups_free(sw);
	sw_timeouts_close(sw);
	event_free(take_ptr(sw->trim));
	sw_meters_free(sw);
	buf_free(&sw->scratch);
	free(take_ptr(sw->name));
	if (!sw->n_removed)
		sw_release(sw);
}

void sw_conn_add(struct sw *sw, struct sw_conn *conn)
{
	conn->role = OFPCR_ROLE_EQUAL;
	conn->miss_send_len = OFP_DEFAULT_MISS_SEND_LEN;
	sw_async_default(conn);
	conn->next = sw->conns;
	sw->conns = conn;
}

void sw_conn_remove(struct sw *sw, struct sw_conn *conn)
{
	for (struct sw_conn **at = &sw->conns; *at; at = &(*at)->next)
		if (*at == conn) {
			*at = conn->next;
			break;
		}
	conn->next = NULL;
	buf_free(&conn->tables.body);
	sw_job_leave(conn);
	sw_config_update(sw);
}

/* Messages that change the switch. */
static bool is_change(uint8_t type)
{
	switch (type) {
	case OF_PACKET_OUT:
	case OF_FLOW_MOD:
	case OF_GROUP_MOD:
	case OF_PORT_MOD:
	case OF_TABLE_MOD:
	case OF_METER_MOD:
		return true;
	}
	return false;
}

int sw_permit(const struct sw_conn *conn, uint8_t type)
{
	return conn->role == OFPCR_ROLE_SLAVE && is_change(type) ? OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_IS_SLAVE) : 0;
}

static int get_async(struct sw_conn *conn, uint32_t xid)
{
	of_put_async(&conn->replies, xid, &conn->async);
	return 0;
}

/* conn: NULL, if a change had to wait and its connection has ended. */
static int act(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	switch (msg->type) {
	case OF_FEATURES_REQUEST:
		return sw_features(sw, conn, msg->xid);
	case OF_GET_CONFIG_REQUEST:
		return sw_config_get(sw, conn, msg->xid);
	case OF_SET_CONFIG:
		return sw_config_set(sw, conn, &msg->config);
	case OF_PACKET_OUT:
		return sw_packet_out(sw, &msg->packet_out);
	case OF_FLOW_MOD:
		return sw_flow_mod(sw, conn, msg);
	case OF_GROUP_MOD:
		return sw_group_mod(sw, conn, msg);
	case OF_PORT_MOD:
		return sw_port_mod(sw, &msg->port_mod);
	case OF_TABLE_MOD:
		return sw_table_mod(sw, &msg->table_mod);
	case OF_METER_MOD:
		return sw_meter_mod(sw, conn, msg);
	case OF_MULTIPART_REQUEST:
		return sw_multipart(sw, conn, msg);
	case OF_BARRIER_REQUEST:
		return sw_barrier(sw, conn, msg);
	case OF_QUEUE_GET_CONFIG_REQUEST:
		return sw_queue_config(sw, conn, msg);
	case OF_ROLE_REQUEST:
		return sw_role_request(sw, conn, msg->xid, &msg->role);
	case OF_GET_ASYNC_REQUEST:
		return get_async(conn, msg->xid);
	case OF_SET_ASYNC:
		return sw_async_set(sw, conn, &msg->async);
	case OF_EXPERIMENTER:
		return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_EXPERIMENTER);
	}
	return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_TYPE);
}

/* Our trouble, as the nearest thing the spec has a number for. */
static int openflow_error(uint16_t type, int err)
{
	const bool no_room = err == -EAGAIN || err == -ENOMEM;

	if (err > 0)
		return err;
	/* Not to the log: the controller's mistake, and want of room or memory. */
	if (err != -EMSGSIZE && !no_room)
		log_peer(LOG_LVL_WARN, "%s failed: %s", of_type_name(type), strerror(-err));
	switch (type) {
	case OF_FLOW_MOD:
		return OF_ERROR(OFPET_FLOW_MOD_FAILED, no_room ? OFPFMFC_TABLE_FULL : OFPFMFC_UNKNOWN);
	case OF_PORT_MOD:
		return OF_ERROR(OFPET_PORT_MOD_FAILED, OFPPMFC_EPERM);
	case OF_METER_MOD:
		return OF_ERROR(OFPET_METER_MOD_FAILED, no_room ? OFPMMFC_OUT_OF_METERS : OFPMMFC_UNKNOWN);
	case OF_GROUP_MOD:
		return OF_ERROR(OFPET_GROUP_MOD_FAILED, no_room ? OFPGMFC_OUT_OF_GROUPS : OFPGMFC_EPERM);
	case OF_PACKET_OUT:
		return OF_ERROR(OFPET_BAD_REQUEST, err == -EMSGSIZE ? OFPBRC_BAD_PACKET : OFPBRC_EPERM);
	}
	return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_EPERM);
}

int sw_tell_refused(const char *who, uint16_t type, uint32_t xid, int err)
{
	const char *why = err == -ENOMEM ? "memory" : of_error_why(err);

	err = openflow_error(type, err);
	log_peer(LOG_LVL_INFO, "%s: %s (xid %#x) refused: %s%s%s%s", who, of_type_name(type), xid, of_error_name(err),
		 why ? " (" : "", why ?: "", why ? ")" : "");
	return err;
}

static void refuse(struct sw_conn *conn, uint16_t type, uint32_t xid, int err, const void *raw, size_t raw_len)
{
	of_put_error(&conn->replies, xid, sw_tell_refused(conn->name, type, xid, err), raw, raw_len);
}

void sw_handle(struct sw *sw, struct sw_conn *conn, struct of_msg *msg)
{
	int err = act(sw, conn, msg);

	sw_publish(sw);
	if (err == -EAGAIN)
		err = sw_job_again(sw, conn, msg, act);
	if (err)
		refuse(conn, msg->type, msg->xid, err, msg->raw, msg->raw_len);
}

size_t sw_conn_memory(const struct sw_conn *conn)
{
	return conn->tables.body.size + (conn->job ? conn->job->held : 0);
}

void sw_continue(struct sw *sw, struct sw_conn *conn)
{
	struct sw_job *job = conn->job;
	int err;

	if (sw_job_step(sw, conn, job, &err))
		return;
	if (err)
		refuse(conn, job->type, job->xid, err, job->raw, job->raw_len);
	sw_job_drop(conn);
}
