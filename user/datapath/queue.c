/* SPDX-License-Identifier: GPL-2.0-only */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "include/ofxdp/action.h"
#include "include/ofxdp/queue.h"
#include "include/openflow/openflow.h"
#include "user/datapath/ethtool.h"
#include "user/datapath/port.h"
#include "user/datapath/qdisc.h"
#include "user/datapath/queue.h"
#include "user/openflow/error.h"
#include "user/util/cleanup.h"
#include "user/util/clock.h"
#include "user/util/hash.h"
#include "user/util/log.h"

#define EGRESS_HANDLE 1
#define EGRESS_PRIORITY 1

/* The kernel does not tell how old a class is. */
struct known {
	struct known_key {
		uint32_t ifindex, classid;
	} key;
	uint64_t since_ns; /* CLOCK_MONOTONIC, first seen */
	uint64_t packets, bytes;
	uint64_t drops; /* the kernel has 32 bits of them */
	bool there;	/* by the look that is running */
	UT_hash_handle hh;
};

struct dp_queues {
	struct nl watch;
	struct event *event;
	struct known *known;
	bool usable; /* ofx_egress is attached */
	bool changed[OFX_PORTS];
};

/* --- since when --- */

static struct known *find(struct dp_queues *q, struct known_key key)
{
	struct known *k;

	HASH_FIND(hh, q->known, &key, sizeof(key), k);
	return k;
}

static struct known *find_or_add(struct dp_queues *q, struct known_key key)
{
	struct known *k = find(q, key);

	if (k)
		return k;
	k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	k->key = key;
	k->since_ns = clock_ns();
	if (hash_add(q->known, key, k))
		return k;
	free(k);
	return NULL;
}

static void drop(struct dp_queues *q, struct known *k)
{
	HASH_DEL(q->known, k);
	free(k);
}

/* Those of the interface, of one qdisc (major) or, 0, of all; `absent`: only those not there. */
static void drop_all(struct dp_queues *q, uint32_t ifindex, uint32_t major, bool absent)
{
	struct known *k, *next;

	HASH_ITER (hh, q->known, k, next) {
		if (k->key.ifindex == ifindex && (!major || TC_H_MAJ(k->key.classid) == major) && !(absent && k->there))
			drop(q, k);
		else
			k->there = false;
	}
}

static bool has_wrapped(uint32_t before, uint32_t now)
{
	return before > UINT32_MAX / 4 * 3 && now < UINT32_MAX / 4;
}

/* Counters that go back are those of another class with that number: it begins anew, before its event is heard. */
static void keep_counters(struct known *k, struct qdisc_class *c)
{
	uint32_t before = k->drops, now = c->drops;

	if (c->packets < k->packets || c->bytes < k->bytes || (now < before && !has_wrapped(before, now))) {
		k->since_ns = clock_ns();
		k->drops = now;
	} else {
		k->drops += (uint32_t)(now - before);
	}
	k->packets = c->packets;
	k->bytes = c->bytes;
	c->drops = k->drops;
}

/* The port's leaf classes, an array that the caller frees; what is known of them is brought up to date. */
static int look(struct dp *dp, const struct port *port, struct qdisc_class **leaves, size_t *n)
{
	uint32_t ifindex = port->link.ifindex;
	struct dp_queues *q = dp->queues;
	int err = qdisc_leaves(&dp->ports->nl, ifindex, leaves, n);

	if (err)
		return err;
	for (size_t i = 0; i < *n; i++) {
		struct known *k = find_or_add(q, (struct known_key){ifindex, (*leaves)[i].classid});

		if (!k)
			continue;
		k->there = true;
		keep_counters(k, &(*leaves)[i]);
	}
	drop_all(q, ifindex, 0, true);
	return 0;
}

/* Where the data plane can't see the port's qdisc. */
static void tell_qdisc(struct dp *dp, const struct port *port, uint32_t handle)
{
	uint32_t index = port_index(dp->ports, port);

	if (!dp->skel->rodata->ofx_sees_carrier)
		bpf_map_update_elem(bpf_map__fd(dp->skel->maps.port_qdisc), &index, &handle, BPF_ANY);
}

void queues_look(struct dp *dp, const struct port *port)
{
	_free_ struct qdisc_class *leaves = NULL;
	size_t n;

	if (!dp->queues)
		return;
	if (!look(dp, port, &leaves, &n))
		tell_qdisc(dp, port, n ? TC_H_MAJ(leaves[0].classid) : 0);
}

void queues_forget(struct dp *dp, const struct port *port)
{
	if (dp->queues)
		drop_all(dp->queues, port->link.ifindex, 0, false);
}

/* --- what the controller asks --- */

/* In 1/10 % of the port's speed (kb/s); OF_QUEUE_NO_RATE if that is not known. */
static uint16_t share(uint64_t bytes_per_s, uint32_t speed)
{
	uint64_t kbps = bytes_per_s / 125;

	if (!bytes_per_s || !speed)
		return OF_QUEUE_NO_RATE;
	return kbps < speed ? (kbps * 1000 + speed / 2) / speed : 1000;
}

static struct of_queue describe(struct dp *dp, const struct port *port, const struct qdisc_class *class, uint32_t speed)
{
	const struct known *k = find(dp->queues, (struct known_key){port->link.ifindex, class->classid});
	uint64_t age = k ? clock_ns() - k->since_ns : 0;

