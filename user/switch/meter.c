/* SPDX-License-Identifier: GPL-2.0-only */
/* METER_MOD (§6.8, §7.3.4.4), meter statistics, configuration and features (§7.3.5.11-13). */
#include "user/switch/meter.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/switch/deletion.h"
#include "user/switch/internal.h"
#include "user/util/clock.h"

#define METER_MOD_FAILED(code) OF_ERROR(OFPET_METER_MOD_FAILED, OFPMMFC_##code)
#define ALL_FLAGS (OFPMF_KBPS | OFPMF_PKTPS | OFPMF_BURST | OFPMF_STATS)

static bool is_virtual(uint32_t id)
{
	return id == OFPM_SLOWPATH || id == OFPM_CONTROLLER;
}

static bool is_valid(uint32_t id)
{
	return (id && id <= OFPM_MAX) || is_virtual(id);
}

struct sw_meter *sw_meter_find(const struct sw *sw, uint32_t id)
{
	struct sw_meter *meter;

	HASH_FIND(hh, sw->meters, &id, sizeof(id), meter);
	return meter;
}

int sw_meter_check(struct sw *sw, uint32_t id)
{
	const struct sw_meter *meter;

	if (!id || id > OFPM_MAX) /* the virtual ones are not for flow entries */
		return METER_MOD_FAILED(INVALID_METER);
	meter = sw_meter_find(sw, id);
	return meter && !meter->dying ? 0 : METER_MOD_FAILED(UNKNOWN_METER);
}

/* --- METER_MOD --- */

static int check_band(const struct of_band *b)
{
	if (b->type == OFPMBT_DROP)
		return 0;
	if (b->type != OFPMBT_DSCP_REMARK)
		return METER_MOD_FAILED(BAD_BAND);
	return b->prec_level ? 0 : METER_MOD_FAILED(BAD_BAND_VALUE); /* one that changes nothing */
}

/* Of add and modify: all that the datapath does not check.  Without either of KBPS and PKTPS rates are in kb/s. */
static int check_config(const struct of_meter_mod *mm)
{
	if (mm->flags & ~ALL_FLAGS || (mm->flags & OFPMF_KBPS && mm->flags & OFPMF_PKTPS))
		return METER_MOD_FAILED(BAD_FLAGS);
	if (mm->n_bands > OFX_BANDS)
		return METER_MOD_FAILED(OUT_OF_BANDS);
	for (size_t i = 0; i < mm->n_bands; i++) {
		int err = check_band(&mm->bands[i]);

		if (err)
			return err;
	}
	return 0;
}

static void set_config(struct sw_meter *meter, const struct of_meter_mod *mm)
{
	meter->flags = mm->flags;
	meter->n_bands = mm->n_bands;
	if (mm->n_bands)
		memcpy(meter->bands, mm->bands, mm->n_bands * sizeof(*mm->bands));
}

static struct sw_meter *meter_new(struct sw *sw, uint32_t id)
{
	struct sw_meter *meter = calloc(1, sizeof(*meter));

	if (!meter)
		return NULL;
	meter->id = id;
	meter->created = clock_ns();
	if (hash_add(sw->meters, id, meter))
		return meter;
	free(meter);
	return NULL;
}

static void meter_free(struct sw *sw, struct sw_meter *meter)
{
	HASH_DEL(sw->meters, meter);
	free(meter);
}

static int add(struct sw *sw, const struct of_meter_mod *mm)
{
	struct sw_meter *meter;
	int err;

	if (!is_valid(mm->meter))
		return METER_MOD_FAILED(INVALID_METER);
	meter = sw_meter_find(sw, mm->meter);
	if (meter)
		return meter->dying ? -EAGAIN : METER_MOD_FAILED(METER_EXISTS);
	err = check_config(mm);
	if (err)
		return err;
	meter = meter_new(sw, mm->meter);
	err = meter ? dp_meter_add(sw->dp, mm) : -ENOMEM;
	if (!err)
		set_config(meter, mm);
	else if (meter)
		meter_free(sw, meter);
	return err;
}

/* The meter's counters and duration go on, its bands' begin anew (§6.8). */
static int modify(struct sw *sw, const struct of_meter_mod *mm)
{
	struct sw_meter *meter = sw_meter_find(sw, mm->meter);
	int err;

	if (!meter)
		return is_valid(mm->meter) ? METER_MOD_FAILED(UNKNOWN_METER) : METER_MOD_FAILED(INVALID_METER);
	if (meter->dying)
		return -EAGAIN;
	err = check_config(mm);
	if (!err)
		err = dp_meter_modify(sw->dp, mm);
	if (!err)
		set_config(meter, mm);
	return err;
}

static void doom(struct sw *sw, uint32_t id)
{
	for (struct sw_meter *meter = sw->meters; meter; meter = meter->hh.next)
		meter->dying |= id == OFPM_ALL || id == meter->id;
}

