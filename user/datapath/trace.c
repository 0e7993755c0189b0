/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/trace.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "build/trace.skel.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

#define ALL -1

const struct tracer tracers[TRACERS] = {
	{"ofx_redirect_err", "redirect_err, punt_full"},
	{"ofx_devmap_xmit", "tx_drop"},
	{"ofx_exception", "exception"},
};

/* The maps are the switch's, but for the object's own constants, whose name no other has. */
static int share_maps(struct bpf_object *obj, const struct bpf_object *maps)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj)
	{
		const struct bpf_map *shared = bpf_object__find_map_by_name(maps, bpf_map__name(map));
		int err = shared ? bpf_map__reuse_fd(map, bpf_map__fd(shared)) : 0;

		if (err)
			return err;
	}
	return 0;
}

static uint32_t map_id(const struct bpf_map *map)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(bpf_map__fd(map), &info, &len) ? 0 : info.id;
}

/* All programs, or the one of that number.  NULL and errno: the kernel refuses. */
static struct trace_bpf *load(const struct bpf_object *maps, uint64_t netns, int which)
{
	struct trace_bpf *skel = trace_bpf__open();
	int err;

	if (!skel)
		return NULL;
	for (int i = 0; i < TRACERS; i++)
		bpf_program__set_autoload(*skel->skeleton->progs[i].prog, which == ALL || which == i);
	skel->rodata->ofx_netns = netns;
	skel->rodata->ofx_n_cpus = libbpf_num_possible_cpus();
	skel->rodata->ofx_tx_ports = map_id(bpf_object__find_map_by_name(maps, "tx_ports"));
	err = share_maps(skel->obj, maps);
	if (!err)
		err = trace_bpf__load(skel);
	if (!err)
		err = trace_bpf__attach(skel);
	if (!err)
		return skel;
	trace_bpf__destroy(skel);
	errno = -err;
	return NULL;
}

static void tell_lost(const struct tracer *lost[], const int errors[], int n)
{
	char programs[160] = "", counts[160] = "";

	for (int i = 0; i < n; i++) {
		size_t p = strlen(programs), c = strlen(counts);

		snprintf(programs + p, sizeof(programs) - p, "%s%s (%s)", i ? ", " : "", lost[i]->program,
			 strerror(errors[i]));
		snprintf(counts + c, sizeof(counts) - c, "%s%s", i ? ", " : "", lost[i]->counts);
	}
	if (n)
		log_warn("the kernel refuses the tracing programs %s: frames lost behind a redirect are not counted as "
			 "%s, "
			 "nor as tx_dropped of their port",
			 programs, counts);
}

void trace_open(struct trace *t, const struct bpf_object *maps, uint64_t netns)
{
	const struct tracer *lost[TRACERS];
	int errors[TRACERS], n = 0, n_lost = 0;

	t->skel[0] = load(maps, netns, ALL);
	if (t->skel[0])
		return;
	for (int i = 0; i < TRACERS; i++) {
		t->skel[n] = load(maps, netns, i);
		if (t->skel[n]) {
			n++;
			continue;
		}
		errors[n_lost] = errno;
		lost[n_lost++] = &tracers[i];
	}
	tell_lost(lost, errors, n_lost);
}

void trace_close(struct trace *t)
{
	for (int i = 0; i < TRACERS; i++) {
		trace_bpf__destroy(t->skel[i]);
		t->skel[i] = NULL;
	}
}

static int pin_program(const struct bpf_prog_skeleton *p, const char *dir)
{
	char path[PATH_MAX], link[PATH_MAX];
	int err;

	if (!*p->link)
		return 0;
	snprintf(path, sizeof(path), "%s/%s", dir, p->name);
	snprintf(link, sizeof(link), "%s/link_%s", dir, p->name);
	err = bpf_program__pin(*p->prog, path);
	return err ? err : bpf_link__pin(*p->link, link);
}

int trace_pin(const struct trace *t, const char *dir)
{
	int err = 0;

	for (int i = 0; i < TRACERS && t->skel[i] && !err; i++)
		for (int j = 0; j < TRACERS && !err; j++)
			err = pin_program(&t->skel[i]->skeleton->progs[j], dir);
	return err;
}

int trace_lost(const char *dir, const struct tracer *lost[TRACERS])
{
	char path[PATH_MAX];
	int n = 0;

	for (int i = 0; i < TRACERS; i++) {
		snprintf(path, sizeof(path), "%s/link_%s", dir, tracers[i].program);
		if (access(path, F_OK))
			lost[n++] = &tracers[i];
	}
	return n;
}
