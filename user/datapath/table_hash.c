/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/table_hash.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include "build/ofxdp.skel.h"
#include "include/ofxdp/table_hash.h"
#include "user/datapath/table_lpm.h"

#define ELEMENT 128 /* bytes of the kernel's, with the largest key */

static struct tuple *tuple_of(const struct copy *copy)
{
	return (struct tuple *)((char *)copy - offsetof(struct tuple, copy));
}

static void key_of(const struct tuple *tuple, const struct ofx_key *key, struct ofx_hash_key64 *k)
{
	const struct ofx_subtable *s = &tuple->lookup.table->tables->subtables[tuple->lookup.number];

	*k = (struct ofx_hash_key64){.tuple = tuple->lookup.number};
	for (int i = 0; i < s->n_words; i++)
		k->word[i] = ofx_key_word(key->w, s, i);
}

/* False: it is not there. */
static bool replace(struct dp *dp, int fd, const struct ofx_hash_key64 *key, struct ofx_rule_ref ref)
{
	volatile __u64 *changes = &dp->skel->data_near->hash_changes;
	bool done;

	__atomic_add_fetch(changes, 1, __ATOMIC_SEQ_CST);
	done = !bpf_map_update_elem(fd, key, &ref, BPF_EXIST);
	__atomic_add_fetch(changes, 1, __ATOMIC_SEQ_CST);
	return done;
}

static int put(struct copy *copy, const struct ofx_key *key, uint32_t mask, struct ofx_rule_ref ref)
{
	const struct tuple *tuple = tuple_of(copy);
	struct hashes *hashes = &copy->table->tables->hashes;
	const int fd = hashes->fd[tuple->map];
	struct ofx_hash_key64 k;

	key_of(tuple, key, &k);
	if (!memory_may_grow(ELEMENT))
		return -ENOMEM;
	if (replace(copy->table->tables->dp, fd, &k, ref))
		return 0;
	if (hashes->n[tuple->map] >= hashes->size[tuple->map])
		return -ENOSPC;
	if (bpf_map_update_elem(fd, &k, &ref, BPF_NOEXIST))
		return errno == E2BIG ? -ENOSPC : -errno;
	hashes->n[tuple->map]++;
	return 0;
}

static void drop(struct copy *copy, const struct ofx_key *key, uint32_t mask)
{
	const struct tuple *tuple = tuple_of(copy);
	struct hashes *hashes = &copy->table->tables->hashes;
	struct ofx_hash_key64 k;

	key_of(tuple, key, &k);
	if (!bpf_map_delete_elem(hashes->fd[tuple->map], &k))
		hashes->n[tuple->map]--;
}

/* Only those that lie in their own tuple; deleted are also those that have been moved from there. */
static bool has(const struct copy *copy, const struct dp_flow *flow)
{
	const struct dp_tables *tables = copy->table->tables;
	const uint32_t number = tuple_of(copy)->lookup.number;

	return flow->mask == number &&
	       (copy->stage == COPY_CLEAR || flow_record(tables, flow_id(tables, flow))->tuple == number);
}

static uint32_t size(const struct copy *copy)
{
	return tuple_of(copy)->lookup.priorities.n;
}

/* Its rules are all of its own mask, are not going elsewhere, and there is a map with room for them. */
static bool is_wanted(struct copy *copy)
{
	const struct tuple *tuple = tuple_of(copy);
	const struct table *t = copy->table;
	const struct hashes *hashes = &t->tables->hashes;
	const uint32_t n = size(copy);

	if (!n || table_shares(t) || t->moving || n != tuple->n_at[TUPLE_LEVELS] || lpm_covers(tuple))
		return false;
	return tuple->map != OFX_KIND_LINES && hashes->n[tuple->map] + n <= hashes->size[tuple->map];
}

static void show(struct copy *copy)
{
	table_show(copy->table);
}

uint8_t hash_kind(const struct tuple *tuple)
{
	const enum copy_stage stage = tuple->copy.stage;

	return stage == COPY_NEAR || stage == COPY_IN ? tuple->map : OFX_KIND_LINES;
}

void hash_leave_all(struct table *t)
{
	struct tuple *tuple;

	TAILQ_FOREACH(tuple, &t->tuples, next)
	copy_leave(&tuple->copy);
}

void hash_open(struct tuple *tuple)
{
	static const struct copy_kind kind = {
		.is_wanted = is_wanted, .has = has, .size = size, .put = put, .drop = drop, .show = show};

	tuple->map = ofx_hash_kind(tuple->lookup.table->tables->subtables[tuple->lookup.number].n_words);
	copy_open(&tuple->copy, &kind, tuple->lookup.table, false);
}

static void map_is(struct dp_tables *tables, uint8_t kind, const struct bpf_map *map)
{
	tables->hashes.fd[kind] = bpf_map__fd(map);
	tables->hashes.size[kind] = bpf_map__max_entries(map);
}

void hashes_open(struct dp_tables *tables)
{
	const struct ofxdp_bpf *skel = tables->dp->skel;

	map_is(tables, OFX_KIND_HASH16, skel->maps.hash16);
	map_is(tables, OFX_KIND_HASH32, skel->maps.hash32);
	map_is(tables, OFX_KIND_HASH64, skel->maps.hash64);
}
