/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ofxdpctl tables: how each flow table lies in the maps: its tuples, in which kind of map each is looked up, how many
 * flow entries it has, and what that may cost a packet.
 *
 * `longest`: the most rules of a tuple that one packet may have to be compared with: those whose line and tag its hash
 * leads to.  More than a few have the same hash; one or two more may be there by chance, in a full table.  `probes` of
 * a table: of all its tuples together, at least one each: no packet needs more.
 */
#include <bpf/bpf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "include/ofxdp/key.h"
#include "include/ofxdp/table.h"
#include "include/ofxdp/table_lines.h"
#include "user/ctl/ctl.h"
#include "user/ctl/report.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

#define LINE_WORDS ((OFX_MORE_LINES + 1) * OFX_LINE_RULES)

struct tuple_count {
	uint64_t rules;
	uint32_t longest;
};

struct counts {
	struct tuple_count tuple[OFX_SUBTABLES];
};

struct maps {
	int roots, lists, subtables, misses;
};

static const struct report_column columns[] = {
	{"table", true},  {"kind", false},	  {"entries", true}, {"longest", true},
	{"probes", true}, {"max_priority", true}, {"misses", true},  {"mask", false},
};

/* --- what is in the maps --- */

struct flows {
	struct mapped *chunk;
	uint32_t n;
};

static void flows_close(struct flows *f)
{
	for (uint32_t i = 0; i < f->n; i++)
		mapped_close(&f->chunk[i]);
	free(f->chunk);
}

static int flows_open(struct flows *f, const struct pins *pins)
{
	_close_ int fd = pins_map(pins, "flows");
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info), id, n;

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		return -1;
	f->chunk = calloc(info.max_entries, sizeof(*f->chunk));
	if (!f->chunk)
		return -1;
	for (; f->n < info.max_entries && !bpf_map_lookup_elem(fd, &f->n, &id); f->n++)
		if (!pins_mapped(&f->chunk[f->n], bpf_map_get_fd_by_id(id), sizeof(struct ofx_flow), &n))
			return -1;
	return 0;
}

static const struct ofx_flow *flow_at(const struct flows *f, uint32_t slot)
{
	const struct ofx_flow *chunk = slot / OFX_FLOW_CHUNK < f->n ? f->chunk[slot / OFX_FLOW_CHUNK].at : NULL;

	return chunk ? &chunk[slot % OFX_FLOW_CHUNK] : NULL;
}

static void flows_count(struct counts *c, const struct flows *f)
{
	for (uint32_t i = 0; i < f->n; i++) {
		const struct ofx_flow *of = f->chunk[i].at;

		for (uint32_t k = 0; k < OFX_FLOW_CHUNK; k++)
			c->tuple[of[k].tuple % OFX_SUBTABLES].rules += of[k].tuple != 0;
	}
}

/*
 * The rules of a line and of those behind it.  Of flow entries with equal matches only the one of the highest priority
 * is there.
 */
struct line_words {
	const struct ofx_flow *flow[LINE_WORDS];
	uint8_t tag[LINE_WORDS];
	uint32_t n;
};

static void line_read(const struct flows *f, const struct ofx_rule_line *lines, uint32_t n_lines, uint32_t at,
		      struct line_words *l)
{
	l->n = 0;
	for (int n = 0; n <= OFX_MORE_LINES && at < n_lines && (at || !n); n++, at = lines[at].more) {
		for (int i = 0; i < OFX_LINE_RULES; i++) {
			const struct ofx_rule_ref ref = {.word = lines[at].rule[i]};
			const struct ofx_flow *of = ref.word ? flow_at(f, ref.slot) : NULL;

			if (!of)
				continue;
			l->tag[l->n] = ofx_line_tag(&lines[at], i);
			l->flow[l->n++] = of;
		}
	}
}

static void line_count(struct counts *c, const struct line_words *l)
{
	for (uint32_t i = 0; i < l->n; i++) {
		struct tuple_count *t = &c->tuple[l->flow[i]->tuple % OFX_SUBTABLES];
		uint32_t same = 0;

		for (uint32_t j = 0; j < l->n; j++)
			same += l->tag[i] == l->tag[j] && l->flow[i]->tuple == l->flow[j]->tuple;
		t->longest = same > t->longest ? same : t->longest;
	}
}

