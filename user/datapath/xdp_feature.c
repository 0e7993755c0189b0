/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/xdp_feature.h"
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <sys/time.h>

#define FAMILY "netdev"
#define REPLY_SIZE 8192
#define TIMEOUT_S 5

/* linux/netdev.h, which older headers lack */
enum { DEV_GET = 1 };
enum { DEV_IFINDEX = 1, DEV_XDP_FEATURES = 3 };
#define TAKES_FRAMES 4 /* NETDEV_XDP_ACT_NDO_XMIT */

static struct mnl_socket *socket_open(void)
{
	const struct timeval limit = {.tv_sec = TIMEOUT_S};
	struct mnl_socket *s = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);

	if (s && (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0 ||
		  setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))) {
		mnl_socket_close(s);
		s = NULL;
	}
	return s;
}

static struct nlmsghdr *request(void *buf, uint16_t type, uint8_t command)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *g;

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->cmd = command;
	g->version = 1;
	return h;
}

struct answer {
	uint16_t attribute;
	const struct nlattr *found;
};

static int on_answer(const struct nlmsghdr *h, void *aux)
{
	struct answer *answer = aux;
	const struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(struct genlmsghdr)) if (mnl_attr_get_type(a) == answer->attribute)
		answer->found = a;
	return MNL_CB_STOP;
}

/* The attribute in the answer, which stands in buf; NULL: refused, or not there. */
static const struct nlattr *ask(struct mnl_socket *s, struct nlmsghdr *h, uint16_t attribute, void *buf, size_t size)
{
	struct answer answer = {.attribute = attribute};
	ssize_t n;

	if (mnl_socket_sendto(s, h, h->nlmsg_len) < 0)
		return NULL;
	n = mnl_socket_recvfrom(s, buf, size);
	return n < 0 || mnl_cb_run(buf, n, 0, 0, on_answer, &answer) < 0 ? NULL : answer.found;
}

/* The number that the kernel gave the family; 0: it has none. */
static uint16_t family(struct mnl_socket *s)
{
	char buf[REPLY_SIZE] __attribute__((aligned(NLMSG_ALIGNTO))) = {0};
	struct nlmsghdr *h = request(buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	const struct nlattr *id;

	mnl_attr_put_strz(h, CTRL_ATTR_FAMILY_NAME, FAMILY);
	id = ask(s, h, CTRL_ATTR_FAMILY_ID, buf, sizeof(buf));
	return id && !mnl_attr_validate(id, MNL_TYPE_U16) ? mnl_attr_get_u16(id) : 0;
}

bool xdp_feature_told(void)
{
	struct mnl_socket *s = socket_open();
	bool told = s && family(s);

	if (s)
		mnl_socket_close(s);
	return told;
}

static bool takes_none(struct mnl_socket *s, uint32_t ifindex)
{
	char buf[REPLY_SIZE] __attribute__((aligned(NLMSG_ALIGNTO))) = {0};
	const uint16_t type = family(s);
	const struct nlattr *features;
	struct nlmsghdr *h;

	if (!type)
		return false;
	h = request(buf, type, DEV_GET);
	mnl_attr_put_u32(h, DEV_IFINDEX, ifindex);
	features = ask(s, h, DEV_XDP_FEATURES, buf, sizeof(buf));
	return features && !mnl_attr_validate(features, MNL_TYPE_U64) && !(mnl_attr_get_u64(features) & TAKES_FRAMES);
}

bool xdp_feature_takes_none(uint32_t ifindex)
{
	struct mnl_socket *s = socket_open();
	bool none = s && takes_none(s, ifindex);

	if (s)
		mnl_socket_close(s);
	return none;
}
