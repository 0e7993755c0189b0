/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "include/openflow/openflow.h"
#include "include/ofxdp/port.h"
#include "test/switch/fake_datapath.h"
#include "user/openflow/error.h"
#include "user/switch/switch.h"
#include "user/util/cleanup.h"

struct dp *fake_dp_new(void)
{
	struct dp *dp = calloc(1, sizeof(*dp));
	const uint32_t port_nos[] = {1, 2, OFPP_LOCAL};

	LIST_INIT(&dp->flows);
	LIST_INIT(&dp->pending);
	dp->max_flows = 2000000;
	dp->max_groups = 32;
	dp->packet_out.room = 2;
	for (size_t i = 0; i < 3; i++) {
		struct of_port *p = &dp->ports[dp->n_ports++];

		p->port_no = port_nos[i];
		memcpy(p->hw_addr, (uint8_t[]){2, 0, 0, 0, 0, i + 1}, 6);
		snprintf(p->name, sizeof(p->name), "eth%zu", i + 1);
		p->advertised = OFPPF_10GB_FD;
	}
	return dp;
}

static void flow_free(struct dp_flow *flow)
{
	LIST_REMOVE(flow, link);
	free(flow);
}

void fake_dp_grace(struct dp *dp)
{
	struct dp_flow *flow;

	while ((flow = LIST_FIRST(&dp->pending))) {
		void *owner = flow->owner;
		uint64_t packets = flow->packets, bytes = flow->bytes;

		flow_free(flow);
		sw_datapath_callbacks.flow_gone(dp->aux, owner, packets, bytes);
	}
}

void fake_dp_free(struct dp *dp)
{
	struct dp_flow *flow;

	fake_dp_grace(dp);
	while ((flow = LIST_FIRST(&dp->flows)))
		flow_free(flow);
	for (size_t i = 0; i < ARRAY_LEN(dp->insts); i++) {
		if (dp->insts[i])
			of_instructions_free(&dp->insts[i]->of);
		free(dp->insts[i]);
	}
	free(dp);
}

struct dp_flow *fake_dp_find(struct dp *dp, uint8_t table, uint16_t priority)
{
	struct dp_flow *flow, *found = NULL;

	LIST_FOREACH (flow, &dp->flows, link) {
		if (flow->rule.table != table || flow->rule.priority != priority)
			continue;
		if (found)
			abort();
		found = flow;
	}
	return found;
}

static int may_fail(struct dp *dp)
{
	return dp->fail_after && !--dp->fail_after ? dp->fail_with : 0;
}

int dp_inst_add(struct dp *dp, const struct of_instructions *inst, bool table_miss, uint32_t *number)
{
	int err = may_fail(dp);

	for (*number = 0; !err && *number < ARRAY_LEN(dp->insts); ++*number) {
		if (dp->insts[*number])
			continue;
		dp->insts[*number] = calloc(1, sizeof(*dp->insts[0]));
		if (!dp->insts[*number] || of_instructions_copy(inst, &dp->insts[*number]->of)) {
			free(take_ptr(dp->insts[*number]));
			return -ENOMEM;
		}
		dp->insts[*number]->table_miss = table_miss;
		dp->n_insts++;
		return 0;
	}
	return err ? err : OF_ERROR(OFPET_FLOW_MOD_FAILED, OFPFMFC_TABLE_FULL);
}

void dp_inst_drop(struct dp *dp, uint32_t number)
{
	struct dp_flow *flow;

	LIST_FOREACH (flow, &dp->flows, link)
		if (flow->inst == dp->insts[number])
			abort();
	of_instructions_free(&dp->insts[number]->of);
	free(take_ptr(dp->insts[number]));
	dp->n_insts--;
}

int dp_flow_add(struct dp *dp, const struct dp_rule *rule, void *owner, struct dp_flow **out)
{
	int err = may_fail(dp);
	struct dp_flow *flow;

	if (err)
		return err;
	if (dp->n_flows >= dp->max_flows)
		return OF_ERROR(OFPET_FLOW_MOD_FAILED, OFPFMFC_TABLE_FULL);
	flow = *out = calloc(1, sizeof(*flow));
	if (!flow)
		return -ENOMEM;
	flow->rule = *rule;
	flow->match = *rule->match;
	flow->rule.match = &flow->match;
	flow->inst = dp->insts[rule->inst];
	flow->owner = owner;
	LIST_INSERT_HEAD(&dp->flows, flow, link);
	dp->n_flows++;
	return 0;
}

void dp_flow_set(struct dp *dp, struct dp_flow *flow, uint32_t inst)
{
	flow->inst = dp->insts[inst];
}

