/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules: flow entries put where packets find them.
 *
 * Those of one mask and key are a chain, of which the first, of highest priority, is in the maps.
 */
#include <errno.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "include/openflow/openflow.h"
#include "user/datapath/tuple.h"
#include "user/openflow/error.h"

const __u64 *rule_secret(const struct dp_tables *tables)
{
	return tables->dp->skel->rodata->ofx_rule_secret;
}

static uint64_t hash_in(const struct dp_tables *tables, const struct ofx_key *key, uint16_t tuple)
{
	return ofx_rule_hash(key->w, &tables->subtables[tuple], tuple, rule_secret(tables));
}

uint64_t rule_hash_of_slot(void *aux, uint32_t slot)
{
	const struct dp_tables *tables = aux;
	const struct ofx_flow *of = flow_record(tables, slot);
	struct ofx_key key;

	flow_key(tables, of, &key);
	return hash_in(tables, &key, of->tuple);
}

void rule_prefetch_slot(void *aux, uint32_t slot)
{
	const char *record = (const char *)flow_record(aux, slot);

	__builtin_prefetch(record);
	__builtin_prefetch(record + 64); /* words of the match reach into the second line */
}

static struct dp_flow *below(const struct dp_tables *tables, const struct dp_flow *flow)
{
	return flow->below == NO_FLOW ? NULL : &tables->flow[flow->below];
}

/* A rule's place. */
struct place {
	struct dp_tables *tables;
	struct ofx_flow *of;
	struct ofx_key key;
	struct tuple *mask, *tuple;
	int level; /* of tuple */
	uint64_t hash;
	struct dp_flow *head; /* of its chain there; NULL: none */
};

static void place_at(struct place *p, struct tuple *tuple, int level)
{
	p->tuple = tuple;
	p->level = level;
	p->hash = hash_in(p->tables, &p->key, tuple->lookup.number);
}

/* A flow entry of this mask and key in this tuple. */
static struct ofx_rule_ref ref_in(const struct place *p, const struct tuple *tuple, uint32_t slot, uint16_t priority)
{
	return (struct ofx_rule_ref){.slot = slot,
				     .priority = priority,
				     .check = tuple_check(tuple, &p->mask->mask, &p->key),
				     .l4_check = mask_l4_check(&p->mask->mask, &p->key)};
}

static struct ofx_rule_ref ref_to(const struct place *p, uint32_t slot, const struct dp_flow *flow)
{
	return ref_in(p, p->tuple, slot, flow->priority);
}

static void find_head(struct place *p)
{
	const struct dp_tables *tables = p->tables;
	struct rule_cursor c;

	p->head = NULL;
	for (__u64 *w = rule_hash_first(&tables->rules, p->hash, &c); w; w = rule_hash_next(&tables->rules, &c)) {
		const struct ofx_flow *of = flow_record(tables, (struct ofx_rule_ref){.word = *w}.slot);

		if (of->tuple != p->tuple->lookup.number || !flow_same_key(tables, of, p->of))
			continue;
		p->head = &tables->flow[of->id];
		return;
	}
}

static void place_open(struct place *p, struct dp_tables *tables, const struct dp_flow *flow)
{
	*p = (struct place){.tables = tables, .of = flow_record(tables, flow->slot)};
	p->mask = tables->tuple[flow->mask];
	flow_key(tables, p->of, &p->key);
}

/* Where its chain is. */
static bool place_of_chain(struct place *p)
{
	for (int level = 0; level <= TUPLE_LEVELS; level++) {
		if (!p->mask->n_at[level])
			continue;
		place_at(p, tuple_home(p->mask, level), level);
		find_head(p);
		if (p->head)
			return true;
	}
	return false;
}

