/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/cell.h"
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/util/cleanup.h"

static bool add_up(const struct ofx_port_cells *c, uint32_t n_cpus, struct port_totals *sum)
{
	struct ofx_counter rx, tx;

	memset(sum, 0, sizeof(*sum));
	for (uint32_t i = 0; i < n_cpus; i++, c++) {
		if (!cell_decode(c->rx.high, c->rx.low, &rx) || !cell_decode(c->tx.high, c->tx.low, &tx))
			return false;
		sum->rx_packets += rx.packets;
		sum->rx_bytes += rx.bytes;
		sum->tx_packets += tx.packets;
		sum->tx_bytes += tx.bytes;
		sum->rx_dropped += c->rx_dropped;
		sum->tx_dropped += c->tx_dropped;
		sum->rx_errors += c->rx_errors;
		sum->tx_errors += c->tx_errors;
	}
	return true;
}

int cell_port_totals(int map, uint32_t index, uint32_t n_cpus, struct port_totals *sum)
{
	_free_ struct ofx_port_cells *cells = calloc(n_cpus, sizeof(*cells));

	memset(sum, 0, sizeof(*sum));
	if (!cells)
		return -ENOMEM;
	for (int i = 0; i < CELL_TRIES; i++) {
		if (bpf_map_lookup_elem(map, &index, cells))
			return -errno;
		if (add_up(cells, n_cpus, sum))
			return 0;
	}
	return -EAGAIN;
}
