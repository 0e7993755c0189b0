/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interfaces that are to be ports (-i).  One that is not there is awaited: it becomes a port when it appears, also
 * when it was there and comes again as another interface of that name.  Each appearance is tried once; what the
 * operator detaches stays detached.
 */
#ifndef DATAPATH_PORT_WANTED_H
#define DATAPATH_PORT_WANTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "user/datapath/datapath.h"
#include "user/datapath/link.h"

struct wanted {
	char name[IFNAMSIZ];
	uint32_t port_no; /* 0: choose */
	uint32_t ifindex; /* of the last that was there; 0: awaited */
};

struct wanted_ports {
	size_t n, n_awaited;
	struct wanted *port;
};

/* None is there yet, as far as this knows. */
int wanted_open(struct wanted_ports *w, const struct dp_port_option *ports, size_t n);
void wanted_close(struct wanted_ports *w);
void wanted_met(struct wanted_ports *w, struct wanted *port, uint32_t ifindex);
/* The interface has gone: who had it is awaited. */
void wanted_lost(struct wanted_ports *w, uint32_t ifindex);
bool wanted_has(const struct wanted_ports *w, uint32_t ifindex);
/* The one that waits for an interface of that name, or NULL. */
struct wanted *wanted_awaited(const struct wanted_ports *w, const char *name);

#endif
