/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/table_copy.h"
#include <errno.h>
#include "user/datapath/tuple.h"
#include "user/util/clock.h"

#define LOOK_MS 20 /* from a change to a look at the sets, … */
#define BUSY 256 /* … and again, while so many rules come in that time: they go to the lines only, which is quicker */
#define RETRY_MS 1000  /* from a set's leaving to its return, at least */
#define SCAN_IDS 4096  /* flow ids of a step … */
#define SCAN_NS 500000 /* … and the time it may take */

bool copy_follows(const struct copy *copy)
{
	return copy->stage == COPY_FILL || copy->stage == COPY_NEAR || copy->stage == COPY_IN;
}

/* --- changes --- */

static void look_soon(struct dp_tables *tables, unsigned int ms)
{
	const struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(tables->copies.event, &tv);
}

static void scan_begin(struct copy *copy, enum copy_stage stage)
{
	copy->stage = stage;
	copy->scan = 0;
	look_soon(copy->table->tables, 0);
}

static void unread(struct dp *dp, void *aux, uint32_t number)
{
	struct copy *copy = aux;

	if (dp->tables->closing)
		return;
	scan_begin(copy, COPY_CLEAR);
	copy->kind->show(copy);
}

void copy_try_later(struct copy *copy)
{
	copy->retry_ns = clock_ns() + RETRY_MS * 1000000ULL;
	look_soon(copy->table->tables, RETRY_MS / 2);
}

void copy_leave(struct copy *copy)
{
	if (!copy_follows(copy))
		return;
	copy->stage = COPY_WAIT;
	copy->retry_ns = clock_ns() + RETRY_MS * 1000000ULL;
	copy->kind->show(copy);
	grace_defer(copy->table->tables->dp, unread, copy, 0);
}

/*
 * Packets may still look there while it WAITs, so what they find has to be there.  What CLEAR has passed by must not
 * come again, nor be forgotten because another flow entry is the first of its key now.
 */
void copy_put(struct copy *copy, const struct ofx_key *key, uint32_t mask, struct ofx_rule_ref ref)
{
	int err;

	if (copy->stage == COPY_CLEAR)
		copy->kind->drop(copy, key, mask);
	if (copy->stage == COPY_CLEAR || copy->stage == COPY_OUT)
		return;
	err = copy->kind->put(copy, key, mask, ref);
	if (!err)
		return;
	copy->kind->drop(copy, key, mask); /* it may be there as it was, or in part */
	if (err == -ENOSPC)
		copy->most = copy->kind->size(copy) / 2;
	copy_leave(copy);
}

void copy_drop(struct copy *copy, const struct ofx_key *key, uint32_t mask)
{
	if (copy->stage != COPY_OUT)
		copy->kind->drop(copy, key, mask);
}

/* --- steps --- */

/* Is this flow entry's rule of the set, and the first of its key? */
static bool find_rule(const struct copy *copy, const struct dp_flow *flow, struct ofx_key *key,
		      struct ofx_rule_ref *ref)
{
	struct dp_tables *tables = copy->table->tables;

	return flow->flags == FLOW_USED && flow->table == copy->table->number && copy->kind->has(copy, flow) &&
	       rule_head(tables, flow, key, ref);
}

/* A step.  False: all flow ids have been looked at. */
static bool scan(struct copy *copy)
{
	const struct dp_tables *tables = copy->table->tables;
	const uint64_t end = clock_ns() + SCAN_NS;
	struct ofx_rule_ref ref;
	struct ofx_key key;

	for (uint32_t n = 0; n < SCAN_IDS; n++, copy->scan++) {
		const struct dp_flow *flow = &tables->flow[copy->scan];

		if (copy->scan >= tables->ids.next)
			return false;
		if (!find_rule(copy, flow, &key, &ref))
			continue;
		if (clock_ns() > end) /* a key may be a system call, or hundreds */
			break;
		if (copy->stage == COPY_FILL)
			copy_put(copy, &key, flow->mask, ref);
		else
			copy_drop(copy, &key, flow->mask);
		if (copy->stage == COPY_WAIT)
			return false;
	}
	return true;
}

