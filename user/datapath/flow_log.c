/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/flow_log.h"
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include "user/datapath/cell.h"
#include "user/datapath/cpu.h"
#include "user/util/cleanup.h"

#define TRIES 1000 /* adding up takes a microsecond or two, … */
#define YIELDS 8   /* … unless it is interrupted, by us perhaps: then it may go on */
#define FILTER_WORDS 4

/* Most flow ids are in no log, which one bit tells as long as the log is the same. */
struct flow_log_seen {
	uint64_t version, n;
	uint64_t filter[FILTER_WORDS]; /* bits by id */
};

int flow_logs_open(struct flow_logs *logs, const struct cpus *cpus)
{
	logs->cpus = cpus;
	logs->seen = calloc(cpus->n_possible + 1, sizeof(*logs->seen));
	return logs->seen ? 0 : -ENOMEM;
}

void flow_logs_close(struct flow_logs *logs)
{
	free(take_ptr(logs->seen));
}

static uint64_t *filter_word(struct flow_log_seen *seen, uint32_t id)
{
	return &seen->filter[id / 64 % FILTER_WORDS];
}

static uint64_t load(const __u64 *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static bool is_known(const struct flow_log_seen *seen, uint64_t version, uint64_t n)
{
	return seen->version == version && seen->n == n;
}

/* Add what the log has of the id, and note what it has. */
static void add_words(const struct ofx_flow_log *log, struct flow_log_seen *seen, uint64_t version, uint64_t n,
		      uint32_t id, struct ofx_counter *sum)
{
	*seen = (struct flow_log_seen){.version = version, .n = n};
	for (uint64_t i = 0; i < n && i < OFX_FLOW_LOG; i++) {
		uint64_t word = load(&log->word[i]);

		*filter_word(seen, word) |= 1ULL << (word % 64);
		if ((uint32_t)word != id)
			continue;
		sum->packets += 1;
		sum->bytes += word >> 32;
	}
}

struct ofx_counter flow_logs_read(struct flow_logs *logs, uint32_t cpu, uint32_t id)
{
	const struct ofx_flow_log *log = &logs->cpus->cpu[cpu].state->log;
	struct flow_log_seen *seen = &logs->seen[cpu];
	struct ofx_counter sum;

	for (int i = 0; i < TRIES * YIELDS; i++) {
		const uint64_t version = load(&log->version);
		uint64_t n;

		sum = cell_read(&logs->cpus->cpu[cpu].cells[id]);
		n = load(&log->n);
		if (!is_known(seen, version, n) || *filter_word(seen, id) & 1ULL << (id % 64))
			add_words(log, seen, version, n, id, &sum);
		if (!(version & 1) && load(&log->version) == version)
			break;
		if (i % TRIES == TRIES - 1)
			sched_yield();
	}
	return sum;
}

uint64_t flow_logs_version(const struct flow_logs *logs, uint32_t cpu)
{
	return load(&logs->cpus->cpu[cpu].state->log.version);
}

uint32_t flow_logs_since(const struct flow_logs *logs, uint32_t cpu, uint64_t version, uint32_t ids[OFX_FLOW_LOG])
{
	const struct ofx_flow_log *log = &logs->cpus->cpu[cpu].state->log;
	const uint64_t n = load(&log->n);

	for (uint64_t i = 0; i < n && i < OFX_FLOW_LOG; i++)
		ids[i] = load(&log->word[i]);
	return version & 1 || flow_logs_version(logs, cpu) != version ? 0 : n;
}
