/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Transactions.  The calls before commit change user memory only and write what BPF cannot reach yet.  Commit then
 * publishes:
 *
 *   1. lists: every lookup that gets a rule is listed with a high enough max_priority (no rule is lost by it: a failure
 *      later leaves a list that is merely too generous, and is tidied);
 *   2. rules: words of new keys, then changed words, then words taken away, one map write each.  Only the first can
 *      fail (map full): then all are taken back.
 *
 * So no packet misses a rule that is there before and after.  One transaction is open at a time.
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
	txn->n_items = txn->n_words = txn->n_remove = 0;
	return txn;
}

/* Room for one item more, and for as many words: commit needs no memory. */
static int txn_reserve(struct dp_txn *txn)
{
	size_t size = txn->items_size ? txn->items_size * 2 : 16;
	void *items, *words;

	if (txn->n_items < txn->items_size)
		return 0;
	items = realloc(txn->items, size * sizeof(*txn->items));
	if (!items)
		return -ENOMEM;
	txn->items = items;
	words = realloc(txn->words, size * sizeof(*txn->words));
	if (!words)
		return -ENOMEM;
	txn->words = words;
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
	int err = txn->error;

	if (!err && !old)
		err = -ENOMEM;
	if (!err)
		err = txn_reserve(txn);
	if (!err) {
		old->tables = txn->tables;
		err = flow_rewrite(txn->tables, flow, inst, &old->body);
	}
	if (err)
		return txn->error = err;
	txn->items[txn->n_items++] = (struct txn_item){.kind = CHANGE_MODIFY, .flow = flow, .old = take_ptr(old)};
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
	*r = (struct retired_flow){.flow = flow, .table = flow->lookup->table, .gone = gone, .aux = aux};
	flow->flags |= FLOW_REMOVE;
	txn->n_remove++;
	txn->items[txn->n_items++] = (struct txn_item){.kind = CHANGE_REMOVE, .flow = flow, .retired = take_ptr(r)};
	return 0;
}

static uint64_t ref_word(uint32_t slot, uint16_t priority)
{
	return (struct ofx_rule_ref){.slot = slot, .priority = priority}.word;
}

/* The chain's value in the map before the transaction and after it. */
static struct txn_word chain_word(struct dp_flow *head)
{
	struct txn_word w = {.head = head};

	for (const struct dp_flow *f = head; f && !w.old; f = f->below)
		if (!(f->flags & FLOW_NEW))
			w.old = ref_word(f->live, f->priority);
	for (const struct dp_flow *f = head; f && !w.new; f = f->below)
		if (!(f->flags & FLOW_REMOVE))
			w.new = ref_word(f->body.slot, f->priority);
	return w;
}

static void txn_collect(struct dp_txn *txn)
{
	for (size_t i = 0; i < txn->n_items; i++) {
		struct dp_flow *head = lookup_head(txn->items[i].flow->lookup, txn->items[i].flow);
		struct txn_word w;

		if (head->flags & FLOW_SEEN)
			continue;
		head->flags |= FLOW_SEEN;
		w = chain_word(head);
		if (w.old != w.new)
			txn->words[txn->n_words++] = w;
	}
	for (size_t i = 0; i < txn->n_items; i++)
		lookup_head(txn->items[i].flow->lookup, txn->items[i].flow)->flags &= ~FLOW_SEEN;
}

static int txn_raise(struct dp_txn *txn)
{
	for (size_t i = 0; i < txn->n_words; i++) {
		const struct lookup *l = txn->words[i].head->lookup;
		int err = 0;

		if (txn->words[i].new && (!l->listed || l->listed_max < l->max))
			err = table_raise(l->table);
		if (err)
			return err;
	}
	return 0;
}

enum word_phase { WORD_NEW, WORD_CHANGED, WORD_GONE, WORD_PHASES };

static enum word_phase word_phase(const struct txn_word *w)
{
	return !w->old ? WORD_NEW : w->new ? WORD_CHANGED : WORD_GONE;
}

static int word_write(struct txn_word *w, uint64_t old, uint64_t new)
{
	const struct lookup *l = w->head->lookup;
	int err = new ? lookup_write(l, w->head, new) : lookup_delete(l, w->head);

	if (err)
		return err;
	w->done = !w->done;
	lookup_map(l)->used += !!new - !!old;
	return 0;
}

static void txn_unwrite(struct dp_txn *txn, const enum word_phase *order)
{
	for (int p = WORD_PHASES - 1; p >= 0; p--) {
		for (size_t i = 0; i < txn->n_words; i++) {
			struct txn_word *w = &txn->words[i];
			int err = w->done && word_phase(w) == order[p] ? word_write(w, w->new, w->old) : 0;

			if (err)
				log_error("cannot take back a change of a flow table: %s", strerror(-err));
		}
	}
}

