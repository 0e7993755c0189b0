/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ports come, change and go.
 *
 * An interface is a port if and only if our ofx_port is attached to it, whoever attached it: the daemon for -i, a
 * former daemon, or the operator with `ip link set dev X xdpdrv pinned <pin>`.  So there is one way in (port_join) and
 * one out (port_leave), both driven by what rtnetlink shows: at once by its events, and each second by a full look,
 * since attaching to a down interface sends no event.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "include/openflow/openflow.h"
#include "user/datapath/cache.h"
#include "user/datapath/port.h"
#include "user/datapath/port_memory.h"
#include "user/datapath/queue.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

#define RESYNC_SECONDS 1

struct port *port_find(struct dp_ports *p, uint32_t ifindex)
{
	for (uint32_t i = 0; i < OFX_PORTS; i++)
		if (p->port[i].exists && p->port[i].link.ifindex == ifindex)
			return &p->port[i];
	return NULL;
}

uint32_t port_index(const struct dp_ports *p, const struct port *port)
{
	return (uint32_t)(port - p->port);
}

/* --- maps --- */

static uint32_t bpf_flags(const struct dp_ports *p, const struct port *port)
{
	uint32_t flags = OFX_PORT_EXISTS;

	if (!port_is_up(p, port))
		flags |= OFX_PORT_DOWN;
	if (port->config & OFPPC_NO_RECV)
		flags |= OFX_PORT_NO_RECV;
	if (port->config & OFPPC_NO_FWD)
		flags |= OFX_PORT_NO_FWD;
	if (port->config & OFPPC_NO_PACKET_IN)
		flags |= OFX_PORT_NO_PACKET_IN;
	if (!port->link.carrier)
		flags |= OFX_PORT_NO_CARRIER;
	if (port->generic)
		flags |= OFX_PORT_GENERIC;
	return flags;
}

static int put(const struct bpf_map *map, uint32_t key, const void *value)
{
	return bpf_map_update_elem(bpf_map__fd(map), &key, value, BPF_ANY) ? -errno : 0;
}

static void drop(const struct bpf_map *map, uint32_t key)
{
	bpf_map_delete_elem(bpf_map__fd(map), &key);
}

void port_near_write(struct dp *dp, uint32_t ifindex, uint32_t near)
{
	if (ifindex < OFX_NEAR_IFINDEXES)
		__atomic_store_n(&dp->skel->data_near->near_ports[ifindex], near, __ATOMIC_RELEASE);
}

/* See struct ofx_cache_live. */
static void ports_take_write(struct dp *dp)
{
	uint32_t least = UINT32_MAX;

	for (uint32_t i = 0; i < OFX_PORTS; i++) {
		const struct ofx_port *port = &dp->ports->port[i].bpf;

		if (port->flags & (OFX_PORT_DOWN | OFX_PORT_NO_FWD))
			least = 0;
		else if (port->flags & OFX_PORT_EXISTS && port->max_frame < least)
			least = port->max_frame;
	}
	cache_ports_take(dp, least);
}

int port_write(struct dp *dp, struct port *port)
{
	struct dp_ports *p = dp->ports;
	uint32_t index = port_index(p, port);
	struct ofx_port now = {
		.ifindex = port->link.ifindex,
		.flags = bpf_flags(p, port),
		.max_frame = port->link.mtu + 18,
	};
	bool member = !(now.flags & (OFX_PORT_DOWN | OFX_PORT_NO_FWD));
	int err = 0;

	if (memcmp(&now, &port->bpf, sizeof(now)))
		err = put(dp->skel->maps.ports, index, &now);
	if (!err && port->receives && now.flags != port->bpf.flags)
		port_near_write(dp, now.ifindex, ofx_near_port(index, now.flags));
	if (!err && member != port->flooding)
		err = sets_flood(dp, index, port_tx(port), member);
	if (!err)
		port->bpf = now;
	ports_take_write(dp);
	return err;
}

/* Where frames for the port go. */
static int publish_tx(struct dp *dp, struct port *port)
{
	uint32_t index = port_index(dp->ports, port), ifindex = port_tx(port);
	int err = sets_pair(dp, index, ifindex);

	if (!err)
		err = put(dp->skel->maps.tx_ports, index, &ifindex);
	return !err && port->flooding ? sets_flood(dp, index, ifindex, true) : err;
}

