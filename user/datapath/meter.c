/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Meters: what include/ofxdp/meter.h says of the maps.  A meter keeps its index as long as it lives; a slot is taken
 * for each configuration.  Counters are BPF's cells: whoever takes an index or a slot sets them to 0.
 */
#include "include/ofxdp/meter.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "include/openflow/openflow.h"
#include "user/datapath/internal.h"
#include "user/datapath/pool.h"
#include "user/openflow/error.h"
#include "user/util/cleanup.h"
#include "user/util/hash.h"
#include "user/util/log.h"
#include "user/util/memory.h"

#define METER_BYTES 512 /* in user memory, the switch's included */
#define NS_PER_S 1000000000ULL
#define UNITS_PER_S (NS_PER_S << OFX_METER_TIME_SHIFT)
#define BYTES_PER_KB 125 /* of a kilobit: 1000 bits */

/* A band without a burst of its own: this much time at its rate, and not less than these. */
#define DEFAULT_BURST_MS 200
#define DEFAULT_BURST_PACKETS 2
#define DEFAULT_BURST_KB 24

struct dp_meter {
	uint32_t id; /* OpenFlow's */
	uint32_t index, slot;
	UT_hash_handle hh;
};

struct dp_meters {
	int meters_fd, slots_fd;
	struct numbers indexes, slots;
	uint32_t n;	    /* meters, but for the virtual ones */
	uint32_t n_leaving; /* places that wait for a grace period */
	struct dp_meter *by_id;
};

/* A place that is given back after a grace period, as that callback's number. */
union leaving {
	struct {
		uint16_t index, slot; /* 0: none */
	};
	uint32_t number;
};
_Static_assert(OFX_METER_SLOTS <= UINT16_MAX && OFX_METER_INDEXES <= UINT16_MAX, "union leaving");

static bool is_virtual(uint32_t id)
{
	return id == OFPM_CONTROLLER || id == OFPM_SLOWPATH;
}

static struct dp_meter *meter_find(struct dp_meters *m, uint32_t id)
{
	struct dp_meter *meter = NULL;

	if (m)
		HASH_FIND(hh, m->by_id, &id, sizeof(id), meter);
	return meter;
}

int meters_index(struct dp *dp, uint32_t id, uint32_t *index)
{
	const struct dp_meter *meter = meter_find(dp->meters, id);

	if (!meter)
		return OF_ERROR(OFPET_METER_MOD_FAILED, OFPMMFC_UNKNOWN_METER);
	*index = meter->index;
	return 0;
}

/* --- configuration --- */

/*
 * Time units that a burst takes at this rate: packets at packets/s, or kb at kb/s.  Half a packet less, so that after
 * n packets the bucket is empty and not just refilled by the time that they took.
 */
static unsigned __int128 burst_units(uint32_t burst, uint32_t rate, bool pps)
{
	return (2 * (unsigned __int128)burst - pps) * UNITS_PER_S / rate / 2;
}

static uint64_t default_depth(uint32_t rate, bool pps)
{
	uint64_t least = burst_units(pps ? DEFAULT_BURST_PACKETS : DEFAULT_BURST_KB, rate, pps);
	uint64_t depth = UNITS_PER_S / 1000 * DEFAULT_BURST_MS;

	return depth > least ? depth : least;
}

static int compile_band(const struct of_meter_mod *mm, const struct of_band *of, struct ofx_band *b)
{
	bool pps = mm->flags & OFPMF_PKTPS;
	unsigned __int128 depth;

	if (!of->rate)
		return OF_ERROR(OFPET_METER_MOD_FAILED, OFPMMFC_BAD_RATE);
	depth = mm->flags & OFPMF_BURST && of->burst ? burst_units(of->burst, of->rate, pps)
						     : default_depth(of->rate, pps);
	if (depth > OFX_METER_DEPTH_MAX)
		return OF_ERROR(OFPET_METER_MOD_FAILED, OFPMMFC_BAD_BURST);
	b->depth = depth ? (uint64_t)depth : 1;
	b->cost = (UNITS_PER_S << OFX_METER_COST_SHIFT) / (pps ? 1 : BYTES_PER_KB) / of->rate;
	b->rate = of->rate;
	b->type = of->type == OFPMBT_DROP ? OFX_BAND_DROP : OFX_BAND_DSCP_REMARK;
	b->prec_level = of->prec_level;
	return 0;
}

