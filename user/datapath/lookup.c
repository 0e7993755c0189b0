/* SPDX-License-Identifier: GPL-2.0-only */
/* Subtables and tries: where a rule lies, its key, its chain, its map. */
#include <bpf/bpf.h>
#include <string.h>
#include "include/openflow/openflow.h"
#include "user/datapath/cache.h"
#include "user/datapath/table.h"
#include "user/openflow/error.h"
#include "user/util/cleanup.h"

/* Unlisted and without entries. */
static struct lookup *lookup_new(struct table *t, uint8_t kind, uint8_t key_words)
{
	struct lookup *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->table = t;
	l->kind = kind;
	l->key_words = key_words;
	return l;
}

/* The bits of the key that the lookup depends on. */
static void lookup_bits(const struct lookup *l, struct ofx_key *bits)
{
	if (!l->trie) {
		*bits = l->full_mask;
		return;
	}
	*bits = (struct ofx_key){.eth_type = 0xffff};
	trie_bits(l->kind, bits);
}

static void lookup_widen(const struct lookup *l)
{
	struct ofx_key bits;

	lookup_bits(l, &bits);
	cache_widen(l->table->tables->dp, &bits);
}

/* Bits that no lookup depends on any more. */
static void lookups_narrow(struct dp_tables *tables)
{
	struct ofx_key all = {0}, bits;

	for (uint32_t i = 0; i < OFX_TABLES; i++) {
		for (uint32_t j = 0; j < tables->table[i].n_lookups; j++) {
			lookup_bits(tables->table[i].lookups[j], &bits);
			for (unsigned int w = 0; w < OFX_KEY_WORDS; w++)
				all.w[w] |= bits.w[w];
		}
	}
	cache_narrow(tables->dp, &all);
}

/* Room for one more in the table's list?  Empty ones may be in the way. */
static bool table_has_room(struct table *t)
{
	if (t->n_lookups == OFX_LIST_ENTRIES)
		table_tidy(t);
	return t->n_lookups < OFX_LIST_ENTRIES;
}

static int trie_of_kind(struct table *t, uint8_t kind, struct lookup **out)
{
	struct lookup *l;

	if (!table_has_room(t))
		return TABLE_FULL;
	l = lookup_new(t, kind, trie_key_words(kind));
	if (!l)
		return -ENOMEM;
	l->trie = trie_new();
	if (!l->trie) {
		free(l);
		return -ENOMEM;
	}
	t->tries[kind] = t->lookups[t->n_lookups++] = l;
	lookup_widen(l);
	*out = l;
	return 0;
}

static void subtable_of_mask(const struct ofx_key *mask, struct ofx_subtable *s)
{
	*s = (struct ofx_subtable){0};
	for (uint8_t i = 0; i < OFX_KEY_WORDS; i++) {
		if (!mask->w[i])
			continue;
		s->word[s->n_words] = i;
		s->mask[s->n_words++] = mask->w[i];
	}
	while (s->n_words > (1u << s->key_class) - 1)
		s->key_class++;
}

static int subtable_new(struct table *t, const struct ofx_key *mask, struct lookup **out)
{
	struct dp_tables *tables = t->tables;
	struct ofx_subtable s;
	struct lookup *l;
	uint32_t number;

	subtable_of_mask(mask, &s);
	if (!table_has_room(t) || !tables_take(tables, &tables->subtable_numbers, &number))
		return TABLE_FULL;
	l = lookup_new(t, OFX_ENTRY_SUBTABLE, s.n_words);
	if (!l) {
		numbers_give(&tables->subtable_numbers, number);
		return -ENOMEM;
	}
	tables->subtables[number] = s;
	l->subtable = number;
	l->mask = s;
	l->full_mask = *mask;
	HASH_ADD(hh, tables->by_mask, full_mask, sizeof(l->full_mask), l);
	t->lookups[t->n_lookups++] = l;
	lookup_widen(l);
	*out = l;
	return 0;
}

void lookup_free(struct lookup *l)
{
	struct table *t = l->table;
	struct dp_tables *tables = t->tables;
	uint32_t i = 0;

	while (t->lookups[i] != l)
		i++;
	t->lookups[i] = t->lookups[--t->n_lookups];
	if (l->trie) {
		t->tries[l->kind] = NULL;
		trie_free(l->trie);
	} else {
		HASH_DEL(tables->by_mask, l);
		if (l->listed)
			tables_retire(tables, &tables->subtable_numbers, l->subtable);
		else
			numbers_give(&tables->subtable_numbers, l->subtable);
	}
	index_close(&l->index);
	free(l);
	lookups_narrow(tables);
}

/* True: *lookup is the trie that takes it (NULL: one to be made). */
static bool trie_takes(struct table *t, const struct dp_rule *rule, uint8_t *kind, uint64_t *key)
{
	const struct lookup *l;
	unsigned int len;

	if (!trie_candidate(rule->match, kind, &len, key))
		return false;
	l = t->tries[*kind];
	/* whole addresses alone are found faster by hash */
	if (len == (*kind >= OFX_ENTRY_LPM6_SRC ? 128 : 32) && (!l || !l->n_flows))
		return false;
	return !l || trie_fits(l->trie, len, rule->priority);
}

