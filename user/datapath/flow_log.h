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

struct dp;

struct flow_logs {
	const struct ofx_state *states; /* by CPU */
	struct flow_log_seen *seen;	/* by CPU: what was read last */
};

/* Needs dp->states.  0 or a negative errno. */
int flow_logs_open(struct flow_logs *logs, const struct dp *dp);
void flow_logs_close(struct flow_logs *logs);

/*
 * What cell number `cell`, at *at, of this CPU comes to.  Never less than what was read before, but for a CPU that was
 * stopped while it added its log up.
 */
struct ofx_counter flow_logs_read(struct flow_logs *logs, uint32_t cpu, const struct ofx_cell *at, uint32_t cell);

/*
 * For a pass over all cells of a CPU: the version before it, and after it the cells that have a packet more in the log
 * (one that has two more is there twice).  Returns their number: 0 if the log was added up meanwhile.
 */
uint64_t flow_logs_version(const struct flow_logs *logs, uint32_t cpu);
uint32_t flow_logs_since(const struct flow_logs *logs, uint32_t cpu, uint64_t version, uint32_t cells[OFX_FLOW_LOG]);

#endif
