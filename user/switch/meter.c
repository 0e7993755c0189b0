/* SPDX-License-Identifier: GPL-2.0-only */
/* METER_MOD, meter statistics and features (§6.8, §7.3.4.4) of a switch that has room for no meter. */
#include "user/switch/internal.h"

#define METER_MOD_FAILED(code) OF_ERROR(OFPET_METER_MOD_FAILED, OFPMMFC_##code)

static bool is_valid(uint32_t meter)
{
	return (meter && meter <= OFPM_MAX) || meter == OFPM_SLOWPATH || meter == OFPM_CONTROLLER;
}

int sw_meter_mod(struct sw *sw, const struct of_meter_mod *mm)
{
	switch (mm->command) {
	case OFPMC_ADD:
		return is_valid(mm->meter) ? METER_MOD_FAILED(OUT_OF_METERS) : METER_MOD_FAILED(INVALID_METER);
	case OFPMC_MODIFY:
		return METER_MOD_FAILED(UNKNOWN_METER);
	case OFPMC_DELETE: /* of a meter that is not there: no error (§6.8) */
		return is_valid(mm->meter) || mm->meter == OFPM_ALL ? 0 : METER_MOD_FAILED(INVALID_METER);
	}
	return METER_MOD_FAILED(BAD_COMMAND);
}

/* OFPMP_METER, OFPMP_METER_CONFIG */
int sw_meter_multipart(struct sw *sw, struct sw_conn *conn, uint32_t xid, uint16_t type, uint32_t meter)
{
	return meter == OFPM_ALL ? sw_multipart_empty(conn, type, xid) : METER_MOD_FAILED(UNKNOWN_METER);
}

int sw_meter_features(struct sw *sw, struct sw_conn *conn, uint32_t xid)
{
	struct of_meter_features none = {0};
	struct of_multipart mp;

	of_multipart_begin(&mp, &conn->replies, OFPMP_METER_FEATURES, xid);
	of_multipart_meter_features(&mp, &none);
	of_multipart_end(&mp);
	return 0;
}
