/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include "user/datapath/netlink.h"

int nl_socket_open(struct nl *nl, unsigned int groups, int flags)
{
	int on = 1;

	memset(nl, 0, sizeof(*nl));
	nl->socket = mnl_socket_open2(NETLINK_ROUTE, flags | SOCK_CLOEXEC);
	if (!nl->socket)
		return -errno;
	mnl_socket_setsockopt(nl->socket, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(nl->socket, NETLINK_CAP_ACK, &on, sizeof(on));
	if (mnl_socket_bind(nl->socket, groups, MNL_SOCKET_AUTOPID) < 0) {
		int err = -errno;

		nl_close(nl);
		return err;
	}
	return 0;
}

/* An answer that never comes must not hold up the daemon. */
#define NL_TIMEOUT_S 5

int nl_open(struct nl *nl)
{
	const struct timeval limit = {.tv_sec = NL_TIMEOUT_S};
	int err = nl_socket_open(nl, 0, 0);

	if (err)
		return err;
	if (setsockopt(mnl_socket_get_fd(nl->socket), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit))) {
		err = -errno;
		nl_close(nl);
	}
	return err;
}

void nl_close(struct nl *nl)
{
	if (nl->socket)
		mnl_socket_close(nl->socket);
	nl->socket = NULL;
}

/* The kernel's words about a refused request: NLMSGERR_ATTR_MSG, behind the (capped) error. */
static int on_error(const struct nlmsghdr *h, void *data)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);
	struct nl *nl = data;
	struct nlattr *a;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*e)) {
		errno = EBADMSG;
		return MNL_CB_ERROR;
	}
	if (h->nlmsg_flags & NLM_F_ACK_TLVS)
		mnl_attr_for_each(a, h, sizeof(*e)) if (mnl_attr_get_type(a) == NLMSGERR_ATTR_MSG &&
							!mnl_attr_validate(a, MNL_TYPE_NUL_STRING))
			snprintf(nl->said, sizeof(nl->said), "%s", mnl_attr_get_str(a));
	errno = -e->error;
	return e->error ? MNL_CB_ERROR : MNL_CB_STOP;
}

struct reply {
	struct nl *nl;
	mnl_cb_t fn;
	void *aux;
};

static int reply_error(const struct nlmsghdr *h, void *data)
{
	return on_error(h, ((struct reply *)data)->nl);
}

static int reply_data(const struct nlmsghdr *h, void *data)
{
	struct reply *r = data;

	return r->fn ? r->fn(h, r->aux) : MNL_CB_OK;
}

int nl_talk(struct nl *nl, struct nlmsghdr *h, mnl_cb_t fn, void *aux)
{
	/* No longer than NLMSG_ERROR: libmnl's own handler ends dumps (NLMSG_DONE). */
	mnl_cb_t control[NLMSG_ERROR + 1] = {[NLMSG_ERROR] = reply_error};
	struct reply reply = {nl, fn, aux};
	unsigned int port = mnl_socket_get_portid(nl->socket);
	char buf[NL_REPLY_SIZE];
	int ret = MNL_CB_OK;

	nl->said[0] = '\0';
	h->nlmsg_seq = ++nl->seq;
	h->nlmsg_flags |= NLM_F_REQUEST | ((h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP ? 0 : NLM_F_ACK);
	if (mnl_socket_sendto(nl->socket, h, h->nlmsg_len) < 0)
		return -errno;
	while (ret > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(nl->socket, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		ret = mnl_cb_run2(buf, n, nl->seq, port, reply_data, &reply, control, NLMSG_ERROR + 1);
		/* A reply of an earlier request that was given up. */
		if (ret < 0 && errno == EPROTO)
			ret = MNL_CB_OK;
	}
	return ret < 0 ? -errno : 0;
}
