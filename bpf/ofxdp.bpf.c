/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The itinerary of a packet: receive → parse → resolve → execute → output.
 *
 *   ofx_port      on every port and on the switch's end of LOCAL: a frame comes in
 *   ofx_inject    on NAME-c0: packet-outs; frames of generic-mode ports; packets that need a device with metadata
 *   ofx_punt      on NAME-c1: packet-ins, to the daemon's sockets
 *   ofx_branch    on NAME-l0: one op that gives its frame away, ahead of others
 *   ofx_continue  on NAME-l1: what is behind an op that left a copy
 *   ofx_queue     on NAME-q1: frames that leave by a queue
 *   ofx_egress    on NAME-q1, clsact: hands them to the qdisc of their port
 *   ofx_relay     on NAME-hNN, generic: frames on their way to a port in generic mode
 *   ofx_probe     on nothing: what the daemon asks about a port
 *   raw_tp/…      drops behind the redirect
 *
 * The stages are functions that the verifier checks on their own (global functions), so a program costs what its own
 * body costs.  They share struct ofx_state, one per CPU.
 */
#include "bpf/ctx.h"
#include "bpf/execute.h"
#include "bpf/loop.h"
#include "bpf/maps.h"
#include "bpf/packet_in.h"
#include "bpf/packet_out.h"
#include "bpf/qdisc.h"
#include "bpf/resolve.h"
#include "bpf/simple.h"
#include "bpf/trace.h"

/*
 * Rounds of resolve and execute.  A resume goes to a higher table, so there is at most one per table and one for
 * OFX_OP_TABLE, and execute() takes at most 8 calls for a full verdict; no packet has much of both.
 */
#define OFX_RUNS (2 * OFX_TABLES)

static __always_inline __u32 read_config(void)
{
	__u32 zero = 0;
	volatile __u64 *word = bpf_map_lookup_elem(&config, &zero);

	return word ? *word : 0;
}

/*
 * The CPU's state for a packet that the cache will be asked about, which has set s->cpu when it began.  What a packet
 * needs that is in the cache is in it; any other goes on with state_begin().
 */
static __always_inline struct ofx_state *state_here(void)
{
	__u32 zero = 0;
	struct ofx_state *s = bpf_map_lookup_elem(&state, &zero);

	if (s)
		s->cache_at = CACHE_NONE;
	return s;
}

/* A packet without verdict and action set. */
static __always_inline void state_begin(struct ofx_state *s)
{
	verdict_clear(s);
	action_set_clear(&s->set);
	s->dirty = 0;
}

static __always_inline struct ofx_state *state_new(void)
{
	struct ofx_state *s = state_here();

	if (!s)
		return NULL;
	s->cpu = bpf_get_smp_processor_id();
	s->key_changed = 0;
	state_begin(s);
	return s;
}

/* … received on in_port, as `len` bytes. */
static __always_inline void state_receive(struct ofx_state *s, __u32 in_port, __u32 len)
{
	s->metadata = 0;
	s->tunnel_id = 0;
	s->in_port = in_port;
	s->in_index = ofx_port_index(in_port);
	s->len = len;
	s->rounds = 0;
	s->flow = 0;
	s->gen = 0;
	s->table = 0;
	s->next_table = 0;
	s->punt_flags = OFX_PUNT_NO_FLOW;
	s->outputs = 0;
	s->queue = 0;
	s->config = read_config();
}

static __always_inline int run_verdict(ofx_ctx *ctx, struct ofx_state *s)
{
	for (int i = 0; i < OFX_RUNS; i++) {
		int act = execute(ctx, s);

		if (act >= 0)
			return act;
		if (act == OFX_AGAIN)
			resolve_on(s);
	}
	return drop(OFX_DROP_TOO_MANY_TABLES);
}

static __always_inline int truncated(struct ofx_state *s)
{
	struct ofx_port_counters *c = port_cells(s->in_index);

	if (c)
		c->rx_errors += 1;
	return drop(OFX_DROP_TRUNCATED);
}

