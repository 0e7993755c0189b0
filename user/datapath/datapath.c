/* SPDX-License-Identifier: GPL-2.0-only */
/* Opening and closing: the parts in their order, and what is undone when one of them fails. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "user/datapath/former.h"
#include "user/datapath/group.h"
#include "user/datapath/identity.h"
#include "user/datapath/internal.h"
#include "user/datapath/load.h"
#include "user/datapath/netns.h"
#include "user/datapath/owner.h"
#include "user/datapath/pin.h"
#include "user/datapath/port.h"
#include "user/datapath/port_state.h"
#include "user/datapath/queue.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

static int check_name(const char *name)
{
	size_t n = name ? strlen(name) : 0;
	bool good = n >= 1 && n <= OFX_NAME_MAX;

	for (size_t i = 0; i < n && good; i++)
		good = isascii(name[i]) && (isalnum(name[i]) || name[i] == '_' || name[i] == '-');
	if (good)
		return 0;
	log_error("'%s' is no name for a switch: 1 to %d letters, digits, '-' or '_'", name ? name : "", OFX_NAME_MAX);
	return -EINVAL;
}

/* One switch is in one network namespace: interface indexes mean nothing in another. */
static int check_netns(struct dp *dp, const char *what)
{
	uint64_t there = pin_netns_get(dp), here = netns_cookie();
	char path[PATH_MAX];

	if (!there || there == here)
		return 0;
	if (!netns_find(there, path, sizeof(path))) {
		log_warn("the former daemon of switch %s was in another network namespace, which has no name (any "
			 "more): "
			 "only its pins are removed",
			 dp->name);
		pin_memory_drop(dp);
		return 0;
	}
	log_error("switch %s belongs to the network namespace %s: run `nsenter --net=%s ofxdpd -n %s %s`", dp->name,
		  path, path, dp->name, what);
	return -EXDEV;
}

static void disown(struct dp *dp)
{
	if (dp->owner_fd >= 0)
		close(dp->owner_fd);
	dp->owner_fd = -1;
}

static int take_folder(struct dp *dp, const struct dp_config *config, struct former *former)
{
	int err = pin_folder_take(dp, config->pin_root, true);

	/* Read first: a refusal below must not take a former daemon's switch for an empty folder. */
	if (!err)
		err = former_read(dp->pin_dir, dp->name, netns_cookie(), former);
	if (!err)
		err = check_netns(dp, "…");
	return err ? err : owner_take(dp->name, netns_cookie(), &dp->owner_fd);
}

/* Let each program say whose it is.  It does without: owner_take() has said what is lost then. */
static void identify(struct dp *dp)
{
	_close_ int map = identity_make(dp->name, netns_cookie());
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, dp->skel->obj)
	{
		if (map >= 0)
			identity_bind(bpf_program__fd(prog), map);
	}
}

/* What is new stays invisible to packets until ports_open(). */
static int load(struct dp *dp, const struct dp_config *config, const struct former *former)
{
	int err;

	dp->no_cache = config->no_cache;
	dp->max_probes = config->max_probes;
	err = load_open(dp, config->max_flows, netns_inode());
	if (!err)
		identify(dp);
	if (!err)
		err = grace_open(dp);
	if (!err)
		err = groups_open(dp);
	if (!err)
		err = tables_open(dp);
	if (!err)
		err = meters_open(dp);
	if (!err)
		err = pin_generation(dp, former->last + 1);
	if (!err)
		err = cpus_join(&dp->cpus);
	return err;
}

static int take_ports(struct dp *dp, const struct dp_config *config, const struct former *former)
{
	int err = pin_netns_set(dp, netns_cookie());

	if (!err)
		err = pin_entry(dp);
	if (!err)
		err = queues_open(dp);
	if (!err)
		err = ports_open(dp, config, former);
	if (!err)
		err = punt_open(dp);
	if (!err)
		err = cpus_watch(&dp->cpus, dp->base);
	if (!err && former->n_generations) {
		log_info("took over from a former daemon%s; its %llu flow rules were dropped",
			 former->n_unpinned ? ", whose pins had vanished" : "", (unsigned long long)former->rules);
		former_remove(dp->pin_dir, dp->generation);
	}
	return err;
}

static void close_parts(struct dp *dp)
{
	if (dp->punt)
		punt_close(dp);
	queues_close(dp);
	ports_close(dp);
	if (dp->tables)
		tables_close(dp);
	groups_close(dp);
	if (dp->grace)
		grace_close(dp);
	meters_close(dp);
	load_close(dp);
}

