/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules: flow entries put where packets find them.
 *
 * Those of one mask and key are a chain (chain.h), of which the first, of highest priority, is in the maps.
 */
#include <errno.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "include/openflow/openflow.h"
#include "user/datapath/match.h"
#include "user/datapath/table_hash.h"
#include "user/datapath/table_lpm.h"
#include "user/openflow/error.h"

const __u64 *rule_secret(const struct dp_tables *tables)
{
	return tables->dp->skel->rodata->ofx_rule_secret;
}

static uint64_t hash_in(const struct dp_tables *tables, const struct ofx_key *key, uint16_t tuple)
{
	return ofx_rule_hash(key->w, &tables->subtables[tuple], tuple, rule_secret(tables));
}

uint64_t rule_slot_hash(void *aux, uint32_t slot)
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
static struct ofx_rule_ref ref_in(const struct place *p, const struct tuple *tuple, const struct dp_flow *flow)
{
	return (struct ofx_rule_ref){.slot = flow_id(p->tables, flow),
				     .priority = flow->priority,
				     .check = tuple_check(tuple, &p->mask->mask, &p->key),
				     .l4_check = mask_l4_check(&p->mask->mask, &p->key)};
}

static struct ofx_rule_ref ref_to(const struct place *p, const struct dp_flow *flow)
{
	return ref_in(p, p->tuple, flow);
}

static void find_head(struct place *p)
{
	const struct dp_tables *tables = p->tables;
	const uint16_t mask = p->mask->lookup.number;
	struct rule_cursor c;

	p->head = NULL;
	for (__u64 *w = lines_first(&tables->rules, p->hash, &c); w; w = lines_next(&tables->rules, &c)) {
		const uint32_t slot = (struct ofx_rule_ref){.word = *w}.slot;
		const struct ofx_flow *of = flow_record(tables, slot);

		if (of->tuple != p->tuple->lookup.number || !flow_has_key(tables, of, mask, &p->key))
			continue;
		p->head = &tables->flow[slot];
		return;
	}
}