/* Rules of this very hash in this tuple. */
static uint32_t count_same_hash(const struct place *p)
{
	const struct dp_tables *tables = p->tables;
	struct rule_cursor c;
	uint32_t n = 0;

	for (__u64 *w = rule_hash_first(&tables->rules, p->hash, &c); w; w = rule_hash_next(&tables->rules, &c)) {
		uint32_t slot = (struct ofx_rule_ref){.word = *w}.slot;
		const struct ofx_flow *of = flow_record(tables, slot);

		n += of->tuple == p->tuple->lookup.number && rule_hash_of_slot(p->tables, slot) == p->hash;
	}
	return n;
}

/* The same tuple may be home at several levels: the first counts. */
static int level_of(struct tuple *mask, const struct tuple *tuple)
{
	int level = tuple == mask ? TUPLE_LEVELS : 0;

	while (level < TUPLE_LEVELS && tuple_home(mask, level) != tuple)
		level++;
	return level;
}

/* Has it room there?  Its own tuple has. */
static bool place_try(struct place *p, int level)
{
	struct tuple *home = tuple_home(p->mask, level);

	place_at(p, home, level_of(p->mask, home));
	return home == p->mask || count_same_hash(p) < TUPLE_CHAIN;
}

/* For the first rule of a chain: the narrowest tuple that packets must try anyway, else the widest. */
static void place_choose(struct place *p)
{
	const bool shares = table_shares(p->mask->lookup.table);

	for (int level = TUPLE_LEVELS; shares && level; level--)
		if (tuple_has_others(tuple_home(p->mask, level)) && place_try(p, level))
			return;
	for (int level = shares ? 0 : TUPLE_LEVELS; !place_try(p, level);)
		level++;
}

/* There is no line left while what was before a growth waits for its grace period: wait here. */
static void make_room(struct dp_tables *tables)
{
	for (int i = 0; i < 2; i++) { /* what waits now, then what grows now */
		grace_flush(tables->dp);
		while (rule_hash_step(&tables->rules, UINT32_MAX))
			;
	}
}

static bool hash_add(struct dp_tables *tables, uint64_t hash, struct ofx_rule_ref ref)
{
	if (rule_hash_add(&tables->rules, hash, ref))
		return true;
	make_room(tables);
	return rule_hash_add(&tables->rules, hash, ref);
}

/* Where a rule of this chain was before it was moved, and is met still; false: nowhere. */
static bool left_at(const struct place *p, uint32_t slot, uint64_t *hash)
{
	if (!p->mask->n_left || p->tuple == p->mask)
		return false;
	*hash = hash_in(p->tables, &p->key, p->mask->lookup.number);
	return rule_hash_find(&p->tables->rules, *hash, slot);
}

static void word_change(const struct place *p, uint32_t before, struct ofx_rule_ref now)
{
	struct rule_hash *rules = &p->tables->rules;
	uint64_t hash;

	rule_hash_change(rules, p->hash, before, now);
	if (left_at(p, before, &hash))
		rule_hash_change(rules, hash, before, ref_in(p, p->mask, now.slot, now.priority));
}

static void word_remove(const struct place *p, uint32_t slot)
{
	struct rule_hash *rules = &p->tables->rules;
	uint64_t hash;

	if (left_at(p, slot, &hash))
		rule_hash_drop(rules, hash, slot);
	rule_hash_remove(rules, p->hash, slot);
}

/* The first of a chain instead of another one, or none (word 0). */
static int head_write(const struct place *p, struct ofx_rule_ref before, struct ofx_rule_ref now)
{
	uint32_t n;

	if (before.word && now.word) {
		word_change(p, before.slot, now);
		return 0;
	}
	n = count_same_hash(p);
	if (!now.word)
		word_remove(p, before.slot);
	else if (!hash_add(p->tables, p->hash, now))
		return TABLE_FULL;
	tuple_count_hash(p->tuple, n, now.word ? 1 : -1);
	return 0;
}

