/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * OpenFlow messages as version-neutral structs, and the functions between them and bytes.  Pure: no I/O, no switch.
 *
 * Controller → switch messages decode into struct of_msg; switch → controller messages are written by of_put_*() into
 * a struct of_out, multipart replies through struct of_multipart, which splits them.  Numbers are host byte order and
 * those of OpenFlow 1.3; the codec maps other versions to them.
 */
#ifndef OPENFLOW_MSG_H
#define OPENFLOW_MSG_H

#include <stdbool.h>
#include <stdint.h>
#include "user/openflow/action.h"
#include "user/openflow/error.h"
#include "user/openflow/match.h"

#define OF_VERSION_13 4
#define OF_MSG_MAX 65535
#define OF_NO_BUFFER 0xffffffffu

/* Message types, the numbers of OpenFlow 1.3 (OFPT_*). */
enum of_type {
	OF_HELLO = 0,
	OF_ERROR_MSG,
	OF_ECHO_REQUEST,
	OF_ECHO_REPLY,
	OF_EXPERIMENTER,
	OF_FEATURES_REQUEST,
	OF_FEATURES_REPLY,
	OF_GET_CONFIG_REQUEST,
	OF_GET_CONFIG_REPLY,
	OF_SET_CONFIG,
	OF_PACKET_IN,
	OF_FLOW_REMOVED,
	OF_PORT_STATUS,
	OF_PACKET_OUT,
	OF_FLOW_MOD,
	OF_GROUP_MOD,
	OF_PORT_MOD,
	OF_TABLE_MOD,
	OF_MULTIPART_REQUEST,
	OF_MULTIPART_REPLY,
	OF_BARRIER_REQUEST,
	OF_BARRIER_REPLY,
	OF_QUEUE_GET_CONFIG_REQUEST,
	OF_QUEUE_GET_CONFIG_REPLY,
	OF_ROLE_REQUEST,
	OF_ROLE_REPLY,
	OF_GET_ASYNC_REQUEST,
	OF_GET_ASYNC_REPLY,
	OF_SET_ASYNC,
	OF_METER_MOD,
};

/* Multipart types, OFPMP_* of 1.3. */
enum of_mp_type {
	OF_MP_DESC = 0,
	OF_MP_FLOW,
	OF_MP_AGGREGATE,
	OF_MP_TABLE,
	OF_MP_PORT_STATS,
	OF_MP_QUEUE,
	OF_MP_GROUP,
	OF_MP_GROUP_DESC,
	OF_MP_GROUP_FEATURES,
	OF_MP_METER,
	OF_MP_METER_CONFIG,
	OF_MP_METER_FEATURES,
	OF_MP_TABLE_FEATURES,
	OF_MP_PORT_DESC,
	OF_MP_EXPERIMENTER = 0xffff,
};

struct of_hello {
	uint32_t versions; /* bit n: version n; without a bitmap element, all up to the header's version */
};

struct of_flow_mod {
	uint64_t cookie, cookie_mask;
	uint8_t table;			     /* 255: OFPTT_ALL */
	uint8_t command;		     /* OFPFC_*: 0 add, 1 modify, 2 modify strict, 3 delete, 4 delete strict */
	uint16_t idle_timeout, hard_timeout; /* seconds, 0 never */
	uint16_t priority;
	uint32_t buffer_id, out_port, out_group;
	uint16_t flags; /* OFPFF_* */
	struct of_match match;
	struct of_instructions inst;
};

struct of_packet_out {
	uint32_t buffer_id, in_port;
	struct of_actions actions;
	const uint8_t *data; /* into the received message */
	size_t data_len;
};

struct of_port_mod {
	uint32_t port_no, config, mask, advertise;
	uint8_t hw_addr[6];
};

struct of_table_mod {
	uint8_t table;
	uint32_t config;
};

struct of_config {
	uint16_t flags, miss_send_len;
};

