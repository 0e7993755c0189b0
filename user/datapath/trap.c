/* SPDX-License-Identifier: GPL-2.0-only */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/datapath/identity.h"
#include "user/datapath/netns.h"
#include "user/datapath/owner.h"
#include "user/datapath/port.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

void trap_program_name(uint32_t id, char name[BPF_OBJ_NAME_LEN])
{
	_close_ int fd = id ? bpf_prog_get_fd_by_id(id) : -1;
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);

	snprintf(name, BPF_OBJ_NAME_LEN, "unknown");
	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len))
		snprintf(name, BPF_OBJ_NAME_LEN, "%s", info.name);
}

/* The BPF link by which a program is attached to an interface, or 0: it is attached as `ip link` does it. */
static uint32_t bpf_link_of(const struct link *link, uint32_t prog_id)
{
	uint32_t id = 0;

	while (!bpf_link_get_next_id(id, &id)) {
		_close_ int fd = bpf_link_get_fd_by_id(id);
		struct bpf_link_info info = {0};
		uint32_t len = sizeof(info);

		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) && info.type == BPF_LINK_TYPE_XDP &&
		    info.prog_id == prog_id && info.xdp.ifindex == link->ifindex)
			return id;
	}
	return 0;
}

/* The program is another switch's. */
static void log_switch(const struct link *link, const struct identity *whose, const char *mode)
{
	static const char that[] = "another XDP program is attached already, that of switch";

	if (owner_lives(whose->name, whose->netns))
		log_error("port %s: %s %s, which is running: let it go with `ip link set dev %s %s off`", link->name,
			  that, whose->name, link->name, mode);
	else if (whose->netns == netns_cookie())
		log_error("port %s: %s %s, whose daemon has died: run `ofxdpd -n %s --cleanup`", link->name, that,
			  whose->name, whose->name);
	else
		log_error("port %s: %s %s, which was in another network namespace: remove it with `ip link set dev %s "
			  "%s off promisc off`",
			  link->name, that, whose->name, link->name, mode);
}

static bool is_switchs(uint32_t id, struct identity *whose)
{
	_close_ int fd = bpf_prog_get_fd_by_id(id);

	return fd >= 0 && identity_of(fd, whose);
}

void trap_foreign(const struct link *link, uint32_t id, const char *mode)
{
	uint32_t by = bpf_link_of(link, id);
	char name[BPF_OBJ_NAME_LEN];
	struct identity whose;

	if (is_switchs(id, &whose)) {
		log_switch(link, &whose, mode);
		return;
	}
	trap_program_name(id, name);
	if (by)
		log_error(
			"port %s: another XDP program (id %u, %s) is attached already, by BPF link %u: end the process "
			"that holds the link, or run `bpftool link detach id %u`",
			link->name, id, name, by, by);
	else
		log_error(
			"port %s: another XDP program (id %u, %s) is attached already: remove it with `ip link set dev "
			"%s %s off`",
			link->name, id, name, link->name, mode);
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

int trap_refuse(struct dp *dp, const struct dp_config *config, const struct link *link, const struct link *links,
		size_t n)
{
	struct nl *nl = &dp->ports->nl;
	int err = 0;

	if (!link->ethernet) {
		log_error("port %s: not an Ethernet interface", link->name);
		return -EINVAL;
	}
	if (config->force)
		return 0;
	for (size_t i = 0; i < n && !err; i++)
		if (is_over(links, n, &links[i], link, 0))
			err = refuse_used(nl, config, link, &links[i]);
	return err;
}

/* What lets native XDP be, where that is known. */
static void native_cure(const struct link *link, const char *said, int err, char *cure, size_t size)
{
	bool veth = !strcmp(link->kind, "veth");

	*cure = '\0';
	if (strcasestr(said, "mtu") && veth)
		snprintf(cure, size, ": lower the MTU of its veth peer to 3506 or less and attach it again");
	else if (strcasestr(said, "mtu"))
		snprintf(cure, size, ": lower the interface's MTU (now %u) and attach it again", link->mtu);
	else if (strcasestr(said, "queues") && veth)
		snprintf(cure, size,
			 ": give it as many rx queues as its veth peer has tx queues (`ethtool -l`, `ethtool -L`) and "
			 "attach it again");
	else if (err == -EOPNOTSUPP)
		snprintf(cure, size, ": use an interface whose driver has native XDP");
}

void trap_generic(const struct link *link, const char *said, int err)
{
	char cure[160];

	native_cure(link, said, err, cure, sizeof(cure));
	log_warn("port %s: native XDP refused (%s), attached in slow generic mode%s", link->name,
		 *said		      ? said
		 : err == -EOPNOTSUPP ? "the driver has none"
				      : strerror(-err),
		 cure);
}

void trap_advise(struct dp *dp, const struct port *port)
{
	const struct link *link = &port->link;
	const uint32_t index = port_index(dp->ports, port);

	if (!(link->flags & IFF_UP) && port_may_log(dp->ports, index))
		log_info("port %s: the interface is down; `ip link set %s up` when it should carry traffic", link->name,
			 link->name);
	if ((!strncmp(link->kind, "macv", 4) || !strcmp(link->kind, "ipvlan")) && port_may_log(dp->ports, index))
		log_warn("port %s: on a %s VLAN tags are taken off before the switch sees the frames: make the "
			 "interface below it the port",
			 link->name, link->kind);
}
