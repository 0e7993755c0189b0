/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/cell.h"
#include <string.h>

void cell_port_totals(const struct ofx_state *states, uint32_t index, uint32_t n_cpus, struct port_totals *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (uint32_t i = 0; i < n_cpus; i++) {
		const struct ofx_port_cells *c = &states[i].port[index];
		const struct ofx_counter rx = cell_read(&c->rx), tx = cell_read(&c->tx);

		sum->rx_packets += rx.packets;
		sum->rx_bytes += rx.bytes;
		sum->tx_packets += tx.packets;
		sum->tx_bytes += tx.bytes;
		sum->rx_dropped += c->rx_dropped;
		sum->tx_dropped += c->tx_dropped;
		sum->rx_errors += c->rx_errors;
		sum->tx_errors += c->tx_errors;
	}
}
