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

static int locate(struct dp *dp)
{
	dp->netns = netns_cookie();
	if (dp->netns)
		return 0;
	log_error("cannot find out in which network namespace this is: %s", strerror(errno));
	return -EIO;
}

/* One switch is in one network namespace: interface indexes mean nothing in another. */
static int check_netns(struct dp *dp, const char *what)
{
	int err = pin_netns_get(dp, &dp->netns_before);
	const uint64_t there = dp->netns_before;
	char path[PATH_MAX];

	if (err)
		log_error("cannot read %s/netns: %s", dp->pin_dir, strerror(-err));
	if (err || !there || there == dp->netns)
		return err;
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
	int err = locate(dp);

	if (!err)
		err = pin_folder_take(dp, config->pin_root, true);

	if (!err)
		err = former_read(dp->pin_dir, dp->name, dp->netns, former);
	dp->knows_former = !err;
	if (!err)
		err = check_netns(dp, "…");
	return err ? err : owner_take(dp->name, dp->netns, &dp->owner_fd);
}

/* Let each program say whose it is.  It does without: owner_take() has said what is lost then. */
static void identify(struct dp *dp)
{
	_close_ int map = identity_make(dp->name, dp->netns);
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, dp->skel->obj)
	{
		if (map >= 0)
			identity_bind(bpf_program__fd(prog), map);
	}
}

/* What is new stays invisible to packets until interfaces have its programs. */
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

/* The pins stay with what could not be given back: they tell whose it is. */
static int abandon(struct dp *dp)
{
	int err = ports_abandon(dp->pin_dir, dp->name, dp->netns);

	if (!err)
		return pin_folder_remove(dp);
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

/* All that can fail, but for the swapping of programs; a former daemon's switch goes on as it was. */
static int prepare(struct dp *dp, const struct dp_config *config, struct former *former)
{
	int err = take_folder(dp, config, former);

	if (!err)
		err = ports_check(dp, config, former);
	if (!err)
		err = load(dp, config, former);
	if (!err && config->ready)
		err = config->ready(config->ready_aux);
	if (!err)
		err = queues_open(dp);
	if (!err)
		err = pin_netns_set(dp, dp->netns);
	if (!err)
		err = ports_make(dp, former);
	if (!err)
		err = punt_open(dp);
	/* Now for what the kernel does by and by, in threads, while all that was made: packets may come. */
	if (!err)
		err = cpus_join(&dp->cpus);
	if (!err)
		err = cpus_watch(&dp->cpus, dp->base);
	return err ? err : ports_join(dp, former);
}

/* With the entry link, the last step that can fail, the new switch is the one. */
static int take(struct dp *dp, const struct former *former)
{
	int err = ports_take(dp, former);

	return err ? err : pin_entry(dp);
}

static void settle(struct dp *dp, const struct former *former)
{
	ports_settle(dp, former);
	if (!former->n_generations)
		return;
	log_info("took over from a former daemon%s; its %llu flow rules were dropped",
		 former->n_unpinned ? ", whose pins had vanished" : "", (unsigned long long)former->rules);
	former_remove(dp->pin_dir, dp->generation);
}

/* The pins that were there stay; ours too, if an interface could not be given back: they tell whose it is. */
static void remove_pins(struct dp *dp, const struct former *former, int undone)
{
	char dir[PATH_MAX];

	if (undone)
		log_error("not all interfaces are as they were: run `ofxdpd -n %s --cleanup`", dp->name);
	if (!undone && dp->knows_former && !former->n_generations) {
		pin_folder_remove(dp);
		return;
	}
	if (!undone && *dp->generation) {
		snprintf(dir, sizeof(dir), "%s/%s", dp->pin_dir, dp->generation);
		pins_remove(dir);
	}
	pin_folder_leave(dp);
}

/* The start has failed: all is as it was before, and a former daemon's pipeline forwards. */
static void undo(struct dp *dp, const struct former *former)
{
	const int undone = ports_undo(dp, former);

	close_parts(dp);
	if (dp->netns_before)
		pin_netns_set(dp, dp->netns_before);
	remove_pins(dp, former, undone);
}

int dp_check(void)
{
	return load_check(true);
}

int dp_open(const struct dp_config *config, const struct dp_callbacks *cb, void *aux, struct event_base *base,
	    struct dp **out)
{
	struct former former = {0};
	struct dp *dp;
	int err = check_name(config->name);

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
	err = prepare(dp, config, &former);
	if (!err)
		err = take(dp, &former);
	if (err) {
		undo(dp, &former);
		disown(dp);
		free(dp);
	} else {
		settle(dp, &former);
		*out = dp;
		ports_announce(dp);
	}
	former_free(&former);
	return err;
}

/* 1 or 0, or a negative errno. */
static int anything_unpinned(struct dp *dp)
{
	struct former former;
	int err = former_read(dp->pin_dir, dp->name, dp->netns, &former), any = former.n > 0;

	former_free(&former);
	return err ? err : any;
}

static int clean(struct dp *dp, const char *pin_root)
{
	int err = locate(dp), left = 1;

	if (!err)
		err = pin_folder_take(dp, pin_root, false);
	if (err && err != -ENOENT)
		return err;
	if (err == -ENOENT)
		left = anything_unpinned(dp);
	else
		err = check_netns(dp, "--cleanup");
	if (left < 0 || (err && err != -ENOENT))
		return left < 0 ? left : err;
	err = owner_take(dp->name, dp->netns, &dp->owner_fd);
	if (!err && left)
		return abandon(dp);
	if (!err)
		log_info("nothing is left of a switch named %s", dp->name);
	return err;
}

int dp_cleanup(const char *name, const char *pin_root, const char *state_dir)
{
	struct dp dp = {.lock_fd = -1, .owner_fd = -1};
	int err = check_name(name);

	if (!err)
		err = load_check(false);
	if (err)
		return err;
	memcpy(dp.name, name, strlen(name));
	state_path(dp.state_path, sizeof(dp.state_path), state_dir, name);
	err = clean(&dp, pin_root);
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
