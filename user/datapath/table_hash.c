/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/table_hash.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "include/ofxdp/table_hash.h"
#include "user/util/log.h"

#define LOOK_MS 20 /* from a change to a look at the tuples, … */
#define BUSY 256 /* … and again, while so many rules come in that time: they go to the lines only, which is quicker */
#define SCAN_IDS 4096 /* flow ids of a step … */
#define SCAN_KEYS 512 /* … and keys put or deleted: half a millisecond */
#define ELEMENT 128   /* bytes of the kernel's, with the largest key */

/* --- the maps --- */

static void key_of(const struct tuple *tuple, const struct ofx_key *key, struct ofx_hash_key64 *k)
{
	const struct ofx_subtable *s = &tuple->lookup.table->tables->subtables[tuple->lookup.number];

	*k = (struct ofx_hash_key64){.tuple = tuple->lookup.number};
	for (int i = 0; i < s->n_words; i++)
		k->word[i] = ofx_key_word(key->w, s, i);
}

/* 0 or a negative errno; *n counts the keys of the map. */
static int map_put(struct tuple *tuple, const struct ofx_key *key, struct ofx_rule_ref ref)
{
	struct dp_tables *tables = tuple->lookup.table->tables;
	const int fd = tables->hashes.fd[tuple->map];
	struct ofx_hash_key64 k;

	key_of(tuple, key, &k);
	if (!memory_may_grow(ELEMENT))
		return -ENOMEM;
	if (!bpf_map_update_elem(fd, &k, &ref, BPF_NOEXIST)) {
		tables->hashes.n[tuple->map]++;
		return 0;
	}
	return errno == EEXIST && !bpf_map_update_elem(fd, &k, &ref, BPF_EXIST) ? 0 : -errno;
}

static void map_delete(struct tuple *tuple, const struct ofx_key *key)
{
	struct dp_tables *tables = tuple->lookup.table->tables;
	struct ofx_hash_key64 k;

	key_of(tuple, key, &k);
	if (!bpf_map_delete_elem(tables->hashes.fd[tuple->map], &k))
		tables->hashes.n[tuple->map]--;
}

/* --- the byte that packets see --- */

static void show_kind(const struct tuple *tuple)
{
	const struct table *t = tuple->lookup.table;
	struct ofx_list *list = &t->tables->lists[t->list];

	for (uint32_t i = 0; t->list && i < list->n; i++) {
		if (list->entries[i].subtable != tuple->lookup.number)
			continue;
		__atomic_store_n(&list->entries[i].kind, hash_kind(tuple), __ATOMIC_RELEASE);
		/* A group is looked up in the lines.  Whether one is there is never wrong: all rules are. */
		__atomic_store_n(&list->entries[i / OFX_LIST_GROUP * OFX_LIST_GROUP].group, OFX_GROUP_NONE,
				 __ATOMIC_RELEASE);
	}
}

uint8_t hash_kind(const struct tuple *tuple)
{
	return tuple->stage == HASH_IN ? tuple->map : OFX_KIND_LINES;
}

/* --- steps --- */

static void look_soon(struct dp_tables *tables, unsigned int ms)
{
	const struct timeval tv = {.tv_usec = ms * 1000};

	if (!event_pending(tables->hashes.event, EV_TIMEOUT, NULL))
		event_add(tables->hashes.event, &tv);
}

static void scan_begin(struct tuple *tuple, enum hash_stage stage)
{
	tuple->stage = stage;
	tuple->scan = 0;
	look_soon(tuple->lookup.table->tables, 0);
}

static void unread(struct dp *dp, void *aux, uint32_t number)
{
	struct tuple *tuple = dp->tables->tuple[number];

	if (!dp->tables->closing)
		scan_begin(tuple, HASH_CLEAR);
}

static void leave(struct tuple *tuple)
{
	if (tuple->stage != HASH_FILL && tuple->stage != HASH_IN)
		return;
	tuple->lookup.table->n_hash--;
	tuple->stage = HASH_WAIT;
	tuple->most = tuple->n_flows / 2;
	show_kind(tuple);
	grace_defer(tuple->lookup.table->tables->dp, unread, NULL, tuple->lookup.number);
}

void hash_leave_all(struct table *t)
{
	struct tuple *tuple;

	if (!t->n_hash)
		return;
	TAILQ_FOREACH(tuple, &t->tuples, next)
	leave(tuple);
}

void hash_put(struct tuple *tuple, const struct ofx_key *key, struct ofx_rule_ref ref)
{
	if ((tuple->stage == HASH_FILL || tuple->stage == HASH_IN) && map_put(tuple, key, ref))
		leave(tuple);
}

void hash_drop(struct tuple *tuple, const struct ofx_key *key)
{
	if (tuple->stage != HASH_OUT)
		map_delete(tuple, key);
}