/* In an order in which a packet never meets half a port: first where it leads to, then that it may receive. */
static int publish(struct dp *dp, struct port *port)
{
	struct dp_ports *p = dp->ports;
	uint32_t index = port_index(p, port), ifindex = port->link.ifindex;
	int err = sets_provide(dp, index, p->n + 1);

	if (!err)
		err = put(dp->skel->maps.port_devices, index, &ifindex);
	if (!err && relay_needed(dp, port))
		err = relay_make(dp, port);
	if (!err)
		err = publish_tx(dp, port);
	if (!err)
		err = port_write(dp, port);
	if (!err && port->relay_in)
		err = relay_attach(dp, port);
	if (!err)
		err = put(dp->skel->maps.port_of_ifindex, ifindex, &index);
	port->receives = !err;
	if (!err)
		port_near_write(dp, port->bpf.ifindex, ofx_near_port(index, port->bpf.flags));
	return err;
}

int port_set_mode(struct dp *dp, struct port *port, bool generic)
{
	bool had = port->relay_in, changed = port->generic != generic, needed;
	int err = 0;

	port->generic = generic;
	needed = relay_needed(dp, port);
	if (!changed && had == needed)
		return 0;
	if (needed && !had)
		err = relay_make(dp, port);
	if (!err)
		err = port_write(dp, port);
	if (!err && needed && !had)
		err = relay_attach(dp, port);
	if (!needed)
		relay_delete(dp, port);
	if (!generic && needed != had)
		trap_relay(port);
	return err ? err : publish_tx(dp, port);
}

static void unpublish(struct dp *dp, struct port *port)
{
	struct dp_ports *p = dp->ports;
	uint32_t index = port_index(p, port);
	struct ofx_port none = {0};

	port->receives = false;
	port_near_write(dp, port->link.ifindex, 0);
	drop(dp->skel->maps.port_of_ifindex, port->link.ifindex);
	sets_flood(dp, index, port->link.ifindex, false);
	put(dp->skel->maps.ports, index, &none);
	port->bpf = none;
	ports_take_write(dp);
	drop(dp->skel->maps.tx_ports, index);
	drop(dp->skel->maps.port_devices, index);
	sets_pair(dp, index, 0);
	relay_delete(dp, port);
}

/* --- numbers --- */

/* The number asked for, else the one the name had, else the lowest that nobody has or had, else the lowest free. */
uint32_t port_choose_number(const struct dp_ports *p, const char *name, uint32_t wanted)
{
	struct port_memory m;

	if (wanted)
		return p->port[wanted].exists ? 0 : wanted;
	if (memory_get(p->memory, name, &m) && m.port_no && m.port_no < OFX_PORTS && !p->port[m.port_no].exists)
		return m.port_no;
	for (uint32_t i = 1; i < OFX_PORTS; i++)
		if (!p->port[i].exists && !memory_has_number(p->memory, i, name))
			return i;
	for (uint32_t i = 1; i < OFX_PORTS; i++)
		if (!p->port[i].exists)
			return i;
	return 0;
}

/* --- joining and leaving --- */

static void forget(struct dp *dp, struct port *port)
{
	port->exists = false;
	dp->ports->n--;
}

int port_join(struct dp *dp, const struct link *link, uint32_t index, bool generic)
{
	struct dp_ports *p = dp->ports;
	struct port *port = &p->port[index];
	bool local = link->ifindex == p->veths.local;
	int err;

	if (p->n >= OFX_FLOOD_PORTS) {
		log_error("port %s: the switch has %u ports, and no room for more", link->name, p->n);
		return -ENOSPC;
	}
	*port = (struct port){.exists = true, .generic = generic, .link = *link, .added_ns = port_clock()};
	port_counters(dp, index, &port->base);
	err = local ? 0 : port_prepare(&p->nl, p->sock, p->memory, link, index, generic);
	if (!err) {
		if (!local)
			port->link.flags |= IFF_PROMISC;
		err = publish(dp, port);
	}
	p->n++;
	if (err) {
		log_error("port %s: %s%s%s", link->name, strerror(-err), *p->nl.said ? ": " : "", p->nl.said);
		unpublish(dp, port);
		if (!local)
			port_restore(&p->nl, p->sock, p->memory, link);
		forget(dp, port);
	} else {
		queues_look(dp, port);
	}
	return err;
}

void port_welcome(struct dp *dp, struct port *port)
{
	uint32_t index = port_index(dp->ports, port);

	if (index == OFX_INDEX_LOCAL) {
		log_info("port LOCAL is %s", port->link.name);
	} else {
		log_info("port %u is %s, %s XDP", index, port->link.name, port->generic ? "generic" : "native");
		trap_advise(dp, port);
	}
	port_tell(dp, OFPPR_ADD, port);
}

void port_leave(struct dp *dp, struct port *port, const struct link *link)
{
	struct dp_ports *p = dp->ports;
	struct port last = *port;

	unpublish(dp, port);
	queues_forget(dp, port);
	if (link)
		port_restore(&p->nl, p->sock, p->memory, link);
	port->link.carrier = false;
	last.link.carrier = false;
	port_tell(dp, OFPPR_DELETE, port);
	forget(dp, port);
	log_info("port %u, %s, is %s", port_index(p, port), last.link.name, link ? "detached" : "gone");
}

