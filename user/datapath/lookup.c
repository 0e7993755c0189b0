/* SPDX-License-Identifier: GPL-2.0-only */
/* The published lists of a table's lookups: tuples and routes, by falling highest priority. */
#include "include/openflow/openflow.h"
#include "user/datapath/cache.h"
#include "user/datapath/table_lpm.h"
#include "user/openflow/error.h"

/* A list being made. */
struct draft {
	uint32_t n;
	struct draft_entry {
		struct lookup *lookup;
		uint16_t max;
	} v[OFX_LIST_ENTRIES];
};

/* Routes before tuples of the same maximum, which may be found in tries, too. */
static void draft_add(struct draft *d, struct lookup *l, uint16_t max)
{
	uint32_t i = d->n++;

	for (; i && (d->v[i - 1].max < max || (d->v[i - 1].max == max && !l->number)); i--)
		d->v[i] = d->v[i - 1];
	d->v[i] = (struct draft_entry){.lookup = l, .max = max};
}

static bool lookup_is_of_use(const struct lookup *l)
{
	return l->priorities.n && !l->off;
}

static bool lookup_is_low(const struct lookup *l)
{
	return lookup_is_of_use(l) && (!l->listed || l->listed_max < l->priorities.max);
}

/*
 * Lookups whose listed maximum is too low get the one of their upper neighbour, not just what they need now, so that
 * a run of rules with rising priorities does not take a list for each.  Tidying makes it exact again.
 */
static void draft_raised(const struct table *t, struct draft *d)
{
	for (uint32_t i = 0; i < t->n_lookups; i++)
		if (t->lookups[i]->listed && !t->lookups[i]->off && !lookup_is_low(t->lookups[i]))
			draft_add(d, t->lookups[i], t->lookups[i]->listed_max);
	for (uint32_t i = 0; i < t->n_lookups; i++) {
		struct lookup *l = t->lookups[i];
		uint32_t above = 0;

		if (!lookup_is_low(l))
			continue;
		while (above < d->n && d->v[above].max >= l->priorities.max)
			above++;
		draft_add(d, l, above ? d->v[above - 1].max : UINT16_MAX);
	}
}

static void draft_exact(const struct table *t, struct draft *d)
{
	for (uint32_t i = 0; i < t->n_lookups; i++)
		if (lookup_is_of_use(t->lookups[i]))
			draft_add(d, t->lookups[i], t->lookups[i]->priorities.max);
}

static void draft_write(const struct dp_tables *tables, const struct draft *d, uint32_t slot)
{
	struct ofx_list *list = &tables->lists[slot];

	list->n = d->n;
	for (uint32_t i = 0; i < d->n; i++) {
		list->entries[i] = (struct ofx_list_entry){.max_priority = d->v[i].max};
		d->v[i].lookup->kind->enter(d->v[i].lookup, &list->entries[i]);
	}
	tuples_group(list);
}

/* The draft becomes the table's list, in this slot (0: no list, the draft is empty). */
static void table_publish(struct table *t, const struct draft *d, uint32_t slot)
{
	struct dp_tables *tables = t->tables;

	if (slot)
		draft_write(tables, d, slot);
	__atomic_store_n(&tables->roots[t->number], slot, __ATOMIC_RELEASE);
	dp_generation_bump(tables->dp);
	if (t->list)
		tables_retire(tables, &tables->list_slots, t->list);
	t->list = slot;
	for (uint32_t i = 0; i < t->n_lookups; i++)
		t->lookups[i]->listed = false;
	for (uint32_t i = 0; i < d->n; i++) {
		d->v[i].lookup->listed = true;
		d->v[i].lookup->listed_max = d->v[i].max;
	}
}

/* A reader may see some of the bytes as they were: both lead to all rules (table_copy.h). */
void table_show(struct table *t)
{
	struct ofx_list *list = &t->tables->lists[t->list];

	for (uint32_t i = 0; t->list && i < list->n; i++) {
		const struct ofx_list_entry *e = &list->entries[i];
		const struct lookup *l = e->subtable ? &t->tables->tuple[e->subtable]->lookup : lpm_lookup(t, e);
		struct ofx_list_entry now = {0};

		l->kind->enter(l, &now);
		__atomic_store_n(&list->entries[i].kind, now.kind, __ATOMIC_RELEASE);
	}
	if (t->list)
		tuples_group(list);
}

