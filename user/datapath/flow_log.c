/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/flow_log.h"
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include "build/ofxdp.skel.h"
#include "user/datapath/cell.h"
#include "user/datapath/internal.h"
#include "user/util/cleanup.h"

#define TRIES 1000 /* adding up takes a microsecond or two */
#define FILTER_WORDS 4

/* Most cells are in no log, which one bit tells as long as the log is the same. */
struct flow_log_seen {
	uint64_t version, n;
	uint64_t filter[FILTER_WORDS]; /* bits by cell number */
};

int flow_logs_open(struct flow_logs *logs, const struct dp *dp)
{
	logs->states = dp->states.at;
	logs->seen = calloc(dp->n_cpus, sizeof(*logs->seen));
	return logs->seen ? 0 : -ENOMEM;
}

void flow_logs_close(struct flow_logs *logs)
{
	free(take_ptr(logs->seen));
}

static uint64_t *filter_word(struct flow_log_seen *seen, uint32_t cell)
{
	return &seen->filter[cell / 64 % FILTER_WORDS];
}

static uint64_t load(const __u64 *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static bool is_known(const struct flow_log_seen *seen, uint64_t version, uint64_t n)
{
	return seen->version == version && seen->n == n;
}

/* Add what the log has of the cell, and note what it has. */
static void add_words(const struct ofx_flow_log *log, struct flow_log_seen *seen, uint64_t version, uint64_t n,
		      uint32_t cell, struct ofx_counter *sum)
{
	*seen = (struct flow_log_seen){.version = version, .n = n};
	for (uint64_t i = 0; i < n && i < OFX_FLOW_LOG; i++) {
		uint64_t word = load(&log->word[i]);

		*filter_word(seen, word) |= 1ULL << (word % 64);
		if ((uint32_t)word != cell)
			continue;
		sum->packets += 1;
		sum->bytes += word >> 32;
	}
}

struct ofx_counter flow_logs_read(struct flow_logs *logs, uint32_t cpu, const struct ofx_cell *at, uint32_t cell)
{
	const struct ofx_flow_log *log = &logs->states[cpu].log;
	struct flow_log_seen *seen = &logs->seen[cpu];
	struct ofx_counter sum;

	for (int i = 0; i < TRIES; i++) {
		const uint64_t version = load(&log->version);
		uint64_t n;

		sum = cell_read(at);
		n = load(&log->n);
		if (!is_known(seen, version, n) || *filter_word(seen, cell) & 1ULL << (cell % 64))
			add_words(log, seen, version, n, cell, &sum);
		if (!(version & 1) && load(&log->version) == version)
			break;
	}
	return sum;
}

uint64_t flow_logs_version(const struct flow_logs *logs, uint32_t cpu)
{
	return load(&logs->states[cpu].log.version);
}

uint32_t flow_logs_since(const struct flow_logs *logs, uint32_t cpu, uint64_t version, uint32_t cells[OFX_FLOW_LOG])
{
	const struct ofx_flow_log *log = &logs->states[cpu].log;
	const uint64_t n = load(&log->n);

	for (uint64_t i = 0; i < n && i < OFX_FLOW_LOG; i++)
		cells[i] = load(&log->word[i]);
	return version & 1 || flow_logs_version(logs, cpu) != version ? 0 : n;
}
