/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames to a port in generic mode, or whose driver has native XDP but takes no frames from it (ndo_xdp_xmit; a veth
 * whose peer has neither GRO nor XDP, too): a redirect fails there, a broadcast even silently.  So such a port has a
 * veth pair of its own: frames are redirected to NAME-gNN and arrive at NAME-hNN as socket buffers, where ofx_relay, in
 * generic mode too, gives them to any driver.
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
#include "user/datapath/veth.h"
#include "user/datapath/xdp_feature.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

#define RELAY_MTU 65535
#define DIGITS "0123456789abcdefghijklmnopqrstuv" /* base 32: an interface name has room for two */

_Static_assert(OFX_PORTS <= 32 * 32, "two digits");

static void suffix(char text[8], char end, uint32_t index)
{
	snprintf(text, 8, "-%c%c%c", end, DIGITS[index / 32 % 32], DIGITS[index % 32]);
}

bool relay_own(const char *name, const char *ifname)
{
	size_t n = strlen(name);

	return !strncmp(ifname, name, n) && ifname[n] == '-' && (ifname[n + 1] == 'g' || ifname[n + 1] == 'h') &&
	       strspn(ifname + n + 2, DIGITS) == 2 && !ifname[n + 4];
}

bool relay_needed(struct dp *dp, const struct port *port)
{
	uint32_t data[16] = {port_index(dp->ports, port)};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data, .data_size_in = sizeof(data), .repeat = 1);

	if (port->generic)
		return true;
	if (!dp->skel->rodata->ofx_sees_carrier ||
	    bpf_prog_test_run_opts(bpf_program__fd(dp->skel->progs.ofx_probe), &opts))
		return xdp_feature_takes_none(port->link.ifindex);
	return opts.retval == XDP_DROP;
}

static int map_end(struct dp *dp, uint32_t ifindex, uint32_t index)
{
	int fd = bpf_map__fd(dp->skel->maps.port_of_ifindex);

	return bpf_map_update_elem(fd, &ifindex, &index, BPF_ANY) ? -errno : 0;
}

int relay_make(struct dp *dp, struct port *port)
{
	static const char *const gro[] = {"rx-gro"};
	const struct former nobody = {0};
	struct dp_ports *p = dp->ports;
	uint32_t index = port_index(p, port);
	char in_suffix[8], out_suffix[8];
	struct link in, out;
	int err;

	suffix(in_suffix, 'g', index);
	suffix(out_suffix, 'h', index);
	err = veths_pair(dp, in_suffix, out_suffix, VETH_QUEUES, &nobody, &in, &out);
	if (!err)
		err = link_set_mtu(&p->nl, in.ifindex, RELAY_MTU);
	if (!err)
		err = link_set_mtu(&p->nl, out.ifindex, RELAY_MTU);
	/* A veth takes redirected frames only where its peer has GRO on; no frame may be merged there, though. */
	if (!err)
		err = link_set_gro_max(&p->nl, out.ifindex, 0);
	if (err)
		return err;
	err = ethtool_set_features(p->sock, out.ifindex, gro, ARRAY_LEN(gro), 1, true);
	if (err && port_may_log(p, index))
		log_warn("port %s: cannot switch on GRO of its relay %s: %s: frames to the port are lost",
			 port->link.name, out.name, strerror(-err));
	port->relay_in = in.ifindex;
	port->relay_out = out.ifindex;
	err = map_end(dp, in.ifindex, index);
	return err ? err : map_end(dp, out.ifindex, index);
}

int relay_attach(struct dp *dp, const struct port *port)
{
	struct dp_ports *p = dp->ports;
	int fd = bpf_program__fd(dp->skel->progs.ofx_relay);

	return link_set_xdp(&p->nl, port->relay_out, fd, XDP_FLAGS_SKB_MODE, LINK_XDP_ANY);
}

void relay_delete(struct dp *dp, struct port *port)
{
	int fd = bpf_map__fd(dp->skel->maps.port_of_ifindex);

	if (!port->relay_in)
		return;
	bpf_map_delete_elem(fd, &port->relay_in);
	bpf_map_delete_elem(fd, &port->relay_out);
	/* One that was there before this start may still be in use; ports_settle() removes what is not. */
	if (!port_before(dp->ports, port->relay_in))
		link_delete(&dp->ports->nl, port->relay_in);
	port->relay_in = 0;
	port->relay_out = 0;
}

static bool end_sound(struct dp *dp, uint32_t ifindex, uint32_t peer, char end, uint32_t index)
{
	char name[IFNAMSIZ], ending[8];
	struct link link;

	suffix(ending, end, index);
	veth_name(name, dp->name, ending);
	if (link_get(&dp->ports->nl, ifindex, NULL, &link) || !(link.flags & IFF_UP) || link.xdp_drv)
		return false;
	return link.peer == peer && link.peer_nsid == -1 && link.mtu == RELAY_MTU && !strcmp(link.name, name) &&
	       (end == 'g' ? !link.xdp_skb : link.xdp_skb == dp->ports->relay_id);
}

bool relay_sound(struct dp *dp, const struct port *port)
{
	uint32_t index = port_index(dp->ports, port);

	return end_sound(dp, port->relay_in, port->relay_out, 'g', index) &&
	       end_sound(dp, port->relay_out, port->relay_in, 'h', index);
}

static bool in_use(const struct dp_ports *p, uint32_t ifindex)
{
	for (uint32_t i = 0; p && i < OFX_PORTS; i++)
		if (p->port[i].exists && p->port[i].relay_in == ifindex)
			return true;
	return false;
}

/* Is that end of a pair ours, by name and peer?  1 or 0, or a negative errno. */
static int is_ours(struct nl *nl, const char *name, const struct link *in)
{
	struct link out;
	int err;

	if (!relay_own(name, in->name) || in->name[strlen(name) + 1] != 'g' || strcmp(in->kind, "veth"))
		return 0;
	err = link_get(nl, in->peer, NULL, &out);
	if (err)
		return err == -ENODEV ? 0 : err;
	return relay_own(name, out.name) && out.peer == in->ifindex;
}

static int sweep(struct nl *nl, const char *name, const struct link *in)
{
	int ours = is_ours(nl, name, in);

	if (ours < 0)
		log_error("cannot look at the other end of %s: %s", in->name, strerror(-ours));
	return ours > 0 ? veth_discard(nl, in) : ours;
}

int relays_sweep(struct nl *nl, const char *name, const struct dp_ports *keep, const struct link *links, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n; i++)
		if (!in_use(keep, links[i].ifindex) && sweep(nl, name, &links[i]))
			err = -EIO;
	return err;
}