int lookup_of_rule(struct dp_tables *tables, const struct dp_rule *rule, struct lookup **lookup, uint64_t *key)
{
	struct table *t = &tables->table[rule->table];
	struct ofx_key mask = rule->match->mask;
	unsigned int n = 0;
	uint8_t kind;

	if (trie_takes(t, rule, &kind, key)) {
		*lookup = t->tries[kind];
		return *lookup ? 0 : trie_of_kind(t, kind, lookup);
	}
	mask.shape = rule->table;
	for (unsigned int i = 0; i < OFX_KEY_WORDS; i++)
		if (mask.w[i])
			key[n++] = rule->match->value.w[i] & mask.w[i];
	HASH_FIND(hh, tables->by_mask, &mask, sizeof(mask), *lookup);
	return *lookup ? 0 : subtable_new(t, &mask, lookup);
}

struct dp_flow *lookup_head(const struct lookup *l, const struct dp_flow *flow)
{
	struct dp_flow **where = index_find(&l->index, flow->key, l->key_words, flow->hash);

	return where ? *where : NULL;
}

static void lookup_count(struct lookup *l, uint16_t priority)
{
	if (!l->n_flows || priority > l->max) {
		l->max = priority;
		l->n_at_max = 0;
	}
	l->n_at_max += priority == l->max;
	l->n_flows++;
}

/* Into its chain: behind higher priorities, before equal ones (it replaces those). */
static int chain_insert(struct lookup *l, struct dp_flow *flow)
{
	struct dp_flow **where = index_find(&l->index, flow->key, l->key_words, flow->hash);

	if (!where)
		return index_insert(&l->index, flow);
	while (*where && (*where)->priority > flow->priority)
		where = &(*where)->below;
	flow->below = *where;
	*where = flow;
	return 0;
}

static void chain_remove(struct lookup *l, struct dp_flow *flow)
{
	struct dp_flow **head = index_find(&l->index, flow->key, l->key_words, flow->hash);
	struct dp_flow **where = head;

	while (*where != flow)
		where = &(*where)->below;
	if (where == head && !flow->below)
		index_remove(&l->index, head);
	else
		*where = flow->below;
	flow->below = NULL;
}

int lookup_insert(struct lookup *l, struct dp_flow *flow)
{
	int err = chain_insert(l, flow);

	if (err)
		return err;
	if (l->trie)
		err = trie_insert(l->trie, flow->key[l->key_words - 1], flow->priority);
	if (err) {
		chain_remove(l, flow);
		return err;
	}
	lookup_count(l, flow->priority);
	return 0;
}

void lookup_remove(struct lookup *l, struct dp_flow *flow)
{
	chain_remove(l, flow);
	if (l->trie)
		trie_remove(l->trie, flow->key[l->key_words - 1], flow->priority);
	l->n_flows--;
	if (flow->priority == l->max && l->n_at_max)
		l->n_at_max--;
}

void lookup_update_max(struct lookup *l)
{
	if (l->n_at_max || !l->n_flows)
		return;
	l->max = 0;
	for (uint32_t i = 0; i < l->index.size; i++) {
		for (const struct dp_flow *f = l->index.heads[i]; f; f = f->below) {
			if (f->priority > l->max) {
				l->max = f->priority;
				l->n_at_max = 0;
			}
			l->n_at_max += f->priority == l->max;
		}
	}
}

union map_key {
	struct ofx_table_key hash;
	struct ofx_lpm4_key lpm4;
	struct ofx_lpm6_key lpm6;
};

static void map_key(const struct lookup *l, const struct dp_flow *flow, union map_key *k)
{
	const uint8_t tag[4] = {0, 0, l->kind, l->table->number};
	uint32_t len = sizeof(tag) * 8;

	*k = (union map_key){0};
	if (!l->trie) {
		k->hash.subtable = l->subtable;
		memcpy(k->hash.w, flow->key, l->key_words * 8);
		return;
	}
	len += flow->key[l->key_words - 1];
	if (l->kind >= OFX_ENTRY_LPM6_SRC) {
		k->lpm6.prefixlen = len;
		memcpy(k->lpm6.tag, tag, sizeof(tag));
		memcpy(k->lpm6.addr, flow->key, 16);
	} else {
		k->lpm4.prefixlen = len;
		memcpy(k->lpm4.tag, tag, sizeof(tag));
		memcpy(k->lpm4.addr, flow->key, 4);
	}
}

struct rule_map *lookup_map(const struct lookup *l)
{
	struct rule_map *maps = l->table->tables->maps;

	if (!l->trie)
		return &maps[l->mask.key_class];
	return &maps[l->kind >= OFX_ENTRY_LPM6_SRC ? RULE_MAP_LPM6 : RULE_MAP_LPM4];
}

int lookup_write(const struct lookup *l, const struct dp_flow *flow, uint64_t word)
{
	struct ofx_rule_ref ref = {.word = word};
	union map_key key;
	int err = -EBUSY;

	map_key(l, flow, &key);
	if (!l->trie)
		ref.tag = ofx_key_tag(&key.hash, l->key_words);
	/* -EBUSY: a bucket's lock was held by what this CPU interrupted */
	for (int i = 0; err == -EBUSY && i < 100; i++)
		err = bpf_map_update_elem(lookup_map(l)->fd, &key, &ref.word, BPF_ANY);
	return err;
}

int lookup_delete(const struct lookup *l, const struct dp_flow *flow)
{
	union map_key key;
	int err = -EBUSY;

	map_key(l, flow, &key);
	for (int i = 0; err == -EBUSY && i < 100; i++)
		err = bpf_map_delete_elem(lookup_map(l)->fd, &key);
	return err;
}