static int compile(const struct of_meter_mod *mm, struct ofx_meter *m)
{
	if (mm->n_bands > OFX_BANDS)
		return OF_ERROR(OFPET_METER_MOD_FAILED, OFPMMFC_OUT_OF_BANDS);
	m->id = mm->meter;
	m->n_bands = mm->n_bands;
	m->flags = mm->flags & OFPMF_PKTPS ? 0 : OFX_METER_BYTES;
	for (size_t i = 0; i < mm->n_bands; i++) {
		int err = compile_band(mm, &mm->bands[i], &m->bands[i]);

		if (err)
			return err;
	}
	return 0;
}

/* --- counters --- */

static void counter_sum(const struct ofx_counter *c, struct ofx_counter *sum)
{
	sum->packets += c->packets;
	sum->bytes += c->bytes;
}

void dp_meter_counters(struct dp *dp, uint32_t id, struct dp_meter_counters *out)
{
	const struct dp_meter *meter = meter_find(dp->meters, id);

	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; meter && i < dp->cpus.n; i++) {
		const struct cpu *cpu = &dp->cpus.cpu[i];

		counter_sum(&cpu->state->meter[meter->index], &out->in);
		for (int band = 0; band < OFX_BANDS; band++)
			counter_sum(&cpu->bands[meter->slot].band[band], &out->band[band]);
	}
}

/* Nobody counts there: its grace period is over. */
static void index_clear(struct dp *dp, uint32_t index)
{
	for (uint32_t i = 0; i < dp->cpus.n; i++)
		dp->cpus.cpu[i].state->meter[index] = (struct ofx_counter){0};
}

static void slot_clear(struct dp *dp, uint32_t slot)
{
	for (uint32_t i = 0; i < dp->cpus.n; i++)
		dp->cpus.cpu[i].bands[slot] = (struct ofx_band_counters){0};
}

/* --- publication --- */

/* Room may come free with the grace periods that are under way. */
static int take(struct dp *dp, struct numbers *pool, uint32_t *number)
{
	if (numbers_take(pool, number))
		return 0;
	return dp->meters->n_leaving ? -EAGAIN : OF_ERROR(OFPET_METER_MOD_FAILED, OFPMMFC_OUT_OF_METERS);
}

/* A slot with this configuration, not published. */
static int slot_write(struct dp *dp, const struct ofx_meter *config, uint32_t *slot)
{
	struct dp_meters *m = dp->meters;
	int err = take(dp, &m->slots, slot);

	if (err)
		return err;
	slot_clear(dp, *slot);
	if (!bpf_map_update_elem(m->slots_fd, slot, config, BPF_ANY))
		return 0;
	err = -errno;
	numbers_give(&m->slots, *slot);
	return err;
}

static int publish(struct dp_meters *m, uint32_t index, uint64_t slot)
{
	return bpf_map_update_elem(m->meters_fd, &index, &slot, BPF_ANY) ? -errno : 0;
}

static void retired(struct dp *dp, void *aux, uint32_t number)
{
	const union leaving l = {.number = number};
	struct dp_meters *m = dp->meters;

	m->n_leaving--;
	if (l.slot)
		numbers_give(&m->slots, l.slot);
	if (l.index >= OFX_METER_FIRST)
		numbers_give(&m->indexes, l.index);
}

static void retire(struct dp *dp, uint32_t index, uint32_t slot)
{
	const union leaving l = {.index = index, .slot = slot};

	dp->meters->n_leaving++;
	grace_defer(dp, retired, NULL, l.number);
}

static int index_take(struct dp *dp, uint32_t id, uint32_t *index)
{
	struct dp_meters *m = dp->meters;

	if (is_virtual(id)) {
		*index = id == OFPM_CONTROLLER ? OFX_METER_CONTROLLER : OFX_METER_SLOWPATH;
		return m->n_leaving ? -EAGAIN : 0; /* its counters are cleared: packets must have left the one before */
	}
	if (m->n >= OFX_METERS)
		return OF_ERROR(OFPET_METER_MOD_FAILED, OFPMMFC_OUT_OF_METERS);
	return take(dp, &m->indexes, index);
}

