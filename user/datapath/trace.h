/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tracing programs (bpf/trace.bpf.c) count what is lost behind a redirect.  The switch forwards without them, so
 * those that the kernel refuses are left out one by one, and it is told what then is not counted.
 */
#ifndef DATAPATH_TRACE_H
#define DATAPATH_TRACE_H

#include <stdint.h>

#define TRACERS 3

struct bpf_object;
struct trace_bpf; /* the skeleton, build/trace.skel.h */

/* The programs in the order of the object, and what is not counted without them. */
extern const struct tracer {
	const char *program, *counts;
} tracers[TRACERS];

struct trace {
	struct trace_bpf *skel[TRACERS]; /* NULL at the end: fewer objects hold all that the kernel takes */
};

/* Load and attach them, over the maps of the loaded object `maps`, for the network namespace of this inode number. */
void trace_open(struct trace *trace, const struct bpf_object *maps, uint64_t netns);
void trace_close(struct trace *trace);
/* Pin programs and links that are attached into the folder `dir`.  0 or a negative errno. */
int trace_pin(const struct trace *trace, const char *dir);
/* Are all of them pinned there?  Those that are not are written to lost[], which has room; the count. */
int trace_lost(const char *dir, const struct tracer *lost[TRACERS]);

#endif
