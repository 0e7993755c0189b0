/* SPDX-License-Identifier: GPL-2.0-only */
#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "user/datapath/ethtool.h"
#include "user/datapath/netns.h"
#include "user/datapath/port.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

static void program_name(uint32_t id, char *name, size_t size)
{
	_close_ int fd = bpf_prog_get_fd_by_id(id);
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);

	snprintf(name, size, "unknown");
	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len))
		snprintf(name, size, "%s", info.name);
}

void trap_foreign(const struct link *link, uint32_t id, bool generic)
{
	char name[BPF_OBJ_NAME_LEN];

	program_name(id, name, sizeof(name));
	log_error("port %s: another XDP program (id %u, %s) is attached already: remove it with `ip link set dev %s %s "
		  "off`",
		  link->name, id, name, link->name, generic ? "xdpgeneric" : "xdp");
}

#define MAX_DEPTH 8 /* interfaces above one another: bond, bridge, VLAN … */

/* Is `over` the interface `under`, or above it: a bridge or bond that it is in, a VLAN or macvlan on it? */
static bool is_over(const struct link *links, size_t n, const struct link *over, const struct link *under, int depth)
{
	if (over->ifindex == under->ifindex)
		return true;
	for (size_t i = 0; i < n && depth < MAX_DEPTH; i++) {
		const struct link *l = &links[i];
		bool on = strcmp(l->kind, "veth") && l->peer_nsid == -1 && l->peer == under->ifindex;

		if (l->ifindex != under->ifindex && (on || under->master == l->ifindex) &&
		    is_over(links, n, over, l, depth + 1))
			return true;
	}
	return false;
}

/* Does the way to a controller lead over this interface?  1 or 0, or a negative errno. */
static int routes_to_controller(struct nl *nl, const struct dp_config *config, uint32_t ifindex)
{
	for (size_t i = 0; i < config->n_controllers; i++) {
		uint32_t by;
		int err = link_route_to(nl, (const struct sockaddr *)&config->controllers[i], &by);

		if (err || by == ifindex)
			return err ? err : 1;
	}
	return 0;
}

static int cannot_tell(const struct link *link, int err)
{
	log_error("port %s: cannot find out what the host uses the interface for: %s", link->name, strerror(-err));
	return err;
}

/* Would the host lose what it does through `used`, if `link`, which is under it, became a port? */
static int refuse_used(struct nl *nl, const struct dp_config *config, const struct link *link, const struct link *used)
{
	bool self = used->ifindex == link->ifindex;
	int has = link_has_address(nl, used->ifindex),
	    leads = has ? 0 : routes_to_controller(nl, config, used->ifindex);

	if (has < 0 || leads < 0)
		return cannot_tell(link, has < 0 ? has : leads);
	if (has)
		log_error("port %s: %s%s has an IP address, which the switch would cut off: remove it "
			  "(`ip addr flush dev %s`) or use --force",
			  link->name, self ? "the interface" : "above it ", self ? "" : used->name, used->name);
	if (leads)
		log_error("port %s: the route to a controller leaves by %s%s: reach the controller another way, or use "
			  "--force",
			  link->name, self ? "this interface" : "what is above it, ", self ? "" : used->name);
	return has || leads ? -EADDRINUSE : 0;
}

int trap_refuse(struct dp *dp, const struct dp_config *config, const struct link *link)
{
	struct nl *nl = &dp->ports->nl;
	_free_ struct link *links = NULL;
	size_t n = 0;
	int err;

	if (!link->ethernet) {
		log_error("port %s: not an Ethernet interface", link->name);
		return -EINVAL;
	}
	if (config->force)
		return 0;
	err = link_list(nl, &links, &n);
	if (err)
		return cannot_tell(link, err);
	for (size_t i = 0; i < n && !err; i++)
		if (is_over(links, n, &links[i], link, 0))
			err = refuse_used(nl, config, link, &links[i]);
	return err;
}

