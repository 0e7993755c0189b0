/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/table_lpm.h"
#include <endian.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <string.h>
#include "include/openflow/openflow.h"
#include "user/datapath/trie.h"
#include "user/util/cleanup.h"

#define LEAST_LENGTHS 2 /* of one length only: an exact match, which hash maps are for */

/* The routes of a table by one address. */
struct lpm {
	struct copy copy;			/* first */
	struct lookup lookup;			/* off while the copy is out of its map */
	uint8_t kind;				/* enum ofx_kind */
	uint32_t n_lengths, n_nodes;		/* nodes: what its flow entries take in tries, at most */
	struct priorities *length[LPM_LENGTHS]; /* flow entries by length; NULL: none */
};

static struct lpm *lpm_of(const struct copy *copy)
{
	return (struct lpm *)copy;
}

static struct tries *tries_of(const struct lpm *lpm)
{
	return &lpm->copy.table->tables->tries[lpm->kind >= OFX_KIND_LPM6_SRC];
}

/* --- what is a route --- */

/* Leading ones of so many 32-bit words, -1: there are others behind. */
static int length_of(const __be32 *word, int n)
{
	int length = 0;

	while (length < 32 * n && be32toh(word[length / 32]) << length % 32 >> 31)
		length++;
	for (int bit = length; bit < 32 * n; bit++)
		if (be32toh(word[bit / 32]) << bit % 32 >> 31)
			return -1;
	return length;
}

static void describe(struct lpm_mask *m, uint8_t kind, int length)
{
	if (length >= 0)
		*m = (struct lpm_mask){.kind = kind, .length = length};
}

/* And, where the address is zeros, for the header that has it (key.h), as all shorter prefixes of it do. */
static bool asks_for_type_and_address(const struct ofx_key *mask)
{
	const struct ofx_key header = {.vlan_pcp = OFX_NO_L3};
	uint64_t other = (mask->w[OFX_W_ETH_DST] ^ OFX_TYPE_MASK) | (mask->w[OFX_W_L4] & ~header.w[OFX_W_L4]);

	for (int i = 0; i < OFX_KEY_WORDS; i++)
		if (i != OFX_W_ETH_DST && i != OFX_W_L4 && (i < OFX_W_ADDR || i > OFX_W_ADDR3))
			other |= mask->w[i];
	return !other;
}

void lpm_describe(struct tuple *mask)
{
	const struct ofx_key *m = &mask->mask;
	__be32 word[8];

	if (!asks_for_type_and_address(m))
		return;
	memcpy(word, &m->w[OFX_W_ADDR], sizeof(word));
	/* The default route is of the destination, which comes last. */
	if (!length_of(word + 2, 6) && !word[1])
		describe(&mask->as_ipv4, OFX_KIND_LPM4_SRC, length_of(word, 1));
	if (!length_of(word + 2, 6) && !word[0])
		describe(&mask->as_ipv4, OFX_KIND_LPM4_DST, length_of(word + 1, 1));
	if (!length_of(word + 4, 4))
		describe(&mask->as_ipv6, OFX_KIND_LPM6_SRC, length_of(word, 4));
	if (!length_of(word, 4))
		describe(&mask->as_ipv6, OFX_KIND_LPM6_DST, length_of(word + 4, 4));
}

static const struct lpm_mask *as_route(const struct tuple *mask, const struct ofx_key *key)
{
	static const struct lpm_mask none;

	return key->eth_type == htobe16(ETH_P_IP)     ? &mask->as_ipv4
	       : key->eth_type == htobe16(ETH_P_IPV6) ? &mask->as_ipv6
						      : &none;
}

static uint32_t family(const struct lpm_mask *m)
{
	return m->kind - OFX_KIND_LPM4_SRC;
}

/* --- its entry in the list --- */

static void enter(const struct lookup *l, struct ofx_list_entry *e)
{
	const struct lpm *lpm = (const struct lpm *)((const char *)l - offsetof(struct lpm, lookup));
	const enum copy_stage stage = lpm->copy.stage;

	e->shift = lpm->kind - OFX_KIND_LPM4_SRC;
	e->kind = stage == COPY_NEAR || stage == COPY_IN || stage == COPY_WAIT ? lpm->kind : OFX_KIND_NONE;
}

static uint32_t longest(const struct lookup *l)
{
	return 0; /* its rules count where they lie in the lines */
}

struct lookup *lpm_lookup(const struct table *t, const struct ofx_list_entry *e)
{
	return &t->lpm[e->shift % LPM_FAMILIES]->lookup;
}

/* --- the copy --- */

static uint32_t size(const struct copy *copy)
{
	return lpm_of(copy)->lookup.priorities.n;
}

static const struct lpm_mask *mask_of(const struct dp_tables *tables, const struct dp_flow *flow, struct ofx_key *key)
{
	flow_key(tables, flow_record(tables, flow_id(tables, flow)), key);
	return as_route(tables->tuple[flow->mask], key);
}

