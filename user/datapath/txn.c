/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Transactions.  The calls before commit only write what BPF cannot reach yet.  Commit then publishes one flow entry
 * after the other, first what is added, then what is modified, then what is removed, each by one store; so no packet
 * misses a rule that is there before and after.  Only adding can fail (no room for a tuple or a rule): what was added
 * is taken back.  One transaction is open at a time.
 */
#include <assert.h>
#include <string.h>
#include "include/openflow/openflow.h"
#include "user/datapath/cache.h"
#include "user/datapath/table.h"
#include "user/openflow/error.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

struct dp_txn *dp_txn_begin(struct dp *dp)
{
	struct dp_txn *txn = &dp->tables->txn;

	assert(!txn->open);
	txn->tables = dp->tables;
	txn->open = true;
	txn->wrote = false;
	txn->error = 0;
	txn->n_items = txn->n_remove = 0;
	return txn;
}

/* Room for one item more. */
static int txn_reserve(struct dp_txn *txn)
{
	size_t size = txn->items_size ? txn->items_size * 2 : 16;
	void *items;

	if (txn->n_items < txn->items_size)
		return 0;
	items = realloc(txn->items, size * sizeof(*txn->items));
	if (!items)
		return -ENOMEM;
	txn->items = items;
	txn->items_size = size;
	return 0;
}

int dp_txn_add(struct dp_txn *txn, const struct dp_rule *rule, void *owner, struct dp_flow **flow)
{
	struct txn_item item = {.kind = CHANGE_ADD};
	int err = txn->error;

	if (!err)
		err = txn_reserve(txn);
	if (!err)
		err = flow_new(txn->tables, rule, owner, &item.flow);
	if (err)
		return txn->error = err;
	txn->items[txn->n_items++] = item;
	*flow = item.flow;
	return 0;
}

int dp_txn_modify(struct dp_txn *txn, struct dp_flow *flow, const struct of_instructions *inst)
{
	_free_ struct retired_body *old = malloc(sizeof(*old));
	struct txn_item item = {.kind = CHANGE_MODIFY, .flow = flow};
	int err = txn->error;

	if (!err && !old)
		err = -ENOMEM;
	if (!err)
		err = txn_reserve(txn);
	if (!err)
		err = flow_rewrite(txn->tables, flow, inst, &item.slot);
	if (err)
		return txn->error = err;
	item.old = take_ptr(old);
	txn->items[txn->n_items++] = item;
	return 0;
}

int dp_txn_remove(struct dp_txn *txn, struct dp_flow *flow, void (*gone)(void *aux, uint64_t packets, uint64_t bytes),
		  void *aux)
{
	_free_ struct retired_flow *r = calloc(1, sizeof(*r));
	int err = txn->error;

	if (!err && !r)
		err = -ENOMEM;
	if (!err)
		err = txn_reserve(txn);
	if (err)
		return txn->error = err;
	*r = (struct retired_flow){.flow = flow, .table = &txn->tables->table[flow->table], .gone = gone, .aux = aux};
	txn->n_remove++;
	txn->items[txn->n_items++] = (struct txn_item){.kind = CHANGE_REMOVE, .flow = flow, .retired = take_ptr(r)};
	return 0;
}

/* Do it, or take it back: item->slot and flow->slot change places. */
static void item_modify(struct dp_tables *tables, struct txn_item *item)
{
	uint32_t before = item->flow->slot;

	rule_change(tables, item->flow, item->slot);
	item->slot = before;
}

static int item_do(struct dp_tables *tables, struct txn_item *item)
{
	switch (item->kind) {
	case CHANGE_ADD:
		return rule_add(tables, item->flow);
	case CHANGE_MODIFY:
		item_modify(tables, item);
		break;
	case CHANGE_REMOVE:
		rule_remove(tables, item->flow);
		break;
	}
	return 0;
}

/* Only adding fails, and it is the first that is done. */
static void adds_take_back(struct dp_txn *txn, size_t n)
{
	while (n--)
		if (txn->items[n].kind == CHANGE_ADD)
			rule_remove(txn->tables, txn->items[n].flow);
}

static int txn_publish(struct dp_txn *txn)
{
	static const enum change_kind order[] = {CHANGE_ADD, CHANGE_MODIFY, CHANGE_REMOVE};
	struct dp_tables *tables = txn->tables;

	if (tables->n_flows > tables->dp->max_flows + txn->n_remove)
		return TABLE_FULL;
	txn->wrote = true;
	for (size_t o = 0; o < ARRAY_LEN(order); o++) {
		for (size_t i = 0; i < txn->n_items; i++) {
			struct txn_item *item = &txn->items[i];
			int err = item->kind == order[o] ? item_do(tables, item) : 0;

			if (!err)
				continue;
			adds_take_back(txn, i);
			return err;
		}
	}
	return 0;
}

static void item_finish(struct dp_tables *tables, struct txn_item *item)
{
	switch (item->kind) {
	case CHANGE_ADD:
		break;
	case CHANGE_MODIFY:
		body_retire(tables, item->slot, item->old);
		break;
	case CHANGE_REMOVE:
		flow_retire(item->retired);
		break;
	}
}

/* No gone callback: it was never there; but BPF may have seen it for a moment. */
static void add_forget(struct dp_txn *txn, struct dp_flow *flow)
{
	struct dp_tables *tables = txn->tables;
	struct retired_flow *r = txn->wrote ? calloc(1, sizeof(*r)) : NULL;

	if (r) {
		*r = (struct retired_flow){.flow = flow, .table = &tables->table[flow->table]};
		flow_retire(r);
		return;
	}
	if (txn->wrote)
		grace_flush(tables->dp);
	flow_free(tables, flow);
}

static void item_forget(struct dp_txn *txn, struct txn_item *item)
{
	switch (item->kind) {
	case CHANGE_ADD:
		add_forget(txn, item->flow);
		break;
	case CHANGE_MODIFY:
		body_retire(txn->tables, item->slot, item->old);
		break;
	case CHANGE_REMOVE:
		free(item->retired);
		break;
	}
}

void dp_txn_abort(struct dp_txn *txn)
{
	while (txn->n_items)
		item_forget(txn, &txn->items[--txn->n_items]);
	txn->open = false;
}

int dp_txn_commit(struct dp_txn *txn)
{
	int err = txn->error ? txn->error : txn_publish(txn);

	if (txn->wrote)
		dp_generation_bump(txn->tables->dp);
	if (err) {
		dp_txn_abort(txn);
		return err;
	}
	for (size_t i = 0; i < txn->n_items; i++)
		item_finish(txn->tables, &txn->items[i]);
	txn->open = false;
	tables_grow(txn->tables);
	return 0;
}