void trap_generic(const struct link *link, const char *said)
{
	if (strcasestr(said, "mtu"))
		log_warn("port %s: native XDP refused (%s), attached in slow generic mode: lower the MTU of the "
			 "interface "
			 "and of a veth's peer (now %u) to 3506 or less and attach it again",
			 link->name, said, link->mtu);
	else
		log_warn("port %s: native XDP refused (%s), attached in slow generic mode: use an interface whose "
			 "driver "
			 "has native XDP",
			 link->name, *said ? said : "the driver has none");
}

void trap_relay(const struct port *port)
{
	const char *name = port->link.name;

	if (!port->relay_in)
		log_info("port %s: frames to it are sent by native XDP now", name);
	else if (!strcmp(port->link.kind, "veth"))
		log_warn("port %s: its veth peer has neither GRO nor XDP, so frames to it go through a slow relay: run "
			 "`ethtool -K IFACE gro on` there",
			 name);
	else
		log_warn("port %s: its driver takes no frames from XDP, so frames to it go through a slow relay", name);
}

struct nsid_search {
	struct nl *nl;
	int32_t nsid;
	int sock;
};

static bool has_nsid(void *aux, int ns_fd)
{
	struct nsid_search *s = aux;

	if (link_nsid(s->nl, ns_fd) != s->nsid)
		return false;
	s->sock = netns_socket(ns_fd);
	return true;
}

/* A socket in the namespace that ours knows as nsid, or -1.  Only named ones (/run/netns) can be found. */
static int socket_in(struct nl *nl, int32_t nsid)
{
	struct nsid_search s = {nl, nsid, -1};
	char path[PATH_MAX];

	netns_search(has_nsid, &s, path, sizeof(path));
	return s.sock;
}

/* What is wrong at the other end of a veth port.  False: it can't be seen. */
static bool advise_peer(struct dp *dp, const struct port *port)
{
	const struct link *link = &port->link;
	static const char *const names[] = {"rx-gro", "tx-checksum-ip-generic", "tx-vlan-hw-insert"};
	struct nl *nl = &dp->ports->nl;
	bool here = link->peer_nsid == -1;
	_close_ int sock = here ? ethtool_open() : socket_in(nl, link->peer_nsid);
	struct link peer;
	uint32_t on;

	if (sock < 0 ||
	    (here ? link_get(nl, link->peer, NULL, &peer) : link_get_in(nl, link->peer_nsid, link->peer, &peer)))
		return false;
	on = ethtool_features(sock, peer.ifindex, names, ARRAY_LEN(names));
	if (!(on & 1) && !peer.xdp_drv && !port->relay_in)
		log_warn("port %s: its veth peer %s has neither GRO nor XDP, so frames to it vanish: run "
			 "`ethtool -K %s gro on` there",
			 link->name, peer.name, peer.name);
	if (on & 2)
		log_warn("port %s: its veth peer %s leaves checksums to hardware, so its TCP and UDP stall: run "
			 "`ethtool -K %s tx off` there",
			 link->name, peer.name, peer.name);
	if (on & 4)
		log_warn("port %s: its veth peer %s hides VLAN tags of its sub-interfaces from the switch: run "
			 "`ethtool -K %s txvlan off` there",
			 link->name, peer.name, peer.name);
	return true;
}

void trap_advise(struct dp *dp, const struct port *port)
{
	const struct link *link = &port->link;

	if (!(link->flags & IFF_UP) && link->ifindex != dp->ports->veths.local)
		log_info("port %s: the interface is down; `ip link set %s up` when it should carry traffic", link->name,
			 link->name);
	if (!strncmp(link->kind, "macv", 4) || !strcmp(link->kind, "ipvlan"))
		log_warn("port %s: on a %s VLAN tags are taken off before the switch sees the frames: make the "
			 "interface below it the port",
			 link->name, link->kind);
	if (port->relay_in && !port->generic)
		trap_relay(port);
	if (strcmp(link->kind, "veth") || link->ifindex == dp->ports->veths.local)
		return;
	if (advise_peer(dp, port) || dp->ports->told_veth)
		return;
	dp->ports->told_veth = true;
	log_info("port %s is a veth whose peer is out of sight: hosts behind veth ports need "
		 "`ethtool -K IFACE gro on tx off txvlan off`",
		 link->name);
}
