/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state of the CPU that we are on (include/ofxdp/state.h).  A program takes it before it counts or keeps anything
 * there, and gives it back at its end.
 *
 * A CPU that came online after the daemon had its last look has none yet, or, without a daemon, never gets one.  Such
 * CPUs take turns at one, `ofx_n_cpus`, under a lock: slower, but every packet is forwarded and counted.
 */
#ifndef BPF_CPU_H
#define BPF_CPU_H

#include "bpf/maps.h"

#define CPU_TRIES (1 << 21) /* tens of milliseconds: a virtual CPU that has the lock may be kept from running */

volatile __u32 cpu_shared SEC(".data.shared"); /* 1: somebody has it */

static long cpu_try(__u32 i, void *taken)
{
	return *(__u32 *)taken = !__sync_val_compare_and_swap(&cpu_shared, 0, 1);
}

/* 1: it is ours. */
__weak __noinline int cpu_wait(void)
{
	__u32 taken = 0;

	bpf_loop(CPU_TRIES, cpu_try, &taken, 0);
	return taken;
}

static __noinline struct ofx_state *state_share(void)
{
	struct ofx_state *s = element_at(&state, ofx_n_cpus, 0);

	return s && cpu_wait() ? s : NULL;
}

/* NULL: there is none (for as long as somebody can wait). */
static __always_inline struct ofx_state *state_take(void)
{
	struct ofx_state *s = element_at(&state, bpf_get_smp_processor_id(), 0);

	return __builtin_expect(s != NULL, 1) ? s : state_share();
}

static __always_inline void state_give(const struct ofx_state *s)
{
	if (__builtin_expect(s->cpu == ofx_n_cpus, 0))
		__sync_val_compare_and_swap(&cpu_shared, 1, 0);
}

#endif
