/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "include/openflow/openflow.h"
#include "user/switch/internal.h"

uint64_t sw_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SW_SECOND + ts.tv_nsec;
}

struct sw_flow *sw_flow_new(uint8_t table, uint16_t priority, const struct sw_match *match, uint32_t hash)
{
	size_t size = sw_match_size(match);
	struct sw_flow *flow = calloc(1, offsetof(struct sw_flow, match) + size);

	if (!flow)
		return NULL;
	flow->table = table;
	flow->priority = priority;
	flow->hash = hash;
	flow->created = sw_now();
	memcpy(&flow->match, match, size);
	return flow;
}

void sw_flow_free(struct sw_flow *flow)
{
	if (!flow)
		return;
	sw_instructions_put(flow->inst);
	free(flow);
}

static bool outputs_to(const struct of_actions *actions, uint32_t port)
{
	for (size_t i = 0; i < actions->n; i++)
		if (actions->v[i].type == OF_ACT_OUTPUT && actions->v[i].output.port == port)
			return true;
	return false;
}

static bool sends_to_group(const struct of_actions *actions, uint32_t group)
{
	for (size_t i = 0; i < actions->n; i++)
		if (actions->v[i].type == OF_ACT_GROUP && actions->v[i].group == group)
			return true;
	return false;
}

/* What a filter asks beside the match. */
static bool chosen(const struct sw_flow *flow, const struct sw_flow_filter *filter)
{
	const struct of_instructions *inst = &flow->inst->of;

	if ((flow->cookie ^ filter->cookie) & filter->cookie_mask)
		return false;
	if (filter->out_port != OFPP_ANY && !outputs_to(&inst->apply, filter->out_port) &&
	    !outputs_to(&inst->write, filter->out_port))
		return false;
	return filter->out_group == OFPG_ANY || sends_to_group(&inst->apply, filter->out_group) ||
	       sends_to_group(&inst->write, filter->out_group);
}

static void each_in_table(struct sw *sw, uint8_t table, const struct sw_flow_filter *filter, sw_flow_fn fn, void *aux)
{
	struct sw_table *t = &sw->tables[table];

	if (filter->strict) {
		struct sw_flow *flow = sw_table_find(sw, table, filter->priority, filter->match);

		if (flow && chosen(flow, filter))
			fn(flow, aux);
		return;
	}
	for (uint32_t i = 0; t->n_flows && i < t->n_buckets; i++)
		for (struct sw_flow *flow = t->buckets[i]; flow; flow = flow->next)
			if (sw_match_covers(filter->match, &flow->match) && chosen(flow, filter))
				fn(flow, aux);
}

void sw_flow_each(struct sw *sw, uint8_t table, const struct sw_flow_filter *filter, sw_flow_fn fn, void *aux)
{
	if (table != OFPTT_ALL) {
		each_in_table(sw, table, filter, fn, aux);
		return;
	}
	for (unsigned int i = 0; i < OFX_TABLES; i++)
		each_in_table(sw, i, filter, fn, aux);
}

void sw_flow_list_add(struct sw_flow *flow, void *aux)
{
	struct sw_flow_list *list = aux;

	if (list->n == list->size) {
		list->size = list->size ? 2 * list->size : 16;
		list->v = reallocarray(list->v, list->size, sizeof(*list->v));
		if (!list->v)
			abort();
	}
	list->v[list->n++] = flow;
}

void sw_flow_list_free(struct sw_flow_list *list)
{
	free(list->v);
	*list = (struct sw_flow_list){0};
}