/* A failure before any port was touched: a former daemon's switch goes on as it was. */
static void leave_former(struct dp *dp, const struct former *former)
{
	char dir[PATH_MAX];

	close_parts(dp);
	if (!former->n_generations) {
		pin_folder_remove(dp);
		return;
	}
	if (*dp->generation) {
		snprintf(dir, sizeof(dir), "%s/%s", dp->pin_dir, dp->generation);
		pins_remove(dir);
	}
	pin_folder_leave(dp);
}

/* The pins stay with what could not be given back: they tell whose it is. */
static int abandon(struct dp *dp)
{
	int err = ports_abandon(dp->pin_dir, dp->name, netns_cookie());

	if (!err) {
		pin_folder_remove(dp);
		return 0;
	}
	log_error("not all interfaces are as they were: run `ofxdpd -n %s --cleanup`", dp->name);
	pin_folder_leave(dp);
	return err;
}

int dp_close(struct dp *dp)
{
	int err;

	if (!dp)
		return 0;
	veths_leave_local(dp);
	close_parts(dp);
	err = abandon(dp);
	disown(dp);
	free(dp);
	return err;
}

static int open_locked(struct dp *dp, const struct dp_config *config, struct former *former)
{
	int err = take_folder(dp, config, former);

	if (!err)
		err = ports_check(dp, config, former);
	if (!err)
		err = load(dp, config, former);
	return !err && config->ready ? config->ready(config->ready_aux) : err;
}

int dp_open(const struct dp_config *config, const struct dp_callbacks *cb, void *aux, struct event_base *base,
	    struct dp **out)
{
	struct former former = {0};
	struct dp *dp;
	int err = check_name(config->name);

	if (!err)
		err = load_check(true);
	if (err)
		return err;
	dp = calloc(1, sizeof(*dp));
	if (!dp)
		return -ENOMEM;
	dp->cb = *cb;
	dp->aux = aux;
	dp->base = base;
	dp->lock_fd = dp->owner_fd = -1;
	memcpy(dp->name, config->name, strlen(config->name));
	dp->dpid = config->dpid;
	state_path(dp->state_path, sizeof(dp->state_path), config->state_dir, dp->name);
	err = open_locked(dp, config, &former);
	if (err) {
		leave_former(dp, &former);
		disown(dp);
		former_free(&former);
		free(dp);
		return err;
	}
	err = take_ports(dp, config, &former);
	former_free(&former);
	if (err) {
		dp_close(dp);
		return err;
	}
	*out = dp;
	ports_announce(dp);
	return 0;
}

static bool anything_unpinned(struct dp *dp)
{
	struct former former;
	bool any;

	any = former_read(dp->pin_dir, dp->name, netns_cookie(), &former) || former.n;
	former_free(&former);
	return any;
}

int dp_cleanup(const char *name, const char *pin_root, const char *state_dir)
{
	struct dp dp = {.lock_fd = -1, .owner_fd = -1};
	int err = check_name(name);
	bool folder;

	if (!err)
		err = load_check(false);
	if (err)
		return err;
	memcpy(dp.name, name, strlen(name));
	state_path(dp.state_path, sizeof(dp.state_path), state_dir, name);
	err = pin_folder_take(&dp, pin_root, false);
	folder = !err;
	if (!err)
		err = check_netns(&dp, "--cleanup");
	if (!err || err == -ENOENT)
		err = owner_take(name, netns_cookie(), &dp.owner_fd);
	if (!err && (folder || anything_unpinned(&dp)))
		err = abandon(&dp);
	else if (!err)
		log_info("nothing is left of a switch named %s", name);
	if (!err)
		state_forget(dp.state_path);
	pin_folder_leave(&dp);
	disown(&dp);
	return err;
}

const char *dp_pin_path(const struct dp *dp)
{
	return dp->entry_pin;
}

int dp_set_config(struct dp *dp, uint64_t config)
{
	uint32_t zero = 0;

	return bpf_map_update_elem(bpf_map__fd(dp->skel->maps.config), &zero, &config, BPF_ANY) ? -errno : 0;
}

uint64_t dp_drop_count(struct dp *dp, enum ofx_drop reason)
{
	_free_ uint64_t *cells = calloc(dp->n_cpus, sizeof(*cells));
	uint32_t key = reason;
	uint64_t sum = 0;

	if (!cells || bpf_map_lookup_elem(bpf_map__fd(dp->skel->maps.drops), &key, cells))
		return 0;
	for (uint32_t i = 0; i < dp->n_cpus; i++)
		sum += cells[i];
	return sum;
}
