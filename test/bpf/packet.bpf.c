/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs the packet functions of bpf/ one by one: parse, then the job's steps, then parse again. */
#include "bpf/mpls.h"
#include "bpf/parse.h"
#include "bpf/pbb.h"
#include "bpf/set_field.h"
#include "bpf/ttl.h"
#include "bpf/vlan.h"
#include "test/bpf/packet.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct job);
} job SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ofx_state);
} state SEC(".maps");

static __always_inline int run_step(struct xdp_md *ctx, struct ofx_state *s, struct step *step)
{
	switch (step->code) {
	case STEP_SET:
		s->dirty = step->dirty;
		__builtin_memcpy(s->set_value, step->value, sizeof(s->set_value));
		__builtin_memcpy(s->set_mask, step->mask, sizeof(s->set_mask));
		return commit_sets(ctx, s);
	case STEP_PUSH:
		return vlan_push(ctx, s, step->arg);
	case STEP_POP:
		return vlan_pop(ctx, s);
	case STEP_TTL:
		return ttl_set(ctx, s, step->arg);
	case STEP_DEC:
		return ttl_dec(ctx, s);
	case STEP_MPLS_PUSH:
		return mpls_push(ctx, s, step->arg);
	case STEP_MPLS_POP:
		return mpls_pop(ctx, s, step->arg);
	case STEP_MPLS_TTL:
		return mpls_ttl_set(ctx, s, step->arg);
	case STEP_MPLS_DEC:
		return mpls_ttl_dec(ctx, s);
	case STEP_COPY_OUT:
		return ttl_copy_out(ctx, s);
	case STEP_COPY_IN:
		return ttl_copy_in(ctx, s);
	case STEP_PBB_PUSH:
		return pbb_push(ctx, s);
	case STEP_PBB_POP:
		return pbb_pop(ctx, s);
	}
	return 0;
}

SEC("xdp")
int run_job(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct ofx_state *s = bpf_map_lookup_elem(&state, &zero);
	struct job *j = bpf_map_lookup_elem(&job, &zero);

	if (!s || !j)
		return XDP_ABORTED;
	s->in_port = j->in_port;
	j->parsed = parse_packet(ctx, s);
	j->key = s->key;
	for (int i = 0; i < STEPS; i++)
		j->steps[i].result = run_step(ctx, s, &j->steps[i]);
	j->off = s->off;
	parse_packet(ctx, s);
	j->off_again = s->off;
	return XDP_PASS;
}

SEC("xdp")
int only_parse(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct ofx_state *s = bpf_map_lookup_elem(&state, &zero);

	return s && !parse_packet(ctx, s) ? XDP_PASS : XDP_ABORTED;
}

char _license[] SEC("license") = "GPL";
