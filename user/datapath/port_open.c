/* SPDX-License-Identifier: GPL-2.0-only */
/* Taking interfaces when the daemon starts. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_link.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "user/datapath/ethtool.h"
#include "user/datapath/identity.h"
#include "user/datapath/netns.h"
#include "user/datapath/port.h"
#include "user/datapath/port_memory.h"
#include "user/datapath/port_state.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

/* --- before anything is changed --- */

static int check_number(const struct dp_config *config, size_t i)
{
	const struct dp_port_option *o = &config->ports[i];

	if (o->port_no >= OFX_PORTS) {
		log_error("port %s: port numbers are 1 to %u", o->ifname, OFX_PORTS - 1);
		return -EINVAL;
	}
	for (size_t j = 0; j < i; j++) {
		if (!strcmp(config->ports[j].ifname, o->ifname)) {
			log_error("port %s is given twice", o->ifname);
			return -EINVAL;
		}
		if (o->port_no && config->ports[j].port_no == o->port_no) {
			log_error("port number %u is given to both %s and %s", o->port_no, config->ports[j].ifname,
				  o->ifname);
			return -EINVAL;
		}
	}
	return 0;
}

/* Another XDP program than one of our former selves'? */
static int check_foreign(const struct link *link, const struct former *former)
{
	const struct {
		uint32_t id;
		const char *mode;
	} attached[] = {{link->xdp_drv, "xdp"}, {link->xdp_skb, "xdpgeneric"}, {link->xdp_hw, "xdpoffload"}};

	for (size_t i = 0; i < ARRAY_LEN(attached); i++)
		if (attached[i].id && former_fd(former, attached[i].id) < 0) {
			trap_foreign(link, attached[i].id, attached[i].mode);
			return -EBUSY;
		}
	return 0;
}

/* An interface may be given by other names too (`ip link property add … altname`): ifindexes tells those before. */
static int check_twice(const struct link *link, uint32_t *ifindexes, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (ifindexes[j] == link->ifindex) {
			log_error("port %s is given twice", link->name);
			return -EINVAL;
		}
	ifindexes[i] = link->ifindex;
	return 0;
}

static int check_port(struct dp *dp, const struct dp_config *config, size_t i, const struct former *former,
		      uint32_t *ifindexes, const struct link *links, size_t n)
{
	const struct dp_port_option *o = &config->ports[i];
	struct link link;
	int err = check_number(config, i);

	if (err)
		return err;
	if (veths_own(dp->name, o->ifname)) {
		log_error("port %s: the name is one of the switch's own interfaces", o->ifname);
		return -EINVAL;
	}
	err = link_get(&dp->ports->nl, 0, o->ifname, &link);
	if (err) {
		log_error("port %s: %s", o->ifname, err == -ENODEV ? "there is no such interface" : strerror(-err));
		return err;
	}
	err = check_twice(&link, ifindexes, i);
	if (!err)
		err = check_foreign(&link, former);
	if (!err && !link.xdp_drv && !link.xdp_skb)
		err = trap_refuse(dp, config, &link, links, n);
	return err;
}

int ports_list(struct nl *nl, struct link **links, size_t *n)
{
	int err = link_list(nl, links, n);

	if (err)
		log_error("cannot list interfaces: %s", strerror(-err));
	return err;
}

static int check_ports(struct dp *dp, const struct dp_config *config, const struct former *former)
{
	_free_ uint32_t *ifindexes = calloc(config->n_ports + 1, sizeof(*ifindexes));
	_free_ struct link *links = NULL;
	size_t n = 0;
	int err = ifindexes ? ports_list(&dp->ports->nl, &links, &n) : -ENOMEM;

	for (size_t i = 0; i < config->n_ports && !err; i++)
		err = check_port(dp, config, i, former, ifindexes, links, n);
	if (!err && config->n_ports >= OFX_FLOOD_PORTS) {
		log_error("%zu ports are given: a switch has at most %u", config->n_ports, OFX_FLOOD_PORTS - 1);
		err = -ENOSPC;
	}
	return err;
}

