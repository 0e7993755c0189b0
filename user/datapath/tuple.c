/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/tuple.h"
#include <endian.h>
#include <errno.h>
#include <string.h>
#include "include/openflow/openflow.h"
#include "include/ofxdp/table_hash.h"
#include "user/datapath/cache.h"
#include "user/datapath/table_hash.h"
#include "user/datapath/table_lpm.h"
#include "user/openflow/error.h"
#include "user/util/cleanup.h"

#define OWN_MASKS 4 /* so many masks of a table are tuples each; with more, those of the first are moved (move.c) */

/* --- widening --- */

/* Bits of a prefix, -1: not contiguous.  The mask is right-aligned in `mask`, big endian already turned. */
static int prefix_of(uint64_t mask, int bits)
{
	uint64_t left = bits == 64 ? mask : mask << (64 - bits);
	int len = left == UINT64_MAX ? 64 : left ? __builtin_clzll(~left) : 0;

	return len == 64 || !(left << len) ? len : -1;
}

static uint32_t prefix4(int len)
{
	return len ? UINT32_MAX << (32 - len) : 0;
}

/* Level 0: 0, 8, 16 or 24 bits; level 1: 32 too, and multiples of 4 if there is no other address. */
static void widen4(__be32 *mask, int level, bool alone)
{
	int len = prefix_of(be32toh(*mask), 32);

	if (len <= 0)
		return;
	len &= level && alone ? ~3 : ~7;
	*mask = htobe32(prefix4(len > 24 && !level ? 24 : len));
}

/* Level 0: multiples of 16 up to 64; level 1: up to 128. */
static void widen6(__be64 *mask, int level)
{
	int high = prefix_of(be64toh(mask[0]), 64), low = prefix_of(be64toh(mask[1]), 64);

	if (high < 0 || low < 0 || (low && high < 64))
		return;
	high &= ~15;
	low = level ? low & ~15 : 0;
	mask[0] = high ? htobe64(UINT64_MAX << (64 - high)) : 0;
	mask[1] = low ? htobe64(UINT64_MAX << (64 - low)) : 0;
}

/* IPv4 addresses, unless the words look like those of IPv6 (they share their place in the key). */
static void widen_addresses(struct ofx_key *k, int level)
{
	__be32 src = k->ipv4_src, dst = k->ipv4_dst;

	if (k->w[OFX_W_ADDR1] | k->w[OFX_W_ADDR2] | k->w[OFX_W_ADDR3]) {
		widen6(&k->ipv6_src[0], level);
		widen6(&k->ipv6_dst[0], level);
		return;
	}
	widen4(&src, level, !dst);
	widen4(&dst, level, !k->ipv4_src);
	k->ipv4_src = src;
	k->ipv4_dst = dst;
}

#define WELL_APART 24 /* bits of both IPv4 addresses together */

/* Of a mask that was widened; 0 for other addresses. */
static int ipv4_bits(const struct ofx_key *k)
{
	if (k->w[OFX_W_ADDR1] | k->w[OFX_W_ADDR2] | k->w[OFX_W_ADDR3])
		return 0;
	return __builtin_popcount(k->ipv4_src) + __builtin_popcount(k->ipv4_dst);
}

void tuple_widen(const struct ofx_key *mask, int level, struct ofx_key *wide)
{
	*wide = *mask;
	wide->vlan_pcp &= ~OFX_NO_BITS; /* hardly any packet has them */
	widen_addresses(wide, level);
	/* where the addresses tell rules apart well enough, ports need not */
	if (!level && ipv4_bits(wide) >= WELL_APART)
		wide->w[OFX_W_L4] = 0;
	/* who asks for ports has the protocol, too */
	if (!level && !wide->tp_src && !wide->tp_dst && wide->w[OFX_W_ADDR])
		wide->ip_proto = 0;
}

/* --- tuples --- */

static bool mask_is_quick(const struct ofx_key *mask)
{
	uint64_t other = 0;

	for (uint8_t i = 0; i < OFX_KEY_WORDS; i++)
		if (i != OFX_W_ETH_DST && i != OFX_W_L4 && i != OFX_W_ADDR)
			other |= mask->w[i];
	return !other;
}

static void describe_quick(const struct ofx_key *mask, struct ofx_subtable *s)
{
	*s = (struct ofx_subtable){.head = OFX_QUICK_HEAD};
	s->mask[0] = mask->w[OFX_W_ETH_DST];
	s->mask[1] = mask->w[OFX_W_L4];
	s->mask[2] = mask->w[OFX_W_ADDR];
}