/* Parsed, and not refused as a fragment.  0, or dropped and counted. */
static __always_inline int parse_received(ofx_ctx *ctx, struct ofx_state *s)
{
	if (parse(ctx, s))
		return truncated(s);
	if (s->key.shape & OFX_SHAPE_FRAG && s->config & OFX_CONFIG_FRAG_DROP)
		return drop(OFX_DROP_FRAGMENT);
	return 0;
}

/* Generic XDP has neither metadata nor broadcast with it: the pipeline runs on NAME-c0, a native veth. */
static __always_inline int port_hop(ofx_ctx *ctx, __u32 index)
{
	if (!fits_inside(ctx, sizeof(struct ofx_inject)))
		return drop(OFX_DROP_TOO_LONG);
	if (inject_push(ctx, ofx_magic, OFX_INJECT_RX, ofx_port_no(index), 0))
		return drop(OFX_DROP_ACTION_FAILED);
	return ctx_redirect(&internal, OFX_DEV_INJECT) == OFX_ACT_REDIRECT ? OFX_ACT_REDIRECT : drop(OFX_DROP_INTERNAL);
}

static __always_inline int port_no_recv(__u32 index)
{
	struct ofx_port_counters *c = port_cells(index);

	if (c)
		c->rx_dropped += 1;
	return drop(OFX_DROP_PORT_NO_RECV);
}

/* A port whose frames are not looked up here. */
static __always_inline int port_elsewhere(ofx_ctx *ctx, __u32 port, __u32 index)
{
	return port & (OFX_PORT_NO_RECV | OFX_PORT_DOWN) << 16 ? port_no_recv(index) : port_hop(ctx, index);
}

/*
 * A frame that is not plain has to be parsed before it can be looked up; what by is then in the state.  0, or dropped
 * and counted.
 */
__weak __noinline int look_parsed(ofx_ctx *ctx, struct ofx_state *s, __u32 index)
{
	const struct ofx_cache_live *live = (const void *)cache_live;
	int act;

	if (!s)
		return drop(OFX_DROP_INTERNAL);
	state_receive(s, ofx_port_no(index), ctx_len(ctx));
	act = parse_received(ctx, s);
	if (act) {
		s->cache.left += 1; /* it does not count */
		return act;
	}
	if (!s->look.gen)
		return 0;
	if (cache_fits(s, live)) {
		s->look.hash = cache_look_parsed(&s->look, s, live);
		return 0;
	}
	s->look.gen = 0;
	s->cache.too_wide += 1;
	return 0;
}

/* A packet whose flow is not in the cache, and has no simple verdict. */
static __always_inline void resolve_received(struct ofx_state *s)
{
	if (!resolve_table(s))
		resolve_on(s);
	if (s->cache_at != CACHE_NONE)
		cache_keep(s);
}

/*
 * The long way, for all that is not simple: v is what the cache knows of the packet, with its ops in `more`, or
 * nothing.  After a walk that turned out not to be simple the key may be another.
 */
static __always_inline int run_ops(ofx_ctx *ctx, struct ofx_state *s, __u64 v, const struct ofx_cached_more *more)
{
	state_begin(s);
	s->next_table = 0;
	if (s->key_changed && parse(ctx, s))
		return drop(OFX_DROP_INTERNAL);
	s->key_changed = 0;
	if (v)
		cache_load(s, more, ofx_cached_n(v));
	else
		resolve_received(s);
	return run_verdict(ctx, s);
}

/* Its key, as it was received.  What else state_receive() sets, a simple verdict does not need. */
static __always_inline void plain_received(struct ofx_state *s, const void *p, __u32 index)
{
	s->metadata = 0;
	s->tunnel_id = 0;
	s->in_port = ofx_port_no(index);
	plain_key(s, p);
}

enum { NOT_PLAIN = 0, IS_PLAIN, IS_SHORT };

