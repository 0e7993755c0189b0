/* SPDX-License-Identifier: GPL-2.0-only */
/* A buffer that is full: every kind of message ends in the sticky error, wherever in it that happens, and nowhere else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "include/openflow/openflow.h"
#include "user/openflow/msg.h"

static uint8_t bytes[OF_MSG_MAX];

static void hello(struct of_out *o)
{
	of_put_hello(o, 1, 1 << 4);
}

static void error(struct of_out *o)
{
	of_put_error(o, 1, OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_TYPE), bytes, 64);
}

static void echo(struct of_out *o)
{
	of_put_echo(o, true, 1, bytes, sizeof(bytes) - 8);
}

static void packet_in(struct of_out *o)
{
	struct of_packet_in p = {.data = bytes, .len = 1500};

	of_match_set_be32(&p.match, OFX_F_IN_PORT, 3);
	of_put_packet_in(o, &p);
}

static void port_status(struct of_out *o)
{
	of_put_port_status(o, 2, &(struct of_port){.port_no = 1, .name = "x"});
}

static void queue_config(struct of_out *o)
{
	static const struct of_queue queues[100];

	of_put_queue_config(o, 1, OFPP_ANY, queues, 100);
}

/* Some messages of entries: where one ends and its header is put in front of the last entry. */
static void flows(struct of_out *o)
{
	struct of_instructions inst = {};
	struct of_match match = {};
	struct of_flow_stats f = {.match = &match, .inst = &inst};
	struct of_multipart mp;

	of_multipart_begin(&mp, o, OFPMP_FLOW, 1);
	for (int i = 0; i < 1500; i++)
		of_multipart_flow(&mp, &f);
	of_multipart_pause(&mp);
}

static void table_features(struct of_out *o)
{
	struct of_table_features f = {.match = ~0ull, .wildcards = ~0ull, .set_field = ~0ull, .actions = ~0u};
	struct of_multipart mp;

	of_multipart_begin(&mp, o, OFPMP_TABLE_FEATURES, 1);
	for (int i = 0; i < 60; i++)
		of_multipart_table_features(&mp, &f);
	of_multipart_end(&mp);
}

static void group_desc(struct of_out *o)
{
	static struct of_bucket buckets[100];
	struct of_group_desc g = {.n_buckets = 100, .buckets = buckets};
	struct of_multipart mp;

	of_multipart_begin(&mp, o, OFPMP_GROUP_DESC, 1);
	for (int i = 0; i < 60; i++)
		of_multipart_group_desc(&mp, &g);
	of_multipart_end(&mp);
}

static void (*const messages[])(struct of_out *o) = {hello,	   error, echo,		  packet_in, port_status,
						     queue_config, flows, table_features, group_desc};

static size_t length_of(void (*message)(struct of_out *o))
{
	struct of_out o = {.version = OF_VERSION_13};
	size_t len;

	message(&o);
	assert_int_equal(o.buf.error, 0);
	len = o.buf.len;
	buf_free(&o.buf);
	return len;
}

/* Room for `room` bytes behind others. */
static struct of_out out_with(size_t room)
{
	struct of_out o = {.version = OF_VERSION_13, .buf.max = 4 * BUF_PIECE};

	while (o.buf.max - o.buf.len > room) {
		size_t left = o.buf.max - o.buf.len - room;

		buf_put_zero(&o.buf, left < BUF_PIECE ? left : BUF_PIECE);
	}
	assert_int_equal(o.buf.error, 0);
	return o;
}

static void full_in_the_middle(void **state)
{
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		size_t len = length_of(messages[i]), step = len < 4000 ? 1 : 997;

		for (size_t room = 0; room < len; room += step) {
			struct of_out o = out_with(room);

			messages[i](&o);
			assert_int_equal(o.buf.error, -ENOBUFS);
			for (size_t k = 0; k < 3; k++) /* on and on */
				messages[i](&o);
			assert_int_equal(o.buf.error, -ENOBUFS);
			buf_free(&o.buf);
		}
	}
}

static void just_enough(void **state)
{
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		size_t len = length_of(messages[i]);
		struct of_out o = out_with(len + 64); /* some write a little more and take it back */

		messages[i](&o);
		assert_int_equal(o.buf.error, 0);
		assert_true(o.buf.size <= o.buf.max);
		buf_free(&o.buf);
	}
}

/* Freed, it is as new, but for its bound. */
static void used_again(void **state)
{
	struct of_out o = out_with(0);

	hello(&o);
	assert_int_equal(o.buf.error, -ENOBUFS);
	buf_free(&o.buf);
	assert_int_equal(o.buf.error, 0);
	assert_int_equal(o.buf.len, 0);
	hello(&o);
	assert_int_equal(o.buf.len, 16);
	assert_int_equal(o.buf.data[1], OFPT_HELLO);
	assert_int_equal(o.buf.max, 4 * BUF_PIECE);
	buf_free(&o.buf);
}

/* What was large is given back as it empties; what it holds stays. */
static void shrinks(void **state)
{
	struct buf b = {0};

	for (int i = 0; i < 100; i++)
		memset(buf_put_zero(&b, 10000), i, 10000);
	assert_true(b.size >= 1000000);
	while (b.len > 10000) {
		b.len -= 10000;
		buf_shrink(&b);
		assert_true(b.size < 8 * b.len + 20000);
		assert_int_equal(b.data[b.len - 1], b.len / 10000 - 1);
	}
	buf_put(&b, bytes, sizeof(bytes));
	assert_int_equal(b.error, 0);
	buf_free(&b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_in_the_middle),
		cmocka_unit_test(just_enough),
		cmocka_unit_test(used_again),
		cmocka_unit_test(shrinks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
