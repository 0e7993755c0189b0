/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "include/openflow/openflow.h"
#include "include/ofxdp/port.h"
#include "test/switch/fake_datapath.h"
#include "user/openflow/error.h"

/* One change of a transaction. */
struct change {
	enum { ADD, MODIFY, REMOVE } what;
	struct dp_flow *flow;
	struct of_instructions inst;
	void (*gone)(void *aux, uint64_t packets, uint64_t bytes);
	void *aux;
};

struct dp_txn {
	struct dp *dp;
	struct change *v;
	size_t n, size;
	uint32_t n_add, n_remove;
	bool failed;
};

struct dp *fake_dp_new(void)
{
	struct dp *dp = calloc(1, sizeof(*dp));
	const uint32_t port_nos[] = {1, 2, OFPP_LOCAL};

	LIST_INIT(&dp->flows);
	LIST_INIT(&dp->pending);
	dp->max_flows = 2000000;
	dp->max_groups = 32;
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
	of_instructions_free(&flow->inst);
	free(flow);
}

void fake_dp_grace(struct dp *dp)
{
	struct dp_flow *flow;

	while ((flow = LIST_FIRST(&dp->pending))) {
		void (*gone)(void *aux, uint64_t packets, uint64_t bytes) = flow->gone;
		void *aux = flow->aux;
		uint64_t packets = flow->packets, bytes = flow->bytes;

		flow_free(flow);
		if (gone)
			gone(aux, packets, bytes);
	}
}

void fake_dp_free(struct dp *dp)
{
	struct dp_flow *flow;

	fake_dp_grace(dp);
	while ((flow = LIST_FIRST(&dp->flows)))
		flow_free(flow);
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

struct dp_txn *dp_txn_begin(struct dp *dp)
{
	struct dp_txn *txn = calloc(1, sizeof(*txn));

	txn->dp = dp;
	return txn;
}

static struct change *change_add(struct dp_txn *txn)
{
	if (txn->n == txn->size) {
		txn->size = txn->size ? 2 * txn->size : 1;
		txn->v = reallocarray(txn->v, txn->size, sizeof(*txn->v));
	}
	txn->v[txn->n] = (struct change){0};
	return &txn->v[txn->n++];
}

static int may_fail(struct dp_txn *txn)
{
	if (!txn->dp->fail_after || --txn->dp->fail_after)
		return 0;
	txn->failed = true;
	return txn->dp->fail_with;
}

int dp_txn_add(struct dp_txn *txn, const struct dp_rule *rule, void *owner, struct dp_flow **out)
{
	int err = may_fail(txn);
	struct dp_flow *flow;
	struct change *c;

	if (err)
		return err;
	if (txn->dp->n_flows + ++txn->n_add > txn->dp->max_flows) {
		txn->failed = true;
		return OF_ERROR(OFPET_FLOW_MOD_FAILED, OFPFMFC_TABLE_FULL);
	}
	flow = calloc(1, sizeof(*flow));
	flow->rule = *rule;
	flow->match = *rule->match;
	flow->inst = of_instructions_copy(rule->inst);
	flow->rule.match = &flow->match;
	flow->rule.inst = &flow->inst;
	flow->owner = owner;
	c = change_add(txn);
	c->what = ADD;
	c->flow = *out = flow;
	return 0;
}

int dp_txn_modify(struct dp_txn *txn, struct dp_flow *flow, const struct of_instructions *inst)
{
	int err = may_fail(txn);
	struct change *c;

	if (err)
		return err;
	c = change_add(txn);
	c->what = MODIFY;
	c->flow = flow;
	c->inst = of_instructions_copy(inst);
	return 0;
}

int dp_txn_remove(struct dp_txn *txn, struct dp_flow *flow, void (*gone)(void *aux, uint64_t packets, uint64_t bytes),
		  void *aux)
{
	int err = may_fail(txn);
	struct change *c;

	if (err)
		return err;
	c = change_add(txn);
	*c = (struct change){.what = REMOVE, .flow = flow, .gone = gone, .aux = aux};
	return 0;
}

static void apply(struct dp *dp, struct change *c)
{
	switch (c->what) {
	case ADD:
		LIST_INSERT_HEAD(&dp->flows, c->flow, link);
		dp->n_flows++;
		break;
	case MODIFY:
		of_instructions_free(&c->flow->inst);
		c->flow->inst = c->inst;
		break;
	case REMOVE:
		LIST_REMOVE(c->flow, link);
		LIST_INSERT_HEAD(&dp->pending, c->flow, link);
		c->flow->gone = c->gone;
		c->flow->aux = c->aux;
		dp->n_flows--;
		break;
	}
}

static void txn_free(struct dp_txn *txn)
{
	free(txn->v);
	free(txn);
}

void dp_txn_abort(struct dp_txn *txn)
{
	for (size_t i = 0; i < txn->n; i++) {
		of_instructions_free(&txn->v[i].inst);
		if (txn->v[i].what == ADD) {
			of_instructions_free(&txn->v[i].flow->inst);
			free(txn->v[i].flow);
		}
	}
	txn_free(txn);
}

int dp_txn_commit(struct dp_txn *txn)
{
	if (txn->failed) /* the contract: abort after an error */
		abort();
	for (size_t i = 0; i < txn->n; i++)
		apply(txn->dp, &txn->v[i]);
	txn->dp->n_commits++;
	txn_free(txn);
	return 0;
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

void dp_table_counters(struct dp *dp, struct dp_table_counters counters[OFX_TABLES])
{
	for (unsigned int i = 0; i < OFX_TABLES; i++)
		counters[i] = (struct dp_table_counters){.lookups = 1000 + i, .matched = i};
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

	dp->fail_group_with = 0;
	return err;
}

int dp_group_add(struct dp *dp, const struct of_group_mod *gm)
{
	int err = group_may_fail(dp);

	if (err)
		return err;
	if (fake_dp_group(dp, gm->group)) /* the contract: the caller has checked */
		abort();
	if (dp->n_groups == dp->max_groups)
		return OF_ERROR(OFPET_GROUP_MOD_FAILED, OFPGMFC_OUT_OF_GROUPS);
	dp->groups[dp->n_groups++] = (struct fake_group){gm->group, gm->type, gm->n_buckets, 0};
	return 0;
}

int dp_group_modify(struct dp *dp, const struct of_group_mod *gm)
{
	struct fake_group *g = fake_dp_group(dp, gm->group);
	int err = group_may_fail(dp);

	if (err)
		return err;
	*g = (struct fake_group){gm->group, gm->type, gm->n_buckets, g->n_modified + 1};
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
	dp->packet_out.n++;
	dp->packet_out.in_port = in_port;
	dp->packet_out.n_actions = actions->n;
	dp->packet_out.len = len;
	return 0;
}

void dp_barrier(struct dp *dp)
{
	dp->n_barriers++;
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
		if (flow->inst.present & OF_INST_METER && flow->inst.meter == id)
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