static void place_open(struct place *p, struct dp_tables *tables, const struct dp_flow *flow)
{
	*p = (struct place){.tables = tables, .of = flow_record(tables, flow_id(tables, flow))};
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

	for (__u64 *w = lines_first(&tables->rules, p->hash, &c); w; w = lines_next(&tables->rules, &c)) {
		uint32_t slot = (struct ofx_rule_ref){.word = *w}.slot;
		const struct ofx_flow *of = flow_record(tables, slot);

		n += of->tuple == p->tuple->lookup.number && rule_slot_hash(p->tables, slot) == p->hash;
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

/* The tuple in which a rule of this chain was before it was moved, and is met still; NULL: there is none. */
static struct tuple *left_at(const struct place *p, uint32_t slot, uint64_t *hash)
{
	for (int level = 0; p->mask->n_left && level <= TUPLE_LEVELS; level++) {
		struct tuple *tuple = tuple_home(p->mask, level);

		*hash = hash_in(p->tables, &p->key, tuple->lookup.number);
		if (tuple != p->tuple && lines_find(&p->tables->rules, *hash, slot))
			return tuple;
	}
	return NULL;
}

/* In its own mask's tuple: what goes to a hash map, too. */
static bool is_own(const struct place *p)
{
	return p->tuple == p->mask;
}

static void copies_put(const struct place *p, const struct dp_flow *head)
{
	if (is_own(p))
		copy_put(&p->tuple->copy, &p->key, p->mask->lookup.number, ref_to(p, head));
	lpm_put(p->mask, &p->key, ref_to(p, head));
}

/* The first of a chain in place of another. */
static void head_change(const struct place *p, const struct dp_flow *before, const struct dp_flow *now)
{
	struct lines *rules = &p->tables->rules;
	const uint32_t slot = flow_id(p->tables, before);
	const struct tuple *left;
	uint64_t hash;

	lines_change(rules, p->hash, slot, ref_to(p, now));
	copies_put(p, now);
	left = left_at(p, slot, &hash);
	if (left)
		lines_change(rules, hash, slot, ref_in(p, left, now));
}

static int head_add(const struct place *p, const struct dp_flow *flow)
{
	const uint32_t n = count_same_hash(p);
	int err = lines_add(&p->tables->rules, p->hash, ref_to(p, flow));

	if (err)
		return err == -EAGAIN ? err : of_error_because(TABLE_FULL, "too many rules of equal hashes");
	tuple_count_hash(p->tuple, n, 1);
	copies_put(p, flow);
	return 0;
}

/* The last of its chain. */
static void head_remove(const struct place *p, const struct dp_flow *flow)
{
	struct lines *rules = &p->tables->rules;
	const uint32_t slot = flow_id(p->tables, flow), n = count_same_hash(p);
	uint64_t hash;

	if (left_at(p, slot, &hash))
		lines_drop(rules, hash, slot);
	lines_remove(rules, p->hash, slot);
	tuple_count_hash(p->tuple, n, -1);
	copy_drop(&p->mask->copy, &p->key, p->mask->lookup.number);
	lpm_drop(p->mask, &p->key);
}

static int place_insert(const struct place *p, struct dp_flow *flow)
{
	int err = p->head ? 0 : head_add(p, flow);

	if (err)
		return err;
	if (p->head && p->head->priority < flow->priority)
		head_change(p, p->head, flow);
	chain_insert(p->tables, p->head, flow);
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
		lines_prefetch(&tables->rules, hash_in(tables, key, home->lookup.number));
}

/* A rule has been added, the first of its mask or another. */
static void note_sharing(struct tuple *mask, bool first)
{
	struct table *t = mask->lookup.table;

	if (!table_shares(t))
		mask->alone = true;
	else if (first && table_has_alone(t))
		table_move_later(t);
}

/* The last rule of a mask has gone. */
static void note_unsharing(struct table *t)
{
	t->n_masks--;
	if (t->n_masks == TUPLE_UNSHARE)
		table_move_later(t);
}

/* A flow entry more is going to be found there.  Packets that do not look there until now will. */
static int place_count(const struct place *p, uint16_t priority)
{
	const bool hidden = lpm_hides(p->tuple);
	int err = lpm_count(p->mask, &p->key, p->tuple, priority);

	if (err)
		return err;
	err = lookup_count(&p->tuple->lookup, priority);
	if (err)
		lpm_uncount(p->mask, &p->key, p->tuple, priority);
	else if (hidden && !lpm_hides(p->tuple))
		table_show(p->mask->lookup.table);
	return err;
}

/* One less. */
static void place_uncount(const struct place *p, uint16_t priority)
{
	const bool hidden = lpm_hides(p->tuple);

	lookup_uncount(&p->tuple->lookup, priority);
	lpm_uncount(p->mask, &p->key, p->tuple, priority);
	if (!hidden && lpm_hides(p->tuple))
		table_show(p->mask->lookup.table);
}

int rule_add(struct dp_tables *tables, struct dp_flow *flow)
{
	struct place p;
	bool first;
	int err;

	place_open(&p, tables, flow);
	first = !mask_has_rules(p.mask);
	p.mask->lookup.table->n_masks += first;
	if (first && table_shares(p.mask->lookup.table))
		hash_leave_all(p.mask->lookup.table);
	if (!place_of_chain(&p))
		place_choose(&p);
	err = place_within_budget(&p) ? place_count(&p, flow->priority)
				      : of_error_because(TABLE_FULL, "a packet would need more than --max-probes");
	if (!err) {
		p.of->tuple = p.tuple->lookup.number;
		err = place_insert(&p, flow);
		if (err)
			place_uncount(&p, flow->priority);
	}
	if (err) {
		p.of->tuple = 0;
		p.mask->lookup.table->n_masks -= first;
		return err;
	}
	p.mask->n_at[p.level]++;
	note_sharing(p.mask, first);
	copies_look_later(tables);
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
	return lines_find(&p->tables->rules, p->hash, flow_id(p->tables, flow));
}

static void place_remove(struct place *p, struct dp_flow *flow)
{
	struct dp_tables *tables = p->tables;
	struct dp_flow *next = chain_below(tables, flow);

	if (is_head(p, flow)) {
		p->head = flow;
		if (next)
			head_change(p, flow, next);
		else
			head_remove(p, flow);
	} else if (!chain_is_long(flow)) {
		find_head(p);
	}
	chain_remove(tables, p->head, flow);
}

void rule_remove(struct dp_tables *tables, struct dp_flow *flow)
{
	struct place p;

	place_of_flow(&p, tables, flow);
	place_remove(&p, flow);
	p.of->tuple = 0;
	place_uncount(&p, flow->priority);
	p.mask->n_at[p.level]--;
	if (!mask_has_rules(p.mask))
		note_unsharing(p.mask->lookup.table);
	copies_look_later(tables);
}

struct dp_flow *dp_flow_find(struct dp *dp, uint8_t table, const struct of_match *match, uint16_t most)
{
	struct place p = {.tables = dp->tables};
	struct ofx_key bits;

	match_mask(match, &bits);
	p.mask = tuple_find(&dp->tables->table[table], &bits);
	if (!p.mask)
		return NULL;
	for (int i = 0; i < OFX_KEY_WORDS; i++)
		p.key.w[i] = match->value.w[i] & match->mask.w[i];
	return place_of_chain(&p) ? chain_at_most(dp->tables, p.head, most) : NULL;
}

/* --- moving --- */

#define MOVE_CHAIN 64 /* flow entries of one match and of different priorities that are moved at a time */

static bool chain_count(const struct place *p, struct dp_flow *first)
{
	for (struct dp_flow *flow = first; flow; flow = chain_below(p->tables, flow)) {
		if (!lookup_count(&p->tuple->lookup, flow->priority))
			continue;
		for (; first != flow; first = chain_below(p->tables, first))
			lookup_uncount(&p->tuple->lookup, first->priority);
		return false;
	}
	return true;
}

/* The chain lies at `to` now. */
static void chain_settle(const struct place *from, const struct place *to, struct dp_flow *flow)
{
	for (; flow; flow = chain_below(to->tables, flow)) {
		flow_record(to->tables, flow_id(to->tables, flow))->tuple = to->tuple->lookup.number;
		lookup_uncount(&from->tuple->lookup, flow->priority);
		lpm_move(from->mask, &from->key, from->tuple, to->tuple);
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
	if (to->tuple != from->tuple && place_within_budget(to))
		return true;
	from->mask->alone = false;
	return false;
}

bool rule_move(struct dp_tables *tables, struct dp_flow *flow, struct left_rule *left)
{
	struct place from, to;
	uint32_t n_from, n_to;
	bool hidden;

	place_of_flow(&from, tables, flow);
	if (!is_head(&from, flow) || chain_length(tables, flow) > MOVE_CHAIN || !move_choose(&from, &to))
		return false;
	hidden = lpm_hides(to.tuple);
	n_from = count_same_hash(&from);
	n_to = count_same_hash(&to);
	if (lines_find(&tables->rules, to.hash, flow_id(tables, flow)) || !chain_count(&to, flow))
		return false;
	if (lines_add(&tables->rules, to.hash, ref_to(&to, flow))) {
		for (; flow; flow = chain_below(tables, flow))
			lookup_uncount(&to.tuple->lookup, flow->priority);
		return false;
	}
	if (is_own(&to))
		copy_put(&to.mask->copy, &to.key, to.mask->lookup.number, ref_to(&to, flow));
	chain_settle(&from, &to, flow);
	if (hidden && !lpm_hides(to.tuple))
		table_show(to.mask->lookup.table);
	lines_leave(&tables->rules);
	tuple_count_hash(from.tuple, n_from, -1);
	tuple_count_hash(to.tuple, n_to, 1);
	from.mask->n_left++;
	*left = (struct left_rule){
		.hash = from.hash, .mask = from.mask->lookup.number, .tuple = from.tuple->lookup.number};
	return true;
}

bool rule_head(struct dp_tables *tables, const struct dp_flow *flow, struct ofx_key *key, struct ofx_rule_ref *ref)
{
	struct place p;

	place_of_flow(&p, tables, flow);
	*key = p.key;
	*ref = ref_to(&p, flow);
	return is_head(&p, flow);
}

/* The mask may be gone, or the rule be at home there again. */
void rule_drop_left(struct dp_tables *tables, const struct left_rule *left)
{
	struct tuple *mask = tables->tuple[left->mask];
	struct rule_cursor c;

	if (!mask)
		return;
	mask->n_left--;
	for (__u64 *w = lines_first(&tables->rules, left->hash, &c); w; w = lines_next(&tables->rules, &c)) {
		const uint32_t slot = (struct ofx_rule_ref){.word = *w}.slot;
		const struct ofx_flow *of = flow_record(tables, slot);
		struct ofx_key key;

		if (of->mask != left->mask || of->tuple == left->tuple)
			continue;
		flow_key(tables, of, &key);
		if (hash_in(tables, &key, left->tuple) != left->hash)
			continue;
		lines_drop(&tables->rules, left->hash, slot);
		if (of->tuple != left->mask)
			copy_drop(&mask->copy, &key, left->mask);
		return;
	}
}
