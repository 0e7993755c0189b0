/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A flow's counters on one CPU: its cell in flow_counters and what the CPU's flow log adds to it
 * (include/ofxdp/counter.h).
 */
#ifndef DATAPATH_FLOW_LOG_H
#define DATAPATH_FLOW_LOG_H

#include <stdint.h>
#include "include/ofxdp/counter.h"
#include "user/datapath/mapped.h"

struct cpus;

struct flow_logs {
	const struct cpus *cpus;
	struct flow_log_seen *seen; /* by place in cpus->cpu[]: what was read last */
};

/* 0 or a negative errno. */
int flow_logs_open(struct flow_logs *logs, const struct cpus *cpus);
void flow_logs_close(struct flow_logs *logs);

/*
 * What the flow id's cell of cpus->cpu[cpu] comes to.  Never less than what was read before, but for a CPU that was
 * stopped while it added its log up.
 */
struct ofx_counter flow_logs_read(struct flow_logs *logs, uint32_t cpu, uint32_t id);

/*
 * For a pass over all cells of a CPU: the version before it, and after it the ids that have a packet more in the log
 * (one that has two more is there twice).  Returns their number: 0 if the log was added up meanwhile.
 */
uint64_t flow_logs_version(const struct flow_logs *logs, uint32_t cpu);
uint32_t flow_logs_since(const struct flow_logs *logs, uint32_t cpu, uint64_t version, uint32_t ids[OFX_FLOW_LOG]);

#endif
