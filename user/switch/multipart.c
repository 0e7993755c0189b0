/* SPDX-License-Identifier: GPL-2.0-only */
/* MULTIPART_REQUEST (§7.3.5): to the file of each type's noun. */
#include "user/switch/internal.h"

int sw_multipart_empty(struct sw_conn *conn, uint16_t type, uint32_t xid)
{
	struct of_multipart mp;

	of_multipart_begin(&mp, &conn->replies, type, xid);
	of_multipart_end(&mp);
	return 0;
}

int sw_multipart(struct sw *sw, struct sw_conn *conn, uint32_t xid, const struct of_mp_request *r)
{
	int err;

	/* Only table features may span messages. */
	if (r->flags & OFPMPF_REQ_MORE && r->type != OFPMP_TABLE_FEATURES)
		return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_MULTIPART_BUFFER_OVERFLOW);
	switch (r->type) {
	case OFPMP_DESC:
		return sw_desc(sw, conn, xid);
	case OFPMP_FLOW:
	case OFPMP_AGGREGATE:
		err = sw_match_check(&r->flow.match);
		return err ? err : sw_flow_stats(sw, conn, xid, r->type, &r->flow);
	case OFPMP_TABLE:
		return sw_table_stats(sw, conn, xid);
	case OFPMP_PORT_STATS:
		return sw_port_stats(sw, conn, xid, r->port_no);
	case OFPMP_QUEUE:
		return sw_queue_stats(sw, conn, xid, r->port_no, r->queue);
	case OFPMP_GROUP:
		return sw_group_stats(sw, conn, xid, r->group);
	case OFPMP_GROUP_DESC:
		return sw_group_desc(sw, conn, xid);
	case OFPMP_GROUP_FEATURES:
		return sw_group_features(sw, conn, xid);
	case OFPMP_METER:
	case OFPMP_METER_CONFIG:
		return sw_meter_multipart(sw, conn, xid, r->type, r->meter);
	case OFPMP_METER_FEATURES:
		return sw_meter_features(sw, conn, xid);
	case OFPMP_TABLE_FEATURES:
		return sw_table_features(sw, conn, xid, r);
	case OFPMP_PORT_DESC:
		return sw_port_desc(sw, conn, xid);
	case OFPMP_EXPERIMENTER:
		return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_EXPERIMENTER);
	}
	return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_MULTIPART);
}
