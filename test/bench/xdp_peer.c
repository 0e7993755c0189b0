/* SPDX-License-Identifier: GPL-2.0-only */
#include "test/bench/xdp_peer.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "test/bench/attach.h"
#include "build/xdp_peer.skel.h"

static struct xdp_peer_bpf *skel;
static struct bpf_map *map; /* where the keys are */
static __u32 leaves_by;	    /* ifindex: the value of all */

/* Only this one is loaded. */
static struct bpf_program *choose(const char *name)
{
	struct bpf_program *prog, *found = NULL;
	char full[32];

	snprintf(full, sizeof(full), "xdp_%s", name);
	bpf_object__for_each_program(prog, skel->obj)
	{
		bool this = !strcmp(bpf_program__name(prog), full);

		bpf_program__set_autoload(prog, this);
		found = this ? prog : found;
	}
	return found;
}

static void put(const struct bpf_map *to, const void *key)
{
	if (bpf_map__update_elem(to, key, bpf_map__key_size(to), &leaves_by, sizeof(leaves_by), BPF_ANY))
		die(bpf_map__name(to));
}

void xdp_peer_start(const char *name, unsigned int n, const char *in, const char *out)
{
	const __u32 from = ifindex_of(in);
	struct bpf_program *prog;

	leaves_by = ifindex_of(out);
	skel = xdp_peer_bpf__open();
	if (!skel)
		die("open");
	prog = choose(name);
	map = bpf_object__find_map_by_name(skel->obj, name);
	errno = ENOENT;
	if (!prog || !map)
		die(name);
	bpf_map__set_max_entries(map, map == skel->maps.port ? from + 1 : n);
	bpf_map__set_max_entries(skel->maps.devices, leaves_by + 1);
	if (xdp_peer_bpf__load(skel))
		die("load");
	put(skel->maps.devices, &leaves_by);
	attach(prog, from);
}

void xdp_peer_add(const char *path)
{
	FILE *f = map ? fopen(path, "re") : NULL;
	char key[32];

	if (!f)
		die(path);
	while (fread(key, bpf_map__key_size(map), 1, f) == 1)
		put(map, key);
	fclose(f);
}

void xdp_peer_end(void)
{
	xdp_peer_bpf__destroy(skel);
}
