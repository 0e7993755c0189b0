/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include "include/ofxdp/limits.h"
#include "user/datapath/netlink.h"
#include "user/datapath/veth.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

#define REQUEST_SIZE 128

void veth_name(char ifname[IFNAMSIZ], const char *name, const char *suffix)
{
	snprintf(ifname, IFNAMSIZ, "%.*s%s", OFX_NAME_MAX, name, suffix);
}

/* No address of the link, without which IPv6 sends nothing. */
static int no_address(struct nl *nl, uint32_t ifindex)
{
	char buf[REQUEST_SIZE] = {0};
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info;
	struct nlattr *families, *ipv6;

	h->nlmsg_type = RTM_NEWLINK;
	info = mnl_nlmsg_put_extra_header(h, sizeof(*info));
	info->ifi_index = (int)ifindex;
	families = mnl_attr_nest_start(h, IFLA_AF_SPEC);
	ipv6 = mnl_attr_nest_start(h, AF_INET6);
	mnl_attr_put_u8(h, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(h, ipv6);
	mnl_attr_nest_end(h, families);
	return nl_talk(nl, h, NULL, NULL);
}

/* Containers often may not write there. */
static int disable(const char *ifname)
{
	char path[96];
	_close_ int fd = -1;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", ifname);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, "1", 1) != 1 ? -errno : 0;
}

void veth_no_ipv6(struct nl *nl, const struct link *link)
{
	int addresses = no_address(nl, link->ifindex), all = disable(link->name);

	/* Neither is known where the kernel has no IPv6. */
	if (addresses && all && all != -ENOENT)
		log_warn("%s: the kernel refuses to switch IPv6 off (%s): what it sends there is counted as bad_inject",
			 link->name, strerror(-addresses));
}

int veth_up(struct nl *nl, const struct link *link)
{
	return link_set_flags(nl, link->ifindex, IFF_UP | IFF_NOARP, IFF_UP | IFF_NOARP);
}

/* --- finding --- */

void veth_log_foreign(const struct veth *v)
{
	log_error(
		"the interface %s exists and is not this switch's: delete it (`ip link del %s`) or choose another name "
		"with -n",
		v->foreign, v->foreign);
}

static int foreign(struct veth *v, const char *name)
{
	v->foreign = name;
	return -EEXIST;
}

static bool carries(const struct link *l, const struct former *former)
{
	return former_fd(former, l->xdp_drv) >= 0 || former_fd(former, l->xdp_skb) >= 0;
}

/* The other end in this namespace, whatever its name. */
static bool find_peer(struct nl *nl, const struct link *link, struct link *peer)
{
	return link->peer_nsid == -1 && link->peer && !link_get(nl, link->peer, NULL, peer) &&
	       !strcmp(peer->kind, "veth") && peer->peer == link->ifindex;
}

/* `have` is one end, by its name; `other` has not the name it should have, or is not here. */
static int find_other(struct nl *nl, struct veth *v, const struct link *have, struct link *other,
		      const struct former *former)
{
	bool there = find_peer(nl, have, other);

	if (there && (carries(have, former) || carries(other, former)))
		return 0;
	memset(other, 0, sizeof(*other));
	if (there || have->peer_nsid == -1 || !carries(have, former))
		return foreign(v, have == &v->a ? v->a_name : v->b_name);
	return v->roams && have == &v->a ? 0 : -ENODEV;
}

static bool are_pair(const struct link *a, const struct link *b)
{
	return a->peer == b->ifindex && a->peer_nsid == -1;
}

int veth_find(struct nl *nl, struct veth *v, const struct former *former)
{
	int err_a = link_get(nl, 0, v->a_name, &v->a), err_b = link_get(nl, 0, v->b_name, &v->b);
	bool a = !err_a, b = !err_b;

	if (err_a && err_a != -ENODEV)
		return err_a;
	if (err_b && err_b != -ENODEV)
		return err_b;
	if (!a && !b)
		return -ENODEV;
	if (a && strcmp(v->a.kind, "veth"))
		return foreign(v, v->a_name);
	if (a && b && are_pair(&v->a, &v->b))
		return 0;
	if (a && (!b || carries(&v->a, former)))
		return find_other(nl, v, &v->a, &v->b, former);
	return a || strcmp(v->b.kind, "veth") ? foreign(v, v->b_name) : find_other(nl, v, &v->b, &v->a, former);
}

/* --- making --- */

static const uint8_t *given(const uint8_t mac[6])
{
	static const uint8_t none[6];

	return memcmp(mac, none, sizeof(none)) ? mac : NULL;
}

static int make(struct nl *nl, struct veth *v, uint32_t n_queues)
{
	const struct link_end ends[] = {{v->a_name, given(v->a_mac)}, {v->b_name, given(v->b_mac)}};
	int err = link_add_veth(nl, ends, n_queues);

	if (!err)
		err = link_get(nl, 0, v->a_name, &v->a);
	if (!err)
		err = link_get(nl, 0, v->b_name, &v->b);
	if (err)
		log_error("cannot make the veth pair %s, %s: %s%s%s", v->a_name, v->b_name, strerror(-err),
			  *nl->said ? ": " : "", nl->said);
	return err;
}

int veth_rename(struct nl *nl, const struct link *link, const char *name)
{
	int err = link_set_name(nl, link->ifindex, name);

	if (err != -EBUSY || !(link->flags & IFF_UP))
		return err;
	err = link_set_flags(nl, link->ifindex, 0, IFF_UP);
	if (!err)
		err = link_set_name(nl, link->ifindex, name);
	link_set_flags(nl, link->ifindex, IFF_UP, IFF_UP);
	return err;
}

static void name_back(struct nl *nl, struct link *link, const char *name)
{
	if (!link->ifindex || !strcmp(link->name, name))
		return;
	if (veth_rename(nl, link, name)) {
		log_warn("%s is the switch's own %s, which it cannot be called: %s", link->name, name,
			 *nl->said ? nl->said : "the name is in use");
		return;
	}
	log_info("%s, the switch's own, is called %s again", link->name, name);
	snprintf(link->name, sizeof(link->name), "%s", name);
}

static bool fits(const struct veth *v, uint32_t most)
{
	return !v->b.ifindex || (v->a.n_rx_queues <= most && v->b.n_rx_queues <= most);
}

int veth_discard(struct nl *nl, const struct link *link)
{
	int err = link->ifindex ? link_delete(nl, link->ifindex) : 0;

	if (!err || err == -ENODEV)
		return 0;
	log_error("cannot delete the interface %s: %s%s%s; run `ip link del %s`", link->name, strerror(-err),
		  *nl->said ? ": " : "", nl->said, link->name);
	return err;
}

int veth_make(struct nl *nl, struct veth *v, uint32_t n_queues, uint32_t most, const struct former *former)
{
	int err = veth_find(nl, v, former);

	if (err == -EEXIST)
		veth_log_foreign(v);
	else if (err && err != -ENODEV)
		log_error("cannot look for %s and %s: %s", v->a_name, v->b_name, strerror(-err));
	if (err && err != -ENODEV)
		return err;
	if (!err && fits(v, most)) {
		name_back(nl, &v->a, v->a_name);
		name_back(nl, &v->b, v->b_name);
		return 0;
	}
	err = veth_discard(nl, v->a.ifindex ? &v->a : &v->b);
	return err ? err : make(nl, v, n_queues);
}