/* Behind higher priorities, before equal ones (it replaces those). */
static int chain_insert(const struct place *p, struct dp_flow *flow)
{
	struct dp_tables *tables = p->tables;
	struct dp_flow *above = p->head, *next;
	struct ofx_rule_ref before = {0};

	if (!above || above->priority <= flow->priority) {
		flow->below = above ? flow_id(tables, above) : NO_FLOW;
		if (above)
			before = ref_to(p, above->slot, above);
		return head_write(p, before, ref_to(p, flow->slot, flow));
	}
	while ((next = below(tables, above)) && next->priority > flow->priority)
		above = next;
	flow->below = above->below;
	above->below = flow_id(tables, flow);
	return 0;
}

/* Would the table still cost no more probes than it may?  In a chain that is there a rule costs none. */
static bool place_within_budget(const struct place *p)
{
	const uint32_t max = p->tables->dp->max_probes;
	uint32_t longest, n;

	if (!max || p->head)
		return true;
	longest = tuple_longest(p->tuple);
	n = count_same_hash(p) + 1;
	return table_probes(p->mask->lookup.table) + (n > longest ? n - longest : 0) <= max;
}

static bool mask_has_rules(const struct tuple *mask)
{
	for (int level = 0; level <= TUPLE_LEVELS; level++)
		if (mask->n_at[level])
			return true;
	return false;
}

void rule_expect(const struct dp_tables *tables, const struct tuple *mask, const struct ofx_key *key)
{
	const struct tuple *home = table_shares(mask->lookup.table) ? mask->home[0] : mask;

	if (home)
		rule_hash_prefetch(&tables->rules, hash_in(tables, key, home->lookup.number));
}

/* A rule has been added, the first of its mask or another. */
static void note_sharing(struct tuple *mask, bool first)
{
	struct table *t = mask->lookup.table;

	if (!table_shares(t))
		mask->alone = true;
	else if (first && !t->moving && table_has_alone(t))
		table_move_later(t);
}

int rule_add(struct dp_tables *tables, struct dp_flow *flow)
{
	struct place p;
	bool first;
	int err;

	place_open(&p, tables, flow);
	first = !mask_has_rules(p.mask);
	p.mask->lookup.table->n_masks += first;
	if (!place_of_chain(&p))
		place_choose(&p);
	err = place_within_budget(&p) ? lookup_count(&p.tuple->lookup, flow->priority) : TABLE_FULL;
	if (!err) {
		p.of->tuple = p.tuple->lookup.number;
		err = chain_insert(&p, flow);
		if (err)
			lookup_uncount(&p.tuple->lookup, flow->priority);
	}
	if (err) {
		p.mask->lookup.table->n_masks -= first;
		return err;
	}
	p.mask->n_at[p.level]++;
	note_sharing(p.mask, first);
	return 0;
}

/* Where it is: the level by its compiled form. */
static void place_of_flow(struct place *p, struct dp_tables *tables, const struct dp_flow *flow)
{
	struct tuple *tuple;

	place_open(p, tables, flow);
	tuple = tables->tuple[p->of->tuple];
	place_at(p, tuple, level_of(p->mask, tuple));
}

static bool is_head(const struct place *p, const struct dp_flow *flow)
{
	return rule_hash_find(&p->tables->rules, p->hash, flow->slot);
}

void rule_change(struct dp_tables *tables, struct dp_flow *flow, uint32_t slot)
{
	struct place p;

	place_of_flow(&p, tables, flow);
	flow_record(tables, slot)->tuple = p.of->tuple;
	if (is_head(&p, flow))
		word_change(&p, flow->slot, ref_to(&p, slot, flow));
	flow->slot = slot;
}

static void chain_remove(struct place *p, struct dp_flow *flow)
{
	struct dp_tables *tables = p->tables;
	struct dp_flow *next = below(tables, flow), *above;

	if (is_head(p, flow)) {
		(void)head_write(p, ref_to(p, flow->slot, flow),
				 next ? ref_to(p, next->slot, next) : (struct ofx_rule_ref){0});
		return;
	}
	find_head(p);
	for (above = p->head; below(tables, above) != flow;)
		above = below(tables, above);
	above->below = flow->below;
}