struct of_role {
	uint32_t role; /* OFPCR_ROLE_*: 0 nochange, 1 equal, 2 master, 3 slave */
	uint64_t generation_id;
};

/* Asynchronous configuration; index 0: master and equal, 1: slave. */
struct of_async {
	uint32_t packet_in[2], port_status[2], flow_removed[2];
};

struct of_bucket {
	uint16_t weight;
	uint32_t watch_port, watch_group;
	struct of_actions actions;
};

struct of_group_mod {
	uint16_t command; /* OFPGC_* */
	uint8_t type;	  /* OFPGT_* */
	uint32_t group;
	size_t n_buckets;
	struct of_bucket *buckets;
};

struct of_band {
	uint16_t type; /* 1 drop, 2 DSCP remark, 0xffff experimenter */
	uint32_t rate, burst;
	uint8_t prec_level;
};

struct of_meter_mod {
	uint16_t command, flags;
	uint32_t meter;
	size_t n_bands;
	struct of_band *bands;
};

/* Flow and aggregate statistics request. */
struct of_flow_stats_request {
	uint8_t table;
	uint32_t out_port, out_group;
	uint64_t cookie, cookie_mask;
	struct of_match match;
};

struct of_mp_request {
	uint16_t type;	/* enum of_mp_type */
	uint16_t flags; /* 1: OFPMPF_REQ_MORE */
	union {
		struct of_flow_stats_request flow; /* FLOW, AGGREGATE */
		uint32_t port_no;		   /* PORT_STATS, QUEUE */
		uint32_t group;			   /* GROUP */
		uint32_t meter;			   /* METER, METER_CONFIG */
	};
	uint32_t queue;	     /* QUEUE */
	const uint8_t *body; /* TABLE_FEATURES: the bytes, into the received message */
	size_t body_len;
};

/* A received message.  Owns what its parts point to; of_msg_free() lets go.  Not initialised before decoding. */
struct of_msg {
	uint8_t version;
	uint16_t type; /* enum of_type */
	uint32_t xid;
	const uint8_t *raw; /* the whole message as received, borrowed: for errors and echo */
	size_t raw_len;
	union {
		struct of_hello hello;
		struct of_flow_mod flow_mod;
		struct of_packet_out packet_out;
		struct of_port_mod port_mod;
		struct of_table_mod table_mod;
		struct of_config config;
		struct of_role role;
		struct of_async async;
		struct of_group_mod group_mod;
		struct of_meter_mod meter_mod;
		struct of_mp_request multipart;
		uint32_t queue_port; /* QUEUE_GET_CONFIG_REQUEST */
		int error;	     /* ERROR: OF_ERROR(type, code) */
	};
};

/*
 * Decode one whole message (`len` = its header's length field, checked here too).  0 and *msg filled, or a positive
 * OpenFlow error (BAD_REQUEST BAD_LEN, BAD_TYPE, BAD_VERSION, BAD_MULTIPART …) with version, type, xid, raw set and
 * nothing else owned.  Every length and pad is checked; trailing bytes are BAD_LEN.
 */
int of_decode(const void *data, size_t len, struct of_msg *msg);
void of_msg_free(struct of_msg *msg);
/* Bytes at most that the parts take of a message of this length: an action in 8 bytes of it, a bucket in 16. */
static inline size_t of_msg_parts_most(size_t len)
{
	return (len / 8 + 2) * (sizeof(struct of_action) + sizeof(struct of_bucket));
}
/* "FLOW_MOD", for logs; static memory. */
const char *of_type_name(uint16_t type);
/* One line for debug logs. */
void of_msg_print(const struct of_msg *msg, char *text, size_t size);

/* Where messages are written: complete messages, one behind the other. */
struct of_out {
	uint8_t version; /* negotiated */
	struct buf buf;
};

