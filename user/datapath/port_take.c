/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interfaces become ports by the daemon's own doing: those of -i, LOCAL, and those of a former daemon.
 *
 * Where a former daemon's pipeline still forwards nothing is taken from it before all is ready.  So a port is first
 * joined: remembered and published in the new maps.  A new one is attached at once.  One that a former program is on
 * waits until ports_take() swaps the programs of all, which takes a moment; ports_undo() can swap them back.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "user/datapath/port.h"
#include "user/datapath/port_memory.h"
#include "user/datapath/queue.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

/* Attach ofx_port, native if it can be.  *generic tells what became of it. */
static int attach(struct dp_ports *p, const struct link *link, bool *generic)
{
	int err = link_set_xdp(&p->nl, link->ifindex, p->prog_fd, XDP_FLAGS_DRV_MODE, LINK_XDP_NONE), native = err;
	char said[sizeof(p->nl.said)];

	*generic = false;
	if (!err)
		return 0;
	memcpy(said, p->nl.said, sizeof(said));
	err = link_set_xdp(&p->nl, link->ifindex, p->prog_fd, XDP_FLAGS_SKB_MODE, LINK_XDP_NONE);
	*generic = true;
	if (!err)
		trap_generic(link, said, native);
	return err;
}

/* Somebody has attached our program to it just now, in another mode perhaps: it becomes a port by that. */
static bool joined_meanwhile(struct dp_ports *p, const struct link *link, int err)
{
	struct link now;

	return (err == -EEXIST || err == -EBUSY) && !link_get(&p->nl, link->ifindex, NULL, &now) &&
	       port_is_attached(p, &now);
}

/* A joined port that nothing is attached to.  0 and no port: it is about to become one by somebody else's doing. */
static int attach_port(struct dp *dp, struct port *port, struct link *link)
{
	struct dp_ports *p = dp->ports;
	bool generic;
	int err = attach(p, link, &generic);

	if (!err && generic != port->generic)
		err = port_prepare(&p->nl, p->sock, p->memory, &port->link, port_index(p, port), true);
	if (!err)
		err = port_set_mode(dp, port, generic);
	if (!err)
		return 0;
	err = joined_meanwhile(p, link, err) ? 0 : port_failed(p, link, "cannot attach XDP: ", err);
	port_leave(dp, port, link);
	return err;
}

/* -ENODEV: the interface has gone meanwhile, which is no failure. */
static int join(struct dp *dp, struct link *link, uint32_t index, const struct former *former)
{
	struct port *port = &dp->ports->port[index];
	bool native = former_fd(former, link->xdp_drv) >= 0, skb = former_fd(former, link->xdp_skb) >= 0;
	int err = port_foreign(link, former);

	if (!err)
		err = port_join(dp, link, index, !native && skb, native || skb);
	return err || port->waits ? err : attach_port(dp, port, link);
}

/* --- before anything of a former daemon is touched --- */

static void tell_gone(const char *name)
{
	log_warn("port %s: the interface has gone meanwhile", name);
}

/* The number stays free for it, if others can do with another one. */
static void keep_number(struct dp_ports *p, const struct wanted *w)
{
	struct port_memory m = {0};

	if (!w->port_no)
		return;
	memory_get(p->memory, w->name, &m);
	m.port_no = w->port_no;
	memory_put(p->memory, w->name, &m);
}

/* w->ifindex is the link's. */
static int join_wanted(struct dp *dp, struct wanted *w, struct link *link, const struct former *former)
{
	struct dp_ports *p = dp->ports;
	uint32_t index = port_choose_number(p, link->name, w->port_no);
	int err;

	if (!index) {
		log_error("port %s: %s", link->name,
			  w->port_no ? "the port number is another's" : "no port number is free");
		return -ENOSPC;
	}
	err = join(dp, link, index, former);
	if (err == -ENODEV)
		tell_gone(w->name);
	if (err == -ENODEV)
		wanted_lost(&p->wanted, link->ifindex);
	return err;
}

/* -ENODEV: it is awaited. */
static int join_one(struct dp *dp, struct wanted *w, const struct former *former)
{
	struct dp_ports *p = dp->ports;
	struct link link;
	int err = w->ifindex ? link_get(&p->nl, w->ifindex, NULL, &link) : -ENODEV;

	if (!err)
		return join_wanted(dp, w, &link, former);
	if (err == -ENODEV && w->ifindex)
		tell_gone(w->name);
	else if (err != -ENODEV)
		log_error("port %s: %s", w->name, strerror(-err));
	wanted_lost(&p->wanted, w->ifindex);
	return err;
}

