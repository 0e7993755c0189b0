/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whose a BPF program is, told by the program itself.  Pins lie in a file system that may vanish (with a mount
 * namespace) while programs stay on interfaces.  So each program of a switch has a map "ofx_switch" bound to it, which
 * names the switch; it is there as long as the program is.
 */
#ifndef DATAPATH_IDENTITY_H
#define DATAPATH_IDENTITY_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>
#include "include/ofxdp/limits.h"

/* The map's only value.  Read by any later version of this program: append only. */
struct identity {
	uint64_t word;	 /* IDENTITY_WORD: it is one of ours */
	uint64_t netns;	 /* cookie of the network namespace (netns.h) */
	uint32_t layout; /* OFX_LAYOUT of the maps */
	char name[OFX_NAME_MAX + 1];
};

/* The map that names a switch; its fd or a negative errno. */
int identity_make(const char *name, uint64_t netns);
/* Bind a map to a program: it lives as long as that, and identity_map() finds it. */
int identity_bind(int prog_fd, int map_fd);
/* Whose program is that?  False: it says nothing, or we may not look. */
bool identity_of(int prog_fd, struct identity *identity);
/* Is it the switch of that name in that network namespace? */
bool identity_is(const struct identity *identity, const char *name, uint64_t netns);
/* The fd of the map of that name that a program has, or -1. */
int identity_map(int prog_fd, const char *name);

/*
 * All programs of switches of this machine, in any namespace.  fn(aux, fd of it, …) is true if it keeps the fd.
 * -EPERM: CAP_SYS_ADMIN is missing.  After any error some may not have been looked at.
 */
typedef bool identity_fn(void *aux, int fd, const struct bpf_prog_info *info, const struct identity *identity);
int identity_walk(identity_fn *fn, void *aux);

#endif