/* --- switch → controller --- */
void of_put_hello(struct of_out *o, uint32_t xid, uint32_t versions /* bitmap as in struct of_hello */);
/* Body: the first 64 bytes or more of the message at fault (§7.5.4); HELLO_FAILED: `text`, ASCII, or NULL. */
void of_put_error(struct of_out *o, uint32_t xid, int error, const void *offending, size_t len);
void of_put_hello_failed(struct of_out *o, uint32_t xid, int error, const char *text);
void of_put_echo(struct of_out *o, bool reply, uint32_t xid, const void *body, size_t len);
void of_put_empty(struct of_out *o, enum of_type type, uint32_t xid); /* BARRIER_REPLY */

struct of_features {
	uint64_t dpid;
	uint32_t n_buffers;
	uint8_t n_tables, auxiliary_id;
	uint32_t capabilities;
};
void of_put_features(struct of_out *o, uint32_t xid, const struct of_features *f);
void of_put_config(struct of_out *o, uint32_t xid, const struct of_config *c);
void of_put_role(struct of_out *o, uint32_t xid, const struct of_role *r);
void of_put_async(struct of_out *o, uint32_t xid, const struct of_async *a);

/* A queue's description (§7.2.2) and statistics (§7.3.5.8). */
struct of_queue {
	uint32_t port_no, queue;
	uint16_t min_rate, max_rate; /* in 1/10 % of the port's speed, or OF_QUEUE_NO_RATE: not told */
	uint64_t tx_bytes, tx_packets, tx_errors;
	uint32_t duration_sec, duration_nsec;
};
#define OF_QUEUE_NO_RATE 0xffff
/* port: as asked for, OFPP_ANY too.  The message has no parts: false if it is too short for all; nothing is written. */
bool of_put_queue_config(struct of_out *o, uint32_t xid, uint32_t port, const struct of_queue *queues, size_t n);

struct of_packet_in {
	uint16_t total_len;
	uint8_t reason, table;
	uint64_t cookie;
	struct of_match match; /* in_port, and metadata, tunnel_id where not zero */
	const void *data;
	size_t len;
};
void of_put_packet_in(struct of_out *o, const struct of_packet_in *p); /* xid 0, OFP_NO_BUFFER */

struct of_flow_removed {
	uint64_t cookie;
	uint16_t priority;
	uint8_t reason, table; /* OFPRR_* */
	uint32_t duration_sec, duration_nsec;
	uint16_t idle_timeout, hard_timeout;
	uint64_t packets, bytes;
	const struct of_match *match;
};
void of_put_flow_removed(struct of_out *o, const struct of_flow_removed *f);

/* A port's description (§7.2.1); speeds in kb/s. */
struct of_port {
	uint32_t port_no;
	uint8_t hw_addr[6];
	char name[16]; /* zero-terminated */
	uint32_t config, state, curr, advertised, supported, peer, curr_speed, max_speed;
};
void of_put_port_status(struct of_out *o, uint8_t reason, const struct of_port *p);

/* --- multipart replies --- */
struct of_multipart {
	struct of_out *out;
	uint32_t xid;
	uint16_t type;
	size_t start; /* of the message being filled */
};
/* begin; entries (a message that would pass OF_MSG_MAX is closed with REPLY_MORE and the next begun); end. */
void of_multipart_begin(struct of_multipart *mp, struct of_out *out, uint16_t type, uint32_t xid);
void of_multipart_end(struct of_multipart *mp);
/* In place of end: more entries will follow later, in messages that another begin starts. */
void of_multipart_pause(struct of_multipart *mp);

