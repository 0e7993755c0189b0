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
#include <fcntl.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "user/datapath/ethtool.h"
#include "user/datapath/port.h"
#include "user/datapath/queue.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

#define MTU_MAX 3506 /* what native XDP on a veth takes with 4 KiB pages: room for headers in front of whole frames */
#define MTU_MIN 1600
#define MTU_STEP 64

static const char *const suffixes[] = {"", "-p", "-c0", "-c1", "-l0", "-l1", "-q0", "-q1"};

static void own_name(char ifname[IFNAMSIZ], const char *name, const char *suffix)
{
	snprintf(ifname, IFNAMSIZ, "%.*s%s", OFX_NAME_MAX, name, suffix);
}

bool veths_own(const char *name, const char *ifname)
{
	char own[IFNAMSIZ];

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		own_name(own, name, suffixes[i]);
		if (!strcmp(own, ifname))
			return true;
	}
	return relay_own(name, ifname);
}

/* No addresses and no neighbour discovery of its own: frames there are the switch's. */
static void no_ipv6(const char *ifname)
{
	_close_ int fd = -1;
	char path[96];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", ifname);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1", 1) != 1)
		log_debug("%s: %s", path, strerror(errno));
}

static int foreign_name(const char *ifname)
{
	log_error(
		"the interface %s exists and is not this switch's: delete it (`ip link del %s`) or choose another name "
		"with -n",
		ifname, ifname);
	return -EEXIST;
}

/* A port of a former daemon whose other end is in another namespace: LOCAL may be a container's. */
static bool roams(const struct link *a, const struct former *former)
{
	return a->peer_nsid != -1 && (former_fd(former, a->xdp_drv) >= 0 || former_fd(former, a->xdp_skb) >= 0);
}

/*
 * The pair {a, b}.  `b` may be in another namespace if `former` is given (b->ifindex 0 then).  -ENODEV: neither is
 * there; -EEXIST: somebody else has a name, told.
 */
static int pair_find(struct nl *nl, const char *a_name, const char *b_name, const struct former *former, struct link *a,
		     struct link *b)
{
	int err_a = link_get(nl, 0, a_name, a), err_b = link_get(nl, 0, b_name, b);

	if (!err_a && strcmp(a->kind, "veth"))
		return foreign_name(a_name);
	if (!err_a && former && roams(a, former)) {
		memset(b, 0, sizeof(*b));
		return 0;
	}
	if (!err_a != !err_b || (!err_a && a->peer != b->ifindex))
		return foreign_name(err_b ? a_name : b_name);
	return err_a ? -ENODEV : 0;
}

/*
 * The same, found or made: with a queue for each CPU, but no more than `most`.  One that is found may have fewer, which
 * CPUs then share.
 */
static int pair_make(struct dp *dp, const char *a_name, const char *b_name, uint32_t most, const struct former *former,
		     struct link *a, struct link *b)
{
	const uint32_t n_cpus = cpus_count(&dp->cpus), n_queues = n_cpus < most ? n_cpus : most;
	struct nl *nl = &dp->ports->nl;
	int err = pair_find(nl, a_name, b_name, former, a, b);

	if (err && err != -ENODEV)
		return err;
	if (!err && (!b->ifindex || (a->n_rx_queues <= most && b->n_rx_queues <= most)))
		return 0;
	if (!err)
		link_delete(nl, a->ifindex);
	err = link_add_veth(nl, (const struct link_end[]){{a_name, NULL}, {b_name, NULL}}, n_queues);
	if (!err)
		err = link_get(nl, 0, a_name, a);
	if (!err)
		err = link_get(nl, 0, b_name, b);
	if (err)
		log_error("cannot make the veth pair %s, %s: %s%s%s", a_name, b_name, strerror(-err),
			  *nl->said ? ": " : "", nl->said);
	return err;
}

int veths_pair(struct dp *dp, const char *suffix_a, const char *suffix_b, uint32_t most, struct link *a, struct link *b)
{
	struct nl *nl = &dp->ports->nl;
	char a_name[IFNAMSIZ], b_name[IFNAMSIZ];
	int err;

	own_name(a_name, dp->name, suffix_a);
	own_name(b_name, dp->name, suffix_b);
	err = pair_make(dp, a_name, b_name, most, NULL, a, b);
	if (err)
		return err;
	no_ipv6(a_name);
	no_ipv6(b_name);
	err = link_set_flags(nl, a->ifindex, IFF_UP | IFF_NOARP, IFF_UP | IFF_NOARP);
	return err ? err : link_set_flags(nl, b->ifindex, IFF_UP | IFF_NOARP, IFF_UP | IFF_NOARP);
}

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

static int local_make(struct dp *dp, const struct former *former)
{
	struct dp_ports *p = dp->ports;
	char port_name[IFNAMSIZ];
	struct link port;
	int err;

	own_name(port_name, dp->name, "-p");
	err = pair_make(dp, port_name, dp->name, VETH_QUEUES, former, &port, &p->host);
	if (err)
		return err;
	no_ipv6(port_name);
	if (p->host.ifindex)
		prepare_host(dp, &p->host);
	err = link_set_flags(&p->nl, port.ifindex, IFF_UP | IFF_NOARP, IFF_UP | IFF_NOARP);
	p->veths.local = port.ifindex;
	p->veths.host = p->host.ifindex;
	return err;
}

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

