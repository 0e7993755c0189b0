/* SPDX-License-Identifier: GPL-2.0-only */
/* The pinned maps of a switch, read without its daemon.  Errors were printed as one sentence when a call returns < 0.
 */
#ifndef CTL_PINS_H
#define CTL_PINS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "include/ofxdp/state.h"
#include "user/datapath/mapped.h"

struct pins {
	char dir[PATH_MAX / 2]; /* of the switch's current generation */
	const char *name;
	int entry;  /* its entry program, which has the maps, too, where pins have vanished; -1: unknown */
	bool gone;  /* they have: there is no generation */
	int n_cpus; /* CPU numbers there may be: values of PERCPU maps */
};

/* Names of the switches under `root`, sorted.  The count, or < 0: it was logged. */
int pins_list(const char *root, char ***names);
void pins_names_free(char **names, int n);
int pins_open(const char *root, const char *name, struct pins *pins);
void pins_close(struct pins *pins);

/* A map's file descriptor, or < 0. */
int pins_map(const struct pins *pins, const char *map);
/* The element `index` of a per-CPU array of `n_words` u64 each: the sum over the CPUs. */
int pins_sum(const struct pins *pins, int map, uint32_t index, uint64_t *words, size_t n_words);

/* An array of such values, to be read.  The descriptor is closed.  False: it can't be; nothing is said. */
bool pins_mapped(struct mapped *m, int map, size_t value_size, uint32_t *n);
/*
 * A map by CPU (include/ofxdp/state.h), with what the CPUs have there: at[i] is number[i]'s, which is a CPU or, n_cpus,
 * all that have none of their own.
 */
struct pins_cpus {
	uint32_t n;
	uint32_t *number;
	struct mapped *at;
};
/* value_size: of an element.  0, or -1 and it was said; close it in any case. */
int pins_cpus_open(const struct pins *pins, const char *map, size_t value_size, struct pins_cpus *cpus);
void pins_cpus_close(struct pins_cpus *cpus);
#define _pins_cpus_ __attribute__((cleanup(pins_cpus_close)))

/* Says that they cannot be read; -1. */
int pins_unreadable(const struct pins *pins, const char *what);

#endif
