/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Network namespaces.  They are told apart by their cookie, which is never used again while the machine is up; inode
 * numbers are (BPF programs know no other name, so they get the inode number of the living one).
 */
#ifndef DATAPATH_NETNS_H
#define DATAPATH_NETNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t netns_inode(void);
uint64_t netns_cookie(void); /* 0: unknown */
/* The path under /run/netns of the namespace for which fn(aux, fd of it) is true. */
bool netns_search(bool (*fn)(void *aux, int ns_fd), void *aux, char *path, size_t size);
bool netns_find(uint64_t cookie, char *path, size_t size);
/* Call fn(aux) in that namespace.  False: it can't be entered. */
bool netns_inside(int ns_fd, void (*fn)(void *aux), void *aux);
/* A datagram socket in that namespace, or -1. */
int netns_socket(int ns_fd);

#endif
