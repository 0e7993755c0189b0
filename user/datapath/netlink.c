/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include "user/datapath/netlink.h"

#define LOST_TRIES 3	    /* of a question whose answer got lost */
#define DUMP_PAUSE_MS_MAX 8 /* between tries of a dump: 1, 2, 3 … */

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

/* What is left of an exchange that broke off, such as a dump that the kernel goes on with, ends with its socket. */
static void nl_renew(struct nl *nl)
{
	struct nl fresh;

	if (nl_open(&fresh))
		return;
	mnl_socket_close(nl->socket);
	nl->socket = fresh.socket;
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
	bool interrupted; /* what the dump lists changed meanwhile */
};

static int reply_error(const struct nlmsghdr *h, void *data)
{
	return on_error(h, ((struct reply *)data)->nl);
}

/* A dump may fail at its end. */
static int reply_done(const struct nlmsghdr *h, void *data)
{
	const int32_t *result = mnl_nlmsg_get_payload(h);

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*result) || *result >= 0)
		return MNL_CB_STOP;
	errno = -*result;
	return MNL_CB_ERROR;
}

static int reply_data(const struct nlmsghdr *h, void *data)
{
	struct reply *r = data;

	return r->fn ? r->fn(h, r->aux) : MNL_CB_OK;
}

/* Take the kernel's mark off: libmnl would stop at it, and leave the rest of the dump in the socket's way. */
static bool take_mark(void *buf, int n)
{
	bool marked = false;

	for (struct nlmsghdr *h = buf; mnl_nlmsg_ok(h, n); h = mnl_nlmsg_next(h, &n)) {
		marked |= !!(h->nlmsg_flags & NLM_F_DUMP_INTR);
		h->nlmsg_flags &= ~NLM_F_DUMP_INTR;
	}
	return marked;
}

static int receive(struct reply *reply)
{
	static mnl_cb_t control[] = {[NLMSG_ERROR] = reply_error, [NLMSG_DONE] = reply_done};
	struct nl *nl = reply->nl;
	unsigned int port = mnl_socket_get_portid(nl->socket);
	char buf[NL_REPLY_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	int ret = MNL_CB_OK;

	while (ret > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(nl->socket, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		reply->interrupted |= take_mark(buf, n);
		ret = mnl_cb_run2(buf, n, nl->seq, port, reply_data, reply, control, NLMSG_DONE + 1);
		/* A reply of an earlier request that was given up. */
		if (ret < 0 && errno == EPROTO)
			ret = MNL_CB_OK;
	}
	return ret < 0 ? -errno : 0;
}

static bool answer_lost(int err)
{
	return err == -ENOBUFS || err == -EAGAIN;
}

static bool is_dump(const struct nlmsghdr *h)
{
	return (h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
}

static int talk_once(struct nl *nl, struct nlmsghdr *h, struct reply *reply)
{
	int err;

	nl->said[0] = '\0';
	h->nlmsg_seq = ++nl->seq;
	h->nlmsg_flags |= NLM_F_REQUEST | (is_dump(h) ? 0 : NLM_F_ACK);
	if (mnl_socket_sendto(nl->socket, h, h->nlmsg_len) < 0)
		return -errno;
	err = receive(reply);
	if (err && (is_dump(h) || answer_lost(err)))
		nl_renew(nl);
	return err;
}

/* rtnetlink's types come in fours: new, delete, get, set. */
static bool only_asks(const struct nlmsghdr *h)
{
	return h->nlmsg_type % 4 == RTM_GETLINK % 4;
}

int nl_talk(struct nl *nl, struct nlmsghdr *h, mnl_cb_t fn, void *aux)
{
	struct reply reply = {nl, fn, aux, false};
	int err = -EAGAIN;

	for (int i = 0; i < (only_asks(h) ? LOST_TRIES : 1) && answer_lost(err); i++)
		err = talk_once(nl, h, &reply);
	return err == -EAGAIN ? -ETIMEDOUT : err;
}

static int dump_once(struct nl *nl, struct nlmsghdr *h, const struct nl_dump *dump)
{
	struct reply reply = {nl, dump->fn, dump->aux, false};
	int err;

	if (dump->begin)
		dump->begin(dump->aux);
	err = talk_once(nl, h, &reply);
	return !err && reply.interrupted ? -EINTR : err;
}

int nl_dump(struct nl *nl, struct nlmsghdr *h, const struct nl_dump *dump)
{
	int err = -EINTR;

	h->nlmsg_flags |= NLM_F_DUMP;
	for (uint32_t i = 0; i < dump->tries && (err == -EINTR || answer_lost(err)); i++) {
		const int ms = i < DUMP_PAUSE_MS_MAX ? i : DUMP_PAUSE_MS_MAX;
		const struct timespec pause = {.tv_nsec = ms * 1000000L};

		if (i)
			nanosleep(&pause, NULL);
		err = dump_once(nl, h, dump);
	}
	return err == -EAGAIN ? -ETIMEDOUT : err;
}
