/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/util/clock.h"
#include "user/util/memory.h"
#include <malloc.h>
#include "user/util/log.h"
#include "user/util/memory_limit.h"

#define MB (1ULL << 20)
#define MARGIN_PART 16 /* of a limit, stays free, … */
#define MARGIN_MIN (8 * MB)
#define MARGIN_MAX (256 * MB)
#define GRANT_PART 16 /* of what is left, is given without another look */
#define GRANT_MAX (16 * MB)
#define FRESH_MS 1000 /* how long a look holds, … */
#define NO_MS 20      /* … and a refusal */
#define TELL_MS 60000 /* between log lines */
#define TRIM_MS 1000  /* between looks for what malloc() keeps */

/* Two who ask, by what they leave free: the margin, or half of it. */
static struct asker {
	const uint64_t by;
	uint64_t granted; /* bytes that may be taken without another look … */
	uint64_t looked;  /* … within FRESH_MS of this one */
	size_t refused;	  /* bytes that could not be had then; 0: nothing was refused */
} grow = {.by = 1}, any = {.by = 2};

static struct {
	size_t keep;
	uint64_t told, trimmed; /* ms; 0: never */
	struct memory_limit limits[MEMORY_LIMITS];
} memory;

static uint64_t margin(const struct memory_limit *l)
{
	const uint64_t part = l->total / MARGIN_PART;

	return part < MARGIN_MIN ? MARGIN_MIN : part < MARGIN_MAX ? part : MARGIN_MAX;
}

/* What the limits leave, less the margin divided by `by` and what is to be kept; *which decides. */
static uint64_t look(uint64_t by, const struct memory_limit **which)
{
	const size_t n = memory_limits("/proc", memory.limits, MEMORY_LIMITS);
	uint64_t least = UINT64_MAX;

	*which = NULL;
	for (size_t i = 0; i < n; i++) {
		const struct memory_limit *l = &memory.limits[i];
		const uint64_t must = margin(l) / by + memory.keep, left = l->left > must ? l->left - must : 0;

		if (left >= least)
			continue;
		least = left;
		*which = l;
	}
	return least;
}

static void tell(const struct memory_limit *which, uint64_t now)
{
	if (memory.told && now - memory.told < TELL_MS)
		return;
	memory.told = now;
	log_warn("memory is short: %s leaves %llu of %llu MB; what needs more is refused", which->name,
		 (unsigned long long)(which->left / MB), (unsigned long long)(which->total / MB));
}

/* What was freed has not been given back yet: it takes milliseconds. */
static bool trim(uint64_t now)
{
	if (memory.trimmed && now - memory.trimmed < TRIM_MS)
		return false;
	memory.trimmed = now;
	return malloc_trim(0);
}

static bool ask(struct asker *a, size_t bytes, uint64_t now)
{
	const struct memory_limit *which;
	uint64_t left = look(a->by, &which), part, grant;

	if (bytes > left && trim(now))
		left = look(a->by, &which);
	part = left / GRANT_PART;
	grant = part < GRANT_MAX ? part : GRANT_MAX;
	a->looked = now;
	a->granted = grant > bytes ? grant - bytes : 0;
	a->refused = bytes > left ? bytes : 0;
	if (a->refused)
		tell(which, now);
	return !a->refused;
}

static bool may(struct asker *a, size_t bytes)
{
	const uint64_t now = clock_coarse_ns() / 1000000;

	if (a->granted >= bytes && now - a->looked < FRESH_MS) {
		a->granted -= bytes;
		return true;
	}
	if (a->refused && bytes >= a->refused && now - a->looked < NO_MS)
		return false;
	return ask(a, bytes, now);
}

bool memory_may(size_t bytes)
{
	return may(&any, bytes);
}

bool memory_may_grow(size_t bytes)
{
	return may(&grow, bytes);
}

void memory_keep(struct memory_kept *k, size_t bytes)
{
	memory.keep += bytes - k->bytes;
	k->bytes = bytes;
}

uint64_t memory_left(const char **why)
{
	const struct memory_limit *which;
	const uint64_t left = look(1, &which);

	*why = which ? which->name : "nothing";
	return left;
}