/* --- changes --- */

static bool ours(const struct dp_ports *p, const struct link *link)
{
	return link->xdp_drv == p->prog_id || link->xdp_skb == p->prog_id;
}

static bool told_differs(const struct link *a, const struct link *b)
{
	return strcmp(a->name, b->name) || memcmp(a->mac, b->mac, sizeof(a->mac)) || a->mtu != b->mtu ||
	       a->carrier != b->carrier || (a->flags ^ b->flags) & IFF_UP;
}

static void port_change(struct dp *dp, struct port *port, const struct link *link)
{
	struct dp_ports *p = dp->ports;
	bool generic = link->xdp_drv != p->prog_id;
	bool tell = told_differs(&port->link, link) || generic != port->generic;
	int err;

	if (strcmp(port->link.name, link->name))
		memory_rename(p->memory, port->link.name, link->name);
	port->link = *link;
	err = port_set_mode(dp, port, generic);
	if (!err)
		err = port_write(dp, port);
	if (!err && !(link->flags & IFF_PROMISC) && port_index(p, port) != OFX_INDEX_LOCAL)
		err = link_set_flags(&p->nl, link->ifindex, IFF_PROMISC, IFF_PROMISC);
	if (err)
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

	p->host = *link;
	if (!port->exists)
		return;
	port_write(dp, port);
	if (tell)
		port_tell(dp, OFPPR_MODIFY, port);
}

/* The operator attached our program.  What cannot be a port gets it off again, lest its frames vanish. */
static int admit(struct dp *dp, const struct link *link)
{
	struct dp_ports *p = dp->ports;
	bool generic = link->xdp_drv != p->prog_id, local = link->ifindex == p->veths.local;
	uint32_t index = local ? OFX_INDEX_LOCAL : port_choose_number(p, link->name, 0);
	int err = -EINVAL;

	if (!link->ethernet)
		log_error("port %s: not an Ethernet interface: detached", link->name);
	else if (!index && !local)
		log_error("port %s: no port number is free: detached", link->name);
	else
		err = port_join(dp, link, index, generic);
	if (err)
		link_set_xdp(&p->nl, link->ifindex, -1, generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE, p->prog_fd);
	else
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
	else if (p->veths.host && link->ifindex == p->veths.host)
		host_change(dp, link);
	else if (port && ours(p, link))
		port_change(dp, port, link);
	else if (port)
		port_leave(dp, port, link);
	else if (ours(p, link) && (link->ifindex == p->veths.local || !veths_own(dp->name, link->name)) &&
		 !admit(dp, link))
		port_find(p, link->ifindex)->seen = true;
}

static void gone(struct dp *dp, uint32_t ifindex)
{
	struct dp_ports *p = dp->ports;
	struct port *port = port_find(p, ifindex);

	if (veths_internal(p, ifindex))
		log_error("an internal interface of the switch was deleted: restart ofxdpd, for packet-ins, "
			  "packet-outs and "
			  "copies fail until then");
	if (p->veths.host == ifindex) {
		p->veths.host = 0;
		memset(&p->host, 0, sizeof(p->host));
	}
	if (port)
		port_leave(dp, port, NULL);
}

/* How is this interface now? */
static void look(struct dp *dp, uint32_t ifindex)
{
	struct link now;

	switch (link_get(&dp->ports->nl, ifindex, NULL, &now)) {
	case 0:
		see(dp, &now);
		break;
	case -ENODEV:
		gone(dp, ifindex);
		break;
	}
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

	if (deleted) {
		gone(dp, link->ifindex);
		if (ours(p, link) && link->moved_nsid != -1)
			port_reclaim(dp, link);
		return;
	}
	if (!port && !ours(p, link) && link->ifindex != p->veths.host)
		return;
	if (port && ours(p, link) && port->link.carrier != link->carrier)
		port_change(dp, port, link);
	look(dp, link->ifindex);
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
	for (size_t i = 0; i < n; i++)
		see(dp, &links[i]);
	for (uint32_t i = 0; i < OFX_PORTS; i++)
		if (p->port[i].exists && !p->port[i].seen)
			look(dp, p->port[i].link.ifindex);
}

static void on_watch(evutil_socket_t fd, short what, void *aux)
{
	struct dp *dp = aux;

	if (link_watch_read(&dp->ports->watch, on_event, dp))
		ports_resync(dp);
}

static void on_timer(evutil_socket_t fd, short what, void *aux)
{
	on_watch(fd, what, aux);
	ports_resync(aux);
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
