// SPDX-License-Identifier: GPL-2.0-only
/*
 * bg_source: run with BPF_F_TEST_XDP_LIVE_FRAMES, makes each frame anew and sends it out of a veth.  Flows are
 * arithmetic, not tables, so that the generator leaves the caches to the switch.  bg_bare: what all is compared with.
 * bg_sink, bg_sink_tc: count.  All of it runs on one core, so plain variables count.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/types.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "test/bench/benchgen.h"

const volatile __u32 mode = BG_FIXED;
const volatile __u32 n_flows = 1;

__u32 ifindex; /* where frames leave */
__u32 sent;    /* in this run */
__u32 next;    /* over all runs */
struct bg_stamp stamps[BG_STAMPS];
__u64 start, last;    /* of a paced load: ns */
__u64 interval;	      /* 1/1024 ns between two frames; 0: as fast as it goes */
__u64 received, skbs; /* by bg_sink, by bg_sink_tc */

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} devmap SEC(".maps");

struct head {
	__u8 dst[6], src[6];
	__be16 type;
	__u8 version, tos;
	__be16 length, id, fragment;
	__u8 ttl, proto;
	__be16 csum;
	__be32 saddr, daddr;
	__be16 sport, dport;
	__be32 word; /* UDP: length, checksum; TCP: seq */
	__be32 ack;
	__be32 window; /* TCP: offset, flags, window */
	__be16 tcp_csum, urgent;
	__u8 rest[10];
} __attribute__((packed));

_Static_assert(sizeof(struct head) == BG_LENGTH, "a frame is its head");

struct head6 {
	__u8 dst[6], src[6];
	__be16 type;
	__be32 version;
	__be16 length;
	__u8 next, hops;
	__be32 saddr[4], daddr[4];
	__be16 sport, dport, udp_length, csum;
	__u8 rest[2];
} __attribute__((packed));

_Static_assert(sizeof(struct head6) == BG_LENGTH, "a frame is its head");

#define UDP6_LENGTH (BG_LENGTH - 14 - 40)

struct flow {
	__u32 src_mac, dst_mac; /* the last four bytes */
	__u32 saddr, daddr;
	__u16 sport, dport;
	__u8 proto;
};

static __always_inline __u32 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

static __always_inline __u32 halves(__u32 word)
{
	return (word >> 16) + (word & 0xffff);
}

static __always_inline void tuple_flow(struct flow *w, __u32 f)
{
	__u32 a = bg_mix(f ^ BG_SALT_A), b = bg_mix(f ^ BG_SALT_B);

	w->saddr = 0x0a000000 | (a & 0xffffff);
	w->daddr = 0xac100000 | (b & 0xfffff);
	w->sport = 1024 + (a >> 24);
	w->dport = 1024 + (b >> 20);
	w->proto = 17;
}

/* 2^16 sources, 2^16 destinations, each in 256 /24 of 16 /16; half of all packets go to 16 ports; 3 of 4 are TCP.
 * (saddr, sport) tells 2^32 flows apart. */
static __always_inline void acl_flow(struct flow *w, __u32 f)
{
	__u32 a = bg_mix(f ^ BG_SALT_A), b = bg_mix(f ^ BG_SALT_B);

	w->saddr = 0x0a000000 | (a & 15) << 16 | (a & 0xf0) << 4 | (a >> 8 & 255);
	w->daddr = 0xac100000 | (b & 15) << 16 | (b & 0xf0) << 4 | (b >> 8 & 255);
	w->sport = a >> 16;
	w->dport = b >> 31 ? 80 + (b >> 16 & 15) : 1024 + (b >> 16 & 0x7fff);
	w->proto = b >> 29 & 3 ? 6 : 17;
}

/* The flow of frame n. */
static __always_inline __u32 flow_of(__u32 n)
{
	return n_flows ? (__u64)bg_mix(n) * n_flows >> 32 : n;
}

static __always_inline void make_flow(struct flow *w, __u32 f)
{
	w->src_mac = w->dst_mac = 1;
	w->saddr = 0x0a000001;
	w->daddr = 0xac100001;
	w->sport = 1000;
	w->dport = 2000;
	w->proto = 17;
	if (mode == BG_L2 || mode == BG_PIPE)
		w->src_mac = w->dst_mac = bg_mix(f);
	if (mode == BG_PIPE) {
		w->saddr += f;
		w->daddr += f;
		w->dport += f;
	}
	if (mode == BG_DST) {
		w->saddr += f & 0xffff;
		w->daddr = bg_mix(f) >> 1;
		w->sport += f & 0x7fff;
	}
	if (mode == BG_TUPLE)
		tuple_flow(w, f);
	if (mode == BG_ACL)
		acl_flow(w, f);
}

