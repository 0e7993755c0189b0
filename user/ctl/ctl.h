/* SPDX-License-Identifier: GPL-2.0-only */
/* ofxdpctl's commands.  Each prints a table and returns 0, or < 0 after one sentence on stderr. */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include "user/ctl/pins.h"

struct ctl_format {
	bool json;
	bool all; /* rows of zeros too */
};

int ctl_cache(const struct pins *pins, const struct ctl_format *format);
int ctl_drops(const struct pins *pins, const struct ctl_format *format);
int ctl_ports(const struct pins *pins, const struct ctl_format *format);
int ctl_groups(const struct pins *pins, const struct ctl_format *format);
int ctl_meters(const struct pins *pins, const struct ctl_format *format);
int ctl_tables(const struct pins *pins, const struct ctl_format *format);

#endif
