/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/port_wanted.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int wanted_open(struct wanted_ports *w, const struct dp_port_option *ports, size_t n)
{
	w->port = calloc(n + 1, sizeof(*w->port));
	if (!w->port)
		return -ENOMEM;
	w->n = w->n_awaited = n;
	for (size_t i = 0; i < n; i++) {
		memcpy(w->port[i].name, ports[i].ifname, sizeof(w->port[i].name));
		w->port[i].port_no = ports[i].port_no;
	}
	return 0;
}

void wanted_close(struct wanted_ports *w)
{
	free(w->port);
	*w = (struct wanted_ports){0};
}

void wanted_met(struct wanted_ports *w, struct wanted *port, uint32_t ifindex)
{
	w->n_awaited -= !port->ifindex;
	port->ifindex = ifindex;
}

void wanted_lost(struct wanted_ports *w, uint32_t ifindex)
{
	for (size_t i = 0; ifindex && i < w->n; i++)
		if (w->port[i].ifindex == ifindex) {
			w->port[i].ifindex = 0;
			w->n_awaited++;
		}
}

bool wanted_has(const struct wanted_ports *w, uint32_t ifindex)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->port[i].ifindex == ifindex)
			return true;
	return false;
}

struct wanted *wanted_awaited(const struct wanted_ports *w, const char *name)
{
	for (size_t i = 0; w->n_awaited && i < w->n; i++)
		if (!w->port[i].ifindex && !strcmp(w->port[i].name, name))
			return &w->port[i];
	return NULL;
}
