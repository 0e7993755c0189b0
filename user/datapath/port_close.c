/* SPDX-License-Identifier: GPL-2.0-only */
/* Giving interfaces back: when the daemon ends, and those that moved to another namespace. */
#include <errno.h>
#include <limits.h>
#include <linux/if_link.h>
#include <string.h>
#include "user/datapath/ethtool.h"
#include "user/datapath/netns.h"
#include "user/datapath/port.h"
#include "user/datapath/port_memory.h"
#include "user/datapath/veth.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

#define DETACH_TRIES 3 /* somebody may change what is attached at the same time */

static int detach_once(struct nl *nl, const struct link *link, const struct former *former)
{
	int native = former_fd(former, link->xdp_drv), generic = former_fd(former, link->xdp_skb), err = 0;

	if (native >= 0)
		err = link_set_xdp(nl, link->ifindex, -1, XDP_FLAGS_DRV_MODE, native);
	if (!err && generic >= 0)
		err = link_set_xdp(nl, link->ifindex, -1, XDP_FLAGS_SKB_MODE, generic);
	return err;
}

/* *now: the interface then.  -ENODEV: it has gone. */
static int detach(struct nl *nl, uint32_t ifindex, const struct former *former, struct link *now)
{
	int err = -EAGAIN;

	for (int i = 0; i < DETACH_TRIES && err && err != -ENODEV; i++) {
		err = link_get(nl, ifindex, NULL, now);
		if (!err)
			err = detach_once(nl, now, former);
	}
	return err;
}

struct reclaim {
	struct dp_ports *ports;
	const struct link *was;
	int err; /* -ENODEV: it has gone from there, too */
};

static void reclaim_here(void *aux)
{
	struct reclaim *r = aux;
	struct dp_ports *p = r->ports;
	_close_ int sock = ethtool_open();
	struct link now;
	struct nl nl;

	r->err = nl_open(&nl);
	if (r->err)
		return;
	r->err = link_get(&nl, r->was->moved_ifindex, NULL, &now);
	if (!r->err) {
		bool native = now.xdp_drv == p->prog_id, generic = now.xdp_skb == p->prog_id;
		uint32_t mode = native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;

		if (native || generic)
			r->err = link_set_xdp(&nl, now.ifindex, -1, mode, p->prog_fd);
		if (strcmp(r->was->name, now.name))
			memory_rename(p->memory, r->was->name, now.name);
		port_restore(&nl, sock, p->memory, &now);
	}
	nl_close(&nl);
}

static bool reclaim_in(void *aux, int ns_fd)
{
	struct reclaim *r = aux;

	return link_nsid(&r->ports->nl, ns_fd) == r->was->moved_nsid && netns_inside(ns_fd, reclaim_here, r);
}

void port_reclaim(struct dp *dp, const struct link *was)
{
	struct reclaim r = {dp->ports, was, 0};
	char path[PATH_MAX];

	if (!netns_search(reclaim_in, &r, path, sizeof(path)))
		log_warn("port %s: moved to a network namespace out of sight with our XDP program attached: run "
			 "`ip link set dev %s xdp off promisc off` there",
			 was->name, was->name);
	else if (r.err == -ENODEV)
		log_info("port %s: moved to network namespace %s, and is there no more", was->name, path);
	else if (r.err)
		log_warn("port %s: moved to network namespace %s with our XDP program attached: %s; run "
			 "`ip link set dev %s xdp off promisc off` there",
			 was->name, path, strerror(-r.err), was->name);
	else
		log_info("port %s: moved to network namespace %s, and restored there", was->name, path);
}

struct abandon {
	struct nl nl;
	int sock, memory; /* memory: -1 if there is none */
	const char *name;
	struct former former;
};

