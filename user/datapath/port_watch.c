/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What becomes of interfaces: seen at once by rtnetlink's events, and each second by a full look, since attaching to a
 * down interface sends no event.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include "include/openflow/openflow.h"
#include "user/datapath/port.h"
#include "user/datapath/port_memory.h"
#include "user/datapath/queue.h"
#include "user/datapath/veth.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

#define RESYNC_SECONDS 1

static bool told_differs(const struct link *a, const struct link *b)
{
	return strcmp(a->name, b->name) || memcmp(a->mac, b->mac, sizeof(a->mac)) || a->mtu != b->mtu ||
	       a->carrier != b->carrier || (a->flags ^ b->flags) & IFF_UP;
}

static void port_rename(struct dp_ports *p, const char *from, const char *to)
{
	memory_rename(p->memory, from, to);
	p->numbered = true;
}

static void port_change(struct dp *dp, struct port *port, const struct link *link)
{
	struct dp_ports *p = dp->ports;
	bool generic = link->xdp_drv != p->prog_id;
	bool tell = told_differs(&port->link, link) || generic != port->generic;
	bool local = port_index(p, port) == OFX_INDEX_LOCAL;
	int err;

	if (local)
		veths_mend_local(dp, link);
	else if (strcmp(port->link.name, link->name))
		port_rename(p, port->link.name, link->name);
	if (link->carrier && !port->link.carrier)
		trap_later(port);
	port->link = *link;
	err = port_set_mode(dp, port, generic);
	if (!err)
		err = port_write(dp, port);
	if (!err && !(link->flags & IFF_PROMISC) && !local)
		err = link_set_flags(&p->nl, link->ifindex, IFF_PROMISC, IFF_PROMISC);
	if (err && !link_is_gone(&p->nl, link->ifindex) && port_may_log(p, port_index(p, port)))
		log_warn("port %s: %s", link->name, strerror(-err));
	if (tell)
		port_tell(dp, OFPPR_MODIFY, port);
}

/* LOCAL is what the host's side of the pair is. */
static void host_change(struct dp *dp, const struct link *link)
{
	struct dp_ports *p = dp->ports;
	struct port *port = &p->port[OFX_INDEX_LOCAL];
	bool tell = told_differs(&p->host, link);

	if (p->veths.host && strcmp(p->host.name, link->name) && port_may_log(p, OFX_INDEX_LOCAL))
		log_info("LOCAL's interface %s is called %s now", p->host.name, link->name);
	p->veths.host = link->ifindex;
	p->host = *link;
	if (!port->exists)
		return;
	port_write(dp, port);
	if (tell)
		port_tell(dp, OFPPR_MODIFY, port);
}

/* The host's side of LOCAL, which may come back from another namespace. */
static bool is_host(const struct dp_ports *p, const struct link *link)
{
	if (p->veths.host || !p->veths.local)
		return p->veths.host && link->ifindex == p->veths.host;
	return !strcmp(link->kind, "veth") && link->peer == p->veths.local && link->peer_nsid == -1;
}

static void detach(struct dp *dp, const struct link *link, bool generic, const char *why)
{
	struct dp_ports *p = dp->ports;
	int err =
		link_set_xdp(&p->nl, link->ifindex, -1, generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE, p->prog_fd);

	if (err == -ENODEV || !port_may_log(p, OFX_INDEX_NONE))
		return;
	if (err)
		log_error("port %s: %s, and cannot be detached: %s%s%s", link->name, why, strerror(-err),
			  *p->nl.said ? ": " : "", p->nl.said);
	else
		log_error("port %s: %s: detached", link->name, why);
}

/* The operator attached our program.  What cannot be a port gets it off again, lest its frames vanish. */
static int admit(struct dp *dp, const struct link *link)
{
	struct dp_ports *p = dp->ports;
	bool generic = link->xdp_drv != p->prog_id, local = link->ifindex == p->veths.local;
	uint32_t index = local ? OFX_INDEX_LOCAL : port_choose_number(p, link->name, 0);
	const char *why = NULL;
	int err = -EINVAL;

	if (!link->ethernet)
		why = "not an Ethernet interface";
	else if (!index && !local)
		why = "no port number is free";
	else if ((err = port_join(dp, link, index, generic, false)) && err != -ENODEV)
		why = "it cannot be a port";
	if (why)
		detach(dp, link, generic, why);
	else if (!err)
		port_welcome(dp, &p->port[index]);
	return err;
}

/* An interface as it is now. */
static void see(struct dp *dp, const struct link *link)
{
	struct dp_ports *p = dp->ports;
	struct port *port = port_find(p, link->ifindex);

	if (port)
		port->seen = true;
	if (veths_internal(p, link->ifindex))
		veths_mend(dp, link);
	else if (is_host(p, link))
		host_change(dp, link);
	else if (port && port_is_attached(p, link))
		port_change(dp, port, link);
	else if (port)
		port_leave(dp, port, link);
	else if (port_is_attached(p, link) && (link->ifindex == p->veths.local || !veths_own(dp->name, link->name)) &&
		 !admit(dp, link))
		port_find(p, link->ifindex)->seen = true;
	else if (port_is_former(p, link) && !veths_own(dp->name, link->name))
		port_renew(dp, link);
}

