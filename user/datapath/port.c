/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ports come and go: an interface is a port if and only if our ofx_port is attached to it, whoever attached it: the
 * daemon for -i, a former daemon, or the operator with `ip link set dev X xdpdrv pinned <pin>`.  So there is one way in
 * (port_join) and one out (port_leave), both driven by what rtnetlink shows (port_watch.c).
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
#include "user/util/clock.h"
#include "user/util/log.h"

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
	/* Drivers may take frames only once XDP is attached: what is not is asked then (port_set_mode()). */
	if (!err && (port->link.xdp_drv || port->link.xdp_skb) && relay_needed(dp, port))
		err = relay_make(dp, port);
	if (!err)
		err = publish_tx(dp, port);
	if (!err)
		err = port_write(dp, port);
	if (!err && port->relay_in && !port->waits)
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
	bool had, changed = port->generic != generic, needed;
	int err = 0;

	if (port->relay_in && !relay_sound(dp, port)) {
		if (port_may_log(dp->ports, OFX_INDEX_NONE))
			log_warn("port %s: somebody changed its relay pair, which is made anew", port->link.name);
		relay_delete(dp, port);
	}
	had = port->relay_in;
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
	if (!needed && had)
		trap_relay_gone(dp, port);
	if (needed != had)
		trap_later(port);
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

bool port_is_attached(const struct dp_ports *p, const struct link *link)
{
	return link->xdp_drv == p->prog_id || link->xdp_skb == p->prog_id;
}

/* The number asked for, else the one the name had, else the lowest that nobody has or had, else the lowest free. */
uint32_t port_choose_number(const struct dp_ports *p, const char *name, uint32_t wanted)
{
	bool taken[OFX_PORTS];
	struct port_memory m;

	if (wanted)
		return p->port[wanted].exists ? 0 : wanted;
	if (memory_get(p->memory, name, &m) && m.port_no && m.port_no < OFX_PORTS && !p->port[m.port_no].exists)
		return m.port_no;
	memory_numbers(p->memory, name, taken);
	for (uint32_t i = 1; i < OFX_PORTS; i++)
		if (!p->port[i].exists && !taken[i])
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
	port->waits = false;
	dp->ports->n--;
}

int port_failed(struct dp_ports *p, const struct link *link, const char *what, int err)
{
	if (link_is_gone(&p->nl, link->ifindex))
		return -ENODEV;
	log_error("port %s: %s%s%s%s", link->name, what, strerror(-err), *p->nl.said ? ": " : "", p->nl.said);
	return err;
}

int port_join(struct dp *dp, const struct link *link, uint32_t index, bool generic, bool waits)
{
	struct dp_ports *p = dp->ports;
	struct port *port = &p->port[index];
	bool local = link->ifindex == p->veths.local;
	int err;

	if (p->n >= OFX_FLOOD_PORTS) {
		log_error("port %s: the switch has %u ports, and no room for more", link->name, p->n);
		return -ENOSPC;
	}
	*port = (struct port){
		.exists = true, .generic = generic, .waits = waits, .link = *link, .added_ns = clock_ns()};
	port_counters(dp, index, &port->base);
	err = local ? 0 : port_prepare(&p->nl, p->sock, p->memory, link, index, generic);
	if (!err) {
		if (!local)
			port->link.flags |= IFF_PROMISC;
		p->numbered = true;
		err = publish(dp, port);
	}
	p->n++;
	if (err) {
		err = port_failed(p, link, "", err);
		unpublish(dp, port);
		if (!local && !waits)
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
	char title[PORT_TITLE_SIZE];

	if (port_may_log(dp->ports, index))
		log_info("%s is %s, %s XDP", port_title(title, index), port->link.name,
			 port->generic ? "generic" : "native");
	if (index != OFX_INDEX_LOCAL)
		trap_advise(dp, port);
	trap_later(port);
	port_tell(dp, OFPPR_ADD, port);
}

void port_leave(struct dp *dp, struct port *port, const struct link *link)
{
	struct dp_ports *p = dp->ports;
	uint32_t index = port_index(p, port);
	struct port last = *port;
	char title[PORT_TITLE_SIZE];

	unpublish(dp, port);
	queues_forget(dp, port);
	if (link)
		port_restore(&p->nl, p->sock, p->memory, link);
	port->link.carrier = false;
	last.link.carrier = false;
	port_tell(dp, OFPPR_DELETE, port);
	forget(dp, port);
	if (port_may_log(p, index))
		log_info("%s, %s, is %s", port_title(title, index), last.link.name, link ? "detached" : "gone");
}
