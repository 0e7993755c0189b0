/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What limits the memory of this process, and how much each limit leaves:
 *
 *   memory cgroups   of this process and above it, version 2 (memory.max, memory.high) and 1 (memory.limit_in_bytes).
 *                    BPF maps are charged to the cgroup of who makes them, as the process's own pages are.
 *   address space    RLIMIT_AS, RLIMIT_DATA
 *   the machine      MemAvailable
 */
#ifndef UTIL_MEMORY_LIMIT_H
#define UTIL_MEMORY_LIMIT_H

#include <stddef.h>
#include <stdint.h>

#define MEMORY_LIMITS 32

struct memory_limit {
	uint64_t total, left; /* bytes */
	char name[256];	      /* "the memory cgroup /system.slice", … */
};

/*
 * All there are now; proc: "/proc", or what stands for it in a test.  Returns how many, at most `max`.  A file that
 * can't be read is no limit.
 */
size_t memory_limits(const char *proc, struct memory_limit *limits, size_t max);

#endif