/* A plain frame: what to look it up by, a short key or not, is in the state; while the cache is off its key. */
static __always_inline int receive_plain(ofx_ctx *ctx, struct ofx_state *s, __u32 index,
					 const struct ofx_cache_live *live, __u64 *hash)
{
	const __u64 keys = live->short_keys;
	const void *p = plain_at(ctx);

	if (!p)
		return NOT_PLAIN;
	if (!s->look.gen) {
		plain_received(s, p, index);
		return IS_PLAIN;
	}
	if (keys) {
		*hash = cache_look_short(&s->look, p, index, live, keys);
		return IS_SHORT;
	}
	*hash = cache_look_plain(&s->look, p, index, live);
	return IS_PLAIN;
}

/* Its key.  Read once more: to keep the words until here would cost the packets that don't come here. */
static __always_inline void plain_again(ofx_ctx *ctx, struct ofx_state *s, __u32 index)
{
	const void *p = plain_at(ctx);

	if (p)
		plain_received(s, p, index);
}

/* What belongs to a verdict that is in the cache.  NULL: it has been lost. */
static __always_inline const struct ofx_cached_more *kept_more(struct ofx_state *s)
{
	const struct ofx_cached_more *more = cache_more_found(s);

	if (!more)
		s->cache.window_misses += 1;
	return more;
}

/* A simple verdict that is in the cache.  As a function, which has registers for all of it.  < 0: it is not there. */
__weak __noinline int run_kept(ofx_ctx *ctx, struct ofx_state *s, __u64 v, __u32 index, __u32 len)
{
	const struct ofx_cached_more *more = NULL;

	if (!ctx || !s)
		return drop(OFX_DROP_INTERNAL);
	if (cache_has_more(v)) {
		more = kept_more(s);
		if (!more)
			return -1;
	}
	return cache_run(ctx, s, v, more, index, len);
}

/* The simple verdict that has just been made. */
__weak __noinline int run_made(ofx_ctx *ctx, struct ofx_state *s, __u32 index, __u32 len)
{
	__u64 v;

	if (!ctx || !s)
		return drop(OFX_DROP_INTERNAL);
	v = s->made.word;
	return cache_run(ctx, s, v, cache_has_more(v) ? &s->made_more : NULL, index, len);
}

static __always_inline int receive(ofx_ctx *ctx, struct ofx_state *s, __u32 index, __u32 len)
{
	const struct ofx_cache_live *live = (const void *)cache_live;
	const struct ofx_cached_more *more = NULL;
	__u64 v = 0, hash = 0;
	int plain;

	s->look.gen = cache_gen(s, cache_begin(live));
	plain = receive_plain(ctx, s, index, live, &hash);
	if (!plain) {
		int act = look_parsed(ctx, s, index);

		if (act)
			return act;
		hash = s->look.hash;
	}
	if (s->look.gen)
		v = plain == IS_SHORT ? short_find(s, hash) : cache_find(s, hash);
	if ((v & 0xffff) == OFX_CACHED_FORWARD)
		return cache_forward(ctx, s, v, index, len);
	if (v && ofx_cached_kind(v) != OFX_CACHED_OPS) {
		int act = run_kept(ctx, s, v, index, len);

		if (act >= 0)
			return act;
		v = 0;
	} else if (v) {
		more = kept_more(s);
		if (!more)
			v = 0;
	}
	if (plain && s->look.gen)
		plain_again(ctx, s, index);
	s->key_changed = 0;
	s->next_table = 0;
	if (!v && !simple_resolve(s)) {
		v = s->made.word;
		return (v & 0xffff) == OFX_CACHED_FORWARD ? cache_forward(ctx, s, v, index, len)
							  : run_made(ctx, s, index, len);
	}
	if (plain) {
		state_receive(s, ofx_port_no(index), len);
		plain_offsets(s);
	}
	return run_ops(ctx, s, v, more);
}