static void index_give(struct dp_meters *m, uint32_t index)
{
	if (index >= OFX_METER_FIRST)
		numbers_give(&m->indexes, index);
}

/* The rest of an add: `meter` has its index. */
static int slot_add(struct dp *dp, struct dp_meter *meter, const struct ofx_meter *config)
{
	struct dp_meters *m = dp->meters;
	int err = slot_write(dp, config, &meter->slot);

	if (err)
		return err;
	index_clear(dp, meter->index);
	err = publish(m, meter->index, meter->slot);
	if (err)
		numbers_give(&m->slots, meter->slot);
	return err;
}

/* Into the maps. */
static int index_add(struct dp *dp, struct dp_meter *meter, const struct ofx_meter *config)
{
	int err = index_take(dp, meter->id, &meter->index);

	if (err)
		return err;
	err = slot_add(dp, meter, config);
	if (err)
		index_give(dp->meters, meter->index);
	return err;
}

/* Known by its number, not in the maps yet.  NULL: out of memory. */
static struct dp_meter *meter_new(struct dp_meters *m, uint32_t id)
{
	_free_ struct dp_meter *meter = memory_may(METER_BYTES) ? calloc(1, sizeof(*meter)) : NULL;

	if (!meter)
		return NULL;
	meter->id = id;
	return hash_add(m->by_id, id, meter) ? take_ptr(meter) : NULL;
}

static void meter_free(struct dp_meters *m, struct dp_meter *meter)
{
	HASH_DEL(m->by_id, meter);
	free(meter);
}

int dp_meter_add(struct dp *dp, const struct of_meter_mod *mm)
{
	struct dp_meters *m = dp->meters;
	struct ofx_meter config = {0};
	struct dp_meter *meter;
	int err = compile(mm, &config);

	if (err)
		return err;
	meter = meter_new(m, mm->meter);
	err = meter ? index_add(dp, meter, &config) : -ENOMEM;
	if (!err)
		m->n += !is_virtual(mm->meter);
	else if (meter)
		meter_free(m, meter);
	return err;
}

int dp_meter_modify(struct dp *dp, const struct of_meter_mod *mm)
{
	struct dp_meters *m = dp->meters;
	struct dp_meter *meter = meter_find(m, mm->meter);
	struct ofx_meter config = {0};
	uint32_t slot, before;
	int err = meter ? compile(mm, &config) : -ENOENT;

	if (err)
		return err;
	err = slot_write(dp, &config, &slot);
	if (err)
		return err;
	err = publish(m, meter->index, slot);
	if (err) {
		numbers_give(&m->slots, slot);
		return err;
	}
	before = meter->slot;
	meter->slot = slot;
	retire(dp, 0, before);
	return 0;
}

void dp_meter_delete(struct dp *dp, uint32_t id)
{
	struct dp_meters *m = dp->meters;
	struct dp_meter *meter = meter_find(m, id);

	if (!meter)
		return;
	if (publish(m, meter->index, 0))
		log_warn("cannot take meter %u out of its map: %s", id, strerror(errno));
	retire(dp, meter->index, meter->slot);
	m->n -= !is_virtual(id);
	meter_free(m, meter);
}

uint32_t dp_max_meters(const struct dp *dp)
{
	return OFX_METERS;
}

/* --- open and close --- */

int meters_open(struct dp *dp)
{
	struct dp_meters *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	dp->meters = m;
	m->meters_fd = bpf_map__fd(dp->skel->maps.meters);
	m->slots_fd = bpf_map__fd(dp->skel->maps.meter_slots);
	err = numbers_open(&m->indexes, OFX_METER_FIRST, OFX_METER_INDEXES);
	if (!err)
		err = numbers_open(&m->slots, 1, OFX_METER_SLOTS);
	if (!err)
		err = grace_reserve(dp, OFX_METER_SLOTS);
	if (err)
		meters_close(dp);
	return err;
}

void meters_close(struct dp *dp)
{
	struct dp_meters *m = dp->meters;
	struct dp_meter *meter, *next;

	if (!m)
		return;
	HASH_ITER (hh, m->by_id, meter, next) {
		meter_free(m, meter);
	}
	numbers_close(&m->indexes);
	numbers_close(&m->slots);
	free(take_ptr(dp->meters));
}
