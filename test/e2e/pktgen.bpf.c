// SPDX-License-Identifier: GPL-2.0-only
/*
 * pg_source: run with BPF_F_TEST_XDP_LIVE_FRAMES, turns each frame into the next numbered packet and sends it out of
 * a veth, so that it arrives at the other end natively.  pg_sink: on a host's interface, notes which numbers came.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "test/e2e/pktgen.h"

const volatile __u32 ifindex; /* where frames leave */
const volatile __u32 n_flows = 1;
const volatile __u32 flow_at; /* offset of the 4 bytes that hold seq % n_flows (added to the template's); 0: none */
__u8 template[PG_HEAD];
__u32 next_seq;

struct pg_seen seen;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PG_MAX_SEQ / 64);
	__type(key, __u32);
	__type(value, __u64);
} numbers SEC(".maps");

/* A frame's page comes back as the switch left it: the head is written anew each time. */
SEC("xdp")
int pg_source(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;
	__u32 seq = next_seq;
	struct pg_mark *mark;

	if (data + PG_HEAD > (__u8 *)(long)ctx->data_end)
		return XDP_DROP;
	next_seq = seq + 1;
	__builtin_memcpy(data, template, PG_HEAD);
	if (flow_at && flow_at <= PG_MARK_AT - 4) {
		__u8 *at = data + flow_at;
		__u32 flow = seq % n_flows;

		at[0] = flow >> 24;
		at[1] = flow >> 16;
		at[2] = flow >> 8;
		at[3] = flow;
	}
	mark = (void *)(data + PG_MARK_AT);
	mark->magic = bpf_htonl(PG_MAGIC);
	mark->seq = bpf_htonl(seq);
	return bpf_redirect(ifindex, 0);
}

/* The mark behind n VLAN tags, or NULL. */
static __always_inline struct pg_mark *mark_behind(struct xdp_md *ctx, int tags)
{
	__u8 *data = (void *)(long)ctx->data;
	struct pg_mark *mark = (void *)(data + PG_MARK_AT + 4 * tags);

	if ((void *)(mark + 1) > (void *)(long)ctx->data_end || mark->magic != bpf_htonl(PG_MAGIC))
		return NULL;
	return mark;
}

static __always_inline int note(__u32 seq, int tags)
{
	__u32 word = seq / 64;
	__u64 bit = 1ULL << (seq % 64), *bits = bpf_map_lookup_elem(&numbers, &word);

	__sync_fetch_and_add(&seen.received[tags], 1);
	if (!bits)
		return XDP_DROP;
	if (__sync_fetch_and_or(bits, bit) & bit)
		__sync_fetch_and_add(&seen.duplicates, 1);
	else
		__sync_fetch_and_add(&seen.unique, 1);
	return XDP_DROP;
}

SEC("xdp")
int pg_sink(struct xdp_md *ctx)
{
	struct pg_mark *mark;

	if ((mark = mark_behind(ctx, 0)))
		return note(bpf_ntohl(mark->seq), 0);
	if ((mark = mark_behind(ctx, 1)))
		return note(bpf_ntohl(mark->seq), 1);
	if ((mark = mark_behind(ctx, 2)))
		return note(bpf_ntohl(mark->seq), 2);
	__sync_fetch_and_add(&seen.other, 1);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
