/* SPDX-License-Identifier: GPL-2.0-only */
/* A program of xdp_peer.bpf.c on an interface; one at a time. */
#ifndef BENCH_XDP_PEER_H
#define BENCH_XDP_PEER_H

/* name: of a map there; n: keys it has room for; frames go from `in` to `out`. */
void xdp_peer_start(const char *name, unsigned int n, const char *in, const char *out);
/* The file's keys, one behind the other. */
void xdp_peer_add(const char *path);
void xdp_peer_end(void);

#endif
