/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ethtool's view of an interface: offload features by name (`ethtool -k` prints them) and link settings.  `sock` is any
 * socket of the network namespace that the interface is in; ifindex is its number there.
 */
#ifndef DATAPATH_ETHTOOL_H
#define DATAPATH_ETHTOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct of_port;

/* A socket for the calls below, in the namespace the process is in; or a negative errno. */
int ethtool_open(void);
/* Says what is lost, where the kernel refuses them all. */
void ethtool_check(int sock);
/*
 * Bit i: feature names[i] is on.  n <= 32.  0 also where the interface, the device or the
 * kernel does not know it.
 */
uint32_t ethtool_features(int sock, uint32_t ifindex, const char *const *names, size_t n);
/* Switch the features whose bit is set on or off.  Those the driver cannot change stay: 0 even so. */
int ethtool_set_features(int sock, uint32_t ifindex, const char *const *names, size_t n, uint32_t which, bool on);
/* Fill curr, advertised, supported, peer (OFPPF_*), curr_speed and max_speed (kb/s); zeros where nothing is known. */
void ethtool_describe(int sock, uint32_t ifindex, struct of_port *port);

#endif
