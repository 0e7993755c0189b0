/* SPDX-License-Identifier: GPL-2.0-only */
#include <arpa/inet.h>
#include <stdlib.h>
#include "test/switch/rig.h"
#include "user/util/log.h"

#define XID 0x12345678

static bool take_packet_in(struct sw_conn *c, const struct of_packet_in *p)
{
	struct rig_conn *conn = (struct rig_conn *)c;

	if (conn->full)
		return false;
	conn->n_packet_in++;
	conn->packet_in = *p;
	return true;
}

static void take_wake(struct sw_conn *c)
{
	((struct rig_conn *)c)->n_wake++;
}

int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	log_level = LOG_LVL_ERROR; /* refused messages are what the tests are about */
	rig->base = event_base_new();
	rig->sw = sw_new(&(struct sw_config){.dpid = 0x42, .name = "test"}, rig->base);
	rig->dp = fake_dp_new();
	rig->dp->aux = rig->sw;
	sw_start(rig->sw, rig->dp);
	for (int i = 0; i < 3; i++) {
		struct sw_conn *c = &rig->conn[i].c;

		c->name = "test";
		c->replies.version = OF_VERSION_13;
		c->packet_in = take_packet_in;
		c->wake = take_wake;
		sw_conn_add(rig->sw, c);
	}
	*state = rig;
	return 0;
}

int rig_teardown(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 3; i++) {
		sw_conn_remove(rig->sw, &rig->conn[i].c);
		buf_free(&rig->conn[i].c.replies.buf);
	}
	sw_free(rig->sw);
	fake_dp_free(rig->dp);
	event_base_free(rig->base);
	free(rig);
	return 0;
}

void rig_run_ms(struct rig *rig, unsigned int ms)
{
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	event_base_loopexit(rig->base, &tv);
	event_base_dispatch(rig->base);
}

void rig_send(struct rig *rig, unsigned int conn, uint8_t type, const void *body, size_t len)
{
	struct sw_conn *c = &rig->conn[conn].c;
	struct of_msg msg = {0};
	struct buf b = {0};
	int err;

	buf_put_u8(&b, OF_VERSION_13);
	buf_put_u8(&b, type);
	buf_put_be16(&b, 8 + len);
	buf_put_be32(&b, XID);
	if (len)
		buf_put(&b, body, len);
	err = sw_permit(c, type) ?: of_decode(b.data, b.len, &msg);
	if (err) {
		of_put_error(&c->replies, XID, err, b.data, b.len);
	} else {
		sw_handle(rig->sw, c, &msg);
		of_msg_free(&msg);
		while (sw_busy(c) && !rig->hold)
			sw_continue(rig->sw, c);
	}
	buf_free(&b);
}

void rig_send_buf(struct rig *rig, unsigned int conn, uint8_t type, struct buf *body)
{
	rig_send(rig, conn, type, body->data, body->len);
	buf_free(body);
}

bool rig_next(struct rig *rig, unsigned int conn, struct reply *reply)
{
	struct rig_conn *c = &rig->conn[conn];
	const uint8_t *at = c->c.replies.buf.data + c->read;
	size_t left = c->c.replies.buf.len - c->read;

	if (!left)
		return false;
	assert_true(left >= 8 && at[0] == OF_VERSION_13 && rd16(at + 2) >= 8 && rd16(at + 2) <= left);
	*reply = (struct reply){at[1], rd32(at + 4), at + 8, rd16(at + 2) - 8u};
	c->read += rd16(at + 2);
	return true;
}

struct reply rig_expect(struct rig *rig, unsigned int conn, uint8_t type)
{
	struct reply r = {0};

	assert_true(rig_next(rig, conn, &r));
	assert_int_equal(r.type, type);
	return r;
}

void rig_expect_nothing(struct rig *rig, unsigned int conn)
{
	struct reply r = {0};

	if (rig_next(rig, conn, &r))
		fail_msg("unexpected message of type %u: %02x%02x %02x%02x", r.type, r.body[0], r.body[1], r.body[2],
			 r.body[3]);
}

void rig_expect_error(struct rig *rig, unsigned int conn, uint16_t type, uint16_t code)
{
	struct reply r = rig_expect(rig, conn, OFPT_ERROR);

	assert_int_equal(r.xid, XID);
	assert_int_equal(rd16(r.body), type);
	assert_int_equal(rd16(r.body + 2), code);
	rig_expect_nothing(rig, conn);
}

uint16_t rd16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

uint32_t rd32(const uint8_t *p)
{
	return (uint32_t)rd16(p) << 16 | rd16(p + 2);
}

uint64_t rd64(const uint8_t *p)
{
	return (uint64_t)rd32(p) << 32 | rd32(p + 4);
}

struct of_flow_mod flow_mod(uint8_t command)
{
	return (struct of_flow_mod){
		.command = command,
		.priority = 100,
		.buffer_id = OF_NO_BUFFER,
		.out_port = OFPP_ANY,
		.out_group = OFPG_ANY,
	};
}

struct buf flow_mod_encode(const struct of_flow_mod *fm)
{
	struct buf b = {0};

