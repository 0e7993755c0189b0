/* SPDX-License-Identifier: GPL-2.0-only */
/* GROUP_MOD and group features (§6.7, §7.3.4.2) of a switch that has room for no group. */
#include "user/switch/internal.h"

#define GROUP_MOD_FAILED(code) OF_ERROR(OFPET_GROUP_MOD_FAILED, OFPGMFC_##code)

static int check_add(const struct of_group_mod *gm)
{
	if (gm->group > OFPG_MAX)
		return GROUP_MOD_FAILED(INVALID_GROUP);
	if (gm->type > OFPGT_FF)
		return GROUP_MOD_FAILED(BAD_TYPE);
	return GROUP_MOD_FAILED(OUT_OF_GROUPS);
}

int sw_group_mod(struct sw *sw, const struct of_group_mod *gm)
{
	switch (gm->command) {
	case OFPGC_ADD:
		return check_add(gm);
	case OFPGC_MODIFY:
		return GROUP_MOD_FAILED(UNKNOWN_GROUP);
	case OFPGC_DELETE: /* of a group that is not there: no error (§6.7) */
		return gm->group > OFPG_MAX && gm->group != OFPG_ALL ? GROUP_MOD_FAILED(INVALID_GROUP) : 0;
	}
	return GROUP_MOD_FAILED(BAD_COMMAND);
}

int sw_group_features(struct sw *sw, struct sw_conn *conn, uint32_t xid)
{
	struct of_group_features none = {0};
	struct of_multipart mp;

	of_multipart_begin(&mp, &conn->replies, OFPMP_GROUP_FEATURES, xid);
	of_multipart_group_features(&mp, &none);
	of_multipart_end(&mp);
	return 0;
}
