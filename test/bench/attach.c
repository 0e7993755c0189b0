/* SPDX-License-Identifier: GPL-2.0-only */
#include "test/bench/attach.h"
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void die(const char *what)
{
	fprintf(stderr, "benchgen: %s: %s\n", what, strerror(errno));
	exit(1);
}

int ifindex_of(const char *name)
{
	int i = if_nametoindex(name);

	if (!i)
		die(name);
	return i;
}

void attach(const struct bpf_program *prog, int ifindex)
{
	if (bpf_xdp_attach(ifindex, bpf_program__fd(prog), XDP_FLAGS_DRV_MODE, NULL))
		die("attach");
}
