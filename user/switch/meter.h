/* SPDX-License-Identifier: GPL-2.0-only */
/* A meter as OpenFlow describes it (§5.7).  Which flow entries use it is known by their instruction sets. */
#ifndef SWITCH_METER_H
#define SWITCH_METER_H

#include <stdint.h>
#include "include/ofxdp/meter.h"
#include "user/openflow/msg.h"
#include "user/util/hash.h"

struct sw;

struct sw_meter {
	uint32_t id;
	uint16_t flags;	  /* OFPMF_* as given */
	uint64_t created; /* clock_ns() of the add */
	size_t n_bands;
	struct of_band bands[OFX_BANDS]; /* as given */
	uint32_t flows;			 /* flow entries that use it */
	uint32_t sets;			 /* of instructions (instruction.h) that do, those of no entry yet among them */
	bool dying;			 /* being deleted: nothing new may use it */
	UT_hash_handle hh;		 /* sw->meters, by id */
};

struct sw_meter *sw_meter_find(const struct sw *sw, uint32_t id);

#endif
