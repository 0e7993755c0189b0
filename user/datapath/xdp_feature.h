/* SPDX-License-Identifier: GPL-2.0-only */
/* What a driver can do with XDP, as the kernel tells it from Linux 6.3 on (generic netlink, family "netdev"). */
#ifndef DATAPATH_XDP_FEATURE_H
#define DATAPATH_XDP_FEATURE_H

#include <stdbool.h>
#include <stdint.h>

/* Does the kernel tell? */
bool xdp_feature_told(void);
/* Surely takes no frames from XDP (ndo_xdp_xmit)?  False: it does, or nothing is known. */
bool xdp_feature_takes_none(uint32_t ifindex);

#endif