/* Make sure that every non-empty lookup of the table is listed with a max_priority that is high enough. */
static int table_raise(struct table *t)
{
	struct draft d = {0};
	uint32_t slot;
	int err = tables_take(&t->tables->list_slots, &slot);

	if (err)
		return err;
	draft_raised(t, &d);
	table_publish(t, &d, slot);
	table_tidy_later(t);
	return 0;
}

/* Into the table's lookups.  Empty ones may be in the way. */
static int lookup_enter(struct lookup *l)
{
	struct table *t = l->table;

	if (l->entered)
		return 0;
	if (t->n_lookups == OFX_LIST_ENTRIES)
		table_tidy(t);
	if (t->n_lookups == OFX_LIST_ENTRIES)
		return of_error_because(TABLE_FULL, "the table has too many masks that share no tuple");
	t->lookups[t->n_lookups++] = l;
	l->entered = true;
	return 0;
}

int lookup_list(struct lookup *l)
{
	int err = lookup_enter(l);

	return !err && lookup_is_low(l) ? table_raise(l->table) : err;
}

int lookup_count(struct lookup *l, uint16_t priority)
{
	int err = priorities_add(&l->priorities, priority);

	if (err)
		return err;
	if (!l->off)
		err = lookup_list(l);
	if (err)
		lookup_uncount(l, priority);
	return err;
}

void lookup_uncount(struct lookup *l, uint16_t priority)
{
	priorities_remove(&l->priorities, priority);
	if (!l->off && (!l->priorities.n || l->listed_max != l->priorities.max))
		table_tidy_later(l->table);
}

/* What a tidy table would not have: an empty lookup, a listed maximum above the exact one. */
static bool lists_are_tidy(const struct table *t)
{
	for (uint32_t i = 0; i < t->n_lookups; i++) {
		const struct lookup *l = t->lookups[i];

		if (!lookup_is_of_use(l) || l->listed_max != l->priorities.max)
			return false;
	}
	return true;
}

/* Unlisted ones without flow entries. */
static void lookups_leave(struct table *t)
{
	for (uint32_t i = t->n_lookups; i; i--) {
		struct lookup *l = t->lookups[i - 1];

		if (lookup_is_of_use(l))
			continue;
		t->lookups[i - 1] = t->lookups[--t->n_lookups];
		l->entered = l->listed = false;
	}
}

/* A mask that goes may leave its homes unused, which were made after it or before. */
static bool free_unused_tuples(struct table *t)
{
	struct tuple *tuple, *next;
	bool freed = false;

	for (tuple = TAILQ_FIRST(&t->tuples); tuple; tuple = next) {
		next = TAILQ_NEXT(tuple, next);
		if (!tuple_is_unused(tuple))
			continue;
		tuple_free(tuple);
		freed = true;
	}
	return freed;
}

static void free_unused(struct table *t)
{
	if (!free_unused_tuples(t))
		return;
	while (free_unused_tuples(t))
		;
	tuples_narrow(t->tables);
}

void table_tidy(struct table *t)
{
	struct draft d = {0};
	uint32_t slot = 0;

	if (!lists_are_tidy(t)) {
		draft_exact(t, &d);
		if (d.n && !numbers_take(&t->tables->list_slots, &slot)) {
			table_tidy_later(t);
			return;
		}
		table_publish(t, &d, slot);
		lookups_leave(t);
	}
	free_unused(t);
}

static void tidy_due(struct dp *dp, void *aux, uint32_t number)
{
	struct table *t = aux;

	t->tidy_pending = false;
	if (!t->tables->closing)
		table_tidy(t);
}

void table_tidy_later(struct table *t)
{
	if (t->tidy_pending)
		return;
	t->tidy_pending = true;
	grace_defer(t->tables->dp, tidy_due, t, 0);
}
