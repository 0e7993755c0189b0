/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tracing programs (trace.h), an object of their own: it shares the maps of ofxdp.bpf.c, and a kernel that refuses
 * one of these programs still forwards.
 */
#include "bpf/trace.h"

SEC("tp_btf/xdp_redirect_err")
int ofx_redirect_err(__u64 *args)
{
	trace_redirect_err((void *)args[0], args[4], args[5], args[6]);
	return 0;
}

SEC("tp_btf/xdp_devmap_xmit")
int ofx_devmap_xmit(__u64 *args)
{
	trace_devmap_xmit((void *)args[0], (void *)args[1], args[3]);
	return 0;
}

SEC("tp_btf/xdp_exception")
int ofx_exception(__u64 *args)
{
	trace_exception((void *)args[0], args[2]);
	return 0;
}

char _license[] SEC("license") = "GPL";
