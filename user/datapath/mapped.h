/* SPDX-License-Identifier: GPL-2.0-only */
/* The values of an ARRAY map with BPF_F_MMAPABLE, in our memory: read and written without a system call. */
#ifndef DATAPATH_MAPPED_H
#define DATAPATH_MAPPED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_map;

struct mapped {
	void *at; /* NULL: not open.  Element i is at i * value_size, which is a multiple of 8 */
	size_t len;
};

/* 0 or a negative errno. */
int mapped_open(struct mapped *m, const struct bpf_map *map, bool writable);
/* The same for a map known by its descriptor, of n elements. */
int mapped_open_fd(struct mapped *m, int fd, uint32_t value_size, uint32_t n, bool writable);
void mapped_close(struct mapped *m);

#endif