static void all_look(struct dp *dp, void *aux, uint32_t number)
{
	struct copy *copy = aux;

	if (dp->tables->closing || copy->stage != COPY_NEAR)
		return;
	copy->stage = COPY_IN;
	copy->most = 0;
	copy->kind->show(copy);
}

static void filled(struct copy *copy)
{
	copy->stage = COPY_NEAR;
	copy->kind->show(copy);
	grace_defer(copy->table->tables->dp, all_look, copy, 0);
}

static void cleared(struct copy *copy)
{
	copy->stage = COPY_OUT;
	copy->kind->show(copy);
	table_tidy_later(copy->table); /* it may be of no use any more */
}

static void step(struct copy *copy)
{
	if (scan(copy))
		return;
	if (copy->stage == COPY_FILL)
		filled(copy);
	else if (copy->stage == COPY_CLEAR)
		cleared(copy);
}

/* --- which sets --- */

static struct copy *find_stage(const struct dp_tables *tables, enum copy_stage stage)
{
	struct copy *copy;

	TAILQ_FOREACH(copy, &tables->copies.list, next)
	if (copy->stage == stage)
		return copy;
	return NULL;
}

static bool is_wanted(struct copy *copy, uint64_t now, bool *later)
{
	if (copy->stage != COPY_OUT || (copy->most && copy->kind->size(copy) > copy->most))
		return false;
	if (copy->retry_ns <= now)
		return copy->kind->is_wanted(copy);
	*later = true;
	return false;
}

/* later: there may be another in a while, if it is not the case that one is found. */
static struct copy *find_wanted(const struct dp_tables *tables, bool *later)
{
	const uint64_t now = clock_ns();
	struct copy *copy;

	TAILQ_FOREACH(copy, &tables->copies.list, next)
	if (is_wanted(copy, now, later))
		return copy;
	return NULL;
}

static void leave_useless(const struct dp_tables *tables)
{
	struct copy *copy;

	TAILQ_FOREACH(copy, &tables->copies.list, next)
	if (copy->stage == COPY_IN && copy->kind->is_useless && copy->kind->is_useless(copy))
		copy_leave(copy);
}

static void look_for_wanted(struct dp_tables *tables)
{
	const bool busy = tables->copies.n_changes > BUSY;
	struct copy *copy;
	bool later = false;

	tables->copies.n_changes = 0;
	if (busy) {
		look_soon(tables, LOOK_MS);
		return;
	}
	leave_useless(tables);
	copy = find_wanted(tables, &later);
	if (copy)
		scan_begin(copy, COPY_FILL);
	else if (later)
		look_soon(tables, RETRY_MS / 2);
}

static void look(evutil_socket_t fd, short what, void *aux)
{
	struct dp_tables *tables = aux;
	struct copy *copy = find_stage(tables, COPY_CLEAR) ?: find_stage(tables, COPY_FILL);

	if (!copy) {
		look_for_wanted(tables);
		return;
	}
	step(copy);
	look_soon(tables, 0);
}

void copies_look_later(struct dp_tables *tables)
{
	/* the first since the last look: one may be due already, but only for those that have to wait (RETRY_MS) */
	if (!tables->copies.n_changes++)
		look_soon(tables, LOOK_MS);
}

/* --- opening and closing --- */

void copy_open(struct copy *copy, const struct copy_kind *kind, struct table *table, bool first)
{
	*copy = (struct copy){.kind = kind, .table = table};
	if (first)
		TAILQ_INSERT_HEAD(&table->tables->copies.list, copy, next);
	else
		TAILQ_INSERT_TAIL(&table->tables->copies.list, copy, next);
}

bool copy_may_end(const struct copy *copy)
{
	return copy->stage == COPY_OUT || copy->stage == COPY_FILL || copy->stage == COPY_IN;
}

void copy_close(struct copy *copy)
{
	TAILQ_REMOVE(&copy->table->tables->copies.list, copy, next);
}

int copies_open(struct dp_tables *tables)
{
	TAILQ_INIT(&tables->copies.list);
	tables->copies.event = evtimer_new(tables->dp->base, look, tables);
	return tables->copies.event ? 0 : -ENOMEM;
}

void copies_close(struct dp_tables *tables)
{
	if (tables->copies.event)
		event_free(tables->copies.event);
}