struct of_desc {
	const char *mfr, *hw, *sw, *serial, *dp;
};
struct of_flow_stats {
	uint8_t table;
	uint32_t duration_sec, duration_nsec;
	uint16_t priority, idle_timeout, hard_timeout, flags;
	uint64_t cookie, packets, bytes;
	const struct of_match *match;
	const struct of_instructions *inst;
	const void *encoded; /* not NULL: `inst` as encoded for 1.3 already */
	size_t encoded_len;
};
struct of_table_stats {
	uint8_t table;
	uint32_t active;
	uint64_t lookups, matched;
};
struct of_port_stats {
	uint32_t port_no;
	uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes, rx_dropped, tx_dropped, rx_errors, tx_errors, rx_frame_err,
		rx_over_err, rx_crc_err, collisions;
	uint32_t duration_sec, duration_nsec;
};
/* What a table can do.  Bitmaps by OFX_F_<ID>, OFPAT_* number, OFPIT_* number. */
struct of_table_features {
	uint8_t table;
	char name[32];
	uint64_t metadata_match, metadata_write;
	uint32_t config, max_entries;
	uint32_t instructions, miss_instructions;
	uint32_t actions; /* both apply and write */
	uint64_t match, wildcards, set_field, maskable;
	uint64_t next[4]; /* bit per table that goto may lead to */
};
/* One table of a request to change the tables: what it must be able to do at least (§7.3.5.5). */
struct of_table_request {
	uint8_t table;
	char name[32]; /* terminated */
	uint64_t metadata_match, metadata_write;
	uint32_t config, max_entries;
	uint32_t instructions, actions; /* of regular and miss entries, apply and write */
	uint64_t match, masked, wildcards, set_field;
	uint64_t next[4]; /* bit per table */
};
struct of_band_stats {
	uint64_t packets, bytes;
};
struct of_meter_stats {
	uint32_t meter, flows;
	uint64_t packets, bytes;
	uint32_t duration_sec, duration_nsec;
	size_t n_bands;
	const struct of_band_stats *bands;
};
struct of_meter_config {
	uint16_t flags;
	uint32_t meter;
	size_t n_bands;
	const struct of_band *bands;
};
struct of_group_features {
	uint32_t types, capabilities, max_groups[4], actions[4];
};
struct of_meter_features {
	uint32_t max_meter, band_types, capabilities;
	uint8_t max_bands, max_color;
};
void of_multipart_desc(struct of_multipart *mp, const struct of_desc *d);
void of_multipart_flow(struct of_multipart *mp, const struct of_flow_stats *f);
void of_multipart_aggregate(struct of_multipart *mp, uint64_t packets, uint64_t bytes, uint32_t flows);
void of_multipart_table(struct of_multipart *mp, const struct of_table_stats *t);
void of_multipart_port_stats(struct of_multipart *mp, const struct of_port_stats *s);
void of_multipart_queue(struct of_multipart *mp, const struct of_queue *q);
void of_multipart_port_desc(struct of_multipart *mp, const struct of_port *p);
void of_multipart_table_features(struct of_multipart *mp, const struct of_table_features *t);
/* The next table of a table features request's body.  0, or TABLE_FEATURES_FAILED with what is wrong with it. */
int of_table_request_decode(struct wire *w, uint8_t version, struct of_table_request *t);
struct of_bucket_counter {
	uint64_t packets, bytes;
};
struct of_group_stats {
	uint32_t group, ref_count;
	uint64_t packets, bytes;
	uint32_t duration_sec, duration_nsec;
	size_t n_buckets;
	const struct of_bucket_counter *buckets;
};
struct of_group_desc {
	uint8_t type;
	uint32_t group;
	size_t n_buckets;
	const struct of_bucket *buckets;
};
/* Has a reply room for it? */
bool of_group_desc_fits(const struct of_group_desc *g);
void of_multipart_group_stats(struct of_multipart *mp, const struct of_group_stats *g);
void of_multipart_group_desc(struct of_multipart *mp, const struct of_group_desc *g);
void of_multipart_group_features(struct of_multipart *mp, const struct of_group_features *g);
void of_multipart_meter(struct of_multipart *mp, const struct of_meter_stats *m);
void of_multipart_meter_config(struct of_multipart *mp, const struct of_meter_config *m);
void of_multipart_meter_features(struct of_multipart *mp, const struct of_meter_features *m);

#endif
