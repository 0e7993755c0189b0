/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The internal interfaces while the switch runs: whatever somebody does to them is put right, or packet-ins,
 * packet-outs and copies would vanish.  What is merely changed is changed back; a pair that lost an end is made anew.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "user/datapath/netns.h"
#include "user/datapath/port.h"
#include "user/datapath/queue.h"
#include "user/datapath/veth.h"
#include "user/util/clock.h"
#include "user/util/log.h"

/* Between two times that pairs are made anew: twice as long each time that it failed. */
#define RESTORE_MIN_NS 1000000000ull
#define RESTORE_MAX_NS 64000000000ull

static uint32_t dev_of(const struct dp_ports *p, uint32_t ifindex)
{
	for (uint32_t i = 0; i < OFX_DEV_N; i++)
		if (ifindex && p->veths.ends[i] == ifindex)
			return i;
	return OFX_DEV_N;
}

bool veths_internal(const struct dp_ports *p, uint32_t ifindex)
{
	return dev_of(p, ifindex) < OFX_DEV_N;
}

/* --- changed --- */

/* What was done to it, in words, or NULL. */
static const char *changed(const struct dp *dp, const struct link *link, enum ofx_dev dev)
{
	const struct dp_ports *p = dp->ports;
	char name[IFNAMSIZ];

	veths_name(name, dp, dev);
	if (!(link->flags & IFF_UP))
		return "taken down";
	if (link->xdp_drv != p->prog_id)
		return link->xdp_drv || link->xdp_skb ? "given another XDP program" : "detached";
	if (link->mtu != p->veths.mtu[dev])
		return "given another MTU";
	return strcmp(link->name, name) && !p->veths.renamed[dev] ? "renamed" : NULL;
}

static int attach_again(struct dp *dp)
{
	int err = veths_attach(dp, true);

	if (!err)
		queues_attach(dp, true);
	return err;
}

static int undo(struct dp *dp, const struct link *link, enum ofx_dev dev)
{
	struct dp_ports *p = dp->ports;
	char name[IFNAMSIZ];
	int err = veth_up(&p->nl, link);

	veths_name(name, dp, dev);
	if (!err && link->mtu != p->veths.mtu[dev])
		err = link_set_mtu(&p->nl, link->ifindex, p->veths.mtu[dev]);
	if (!err && link->xdp_drv != p->prog_id)
		err = attach_again(dp);
	if (!err && strcmp(link->name, name)) {
		err = veth_rename(&p->nl, link, name);
		p->veths.renamed[dev] = err; /* it goes by its ifindex, too: no reason to try each second */
	}
	return err;
}

static void tell(struct dp *dp, const char *name, const char *what, int err)
{
	if (err != -ENODEV && port_may_log(dp->ports, OFX_INDEX_NONE)) /* if it is gone, that is told */
		log_warn("%s, the switch's own, was %s: %s%s%s", name, what, err ? strerror(-err) : "mended",
			 err && *dp->ports->nl.said ? ": " : "", err ? dp->ports->nl.said : "");
}

void veths_mend(struct dp *dp, const struct link *link)
{
	struct dp_ports *p = dp->ports;
	enum ofx_dev dev = dev_of(p, link->ifindex);
	const char *what = changed(dp, link, dev);
	char name[IFNAMSIZ];
	int err;

	p->veths.seen |= 1u << dev;
	if (!what)
		return;
	veths_name(name, dp, dev);
	err = undo(dp, link, dev);
	tell(dp, name, what, err);
}

void veths_mend_local(struct dp *dp, const struct link *link)
{
	struct dp_ports *p = dp->ports;
	char name[IFNAMSIZ];
	/* With the host's side out of sight, it stands for LOCAL: a controller may have taken it down. */
	bool down = !(link->flags & IFF_UP) && p->host.ifindex, renamed;
	int err = 0;

	veth_name(name, dp->name, "-p");
	renamed = strcmp(link->name, name) && !p->veths.local_renamed;
	if (!down && !renamed)
		return;
	if (renamed)
		err = veth_rename(&p->nl, link, name);
	p->veths.local_renamed = err;
	if (!err)
		err = veth_up(&p->nl, link);
	tell(dp, name, down ? "taken down" : "renamed", err);
}

/* --- lost --- */