/* What the interface was before it became a port.  What could not be is told. */
static int give_back(struct abandon *a, const struct link *link)
{
	struct link now;
	int err = detach(&a->nl, link->ifindex, &a->former, &now);

	if (err == -ENODEV)
		return 0;
	if (err)
		log_error("port %s: cannot detach XDP: %s%s%s; run `ip link set dev %s xdp off`", link->name,
			  strerror(-err), *a->nl.said ? ": " : "", a->nl.said, link->name);
	else if (a->memory >= 0)
		err = port_restore(&a->nl, a->sock, a->memory, &now);
	return err;
}

static bool was_port(const struct abandon *a, const struct link *link)
{
	struct port_memory m = {0};

	if (veths_own(a->name, link->name))
		return false;
	if (former_fd(&a->former, link->xdp_drv) >= 0 || former_fd(&a->former, link->xdp_skb) >= 0)
		return true;
	/* Where that can't be told, giving back will say so. */
	return a->memory >= 0 && memory_look(a->memory, link->name, &m) != -ENOENT && m.attached;
}

static int give_back_listed(struct abandon *a, const struct link *links, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n; i++)
		if (was_port(a, &links[i]) && give_back(a, &links[i]))
			err = -EIO;
	return err;
}

static int give_back_name(struct abandon *a, const char *name)
{
	struct link link;
	int err = link_get(&a->nl, 0, name, &link);

	if (!err)
		return give_back(a, &link);
	if (err == -ENODEV)
		return 0;
	log_error("port %s: cannot find out what became of it: %s", name, strerror(-err));
	return err;
}

/* Those that no list has shown. */
static int give_back_remembered(struct abandon *a)
{
	_free_ struct memory_entry *list = NULL;
	size_t n = 0;
	int err = a->memory >= 0 ? memory_list(a->memory, &list, &n) : 0;

	if (err)
		log_error("cannot list what interfaces were before they became ports: %s", strerror(-err));
	for (size_t i = 0; i < n; i++)
		if (list[i].m.attached && give_back_name(a, list[i].name))
			err = -EIO;
	return err;
}

static int abandon_all(struct abandon *a)
{
	_free_ struct link *links = NULL;
	size_t n = 0;
	int list = ports_list(&a->nl, &links, &n), listed = give_back_listed(a, links, n);
	int remembered = give_back_remembered(a), own = veths_delete(&a->nl, a->name, &a->former);
	int relays = relays_sweep(&a->nl, a->name, NULL, links, n);

	return list || listed || remembered || own || relays ? -EIO : 0;
}

/* Before anything is detached: without it nothing else can be given back. */
static int open_memory(struct abandon *a, const char *pin_dir)
{
	a->memory = memory_open(pin_dir, a->former.memory_id, false);
	if (a->memory >= 0 || a->memory == -ENOENT)
		return 0;
	log_error("cannot open the memory of ports in %s: %s", pin_dir, strerror(-a->memory));
	return a->memory;
}

int ports_abandon(const char *pin_dir, const char *name, uint64_t netns)
{
	_close_ int sock = ethtool_open();
	struct abandon a = {.sock = sock, .memory = -1, .name = name};
	int err = sock < 0 ? sock : nl_open(&a.nl);

	if (err) {
		log_error("cannot give the ports back: no netlink socket: %s", strerror(-err));
		return err;
	}
	err = former_read(pin_dir, name, netns, &a.former);
	if (!err)
		err = open_memory(&a, pin_dir);
	if (!err)
		err = abandon_all(&a);
	cleanup_close(&a.memory);
	former_free(&a.former);
	nl_close(&a.nl);
	return err;
}

void ports_close(struct dp *dp)
{
	struct dp_ports *p = dp->ports;

	if (!p)
		return;
	ports_save(dp);
	if (p->watch_event)
		event_free(p->watch_event);
	if (p->timer)
		event_free(p->timer);
	sets_close(dp);
	nl_close(&p->watch);
	nl_close(&p->nl);
	cleanup_close(&p->sock);
	cleanup_close(&p->memory);
	wanted_close(&p->wanted);
	memory_copy_free(&p->remembered);
	free((void *)p->config.controllers);
	free(p->before);
	free(p->reserve);
	free(p->former);
	free(p);
	dp->ports = NULL;
}