/* Those with a number first, so that none of the others gets it. */
static int join_configured(struct dp *dp, const struct former *former, bool numbered)
{
	struct dp_ports *p = dp->ports;
	int err = 0;

	for (size_t i = 0; i < p->wanted.n && !err; i++) {
		struct wanted *w = &p->wanted.port[i];

		if (numbered != !!w->port_no)
			continue;
		err = join_one(dp, w, former);
		if (err != -ENODEV)
			continue;
		keep_number(p, w);
		err = 0;
	}
	return err;
}

static bool has_former(const struct link *link, const struct former *former)
{
	return former_fd(former, link->xdp_drv) >= 0 || former_fd(former, link->xdp_skb) >= 0;
}

/* Ports of a former daemon that are not configured now. */
static int join_found(struct dp *dp, const struct former *former)
{
	struct dp_ports *p = dp->ports;
	int err = 0;

	for (size_t i = 0; i < p->n_before && !err; i++) {
		struct link *l = &p->before[i], link;
		uint32_t index;

		if (veths_own(dp->name, l->name) || port_find(p, l->ifindex) || !has_former(l, former) ||
		    link_get(&p->nl, l->ifindex, NULL, &link))
			continue;
		index = port_choose_number(p, link.name, 0);
		err = index ? join(dp, &link, index, former) : -ENOSPC;
		if (err == -ENODEV)
			err = 0;
	}
	return err;
}

static int join_local(struct dp *dp, const struct former *former)
{
	struct dp_ports *p = dp->ports;
	struct link link;
	int err;

	if (!p->veths.local)
		return 0;
	err = link_get(&p->nl, p->veths.local, NULL, &link);
	if (!err)
		err = join(dp, &link, OFX_INDEX_LOCAL, former);
	if (err)
		log_error("cannot make LOCAL a port: %s", strerror(-err));
	return err;
}

/* Their programs end with them; only those on interfaces that are away now stay. */
static int remember_former(struct dp_ports *p, const struct former *former)
{
	p->former = calloc(former->n + 1, sizeof(*p->former));
	if (!p->former)
		return -ENOMEM;
	for (; p->n_former < former->n; p->n_former++)
		p->former[p->n_former] = former->programs[p->n_former].id;
	return 0;
}

int ports_join(struct dp *dp, const struct former *former)
{
	int err = remember_former(dp->ports, former);

	if (!err)
		err = sets_provide(dp, OFX_INDEX_NONE, dp->ports->wanted.n + 1);
	if (!err)
		err = join_local(dp, former);
	if (!err)
		err = join_configured(dp, former, true);
	if (!err)
		err = join_configured(dp, former, false);
	if (!err)
		err = join_found(dp, former);
	return err ? err : ports_watch(dp);
}

/* --- taking over --- */

static int swap(struct dp *dp, struct port *port, const struct former *former)
{
	const uint32_t mode = port->generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
	const int there = former_fd(former, port->generic ? port->link.xdp_skb : port->link.xdp_drv);
	struct dp_ports *p = dp->ports;
	struct link link = port->link;
	int err = link_set_xdp(&p->nl, link.ifindex, p->prog_fd, mode, there);

	if (err)
		err = port_failed(p, &link, "cannot take it over: ", err);
	if (err != -ENODEV || port_index(p, port) == OFX_INDEX_LOCAL)
		return err;
	tell_gone(link.name);
	port_leave(dp, port, NULL);
	wanted_lost(&p->wanted, link.ifindex);
	return 0;
}

/* Until its port is swapped, a packet in a former pipeline may still take the internal interfaces: they are last. */
static int swap_inner(struct dp *dp)
{
	struct dp_ports *p = dp->ports;
	int err = veths_attach(dp, true);

	for (uint32_t i = 0; i < OFX_PORTS && !err; i++)
		if (p->port[i].waits && p->port[i].relay_in) {
			err = relay_attach(dp, &p->port[i]);
			if (err)
				log_error("port %s: cannot take its relay pair over: %s", p->port[i].link.name,
					  strerror(-err));
		}
	return err;
}

int ports_take(struct dp *dp, const struct former *former)
{
	struct dp_ports *p = dp->ports;
	int err = 0;

	for (uint32_t i = 0; i < OFX_PORTS && !err; i++)
		if (p->port[i].waits)
			err = swap(dp, &p->port[i], former);
	return err ? err : swap_inner(dp);
}

/* --- when that is done --- */