static void describe(const struct ofx_key *mask, struct ofx_subtable *s)
{
	if (mask_is_quick(mask)) {
		describe_quick(mask, s);
		return;
	}
	*s = (struct ofx_subtable){0};
	for (uint8_t i = 0; i < OFX_KEY_WORDS; i++) {
		if (!mask->w[i])
			continue;
		s->at[s->n_words] = 8 * i;
		s->mask[s->n_words++] = mask->w[i];
	}
}

/* --- checks --- */

/* Where the bits behind so many of an IPv4 address stand in their word; the last eight, if there are none. */
static uint8_t bits_behind(bool dst, int bits)
{
	const int at = bits >= 0 && bits < 32 ? bits : 24;

	return 32 * dst + 8 * (at / 8) - (at % 8 >= 4 && dst + at / 8 ? 4 : 0);
}

/* What rules of narrower masks look at besides: behind the longer prefix. */
void tuple_choose_check(struct tuple *tuple)
{
	const struct ofx_key *mask = &tuple->mask;
	const int src = prefix_of(be32toh(mask->ipv4_src), 32), dst = prefix_of(be32toh(mask->ipv4_dst), 32);

	tuple->shift = bits_behind(dst > src, dst > src ? dst : src);
}

/* The leading bits under the mask, OFX_CHECK_BITS at most, then a one, then zeros. */
static uint8_t check_byte(uint8_t value, uint8_t mask)
{
	const uint8_t inverted = ~mask | 1;
	const int bits = __builtin_clz(inverted) - 24;

	return ((value >> (8 - bits)) << 1 | 1) << (OFX_CHECK_BITS - bits);
}

uint8_t mask_l4_check(const struct ofx_key *mask, const struct ofx_key *key)
{
	return check_byte(ofx_l4_check_of_key(key->w[OFX_W_L4]), ofx_l4_check_of_key(mask->w[OFX_W_L4]));
}

uint8_t tuple_check(const struct tuple *tuple, const struct ofx_key *mask, const struct ofx_key *key)
{
	const uint8_t value = key->w[OFX_W_ADDR] >> tuple->shift, cares = mask->w[OFX_W_ADDR] >> tuple->shift;

	return tuple->quick ? check_byte(value, cares) : OFX_CHECK_ANY;
}

static void enter(const struct lookup *l, struct ofx_list_entry *e)
{
	const struct tuple *tuple = (const struct tuple *)l;
	const struct ofx_subtable *s = &l->table->tables->subtables[l->number];

	e->subtable = l->number;
	e->quick = tuple->quick;
	e->kind = lpm_hides(tuple) ? OFX_KIND_NONE : hash_kind(tuple);
	if (!e->quick)
		return;
	memcpy(e->mask, s->mask, sizeof(e->mask));
	e->shift = tuple->shift;
}

static enum ofx_list_group group_of(const struct ofx_list_entry *e)
{
	enum ofx_list_group group = OFX_GROUP_ADDRESS;

	for (int i = 0; i < OFX_LIST_GROUP; i++) {
		if (!e[i].quick || e[i].kind)
			return OFX_GROUP_NONE;
		if (e[i].mask[0] != OFX_TYPE_MASK || e[i].mask[1])
			group = OFX_GROUP_QUICK;
	}
	return group;
}

void tuples_group(struct ofx_list *list)
{
	for (uint32_t i = 0; i + OFX_LIST_GROUP <= list->n; i += OFX_LIST_GROUP)
		__atomic_store_n(&list->entries[i].group, group_of(&list->entries[i]), __ATOMIC_RELEASE);
}

static uint32_t longest(const struct lookup *l)
{
	return tuple_longest((const struct tuple *)l);
}

static int tuple_new(struct table *t, const struct ofx_key *mask, struct tuple **out)
{
	static const struct lookup_kind kind = {.enter = enter, .longest = longest};
	struct dp_tables *tables = t->tables;
	_free_ struct tuple *made = calloc(1, sizeof(*made));
	struct tuple *tuple;
	uint32_t number;
	int err = made ? tables_take(&tables->subtable_numbers, &number) : -ENOMEM;

	if (err)
		return err;
	made->mask = *mask;
	if (!hash_add(tables->by_mask, mask, made)) {
		numbers_give(&tables->subtable_numbers, number);
		return -ENOMEM;
	}
	tuple = take_ptr(made);
	tuple->lookup = (struct lookup){.kind = &kind, .table = t, .number = number};
	describe(mask, &tables->subtables[number]);
	tuple->quick = mask_is_quick(mask);
	hash_open(tuple);
	lpm_describe(tuple);
	tuple_choose_check(tuple);
	tables->tuple[number] = tuple;
	TAILQ_INSERT_TAIL(&t->tuples, tuple, next);
	*out = tuple;
	return 0;
}

