/* SPDX-License-Identifier: GPL-2.0-only */
/* What ports tell: descriptions, statistics, PORT_STATUS. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "include/openflow/openflow.h"
#include "user/datapath/ethtool.h"
#include "user/datapath/port.h"
#include "user/datapath/port_memory.h"
#include "user/util/cleanup.h"
#include "user/util/clock.h"
#include "user/util/log.h"

#define GENERIC_MARK "/generic" /* no interface name has a slash */

const struct link *port_outer_link(const struct dp_ports *p, const struct port *port)
{
	return port->link.ifindex == p->veths.local && p->host.ifindex ? &p->host : &port->link;
}

bool port_is_up(const struct dp_ports *p, const struct port *port)
{
	return port_outer_link(p, port)->flags & IFF_UP;
}

void port_describe(struct dp *dp, const struct port *port, struct of_port *to)
{
	const struct dp_ports *p = dp->ports;
	const struct link *link = port_outer_link(p, port);
	bool local = port->link.ifindex == p->veths.local;
	bool fits = strlen(link->name) + strlen(GENERIC_MARK) < sizeof(to->name);

	memset(to, 0, sizeof(*to));
	to->port_no = ofx_port_no(port_index(p, port));
	memcpy(to->hw_addr, link->mac, sizeof(to->hw_addr));
	snprintf(to->name, sizeof(to->name), "%s", local ? dp->name : link->name);
	if (port->generic && fits)
		strcat(to->name, GENERIC_MARK);
	to->config = port->config | (link->flags & IFF_UP ? 0 : OFPPC_PORT_DOWN);
	if (!link->carrier)
		to->state |= OFPPS_LINK_DOWN;
	else if (link->flags & IFF_UP)
		to->state |= OFPPS_LIVE;
	ethtool_describe(p->sock, port->link.ifindex, to);
}

/* That a link went or came, and that an interface has another name, is for the log as well. */
static void log_change(struct dp *dp, const struct port *port, const struct of_port *now)
{
	uint32_t index = port_index(dp->ports, port);
	bool renamed = strcmp(now->name, port->told.name) != 0;
	char title[PORT_TITLE_SIZE];

	if (!renamed && !((now->config ^ port->told.config) & OFPPC_PORT_DOWN) &&
	    !((now->state ^ port->told.state) & OFPPS_LINK_DOWN))
		return;
	if (!port_may_log(dp->ports, index))
		return;
	log_info("%s, %s%s%s, is %s", port_title(title, index), now->name, renamed ? ", formerly " : "",
		 renamed ? port->told.name : "", port_state(dp->ports, port));
}

void port_tell(struct dp *dp, uint8_t reason, struct port *port)
{
	uint32_t mtu = port->link.mtu;
	struct of_port now;

	if (!dp->ports->announced)
		return;
	port_describe(dp, port, &now);
	if (reason == OFPPR_MODIFY && mtu == port->told_mtu && !memcmp(&now, &port->told, sizeof(now)))
		return;
	if (reason == OFPPR_MODIFY)
		log_change(dp, port, &now);
	port->told = now;
	port->told_mtu = mtu;
	if (dp->cb.port_status)
		dp->cb.port_status(dp->aux, reason, &now);
}

void ports_announce(struct dp *dp)
{
	struct dp_ports *p = dp->ports;

	p->announced = true;
	for (uint32_t i = 1; i < OFX_PORTS; i++)
		if (p->port[i].exists)
			port_tell(dp, OFPPR_ADD, &p->port[i]);
	if (p->port[OFX_INDEX_LOCAL].exists)
		port_tell(dp, OFPPR_ADD, &p->port[OFX_INDEX_LOCAL]);
}

size_t dp_port_list(struct dp *dp, uint32_t *port_nos, size_t max)
{
	const struct port *port = dp->ports->port;
	size_t n = 0;

	for (uint32_t i = 1; i <= OFX_PORTS; i++) {
		uint32_t index = i % OFX_PORTS; /* LOCAL, index 0, is last */

		if (!port[index].exists)
			continue;
		if (n < max)
			port_nos[n] = ofx_port_no(index);
		n++;
	}
	return n;
}

