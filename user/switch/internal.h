/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the switch know of each other.  One handler per message, in the file of the message's noun: it
 * checks everything first, then acts, then answers; a positive result is the OpenFlow error that sw_handle() sends, so
 * a handler that returns one has changed and written nothing.
 */
#ifndef SWITCH_INTERNAL_H
#define SWITCH_INTERNAL_H

#include "include/openflow/openflow.h"
#include "user/openflow/error.h"
#include "user/switch/flow.h"
#include "user/switch/flow_table.h"
#include "user/switch/group.h"
#include "user/switch/overlap.h"
#include "user/switch/switch.h"
#include "user/switch/timeout.h"

struct sw {
	struct event_base *base;
	struct dp *dp; /* NULL until sw_start */
	uint64_t dpid;
	char *name;
	uint64_t secret[SW_HASH_SECRETS]; /* of the flow tables' hash */
	struct sw_conn *conns;
	bool has_generation; /* a master or slave request came (§6.3.5) */
	uint64_t generation;
	uint16_t frag;		     /* OFPC_FRAG_* */
	uint64_t dp_config;	     /* OFX_CONFIG_* as the datapath has it */
	bool port_exists[OFX_PORTS]; /* by ofx_port_index(): asking the datapath costs system calls */
	struct sw_table tables[OFX_TABLES];
	struct htable instructions; /* of struct sw_instructions */
	struct buf scratch;	    /* of sw_instructions_get */
	struct sw_group *groups;    /* uthash */
	uint32_t group_walk;	    /* number of the last walk over groups (group_check.c) */
	uint32_t n_unmet;	    /* buckets that watch a group which is not there */
	struct sw_meter *meters;    /* uthash */
	struct sw_timeouts timeouts;
	bool changed;				   /* flow entries, since the last sw_publish() */
	struct sw_overlap_list overlaps;	   /* checks that have not come to their end (overlap.c) */
	uint32_t n_removed;			   /* flow entries whose counters are not final yet … */
	bool ended;				   /* … and which alone keep this in memory */
	struct slab flow_slabs[OFX_KEY_WORDS + 1]; /* of struct sw_flow, by the number of its values */
	struct sw_job *left;			   /* by connections that ended (job.h) */
	struct event *left_due;
	struct event *trim; /* memory of entries that are gone is given back, a little at a time */
};

/* Does the connection, in its role, want asynchronous messages of this reason?  masks: of its struct of_async. */
static inline bool sw_wants(const struct sw_conn *conn, const uint32_t masks[2], uint8_t reason)
{
	return reason < 32 && masks[conn->role == OFPCR_ROLE_SLAVE] >> reason & 1;
}

/* switch.c */
void sw_release(struct sw *sw); /* the last of it, once it has ended */
/* What changed in flow entries is seen by every packet that is received from now on. */
void sw_publish(struct sw *sw);
/* A line in the log about what handlers have answered to a message; the error that the connection is told. */
int sw_tell_refused(const char *who, uint16_t type, uint32_t xid, int err);

/* flow.c */
void sw_flows_trim(evutil_socket_t fd, short what, void *aux); /* the callback of sw.trim */

/* flow_mod.c */
int sw_flow_mod(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg);

/* flow_removed.c */
/* Take an entry out of its table and the data plane; FLOW_REMOVED(reason) follows when its counters are final. */
void sw_flow_remove(struct sw *sw, struct sw_flow *flow, uint8_t reason);
/* dp_callbacks.flow_gone */
void sw_flow_gone(void *aux, void *flow, uint64_t packets, uint64_t bytes);

/* packet_in.c, packet_out.c */
void sw_packet_in(void *aux, const struct dp_packet_in *p);
void sw_packet_ins_end(void *aux);
int sw_packet_out(struct sw *sw, const struct of_packet_out *po);
int sw_barrier(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg);

/* port.c */
void sw_ports_start(struct sw *sw);
bool sw_port_exists(const struct sw *sw, uint32_t port_no);
/* This port, or all (OFPP_ANY): *port_nos with `n` of them, to be freed.  -ENOENT: there is no such port; -ENOMEM. */
int sw_port_choose(struct sw *sw, uint32_t port_no, uint32_t **port_nos, size_t *n);
void sw_port_status(void *aux, uint8_t reason, const struct of_port *port);
int sw_port_mod(struct sw *sw, const struct of_port_mod *pm);
/* OFPMP_PORT_STATS, OFPMP_PORT_DESC */
int sw_port_multipart(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg);

/* role.c, async.c, config.c, features.c */
int sw_role_request(struct sw *sw, struct sw_conn *conn, uint32_t xid, const struct of_role *request);
void sw_async_default(struct sw_conn *conn);
int sw_async_set(struct sw *sw, struct sw_conn *conn, const struct of_async *async);
/* Tell the datapath what fragments and connections ask of it. */
void sw_config_update(struct sw *sw);
int sw_config_get(struct sw *sw, struct sw_conn *conn, uint32_t xid);
int sw_config_set(struct sw *sw, struct sw_conn *conn, const struct of_config *config);
int sw_features(struct sw *sw, struct sw_conn *conn, uint32_t xid);
int sw_desc(struct sw *sw, struct sw_conn *conn, uint32_t xid);

/* table.c */
/* Is it in the pipeline? */
bool sw_table_exists(const struct sw *sw, uint8_t table);
int sw_table_mod(struct sw *sw, const struct of_table_mod *tm);
int sw_table_stats(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg);
uint32_t sw_table_actions(void); /* what flow tables and groups can do: bits OFPAT_* */
int sw_table_features(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg);
struct of_table_features sw_table_features_of(struct sw *sw, uint8_t table);
/* The reply: what the tables are now. */
void sw_table_features_put(struct sw *sw, struct sw_conn *conn, uint32_t xid);

/* table_request.c */
/* A message of a request to change the tables; the last one is answered. */
int sw_table_request(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg);

/* flow_stats.c: OFPMP_FLOW, OFPMP_AGGREGATE */
int sw_flow_stats(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg);

/* group.c, meter.c, queue.c */
int sw_group_mod(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg);
/* OFPMP_GROUP: one group, or OFPG_ALL; one that does not exist has no entry.  OFPMP_GROUP_DESC: all. */
int sw_group_multipart(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg);
int sw_group_features(struct sw *sw, struct sw_conn *conn, uint32_t xid);
int sw_meter_mod(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg);
/* May a meter instruction name it?  0 or METER_MOD_FAILED INVALID_METER, UNKNOWN_METER. */
int sw_meter_check(struct sw *sw, uint32_t meter);
void sw_meters_free(struct sw *sw);
/* OFPMP_METER, OFPMP_METER_CONFIG */
int sw_meter_multipart(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg);
int sw_meter_features(struct sw *sw, struct sw_conn *conn, uint32_t xid);
int sw_queue_config(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg);
int sw_queue_stats(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg);

/* multipart.c */
int sw_multipart(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg);
/*
 * A reply with an entry for each of these numbers (ports, groups …) that is still there when its turn comes, in steps.
 * put: for one of them.  Takes `ids` (malloc'ed) in any case; NULL: out of memory.
 */
typedef void (*sw_put_fn)(struct sw *sw, uint32_t id, struct of_multipart *mp);
int sw_multipart_each(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg, uint32_t *ids, size_t n,
		      sw_put_fn put);
/* A reply without entries. */
int sw_multipart_empty(struct sw_conn *conn, uint16_t type, uint32_t xid);

#endif
