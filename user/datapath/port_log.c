/* SPDX-License-Identifier: GPL-2.0-only */
/* Lines about ports: what an operator wants to know, without a link that flaps filling the log. */
#include <stdio.h>
#include "user/datapath/port.h"
#include "user/util/clock.h"
#include "user/util/log.h"

#define WINDOW_S 10
#define WINDOW_NS (WINDOW_S * 1000000000ull)
#define PORT_LINES 4  /* in a window about one port, */
#define ALL_LINES 40  /* … about all */
#define FLUSH_LINES 4 /* in a second, about those left out */

static bool may(struct line_limit *l, uint64_t now, uint32_t max)
{
	if (now - l->since_ns >= WINDOW_NS) {
		l->since_ns = now;
		l->n = 0;
	}
	if (l->n == max) {
		l->left_out++;
		return false;
	}
	l->n++;
	return true;
}

bool port_may_log(struct dp_ports *p, uint32_t index)
{
	uint64_t now = clock_ns();

	return !p->announced || (may(&p->lines[index], now, PORT_LINES) && may(&p->all_lines, now, ALL_LINES));
}

const char *port_title(char title[PORT_TITLE_SIZE], uint32_t index)
{
	if (index == OFX_INDEX_LOCAL)
		snprintf(title, PORT_TITLE_SIZE, "port LOCAL");
	else if (index == OFX_INDEX_NONE)
		snprintf(title, PORT_TITLE_SIZE, "the switch's own interfaces");
	else
		snprintf(title, PORT_TITLE_SIZE, "port %u", index);
	return title;
}

const char *port_state(const struct dp_ports *p, const struct port *port)
{
	const struct link *link = port_outer_link(p, port);

	if (!port->exists)
		return "gone";
	if (!(link->flags & IFF_UP))
		return "down (switched off)";
	return link->carrier ? "up" : "down (no carrier)";
}

static bool due(const struct line_limit *l, uint64_t now)
{
	return l->left_out && now - l->since_ns >= WINDOW_NS;
}

void port_log_flush(struct dp_ports *p)
{
	uint64_t now = clock_ns();
	char title[PORT_TITLE_SIZE];
	uint32_t n = 0;

	for (uint32_t i = 0; i <= OFX_PORTS && n < FLUSH_LINES; i++) {
		struct line_limit *l = &p->lines[i];

		if (!due(l, now))
			continue;
		log_info("%s: %u more changes were left out here%s%s", port_title(title, i), l->left_out,
			 i < OFX_PORTS ? "; now it is " : "", i < OFX_PORTS ? port_state(p, &p->port[i]) : "");
		l->left_out = 0;
		n++;
	}
	if (!due(&p->all_lines, now))
		return;
	log_info("%u more changes of ports were left out here", p->all_lines.left_out);
	p->all_lines.left_out = 0;
}