static bool has(const struct copy *copy, const struct dp_flow *flow)
{
	const struct dp_tables *tables = copy->table->tables;
	const struct tuple *mask = tables->tuple[flow->mask];
	struct ofx_key key;

	return (mask->as_ipv4.kind || mask->as_ipv6.kind) && mask_of(tables, flow, &key)->kind == lpm_of(copy)->kind;
}

/* The length of a key's prefix is not in the key, but its mask tells. */
static struct prefix prefix_of(const struct copy *copy, const struct ofx_key *key, uint32_t mask)
{
	return (struct prefix){.kind = lpm_of(copy)->kind,
			       .table = copy->table->number,
			       .length = as_route(copy->table->tables->tuple[mask], key)->length};
}

static int put(struct copy *copy, const struct ofx_key *key, uint32_t mask, struct ofx_rule_ref ref)
{
	return trie_put(tries_of(lpm_of(copy)), prefix_of(copy, key, mask), key, ref);
}

static void drop(struct copy *copy, const struct ofx_key *key, uint32_t mask)
{
	trie_drop(tries_of(lpm_of(copy)), prefix_of(copy, key, mask), key);
}

/* Is a longer prefix never of lower priority? */
static bool is_monotone(const struct lpm *lpm)
{
	uint16_t max = 0;

	for (uint32_t i = 0; i < LPM_LENGTHS; i++) {
		const struct priorities *p = lpm->length[i];

		if (!p)
			continue;
		if (p->min < max)
			return false;
		max = p->max;
	}
	return true;
}

/*
 * Would a packet be spared the nth part of the table's tuples?  A trie costs as much as several of them, so where most
 * hold other rules too, routes are looked up with those.
 */
static bool spares_tuples(const struct lpm *lpm, uint32_t nth)
{
	const uint32_t f = lpm->kind - OFX_KIND_LPM4_SRC;
	const struct tuple *tuple;
	uint32_t n = 0, spared = 0;

	TAILQ_FOREACH(tuple, &lpm->copy.table->tuples, next)
	if (tuple->lookup.priorities.n) {
		n++;
		spared += tuple->n_routes[f] == tuple->lookup.priorities.n;
	}
	return nth * spared >= n;
}

/* Less than it takes to get in. */
static bool is_useless(const struct copy *copy)
{
	return !spares_tuples((const struct lpm *)copy, 4);
}

static bool tries_have_room(const struct tries *tries, uint32_t routes, uint32_t nodes)
{
	return tries->n_routes + routes <= tries->most && tries->n_nodes + nodes <= OFX_LPM_NODES;
}

static bool is_wanted(struct copy *copy)
{
	struct lpm *lpm = lpm_of(copy);
	struct tries *tries = tries_of(lpm);

	if (lpm->n_lengths < LEAST_LENGTHS || !tries_have_room(tries, size(copy), lpm->n_nodes) || !is_monotone(lpm) ||
	    !spares_tuples(lpm, 2))
		return false;
	lpm->lookup.off = false;
	if (lookup_list(&lpm->lookup)) {
		lpm->lookup.off = true;
		copy_try_later(copy);
		return false;
	}
	tries->n_nodes += lpm->n_nodes;
	tries->n_routes += size(copy);
	return true;
}

/* Tuples that no packet looks at need no hash map. */
static void leave_hashes(struct table *t)
{
	struct tuple *tuple;

	TAILQ_FOREACH(tuple, &t->tuples, next)
	if (lpm_hides(tuple))
		copy_leave(&tuple->copy);
}

static void show(struct copy *copy)
{
	struct lpm *lpm = lpm_of(copy);

	table_show(copy->table);
	if (copy->stage == COPY_IN)
		leave_hashes(copy->table);
	if (copy->stage != COPY_OUT)
		return;
	lpm->lookup.off = true;
	tries_of(lpm)->n_nodes -= lpm->n_nodes;
	tries_of(lpm)->n_routes -= size(copy);
}

static const struct copy_kind lpm_kind = {.is_wanted = is_wanted,
					  .is_useless = is_useless,
					  .has = has,
					  .size = size,
					  .put = put,
					  .drop = drop,
					  .show = show};

/* --- flow entries come and go --- */

static const struct lookup_kind lpm_lookup_kind = {.enter = enter, .longest = longest};

static struct lpm *lpm_make(struct table *t, uint8_t kind)
{
	struct lpm **at = &t->lpm[kind - OFX_KIND_LPM4_SRC];

	if (*at)
		return *at;
	*at = calloc(1, sizeof(**at));
	if (!*at)
		return NULL;
	(*at)->kind = kind;
	(*at)->lookup = (struct lookup){.kind = &lpm_lookup_kind, .table = t, .off = true};
	copy_open(&(*at)->copy, &lpm_kind, t, true);
	return *at;
}

/* Is there a shorter prefix of higher priority, or a longer one of lower? */
static bool breaks_order(const struct lpm *lpm, uint32_t length, uint16_t priority)
{
	for (uint32_t i = 0; i < LPM_LENGTHS; i++) {
		const struct priorities *p = lpm->length[i];

		if (p && ((i < length && p->max > priority) || (i > length && p->min < priority)))
			return true;
	}
	return false;
}

