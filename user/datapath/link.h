/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Network interfaces through rtnetlink, in the network namespace the process is in.  Results are 0 or a negative errno;
 * what the kernel said in words about the last request stands in nl->said ("" if nothing).
 */
#ifndef DATAPATH_LINK_H
#define DATAPATH_LINK_H

#include <linux/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct mnl_socket;

struct nl {
	struct mnl_socket *socket;
	uint32_t seq;
	char said[160];
};

struct link_errors {
	uint64_t frame, over, crc, collisions;
};

/* An interface as one RTM_NEWLINK message tells it. */
struct link {
	uint32_t ifindex;
	char name[IFNAMSIZ];
	uint8_t mac[6];
	bool ethernet; /* ARPHRD_ETHER */
	bool carrier;
	uint32_t flags; /* IFF_* */
	uint32_t mtu;
	char kind[16];	    /* "veth", "" for hardware */
	uint32_t peer;	    /* ifindex of a veth's other end, of what a VLAN or macvlan is on; in namespace peer_nsid */
	int32_t peer_nsid;  /* -1: this namespace */
	uint32_t master;    /* ifindex of the bridge or bond it is in, 0: none */
	int32_t moved_nsid; /* RTM_DELLINK of one that moved: the namespace it went to, -1: it did not */
	uint32_t moved_ifindex; /* its ifindex there */
	uint32_t n_rx_queues, n_tx_queues;
	uint32_t xdp_drv, xdp_skb, xdp_hw; /* ids of the attached programs, 0 none */
	struct link_errors errors;
};

int nl_open(struct nl *nl);
void nl_close(struct nl *nl);

/* By ifindex, or by name if ifindex is 0.  -ENODEV: there is none, or neither is given. */
int link_get(struct nl *nl, uint32_t ifindex, const char *name, struct link *link);
/* Is it deleted, or in another namespace?  What the kernel has said of something else (nl->said) stays. */
bool link_is_gone(struct nl *nl, uint32_t ifindex);
/* The other end of a veth in another namespace: `nsid` as in struct link. */
int link_get_in(struct nl *nl, int32_t nsid, uint32_t ifindex, struct link *link);
/*
 * All interfaces, into an array of *n that the caller frees (NULL on error).  Their `errors` are not filled.  While
 * interfaces come and go the kernel's list is not exact; it is asked for until it is, five times at most, and then all
 * that were ever in it are told.
 */
int link_list(struct nl *nl, struct link **links, size_t *n);
/* The same, asked for once: while others come and go some may be missing. */
int link_list_quick(struct nl *nl, struct link **links, size_t *n);
/* Set the IFF_* bits under mask. */
int link_set_flags(struct nl *nl, uint32_t ifindex, uint32_t flags, uint32_t mask);
int link_set_mtu(struct nl *nl, uint32_t ifindex, uint32_t mtu);
/* Bytes up to which GRO merges TCP segments; 0: none. */
int link_set_gro_max(struct nl *nl, uint32_t ifindex, uint32_t bytes);
int link_set_name(struct nl *nl, uint32_t ifindex, const char *name);

struct link_end {
	const char *name;
	const uint8_t *mac; /* NULL: the kernel chooses */
};

int link_add_veth(struct nl *nl, const struct link_end ends[2], uint32_t n_queues);
int link_delete(struct nl *nl, uint32_t ifindex);

/*
 * Attach program `fd` (-1: detach) in the mode of xdp_flags (XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE).  expected_fd:
 * only if that program is attached there now, swapped atomically; or one of these.
 */
enum {
	LINK_XDP_NONE = -1, /* only if none is */
	LINK_XDP_ANY = -2
};
int link_set_xdp(struct nl *nl, uint32_t ifindex, int fd, uint32_t xdp_flags, int expected_fd);

/* Does it have an IPv4 address or an IPv6 address of more than link scope?  1 or 0. */
int link_has_address(struct nl *nl, uint32_t ifindex);
/* The interface that packets to this address leave by; 0: none. */
int link_route_to(struct nl *nl, const struct sockaddr *address, uint32_t *ifindex);
/* The id under which this namespace knows the namespace of ns_fd, -1: none. */
int32_t link_nsid(struct nl *nl, int ns_fd);

/*
 * Watching: a non-blocking socket that receives link changes.  link_watch_read() calls `fn` for those that wait,
 * NL_WATCH_TURN at a time (gone: RTM_DELLINK); the socket stays readable while there are more.  -ENOBUFS: some were
 * lost, dump again.
 */
int link_watch_open(struct nl *nl);
int link_watch_fd(const struct nl *nl);
int link_watch_read(struct nl *nl, void (*fn)(void *aux, const struct link *link, bool gone), void *aux);

#endif