	buf_put_be64(&b, fm->cookie);
	buf_put_be64(&b, fm->cookie_mask);
	buf_put_u8(&b, fm->table);
	buf_put_u8(&b, fm->command);
	buf_put_be16(&b, fm->idle_timeout);
	buf_put_be16(&b, fm->hard_timeout);
	buf_put_be16(&b, fm->priority);
	buf_put_be32(&b, fm->buffer_id);
	buf_put_be32(&b, fm->out_port);
	buf_put_be32(&b, fm->out_group);
	buf_put_be16(&b, fm->flags);
	buf_put_zero(&b, 2);
	of_match_encode(&b, OF_VERSION_13, &fm->match);
	of_instructions_encode(&b, OF_VERSION_13, &fm->inst);
	return b;
}

void rig_flow_mod(struct rig *rig, unsigned int conn, const struct of_flow_mod *fm)
{
	struct buf b = flow_mod_encode(fm);

	rig_send_buf(rig, conn, OFPT_FLOW_MOD, &b);
}

static void match_be16(struct of_match *m, enum ofx_field f, uint16_t value)
{
	uint16_t be = htons(value);

	of_match_set(m, f, &be);
}

void match_ipv4_dst(struct of_match *m, uint32_t addr, uint32_t mask)
{
	match_be16(m, OFX_F_ETH_TYPE, 0x0800);
	of_match_set_be32(m, OFX_F_IPV4_DST, addr);
	if (mask == UINT32_MAX)
		return;
	m->masked |= 1ull << OFX_F_IPV4_DST;
	m->mask.ipv4_dst = htonl(mask);
	m->value.ipv4_dst &= htonl(mask);
}

void match_tcp(struct of_match *m, uint16_t dst_port)
{
	match_be16(m, OFX_F_ETH_TYPE, 0x0800);
	of_match_set(m, OFX_F_IP_PROTO, &(uint8_t){6});
	match_be16(m, OFX_F_TCP_DST, dst_port);
}

void match_vlan(struct of_match *m, uint16_t vid_with_present)
{
	match_be16(m, OFX_F_VLAN_VID, vid_with_present);
}

struct of_flow_mod route(uint32_t addr, uint32_t mask)
{
	struct of_flow_mod fm = flow_mod(OFPFC_ADD);

	match_ipv4_dst(&fm.match, addr, mask);
	return fm;
}

uint32_t output_port(struct dp_flow *flow)
{
	assert_non_null(flow);
	assert_int_equal(flow->inst->of.apply.n, 1);
	return flow->inst->of.apply.v[0].output.port;
}

void rig_multipart(struct rig *rig, unsigned int conn, uint16_t type, uint16_t flags, const void *body, size_t len)
{
	struct buf b = {0};

	buf_put_be16(&b, type);
	buf_put_be16(&b, flags);
	buf_put_zero(&b, 4);
	if (len)
		buf_put(&b, body, len);
	rig_send_buf(rig, conn, OFPT_MULTIPART_REQUEST, &b);
}

struct buf rig_multipart_reply(struct rig *rig, unsigned int conn, uint16_t type)
{
	struct buf all = {0};
	bool more = true;

	while (more) {
		struct reply r = rig_expect(rig, conn, OFPT_MULTIPART_REPLY);

		assert_int_equal(rd16(r.body), type);
		assert_int_equal(r.xid, XID);
		more = rd16(r.body + 2) & OFPMPF_REPLY_MORE;
		buf_put(&all, r.body + 8, r.len - 8);
	}
	return all;
}

struct of_flow_stats_request flow_request(void)
{
	return (struct of_flow_stats_request){.table = OFPTT_ALL, .out_port = OFPP_ANY, .out_group = OFPG_ANY};
}

struct buf flow_request_encode(const struct of_flow_stats_request *r)
{
	struct buf b = {0};

	buf_put_u8(&b, r->table);
	buf_put_zero(&b, 3);
	buf_put_be32(&b, r->out_port);
	buf_put_be32(&b, r->out_group);
	buf_put_zero(&b, 4);
	buf_put_be64(&b, r->cookie);
	buf_put_be64(&b, r->cookie_mask);
	of_match_encode(&b, OF_VERSION_13, &r->match);
	return b;
}

size_t rig_flow_stats(struct rig *rig, const struct of_flow_stats_request *r, struct flow_entry *last)
{
	struct buf b = flow_request_encode(r), all;
	size_t n = 0;

	rig_multipart(rig, 0, OFPMP_FLOW, 0, b.data, b.len);
	buf_free(&b);
	all = rig_multipart_reply(rig, 0, OFPMP_FLOW);
	for (size_t at = 0; at < all.len; at += rd16(all.data + at), n++) {
		const uint8_t *e = all.data + at;

		assert_true(rd16(e) >= 56 && at + rd16(e) <= all.len);
		if (last)
			*last = (struct flow_entry){e[2],	  rd32(e + 4),	rd16(e + 12),
						    rd16(e + 14), rd16(e + 16), rd16(e + 18),
						    rd64(e + 24), rd64(e + 32), rd64(e + 40)};
	}
	buf_free(&all);
	return n;
}

size_t rig_count(struct rig *rig)
{
	struct of_flow_stats_request all = flow_request();

	return rig_flow_stats(rig, &all, NULL);
}
