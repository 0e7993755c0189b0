/* SPDX-License-Identifier: GPL-2.0-only */
/* QUEUE_GET_CONFIG and queue statistics (§7.3.5.8, §7.3.6): ports without queues. */
#include "user/switch/internal.h"

#define QUEUE_OP_FAILED(code) OF_ERROR(OFPET_QUEUE_OP_FAILED, OFPQOFC_##code)

int sw_queue_config(struct sw *sw, struct sw_conn *conn, uint32_t xid, uint32_t port_no)
{
	if (port_no != OFPP_ANY && !sw_port_exists(sw, port_no))
		return QUEUE_OP_FAILED(BAD_PORT);
	of_put_queue_config(&conn->replies, xid, port_no, NULL, 0);
	return 0;
}

int sw_queue_stats(struct sw *sw, struct sw_conn *conn, uint32_t xid, uint32_t port_no, uint32_t queue)
{
	if (port_no != OFPP_ANY && !sw_port_exists(sw, port_no))
		return QUEUE_OP_FAILED(BAD_PORT);
	if (queue != OFPQ_ALL)
		return QUEUE_OP_FAILED(BAD_QUEUE);
	return sw_multipart_empty(conn, OFPMP_QUEUE, xid);
}
