/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The switch's own veth pairs.  They outlive the daemon, so those of a former one are kept.
 *
 *   NAME    ── NAME-p    LOCAL: the host's interface, and the port's (ofx_port)
 *   NAME-c0 ── NAME-c1   ctl: packet-outs and packet-ins (the AF_XDP sockets are on c1)
 *   NAME-l0 ── NAME-l1   loop: what a packet with several outputs does next
 *   NAME-q0 ── NAME-q1   queues: frames on their way to a port's qdisc; ofx_egress
 *   NAME-gNN ── NAME-hNN (port_relay.c), one for each port in generic mode
 *
 * ofx_port is on all of them but the last, as on ports: one program costs the verifier once, and the kernel waits for a
 * grace period where the first interface gets a program, not where the others get the same.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "user/datapath/ethtool.h"
#include "user/datapath/port.h"
#include "user/datapath/queue.h"
#include "user/datapath/veth.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

#define MTU_MAX 3506 /* what native XDP on a veth takes with 4 KiB pages: room for headers in front of whole frames */
#define MTU_MIN 1600
#define MTU_STEP 64

/* By enum pair. */
static const char *const suffixes[PAIRS][2] = {{"-c0", "-c1"}, {"-l0", "-l1"}, {"-q0", "-q1"}, {"-p", ""}};

bool veths_own(const char *name, const char *ifname)
{
	char own[IFNAMSIZ];

	for (uint32_t i = 0; i < PAIRS; i++)
		for (uint32_t end = 0; end < 2; end++) {
			veth_name(own, name, suffixes[i][end]);
			if (!strcmp(own, ifname))
				return true;
		}
	return relay_own(name, ifname);
}

void veths_name(char ifname[IFNAMSIZ], const struct dp *dp, enum ofx_dev dev)
{
	veth_name(ifname, dp->name, suffixes[dev / 2][dev % 2]);
}

static struct veth veth_of(const char *name, const char *suffix_a, const char *suffix_b)
{
	struct veth v = {.roams = !*suffix_b};

	veth_name(v.a_name, name, suffix_a);
	veth_name(v.b_name, name, suffix_b);
	return v;
}

/* A queue for each CPU, but no more than `most`. */
static uint32_t queues_for(const struct dp *dp, uint32_t most)
{
	const uint32_t n_cpus = cpus_count(&dp->cpus);

	return n_cpus < most ? n_cpus : most;
}

int veths_pair(struct dp *dp, const char *suffix_a, const char *suffix_b, uint32_t most, const struct former *former,
	       struct link *a, struct link *b)
{
	struct veth v = veth_of(dp->name, suffix_a, suffix_b);
	struct nl *nl = &dp->ports->nl;
	int err = veth_make(nl, &v, queues_for(dp, most), most, former);

	if (err)
		return err;
	veth_no_ipv6(nl, &v.a);
	veth_no_ipv6(nl, &v.b);
	*a = v.a;
	*b = v.b;
	err = veth_up(nl, a);
	return err ? err : veth_up(nl, b);
}

/* --- LOCAL --- */

/*
 * Frames redirected into the pair arrive at the host only where it has GRO on.  Its own frames must be whole: no tag
 * beside the frame, no checksum left to hardware.
 */
static void prepare_host(struct dp *dp, const struct link *host)
{
	static const char *const on[] = {"rx-gro"};
	static const char *const off[] = {"tx-checksum-ip-generic", "tx-checksum-sctp", "tx-vlan-hw-insert",
					  "tx-vlan-stag-hw-insert"};
	int sock = dp->ports->sock;

	if (ethtool_set_features(sock, host->ifindex, on, ARRAY_LEN(on), 1, true) ||
	    ethtool_set_features(sock, host->ifindex, off, ARRAY_LEN(off), (1u << ARRAY_LEN(off)) - 1, false))
		log_warn("cannot prepare %s: run `ethtool -K %s gro on tx off txvlan off`", host->name, host->name);
}

/*
 * The same after each restart, for what knows the host by it: leases, neighbours, network managers.  FNV-1a over the
 * datapath id, the name and `salt`, made an address of local administration.
 */
