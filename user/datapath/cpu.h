/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each CPU has for itself (include/ofxdp/state.h): arrays made for CPUs that are online, one more for all others
 * together, and mapped where we look at them.
 *
 * A CPU that comes online later works with the others' until cpus_look() finds it.  What was made for one that goes
 * stays: its counters are part of every sum, and it may come back.
 */
#ifndef DATAPATH_CPU_H
#define DATAPATH_CPU_H

#include <event2/event.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "include/ofxdp/meter.h"
#include "include/ofxdp/state.h"
#include "user/datapath/mapped.h"

struct ofxdp_bpf;

enum cpu_part {
	CPU_STATE, /* the last to be put into its map: with it a CPU begins to work with the others */
	CPU_COUNTERS,
	CPU_BANDS,
	CPU_CONTS,
	CPU_CACHE, /* this and the next may be absent */
	CPU_CACHE_SHORT,
	CPU_PARTS
};

struct cpu {
	struct ofx_state *state;	 /* .cpu: its number; n_possible: of all that have none of their own */
	struct ofx_cell *cells;		 /* by flow id */
	struct ofx_band_counters *bands; /* by slot */
	struct mapped map[CPU_CONTS];	 /* where these are */
	int fd[CPU_PARTS];		 /* not in its map yet; -1: it is, or there is none */
};

/* Putting an array into its map takes some 11 ms (an RCU grace period), however many do so side by side. */
#define CPU_WORKERS 64

struct cpu_worker {
	struct cpus *cpus;
	pthread_t thread;
	bool runs;
	uint32_t first, end, step; /* arrays: those of cpu[0] first, a CPU's state the last of its own */
	int err;
	bool done; /* the last that it writes */
};

struct cpus {
	uint32_t n_possible; /* CPU numbers are below it */
	uint32_t n;	     /* of cpu[] */
	struct cpu *cpu;
	bool *first; /* by number: online at first … */
	uint32_t n_first;
	uint32_t entries;	 /* of the flow cache of each; those near the CPU are part of its state; 0: off */
	uint32_t len[CPU_PARTS]; /* elements of an array; 0: none is made */
	int outer[CPU_PARTS];	 /* the maps by CPU */
	uint32_t n_workers;
	struct cpu_worker worker[CPU_WORKERS];
	struct event *timer;
	bool told; /* that a CPU gets none */
};

/*
 * What is to be made: for CPUs that are online and for others, of n_flow_ids flow ids.  online: by number, NULL: those
 * that are.  0 or a negative errno.
 */
int cpus_plan(struct cpus *c, const bool *online, uint32_t n_flow_ids);
/* The caches shall take no more than so many bytes; at most OFX_CACHE_BYTES in any case. */
void cpus_limit_cache(struct cpus *c, uint64_t bytes);
/* They shall be off for good: every packet walks the tables. */
void cpus_no_cache(struct cpus *c);
/* Of all that is planned, and of the caches among it. */
uint64_t cpus_bytes(const struct cpus *c);
uint64_t cpus_cache_bytes(const struct cpus *c);
/* Make it, and tell the skeleton, which is not loaded yet.  0 or a negative errno. */
int cpus_make(struct cpus *c, struct ofxdp_bpf *skel);
/* After that: begin to put them into their maps. */
void cpus_publish(struct cpus *c, const struct ofxdp_bpf *skel);
/* Wait until they are. */
int cpus_join(struct cpus *c);
/* CPUs that have theirs. */
uint32_t cpus_count(const struct cpus *c);
/* From now on: arrays for CPUs that have come, within a second or two. */
int cpus_watch(struct cpus *c, struct event_base *base);
void cpus_close(struct cpus *c);

/* CPU numbers as the kernel lists them ("0-3,8"); those below n are set in `set`.  False: it is no such list. */
bool cpus_parse(const char *list, bool *set, uint32_t n);

#endif
