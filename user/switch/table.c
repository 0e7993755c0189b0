/* SPDX-License-Identifier: GPL-2.0-only */
/* TABLE_MOD, table statistics and features (§7.3.3, §7.3.5.4, §7.3.5.5). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/switch/internal.h"
#include "user/switch/job.h"
#include "user/util/cleanup.h"

bool sw_table_exists(const struct sw *sw, uint8_t table)
{
	return table < OFX_TABLES && !sw->tables[table].removed;
}

int sw_table_mod(struct sw *sw, const struct of_table_mod *tm)
{
	if (tm->table != OFPTT_ALL && !sw_table_exists(sw, tm->table))
		return OF_ERROR(OFPET_TABLE_MOD_FAILED, OFPTMFC_BAD_TABLE);
	if (tm->config & ~OFPTC_DEPRECATED_MASK)
		return OF_ERROR(OFPET_TABLE_MOD_FAILED, OFPTMFC_BAD_CONFIG);
	for (unsigned int i = 0; i < OFX_TABLES; i++)
		if (tm->table == OFPTT_ALL || tm->table == i)
			sw->tables[i].config = tm->config;
	return 0;
}

static void put_stats(struct sw *sw, struct sw_conn *conn, const struct sw_job *job,
		      const struct dp_table_counters *counters)
{
	struct of_multipart mp;

	of_multipart_begin(&mp, &conn->replies, OFPMP_TABLE, job->xid);
	for (unsigned int i = 0; i < OFX_TABLES; i++) {
		const struct of_table_stats stats = {.table = i,
						     .active = sw->tables[i].n_flows,
						     .lookups = counters[i].lookups,
						     .matched = counters[i].matched};

		if (sw_table_exists(sw, i))
			of_multipart_table(&mp, &stats);
	}
	of_multipart_end(&mp);
}

static int stats_step(struct sw *sw, struct sw_conn *conn, struct sw_job *job, bool *more)
{
	struct dp_table_counters counters[OFX_TABLES];

	*more = dp_table_pass_step(job->aux);
	if (*more)
		return 0;
	dp_table_pass_end(take_ptr(job->aux), counters);
	put_stats(sw, conn, job, counters);
	return 0;
}

static void stats_end(struct sw_job *job)
{
	if (job->aux)
		dp_table_pass_end(job->aux, NULL);
}

int sw_table_stats(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	struct sw_job *job = sw_job_new(sw, msg);

	if (!job)
		return -ENOMEM;
	job->aux = dp_table_pass_begin(sw->dp);
	job->end = stats_end;
	job->step = stats_step;
	if (job->aux)
		return sw_job_start(sw, conn, job);
	sw_job_free(job);
	return -ENOMEM;
}

static uint64_t fields_with(uint8_t flag)
{
	uint64_t fields = 0;

	for (unsigned int f = 0; f < OFX_N_FIELDS; f++)
		if (of_fields[f].flags & flag)
			fields |= 1ull << f;
	return fields & SW_MATCH_FIELDS;
}

uint32_t sw_table_actions(void)
{
	return 1u << OFPAT_OUTPUT | 1u << OFPAT_COPY_TTL_OUT | 1u << OFPAT_COPY_TTL_IN | 1u << OFPAT_SET_MPLS_TTL |
	       1u << OFPAT_DEC_MPLS_TTL | 1u << OFPAT_PUSH_VLAN | 1u << OFPAT_POP_VLAN | 1u << OFPAT_PUSH_MPLS |
	       1u << OFPAT_POP_MPLS | 1u << OFPAT_SET_QUEUE | 1u << OFPAT_GROUP | 1u << OFPAT_PUSH_PBB |
	       1u << OFPAT_POP_PBB | 1u << OFPAT_SET_NW_TTL | 1u << OFPAT_DEC_NW_TTL | 1u << OFPAT_SET_FIELD;
}

struct of_table_features sw_table_features_of(struct sw *sw, uint8_t table)
{
	uint32_t instructions = OF_INST_METADATA | OF_INST_WRITE | OF_INST_APPLY | OF_INST_CLEAR | OF_INST_METER;
	struct of_table_features f = {
		.table = table,
		.metadata_match = UINT64_MAX,
		.metadata_write = UINT64_MAX,
		.config = sw->tables[table].config,
		.max_entries = dp_max_flows(sw->dp),
		.instructions = instructions,
		.actions = sw_table_actions(),
		.match = SW_MATCH_FIELDS,
		.wildcards = SW_MATCH_FIELDS,
		.set_field = fields_with(OFX_FF_SET),
		.maskable = fields_with(OFX_FF_MASK),
	};

	for (unsigned int i = table + 1; i < OFX_TABLES; i++) {
		if (!sw_table_exists(sw, i))
			continue;
		f.next[i / 64] |= 1ull << i % 64;
		f.instructions |= OF_INST_GOTO;
	}
	f.miss_instructions = f.instructions;
	if (sw->tables[table].name[0])
		memcpy(f.name, sw->tables[table].name, sizeof(f.name));
	else
		snprintf(f.name, sizeof(f.name), "table%u", table);
	return f;
}

void sw_table_features_put(struct sw *sw, struct sw_conn *conn, uint32_t xid)
{
	struct of_multipart mp;

	of_multipart_begin(&mp, &conn->replies, OFPMP_TABLE_FEATURES, xid);
	for (unsigned int i = 0; i < OFX_TABLES; i++) {
		struct of_table_features features;

		if (!sw_table_exists(sw, i))
			continue;
		features = sw_table_features_of(sw, i);
		of_multipart_table_features(&mp, &features);
	}
	of_multipart_end(&mp);
}

/* An empty request asks, another one changes; both are answered with what the tables are then. */
int sw_table_features(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	const struct of_mp_request *r = &msg->multipart;

	if (r->body_len || r->flags & OFPMPF_REQ_MORE || (conn->tables.open && conn->tables.xid == msg->xid))
		return sw_table_request(sw, conn, msg);
	sw_table_features_put(sw, conn, msg->xid);
	return 0;
}