static void forget(struct dp *dp, enum ofx_dev dev)
{
	uint32_t *ifindex = &dp->ports->veths.ends[dev];

	if (!*ifindex)
		return;
	port_near_write(dp, *ifindex, 0);
	bpf_map_delete_elem(bpf_map__fd(dp->skel->maps.port_of_ifindex), ifindex);
	link_delete(&dp->ports->nl, *ifindex);
	*ifindex = 0;
}

struct lost {
	struct nl *nl;
	int32_t nsid;
	uint32_t ifindex;
};

static void delete_here(void *aux)
{
	const struct lost *l = aux;
	struct nl nl;

	if (nl_open(&nl))
		return;
	link_delete(&nl, l->ifindex);
	nl_close(&nl);
}

static bool delete_in(void *aux, int ns_fd)
{
	struct lost *l = aux;

	return link_nsid(l->nl, ns_fd) == l->nsid && netns_inside(ns_fd, delete_here, l);
}

/* It moved to another namespace, where it is of no use. */
static void delete_there(struct dp *dp, const struct link *was)
{
	struct lost lost = {&dp->ports->nl, was->moved_nsid, was->moved_ifindex};
	char path[PATH_MAX];

	netns_search(delete_in, &lost, path, sizeof(path));
}

bool veths_gone(struct dp *dp, const struct link *was)
{
	struct dp_ports *p = dp->ports;
	enum ofx_dev dev = dev_of(p, was->ifindex);
	const uint32_t pair = dev < OFX_DEV_N ? dev / 2u : PAIR_LOCAL;

	if (dev == OFX_DEV_N && (!was->ifindex || was->ifindex != p->veths.local))
		return false;
	if (dev < OFX_DEV_N) {
		forget(dp, dev);
		forget(dp, dev ^ 1);
	} else {
		link_delete(&p->nl, p->veths.host);
		p->veths.local = 0;
	}
	if (was->moved_nsid != -1)
		delete_there(dp, was);
	p->veths.lost |= 1u << pair;
	if (port_may_log(p, OFX_INDEX_NONE))
		log_warn("%s, the switch's own, was %s: its pair is made anew", was->name,
			 was->moved_nsid == -1 ? "deleted" : "moved to another network namespace");
	return true;
}

/* By the programs that are on them now, pairs are known as ours. */
static int make_again(struct dp *dp)
{
	struct dp_ports *p = dp->ports;
	struct former_program program = {p->prog_id, p->prog_fd};
	const struct former self = {.n = 1, .programs = &program};
	int err = veths_make(dp, &self);

	return err ? err : attach_again(dp);
}

/* Then it failed for that: it is lost, and will be made anew, too. */
static bool another_gone(struct dp_ports *p)
{
	for (uint32_t i = 0; i < OFX_DEV_N; i++)
		if (p->veths.ends[i] && link_is_gone(&p->nl, p->veths.ends[i]))
			return true;
	return p->veths.local && link_is_gone(&p->nl, p->veths.local);
}

static void restored(struct dp_ports *p, int err)
{
	struct veths *v = &p->veths;

	v->wait_ns = err && v->wait_ns ? 2 * v->wait_ns : RESTORE_MIN_NS;
	if (v->wait_ns > RESTORE_MAX_NS)
		v->wait_ns = RESTORE_MAX_NS;
	v->restore_ns = clock_ns() + v->wait_ns;
	if (err && another_gone(p))
		return;
	if (err) {
		log_error("cannot make the switch's own interfaces anew: %s; packet-ins, packet-outs or copies fail",
			  strerror(-err));
		return;
	}
	v->lost = 0;
	if (port_may_log(p, OFX_INDEX_NONE))
		log_info("the switch's own interfaces are all there again");
}

bool veths_may_restore(const struct dp *dp)
{
	const struct veths *v = &dp->ports->veths;

	return v->lost && clock_ns() >= v->restore_ns;
}

void veths_restore(struct dp *dp)
{
	struct dp_ports *p = dp->ports;
	uint32_t lost = p->veths.lost;
	int err = make_again(dp);

	if (!err && lost & 1u << PAIR_CTL)
		err = punt_reopen(dp);
	if (!err && lost & 1u << PAIR_LOOP)
		err = sets_loop(dp);
	if (!err && lost & 1u << PAIR_LOCAL)
		err = port_take_local(dp);
	restored(p, err);
}
