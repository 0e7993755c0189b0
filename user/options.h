/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line of ofxdpd. */
#ifndef USER_OPTIONS_H
#define USER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "user/control/control.h"
#include "user/datapath/datapath.h"

#define OPTIONS_PORTS 1023 /* port numbers 1-1023 */
#define OPTIONS_CONTROLLERS 16
#define OPTIONS_LISTENERS 16

struct options {
	char name[OFX_NAME_MAX + 1];
	uint64_t dpid; /* 0: not given */
	const char *pin_root, *state_dir;
	uint32_t max_flows, max_probes;
	size_t max_unsent; /* bytes */
	bool force, no_local, no_cache, cleanup;
	size_t n_ports, n_controllers, n_listeners;
	struct dp_port_option ports[OPTIONS_PORTS];
	struct control_target controllers[OPTIONS_CONTROLLERS];
	const char *listeners[OPTIONS_LISTENERS];
};

enum options_result {
	OPTIONS_RUN,
	OPTIONS_DONE,  /* help or version was printed: exit 0 */
	OPTIONS_WRONG, /* one sentence was logged: exit 2 */
};

/* Sets log_level too.  Strings point into argv. */
enum options_result options_parse(int argc, char **argv, struct options *options);

/*
 * The datapath id of a switch that was given none: FNV-1a (64 bits) over the machine id of /etc/machine-id (without it:
 * the host name), a colon and the switch's name.  The same after every restart, another on every machine; never 0.
 */
uint64_t options_default_dpid(const char *name);

#endif
