/* SPDX-License-Identifier: GPL-2.0-only */
/* Frames and ops for the pipeline's tests: building, changing, sending, receiving. */
#ifndef TEST_BPF_PIPELINE_FRAME_H
#define TEST_BPF_PIPELINE_FRAME_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "include/ofxdp/cache.h"
#include "include/ofxdp/config.h"
#include "include/ofxdp/counter.h"
#include "include/ofxdp/drop.h"
#include "include/ofxdp/group.h"
#include "include/ofxdp/key.h"
#include "include/ofxdp/loop.h"
#include "include/ofxdp/packet_in.h"
#include "include/ofxdp/port.h"
#include "include/ofxdp/table_lines.h"

/* --- frames --- */

struct frame {
	size_t len;
	uint8_t b[1600];
};

static inline uint16_t ip_sum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* UDP over IPv4, 64 bytes and more, no UDP checksum. */
static inline struct frame udp_frame(uint8_t ttl, size_t payload)
{
	struct frame f = {.len = 14 + 20 + 8 + payload};
	uint8_t *ip = f.b + 14;
	uint16_t sum;

	memcpy(f.b, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00", 14);
	memcpy(ip, "\x45\x00\x00\x00\x12\x34\x00\x00\x40\x11\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02", 20);
	ip[2] = (f.len - 14) >> 8;
	ip[3] = f.len - 14;
	ip[8] = ttl;
	sum = ip_sum(ip, 20);
	ip[10] = sum >> 8;
	ip[11] = sum;
	memcpy(ip + 20, "\x03\xe8\x07\xd0\x00\x00\x00\x00", 8);
	ip[24] = (8 + payload) >> 8;
	ip[25] = 8 + payload;
	for (size_t i = 0; i < payload; i++)
		ip[28 + i] = i;
	return f;
}

static inline struct frame tagged(struct frame f, uint16_t tci)
{
	memmove(f.b + 16, f.b + 12, f.len - 12);
	f.b[12] = 0x81;
	f.b[13] = 0x00;
	f.b[14] = tci >> 8;
	f.b[15] = tci;
	f.len += 4;
	return f;
}

/* The frame with a label before all else; its Ethernet type goes. */
static inline struct frame labelled(struct frame f, uint32_t entry)
{
	memmove(f.b + 18, f.b + 14, f.len - 14);
	memcpy(f.b + 12, "\x88\x47", 2);
	entry = htonl(entry);
	memcpy(f.b + 14, &entry, 4);
	f.len += 4;
	return f;
}

/* The frame in a PBB header: its addresses twice, an I-TAG. */
static inline struct frame backboned(struct frame f, uint32_t itag)
{
	memmove(f.b + 18, f.b, f.len);
	memcpy(f.b + 12, "\x88\xe7", 2);
	itag = htonl(itag);
	memcpy(f.b + 14, &itag, 4);
	f.len += 18;
	return f;
}

static inline struct frame to_mac(struct frame f, uint8_t last)
{
	f.b[5] = last;
	return f;
}

/* --- ops --- */

static inline struct ofx_op op(uint8_t code, uint8_t a, uint16_t b, uint32_t arg)
{
	return (struct ofx_op){.code = code, .a = a, .b = b, .arg = arg};
}

#define OUTPUT(PORT) op(OFX_OP_OUTPUT, 0, 0, PORT)
#define IN_PORT op(OFX_OP_IN_PORT, 0, 0, 0)
#define FLOOD op(OFX_OP_FLOOD, 0, 0, 0)
#define CONTROLLER op(OFX_OP_CONTROLLER, 1, 0xffff, 0)
#define TABLE op(OFX_OP_TABLE, 0, 0, 0)
#define PUSH op(OFX_OP_PUSH_VLAN, 0, 0x8100, 0)
#define POP op(OFX_OP_POP_VLAN, 0, 0, 0)
#define DEC_TTL op(OFX_OP_DEC_IP_TTL, 0, 0, 0)
#define PUSH_MPLS op(OFX_OP_PUSH_MPLS, 0, 0x8847, 0)
#define POP_MPLS op(OFX_OP_POP_MPLS, 0, 0x0800, 0)
#define SET_MPLS_TTL(TTL) op(OFX_OP_SET_MPLS_TTL, TTL, 0, 0)
#define DEC_MPLS_TTL op(OFX_OP_DEC_MPLS_TTL, 0, 0, 0)
#define COPY_TTL_OUT op(OFX_OP_COPY_TTL_OUT, 0, 0, 0)
#define COPY_TTL_IN op(OFX_OP_COPY_TTL_IN, 0, 0, 0)
#define PUSH_PBB op(OFX_OP_PUSH_PBB, 0, 0, 0)
#define POP_PBB op(OFX_OP_POP_PBB, 0, 0, 0)

static inline struct ofx_op set_field(size_t offset, const void *bytes, size_t n)
{
	struct ofx_op o = op(OFX_OP_SET, offset / 8, 0, offset / 8);

	memcpy((uint8_t *)&o.value + offset % 8, bytes, n);
	memset((uint8_t *)&o.mask + offset % 8, 0xff, n);
	return o;
}

static inline struct ofx_op set_mac(uint8_t last)
{
	return set_field(offsetof(struct ofx_key, eth_dst), (uint8_t[6]){2, 0, 0, 0, 0, last}, 6);
}

static inline struct ofx_op set_label(uint32_t label)
{
	struct ofx_op o;

	label = htonl(label);
	o = set_field(offsetof(struct ofx_key, mpls_label), &label, 4);
	o.mask &= ~(uint64_t)htonl(0xfff00000);
	return o;
}

static inline struct ofx_op set_isid(uint32_t isid)
{
	return set_field(offsetof(struct ofx_key, pbb_isid), (uint8_t[3]){isid >> 16, isid >> 8, isid}, 3);
}

static inline struct ofx_op set_vid(uint16_t vid)
{
	uint16_t wire = htons(0x1000 | vid);

	return set_field(offsetof(struct ofx_key, vlan_vid), &wire, 2);
}

/* --- sending and receiving --- */

static inline void send_frame(int fd, const struct frame *f)
{
	assert_int_equal(send(fd, f->b, f->len, 0), f->len);
}

/* The kernel takes the outer tag off a received frame and tells it beside: put it back. */
static inline void put_tag_back(struct frame *f, struct msghdr *m)
{
	struct tpacket_auxdata aux;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (c->cmsg_type == PACKET_AUXDATA && aux.tp_status & TP_STATUS_VLAN_VALID)
			*f = tagged(*f, aux.tp_vlan_tci);
	}
}

static inline int receive_frame(int fd, struct frame *f, int timeout_ms)
{
	union {
		char b[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {f->b, sizeof(f->b)};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (poll(&p, 1, timeout_ms) <= 0)
		return 0;
	f->len = recvmsg(fd, &m, 0);
	put_tag_back(f, &m);
	return 1;
}

#endif
