/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules that change their tuple: when a table begins to share tuples, those that are alone in theirs are moved to
 * shared ones, a few in each round of the event loop, so that their tuples need not be tried any more; when it has few
 * masks left, those that share one to their own, where a packet meets no other (and a hash map may have them).
 *
 * A packet may have tried the new tuple before the rule came there, and try the former after it: so the rule stays
 * there until a grace period has passed.
 */
#include "build/ofxdp.skel.h"
#include "user/datapath/tuple.h"

#define MOVE_SCAN 4096 /* flow ids a round, */
#define MOVE_RULES 256 /* … rules moved */

struct left_rules {
	struct dp_tables *tables;
	uint32_t n;
	struct left_rule v[MOVE_RULES];
};

/* With room to defer it.  NULL: out of memory. */
static struct left_rules *left_new(struct dp_tables *tables)
{
	struct left_rules *left = calloc(1, sizeof(*left));

	if (!left || grace_reserve(tables->dp, 1)) {
		free(left);
		return NULL;
	}
	left->tables = tables;
	return left;
}

static void left_free(struct dp *dp, struct left_rules *left)
{
	grace_unreserve(dp, 1);
	free(left);
}

static void left_due(struct dp *dp, void *aux, uint32_t number)
{
	struct left_rules *left = aux;

	for (uint32_t i = 0; i < left->n && !left->tables->closing; i++)
		rule_drop_left(left->tables, &left->v[i]);
	left_free(dp, left);
}

static bool may_move(const struct table *t, const struct dp_flow *flow)
{
	const struct dp_tables *tables = t->tables;

	if (flow->flags != FLOW_USED || flow->table != t->number || !tables->tuple[flow->mask])
		return false;
	return table_shares(t) ? tables->tuple[flow->mask]->alone
			       : flow_record(tables, flow_id(tables, flow))->tuple != flow->mask;
}

/* A round; false: all flow ids have been looked at. */
static bool table_move(struct table *t, struct left_rules *left)
{
	struct dp_tables *tables = t->tables;

	for (uint32_t n = 0; n < MOVE_SCAN && left->n < MOVE_RULES; n++, t->move_at++) {
		struct dp_flow *flow = &tables->flow[t->move_at];

		if (t->move_at >= tables->ids.next)
			return false;
		if (!may_move(t, flow))
			continue;
		left->n += rule_move(tables, flow, &left->v[left->n]);
	}
	return true;
}

/* Nothing is alone any more, or will never be moved; or all of it is. */
static void table_moved(struct table *t)
{
	struct tuple *tuple;

	t->moving = false;
	TAILQ_FOREACH(tuple, &t->tuples, next)
	tuple->alone = !table_shares(t);
	copies_look_later(t->tables);
}

static bool moves_round(struct dp_tables *tables, struct left_rules *left)
{
	for (uint32_t i = 0; i < OFX_TABLES; i++) {
		struct table *t = &tables->table[i];

		if (!t->moving)
			continue;
		if (!table_move(t, left))
			table_moved(t);
		return true;
	}
	return false;
}

static void move_due(evutil_socket_t fd, short what, void *aux)
{
	static const struct timeval at_once = {0}, soon = {.tv_usec = 10000};
	struct dp_tables *tables = aux;
	struct left_rules *left;

	if (tables->rules.next.lines) { /* what is left would get in the way of a growth */
		event_add(tables->move_event, &soon);
		return;
	}
	left = left_new(tables);
	if (!left) {
		event_add(tables->move_event, &soon);
		return;
	}
	if (moves_round(tables, left))
		event_add(tables->move_event, &at_once);
	if (left->n)
		grace_defer(tables->dp, left_due, left, 0);
	else
		left_free(tables->dp, left);
}

void table_move_later(struct table *t)
{
	static const struct timeval at_once = {0};

	if (t->moving && t->move_shares == table_shares(t))
		return;
	t->moving = true;
	t->move_shares = table_shares(t);
	t->move_at = 0;
	if (!event_pending(t->tables->move_event, EV_TIMEOUT, NULL))
		event_add(t->tables->move_event, &at_once);
}

int moves_open(struct dp_tables *tables)
{
	tables->move_event = evtimer_new(tables->dp->base, move_due, tables);
	return tables->move_event ? 0 : -ENOMEM;
}

void moves_close(struct dp_tables *tables)
{
	if (tables->move_event)
		event_free(tables->move_event);
}
