/* SPDX-License-Identifier: GPL-2.0-only */
/* What the switch is and can do: FEATURES (§7.3.1), OFPMP_DESC (§7.3.5.1). */
#include <stdio.h>
#include <sys/utsname.h>
#include "user/switch/internal.h"

#ifndef OFXDP_VERSION
#define OFXDP_VERSION "0.1"
#endif

int sw_features(struct sw *sw, struct sw_conn *conn, uint32_t xid)
{
	struct of_features features = {
		.dpid = sw->dpid,
		.n_buffers = 0,
		.n_tables = OFX_TABLES,
		.capabilities =
			OFPC_FLOW_STATS | OFPC_TABLE_STATS | OFPC_PORT_STATS | OFPC_GROUP_STATS | OFPC_QUEUE_STATS,
	};

	of_put_features(&conn->replies, xid, &features);
	return 0;
}

int sw_desc(struct sw *sw, struct sw_conn *conn, uint32_t xid)
{
	struct utsname uts = {0};
	struct of_multipart mp;
	char hw[256];

	uname(&uts);
	snprintf(hw, sizeof(hw), "XDP, %s %.64s %.32s", uts.sysname, uts.release, uts.machine);
	of_multipart_begin(&mp, &conn->replies, OFPMP_DESC, xid);
	of_multipart_desc(&mp, &(struct of_desc){"ofxdp", hw, "ofxdpd " OFXDP_VERSION, "None", sw->name});
	of_multipart_end(&mp);
	return 0;
}