int ports_check(struct dp *dp, const struct dp_config *config, const struct former *former)
{
	struct dp_ports *p = calloc(1, sizeof(*p));
	int err;

	dp->ports = p;
	if (!p)
		return -ENOMEM;
	p->memory = -1;
	p->sock = ethtool_open();
	err = p->sock < 0 ? p->sock : nl_open(&p->nl);
	if (err)
		log_error("cannot open a netlink socket: %s", strerror(-err));
	else
		ethtool_check(p->sock);
	if (!err)
		err = veths_check(dp, !config->no_local, former);
	return err ? err : check_ports(dp, config, former);
}

/* --- taking --- */

/* Attach ofx_port in place of `expected_fd` (-1: nothing), native if it can be.  *generic tells what became of it. */
static int attach(struct dp *dp, const struct link *link, int expected_fd, bool was_generic, bool *generic)
{
	struct dp_ports *p = dp->ports;
	int err;

	*generic = was_generic;
	if (expected_fd >= 0)
		return link_set_xdp(&p->nl, link->ifindex, p->prog_fd,
				    was_generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE, expected_fd);
	err = link_set_xdp(&p->nl, link->ifindex, p->prog_fd, XDP_FLAGS_DRV_MODE, -1);
	if (err) {
		char said[sizeof(p->nl.said)];
		int native = err;

		memcpy(said, p->nl.said, sizeof(said));
		err = link_set_xdp(&p->nl, link->ifindex, p->prog_fd, XDP_FLAGS_SKB_MODE, -1);
		*generic = true;
		if (!err)
			trap_generic(link, said, native);
	}
	return err;
}

/* A port by the daemon's own doing: number it, publish it, attach.  `former`: what may be attached there. */
static int port_take(struct dp *dp, struct link *link, uint32_t index, const struct former *former)
{
	struct dp_ports *p = dp->ports;
	int native = former_fd(former, link->xdp_drv), skb = former_fd(former, link->xdp_skb);
	bool generic = native < 0 && skb >= 0;
	int err = check_foreign(link, former);

	if (!err)
		err = port_join(dp, link, index, generic);
	if (err == -ENODEV)
		log_error("port %s: the interface was deleted just now", link->name);
	if (err)
		return err;
	err = attach(dp, link, generic ? skb : native, generic, &generic);
	if (!err && generic != p->port[index].generic)
		err = port_prepare(&p->nl, p->sock, p->memory, &p->port[index].link, index, true);
	if (!err)
		err = port_set_mode(dp, &p->port[index], generic);
	if (err) {
		log_error("port %s: cannot attach XDP: %s%s%s", link->name, strerror(-err), *p->nl.said ? ": " : "",
			  p->nl.said);
		port_leave(dp, &p->port[index], link);
		return err;
	}
	if (index != OFX_INDEX_LOCAL)
		port_welcome(dp, &p->port[index]);
	return 0;
}

/* Configured ports with a number first, so that none of the others gets it. */
static int take_configured(struct dp *dp, const struct dp_config *config, const struct former *former, bool numbered)
{
	struct dp_ports *p = dp->ports;

	for (size_t i = 0; i < config->n_ports; i++) {
		const struct dp_port_option *o = &config->ports[i];
		struct link link;
		uint32_t index;
		int err;

		if (numbered != !!o->port_no)
			continue;
		err = link_get(&p->nl, 0, o->ifname, &link);
		if (err) {
			log_error("port %s: %s", o->ifname, strerror(-err));
			return err;
		}
		index = port_choose_number(p, link.name, o->port_no);
		if (!index) {
			log_error("port %s: no port number is free", o->ifname);
			return -ENOSPC;
		}
		err = port_take(dp, &link, index, former);
		if (err)
			return err;
	}
	return 0;
}

/* Ports of a former daemon that are not configured now; and what it could not give back to those that left meanwhile.
 */