static int count_rules(const struct pins *pins, struct counts *c)
{
	__attribute__((cleanup(flows_close))) struct flows flows = {0};
	__attribute__((cleanup(mapped_close))) struct mapped lines = {0};
	_close_ int geometry_fd = pins_map(pins, "rule_geometry");
	struct ofx_rule_geometry g = {0};
	uint32_t zero = 0, n_chunks;

	if (geometry_fd < 0 || bpf_map_lookup_elem(geometry_fd, &zero, &g.word) || flows_open(&flows, pins) ||
	    !pins_mapped(&lines, pins_map(pins, "rule_lines"), sizeof(struct ofx_line_chunk), &n_chunks))
		return -1;
	flows_count(c, &flows);
	for (uint32_t i = 0; i < g.lines; i++) {
		struct line_words l;

		line_read(&flows, lines.at, n_chunks * OFX_LINE_CHUNK, g.base + i, &l);
		line_count(c, &l);
	}
	return 0;
}

/* --- what is printed --- */

/* Where a packet looks for the rules of a mask; the kernel's own maps are pinned by these names. */
static const char *const kinds[OFX_KINDS] = {
	[OFX_KIND_LINES] = "lines",	  [OFX_KIND_NONE] = "in lpm",	    [OFX_KIND_HASH16] = "hash16",
	[OFX_KIND_HASH32] = "hash32",	  [OFX_KIND_HASH64] = "hash64",	    [OFX_KIND_LPM4_SRC] = "lpm4 src",
	[OFX_KIND_LPM4_DST] = "lpm4 dst", [OFX_KIND_LPM6_SRC] = "lpm6 src", [OFX_KIND_LPM6_DST] = "lpm6 dst",
};

/* "w1:ffff…, w5:…": the key words a tuple looks at. */
static void mask_text(const struct ofx_subtable *s, char *text, size_t size)
{
	size_t len = 0;

	snprintf(text, size, "any");
	for (size_t i = 0; i < s->n_words && i < ARRAY_LEN(s->at) && len < size; i++)
		if (s->mask[i])
			len += snprintf(text + len, size - len, "%sw%u:%016llx", len ? " " : "", s->at[i] / 8,
					(unsigned long long)s->mask[i]);
}

static uint64_t rules_of(const struct counts *c, const struct ofx_list_entry *e)
{
	return c->tuple[e->subtable % OFX_SUBTABLES].rules;
}

/* In the kernel's maps a packet meets one rule at most. */
static uint32_t longest_of(const struct counts *c, const struct ofx_list_entry *e)
{
	const uint32_t longest = e->subtable ? c->tuple[e->subtable % OFX_SUBTABLES].longest : 1;

	return e->kind != OFX_KIND_LINES && longest ? 1 : longest;
}

static uint32_t probes_of(const struct counts *c, const struct ofx_list_entry *e)
{
	return e->kind == OFX_KIND_NONE ? 0 : longest_of(c, e) ?: 1;
}

static void print_tuple(struct report *r, const struct maps *m, const struct counts *c, const struct ofx_list_entry *e)
{
	const uint32_t number = e->subtable;
	struct ofx_subtable s = {0};
	char text[512] = "all prefixes";

	if (number && !bpf_map_lookup_elem(m->subtables, &number, &s))
		mask_text(&s, text, sizeof(text));
	report_cell(r, "%s %u", e->kind < OFX_KINDS ? kinds[e->kind] : "?", e->subtable);
	report_cell(r, "%" PRIu64, rules_of(c, e));
	report_cell(r, "%u", longest_of(c, e));
	report_cell(r, "%u", probes_of(c, e));
	report_cell(r, "%u", e->max_priority);
	report_cell(r, "0");
	report_cell(r, "%s", text);
}

static void print_sum(struct report *r, const struct counts *c, uint32_t table, const struct ofx_list *list,
		      uint64_t misses)
{
	uint32_t probes = 0, longest = 0;
	uint64_t rules = 0;

	for (uint32_t i = 0; i < list->n; i++) {
		uint32_t n = longest_of(c, &list->entries[i]);

		rules += rules_of(c, &list->entries[i]);
		probes += probes_of(c, &list->entries[i]);
		longest = n > longest ? n : longest;
	}
	report_cell(r, "%u", table);
	report_cell(r, "table");
	report_cell(r, "%" PRIu64, rules);
	report_cell(r, "%u", longest);
	report_cell(r, "%u", probes);
	report_cell(r, "%u", list->n ? list->entries[0].max_priority : 0);
	report_cell(r, "%" PRIu64, misses);
	report_cell(r, "-");
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
	list.n = list.n < OFX_LIST_ENTRIES ? list.n : OFX_LIST_ENTRIES;
	print_sum(r, c, table, &list, misses);
	for (uint32_t i = 0; i < list.n; i++) {
		report_cell(r, "%u", table);
		print_tuple(r, m, c, &list.entries[i]);
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

	if (!counts || misses < 0 || count_rules(pins, counts))
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
