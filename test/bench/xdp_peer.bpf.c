// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one would write by hand for just one case of the benchmark: as much of a parse as the case needs, a lookup in
 * one map, a redirect.  A program xdp_NAME for each map NAME; the map's value is the interface that the frame leaves
 * by. What is not in the map is dropped.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MAP(NAME, TYPE, KEY, FLAGS)                                                                                    \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_##TYPE);                                                                     \
		__uint(map_flags, FLAGS);                                                                              \
		__uint(max_entries, 1);                                                                                \
		__type(key, KEY);                                                                                      \
		__type(value, __u32);                                                                                  \
	} NAME SEC(".maps")

struct pair_key {
	__u8 dst[6], src[6];
	__u32 in;
};

struct tuple_key {
	__be32 saddr, daddr;
	__be16 sport, dport;
	__u32 proto;
};

struct route_key {
	__u32 length;
	__be32 address;
};

struct route6_key {
	__u32 length;
	__be32 address[4];
};

MAP(port, DEVMAP, __u32, 0); /* by the interface that it came in on */
MAP(pair, HASH, struct pair_key, 0);
MAP(tuple, HASH, struct tuple_key, 0);
MAP(route, LPM_TRIE, struct route_key, BPF_F_NO_PREALLOC);
MAP(route6, LPM_TRIE, struct route6_key, BPF_F_NO_PREALLOC);

MAP(devices, DEVMAP, __u32, 0); /* the interface that a frame leaves by, at its own number */

struct eth {
	__u8 dst[6], src[6];
	__be16 type;
} __attribute__((packed));

struct ipv4 {
	struct eth eth;
	__u8 version, tos;
	__be16 length, id, fragment;
	__u8 ttl, proto;
	__be16 csum;
	__be32 saddr, daddr;
	__be16 sport, dport;
} __attribute__((packed));

#define PORTS 4 /* bytes */

struct ipv6 {
	struct eth eth;
	__be32 version;
	__be16 length;
	__u8 next, hops;
	__be32 saddr[4], daddr[4];
} __attribute__((packed));

/* The frame, if it has so many bytes. */
static __always_inline const void *frame(const struct xdp_md *ctx, int length)
{
	const void *at = (const void *)(long)ctx->data;

	return at + length > (const void *)(long)ctx->data_end ? NULL : at;
}

static __always_inline int leave(const __u32 *ifindex)
{
	return ifindex ? bpf_redirect_map(&devices, *ifindex, XDP_DROP) : XDP_DROP;
}

SEC("xdp")
int xdp_port(struct xdp_md *ctx)
{
	return bpf_redirect_map(&port, ctx->ingress_ifindex, XDP_DROP);
}

SEC("xdp")
int xdp_pair(struct xdp_md *ctx)
{
	const struct eth *h = frame(ctx, sizeof(*h));
	struct pair_key key;

	if (!h)
		return XDP_DROP;
	__builtin_memcpy(&key, h, 12);
	key.in = ctx->ingress_ifindex;
	return leave(bpf_map_lookup_elem(&pair, &key));
}

SEC("xdp")
int xdp_tuple(struct xdp_md *ctx)
{
	const struct ipv4 *h = frame(ctx, sizeof(*h));
	struct tuple_key key;

	if (!h || h->eth.type != bpf_htons(ETH_P_IP) || h->version != 0x45 || h->fragment & bpf_htons(0x3fff))
		return XDP_DROP;
	key.saddr = h->saddr;
	key.daddr = h->daddr;
	key.sport = h->sport;
	key.dport = h->dport;
	key.proto = h->proto;
	return leave(bpf_map_lookup_elem(&tuple, &key));
}

SEC("xdp")
int xdp_route(struct xdp_md *ctx)
{
	const struct ipv4 *h = frame(ctx, sizeof(*h) - PORTS);
	struct route_key key;

	if (!h || h->eth.type != bpf_htons(ETH_P_IP))
		return XDP_DROP;
	key.length = 32;
	key.address = h->daddr;
	return leave(bpf_map_lookup_elem(&route, &key));
}

SEC("xdp")
int xdp_route6(struct xdp_md *ctx)
{
	const struct ipv6 *h = frame(ctx, sizeof(*h));
	struct route6_key key;

	if (!h || h->eth.type != bpf_htons(ETH_P_IPV6))
		return XDP_DROP;
	key.length = 128;
	__builtin_memcpy(key.address, h->daddr, sizeof(key.address));
	return leave(bpf_map_lookup_elem(&route6, &key));
}

char _license[] SEC("license") = "GPL";