/* Those added while all are being deleted are not. */
static bool is_meant(const struct sw_meter *meter, uint32_t id)
{
	return meter->dying && (id == OFPM_ALL || id == meter->id);
}

static bool uses(const struct sw *sw, const struct sw_instructions *inst, uint32_t id)
{
	const struct sw_meter *meter = inst->of.present & OF_INST_METER ? sw_meter_find(sw, inst->of.meter) : NULL;

	return meter && is_meant(meter, id);
}

static uint32_t n_sets(const struct sw *sw, uint32_t id)
{
	uint32_t n = 0;

	for (const struct sw_meter *meter = sw->meters; meter; meter = meter->hh.next)
		n += is_meant(meter, id) ? meter->sets : 0;
	return n;
}

static void bury(struct sw *sw, uint32_t id)
{
	struct sw_meter *meter, *next;

	HASH_ITER (hh, sw->meters, meter, next) {
		if (!is_meant(meter, id))
			continue;
		dp_meter_delete(sw->dp, meter->id);
		meter_free(sw, meter);
	}
}

/* With it go the flow entries that use it (§6.8).  A meter that is not there is no error. */
static int delete (struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	static const struct sw_deletion_ops ops = {
		.doom = doom, .uses = uses, .n_sets = n_sets, .bury = bury, .reason = OFPRR_DELETE};
	const uint32_t id = msg->meter_mod.meter;

	if (!is_valid(id) && id != OFPM_ALL)
		return METER_MOD_FAILED(INVALID_METER);
	return sw_deletion_start(sw, conn, msg, id, &ops);
}

int sw_meter_mod(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	switch (msg->meter_mod.command) {
	case OFPMC_ADD:
		return add(sw, &msg->meter_mod);
	case OFPMC_MODIFY:
		return modify(sw, &msg->meter_mod);
	case OFPMC_DELETE:
		return delete (sw, conn, msg);
	}
	return METER_MOD_FAILED(BAD_COMMAND);
}

void sw_meters_free(struct sw *sw)
{
	struct sw_meter *meter, *next;

	HASH_ITER (hh, sw->meters, meter, next) {
		meter_free(sw, meter);
	}
}

/* --- multipart --- */

static void stats_of(struct sw *sw, const struct sw_meter *meter, struct of_multipart *mp)
{
	uint64_t duration = clock_ns() - meter->created;
	struct of_band_stats bands[OFX_BANDS];
	struct dp_meter_counters c;
	struct of_meter_stats stats = {
		.meter = meter->id,
		.flows = meter->flows,
		.duration_sec = duration / SW_SECOND,
		.duration_nsec = duration % SW_SECOND,
		.n_bands = meter->n_bands,
		.bands = bands,
	};

	dp_meter_counters(sw->dp, meter->id, &c);
	stats.packets = c.in.packets;
	stats.bytes = c.in.bytes;
	for (size_t i = 0; i < meter->n_bands; i++)
		bands[i] = (struct of_band_stats){c.band[i].packets, c.band[i].bytes};
	of_multipart_meter(mp, &stats);
}

static void put_stats(struct sw *sw, uint32_t id, struct of_multipart *mp)
{
	const struct sw_meter *meter = sw_meter_find(sw, id);

	if (meter)
		stats_of(sw, meter, mp);
}

static void put_config(struct sw *sw, uint32_t id, struct of_multipart *mp)
{
	const struct sw_meter *meter = sw_meter_find(sw, id);

	if (meter)
		of_multipart_meter_config(mp, &(struct of_meter_config){.flags = meter->flags,
									.meter = id,
									.n_bands = meter->n_bands,
									.bands = meter->bands});
}

int sw_meter_multipart(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	const uint32_t id = msg->multipart.meter;
	uint32_t *ids, n = 0;

	if (id != OFPM_ALL && !sw_meter_find(sw, id))
		return is_valid(id) ? METER_MOD_FAILED(UNKNOWN_METER) : METER_MOD_FAILED(INVALID_METER);
	ids = calloc(HASH_COUNT(sw->meters) + 1, sizeof(*ids));
	for (const struct sw_meter *meter = sw->meters; ids && meter; meter = meter->hh.next)
		if (id == OFPM_ALL || meter->id == id)
			ids[n++] = meter->id;
	return sw_multipart_each(sw, conn, msg, ids, n, msg->multipart.type == OFPMP_METER ? put_stats : put_config);
}

int sw_meter_features(struct sw *sw, struct sw_conn *conn, uint32_t xid)
{
	const struct of_meter_features features = {
		.max_meter = dp_max_meters(sw->dp),
		.band_types = 1u << OFPMBT_DROP | 1u << OFPMBT_DSCP_REMARK,
		.capabilities = ALL_FLAGS,
		.max_bands = OFX_BANDS,
	};
	struct of_multipart mp;

	of_multipart_begin(&mp, &conn->replies, OFPMP_METER_FEATURES, xid);
	of_multipart_meter_features(&mp, &features);
	of_multipart_end(&mp);
	return 0;
}
