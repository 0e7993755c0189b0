/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is wrong beyond a port: at the other end of a veth, or in a driver that takes no frames from XDP.
 *
 * The other end may be on its way: interfaces are set up one after the other, and the peer may become another switch's
 * port.  So this is looked at when a port has been there, or its link up, for some seconds; and again when that
 * changes.
 */
#include <bpf/bpf.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>
#include "user/datapath/ethtool.h"
#include "user/datapath/netns.h"
#include "user/datapath/port.h"
#include "user/util/cleanup.h"
#include "user/util/clock.h"
#include "user/util/log.h"

#define LATER_NS 5000000000ull

enum advice { ADVICE_RELAY = 1, ADVICE_VANISH = 2, ADVICE_CHECKSUM = 4, ADVICE_VLAN = 8 };

/* Of `feature_names`. */
enum { FEATURE_GRO = 1, FEATURE_CHECKSUM = 2, FEATURE_VLAN = 4 };
static const char *const feature_names[] = {"rx-gro", "tx-checksum-ip-generic", "tx-vlan-hw-insert"};

struct peer {
	struct link link; /* ifindex 0: there is none, or it can't be seen */
	bool is_port;	  /* of a switch of ours: what it sends was received somewhere, as whole frames */
	bool known;	  /* its features are: */
	uint32_t on;
};

/* --- looking --- */

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

/* A socket in the namespace that ours knows as nsid (-1: ours), or -1.  Only named ones (/run/netns) can be found. */
static int socket_in(struct nl *nl, int32_t nsid)
{
	struct nsid_search s = {nl, nsid, -1};
	char path[PATH_MAX];

	if (nsid == -1)
		return ethtool_open();
	netns_search(has_nsid, &s, path, sizeof(path));
	return s.sock;
}

static bool is_ofx_port(uint32_t id)
{
	char name[BPF_OBJ_NAME_LEN];

	trap_program_name(id, name);
	return id && !strcmp(name, "ofx_port");
}

static struct peer peer_of(struct dp *dp, const struct port *port)
{
	const struct link *link = &port->link;
	struct nl *nl = &dp->ports->nl;
	struct peer peer = {0};
	_close_ int sock = -1;

	if (strcmp(link->kind, "veth"))
		return peer;
	if (link->peer_nsid == -1 ? link_get(nl, link->peer, NULL, &peer.link)
				  : link_get_in(nl, link->peer_nsid, link->peer, &peer.link))
		memset(&peer.link, 0, sizeof(peer.link));
	peer.is_port = is_ofx_port(peer.link.xdp_drv) || is_ofx_port(peer.link.xdp_skb);
	sock = peer.link.ifindex ? socket_in(nl, link->peer_nsid) : -1;
	peer.known = sock >= 0;
	if (peer.known)
		peer.on = ethtool_features(sock, peer.link.ifindex, feature_names, ARRAY_LEN(feature_names));
	return peer;
}

/* --- saying --- */

/* Is it time to say so: for the first time since it began to be true? */
static bool news(struct dp *dp, struct port *port, enum advice advice, bool is_true)
{
	bool first = is_true && !(port->advised & advice) && port_may_log(dp->ports, port_index(dp->ports, port));

	if (!is_true)
		port->advised &= ~advice;
	else if (first)
		port->advised |= advice;
	return first;
}

/* The kernel goes by what it was told when the peer came up or its GRO was last switched while it was up. */
static void advise_relay(const struct port *port, const struct peer *peer)
{
	const char *name = port->link.name, *other = peer->link.name;

	if (strcmp(port->link.kind, "veth"))
		log_warn("port %s: its driver takes no frames from XDP, so frames to it go through a slow relay", name);
	else if (peer->known && peer->on & FEATURE_GRO)
		log_warn("port %s: Linux overlooked that its veth peer %s has GRO, so frames to it go through a slow "
			 "relay: run `ethtool -K %s gro off; ethtool -K %s gro on` there",
			 name, other, other, other);
	else if (peer->known)
		log_warn("port %s: its veth peer %s has neither GRO nor XDP, so frames to it go through a slow relay: "
			 "run `ethtool -K %s gro on` there",
			 name, other, other);
	else
		log_warn(
			"port %s: its veth peer takes no frames from XDP, so frames to it go through a slow relay: run "
			"`ethtool -K IFACE gro off; ethtool -K IFACE gro on` there",
			name);
}

static void advise_frames(struct dp *dp, struct port *port, const struct peer *peer)
{
	bool relay = port->relay_in && !port->generic;
	bool takes = !peer->known || peer->on & FEATURE_GRO || peer->link.xdp_drv;

	if (news(dp, port, ADVICE_RELAY, relay))
		advise_relay(port, peer);
	if (news(dp, port, ADVICE_VANISH, !relay && !port->generic && !takes))
		log_warn(
			"port %s: its veth peer %s has neither GRO nor XDP, so frames to it vanish: run `ethtool -K %s "
			"gro on` there",
			port->link.name, peer->link.name, peer->link.name);
}

static void advise_offloads(struct dp *dp, struct port *port, const struct peer *peer)
{
	const char *name = port->link.name, *other = peer->link.name;

	if (news(dp, port, ADVICE_CHECKSUM, !peer->is_port && peer->on & FEATURE_CHECKSUM))
		log_warn("port %s: its veth peer %s leaves checksums to hardware, so its TCP and UDP stall: run "
			 "`ethtool -K %s tx off` there",
			 name, other, other);
	if (news(dp, port, ADVICE_VLAN, !peer->is_port && peer->on & FEATURE_VLAN))
		log_warn("port %s: its veth peer %s hides VLAN tags of its sub-interfaces from the switch: run "
			 "`ethtool -K %s txvlan off` there",
			 name, other, other);
}

static void advise_unseen(struct dp *dp, const struct port *port, const struct peer *peer)
{
	if (strcmp(port->link.kind, "veth") || peer->known || peer->is_port || dp->ports->told_veth)
		return;
	dp->ports->told_veth = true;
	log_info("port %s is a veth whose peer is out of sight: hosts behind veth ports need "
		 "`ethtool -K IFACE gro on tx off txvlan off`",
		 port->link.name);
}

static void advise(struct dp *dp, struct port *port)
{
	struct peer peer = peer_of(dp, port);

	if (peer.link.ifindex && !(peer.link.flags & IFF_UP))
		return; /* no frames yet; it is looked at again when the link is up */
	advise_frames(dp, port, &peer);
	advise_offloads(dp, port, &peer);
	advise_unseen(dp, port, &peer);
}

/* --- when --- */

void trap_later(struct port *port)
{
	port->advise_ns = clock_ns() + LATER_NS;
}

void trap_relay_gone(struct dp *dp, struct port *port)
{
	if (port->advised & ADVICE_RELAY && port_may_log(dp->ports, port_index(dp->ports, port)))
		log_info("port %s: frames to it are sent by native XDP now", port->link.name);
	port->advised &= ~ADVICE_RELAY;
}

void trap_due(struct dp *dp)
{
	const uint64_t now = clock_ns();

	for (uint32_t i = 0; i < OFX_PORTS; i++) {
		struct port *port = &dp->ports->port[i];

		if (!port->exists || !port->advise_ns || now < port->advise_ns)
			continue;
		port->advise_ns = 0;
		advise(dp, port);
	}
}