static struct port *port_of_number(struct dp *dp, uint32_t port_no)
{
	uint32_t index = ofx_port_index(port_no);

	return index < OFX_PORTS && dp->ports->port[index].exists ? &dp->ports->port[index] : NULL;
}

int dp_port_get(struct dp *dp, uint32_t port_no, struct of_port *to)
{
	const struct port *port = port_of_number(dp, port_no);

	if (!port)
		return -ENOENT;
	port_describe(dp, port, to);
	return 0;
}

void port_counters(struct dp *dp, uint32_t index, struct port_totals *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (uint32_t i = 0; i < dp->cpus.n; i++)
		cell_port_add(&dp->cpus.cpu[i].state->port[index], sum);
}

#define PORT_COUNTERS 12 /* from rx_packets to collisions: neighbours */
_Static_assert(offsetof(struct of_port_stats, collisions) - offsetof(struct of_port_stats, rx_packets) ==
		       (PORT_COUNTERS - 1) * sizeof(uint64_t),
	       "counters of a port");

/*
 * No counter goes back.  tx_packets would: frames are counted when they are redirected, those that the port then does
 * not take a moment later.  What the interface itself counts may, at a driver's reset, or be unreadable for once.
 */
static void never_back(struct of_port_stats *now, struct of_port_stats *shown)
{
	uint64_t *n = &now->rx_packets, *before = &shown->rx_packets;

	for (size_t i = 0; i < PORT_COUNTERS; i++)
		n[i] = before[i] = n[i] > before[i] ? n[i] : before[i];
}

int dp_port_stats(struct dp *dp, uint32_t port_no, struct of_port_stats *to)
{
	struct port *port = port_of_number(dp, port_no);
	const struct port_totals *base;
	struct link link = {0};
	struct port_totals c;
	uint64_t age, tx, dropped;

	if (!port)
		return -ENOENT;
	base = &port->base;
	port_counters(dp, ofx_port_index(port_no), &c);
	link_get(&dp->ports->nl, port->link.ifindex, NULL, &link); /* an interface that has just gone shows zeros */
	age = clock_ns() - port->added_ns;
	tx = c.tx_packets - base->tx_packets;
	dropped = c.tx_dropped - base->tx_dropped;
	*to = (struct of_port_stats){
		.port_no = port_no,
		.rx_packets = c.rx_packets - base->rx_packets,
		.tx_packets = tx > dropped ? tx - dropped : 0,
		.rx_bytes = c.rx_bytes - base->rx_bytes,
		.tx_bytes = c.tx_bytes - base->tx_bytes,
		.rx_dropped = c.rx_dropped - base->rx_dropped,
		.tx_dropped = dropped,
		.rx_errors = c.rx_errors - base->rx_errors,
		.tx_errors = c.tx_errors - base->tx_errors,
		.rx_frame_err = link.errors.frame,
		.rx_over_err = link.errors.over,
		.rx_crc_err = link.errors.crc,
		.collisions = link.errors.collisions,
		.duration_sec = age / 1000000000,
		.duration_nsec = age % 1000000000,
	};
	never_back(to, &port->shown);
	return 0;
}

int dp_port_config(struct dp *dp, uint32_t port_no, uint32_t config, uint32_t mask)
{
	const uint32_t kept = OFPPC_NO_RECV | OFPPC_NO_FWD | OFPPC_NO_PACKET_IN;
	struct port *port = port_of_number(dp, port_no);
	struct dp_ports *p = dp->ports;
	bool local, up = !(config & OFPPC_PORT_DOWN);
	struct link *link;
	int err = 0;

	if (!port)
		return -ENOENT;
	local = port->link.ifindex == p->veths.local;
	link = local && p->host.ifindex ? &p->host : &port->link;
	if (mask & OFPPC_PORT_DOWN && up != port_is_up(p, port)) {
		err = port_set_up(&p->nl, p->memory, link, up);
		if (err)
			return err;
		link->flags = (link->flags & ~IFF_UP) | (up ? IFF_UP : 0);
		link->carrier &= up;
	}
	port->config = (port->config & ~(mask & kept)) | (config & mask & kept);
	err = port_write(dp, port);
	if (!err)
		port_tell(dp, OFPPR_MODIFY, port);
	return err;
}