/* ofx_near_port() of a port with a high ifindex, or 0. */
static __always_inline __u32 port_far(__u32 ifindex)
{
	__u32 *index = bpf_map_lookup_elem(&port_of_ifindex, &ifindex);
	struct ofx_port *port = index ? port_at(*index) : NULL;

	return port ? ofx_near_port(*index, port->flags) : 0;
}

SEC("xdp")
int ofx_port(struct xdp_md *ctx)
{
	__u32 ifindex = ctx_ifindex(ctx), len = ctx_len(ctx), index;
	__u32 port = ifindex < OFX_NEAR_IFINDEXES ? near_ports[ifindex] : 0;
	struct ofx_state *s;

	if (!port)
		port = port_far(ifindex);
	if (!port)
		return drop(OFX_DROP_PORT_UNKNOWN);
	index = (port & 0xffff) - 1;
	count_rx(index, len);
	if (port & (OFX_PORT_NO_RECV | OFX_PORT_DOWN | OFX_PORT_GENERIC) << 16)
		return port_elsewhere(ctx, port, index);
	s = state_here();
	if (!s)
		return drop(OFX_DROP_INTERNAL);
	return receive(ctx, s, index, len);
}

/* OFX_INJECT_OUT: the ops stand behind the header. */
static __always_inline int inject_out(ofx_ctx *ctx, struct ofx_state *s, __u32 in_port, __u32 n_ops)
{
	verdict_begin(s);
	if (inject_ops(ctx, s, n_ops) || inject_strip(ctx, n_ops))
		return drop(OFX_DROP_BAD_INJECT);
	state_receive(s, in_port, ctx_len(ctx));
	s->punt_flags |= OFX_PUNT_PACKET_OUT;
	return parse(ctx, s) ? drop(OFX_DROP_TRUNCATED) : 0;
}

/* OFX_INJECT_RX: as ofx_port would, but for what it has counted and checked already. */
static __always_inline int inject_rx(ofx_ctx *ctx, struct ofx_state *s, __u32 in_port)
{
	int act;

	if (inject_strip(ctx, 0))
		return drop(OFX_DROP_BAD_INJECT);
	state_receive(s, in_port, ctx_len(ctx));
	act = parse_received(ctx, s);
	if (!act)
		resolve_received(s);
	return act;
}

/* OFX_INJECT_CONT: the op that needs the stamp, once more. */
static __always_inline int inject_cont(ofx_ctx *ctx, struct ofx_state *s, __u32 seq, __u32 index)
{
	if (inject_strip(ctx, 0))
		return drop(OFX_DROP_BAD_INJECT);
	s->stamp.index = index;
	s->stamp.seq = seq;
	if (loop_restore(s))
		return OFX_ACT_DROP;
	return parse(ctx, s) ? drop(OFX_DROP_TRUNCATED) : 0;
}

/* 0: the packet is parsed and its verdict at hand; else it has been dropped and counted. */
static __always_inline int inject_prepare(ofx_ctx *ctx, struct ofx_state *s, const struct ofx_inject *h)
{
	switch (h->kind) {
	case OFX_INJECT_OUT:
		return inject_out(ctx, s, h->in_port, h->n_ops);
	case OFX_INJECT_RX:
		return inject_rx(ctx, s, h->in_port);
	case OFX_INJECT_CONT:
		return inject_cont(ctx, s, h->in_port, h->arg);
	}
	return drop(OFX_DROP_BAD_INJECT);
}

static __always_inline void count_injected(void)
{
	__u32 zero = 0;
	__u64 *n = bpf_map_lookup_elem(&injected, &zero);

	if (n)
		*n += 1;
}

SEC("xdp")
int ofx_inject(struct xdp_md *ctx)
{
	struct ofx_state *s = state_new();
	struct ofx_inject h;
	int act;

	trace_internal(OFX_DEV_INJECT, ctx_ifindex(ctx));
	if (!s)
		return drop(OFX_DROP_INTERNAL);
	if (inject_header(ctx, ofx_magic, &h))
		return drop(OFX_DROP_BAD_INJECT);
	act = inject_prepare(ctx, s, &h);
	if (!act)
		act = run_verdict(ctx, s);
	if (h.kind == OFX_INJECT_OUT)
		count_injected();
	return act;
}

