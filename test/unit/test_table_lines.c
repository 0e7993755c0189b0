/* SPDX-License-Identifier: GPL-2.0-only */
/* The hash of rules, with its grace periods and steps in the test's hands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include "user/datapath/chunk.h"
#include "user/datapath/table_lines.h"

#define RULES 200000

/* What waits for a grace period. */
struct later {
	void (*fn)(struct lines *h, uint32_t number);
	uint32_t number;
	struct later *next;
};

struct world {
	struct lines hash;
	struct ofx_rule_line *line;
	__u64 geometry;
	struct later *later;
};

static uint64_t hash_of(void *aux, uint32_t slot)
{
	uint64_t x = (slot + 1) * 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static void prefetch(void *aux, uint32_t slot)
{
}

static void later(void *aux, lines_fn fn, uint32_t number)
{
	struct world *w = aux;
	struct later *l = malloc(sizeof(*l));

	assert_non_null(l);
	*l = (struct later){.fn = fn, .number = number, .next = w->later};
	w->later = l;
}

static const struct lines_ops ops = {.hash_of = hash_of, .prefetch = prefetch, .later = later};

static void grace_period(struct world *w)
{
	struct later *l = w->later;

	w->later = NULL;
	while (l) {
		struct later *next = l->next;

		l->fn(&w->hash, l->number);
		free(l);
		l = next;
	}
}

static void open_world(struct world *w)
{
	*w = (struct world){0};
	w->line = calloc((size_t)lines_chunks(RULES) * OFX_LINE_CHUNK, sizeof(*w->line));
	assert_non_null(w->line);
	assert_int_equal(lines_open(&w->hash, w->line, &w->geometry, RULES, &ops, w), 0);
}

static void close_world(struct world *w)
{
	grace_period(w);
	lines_close(&w->hash);
	free(w->line);
}

static int add(struct world *w, uint32_t slot)
{
	return lines_add(&w->hash, hash_of(w, slot), (struct ofx_rule_ref){.slot = slot});
}

/* Rules come as fast as they can: the hash may say "later" at any stage of its growth, and never that it is full. */
static void test_faster_than_it_grows(void **state)
{
	uint32_t waited[RULES_CLEAR + 1] = {0};
	struct world w;

	open_world(&w);
	for (uint32_t slot = 0; slot < RULES;) {
		const int err = add(&w, slot);

		slot += !err;
		if (!err)
			continue;
		assert_int_equal(err, -EAGAIN);
		waited[w.hash.phase]++;
		if (w.hash.phase == RULES_WAIT)
			grace_period(&w);
		else
			lines_step(&w.hash, 8);
	}
	assert_true(waited[RULES_FILL]);
	for (uint32_t slot = 0; slot < RULES; slot++)
		assert_non_null(lines_find(&w.hash, hash_of(&w, slot), slot));
	close_world(&w);
}

/* The same, grown by steps in between, but grace periods are long. */
static void test_long_grace_periods(void **state)
{
	uint32_t waited = 0;
	struct world w;

	open_world(&w);
	for (uint32_t slot = 0; slot < RULES;) {
		const int err = add(&w, slot);

		slot += !err;
		lines_step(&w.hash, 2);
		if (!err)
			continue;
		assert_int_equal(err, -EAGAIN);
		if (w.hash.phase == RULES_WAIT || w.hash.spare.waiting) {
			waited++;
			grace_period(&w);
		}
	}
	assert_true(waited);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faster_than_it_grows),
		cmocka_unit_test(test_long_grace_periods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
