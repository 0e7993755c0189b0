/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/datapath/link.h"
#include "user/datapath/netlink.h"

#define REQUEST_SIZE 1024
#define WATCH_BUFFER (4 << 20) /* bytes of changes that may wait while the event loop is busy */

static struct nlmsghdr *request(char *buf, uint16_t type, uint16_t flags, uint32_t ifindex)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info;

	h->nlmsg_type = type;
	h->nlmsg_flags = flags;
	info = mnl_nlmsg_put_extra_header(h, sizeof(*info));
	info->ifi_index = ifindex;
	return h;
}

static void parse_xdp(const struct nlattr *nest, struct link *link)
{
	uint32_t mode = XDP_ATTACHED_NONE, id = 0;
	struct nlattr *a;

	mnl_attr_for_each_nested(a, nest)
	{
		switch (mnl_attr_get_type(a)) {
		case IFLA_XDP_ATTACHED:
			mode = mnl_attr_get_u8(a);
			break;
		case IFLA_XDP_PROG_ID:
			id = mnl_attr_get_u32(a);
			break;
		case IFLA_XDP_DRV_PROG_ID:
			link->xdp_drv = mnl_attr_get_u32(a);
			break;
		case IFLA_XDP_SKB_PROG_ID:
			link->xdp_skb = mnl_attr_get_u32(a);
			break;
		case IFLA_XDP_HW_PROG_ID:
			link->xdp_hw = mnl_attr_get_u32(a);
			break;
		}
	}
	if (mode == XDP_ATTACHED_DRV)
		link->xdp_drv = id;
	else if (mode == XDP_ATTACHED_SKB)
		link->xdp_skb = id;
	else if (mode == XDP_ATTACHED_HW)
		link->xdp_hw = id;
}

static void parse_kind(const struct nlattr *nest, struct link *link)
{
	struct nlattr *a;

	mnl_attr_for_each_nested(a, nest) if (mnl_attr_get_type(a) == IFLA_INFO_KIND)
		snprintf(link->kind, sizeof(link->kind), "%.*s", mnl_attr_get_payload_len(a),
			 (const char *)mnl_attr_get_payload(a));
}

static void parse_stats(const struct nlattr *a, struct link *link)
{
	struct rtnl_link_stats64 s = {0};
	size_t n = mnl_attr_get_payload_len(a);

	memcpy(&s, mnl_attr_get_payload(a), n < sizeof(s) ? n : sizeof(s));
	link->errors = (struct link_errors){s.rx_frame_errors, s.rx_over_errors, s.rx_crc_errors, s.collisions};
}

static void parse_attr(const struct nlattr *a, struct link *link)
{
	switch (mnl_attr_get_type(a)) {
	case IFLA_IFNAME:
		snprintf(link->name, sizeof(link->name), "%s", mnl_attr_get_str(a));
		break;
	case IFLA_ADDRESS:
		if (mnl_attr_get_payload_len(a) == sizeof(link->mac))
			memcpy(link->mac, mnl_attr_get_payload(a), sizeof(link->mac));
		break;
	case IFLA_MTU:
		link->mtu = mnl_attr_get_u32(a);
		break;
	case IFLA_CARRIER:
		link->carrier = mnl_attr_get_u8(a);
		break;
	case IFLA_LINK:
		link->peer = mnl_attr_get_u32(a);
		break;
	case IFLA_LINK_NETNSID:
		link->peer_nsid = (int32_t)mnl_attr_get_u32(a);
		break;
	case IFLA_NEW_NETNSID:
		link->moved_nsid = (int32_t)mnl_attr_get_u32(a);
		break;
	case IFLA_NEW_IFINDEX:
		link->moved_ifindex = mnl_attr_get_u32(a);
		break;
	case IFLA_MASTER:
		link->master = mnl_attr_get_u32(a);
		break;
	case IFLA_NUM_RX_QUEUES:
		link->n_rx_queues = mnl_attr_get_u32(a);
		break;
	case IFLA_NUM_TX_QUEUES:
		link->n_tx_queues = mnl_attr_get_u32(a);
		break;
	case IFLA_XDP:
		parse_xdp(a, link);
		break;
	case IFLA_LINKINFO:
		parse_kind(a, link);
		break;
	case IFLA_STATS64:
		parse_stats(a, link);
		break;
	}
}

