/* SPDX-License-Identifier: GPL-2.0-only */
/* ofxdpctl tables: how each flow table lies in the maps: which subtables and tries, and how many rules in each. */
#include <bpf/bpf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "include/ofxdp/key.h"
#include "include/ofxdp/table.h"
#include "user/ctl/ctl.h"
#include "user/ctl/report.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

#define TRIES (OFX_ENTRY_LPM6_DST + 1)

struct counts {
	uint64_t subtable[OFX_SUBTABLES];
	uint64_t trie[TRIES][OFX_TABLES];
};

struct maps {
	int roots, lists, subtables, misses;
};

static const struct report_column columns[] = {
	{"table", true},	{"kind", false},  {"map", false},  {"entries", true},
	{"max_priority", true}, {"misses", true}, {"mask", false},
};

static void count_hash(struct counts *c, const void *key)
{
	const struct ofx_table_key *k = key;

	if (k->subtable < OFX_SUBTABLES)
		c->subtable[k->subtable]++;
}

static void count_trie(struct counts *c, const void *key)
{
	const struct ofx_lpm4_key *k = key; /* the tag lies at the same place in struct ofx_lpm6_key */

	if (k->tag[2] < TRIES && k->tag[3] < OFX_TABLES)
		c->trie[k->tag[2]][k->tag[3]]++;
}

/* Rules that come or go meanwhile may be missed or make the walk begin anew: bounded by what the map can hold. */
static int walk(const struct pins *pins, const char *map, void (*count)(struct counts *c, const void *key),
		struct counts *c)
{
	_close_ int fd = pins_map(pins, map);
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);
	uint8_t key[2][sizeof(struct ofx_table_key)] = {0};
	uint64_t n = 0;

	if (fd < 0)
		return fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -1;
	while (n < info.max_entries && !bpf_map_get_next_key(fd, n ? key[n % 2] : NULL, key[(n + 1) % 2])) {
		n++;
		count(c, key[n % 2]);
	}
	return 0;
}

static int count_all(const struct pins *pins, struct counts *c)
{
	static const char *const hashes[OFX_CLASSES] = {"tbl8", "tbl16", "tbl32", "tbl64", "tbl128"};
	static const char *const tries[] = {"lpm4", "lpm6"};

	for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
		if (walk(pins, hashes[i], count_hash, c) < 0)
			return -1;
	}
	for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
		if (walk(pins, tries[i], count_trie, c) < 0)
			return -1;
	}
	return 0;
}

/* "w1:ffff…, w5:…": the key words a subtable looks at. */
static void mask_text(const struct ofx_subtable *s, char *text, size_t size)
{
	size_t len = 0;

	snprintf(text, size, s->n_words ? "" : "any");
	for (size_t i = 0; i < s->n_words && i < ARRAY_LEN(s->word) && len < size; i++)
		len += snprintf(text + len, size - len, "%sw%u:%016llx", i ? " " : "", s->word[i],
				(unsigned long long)s->mask[i]);
}

static void print_subtable(struct report *r, const struct maps *m, const struct counts *c,
			   const struct ofx_list_entry *e)
{
	struct ofx_subtable s = {0};
	char text[512];

	bpf_map_lookup_elem(m->subtables, &e->subtable, &s);
	mask_text(&s, text, sizeof(text));
	report_cell(r, "subtable %u", e->subtable);
	report_cell(r, "tbl%u", 8u << s.key_class);
	report_cell(r, "%" PRIu64, e->subtable < OFX_SUBTABLES ? c->subtable[e->subtable] : 0);
	report_cell(r, "%u", e->max_priority);
	report_cell(r, "0");
	report_cell(r, "%s", text);
}

static void print_trie(struct report *r, const struct counts *c, uint32_t table, const struct ofx_list_entry *e)
{
	static const char *const fields[TRIES] = {
		[OFX_ENTRY_LPM4_SRC] = "ipv4_src",
		[OFX_ENTRY_LPM4_DST] = "ipv4_dst",
		[OFX_ENTRY_LPM6_SRC] = "ipv6_src",
		[OFX_ENTRY_LPM6_DST] = "ipv6_dst",
	};
	bool known = e->kind < TRIES && fields[e->kind];

	report_cell(r, "trie");
	report_cell(r, e->kind <= OFX_ENTRY_LPM4_DST ? "lpm4" : "lpm6");
	report_cell(r, "%" PRIu64, known ? c->trie[e->kind][table] : 0);
	report_cell(r, "%u", e->max_priority);
	report_cell(r, "0");
	report_cell(r, "prefixes of %s", known ? fields[e->kind] : "?");
}

static int print_table(struct report *r, const struct pins *pins, const struct maps *m, const struct counts *c,
		       uint32_t table, bool all)
{
	static struct ofx_list list;
	uint64_t root = 0, misses;
	uint32_t slot;

	if (pins_sum(pins, m->misses, table, &misses, 1) || bpf_map_lookup_elem(m->roots, &table, &root))
		return -1;
	slot = root;
	list.n = 0;
	if (slot && bpf_map_lookup_elem(m->lists, &slot, &list))
		return -1;
	if (!list.n && !misses && !all)
		return 0;
	report_cell(r, "%u", table);
	report_cell(r, "table");
	report_cell(r, "-");
	report_cell(r, "%u", list.n);
	report_cell(r, "0");
	report_cell(r, "%" PRIu64, misses);
	report_cell(r, "-");
	for (uint32_t i = 0; i < list.n && i < OFX_LIST_ENTRIES; i++) {
		report_cell(r, "%u", table);
		if (list.entries[i].kind == OFX_ENTRY_SUBTABLE)
			print_subtable(r, m, c, &list.entries[i]);
		else
			print_trie(r, c, table, &list.entries[i]);
	}
	return 0;
}

int ctl_tables(const struct pins *pins, const struct ctl_format *format)
{
	struct report r = {.columns = columns, .n_columns = ARRAY_LEN(columns)};
	_free_ struct counts *counts = calloc(1, sizeof(*counts));
	_close_ int roots = pins_map(pins, "table_roots");
	_close_ int lists = roots < 0 ? -1 : pins_map(pins, "lists");
	_close_ int subtables = lists < 0 ? -1 : pins_map(pins, "subtables");
	_close_ int misses = subtables < 0 ? -1 : pins_map(pins, "table_misses");
	struct maps maps = {roots, lists, subtables, misses};

	if (!counts || misses < 0 || count_all(pins, counts))
		return -1;
	for (uint32_t table = 0; table < OFX_TABLES; table++) {
		if (print_table(&r, pins, &maps, counts, table, format->all)) {
			log_error("switch %s: cannot read its table %u", pins->name, table);
			return -1;
		}
	}
	report_print(&r, format->json);
	return 0;
}