/* The rule at this flow id, if it is the tuple's own and the first of its key. */
static bool own_rule(const struct tuple *tuple, uint32_t id, struct ofx_key *key, struct ofx_rule_ref *ref)
{
	struct dp_tables *tables = tuple->lookup.table->tables;
	const struct dp_flow *flow = &tables->flow[id];

	if (flow->flags != FLOW_USED || flow->mask != tuple->lookup.number)
		return false;
	return rule_own_head(tables, flow, key, ref);
}

/* A step.  False: all flow ids have been looked at. */
static bool scan(struct tuple *tuple)
{
	struct dp_tables *tables = tuple->lookup.table->tables;
	struct ofx_rule_ref ref;
	struct ofx_key key;

	for (uint32_t n = 0, keys = 0; n < SCAN_IDS && keys < SCAN_KEYS; n++, tuple->scan++) {
		if (tuple->scan >= tables->ids.next)
			return false;
		if (!own_rule(tuple, tuple->scan, &key, &ref))
			continue;
		keys++;
		if (tuple->stage == HASH_FILL)
			hash_put(tuple, &key, ref);
		else
			map_delete(tuple, &key);
		if (tuple->stage == HASH_WAIT)
			return false;
	}
	return true;
}

/* What was left there by a move is met for a grace period, and deleted then. */
static void step(struct tuple *tuple)
{
	if (scan(tuple))
		return;
	if (tuple->stage == HASH_FILL) {
		tuple->stage = HASH_IN;
		show_kind(tuple);
	} else if (tuple->stage == HASH_CLEAR && !tuple->n_left) {
		tuple->stage = HASH_OUT;
		table_tidy_later(tuple->lookup.table); /* it may be of no use any more */
	}
}

/* --- which tuples --- */

/* Its rules are all of its own mask, and there is a map with room for them. */
static bool is_wanted(const struct tuple *tuple)
{
	const struct table *t = tuple->lookup.table;
	const uint32_t n = tuple->lookup.priorities.n;

	if (tuple->stage != HASH_OUT || !n || table_shares(t) || t->moving || n != tuple->n_at[TUPLE_LEVELS])
		return false;
	if (tuple->map == OFX_KIND_LINES || (tuple->most && n > tuple->most))
		return false;
	return t->tables->hashes.n[tuple->map] + n <= t->tables->hashes.size[tuple->map];
}

static struct tuple *find_stage(const struct dp_tables *tables, enum hash_stage stage)
{
	for (uint32_t i = 1; i < tables->subtable_numbers.next; i++)
		if (tables->tuple[i] && tables->tuple[i]->stage == stage)
			return tables->tuple[i];
	return NULL;
}

static struct tuple *find_wanted(const struct dp_tables *tables)
{
	for (uint32_t i = 1; i < tables->subtable_numbers.next; i++)
		if (tables->tuple[i] && is_wanted(tables->tuple[i]))
			return tables->tuple[i];
	return NULL;
}

static void look(evutil_socket_t fd, short what, void *aux)
{
	struct dp_tables *tables = aux;
	struct tuple *tuple = find_stage(tables, HASH_CLEAR) ?: find_stage(tables, HASH_FILL);
	const bool busy = tables->hashes.n_changes > BUSY;

	tables->hashes.n_changes = 0;
	if (!tuple && busy) {
		look_soon(tables, LOOK_MS);
		return;
	}
	if (!tuple) {
		tuple = find_wanted(tables);
		if (!tuple)
			return;
		tuple->lookup.table->n_hash++;
		scan_begin(tuple, HASH_FILL);
	}
	step(tuple);
	look_soon(tables, tuple->stage == HASH_CLEAR && tuple->scan >= tables->ids.next ? LOOK_MS : 0);
}

void hash_look_later(struct table *t)
{
	t->tables->hashes.n_changes++;
	look_soon(t->tables, LOOK_MS);
}

static void map_is(struct dp_tables *tables, uint8_t kind, const struct bpf_map *map)
{
	tables->hashes.fd[kind] = bpf_map__fd(map);
	tables->hashes.size[kind] = bpf_map__max_entries(map);
}

int hashes_open(struct dp_tables *tables)
{
	const struct ofxdp_bpf *skel = tables->dp->skel;

	map_is(tables, OFX_KIND_HASH16, skel->maps.hash16);
	map_is(tables, OFX_KIND_HASH32, skel->maps.hash32);
	map_is(tables, OFX_KIND_HASH64, skel->maps.hash64);
	tables->hashes.event = evtimer_new(tables->dp->base, look, tables);
	return tables->hashes.event ? 0 : -ENOMEM;
}

void hashes_close(struct dp_tables *tables)
{
	if (tables->hashes.event)
		event_free(tables->hashes.event);
}
