/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * GET_CONFIG, SET_CONFIG (§7.3.2): fragments for the whole switch, miss_send_len per connection.  Without buffers
 * frames are sent whole whatever miss_send_len is, so any value is good: `ovs-ofctl monitor SWITCH 65534` asks for one
 * that §7.3.2 does not know, and gives up at an error.
 */
#include "include/ofxdp/config.h"
#include "user/switch/internal.h"
#include "user/util/log.h"

static bool wants_invalid_ttl(const struct sw *sw)
{
	for (const struct sw_conn *c = sw->conns; c; c = c->next)
		if (sw_wants(c, c->async.packet_in, OFPR_INVALID_TTL))
			return true;
	return false;
}

void sw_config_update(struct sw *sw)
{
	uint64_t config = 0;
	int err;

	if (sw->frag == OFPC_FRAG_DROP)
		config |= OFX_CONFIG_FRAG_DROP;
	if (wants_invalid_ttl(sw))
		config |= OFX_CONFIG_INVALID_TTL;
	if (!sw->dp || config == sw->dp_config)
		return;
	err = dp_set_config(sw->dp, config);
	if (err)
		log_warn("switch configuration could not be set in the data plane (error %d)", err);
	else
		sw->dp_config = config;
}

int sw_config_get(struct sw *sw, struct sw_conn *conn, uint32_t xid)
{
	struct of_config config = {.flags = sw->frag, .miss_send_len = conn->miss_send_len};

	of_put_config(&conn->replies, xid, &config);
	return 0;
}

int sw_config_set(struct sw *sw, struct sw_conn *conn, const struct of_config *config)
{
	/* a slave may set what concerns itself, not the switch (§6.3.4) */
	if (conn->role == OFPCR_ROLE_SLAVE && config->flags != sw->frag)
		return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_IS_SLAVE);
	if (config->flags != OFPC_FRAG_NORMAL && config->flags != OFPC_FRAG_DROP) /* we cannot reassemble */
		return OF_ERROR(OFPET_SWITCH_CONFIG_FAILED, OFPSCFC_BAD_FLAGS);
	conn->miss_send_len = config->miss_send_len;
	sw->frag = config->flags;
	sw_config_update(sw);
	return 0;
}