/* Both kinds have the same bytes but for the checksum's place; what is a field of TCP is payload of UDP. */
static __always_inline void write_head(struct head *h, const struct flow *w)
{
	__u32 pair = halves(w->saddr) + halves(w->daddr);
	__u32 l4 = pair + w->proto + 30 + w->sport + w->dport + 0x5010 + 0x2000;

	__builtin_memset(h, 0, sizeof(*h));
	h->dst[0] = h->src[0] = 2;
	h->dst[1] = 1;
	__builtin_memcpy(h->dst + 2, &w->dst_mac, 4);
	__builtin_memcpy(h->src + 2, &w->src_mac, 4);
	h->type = bpf_htons(ETH_P_IP);
	h->version = 0x45;
	h->length = bpf_htons(50);
	h->ttl = 64;
	h->proto = w->proto;
	h->csum = bpf_htons(~fold(pair + 0x4500 + 50 + 0x4000 + w->proto) & 0xffff);
	h->saddr = bpf_htonl(w->saddr);
	h->daddr = bpf_htonl(w->daddr);
	h->sport = bpf_htons(w->sport);
	h->dport = bpf_htons(w->dport);
	h->window = bpf_htonl(0x50102000);
	if (w->proto == 17)
		h->word = bpf_htonl(30 << 16 | (~fold(l4 + 30) & 0xffff));
	else
		h->tcp_csum = bpf_htons(~fold(l4) & 0xffff);
}

/* 2^12 networks of 32 bits; each has four of 36, these two of 40, and so on with 48, 56 and 64. */
static __always_inline void address6(__u32 word[4], __u32 f)
{
	__u32 a = bg_mix(f ^ BG_SALT_A);

	word[0] = 0x2a000000 | (a & 0xfff);
	word[1] = (a >> 12 & 3) << 30 | (a >> 14 & 1) << 24 | (a >> 15 & 1) << 16 | (a >> 16 & 1) << 8 | (a >> 17 & 1);
	word[2] = bg_mix(f ^ BG_SALT_B);
	word[3] = f;
}

/* UDP in IPv6. */
static __always_inline void write_head6(struct head6 *h, __u32 f)
{
	__u32 saddr[4] = {0x20010db8, 0, 0, 1 + (f & 0xffff)}, daddr[4], sport = 1000 + (f & 0x7fff);
	__u32 sum = 17 + 2 * UDP6_LENGTH + sport + 2000;

	__builtin_memset(h, 0, sizeof(*h));
	h->dst[0] = h->src[0] = 2;
	h->dst[1] = 1;
	h->type = bpf_htons(ETH_P_IPV6);
	h->version = bpf_htonl(0x60000000);
	h->length = h->udp_length = bpf_htons(UDP6_LENGTH);
	h->next = 17;
	h->hops = 64;
	address6(daddr, f);
	for (int i = 0; i < 4; i++) {
		h->saddr[i] = bpf_htonl(saddr[i]);
		h->daddr[i] = bpf_htonl(daddr[i]);
		sum += halves(saddr[i]) + halves(daddr[i]);
	}
	h->sport = bpf_htons(sport);
	h->dport = bpf_htons(2000);
	sum = ~fold(sum) & 0xffff;
	h->csum = bpf_htons(sum ? sum : 0xffff); /* 0 would be none, which IPv6 does not know */
}

/* The headers of frame n. */
static __always_inline void write_frame(void *at, __u32 n)
{
	struct flow w;

	if (mode == BG_DST6) {
		write_head6(at, flow_of(n));
		return;
	}
	make_flow(&w, flow_of(n));
	write_head(at, &w);
}

struct task_struct {
	unsigned long nvcsw, nivcsw;
} __attribute__((preserve_access_index));

static __always_inline void take_stamp(__u32 i)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct bg_stamp *s = &stamps[i & (BG_STAMPS - 1)];

	s->switches = BPF_CORE_READ(task, nvcsw) + BPF_CORE_READ(task, nivcsw);
	s->ns = bpf_ktime_get_ns();
}

/* Not yet time for frame n?  Also notes when the last frame left. */
static __always_inline int too_early(__u32 n)
{
	if (!interval && n % BG_BATCH)
		return 0;
	last = bpf_ktime_get_ns();
	if (!n)
		start = last;
	return last < start + (n * interval >> 10);
}

SEC("xdp")
int bg_source(struct xdp_md *ctx)
{
	void *frame = (void *)(long)ctx->data;
	__u32 n = sent;

	if (frame + BG_LENGTH > (void *)(long)ctx->data_end)
		return XDP_DROP;
	if (start && too_early(n))
		return XDP_DROP;
	if (!(n & (BG_CHUNK - 1)))
		take_stamp(n / BG_CHUNK);
	sent = n + 1;
	write_frame(frame, next++);
	return bpf_redirect(ifindex, 0);
}

SEC("xdp")
int bg_bare(struct xdp_md *ctx)
{
	return bpf_redirect_map(&devmap, 0, 0);
}

SEC("xdp")
int bg_sink(struct xdp_md *ctx)
{
	received++;
	return XDP_DROP;
}

SEC("tc")
int bg_sink_tc(struct __sk_buff *skb)
{
	skbs++;
	return TC_ACT_SHOT;
}

char _license[] SEC("license") = "GPL";