static void local_mac(const struct dp *dp, uint8_t salt, uint8_t mac[6])
{
	uint8_t text[sizeof(dp->dpid) + sizeof(dp->name) + 1] = {0};
	uint64_t hash = 0xcbf29ce484222325ull;

	memcpy(text, &dp->dpid, sizeof(dp->dpid));
	memcpy(text + sizeof(dp->dpid), dp->name, sizeof(dp->name));
	text[sizeof(text) - 1] = salt;
	for (size_t i = 0; i < sizeof(text); i++)
		hash = (hash ^ text[i]) * 0x100000001b3ull;
	memcpy(mac, &hash, 6);
	mac[0] = (mac[0] & ~1) | 2;
}

static int local_make(struct dp *dp, const struct former *former)
{
	struct veth v = veth_of(dp->name, suffixes[PAIR_LOCAL][0], suffixes[PAIR_LOCAL][1]);
	struct dp_ports *p = dp->ports;
	int err;

	local_mac(dp, 0, v.a_mac);
	local_mac(dp, 1, v.b_mac);
	err = veth_make(&p->nl, &v, queues_for(dp, VETH_QUEUES), VETH_QUEUES, former);
	if (err)
		return err;
	p->host = v.b;
	p->veths.local = v.a.ifindex;
	p->veths.host = v.b.ifindex;
	veth_no_ipv6(&p->nl, &v.a);
	if (v.b.ifindex)
		prepare_host(dp, &p->host);
	return veth_up(&p->nl, &v.a);
}

/* --- all --- */

/* By the ifindex of what is received there: the other end of what it is sent to. */
static int write_inner(struct dp *dp, enum ofx_dev dev)
{
	uint32_t ifindex = dp->ports->veths.ends[dev ^ 1], index = OFX_PORTS + dev;

	if (bpf_map_update_elem(bpf_map__fd(dp->skel->maps.port_of_ifindex), &ifindex, &index, BPF_ANY))
		return -errno;
	port_near_write(dp, ifindex, ofx_near_port(index, OFX_PORT_INNER));
	return 0;
}

static int write_maps(struct dp *dp)
{
	const uint32_t *ends = dp->ports->veths.ends;
	int fd = bpf_map__fd(dp->skel->maps.internal), fork_fd = bpf_map__fd(dp->skel->maps.fork_set), err = 0;

	for (uint32_t i = 0; i < OFX_DEV_N; i++)
		if (bpf_map_update_elem(fd, &i, &ends[i], BPF_ANY))
			return -errno;
	for (uint32_t i = OFX_DEV_CONTINUE; i <= OFX_DEV_BRANCH; i++)
		if (bpf_map_update_elem(fork_fd, &i, &ends[i], BPF_ANY))
			return -errno;
	for (uint32_t i = 0; i < OFX_DEV_N && !err; i++)
		err = write_inner(dp, i);
	return err;
}

int veths_check(struct dp *dp, bool local, const struct former *former)
{
	for (uint32_t i = 0; i < (local ? PAIRS : PAIR_LOCAL); i++) {
		struct veth v = veth_of(dp->name, suffixes[i][0], suffixes[i][1]);
		int err = veth_find(&dp->ports->nl, &v, former);

		if (err == -EEXIST)
			veth_log_foreign(&v);
		if (err && err != -ENODEV)
			return err;
	}
	return 0;
}

/* A pair that is known goes by its ifindexes, whatever its names and programs have become. */
int veths_make(struct dp *dp, const struct former *former)
{
	struct veths *v = &dp->ports->veths;
	uint32_t *ends = v->ends;
	int err = 0;

	for (uint32_t i = 0; i < PAIR_LOCAL && !err; i++) {
		struct link a, b;

		if (ends[2 * i] && ends[2 * i + 1])
			continue;
		err = veths_pair(dp, suffixes[i][0], suffixes[i][1], i == PAIR_CTL ? OFX_PUNT_QUEUES : VETH_QUEUES,
				 former, &a, &b);
		if (err)
			break;
		ends[2 * i] = a.ifindex;
		ends[2 * i + 1] = b.ifindex;
	}
	/* Frames pass the stack's entrance there, and none may be merged. */
	if (!err)
		err = link_set_gro_max(&dp->ports->nl, ends[OFX_DEV_BACK], 0);
	if (!err)
		err = write_maps(dp);
	return !err && dp->ports->with_local && !v->local ? local_make(dp, former) : err;
}