static void parse_link(const struct nlmsghdr *h, struct link *link)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(h);
	struct nlattr *a;

	*link = (struct link){
		.ifindex = info->ifi_index,
		.flags = info->ifi_flags,
		.ethernet = info->ifi_type == ARPHRD_ETHER,
		.peer_nsid = -1,
		.moved_nsid = -1,
		.moved_ifindex = info->ifi_index,
	};
	mnl_attr_for_each(a, h, sizeof(*info)) parse_attr(a, link);
}

static int got_link(const struct nlmsghdr *h, void *aux)
{
	if (h->nlmsg_type == RTM_NEWLINK)
		parse_link(h, aux);
	return MNL_CB_OK;
}

int link_get(struct nl *nl, uint32_t ifindex, const char *name, struct link *link)
{
	char buf[REQUEST_SIZE];
	struct nlmsghdr *h = request(buf, RTM_GETLINK, 0, ifindex);

	memset(link, 0, sizeof(*link));
	if (!ifindex && !name)
		return -ENODEV;
	if (!ifindex)
		mnl_attr_put_strz(h, IFLA_IFNAME, name);
	return nl_talk(nl, h, got_link, link);
}

bool link_is_gone(struct nl *nl, uint32_t ifindex)
{
	char said[sizeof(nl->said)];
	struct link link;
	bool gone;

	memcpy(said, nl->said, sizeof(said));
	gone = link_get(nl, ifindex, NULL, &link) == -ENODEV;
	memcpy(nl->said, said, sizeof(said));
	return gone;
}

int link_get_in(struct nl *nl, int32_t nsid, uint32_t ifindex, struct link *link)
{
	char buf[REQUEST_SIZE];
	struct nlmsghdr *h = request(buf, RTM_GETLINK, 0, ifindex);

	mnl_attr_put_u32(h, IFLA_TARGET_NETNSID, (uint32_t)nsid);
	memset(link, 0, sizeof(*link));
	return nl_talk(nl, h, got_link, link);
}

struct list {
	struct link *links;
	size_t n, room;
	size_t pass; /* where the links of this try begin */
};

static void next_pass(void *aux)
{
	struct list *l = aux;

	l->pass = l->n;
}

static int listed_link(const struct nlmsghdr *h, void *data)
{
	struct list *l = data;

	if (h->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 32;
		struct link *more = realloc(l->links, room * sizeof(*more));

		if (!more)
			return MNL_CB_ERROR;
		l->links = more;
		l->room = room;
	}
	parse_link(h, &l->links[l->n++]);
	return MNL_CB_OK;
}

static bool listed_later(const struct list *l, size_t at)
{
	for (size_t i = at + 1; i < l->n; i++)
		if (l->links[i].ifindex == l->links[at].ifindex)
			return true;
	return false;
}

/* Of all tries, each as it was seen last. */
static void keep_latest(struct list *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (!listed_later(l, i))
			l->links[n++] = l->links[i];
	l->n = n;
}

static void keep_pass(struct list *l)
{
	l->n -= l->pass;
	memmove(l->links, l->links + l->pass, l->n * sizeof(*l->links));
}

