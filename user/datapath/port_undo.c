/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A start that failed: interfaces become what they were before it, whatever of it was done.  So nothing is kept of the
 * steps: what there is now is compared with the list and the memory from before.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "user/datapath/port.h"
#include "user/datapath/port_memory.h"
#include "user/datapath/veth.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

const struct link *port_before(const struct dp_ports *p, uint32_t ifindex)
{
	for (size_t i = 0; i < p->n_before; i++)
		if (p->before[i].ifindex == ifindex)
			return &p->before[i];
	return NULL;
}

/* The fd of the program of ours with that id, or -1. */
static int own_fd(struct dp *dp, uint32_t id)
{
	const struct dp_ports *p = dp->ports;

	if (id && id == p->relay_id)
		return bpf_program__fd(dp->skel->progs.ofx_relay);
	return id && id == p->prog_id ? p->prog_fd : -1;
}

/* The former program in its mode in place of ours; none, if there was none. */
static int program_back(struct dp *dp, const struct link *now, const struct link *was, const struct former *former)
{
	struct nl *nl = &dp->ports->nl;
	const int native = own_fd(dp, now->xdp_drv), skb = own_fd(dp, now->xdp_skb), ours = native >= 0 ? native : skb;
	const uint32_t mode = native >= 0 ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
	const int was_native = was ? former_fd(former, was->xdp_drv) : -1;
	const int theirs = was && was_native < 0 ? former_fd(former, was->xdp_skb) : was_native;
	const uint32_t was_mode = was_native >= 0 ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
	int err;

	if (ours < 0)
		return 0;
	if (theirs >= 0 && mode == was_mode)
		return link_set_xdp(nl, now->ifindex, theirs, mode, ours);
	err = link_set_xdp(nl, now->ifindex, -1, mode, ours);
	return err || theirs < 0 ? err : link_set_xdp(nl, now->ifindex, theirs, was_mode, LINK_XDP_NONE);
}

static int flags_back(struct dp_ports *p, const struct link *now, const struct link *was)
{
	struct port_memory m;

	if (!((now->flags ^ was->flags) & IFF_PROMISC) || !memory_get(p->memory, now->name, &m) || !m.attached)
		return 0;
	return link_set_flags(&p->nl, now->ifindex, was->flags & IFF_PROMISC, IFF_PROMISC);
}

static int link_back(struct dp *dp, const struct link *now, const struct former *former)
{
	struct dp_ports *p = dp->ports;
	const struct link *was = port_before(p, now->ifindex);
	int err = program_back(dp, now, was, former);

	if (!err && was)
		err = flags_back(p, now, was);
	if (!err || err == -ENODEV)
		return 0;
	log_error("port %s: cannot give it back what it had before: %s%s%s", now->name, strerror(-err),
		  *p->nl.said ? ": " : "", p->nl.said);
	return err;
}

/* The switch's own that were not there. */
static int delete_new(struct dp *dp, const struct link *links, size_t n)
{
	struct dp_ports *p = dp->ports;
	int err = 0;

	for (size_t i = 0; i < n; i++)
		if (veths_own(dp->name, links[i].name) && !port_before(p, links[i].ifindex) &&
		    !strcmp(links[i].kind, "veth") && veth_discard(&p->nl, &links[i]))
			err = -EIO;
	return err;
}

static int links_back(struct dp *dp, const struct former *former)
{
	_free_ struct link *links = NULL;
	size_t n = 0;
	int err = ports_list(&dp->ports->nl, &links, &n);

	for (size_t i = 0; i < n; i++)
		if (link_back(dp, &links[i], former))
			err = -EIO;
	return delete_new(dp, links, n) ? -EIO : err;
}

int ports_undo(struct dp *dp, const struct former *former)
{
	struct dp_ports *p = dp->ports;
	int err;

	if (!p || !p->prog_id)
		return 0; /* nothing was changed yet */
	free(take_ptr(p->reserve));
	err = links_back(dp, former);
	p->numbered = false; /* numbers of a switch that never was are not for the file */
	if (p->remembered.entries && memory_back(p->memory, &p->remembered, &p->nl, p->sock))
		err = -EIO;
	return err;
}
