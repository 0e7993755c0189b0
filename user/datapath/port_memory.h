/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is remembered of ports over the daemon's life, by interface name, in a map pinned as NAME/memory: the port
 * number, and what the interface was like before it became a port, so that any later daemon can give that back.  The
 * entry program keeps the map as well, should the pin vanish.
 */
#ifndef DATAPATH_PORT_MEMORY_H
#define DATAPATH_PORT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "include/ofxdp/limits.h"
#include "user/datapath/link.h"

struct port_memory {
	uint32_t port_no;
	uint32_t attached; /* 1: it is a port; the fields below are its former state */
	uint32_t changed;  /* which of IFF_UP, IFF_PROMISC the daemon changed */
	uint32_t flags;	   /* these as they were */
	uint32_t features; /* those of port_features that were on and were switched off; bit by index */
};

/*
 * The map's fd, or a negative errno; -ENOENT: there is none and `create` is false.  kept_id: of the map that a former
 * daemon's program keeps, for want of the pin; 0: none.
 */
int memory_open(const char *pin_dir, uint32_t kept_id, bool create);
bool memory_get(int memory, const char *name, struct port_memory *m);
/* The same for those who must know: -ENOENT, there is none; or another errno. */
int memory_look(int memory, const char *name, struct port_memory *m);
int memory_put(int memory, const char *name, const struct port_memory *m);
/* The interface got a new name; its memory goes with it. */
void memory_rename(int memory, const char *from, const char *to);
struct memory_entry {
	char name[IFNAMSIZ];
	struct port_memory m;
};
/* All of it, in one request: an array of *n that the caller frees (NULL on error). */
int memory_list(int memory, struct memory_entry **entries, size_t *n);
/* The port numbers that names other than `name` own: taken[number].  None, if there is no memory to list them. */
void memory_numbers(int memory, const char *name, bool taken[OFX_PORTS]);

/* All of it, to be put back. */
struct memory_copy {
	size_t n;
	struct memory_entry *entries;
};
int memory_copy(int memory, struct memory_copy *copy);
void memory_copy_free(struct memory_copy *copy);
/* As it was when it was copied; receive offloads that were switched off since are switched on again. */
int memory_back(int memory, const struct memory_copy *copy, struct nl *nl, int sock);

/* Make an interface fit to be a port (promiscuous, no receive offloads that hide tags or merge frames); remember first.
 */
int port_prepare(struct nl *nl, int sock, int memory, const struct link *link, uint32_t port_no, bool generic);
/* The administrative state as the controller wants it; remembered as well. */
int port_set_up(struct nl *nl, int memory, const struct link *link, bool up);
/* Undo both.  What could not be has been logged, and is remembered for the next try. */
int port_restore(struct nl *nl, int sock, int memory, const struct link *link);

#endif