void rule_remove(struct dp_tables *tables, struct dp_flow *flow)
{
	struct place p;

	place_of_flow(&p, tables, flow);
	chain_remove(&p, flow);
	lookup_uncount(&p.tuple->lookup, flow->priority);
	p.mask->n_at[p.level]--;
	if (!mask_has_rules(p.mask))
		p.mask->lookup.table->n_masks--;
}

/* --- moving --- */

#define MOVE_CHAIN 64 /* flow entries of one match and of different priorities that are moved at a time */

static uint32_t chain_len(const struct dp_tables *tables, const struct dp_flow *flow)
{
	uint32_t n = 0;

	for (; flow && n <= MOVE_CHAIN; flow = below(tables, flow))
		n++;
	return n;
}

static bool chain_count(const struct place *p, struct dp_flow *first)
{
	for (struct dp_flow *flow = first; flow; flow = below(p->tables, flow)) {
		if (!lookup_count(&p->tuple->lookup, flow->priority))
			continue;
		for (; first != flow; first = below(p->tables, first))
			lookup_uncount(&p->tuple->lookup, first->priority);
		return false;
	}
	return true;
}

/* The chain lies at `to` now. */
static void chain_settle(const struct place *from, const struct place *to, struct dp_flow *flow)
{
	for (; flow; flow = below(to->tables, flow)) {
		flow_record(to->tables, flow->slot)->tuple = to->tuple->lookup.number;
		lookup_uncount(&from->tuple->lookup, flow->priority);
		from->mask->n_at[from->level]--;
		to->mask->n_at[to->level]++;
	}
}

/* The next of this mask would not fit better. */
static bool move_choose(const struct place *from, struct place *to)
{
	*to = *from;
	to->head = NULL;
	place_choose(to);
	if (to->tuple == from->tuple || !place_within_budget(to))
		from->mask->alone = false;
	return from->mask->alone;
}

bool rule_move(struct dp_tables *tables, struct dp_flow *flow, struct left_rule *left)
{
	struct place from, to;
	uint32_t n_from, n_to;

	place_open(&from, tables, flow);
	place_at(&from, from.mask, TUPLE_LEVELS);
	find_head(&from);
	if (from.head != flow || chain_len(tables, flow) > MOVE_CHAIN || !move_choose(&from, &to))
		return false;
	n_from = count_same_hash(&from);
	n_to = count_same_hash(&to);
	if (rule_hash_find(&tables->rules, to.hash, flow->slot) || !chain_count(&to, flow))
		return false;
	if (!rule_hash_add(&tables->rules, to.hash, ref_to(&to, flow->slot, flow))) {
		for (; flow; flow = below(tables, flow))
			lookup_uncount(&to.tuple->lookup, flow->priority);
		return false;
	}
	chain_settle(&from, &to, flow);
	rule_hash_leave(&tables->rules);
	tuple_count_hash(from.tuple, n_from, -1);
	tuple_count_hash(to.tuple, n_to, 1);
	from.mask->n_left++;
	*left = (struct left_rule){.hash = from.hash, .mask = from.mask->lookup.number};
	return true;
}

/* The mask may be gone, or the rule be at home there again. */
void rule_drop_left(struct dp_tables *tables, const struct left_rule *left)
{
	struct tuple *mask = tables->tuple[left->mask];
	struct rule_cursor c;

	if (!mask)
		return;
	mask->n_left--;
	for (__u64 *w = rule_hash_first(&tables->rules, left->hash, &c); w; w = rule_hash_next(&tables->rules, &c)) {
		const uint32_t slot = (struct ofx_rule_ref){.word = *w}.slot;
		const struct ofx_flow *of = flow_record(tables, slot);
		struct ofx_key key;

		if (of->mask != left->mask || of->tuple == left->mask)
			continue;
		flow_key(tables, of, &key);
		if (hash_in(tables, &key, left->mask) != left->hash)
			continue;
		rule_hash_drop(&tables->rules, left->hash, slot);
		return;
	}
}
