/* SPDX-License-Identifier: GPL-2.0-only */
/* Ports: PORT_STATUS, PORT_MOD, statistics and descriptions (§7.2.1, §7.3.4.3, §7.3.5.6, §7.3.5.7, §7.4.3). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "include/ofxdp/port.h"
#include "user/switch/internal.h"

#define PORT_MOD_FAILED(code) OF_ERROR(OFPET_PORT_MOD_FAILED, OFPPMFC_##code)
#define ALL_CONFIG (OFPPC_PORT_DOWN | OFPPC_NO_RECV | OFPPC_NO_FWD | OFPPC_NO_PACKET_IN)

static void set_exists(struct sw *sw, uint32_t port_no, bool exists)
{
	uint32_t index = ofx_port_index(port_no);

	if (index < OFX_PORTS)
		sw->port_exists[index] = exists;
}

void sw_ports_start(struct sw *sw)
{
	uint32_t port_nos[OFX_PORTS];
	size_t n = dp_port_list(sw->dp, port_nos, OFX_PORTS);

	for (size_t i = 0; i < n && i < OFX_PORTS; i++)
		set_exists(sw, port_nos[i], true);
}

bool sw_port_exists(const struct sw *sw, uint32_t port_no)
{
	uint32_t index = ofx_port_index(port_no);

	return index < OFX_PORTS && sw->port_exists[index];
}

int sw_port_choose(struct sw *sw, uint32_t port_no, uint32_t **port_nos, size_t *n)
{
	if (port_no != OFPP_ANY && !sw_port_exists(sw, port_no))
		return -ENOENT;
	*port_nos = malloc(OFX_PORTS * sizeof(**port_nos));
	if (!*port_nos)
		return -ENOMEM;
	(*port_nos)[0] = port_no;
	*n = port_no == OFPP_ANY ? dp_port_list(sw->dp, *port_nos, OFX_PORTS) : 1;
	return 0;
}

void sw_port_status(void *aux, uint8_t reason, const struct of_port *port)
{
	struct sw *sw = aux;

	set_exists(sw, port->port_no, reason != OFPPR_DELETE);
	for (struct sw_conn *c = sw->conns; c; c = c->next) {
		if (!sw_wants(c, c->async.port_status, reason))
			continue;
		of_put_port_status(&c->replies, reason, port);
		c->wake(c);
	}
}

int sw_port_mod(struct sw *sw, const struct of_port_mod *pm)
{
	struct of_port port;

	if (dp_port_get(sw->dp, pm->port_no, &port))
		return PORT_MOD_FAILED(BAD_PORT);
	if (memcmp(pm->hw_addr, port.hw_addr, sizeof(port.hw_addr)))
		return PORT_MOD_FAILED(BAD_HW_ADDR);
	if (pm->mask & ~ALL_CONFIG)
		return PORT_MOD_FAILED(BAD_CONFIG);
	if (pm->advertise && pm->advertise != port.advertised) /* 0: leave it; links are not ours to negotiate */
		return PORT_MOD_FAILED(BAD_ADVERTISE);
	return pm->mask ? dp_port_config(sw->dp, pm->port_no, pm->config & pm->mask, pm->mask) : 0;
}

static void put_stats(struct sw *sw, uint32_t port_no, struct of_multipart *mp)
{
	struct of_port_stats stats = {0};

	if (!dp_port_stats(sw->dp, port_no, &stats))
		of_multipart_port_stats(mp, &stats);
}

static void put_desc(struct sw *sw, uint32_t port_no, struct of_multipart *mp)
{
	struct of_port port;

	if (!dp_port_get(sw->dp, port_no, &port))
		of_multipart_port_desc(mp, &port);
}

int sw_port_multipart(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	const bool stats = msg->multipart.type == OFPMP_PORT_STATS;
	uint32_t *port_nos;
	size_t n;
	int err = sw_port_choose(sw, stats ? msg->multipart.port_no : OFPP_ANY, &port_nos, &n);

	if (err)
		return err == -ENOENT ? OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_PORT) : err;
	return sw_multipart_each(sw, conn, msg, port_nos, n, stats ? put_stats : put_desc);
}
