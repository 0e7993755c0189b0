/* SPDX-License-Identifier: GPL-2.0-only */
/* What is needed, and the BPF objects: sizes, constants, load; tracing programs (trace.h) are attached. */
#ifndef DATAPATH_LOAD_H
#define DATAPATH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

struct dp;

/*
 * Rights and kernel features without which nothing works: 0, or a negative errno and the sentence has been logged.
 * `start`: not only cleaning up.
 */
int load_check(bool start);
/* dp->skel, and the sizes in dp. */
int load_open(struct dp *dp, uint32_t max_flows, uint64_t netns);
void load_close(struct dp *dp);

#endif