/* What a former daemon could not give back to interfaces that have left meanwhile. */
static void restore_left(struct dp *dp, const struct former *former)
{
	struct dp_ports *p = dp->ports;
	struct port_memory m;

	for (size_t i = 0; i < p->n_before; i++) {
		const struct link *l = &p->before[i];

		if (!veths_own(dp->name, l->name) && !port_find(p, l->ifindex) && !has_former(l, former) &&
		    memory_get(p->memory, l->name, &m) && m.attached)
			port_restore(&p->nl, p->sock, p->memory, l);
	}
}

/* What else a former daemon left. */
static void take_rest(struct dp *dp, const struct former *former)
{
	struct dp_ports *p = dp->ports;

	queues_attach(dp, true);
	restore_left(dp, former);
	relays_sweep(&p->nl, dp->name, p, p->before, p->n_before);
	if (!p->with_local)
		veths_delete_local(&p->nl, dp->name, former);
}

void ports_settle(struct dp *dp, const struct former *former)
{
	struct dp_ports *p = dp->ports;

	if (former->n_generations)
		take_rest(dp, former);
	free(take_ptr(p->before));
	free(take_ptr(p->reserve));
	p->n_before = 0;
	memory_copy_free(&p->remembered);
	for (uint32_t i = 0; i < OFX_PORTS; i++) {
		p->port[i].waits = false;
		if (p->port[i].exists && i != OFX_INDEX_LOCAL)
			port_welcome(dp, &p->port[i]);
	}
}

/* --- later --- */

int port_take_local(struct dp *dp)
{
	const struct former nobody = {0};
	struct port *port = &dp->ports->port[OFX_INDEX_LOCAL];
	int err = port->exists ? 0 : join_local(dp, &nobody);

	if (!err && port->exists)
		port_welcome(dp, port);
	return err;
}

static bool is_former(const struct dp_ports *p, uint32_t id)
{
	for (size_t i = 0; id && i < p->n_former; i++)
		if (p->former[i] == id)
			return true;
	return false;
}

bool port_is_former(const struct dp_ports *p, const struct link *link)
{
	return is_former(p, link->xdp_drv) || is_former(p, link->xdp_skb);
}

void port_renew(struct dp *dp, const struct link *link)
{
	struct dp_ports *p = dp->ports;
	const bool native = is_former(p, link->xdp_drv);
	_close_ int theirs = bpf_prog_get_fd_by_id(native ? link->xdp_drv : link->xdp_skb);
	int err = theirs < 0 ? -errno : 0;

	if (!err)
		err = link_set_xdp(&p->nl, link->ifindex, p->prog_fd, native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE,
				   theirs);
	/* Somebody was quicker: that is seen as well. */
	if (err && err != -EEXIST && err != -EBUSY && err != -ENOENT && port_may_log(p, OFX_INDEX_NONE))
		port_failed(p, link, "cannot take it over from a former daemon: ", err);
}

/* Is the port of that name still another interface, of which no event has told yet that it has gone? */
static bool is_before_its_time(const struct dp_ports *p, const struct link *link)
{
	for (uint32_t i = 0; i < OFX_PORTS; i++)
		if (p->port[i].exists && p->port[i].link.ifindex != link->ifindex &&
		    !strcmp(p->port[i].link.name, link->name))
			return true;
	return false;
}

void port_arrived(struct dp *dp, struct wanted *w, struct link *link)
{
	const struct former nobody = {0};
	struct dp_ports *p = dp->ports;
	_free_ struct link *links = NULL;
	struct port *port;
	size_t n = 0;

	if (is_before_its_time(p, link)) /* it stays awaited */
		return;
	wanted_met(&p->wanted, w, link->ifindex);
	/* Back from another namespace with our program, or a former daemon's: seen as whatever has that. */
	if (port_is_attached(p, link) || port_is_former(p, link))
		return;
	if (port_find(p, link->ifindex) || veths_own(dp->name, link->name) || ports_list(&p->nl, &links, &n) ||
	    port_foreign(link, &nobody) || trap_refuse(dp, &p->config, link, links, n) ||
	    join_wanted(dp, w, link, &nobody))
		return;
	port = port_find(p, link->ifindex);
	if (port)
		port_welcome(dp, port);
}

void ports_look_for(struct dp *dp)
{
	struct wanted_ports *w = &dp->ports->wanted;

	for (size_t i = 0; w->n_awaited && i < w->n; i++) {
		struct link link;

		if (!w->port[i].ifindex && !link_get(&dp->ports->nl, 0, w->port[i].name, &link))
			port_arrived(dp, &w->port[i], &link);
	}
}