	return (struct of_queue){
		.port_no = ofx_port_no(port_index(dp->ports, port)),
		.queue = TC_H_MIN(class->classid),
		.min_rate = share(class->rate, speed),
		.max_rate = share(class->ceil, speed),
		.tx_bytes = class->bytes,
		.tx_packets = class->packets,
		.tx_errors = class->drops,
		.duration_sec = age / 1000000000,
		.duration_nsec = age % 1000000000,
	};
}

int dp_queue_list(struct dp *dp, uint32_t port_no, struct of_queue **queues, size_t *n)
{
	uint32_t index = ofx_port_index(port_no);
	const struct port *port = index < OFX_PORTS ? &dp->ports->port[index] : NULL;
	_free_ struct qdisc_class *leaves = NULL;
	struct of_port speed = {0};
	int err;

	*queues = NULL;
	*n = 0;
	if (!port || !port->exists)
		return -ENOENT;
	if (!dp->queues->usable)
		return 0;
	err = look(dp, port, &leaves, n);
	if (err || !*n)
		return err;
	*queues = calloc(*n, sizeof(**queues));
	if (!*queues) {
		*n = 0;
		return -ENOMEM;
	}
	ethtool_describe(dp->ports->sock, port->link.ifindex, &speed);
	for (size_t i = 0; i < *n; i++)
		(*queues)[i] = describe(dp, port, &leaves[i], speed.curr_speed);
	return 0;
}

static bool port_has(struct dp *dp, const struct port *port, uint32_t queue)
{
	_free_ struct qdisc_class *leaves = NULL;
	size_t n;

	if (!port->exists || look(dp, port, &leaves, &n))
		return false;
	for (size_t i = 0; i < n; i++)
		if (TC_H_MIN(leaves[i].classid) == queue)
			return true;
	return false;
}

static bool queue_exists(struct dp *dp, uint32_t queue)
{
	if (!dp || !dp->queues || !dp->queues->usable || !queue || queue > OFX_QUEUE_MAX)
		return false;
	for (uint32_t i = 0; i < OFX_PORTS; i++)
		if (port_has(dp, &dp->ports->port[i], queue))
			return true;
	return false;
}

int queues_check(struct dp *dp, const struct ofx_op *ops, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ops[i].code == OFX_OP_SET_QUEUE && !queue_exists(dp, ops[i].arg))
			return OF_ERROR(OFPET_BAD_ACTION, OFPBAC_BAD_QUEUE);
	return 0;
}

/* --- ofx_egress --- */

static int attach(struct dp *dp, bool replace)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)dp->ports->veths.ends[OFX_DEV_BACK],
		    .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = EGRESS_HANDLE, .priority = EGRESS_PRIORITY,
		    .prog_fd = bpf_program__fd(dp->skel->progs.ofx_egress), .flags = replace ? BPF_TC_F_REPLACE : 0);
	int err = bpf_tc_hook_create(&hook);

	if (err && err != -EEXIST)
		return err;
	err = bpf_tc_attach(&hook, &opts);
	return err == -EEXIST && !replace ? 0 : err;
}

void queues_attach(struct dp *dp, bool replace)
{
	bool there = dp->ports->veths.ends[OFX_DEV_BACK]; /* or it is being made anew */
	int err = there ? attach(dp, replace) : -ENODEV;

	if (there && err && (dp->queues->usable || !replace))
		log_warn("cannot attach the tc filter of %s-q1: %s: no queues can be used", dp->name, strerror(-err));
	dp->queues->usable = !err;
}

/* --- watching --- */

static void on_change(void *aux, uint16_t type, uint32_t ifindex, uint32_t handle)
{
	struct dp *dp = aux;
	const struct port *port = port_find(dp->ports, ifindex);
	struct known *k;

	if (ifindex == dp->ports->veths.ends[OFX_DEV_BACK] && (type == RTM_DELQDISC || type == RTM_DELTFILTER))
		queues_attach(dp, true);
	if (!port)
		return;
	if (type == RTM_DELQDISC)
		drop_all(dp->queues, ifindex, handle, false);
	else if (type == RTM_DELTCLASS && (k = find(dp->queues, (struct known_key){ifindex, handle})))
		drop(dp->queues, k);
	dp->queues->changed[port_index(dp->ports, port)] = true;
}

static void on_watch(evutil_socket_t fd, short what, void *aux)
{
	struct dp *dp = aux;
	struct dp_queues *q = dp->queues;
	bool lost = qdisc_watch_read(&q->watch, on_change, dp);

	if (lost)
		queues_attach(dp, true);
	for (uint32_t i = 0; i < OFX_PORTS; i++) {
		if ((lost || q->changed[i]) && dp->ports->port[i].exists)
			queues_look(dp, &dp->ports->port[i]);
		q->changed[i] = false;
	}
}

int queues_open(struct dp *dp)
{
	struct dp_queues *q = calloc(1, sizeof(*q));
	int err;

	dp->queues = q;
	if (!q)
		return -ENOMEM;
	err = qdisc_watch_open(&q->watch);
	if (err) {
		log_error("cannot watch qdiscs: %s", strerror(-err));
		return err;
	}
	q->event = event_new(dp->base, link_watch_fd(&q->watch), EV_READ | EV_PERSIST, on_watch, dp);
	if (!q->event)
		return -ENOMEM;
	return event_add(q->event, NULL) ? -ENOMEM : 0;
}

void queues_close(struct dp *dp)
{
	struct dp_queues *q = dp->queues;
	struct known *k, *next;

	if (!q)
		return;
	if (q->event)
		event_free(q->event);
	nl_close(&q->watch);
	HASH_ITER (hh, q->known, k, next) {
		drop(q, k);
	}
	free(q);
	dp->queues = NULL;
}