static void count_nodes(struct lpm *lpm, uint32_t length, int change)
{
	const uint32_t copies = trie_copies(lpm->kind, length);

	lpm->n_nodes += change * copies;
	if (lpm->copy.stage == COPY_OUT)
		return;
	tries_of(lpm)->n_nodes += change * copies;
	tries_of(lpm)->n_routes += change;
}

static void length_remove(struct lpm *lpm, uint32_t length, uint16_t priority)
{
	struct priorities **p = &lpm->length[length];

	priorities_remove(*p, priority);
	if ((*p)->n)
		return;
	priorities_free(*p);
	free(take_ptr(*p));
	lpm->n_lengths--;
}

static int length_add(struct lpm *lpm, uint32_t length, uint16_t priority)
{
	struct priorities **p = &lpm->length[length];
	int err;

	if (!*p) {
		*p = calloc(1, sizeof(**p));
		if (!*p)
			return -ENOMEM;
		lpm->n_lengths++;
	}
	err = priorities_add(*p, priority);
	if (err && !(*p)->n) {
		free(take_ptr(*p));
		lpm->n_lengths--;
	}
	return err;
}

int lpm_count(struct tuple *mask, const struct ofx_key *key, struct tuple *tuple, uint16_t priority)
{
	const struct lpm_mask *m = as_route(mask, key);
	struct lpm *lpm;
	int err;

	if (!m->kind)
		return 0;
	lpm = lpm_make(mask->lookup.table, m->kind);
	if (!lpm)
		return -ENOMEM;
	err = length_add(lpm, m->length, priority);
	if (err)
		return err;
	err = lookup_count(&lpm->lookup, priority);
	if (err) {
		length_remove(lpm, m->length, priority);
		return err;
	}
	tuple->n_routes[family(m)]++;
	count_nodes(lpm, m->length, 1);
	if (!tries_have_room(tries_of(lpm), 0, 0) || breaks_order(lpm, m->length, priority))
		copy_leave(&lpm->copy);
	return 0;
}

void lpm_uncount(struct tuple *mask, const struct ofx_key *key, struct tuple *tuple, uint16_t priority)
{
	const struct lpm_mask *m = as_route(mask, key);
	struct lpm *lpm;

	if (!m->kind)
		return;
	lpm = mask->lookup.table->lpm[family(m)];
	length_remove(lpm, m->length, priority);
	lookup_uncount(&lpm->lookup, priority);
	tuple->n_routes[family(m)]--;
	count_nodes(lpm, m->length, -1);
	if (lpm->n_lengths < LEAST_LENGTHS)
		copy_leave(&lpm->copy);
}

void lpm_move(struct tuple *mask, const struct ofx_key *key, struct tuple *from, struct tuple *to)
{
	const struct lpm_mask *m = as_route(mask, key);

	if (!m->kind)
		return;
	from->n_routes[family(m)]--;
	to->n_routes[family(m)]++;
}

void lpm_put(struct tuple *mask, const struct ofx_key *key, struct ofx_rule_ref ref)
{
	const struct lpm_mask *m = as_route(mask, key);

	if (m->kind)
		copy_put(&mask->lookup.table->lpm[family(m)]->copy, key, mask->lookup.number, ref);
}

void lpm_drop(struct tuple *mask, const struct ofx_key *key)
{
	const struct lpm_mask *m = as_route(mask, key);

	if (m->kind)
		copy_drop(&mask->lookup.table->lpm[family(m)]->copy, key, mask->lookup.number);
}

/* --- instead of tuples --- */

/* Are all of its rules routes, and so far into tries? */
static bool all_are(const struct tuple *tuple, bool (*so_far)(const struct copy *))
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < LPM_FAMILIES; i++)
		if (tuple->n_routes[i] && so_far(&tuple->lookup.table->lpm[i]->copy))
			n += tuple->n_routes[i];
	return n && n >= tuple->lookup.priorities.n;
}

static bool is_in(const struct copy *copy)
{
	return copy->stage == COPY_IN;
}

bool lpm_hides(const struct tuple *tuple)
{
	return all_are(tuple, is_in);
}

bool lpm_covers(const struct tuple *tuple)
{
	return all_are(tuple, copy_follows);
}

void lpm_table_close(struct table *t)
{
	for (uint32_t f = 0; f < LPM_FAMILIES; f++) {
		struct lpm *lpm = t->lpm[f];

		for (uint32_t i = 0; lpm && i < LPM_LENGTHS; i++)
			if (lpm->length[i])
				priorities_free(lpm->length[i]);
		for (uint32_t i = 0; lpm && i < LPM_LENGTHS; i++)
			free(lpm->length[i]);
		if (lpm)
			priorities_free(&lpm->lookup.priorities);
		free(take_ptr(t->lpm[f]));
	}
}
