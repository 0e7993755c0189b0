/* SPDX-License-Identifier: GPL-2.0-only */
/* Statistics of a port from what its cells and its interface show: no counter goes back. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "include/openflow/openflow.h"
#include "user/datapath/port.h"

#define LO 1 /* the interface that is always there */
#define PORT 7

struct world {
	struct dp dp;
	struct dp_ports ports;
	struct cpu cpu;
	struct ofx_port_cells *cells;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct ofx_state *states = calloc(1, sizeof(*states));

	w->cpu.state = states;
	w->dp.cpus = (struct cpus){.n = 1, .cpu = &w->cpu};
	w->dp.ports = &w->ports;
	w->cells = &states->port[PORT];
	w->ports.port[PORT].exists = true;
	w->ports.port[PORT].link.ifindex = LO;
	*state = w;
	return nl_open(&w->ports.nl);
}

static int teardown(void **state)
{
	struct world *w = *state;

	nl_close(&w->ports.nl);
	free(w->cpu.state);
	free(w);
	return 0;
}

static struct of_port_stats stats(struct world *w)
{
	struct of_port_stats s;

	assert_int_equal(dp_port_stats(&w->dp, PORT, &s), 0);
	return s;
}

static void sent(struct world *w, uint64_t packets, uint64_t dropped)
{
	w->cells->tx.low = packets * (OFX_CELL_PACKET + 60);
	w->cells->tx_dropped = dropped;
}

/* Frames are counted as they are redirected, and as dropped when the interface has not taken them. */
static void tx_packets(void **state)
{
	struct world *w = *state;

	sent(w, 100, 0);
	assert_int_equal(stats(w).tx_packets, 100);
	sent(w, 100, 16);
	assert_int_equal(stats(w).tx_packets, 100);
	assert_int_equal(stats(w).tx_dropped, 16);
	sent(w, 110, 16);
	assert_int_equal(stats(w).tx_packets, 100);
	sent(w, 120, 16);
	assert_int_equal(stats(w).tx_packets, 104);
	assert_int_equal(stats(w).tx_bytes, 7200);
}

/* The interface's own counters may begin anew (a driver's reset), or be unreadable: it has just gone. */
static void errors(void **state)
{
	struct world *w = *state;
	struct of_port_stats *shown = &w->ports.port[PORT].shown;

	shown->rx_crc_err = 3;
	shown->collisions = 4;
	assert_int_equal(stats(w).rx_crc_err, 3);
	w->ports.port[PORT].link.ifindex = 0x7ffffff0;
	assert_int_equal(stats(w).rx_crc_err, 3);
	assert_int_equal(stats(w).collisions, 4);
}

/* Another port of that number begins at 0, whatever the cells hold. */
static void another_port(void **state)
{
	struct world *w = *state;
	struct port *port = &w->ports.port[PORT];

	sent(w, 100, 10);
	assert_int_equal(stats(w).tx_packets, 90);
	*port = (struct port){.exists = true, .link.ifindex = LO};
	port_counters(&w->dp, PORT, &port->base);
	assert_int_equal(stats(w).tx_packets, 0);
	sent(w, 100, 12); /* of the former one's */
	assert_int_equal(stats(w).tx_packets, 0);
	sent(w, 107, 12);
	assert_int_equal(stats(w).tx_packets, 5);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {T(tx_packets), T(errors), T(another_port)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("port_stats", tests, NULL, NULL);
}