void dp_flow_remove(struct dp *dp, struct dp_flow *flow)
{
	LIST_REMOVE(flow, link);
	LIST_INSERT_HEAD(&dp->pending, flow, link);
	dp->n_flows--;
}

void dp_publish(struct dp *dp)
{
	dp->n_published++;
}

static bool same_match(const struct of_match *a, const struct of_match *b)
{
	for (int i = 0; i < OFX_KEY_WORDS; i++)
		if (a->mask.w[i] != b->mask.w[i] || (a->value.w[i] ^ b->value.w[i]) & a->mask.w[i])
			return false;
	return true;
}

struct dp_flow *dp_flow_find(struct dp *dp, uint8_t table, const struct of_match *match, uint16_t most)
{
	struct dp_flow *flow, *found = NULL;

	LIST_FOREACH (flow, &dp->flows, link)
		if (flow->rule.table == table && flow->rule.priority <= most && same_match(&flow->match, match) &&
		    (!found || flow->rule.priority > found->rule.priority))
			found = flow;
	return found;
}

struct dp_flow *dp_flow_below(struct dp *dp, const struct dp_flow *flow)
{
	return flow->rule.priority ? dp_flow_find(dp, flow->rule.table, &flow->match, flow->rule.priority - 1) : NULL;
}

void *dp_flow_owner(const struct dp_flow *flow)
{
	return flow->owner;
}

void dp_flow_expect(const struct dp *dp, const struct dp_flow *flow)
{
}

void dp_flow_counters(struct dp *dp, const struct dp_flow *flow, uint64_t *packets, uint64_t *bytes)
{
	*packets = flow->packets;
	*bytes = flow->bytes;
}

void dp_flow_reset_counters(struct dp *dp, struct dp_flow *flow)
{
	flow->packets = flow->bytes = 0;
	flow->resets++;
}

/* Three steps. */
struct dp_table_pass {
	int steps;
};

struct dp_table_pass *dp_table_pass_begin(struct dp *dp)
{
	return calloc(1, sizeof(struct dp_table_pass));
}

bool dp_table_pass_step(struct dp_table_pass *pass)
{
	return ++pass->steps < 3;
}

void dp_table_pass_end(struct dp_table_pass *pass, struct dp_table_counters *counters)
{
	for (unsigned int i = 0; counters && i < OFX_TABLES; i++)
		counters[i] = (struct dp_table_counters){.lookups = 1000 + i, .matched = i};
	free(pass);
}

uint32_t dp_max_flows(const struct dp *dp)
{
	return dp->max_flows;
}

static bool has_queue(const struct dp *dp, uint32_t queue)
{
	for (size_t i = 0; i < dp->n_queues; i++)
		if (dp->queues[i].queue == queue)
			return true;
	return false;
}

int dp_queue_list(struct dp *dp, uint32_t port_no, struct of_queue **queues, size_t *n)
{
	*n = 0;
	*queues = calloc(dp->n_queues + 1, sizeof(**queues));
	if (!*queues)
		return -ENOMEM;
	for (size_t i = 0; i < dp->n_queues; i++)
		if (dp->queues[i].port_no == port_no)
			(*queues)[(*n)++] = dp->queues[i];
	return 0;
}

int dp_check_actions(struct dp *dp, const struct of_actions *actions, bool packet_out)
{
	for (size_t i = 0; i < actions->n; i++) {
		const struct of_action *a = &actions->v[i];

		if (a->type == OF_ACT_SET_QUEUE && !has_queue(dp, a->queue))
			return OF_ERROR(OFPET_BAD_ACTION, OFPBAC_BAD_QUEUE);
		if (a->type != OF_ACT_OUTPUT)
			continue;
		if (a->output.port == OFPP_NORMAL || (a->output.port == OFPP_TABLE && !packet_out) ||
		    (a->output.port >= OFX_PORTS && a->output.port < OFPP_MAX))
			return OF_ERROR(OFPET_BAD_ACTION, OFPBAC_BAD_OUT_PORT);
	}
	return 0;
}

struct fake_group *fake_dp_group(struct dp *dp, uint32_t id)
{
	for (size_t i = 0; i < dp->n_groups; i++)
		if (dp->groups[i].id == id)
			return &dp->groups[i];
	return NULL;
}

static int group_may_fail(struct dp *dp)
{
	int err = dp->fail_group_with;

	if (dp->fail_group_more)
		dp->fail_group_more--;
	else
		dp->fail_group_with = 0;
	return err;
}

int dp_group_add(struct dp *dp, const struct of_group_mod *gm, struct dp_copies copies)
{
	int err = group_may_fail(dp);

	if (err)
		return err;
	if (fake_dp_group(dp, gm->group)) /* the contract: the caller has checked */
		abort();
	if (dp->n_groups == dp->max_groups)
		return OF_ERROR(OFPET_GROUP_MOD_FAILED, OFPGMFC_OUT_OF_GROUPS);
	dp->groups[dp->n_groups++] = (struct fake_group){gm->group, gm->type, gm->n_buckets, 0, copies};
	return 0;
}

