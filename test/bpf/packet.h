/* SPDX-License-Identifier: GPL-2.0-only */
/* Between test_packet.c and packet.bpf.c: what to do with a frame, in map `job`, and what came of it. */
#ifndef TEST_BPF_PACKET_H
#define TEST_BPF_PACKET_H

#include "include/ofxdp/state.h"

#define STEPS 16

enum step_code {
	STEP_NONE = 0,
	STEP_SET,  /* dirty, value, mask */
	STEP_PUSH, /* arg: TPID */
	STEP_POP,
	STEP_TTL, /* arg */
	STEP_DEC,
	STEP_MPLS_PUSH, /* arg: Ethernet type */
	STEP_MPLS_POP,	/* arg: Ethernet type */
	STEP_MPLS_TTL,	/* arg */
	STEP_MPLS_DEC,
	STEP_COPY_OUT,
	STEP_COPY_IN,
	STEP_PBB_PUSH,
	STEP_PBB_POP,
};

struct step {
	__u32 code;
	__u32 arg;
	__u32 dirty;
	__s32 result;
	__u64 value[OFX_KEY_WORDS];
	__u64 mask[OFX_KEY_WORDS];
};

struct job {
	__u32 in_port;
	__s32 parsed; /* result of the first parse */
	struct step steps[STEPS];
	struct ofx_key key;	      /* after the first parse */
	struct ofx_offsets off;	      /* after the last step */
	struct ofx_offsets off_again; /* when parsed again then */
};

#endif