/* Attach at the highest MTU that native XDP takes on this kernel: each end is limited by its peer's. */
static int attach_first(struct nl *nl, uint32_t ifindex, uint32_t peer, int fd)
{
	int err = -ERANGE;

	for (uint32_t mtu = MTU_MAX; mtu >= MTU_MIN && err == -ERANGE; mtu -= MTU_STEP) {
		err = link_set_mtu(nl, ifindex, mtu);
		if (!err)
			err = link_set_mtu(nl, peer, mtu);
		if (!err || err == -EINVAL)
			err = link_set_xdp(nl, ifindex, fd, XDP_FLAGS_DRV_MODE, LINK_XDP_NONE);
	}
	return err;
}

/* Put our program in place of what is there: a former daemon's, or somebody else's, who has no business there. */
static int replace(struct nl *nl, const struct link *link, int fd)
{
	int err;

	if (link->xdp_drv)
		return link_set_xdp(nl, link->ifindex, fd, XDP_FLAGS_DRV_MODE, LINK_XDP_ANY);
	err = link_set_xdp(nl, link->ifindex, -1, XDP_FLAGS_SKB_MODE, LINK_XDP_ANY);
	return err ? err : link_set_xdp(nl, link->ifindex, fd, XDP_FLAGS_DRV_MODE, LINK_XDP_NONE);
}

static int attach_end(struct dp *dp, enum ofx_dev dev, bool others)
{
	struct dp_ports *p = dp->ports;
	uint32_t ifindex = p->veths.ends[dev];
	struct link link;
	int err = link_get(&p->nl, ifindex, NULL, &link);

	if (!err && !link.xdp_drv && !link.xdp_skb)
		err = attach_first(&p->nl, ifindex, p->veths.ends[dev ^ 1], p->prog_fd);
	else if (!err && others && link.xdp_drv != p->prog_id)
		err = replace(&p->nl, &link, p->prog_fd);
	if (err && err != -ENODEV) /* it was deleted just now: there will be another */
		log_error("cannot attach XDP to %s: %s%s%s", link.name, strerror(-err), *p->nl.said ? ": " : "",
			  p->nl.said);
	return err;
}

/* Tell BPF the longest frame that all ends take: as the kernel has it, MTU, Ethernet header and a tag. */
static int write_max(struct dp *dp)
{
	struct dp_ports *p = dp->ports;
	uint32_t zero = 0, max = UINT32_MAX;
	struct link link;

	for (size_t i = 0; i < OFX_DEV_N; i++) {
		int err;

		if (!p->veths.ends[i])
			continue;
		err = link_get(&p->nl, p->veths.ends[i], NULL, &link);
		if (err)
			return err;
		p->veths.mtu[i] = link.mtu;
		if (link.mtu + 18 < max)
			max = link.mtu + 18;
	}
	return bpf_map_update_elem(bpf_map__fd(dp->skel->maps.internal_max), &zero, &max, BPF_ANY) ? -errno : 0;
}

int veths_attach(struct dp *dp, bool others)
{
	int err = 0;

	for (uint32_t dev = 0; dev < OFX_DEV_N && !err; dev++)
		if (dp->ports->veths.ends[dev]) /* or it is being made anew */
			err = attach_end(dp, dev, others);
	return err ? err : write_max(dp);
}

void veths_leave_local(struct dp *dp)
{
	if (dp->ports && dp->ports->veths.local)
		link_delete(&dp->ports->nl, dp->ports->veths.local);
}

/* Only what is surely ours: a switch may have been refused because somebody else has one of the names. */
static int pair_delete(struct nl *nl, const char *name, enum pair pair, const struct former *former)
{
	struct veth v = veth_of(name, suffixes[pair][0], suffixes[pair][1]);
	int found = veth_find(nl, &v, former);

	if (found == -EEXIST)
		return 0;
	if (!found || found == -ENODEV)
		return veth_discard(nl, v.a.ifindex ? &v.a : &v.b);
	log_error("cannot look for %s and %s: %s", v.a_name, v.b_name, strerror(-found));
	return found;
}

int veths_delete(struct nl *nl, const char *name, const struct former *former)
{
	int err = 0;

	for (uint32_t i = 0; i < PAIRS; i++)
		if (pair_delete(nl, name, i, former))
			err = -EIO;
	return err;
}

int veths_delete_local(struct nl *nl, const char *name, const struct former *former)
{
	return pair_delete(nl, name, PAIR_LOCAL, former);
}