static int take_found(struct dp *dp, const struct former *former, struct link *links, size_t n)
{
	struct dp_ports *p = dp->ports;
	struct port_memory m;
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		struct link *l = &links[i];
		uint32_t index;

		if (veths_own(dp->name, l->name) || port_find(p, l->ifindex))
			continue;
		if (former_fd(former, l->xdp_drv) >= 0 || former_fd(former, l->xdp_skb) >= 0) {
			index = port_choose_number(p, l->name, 0);
			err = index ? port_take(dp, l, index, former) : -ENOSPC;
		} else if (memory_get(p->memory, l->name, &m) && m.attached) {
			port_restore(&p->nl, p->sock, p->memory, l);
		}
	}
	return err;
}

/* What else a former daemon left. */
static int take_rest(struct dp *dp, const struct former *former)
{
	struct dp_ports *p = dp->ports;
	_free_ struct link *links = NULL;
	size_t n = 0;
	int err = ports_list(&p->nl, &links, &n);

	if (!err)
		err = take_found(dp, former, links, n);
	/* Last: until its port is swapped, a packet in a former pipeline may still take the internal interfaces. */
	if (!err)
		err = veths_attach(dp, true);
	return err ? err : relays_sweep(&p->nl, dp->name, p, links, n);
}

static int take_local(struct dp *dp, const struct former *former)
{
	struct dp_ports *p = dp->ports;
	struct link link;
	int err;

	if (!p->veths.local)
		return 0;
	err = link_get(&p->nl, p->veths.local, NULL, &link);
	return err ? err : port_take(dp, &link, OFX_INDEX_LOCAL, former);
}

int port_take_local(struct dp *dp)
{
	const struct former nobody = {0};
	struct port *port = &dp->ports->port[OFX_INDEX_LOCAL];
	int err = port->exists ? 0 : take_local(dp, &nobody);

	if (!err && port->exists)
		port_welcome(dp, port);
	return err;
}

/* Sets for the ports that are configured, by the numbers they will probably get. */
static int open_sets(struct dp *dp, const struct dp_config *config)
{
	struct dp_ports *p = dp->ports;
	_free_ uint32_t *first = calloc(config->n_ports + 1, sizeof(*first));
	struct port_memory m;

	for (size_t i = 0; first && i < config->n_ports; i++) {
		first[i] = config->ports[i].port_no;
		if (!first[i] && memory_get(p->memory, config->ports[i].ifname, &m) && m.port_no < OFX_PORTS)
			first[i] = m.port_no;
		else if (!first[i])
			first[i] = i + 1;
	}
	return first ? sets_open(dp, first, config->n_ports) : -ENOMEM;
}

static uint32_t program_id(int fd)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

int ports_open(struct dp *dp, const struct dp_config *config, const struct former *former)
{
	struct dp_ports *p = dp->ports;
	int err;

	p->with_local = !config->no_local;
	p->prog_fd = bpf_program__fd(dp->skel->progs.ofx_port);
	p->prog_id = program_id(p->prog_fd);
	p->relay_id = program_id(bpf_program__fd(dp->skel->progs.ofx_relay));
	p->memory = memory_open(dp->pin_dir, former->memory_id, true);
	if (p->memory >= 0)
		state_load(p->memory, dp->state_path);
	identity_bind(p->prog_fd, p->memory); /* so that it outlives its pin */
	err = p->memory < 0 ? p->memory : open_sets(dp, config);
	if (!err)
		err = veths_make(dp, former);
	if (!err)
		err = veths_attach(dp, !former->n_generations);
	if (!err)
		err = sets_provide(dp, OFX_INDEX_NONE, config->n_ports + 1);
	if (!err)
		err = take_local(dp, former);
	if (!err)
		err = take_configured(dp, config, former, true);
	if (!err)
		err = take_configured(dp, config, former, false);
	if (!err && former->n_generations)
		err = take_rest(dp, former);
	return err ? err : ports_watch(dp);
}