static int txn_write(struct dp_txn *txn, const enum word_phase *order)
{
	txn->wrote = true;
	for (int p = 0; p < WORD_PHASES; p++) {
		for (size_t i = 0; i < txn->n_words; i++) {
			struct txn_word *w = &txn->words[i];
			int err = word_phase(w) == order[p] ? word_write(w, w->old, w->new) : 0;

			if (!err)
				continue;
			txn_unwrite(txn, order);
			return err == -E2BIG || err == -ENOSPC || err == -ENOMEM ? TABLE_FULL : err;
		}
	}
	return 0;
}

/* Do new words fit before others are deleted, or after, or not at all? */
static int txn_order(struct dp_txn *txn, const enum word_phase **order)
{
	static const enum word_phase new_first[] = {WORD_NEW, WORD_CHANGED, WORD_GONE};
	static const enum word_phase gone_first[] = {WORD_CHANGED, WORD_GONE, WORD_NEW};
	struct dp_tables *tables = txn->tables;
	uint32_t new[RULE_MAPS] = {0}, gone[RULE_MAPS] = {0};

	*order = new_first;
	for (size_t i = 0; i < txn->n_words; i++) {
		size_t map = lookup_map(txn->words[i].head->lookup) - tables->maps;

		new[map] += !txn->words[i].old;
		gone[map] += !txn->words[i].new;
	}
	for (size_t i = 0; i < RULE_MAPS; i++) {
		const struct rule_map *m = &tables->maps[i];

		if (m->used + new[i] > m->capacity)
			*order = gone_first;
		if (m->used + new[i] > m->capacity + gone[i])
			return TABLE_FULL;
	}
	return 0;
}

static int txn_publish(struct dp_txn *txn)
{
	const enum word_phase *order;
	int err;

	if (txn->tables->n_flows > txn->tables->dp->max_flows + txn->n_remove)
		return TABLE_FULL;
	txn_collect(txn);
	err = txn_order(txn, &order);
	if (!err)
		err = txn_raise(txn);
	if (!err)
		err = txn_write(txn, order);
	if (txn->wrote) /* also what was taken back: a packet may have seen it for a moment */
		dp_generation_bump(txn->tables->dp);
	return err;
}

/* Its list could be better: tell. */
static void lookup_check(const struct lookup *l)
{
	if (!l->n_flows || !l->n_at_max || l->listed_max != l->max)
		table_tidy_later(l->table);
}

static void item_finish(struct txn_item *item)
{
	struct lookup *l = item->flow->lookup;

	switch (item->kind) {
	case CHANGE_ADD:
		item->flow->flags &= ~FLOW_NEW;
		item->flow->live = item->flow->body.slot;
		break;
	case CHANGE_MODIFY:
		item->flow->live = item->flow->body.slot;
		body_retire(item->old);
		break;
	case CHANGE_REMOVE:
		flow_retire(item->retired);
		break;
	}
	lookup_check(l);
}

/* No gone callback: it was never there; but BPF may have seen it for a moment. */
static void add_undo(struct dp_txn *txn, struct dp_flow *flow)
{
	struct retired_flow *r = txn->wrote ? calloc(1, sizeof(*r)) : NULL;
	struct lookup *l = flow->lookup;

	if (r) {
		*r = (struct retired_flow){.flow = flow, .table = l->table};
		flow_retire(r);
	} else {
		if (txn->wrote)
			grace_flush(txn->tables->dp);
		flow_free(txn->tables, flow);
	}
	lookup_check(l);
}

static void item_undo(struct dp_txn *txn, struct txn_item *item)
{
	struct body new;

	switch (item->kind) {
	case CHANGE_ADD:
		add_undo(txn, item->flow);
		break;
	case CHANGE_MODIFY:
		new = item->flow->body;
		item->flow->body = item->old->body;
		item->old->body = new;
		body_retire(item->old);
		break;
	case CHANGE_REMOVE:
		item->flow->flags &= ~FLOW_REMOVE;
		free(item->retired);
		break;
	}
}

static void txn_undo(struct dp_txn *txn)
{
	while (txn->n_items)
		item_undo(txn, &txn->items[--txn->n_items]);
	txn->open = false;
}

int dp_txn_commit(struct dp_txn *txn)
{
	int err = txn->error;

	if (!err)
		err = txn_publish(txn);
	if (err) {
		txn_undo(txn);
		return err;
	}
	for (size_t i = 0; i < txn->n_items; i++)
		item_finish(&txn->items[i]);
	txn->open = false;
	return 0;
}

void dp_txn_abort(struct dp_txn *txn)
{
	txn_undo(txn);
}
