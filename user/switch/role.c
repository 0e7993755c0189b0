/* SPDX-License-Identifier: GPL-2.0-only */
/* Controller roles (§6.3.4, §6.3.5, §7.3.9). */
#include "user/switch/internal.h"

/* Numbers wrap: one is older than another if their difference is negative (§6.3.5). */
static bool is_stale(const struct sw *sw, uint64_t generation)
{
	return sw->has_generation && (int64_t)(generation - sw->generation) < 0;
}

/* There is one master; the former one is told nothing in 1.3. */
static void demote_master(struct sw *sw)
{
	for (struct sw_conn *c = sw->conns; c; c = c->next)
		if (c->role == OFPCR_ROLE_MASTER)
			c->role = OFPCR_ROLE_SLAVE;
}

int sw_role_request(struct sw *sw, struct sw_conn *conn, uint32_t xid, const struct of_role *request)
{
	struct of_role reply;

	if (request->role > OFPCR_ROLE_SLAVE)
		return OF_ERROR(OFPET_ROLE_REQUEST_FAILED, OFPRRFC_BAD_ROLE);
	if (request->role == OFPCR_ROLE_MASTER || request->role == OFPCR_ROLE_SLAVE) {
		if (is_stale(sw, request->generation_id))
			return OF_ERROR(OFPET_ROLE_REQUEST_FAILED, OFPRRFC_STALE);
		sw->has_generation = true;
		sw->generation = request->generation_id;
	}
	if (request->role == OFPCR_ROLE_MASTER)
		demote_master(sw);
	if (request->role != OFPCR_ROLE_NOCHANGE)
		conn->role = request->role;
	sw_config_update(sw);
	reply = (struct of_role){conn->role, sw->has_generation ? sw->generation : UINT64_MAX};
	of_put_role(&conn->replies, xid, &reply);
	return 0;
}
