/* SPDX-License-Identifier: GPL-2.0-only */
/* What a start does before anything of a former daemon is touched: looking, and making what is ours. */
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
#include "user/datapath/queue.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

#define UNDO_BYTES (1 << 20) /* two lists of interfaces, and the memory of ports */

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
int port_foreign(const struct link *link, const struct former *former)
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

/* An interface may be given by other names too (`ip link property add … altname`). */
static int check_twice(const struct dp_ports *p, const struct link *link)
{
	if (!wanted_has(&p->wanted, link->ifindex))
		return 0;
	log_error("port %s is given twice", link->name);
	return -EINVAL;
}

/* One that is not there will be a port when it appears. */
static int find_port(struct dp *dp, const char *name, struct link *link)
{
	int err = link_get(&dp->ports->nl, 0, name, link);

	if (err == -ENODEV)
		log_warn("port %s: there is no such interface yet; it will be a port when it appears", name);
	else if (err)
		log_error("port %s: %s", name, strerror(-err));
	return err;
}

static int check_port(struct dp *dp, const struct dp_config *config, size_t i, const struct former *former)
{
	const struct dp_port_option *o = &config->ports[i];
	struct dp_ports *p = dp->ports;
	struct link link;
	int err = check_number(config, i);

	if (err)
		return err;
	if (veths_own(dp->name, o->ifname)) {
		log_error("port %s: the name is one of the switch's own interfaces", o->ifname);
		return -EINVAL;
	}
	err = find_port(dp, o->ifname, &link);
	if (err)
		return err == -ENODEV ? 0 : err;
	err = check_twice(p, &link);
	if (!err)
		err = port_foreign(&link, former);
	if (!err && !link.xdp_drv && !link.xdp_skb)
		err = trap_refuse(dp, config, &link, p->before, p->n_before);
	if (!err)
		wanted_met(&p->wanted, &p->wanted.port[i], link.ifindex);
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
	int err = 0;

	if (config->n_ports >= OFX_FLOOD_PORTS) {
		log_error("%zu ports are given: a switch has at most %u", config->n_ports, OFX_FLOOD_PORTS - 1);
		return -ENOSPC;
	}
	for (size_t i = 0; i < config->n_ports && !err; i++)
		err = check_port(dp, config, i, former);
	return err;
}

/* What is asked for when a port appears later. */
static int keep_config(struct dp_ports *p, const struct dp_config *config)
{
	const size_t size = config->n_controllers * sizeof(*config->controllers);
	struct sockaddr_storage *controllers = malloc(size + 1);

	p->reserve = malloc(UNDO_BYTES);
	if (!controllers || !p->reserve) {
		free(controllers);
		return -ENOMEM;
	}
	if (size)
		memcpy(controllers, config->controllers, size);
	p->config = (struct dp_config){
		.force = config->force, .n_controllers = config->n_controllers, .controllers = controllers};
	p->with_local = !config->no_local;
	return wanted_open(&p->wanted, config->ports, config->n_ports);
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
		err = keep_config(p, config);
	if (!err)
		err = ports_list(&p->nl, &p->before, &p->n_before);
	if (!err)
		err = veths_check(dp, p->with_local, former);
	return err ? err : check_ports(dp, config, former);
}

/* --- making --- */

/* Sets for the ports that are configured, by the numbers they will probably get. */
static int open_sets(struct dp *dp)
{
	struct dp_ports *p = dp->ports;
	_free_ uint32_t *first = calloc(p->wanted.n + 1, sizeof(*first));
	struct port_memory m;

	for (size_t i = 0; first && i < p->wanted.n; i++) {
		first[i] = p->wanted.port[i].port_no;
		if (!first[i] && memory_get(p->memory, p->wanted.port[i].name, &m) && m.port_no < OFX_PORTS)
			first[i] = m.port_no;
		else if (!first[i])
			first[i] = i + 1;
	}
	return first ? sets_open(dp, first, p->wanted.n) : -ENOMEM;
}

static uint32_t program_id(int fd)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* Port numbers, and what interfaces were before they were ports. */
static int open_memory(struct dp *dp, const struct former *former)
{
	struct dp_ports *p = dp->ports;
	int err;

	p->memory = memory_open(dp->pin_dir, former->memory_id, true);
	err = p->memory < 0 ? p->memory : memory_copy(p->memory, &p->remembered);
	if (err)
		log_error("cannot open the memory of ports in %s: %s", dp->pin_dir, strerror(-err));
	if (err)
		return err;
	identity_bind(p->prog_fd, p->memory); /* so that it outlives its pin */
	state_load(p->memory, dp->state_path);
	return 0;
}

int ports_make(struct dp *dp, const struct former *former)
{
	struct dp_ports *p = dp->ports;
	int err;

	p->prog_fd = bpf_program__fd(dp->skel->progs.ofx_port);
	p->prog_id = program_id(p->prog_fd);
	p->relay_id = program_id(bpf_program__fd(dp->skel->progs.ofx_relay));
	err = p->prog_id && p->relay_id ? open_memory(dp, former) : -EIO;
	if (!err)
		err = open_sets(dp);
	if (!err)
		err = veths_make(dp, former);
	if (!err)
		err = veths_attach(dp, false);
	if (!err)
		queues_attach(dp, false);
	return err;
}
