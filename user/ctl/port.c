/* SPDX-License-Identifier: GPL-2.0-only */
/* ofxdpctl ports: the ports' interfaces and counters. */
#include <bpf/bpf.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include "include/ofxdp/port.h"
#include "user/ctl/ctl.h"
#include "user/ctl/report.h"
#include "user/datapath/cell.h"
#include "user/util/cleanup.h"

static const struct report_column columns[] = {
	{"port", false},      {"interface", false}, {"flags", false},	 {"rx_packets", true},
	{"rx_bytes", true},   {"tx_packets", true}, {"tx_bytes", true},	 {"rx_dropped", true},
	{"tx_dropped", true}, {"rx_errors", true},  {"tx_errors", true},
};

static void flag_names(uint32_t flags, char *text, size_t size)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} names[] = {
		{OFX_PORT_DOWN, "down"},       {OFX_PORT_NO_RECV, "no-recv"},
		{OFX_PORT_NO_FWD, "no-fwd"},   {OFX_PORT_NO_PACKET_IN, "no-packet-in"},
		{OFX_PORT_GENERIC, "generic"},
	};
	size_t len = 0;

	snprintf(text, size, flags & OFX_PORT_EXISTS ? "-" : "gone");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (flags & names[i].flag)
			len += snprintf(text + len, size - len, "%s%s", len ? "," : "", names[i].name);
	}
}

static void print_port(struct report *r, uint32_t index, const struct ofx_port *port, const struct port_totals *totals)
{
	char name[IF_NAMESIZE], flags[80];

	if (index == OFX_INDEX_LOCAL)
		report_cell(r, "LOCAL");
	else
		report_cell(r, "%u", index);
	/* The switch may live in another network namespace: then the number has another meaning here, or none. */
	if (if_indextoname(port->ifindex, name))
		report_cell(r, "%s", name);
	else
		report_cell(r, "#%u", port->ifindex);
	flag_names(port->flags, flags, sizeof(flags));
	report_cell(r, "%s", flags);
	for (size_t i = 0; i < sizeof(*totals) / sizeof(uint64_t); i++) /* the columns are in their order */
		report_cell(r, "%" PRIu64, ((const uint64_t *)totals)[i]);
}

int ctl_ports(const struct pins *pins, const struct ctl_format *format)
{
	struct report r = {.columns = columns, .n_columns = ARRAY_LEN(columns)};
	_close_ int ports = pins_map(pins, "ports");
	struct pins_cpus cpus _pins_cpus_ = {0};

	if (ports < 0 || pins_cpus_open(pins, "state", sizeof(struct ofx_state), &cpus))
		return -1;
	/* By number, LOCAL (index 0) last. */
	for (uint32_t i = 1; i <= OFX_PORTS; i++) {
		uint32_t index = i % OFX_PORTS;
		struct port_totals totals = {0};
		struct ofx_port port;

		if (bpf_map_lookup_elem(ports, &index, &port) || (!port.ifindex && !format->all))
			continue;
		for (uint32_t cpu = 0; cpu < cpus.n; cpu++)
			cell_port_add(&((const struct ofx_state *)cpus.at[cpu].at)->port[index], &totals);
		print_port(&r, index, &port, &totals);
	}
	report_print(&r, format->json);
	return 0;
}