static struct tuple *find(struct table *t, const struct ofx_key *key)
{
	struct tuple *tuple = t->last;

	if (tuple && !memcmp(&tuple->mask, key, sizeof(*key)))
		return tuple;
	HASH_FIND(hh, t->tables->by_mask, key, sizeof(*key), tuple);
	return tuple;
}

struct tuple *tuple_find(struct table *t, const struct ofx_key *mask)
{
	struct ofx_key key = *mask;

	key.shape = t->number;
	return find(t, &key);
}

int tuple_of_mask(struct table *t, const struct ofx_key *mask, struct tuple **out)
{
	struct ofx_key key = *mask;
	int err = 0;

	key.shape = t->number;
	*out = find(t, &key);
	if (!*out)
		err = tuple_new(t, &key, out);
	if (!err)
		t->last = *out;
	return err;
}

bool tuple_is_unused(const struct tuple *tuple)
{
	return !tuple->n_flows && !tuple->refs && !tuple->lookup.entered && copy_may_end(&tuple->copy);
}

void tuple_free(struct tuple *tuple)
{
	struct table *t = tuple->lookup.table;
	struct dp_tables *tables = t->tables;

	for (int i = 0; i < TUPLE_LEVELS; i++)
		if (tuple->home[i] && tuple->home[i] != tuple)
			tuple->home[i]->refs--;
	HASH_DEL(tables->by_mask, tuple);
	TAILQ_REMOVE(&t->tuples, tuple, next);
	if (t->last == tuple)
		t->last = NULL;
	copy_close(&tuple->copy);
	tables->tuple[tuple->lookup.number] = NULL;
	tables_retire(tables, &tables->subtable_numbers, tuple->lookup.number);
	priorities_free(&tuple->lookup.priorities);
	free(tuple);
}

void tuple_take(struct tuple *mask)
{
	if (!mask->n_flows++)
		cache_widen(mask->lookup.table->tables->dp, &mask->mask);
}

void tuple_give(struct tuple *mask)
{
	if (!--mask->n_flows)
		table_tidy_later(mask->lookup.table);
}

void tuples_narrow(struct dp_tables *tables)
{
	struct ofx_key all = {0};
	struct tuple *tuple, *tmp;

	HASH_ITER (hh, tables->by_mask, tuple, tmp) {
		if (!tuple->n_flows)
			continue;
		for (int i = 0; i < OFX_KEY_WORDS; i++)
			all.w[i] |= tuple->mask.w[i];
	}
	cache_narrow(tables->dp, &all);
}

bool table_shares(const struct table *t)
{
	return t->n_masks > OWN_MASKS;
}

/* NULL: no room for it. */
static struct tuple *home_find(struct tuple *mask, int level)
{
	struct tuple *home;
	struct ofx_key wide;

	tuple_widen(&mask->mask, level, &wide);
	return tuple_of_mask(mask->lookup.table, &wide, &home) ? NULL : home;
}

struct tuple *tuple_home(struct tuple *mask, int level)
{
	struct tuple *home;

	if (level == TUPLE_LEVELS || mask->home[level])
		return level == TUPLE_LEVELS ? mask : mask->home[level];
	home = home_find(mask, level);
	if (!home)
		return mask;
	if (home != mask)
		home->refs++;
	return mask->home[level] = home;
}

bool tuple_has_others(const struct tuple *tuple)
{
	return tuple->lookup.priorities.n && !tuple->alone;
}

bool table_has_alone(const struct table *t)
{
	const struct tuple *tuple;

	TAILQ_FOREACH(tuple, &t->tuples, next)
	if (tuple->alone)
		return true;
	return false;
}

static uint32_t bounded(uint32_t n)
{
	return n <= TUPLE_CHAIN ? n : TUPLE_CHAIN + 1;
}

void tuple_count_hash(struct tuple *tuple, uint32_t n, int change)
{
	tuple->n_hashes[bounded(n)]--;
	tuple->n_hashes[bounded(n + change)]++;
}

uint32_t tuple_longest(const struct tuple *tuple)
{
	for (uint32_t n = TUPLE_CHAIN + 1; n; n--)
		if (tuple->n_hashes[n])
			return n;
	return 0;
}

uint32_t table_probes(const struct table *t)
{
	uint32_t probes = 0;

	for (uint32_t i = 0; i < t->n_lookups; i++)
		if (t->lookups[i]->priorities.n)
			probes += t->lookups[i]->kind->longest(t->lookups[i]);
	return probes;
}
