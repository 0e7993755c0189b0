/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <linux/gen_stats.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include "user/datapath/netlink.h"
#include "user/datapath/qdisc.h"
#include "user/util/cleanup.h"

#define REQUEST_SIZE 256

/* The members that are longer in newer kernels are at the end, those of older ones are shorter. */
static void copy_payload(const struct nlattr *a, void *to, size_t size)
{
	size_t n = mnl_attr_get_payload_len(a);

	memset(to, 0, size);
	memcpy(to, mnl_attr_get_payload(a), n < size ? n : size);
}

static void parse_stats(const struct nlattr *nest, struct qdisc_class *class)
{
	struct gnet_stats_queue queue;
	struct gnet_stats_basic basic;
	uint64_t packets = 0;
	struct nlattr *a;

	mnl_attr_for_each_nested(a, nest)
	{
		switch (mnl_attr_get_type(a)) {
		case TCA_STATS_BASIC:
			copy_payload(a, &basic, sizeof(basic));
			class->bytes = basic.bytes;
			class->packets = basic.packets;
			break;
		case TCA_STATS_PKT64: /* only there if 32 bits are too few */
			copy_payload(a, &packets, sizeof(packets));
			break;
		case TCA_STATS_QUEUE:
			copy_payload(a, &queue, sizeof(queue));
			class->drops = queue.drops;
			break;
		}
	}
	if (packets)
		class->packets = packets;
}

/* Rates that don't fit 32 bits have attributes of their own. */
static void parse_htb(const struct nlattr *nest, struct qdisc_class *class)
{
	uint64_t rate64 = 0, ceil64 = 0;
	struct tc_htb_opt opt;
	struct nlattr *a;

	mnl_attr_for_each_nested(a, nest)
	{
		switch (mnl_attr_get_type(a)) {
		case TCA_HTB_PARMS:
			copy_payload(a, &opt, sizeof(opt));
			class->rate = opt.rate.rate;
			class->ceil = opt.ceil.rate;
			break;
		case TCA_HTB_RATE64:
			copy_payload(a, &rate64, sizeof(rate64));
			break;
		case TCA_HTB_CEIL64:
			copy_payload(a, &ceil64, sizeof(ceil64));
			break;
		}
	}
	if (rate64)
		class->rate = rate64;
	if (ceil64)
		class->ceil = ceil64;
}

/* Kinds whose class of a packet is the one skb->priority names. */
static bool kind_fits(const char *kind)
{
	static const char *const kinds[] = {"htb", "hfsc", "prio", "drr", "qfq", "ets"};

	for (size_t i = 0; kind && i < ARRAY_LEN(kinds); i++)
		if (!strcmp(kind, kinds[i]))
			return true;
	return false;
}

struct list {
	struct qdisc_class *classes;
	size_t n, room;
	uint32_t handle; /* of the root qdisc */
};

static struct qdisc_class *list_add(struct list *l)
{
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 16;
		struct qdisc_class *more = realloc(l->classes, room * sizeof(*more));

		if (!more)
			return NULL;
		l->classes = more;
		l->room = room;
	}
	return &l->classes[l->n++];
}

/* A dump shows the root qdisc's classes first, then those of qdiscs below; one that has classes below it has some. */
static int got_class(const struct nlmsghdr *h, void *aux)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(h);
	const struct nlattr *options = NULL, *stats = NULL;
	const char *kind = NULL;
	struct qdisc_class *class;
	struct list *l = aux;
	struct nlattr *a;

	if (h->nlmsg_type != RTM_NEWTCLASS)
		return MNL_CB_OK;
	if (!l->handle)
		l->handle = TC_H_MAJ(tc->tcm_handle);
	if (TC_H_MAJ(tc->tcm_handle) != l->handle)
		return MNL_CB_OK;
	mnl_attr_for_each(a, h, sizeof(*tc))
	{
		if (mnl_attr_get_type(a) == TCA_KIND && !mnl_attr_validate(a, MNL_TYPE_NUL_STRING))
			kind = mnl_attr_get_str(a);
		else if (mnl_attr_get_type(a) == TCA_OPTIONS)
			options = a;
		else if (mnl_attr_get_type(a) == TCA_STATS2)
			stats = a;
	}
	if (!kind_fits(kind))
		return MNL_CB_OK;
	class = list_add(l);
	if (!class)
		return MNL_CB_ERROR;
	*class = (struct qdisc_class){.classid = tc->tcm_handle, .parent = tc->tcm_parent};
	if (stats)
		parse_stats(stats, class);
	if (options && !strcmp(kind, "htb"))
		parse_htb(options, class);
	return MNL_CB_OK;
}

static int by_id(const void *a, const void *b)
{
	uint32_t x = ((const struct qdisc_class *)a)->classid, y = ((const struct qdisc_class *)b)->classid;

	return (x > y) - (x < y);
}

/* Of the list, by number, those that are no other's parent, and not the qdisc itself (HFSC shows it). */
static void keep_leaves(struct list *l, size_t *n)
{
	for (size_t i = 0; i < l->n; i++) {
		struct qdisc_class *c = &l->classes[i], key = {.classid = c->parent}, *parent;

		parent = bsearch(&key, l->classes, l->n, sizeof(*c), by_id);
		if (parent)
			parent->inner = true;
		c->inner |= !TC_H_MIN(c->classid);
	}
	for (size_t i = 0; i < l->n; i++)
		if (!l->classes[i].inner)
			l->classes[(*n)++] = l->classes[i];
}

static void begin_list(void *aux)
{
	struct list *l = aux;

	l->n = 0;
	l->handle = 0;
}

#define LIST_TRIES 5

int qdisc_leaves(struct nl *nl, uint32_t ifindex, struct qdisc_class **leaves, size_t *n)
{
	struct list l = {0};
	const struct nl_dump dump = {begin_list, got_class, &l, LIST_TRIES};
	char buf[REQUEST_SIZE];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct tcmsg *tc = mnl_nlmsg_put_extra_header(h, sizeof(*tc));
	int err;

	*leaves = NULL;
	*n = 0;
	h->nlmsg_type = RTM_GETTCLASS;
	tc->tcm_ifindex = (int)ifindex;
	err = nl_dump(nl, h, &dump);
	if (err || !l.n) {
		free(l.classes);
		return err;
	}
	qsort(l.classes, l.n, sizeof(*l.classes), by_id);
	keep_leaves(&l, n);
	*leaves = l.classes;
	return 0;
}

int qdisc_watch_open(struct nl *nl)
{
	return nl_socket_open(nl, RTMGRP_TC, SOCK_NONBLOCK);
}

struct watch {
	void (*fn)(void *aux, uint16_t type, uint32_t ifindex, uint32_t handle);
	void *aux;
};

static int watched(const struct nlmsghdr *h, void *data)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(h);
	struct watch *w = data;

	if (mnl_nlmsg_get_payload_len(h) >= sizeof(*tc))
		w->fn(w->aux, h->nlmsg_type, tc->tcm_ifindex, tc->tcm_handle);
	return MNL_CB_OK;
}

int qdisc_watch_read(struct nl *nl, void (*fn)(void *aux, uint16_t type, uint32_t ifindex, uint32_t handle), void *aux)
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
