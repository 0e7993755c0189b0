/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What OpenFlow says a switch does: flow tables' semantics, roles, asynchronous messages, time-outs, statistics.  Knows
 * neither bytes of the wire nor BPF: messages come decoded, effects go to user/datapath, answers are written with
 * of_put_*() into the connection's struct of_out.
 */
#ifndef SWITCH_SWITCH_H
#define SWITCH_SWITCH_H

#include <stdbool.h>
#include <stdint.h>
#include <event2/event.h>
#include "user/datapath/datapath.h"
#include "user/openflow/msg.h"

struct sw;

/*
 * A connection as the switch sees it.  Embedded in control's session, which owns it.  Two outputs: `replies`
 * (answers, errors, port status, flow removed: in order, never dropped) and packet-ins (bounded, may be dropped).
 */
struct sw_conn {
	/* set by control before sw_conn_add */
	const char *name;      /* for logs */
	struct of_out replies; /* control flushes it after each sw_* call and when `wake` was called */
	/* Queue this packet-in (version of `replies`).  False: the queue is full, count it. */
	bool (*packet_in)(struct sw_conn *conn, const struct of_packet_in *p);
	void (*packet_ins_end)(struct sw_conn *conn); /* send them now; the connection may be gone behind it */
	void (*wake)(struct sw_conn *conn);	      /* `replies` was written outside of sw_handle */
	/* the switch's own */
	uint32_t role; /* OFPCR_ROLE_* */
	struct of_async async;
	uint16_t miss_send_len;
	struct { /* a table features request of several messages, as far as it came; its body is owned */
		struct buf body;
		uint32_t xid;
		bool open;
	} tables;
	struct sw_job *job; /* the last message is not done yet (job.h) */
	struct sw_conn *next;
};

struct sw_config {
	uint64_t dpid;
	const char *name; /* OFPMP_DESC dp_desc */
};

/* dp is opened by main with sw_datapath_callbacks and the struct sw * as aux, after sw_new and before sw_start. */
extern const struct dp_callbacks sw_datapath_callbacks;
struct sw *sw_new(const struct sw_config *config, struct event_base *base);
void sw_start(struct sw *sw, struct dp *dp);
void sw_free(struct sw *sw); /* before dp_close */

void sw_conn_add(struct sw *sw, struct sw_conn *conn);	  /* after the handshake's HELLO */
void sw_conn_remove(struct sw *sw, struct sw_conn *conn); /* the connection ended */

/*
 * May a connection in its role send a message of this type (§6.3.4)?  0, or IS_SLAVE, which comes before all other
 * errors: to be asked before the message is decoded.  Messages that only some content makes a change are looked at by
 * sw_handle().
 */
int sw_permit(const struct sw_conn *conn, uint8_t type);

/*
 * Act on one message and write the answer, if there is one, to conn->replies.  A wrong message gets its OFPT_ERROR and
 * changes nothing.  HELLO, ECHO and ERROR never come here (control answers them).
 */
void sw_handle(struct sw *sw, struct sw_conn *conn, struct of_msg *msg);

/*
 * The last message is not done yet: a million entries are told or deleted step by step, or packet-outs before it are
 * still on their way.  sw_continue() is to be called
 * while sw_busy(), as far as the replies drain (a step adds at most 100 KB or so); no other message of this connection
 * is handled before.
 */
static inline bool sw_busy(const struct sw_conn *conn)
{
	return conn->job;
}
void sw_continue(struct sw *sw, struct sw_conn *conn);
/* While sw_busy(): microseconds that sw_continue() is of no use before; what is waited for is not the peer's doing. */
unsigned int sw_pause_us(const struct sw_conn *conn);
/* Bytes that the connection's unfinished requests hold. */
size_t sw_conn_memory(const struct sw_conn *conn);
/* How many requests of connections that are gone are still being acted on, and the bytes that they hold. */
unsigned int sw_jobs_left(const struct sw *sw);
size_t sw_jobs_left_memory(const struct sw *sw);

#endif