static const char *const pairs[][2] = {{"-c0", "-c1"}, {"-l0", "-l1"}, {"-q0", "-q1"}, {"-p", ""}};

int veths_check(struct dp *dp, bool local, const struct former *former)
{
	char a_name[IFNAMSIZ], b_name[IFNAMSIZ];
	struct link a, b;

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		bool is_local = !*pairs[i][1];

		own_name(a_name, dp->name, pairs[i][0]);
		own_name(b_name, dp->name, pairs[i][1]);
		if ((local || !is_local) &&
		    pair_find(&dp->ports->nl, a_name, b_name, is_local ? former : NULL, &a, &b) == -EEXIST)
			return -EEXIST;
	}
	return 0;
}

int veths_make(struct dp *dp, bool local, const struct former *former)
{
	uint32_t *ends = dp->ports->veths.ends;
	struct link c0, c1, l0, l1, q0, q1;
	int err = veths_pair(dp, "-c0", "-c1", OFX_PUNT_QUEUES, &c0, &c1);

	if (!err)
		err = veths_pair(dp, "-l0", "-l1", VETH_QUEUES, &l0, &l1);
	if (!err)
		err = veths_pair(dp, "-q0", "-q1", VETH_QUEUES, &q0, &q1);
	/* Frames pass the stack's entrance there, and none may be merged. */
	if (!err)
		err = link_set_gro_max(&dp->ports->nl, q1.ifindex, 0);
	if (err)
		return err;
	ends[OFX_DEV_PUNT] = c0.ifindex;
	ends[OFX_DEV_INJECT] = c1.ifindex;
	ends[OFX_DEV_CONTINUE] = l0.ifindex;
	ends[OFX_DEV_BRANCH] = l1.ifindex;
	ends[OFX_DEV_QUEUE] = q0.ifindex;
	ends[OFX_DEV_BACK] = q1.ifindex;
	err = write_maps(dp);
	return !err && local ? local_make(dp, former) : err;
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
			err = link_set_xdp(nl, ifindex, fd, XDP_FLAGS_DRV_MODE, -1);
	}
	return err;
}

static int attach_end(struct dp *dp, enum ofx_dev dev, const struct former *former)
{
	struct dp_ports *p = dp->ports;
	uint32_t ifindex = p->veths.ends[dev];
	struct link link;
	int err = link_get(&p->nl, ifindex, NULL, &link);

	if (!err && !link.xdp_drv)
		err = attach_first(&p->nl, ifindex, p->veths.ends[dev ^ 1], p->prog_fd);
	else if (!err && former && link.xdp_drv != p->prog_id)
		err = link_set_xdp(&p->nl, ifindex, p->prog_fd, XDP_FLAGS_DRV_MODE, former_fd(former, link.xdp_drv));
	if (err)
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
		int err = link_get(&p->nl, p->veths.ends[i], NULL, &link);

		if (err)
			return err;
		if (link.mtu + 18 < max)
			max = link.mtu + 18;
	}
	p->veths.max_frame = max;
	return bpf_map_update_elem(bpf_map__fd(dp->skel->maps.internal_max), &zero, &max, BPF_ANY) ? -errno : 0;
}

int veths_attach(struct dp *dp, const struct former *former)
{
	int err = 0;

	for (uint32_t dev = 0; dev < OFX_DEV_N && !err; dev++)
		err = attach_end(dp, dev, former);
	if (!err)
		queues_attach(dp, former);
	return err ? err : write_max(dp);
}

bool veths_internal(const struct dp_ports *p, uint32_t ifindex)
{
	for (size_t i = 0; i < OFX_DEV_N; i++)
		if (p->veths.ends[i] == ifindex)
			return true;
	return false;
}

void veths_mend(struct dp *dp, const struct link *link)
{
	int err = 0;

	if (link->mtu + 18 < dp->ports->veths.max_frame)
		write_max(dp);
	if (link->flags & IFF_UP && link->xdp_drv)
		return;
	if (!(link->flags & IFF_UP))
		err = link_set_flags(&dp->ports->nl, link->ifindex, IFF_UP, IFF_UP);
	if (!err && !link->xdp_drv)
		err = veths_attach(dp, NULL);
	log_warn("%s, the switch's own, was taken down or detached: %s", link->name, err ? strerror(-err) : "mended");
}

int veths_discard(struct nl *nl, const struct link *link)
{
	int err = link_delete(nl, link->ifindex);

	if (!err || err == -ENODEV)
		return 0;
	log_error("cannot delete the interface %s: %s%s%s; run `ip link del %s`", link->name, strerror(-err),
		  *nl->said ? ": " : "", nl->said, link->name);
	return err;
}

/* Only what is surely ours: a switch may have been refused because somebody else has one of the names. */
int veths_delete(struct nl *nl, const char *name, const struct former *former)
{
	char a_name[IFNAMSIZ], b_name[IFNAMSIZ];
	struct link a, b;
	int err = 0;

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		own_name(a_name, name, pairs[i][0]);
		own_name(b_name, name, pairs[i][1]);
		if (link_get(nl, 0, a_name, &a) || strcmp(a.kind, "veth"))
			continue;
		if ((roams(&a, former) || (!link_get(nl, 0, b_name, &b) && a.peer_nsid == -1 && a.peer == b.ifindex)) &&
		    veths_discard(nl, &a))
			err = -EIO;
	}
	return err;
}