SEC("xdp")
int ofx_punt(struct xdp_md *ctx)
{
	trace_internal(OFX_DEV_PUNT, ctx_ifindex(ctx));
	return packet_in_punt(ctx);
}

/* The state of the packet that the frame's stamp names.  NULL: counted drop. */
static __always_inline struct ofx_state *state_from_stamp(ofx_ctx *ctx, enum ofx_dev dev)
{
	struct ofx_state *s = state_new();
	struct ofx_stamp stamp;

	trace_internal(dev, ctx_ifindex(ctx));
	if (!s || ctx_take_stamp(ctx, &stamp)) {
		count_drop(s ? OFX_DROP_BAD_INJECT : OFX_DROP_INTERNAL);
		return NULL;
	}
	s->stamp = stamp;
	if (loop_restore(s))
		return NULL;
	if (parse(ctx, s)) {
		count_drop(OFX_DROP_TRUNCATED);
		return NULL;
	}
	return s;
}

SEC("xdp")
int ofx_branch(struct xdp_md *ctx)
{
	struct ofx_state *s = state_from_stamp(ctx, OFX_DEV_BRANCH);

	struct ofx_op op;

	if (!s)
		return OFX_ACT_DROP;
	op = s->ops[0];
	verdict_begin(s);
	verdict_copy(s, &op);
	return run_verdict(ctx, s);
}

SEC("xdp")
int ofx_continue(struct xdp_md *ctx)
{
	struct ofx_state *s = state_from_stamp(ctx, OFX_DEV_CONTINUE);

	if (!s)
		return OFX_ACT_DROP;
	s->at = 1;
	return run_verdict(ctx, s);
}

/* Only in generic mode can a frame be given to a driver that takes none from XDP; what fails is counted in trace.h. */
SEC("xdp")
int ofx_relay(struct xdp_md *ctx)
{
	__u32 ifindex = ctx_ifindex(ctx), *found = bpf_map_lookup_elem(&port_of_ifindex, &ifindex);
	struct ofx_port *port = found ? port_at(*found) : NULL;

	return port ? bpf_redirect(port->ifindex, 0) : drop(OFX_DROP_OUTPUT_NO_PORT);
}

/* Run by the daemon (BPF_PROG_TEST_RUN) on 4 bytes, a port's index: XDP_DROP if its driver takes no frames from XDP. */
SEC("xdp")
int ofx_probe(struct xdp_md *ctx)
{
	const __u32 *index = ctx_data(ctx);

	if ((void *)(index + 1) > ctx_data_end(ctx) || *index >= OFX_PORTS || !ofx_sees_carrier)
		return XDP_PASS;
	return port_takes_frames(*index) ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int ofx_queue(struct xdp_md *ctx)
{
	int act = qdisc_pass(ctx);

	if (act == OFX_ACT_PASS)
		trace_internal(OFX_DEV_QUEUE, ctx_ifindex(ctx));
	return act;
}

SEC("tc")
int ofx_egress(struct __sk_buff *skb)
{
	return qdisc_egress(skb);
}

SEC("raw_tp/xdp_redirect_err")
int ofx_redirect_err(struct bpf_raw_tracepoint_args *args)
{
	trace_redirect_err((void *)args->args[0], (void *)args->args[2], args->args[4]);
	return 0;
}

SEC("raw_tp/xdp_devmap_xmit")
int ofx_devmap_xmit(struct bpf_raw_tracepoint_args *args)
{
	trace_devmap_xmit((void *)args->args[0], (void *)args->args[1], args->args[3]);
	return 0;
}

SEC("raw_tp/xdp_exception")
int ofx_exception(struct bpf_raw_tracepoint_args *args)
{
	trace_exception((void *)args->args[0], args->args[2]);
	return 0;
}

char _license[] SEC("license") = "GPL";
