/* SPDX-License-Identifier: GPL-2.0-only */
/* The commands of ofclient that need frames, and the frames. */
#ifndef BENCH_OFCLIENT_H
#define BENCH_OFCLIENT_H

#include "test/bench/ofconn.h"

#define FRAME_LEN 64
/* UDP from 10.0.0.0 + i to 10.128.0.1, so that each i is another flow. */
void frame_of(uint32_t i, uint8_t frame[FRAME_LEN]);

/* Namespaces by name, as `ip netns` has them; frames leave and enter by eth0 there. */
int packet_in_run(struct ofconn *c, const char *netns, uint32_t pps, uint32_t seconds);
int reactive_run(struct ofconn *c, const char *from, const char *to, uint32_t pps, uint32_t n);

/*
 * Send what standard input has, then a barrier request, and go on for these seconds after its reply.  Meanwhile another
 * connection to the same socket asks for echoes: the longest time to an answer, and the most CPU time that the switch,
 * the process `pid`, used from question to answer.
 */
int turn_run(struct ofconn *c, const char *path, uint32_t pid, uint32_t seconds);

#endif
