/* SPDX-License-Identifier: GPL-2.0-only */
/* Which asynchronous messages a connection wants (§6.3.4, §7.3.10). */
#include "user/switch/internal.h"

#define ALL_PORT_REASONS (1u << OFPPR_ADD | 1u << OFPPR_DELETE | 1u << OFPPR_MODIFY)
#define ALL_FLOW_REASONS                                                                                               \
	(1u << OFPRR_IDLE_TIMEOUT | 1u << OFPRR_HARD_TIMEOUT | 1u << OFPRR_DELETE | 1u << OFPRR_GROUP_DELETE)

/* A slave gets port status only; packets whose TTL ran out are sent to those that ask. */
void sw_async_default(struct sw_conn *conn)
{
	conn->async = (struct of_async){
		.packet_in = {1u << OFPR_NO_MATCH | 1u << OFPR_ACTION, 0},
		.port_status = {ALL_PORT_REASONS, ALL_PORT_REASONS},
		.flow_removed = {ALL_FLOW_REASONS, 0},
	};
}

int sw_async_set(struct sw *sw, struct sw_conn *conn, const struct of_async *async)
{
	conn->async = *async;
	sw_config_update(sw);
	return 0;
}