/* True: it was one of the switch's own. */
static bool gone(struct dp *dp, const struct link *was)
{
	struct dp_ports *p = dp->ports;
	struct port *port = port_find(p, was->ifindex);

	if (p->veths.host == was->ifindex) {
		p->veths.host = 0;
		memset(&p->host, 0, sizeof(p->host));
	}
	if (port)
		port_leave(dp, port, NULL);
	wanted_lost(&p->wanted, was->ifindex);
	return veths_gone(dp, was);
}

/* How is this interface now?  `was`: as it was when it was last seen, or its ifindex alone. */
static void look(struct dp *dp, const struct link *was)
{
	struct link now;

	switch (link_get(&dp->ports->nl, was->ifindex, NULL, &now)) {
	case 0:
		see(dp, &now);
		break;
	case -ENODEV:
		gone(dp, was);
		break;
	}
}

static bool interesting(struct dp *dp, const struct link *link)
{
	struct dp_ports *p = dp->ports;

	return port_is_attached(p, link) || port_is_former(p, link) || port_find(p, link->ifindex) ||
	       is_host(p, link) || link->ifindex == p->veths.local || veths_internal(p, link->ifindex) ||
	       wanted_has(&p->wanted, link->ifindex);
}

/*
 * An event tells how an interface was then.  That is right for what passes (a link that went down and up again);
 * whether it is a port is asked anew, for an old event must not undo what was attached since.
 */
static void on_event(void *aux, const struct link *link, bool deleted)
{
	struct dp *dp = aux;
	struct dp_ports *p = dp->ports;
	struct port *port = port_find(p, link->ifindex);

	if (!deleted && wanted_awaited(&p->wanted, link->name))
		ports_look_for(dp);
	if (!interesting(dp, link))
		return;
	if (deleted) {
		/* One of the switch's own has gone with its pair. */
		if (!gone(dp, link) && port_is_attached(p, link) && link->moved_nsid != -1 &&
		    !veths_own(dp->name, link->name))
			port_reclaim(dp, link);
		return;
	}
	if (port && port_is_attached(p, link) && port->link.carrier != link->carrier)
		port_change(dp, port, link);
	look(dp, link);
}

/* The switch's own interfaces that this look has not seen.  LOCAL's counts even while it is detached, and no port. */
static void look_own(struct dp *dp)
{
	struct dp_ports *p = dp->ports;
	struct link own = {.ifindex = p->veths.local, .moved_nsid = -1};

	veth_name(own.name, dp->name, "-p");
	if (own.ifindex)
		look(dp, &own);
	for (uint32_t i = 0; i < OFX_DEV_N; i++) {
		own.ifindex = p->veths.ends[i];
		veths_name(own.name, dp, i);
		if (own.ifindex && !(p->veths.seen & 1u << i))
			look(dp, &own);
	}
}

static void look_unseen(struct dp *dp)
{
	struct dp_ports *p = dp->ports;

	for (uint32_t i = 0; i < OFX_PORTS; i++)
		if (p->port[i].exists && !p->port[i].seen)
			look(dp, &p->port[i].link);
	look_own(dp);
}

void ports_resync(struct dp *dp)
{
	struct dp_ports *p = dp->ports;
	_free_ struct link *links = NULL;
	size_t n = 0;

	if (link_list_quick(&p->nl, &links, &n))
		return;
	for (uint32_t i = 0; i < OFX_PORTS; i++)
		p->port[i].seen = false;
	p->veths.seen = 0;
	for (size_t i = 0; i < n; i++)
		see(dp, &links[i]);
	look_unseen(dp);
}

/* Others may be lost of which no event has told yet: all that are there go into the maps together. */
static void restore(struct dp *dp)
{
	if (!veths_may_restore(dp))
		return;
	dp->ports->veths.seen = 0;
	look_own(dp);
	veths_restore(dp);
}

static void on_watch(evutil_socket_t fd, short what, void *aux)
{
	struct dp *dp = aux;

	if (link_watch_read(&dp->ports->watch, on_event, dp))
		ports_resync(dp);
	restore(dp);
}

static void on_timer(evutil_socket_t fd, short what, void *aux)
{
	struct dp *dp = aux;

	on_watch(fd, what, aux);
	ports_resync(dp);
	restore(dp);
	ports_look_for(dp);
	trap_due(dp);
	port_log_flush(dp->ports);
	ports_save(dp);
}

int ports_watch(struct dp *dp)
{
	struct dp_ports *p = dp->ports;
	const struct timeval second = {RESYNC_SECONDS, 0};
	int err = link_watch_open(&p->watch);

	if (err) {
		log_error("cannot watch interfaces: %s", strerror(-err));
		return err;
	}
	p->watch_event = event_new(dp->base, link_watch_fd(&p->watch), EV_READ | EV_PERSIST, on_watch, dp);
	p->timer = event_new(dp->base, -1, EV_PERSIST, on_timer, dp);
	if (!p->watch_event || !p->timer)
		return -ENOMEM;
	return event_add(p->watch_event, NULL) || event_add(p->timer, &second) ? -ENOMEM : 0;
}