int dp_group_modify(struct dp *dp, const struct of_group_mod *gm, struct dp_copies copies)
{
	struct fake_group *g = fake_dp_group(dp, gm->group);
	int err = group_may_fail(dp);

	if (err)
		return err;
	*g = (struct fake_group){gm->group, gm->type, gm->n_buckets, g->n_modified + 1, copies};
	return 0;
}

int dp_group_set_copies(struct dp *dp, uint32_t group, struct dp_copies copies)
{
	fake_dp_group(dp, group)->copies = copies;
	return 0;
}

void dp_group_remove(struct dp *dp, uint32_t group)
{
	struct fake_group *g = fake_dp_group(dp, group);

	*g = dp->groups[--dp->n_groups];
}

void dp_group_counters(struct dp *dp, uint32_t group, uint64_t *packets, uint64_t *bytes,
		       struct of_bucket_counter *buckets)
{
	const struct fake_group *g = fake_dp_group(dp, group);

	*packets = 1000 + group;
	*bytes = 2000 + group;
	for (size_t i = 0; i < g->n_buckets; i++)
		buckets[i] = (struct of_bucket_counter){10 * group + i, 20 * group + i};
}

uint32_t dp_max_groups(const struct dp *dp)
{
	return dp->max_groups;
}

size_t dp_port_list(struct dp *dp, uint32_t *port_nos, size_t max)
{
	for (size_t i = 0; i < dp->n_ports && i < max; i++)
		port_nos[i] = dp->ports[i].port_no;
	return dp->n_ports;
}

int dp_port_get(struct dp *dp, uint32_t port_no, struct of_port *port)
{
	for (size_t i = 0; i < dp->n_ports; i++)
		if (dp->ports[i].port_no == port_no) {
			*port = dp->ports[i];
			return 0;
		}
	return -ENOENT;
}

int dp_port_stats(struct dp *dp, uint32_t port_no, struct of_port_stats *stats)
{
	struct of_port port;
	int err = dp_port_get(dp, port_no, &port);

	if (!err)
		*stats = (struct of_port_stats){.port_no = port_no, .rx_packets = 10};
	return err;
}

int dp_port_config(struct dp *dp, uint32_t port_no, uint32_t config, uint32_t mask)
{
	dp->config_port = port_no;
	dp->config_value = config;
	dp->config_mask = mask;
	return 0;
}

int dp_packet_out(struct dp *dp, uint32_t in_port, const struct of_actions *actions, const void *data, size_t len)
{
	if (dp->packet_out.n - dp->packet_out.done >= dp->packet_out.room)
		return -EAGAIN;
	dp->packet_out.n++;
	if (!dp->packet_out.stuck)
		dp->packet_out.done = dp->packet_out.n;
	dp->packet_out.in_port = in_port;
	dp->packet_out.n_actions = actions->n;
	dp->packet_out.len = len;
	return 0;
}

uint64_t dp_packet_out_last(const struct dp *dp)
{
	return dp->packet_out.n;
}

bool dp_packet_outs_done(struct dp *dp, uint64_t number)
{
	return dp->packet_out.done >= number;
}

void dp_count_punt_drop(struct dp *dp)
{
	dp->n_punt_drops++;
}

int dp_set_config(struct dp *dp, uint64_t config)
{
	dp->config = config;
	return 0;
}

uint64_t dp_drop_count(struct dp *dp, enum ofx_drop reason)
{
	return 0;
}

int dp_meter_add(struct dp *dp, const struct of_meter_mod *mm)
{
	if (dp->meters.fail_with)
		return dp->meters.fail_with;
	dp->meters.n++;
	return 0;
}

int dp_meter_modify(struct dp *dp, const struct of_meter_mod *mm)
{
	if (dp->meters.fail_with)
		return dp->meters.fail_with;
	dp->meters.n_modify++;
	return 0;
}

/* The contract: no flow entry uses it any more. */
void dp_meter_delete(struct dp *dp, uint32_t id)
{
	struct dp_flow *flow;

	LIST_FOREACH (flow, &dp->flows, link) {
		if (flow->inst->of.present & OF_INST_METER && flow->inst->of.meter == id)
			abort();
	}
	dp->meters.n--;
}

void dp_meter_counters(struct dp *dp, uint32_t id, struct dp_meter_counters *counters)
{
	*counters = dp->meters.counters;
}

uint32_t dp_max_meters(const struct dp *dp)
{
	return 4096;
}
