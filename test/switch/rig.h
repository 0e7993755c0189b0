/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A switch on the fake datapath with three controllers.  Requests go in as wire bytes through the decoder, answers are
 * read from the bytes the switch wrote.
 */
#ifndef TEST_SWITCH_RIG_H
#define TEST_SWITCH_RIG_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "include/openflow/openflow.h"
#include "test/switch/fake_datapath.h"
#include "user/switch/switch.h"

struct rig_conn {
	struct sw_conn c; /* first */
	size_t read;	  /* of c.replies */
	bool full;	  /* packet_in says no */
	unsigned int n_packet_in, n_wake;
	struct of_packet_in packet_in; /* the last; data not kept */
};

struct rig {
	struct event_base *base;
	struct sw *sw;
	struct dp *dp;
	struct rig_conn conn[3];
	bool hold; /* answers in pieces are not continued by rig_send: the test calls sw_continue() */
};

int rig_setup(void **state);
int rig_teardown(void **state);
/* Run the event loop for so long. */
void rig_run_ms(struct rig *rig, unsigned int ms);

/* Hand over a message: `body` behind a header of this type. */
void rig_send(struct rig *rig, unsigned int conn, uint8_t type, const void *body, size_t len);
void rig_send_buf(struct rig *rig, unsigned int conn, uint8_t type, struct buf *body); /* frees body */

/* The next message from the switch. */
struct reply {
	uint8_t type;
	uint32_t xid;
	const uint8_t *body; /* behind the header */
	size_t len;
};
bool rig_next(struct rig *rig, unsigned int conn, struct reply *reply);
struct reply rig_expect(struct rig *rig, unsigned int conn, uint8_t type); /* fails the test if it is another */
void rig_expect_nothing(struct rig *rig, unsigned int conn);
void rig_expect_error(struct rig *rig, unsigned int conn, uint16_t type, uint16_t code);
#define EXPECT_ERROR(type, code) rig_expect_error(rig, 0, OFPET_##type, code)
#define EXPECT_OK() rig_expect_nothing(rig, 0)

uint16_t rd16(const uint8_t *p);
uint32_t rd32(const uint8_t *p);
uint64_t rd64(const uint8_t *p);

/* --- flow-mods --- */
/* clang-format off */
#define ACTIONS(...) \
	{ sizeof((struct of_action[]){ __VA_ARGS__ }) / sizeof(struct of_action), (struct of_action[]){ __VA_ARGS__ } }
#define OUTPUT(p) { .type = OF_ACT_OUTPUT, .output = { .port = (p), .max_len = 0xffff } }
#define PUSH_VLAN { .type = OF_ACT_PUSH_VLAN, .ethertype = 0x8100 }
#define POP_VLAN { .type = OF_ACT_POP_VLAN }
#define DEC_TTL { .type = OF_ACT_DEC_NW_TTL }
#define GROUP(g) { .type = OF_ACT_GROUP, .group = (g) }
#define SET_FIELD(f, ...) { .type = OF_ACT_SET_FIELD, .set = { .field = OFX_F_##f, .value = { __VA_ARGS__ } } }
#define APPLY(...) { .present = OF_INST_APPLY, .apply = ACTIONS(__VA_ARGS__) }
#define WRITE(...) { .present = OF_INST_WRITE, .write = ACTIONS(__VA_ARGS__) }
/* clang-format on */

/* Defaults: table 0, priority 100, no buffer, any port and group; no match, no instructions. */
struct of_flow_mod flow_mod(uint8_t command);
void rig_flow_mod(struct rig *rig, unsigned int conn, const struct of_flow_mod *fm);
struct buf flow_mod_encode(const struct of_flow_mod *fm); /* the message's body */
/* Match helpers: each adds what its field needs. */
void match_ipv4_dst(struct of_match *m, uint32_t addr, uint32_t mask);
void match_tcp(struct of_match *m, uint16_t dst_port);
void match_vlan(struct of_match *m, uint16_t vid_with_present);
/* An add for IPv4 dst/mask. */
struct of_flow_mod route(uint32_t addr, uint32_t mask);
/* The port that the only apply-action of a rule outputs to. */
uint32_t output_port(struct dp_flow *flow);

/* --- multipart --- */
void rig_multipart(struct rig *rig, unsigned int conn, uint16_t type, uint16_t flags, const void *body, size_t len);
/* All parts of one reply, joined: the entries.  Free with buf_free. */
struct buf rig_multipart_reply(struct rig *rig, unsigned int conn, uint16_t type);

/* One entry of flow statistics, fields by their places in struct ofp_flow_stats. */
struct flow_entry {
	uint8_t table;
	uint32_t duration_sec;
	uint16_t priority, idle, hard, flags;
	uint64_t cookie, packets, bytes;
};
/* Ask for flow statistics; returns how many, fills *last. */
struct of_flow_stats_request flow_request(void); /* everything */
size_t rig_flow_stats(struct rig *rig, const struct of_flow_stats_request *r, struct flow_entry *last);
size_t rig_count(struct rig *rig); /* of all flows */
struct buf flow_request_encode(const struct of_flow_stats_request *r);

#endif