static int list(struct nl *nl, uint32_t tries, struct link **links, size_t *n)
{
	struct list l = {0};
	const struct nl_dump dump = {next_pass, listed_link, &l, tries};
	char buf[REQUEST_SIZE];
	struct nlmsghdr *h = request(buf, RTM_GETLINK, 0, 0);
	int err;

	mnl_attr_put_u32(h, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	err = nl_dump(nl, h, &dump);
	*links = NULL;
	*n = 0;
	if (err && err != -EINTR) {
		free(l.links);
		return err;
	}
	if (err)
		keep_latest(&l);
	else if (l.pass)
		keep_pass(&l);
	*links = l.links;
	*n = l.n;
	return 0;
}

#define LIST_TRIES 5 /* at most 10 ms of pauses */

int link_list(struct nl *nl, struct link **links, size_t *n)
{
	return list(nl, LIST_TRIES, links, n);
}

int link_list_quick(struct nl *nl, struct link **links, size_t *n)
{
	return list(nl, 1, links, n);
}

int link_set_flags(struct nl *nl, uint32_t ifindex, uint32_t flags, uint32_t mask)
{
	char buf[REQUEST_SIZE];
	struct nlmsghdr *h = request(buf, RTM_NEWLINK, 0, ifindex);
	struct ifinfomsg *info = mnl_nlmsg_get_payload(h);

	info->ifi_flags = flags;
	info->ifi_change = mask;
	return nl_talk(nl, h, NULL, NULL);
}

static int link_set_u32(struct nl *nl, uint32_t ifindex, uint16_t attribute, uint32_t value)
{
	char buf[REQUEST_SIZE];
	struct nlmsghdr *h = request(buf, RTM_NEWLINK, 0, ifindex);

	mnl_attr_put_u32(h, attribute, value);
	return nl_talk(nl, h, NULL, NULL);
}

int link_set_mtu(struct nl *nl, uint32_t ifindex, uint32_t mtu)
{
	return link_set_u32(nl, ifindex, IFLA_MTU, mtu);
}

int link_set_gro_max(struct nl *nl, uint32_t ifindex, uint32_t bytes)
{
	return link_set_u32(nl, ifindex, IFLA_GRO_MAX_SIZE, bytes);
}

int link_set_name(struct nl *nl, uint32_t ifindex, const char *name)
{
	char buf[REQUEST_SIZE];
	struct nlmsghdr *h = request(buf, RTM_NEWLINK, 0, ifindex);

	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	return nl_talk(nl, h, NULL, NULL);
}

static void put_end(struct nlmsghdr *h, const struct link_end *end, uint32_t n_queues)
{
	mnl_attr_put_strz(h, IFLA_IFNAME, end->name);
	if (end->mac)
		mnl_attr_put(h, IFLA_ADDRESS, 6, end->mac);
	mnl_attr_put_u32(h, IFLA_NUM_TX_QUEUES, n_queues);
	mnl_attr_put_u32(h, IFLA_NUM_RX_QUEUES, n_queues);
}

int link_add_veth(struct nl *nl, const struct link_end ends[2], uint32_t n_queues)
{
	char buf[REQUEST_SIZE];
	struct nlmsghdr *h = request(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
	struct nlattr *info, *data, *other;

	put_end(h, &ends[0], n_queues);
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	other = mnl_attr_nest_start(h, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
	put_end(h, &ends[1], n_queues);
	mnl_attr_nest_end(h, other);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
	return nl_talk(nl, h, NULL, NULL);
}

int link_delete(struct nl *nl, uint32_t ifindex)
{
	char buf[REQUEST_SIZE];

	return nl_talk(nl, request(buf, RTM_DELLINK, 0, ifindex), NULL, NULL);
}

int link_set_xdp(struct nl *nl, uint32_t ifindex, int fd, uint32_t xdp_flags, int expected_fd)
{
	char buf[REQUEST_SIZE];
	struct nlmsghdr *h = request(buf, RTM_SETLINK, 0, ifindex);
	struct nlattr *xdp = mnl_attr_nest_start(h, IFLA_XDP);

	if (expected_fd != LINK_XDP_ANY)
		xdp_flags |= expected_fd >= 0 ? XDP_FLAGS_REPLACE : XDP_FLAGS_UPDATE_IF_NOEXIST;
	mnl_attr_put_u32(h, IFLA_XDP_FD, (uint32_t)fd);
	mnl_attr_put_u32(h, IFLA_XDP_FLAGS, xdp_flags);
	if (expected_fd >= 0)
		mnl_attr_put_u32(h, IFLA_XDP_EXPECTED_FD, (uint32_t)expected_fd);
	mnl_attr_nest_end(h, xdp);
	return nl_talk(nl, h, NULL, NULL);
}

struct address_search {
	uint32_t ifindex;
	bool found;
};

static int got_address(const struct nlmsghdr *h, void *aux)
{
	const struct ifaddrmsg *a = mnl_nlmsg_get_payload(h);
	struct address_search *s = aux;

	if (h->nlmsg_type != RTM_NEWADDR || a->ifa_index != s->ifindex)
		return MNL_CB_OK;
	if (a->ifa_family == AF_INET || (a->ifa_family == AF_INET6 && a->ifa_scope < RT_SCOPE_LINK))
		s->found = true;
	return MNL_CB_OK;
}

int link_has_address(struct nl *nl, uint32_t ifindex)
{
	char buf[REQUEST_SIZE];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct address_search s = {ifindex, false};
	const struct nl_dump dump = {NULL, got_address, &s, LIST_TRIES};
	int err;

	h->nlmsg_type = RTM_GETADDR;
	mnl_nlmsg_put_extra_header(h, sizeof(struct ifaddrmsg));
	err = nl_dump(nl, h, &dump);
	if (s.found)
		return 1;
	return err == -EINTR ? 0 : err; /* it was in none of many lists */
}

static int got_route(const struct nlmsghdr *h, void *aux)
{
	struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(struct rtmsg)) if (mnl_attr_get_type(a) == RTA_OIF) * (uint32_t *)aux =
		mnl_attr_get_u32(a);
	return MNL_CB_OK;
}

/* Is that what the kernel says of an address to which there is no way? */
static bool no_way(int err)
{
	return err == -ENETUNREACH || err == -EHOSTUNREACH || err == -EACCES || err == -EINVAL;
}

int link_route_to(struct nl *nl, const struct sockaddr *address, uint32_t *ifindex)
{
	char buf[REQUEST_SIZE];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct rtmsg *r;
	int err;

	*ifindex = 0;
	h->nlmsg_type = RTM_GETROUTE;
	r = mnl_nlmsg_put_extra_header(h, sizeof(*r));
	r->rtm_family = address->sa_family;
	if (address->sa_family == AF_INET) {
		r->rtm_dst_len = 32;
		mnl_attr_put(h, RTA_DST, 4, &((const struct sockaddr_in *)address)->sin_addr);
	} else if (address->sa_family == AF_INET6) {
		r->rtm_dst_len = 128;
		mnl_attr_put(h, RTA_DST, 16, &((const struct sockaddr_in6 *)address)->sin6_addr);
	} else {
		return 0;
	}
	err = nl_talk(nl, h, got_route, ifindex);
	return no_way(err) ? 0 : err;
}

static int got_nsid(const struct nlmsghdr *h, void *aux)
{
	struct nlattr *a;

	if (h->nlmsg_type == RTM_NEWNSID)
		mnl_attr_for_each(a, h, sizeof(struct rtgenmsg)) if (mnl_attr_get_type(a) == NETNSA_NSID) *
			(int32_t *)aux = (int32_t)mnl_attr_get_u32(a);
	return MNL_CB_OK;
}

int32_t link_nsid(struct nl *nl, int ns_fd)
{
	char buf[REQUEST_SIZE];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	int32_t nsid = -1;

	h->nlmsg_type = RTM_GETNSID;
	mnl_nlmsg_put_extra_header(h, sizeof(struct rtgenmsg));
	mnl_attr_put_u32(h, NETNSA_FD, (uint32_t)ns_fd);
	return nl_talk(nl, h, got_nsid, &nsid) ? -1 : nsid;
}

int link_watch_open(struct nl *nl)
{
	int size = WATCH_BUFFER, err;

	err = nl_socket_open(nl, RTMGRP_LINK, SOCK_NONBLOCK);
	if (!err)
		setsockopt(mnl_socket_get_fd(nl->socket), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return err;
}

int link_watch_fd(const struct nl *nl)
{
	return mnl_socket_get_fd(nl->socket);
}

struct watch {
	void (*fn)(void *aux, const struct link *link, bool gone);
	void *aux;
};

static int watched(const struct nlmsghdr *h, void *data)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(h);
	struct watch *w = data;
	struct link link;

	/* Bridges and wireless send link messages of their own family, which lack most attributes. */
	if ((h->nlmsg_type != RTM_NEWLINK && h->nlmsg_type != RTM_DELLINK) || info->ifi_family != AF_UNSPEC)
		return MNL_CB_OK;
	parse_link(h, &link);
	w->fn(w->aux, &link, h->nlmsg_type == RTM_DELLINK);
	return MNL_CB_OK;
}

int link_watch_read(struct nl *nl, void (*fn)(void *aux, const struct link *link, bool gone), void *aux)
{
	struct watch w = {fn, aux};
	char buf[NL_REPLY_SIZE];
	ssize_t n = 1;

	for (int i = 0; i < NL_WATCH_TURN && n > 0; i++) {
		n = mnl_socket_recvfrom(nl->socket, buf, sizeof(buf));
		if (n > 0)
			mnl_cb_run(buf, n, 0, 0, watched, &w);
	}
	return n < 0 && errno != EAGAIN && errno != EINTR ? -errno : 0;
}
