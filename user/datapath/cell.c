/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/cell.h"

void cell_port_add(const struct ofx_port_cells *c, struct port_totals *sum)
{
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
