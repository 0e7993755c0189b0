/* SPDX-License-Identifier: GPL-2.0-only */
/* HELLO and its variants, framing, messages that are wrong, probes. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "include/openflow/openflow.h"
#include "test/control/rig.h"

static void test_our_hello(void **state)
{
	static const uint8_t bitmap[] = {0, 1, 0, 8, 0, 0, 0, 1 << 4};
	struct client c;
	struct message m;

	client_dial(&c, *state);
	m = client_read(&c);
	assert_int_equal(m.version, 4);
	assert_int_equal(m.type, OFPT_HELLO);
	assert_int_equal(m.len, 16);
	assert_memory_equal(m.data + 8, bitmap, 8);
	client_close(&c);
}

/* Hellos that lead to 1.3. */
static void test_hello_accepted(void **state)
{
	static const struct {
		uint8_t version, len, body[24];
	} hellos[] = {
		{4, 0, {0}},			     /* no bitmap */
		{6, 0, {0}},			     /* 1.5 and all below */
		{6, 8, {0, 1, 0, 8, 0, 0, 0, 0x52}}, /* 1.5, 1.3, 1.0 */
		{4, 8, {0, 1, 0, 8, 0, 0, 0, 0x10}},
		{4, 16, {0, 9, 0, 5, 1, 0, 0, 0, 0, 1, 0, 8, 0, 0, 0, 0x10}}, /* an unknown element first */
	};
	struct client c;

	for (size_t i = 0; i < sizeof(hellos) / sizeof(hellos[0]); i++) {
		client_dial(&c, *state);
		client_read(&c);
		client_put(&c, hellos[i].version, OFPT_HELLO, 7, hellos[i].body, hellos[i].len);
		client_echo_ms(&c);
		client_close(&c);
	}
}

static void test_hello_refused(void **state)
{
	static const struct {
		uint8_t version, len, body[8];
	} hellos[] = {
		{1, 0, {0}},
		{3, 0, {0}},
		{6, 8, {0, 1, 0, 8, 0, 0, 0, 0x60}}, /* 1.5, 1.4 */
		{1, 8, {0, 1, 0, 8, 0, 0, 0, 0x02}},
	};
	struct message m;
	struct client c;

	for (size_t i = 0; i < sizeof(hellos) / sizeof(hellos[0]); i++) {
		client_dial(&c, *state);
		client_read(&c);
		client_put(&c, hellos[i].version, OFPT_HELLO, 7, hellos[i].body, hellos[i].len);
		m = client_read(&c);
		assert_int_equal(m.type, OFPT_ERROR);
		assert_memory_equal(m.data + 8, "\0\0\0\0", 4); /* HELLO_FAILED, INCOMPATIBLE */
		assert_non_null(memmem(m.data, m.len, "OpenFlow 1.3", 12));
		client_expect_end(&c);
		client_close(&c);
	}
}

static void test_hello_malformed(void **state)
{
	static const uint8_t element[] = {0, 1, 0, 3, 0, 0, 0, 0};
	struct client c;

	client_dial(&c, *state);
	client_read(&c);
	client_put(&c, 4, OFPT_HELLO, 9, element, 8);
	client_expect_error(&c, OFPET_BAD_REQUEST, OFPBRC_BAD_LEN, 9);
	client_expect_end(&c);
	client_close(&c);
}

static void test_first_must_be_hello(void **state)
{
	struct client c;

	client_dial(&c, *state);
	client_read(&c);
	client_put(&c, 4, OFPT_BARRIER_REQUEST, 9, NULL, 0);
	client_expect_error(&c, OFPET_BAD_REQUEST, OFPBRC_BAD_TYPE, 9);
	client_expect_end(&c);
	client_close(&c);

	client_dial(&c, *state);
	client_read(&c);
	client_send(&c, "GET / HTTP/1.1\r\n\r\n", 18);
	assert_int_equal(client_read(&c).type, OFPT_ERROR);
	client_expect_end(&c);
	client_close(&c);
}

static void test_echo_sizes(void **state)
{
	static const size_t sizes[] = {0, 1, 56, 4096, 65527};
	static uint8_t body[65527];
	struct message m;
	struct client c;

	memset(body, 0xa5, sizeof(body));
	client_up(&c, *state);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		client_put(&c, 4, OFPT_ECHO_REQUEST, i, body, sizes[i]);
		m = client_read(&c);
		assert_int_equal(m.type, OFPT_ECHO_REPLY);
		assert_int_equal(m.xid, i);
		assert_int_equal(m.len, 8 + sizes[i]);
		assert_memory_equal(m.data + 8, body, sizes[i]);
	}
	client_close(&c);
}

/* However the bytes come: one at a time, or a thousand messages at once; answers keep the order. */
static void test_framing(void **state)
{
	uint8_t one[8] = {4, OFPT_BARRIER_REQUEST, 0, 8}, many[1000][8];
	struct client c;

	client_up(&c, *state);
	for (int i = 0; i < 8; i++) {
		client_send(&c, one + i, 1);
		usleep(1000);
	}
	assert_int_equal(client_read(&c).type, OFPT_BARRIER_REPLY);
	for (int i = 0; i < 1000; i++)
		memcpy(many[i], (uint8_t[]){4, i % 3 ? OFPT_ECHO_REQUEST : OFPT_BARRIER_REQUEST, 0, 8, 0, 0, i >> 8, i},
		       8);
	client_send(&c, many, sizeof(many));
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(client_read(&c).xid, i);
	client_close(&c);
}

/* The error the spec names; and the stream goes on. */
static void test_wrong_messages(void **state)
{
	static const struct {
		uint8_t version, type, len;
		uint16_t code;
	} wrong[] = {
		{1, OFPT_ECHO_REQUEST, 0, OFPBRC_BAD_VERSION},
		{5, OFPT_BARRIER_REQUEST, 0, OFPBRC_BAD_VERSION},
		{4, 77, 0, OFPBRC_BAD_TYPE},
		{4, OFPT_PACKET_IN, 24, OFPBRC_BAD_TYPE},
		{4, OFPT_BARRIER_REQUEST, 4, OFPBRC_BAD_LEN},
		{4, OFPT_FLOW_MOD, 8, OFPBRC_BAD_LEN},
	};
	static const uint8_t zeros[64];
	struct client c;

	client_up(&c, *state);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		client_put(&c, wrong[i].version, wrong[i].type, 100 + i, zeros, wrong[i].len);
		client_expect_error(&c, OFPET_BAD_REQUEST, wrong[i].code, 100 + i);
		client_echo_ms(&c);
	}
	client_close(&c);
}

static void test_error_carries_the_request(void **state)
{
	uint8_t body[100];
	struct message m;
	struct client c;

	memset(body, 0x5a, sizeof(body));
	client_up(&c, *state);
	client_put(&c, 4, 99, 3, body, sizeof(body));
	m = client_read(&c);
	assert_int_equal(m.type, OFPT_ERROR);
	assert_true(m.len >= 12 + 64);
	assert_memory_equal(m.data + 12, "\4\143\0\154\0\0\0\3", 8);
	assert_memory_equal(m.data + 20, body, 56);
	client_close(&c);
}

/* Errors and echo replies from the peer get no answer, not even when they are wrong. */
static void test_never_answered(void **state)
{
	struct client c;
	struct message m;

	client_up(&c, *state);
	client_put(&c, 4, OFPT_ERROR, 1, "\0\1\0\1", 4);
	client_put(&c, 4, OFPT_ERROR, 1, NULL, 0);
	client_put(&c, 1, OFPT_ERROR, 1, "\0", 1);
	client_put(&c, 4, OFPT_ECHO_REPLY, 1, "x", 1);
	client_put(&c, 4, OFPT_HELLO, 1, NULL, 0);
	client_put(&c, 4, OFPT_BARRIER_REQUEST, 55, NULL, 0);
	m = client_read(&c);
	assert_int_equal(m.type, OFPT_BARRIER_REPLY);
	assert_int_equal(m.xid, 55);
	client_close(&c);
}

static void test_length_below_header(void **state)
{
	struct client c;

	client_up(&c, *state);
	client_send(&c, "\4\2\0\7\0\0\0\1garbage that is not looked at", 38);
	client_expect_error(&c, OFPET_BAD_REQUEST, OFPBRC_BAD_LEN, 0);
	client_expect_end(&c);
	client_close(&c);
}

/* Random bytes behind a handshake, or in place of it; cut off anywhere.  No descriptor stays open. */
static void test_garbage(void **state)
{
	struct rig *rig = *state;
	unsigned int before = rig_fds(rig);
	uint8_t bytes[512];
	struct client c;

	srandom(1);
	for (int i = 0; i < 200; i++) {
		size_t n = 1 + random() % sizeof(bytes);

		for (size_t k = 0; k < n; k++)
			bytes[k] = random();
		if (i % 4)
			bytes[0] = 4;
		if (i % 4 == 2)
			bytes[2] = 0;
		client_dial(&c, rig);
		if (i % 2)
			client_put(&c, 4, OFPT_HELLO, 1, NULL, 0);
		send(c.fd, bytes, n, MSG_NOSIGNAL);
		client_close(&c);
	}
	client_up(&c, rig);
	client_echo_ms(&c);
	client_close(&c);
	for (int i = 0; i < 100 && rig_fds(rig) > before; i++)
		usleep(20000);
	assert_true(rig_fds(rig) <= before);
}

static void test_probe(void **state)
{
	static const char *const args[] = {"-p", "200", "-h", "200", "ptcp:0", NULL};
	struct rig rig;
	struct client silent, speaking, mute;
	uint64_t start;

	rig_start(&rig, "listening on tcp", args);
	client_dial(&mute, &rig);
	assert_int_equal(client_read(&mute).type, OFPT_HELLO);
	client_expect_end(&mute); /* no HELLO came */
	client_up(&speaking, &rig);
	client_up(&silent, &rig);
	start = now_ms();
	/* It never answers a probe, but what it says is life enough. */
	while (now_ms() < start + 700) {
		client_put(&speaking, 4, OFPT_BARRIER_REQUEST, 5, NULL, 0);
		client_await(&speaking, OFPT_BARRIER_REPLY);
		usleep(50000);
	}
	client_echo_ms(&speaking);
	assert_int_equal(client_read(&silent).type, OFPT_ECHO_REQUEST);
	client_expect_end(&silent);
	rig_expect_log(&rig, "no answer to our echo request");
	rig_stop(&rig);
	client_close(&mute);
	client_close(&speaking);
	client_close(&silent);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_our_hello),
		cmocka_unit_test(test_hello_accepted),
		cmocka_unit_test(test_hello_refused),
		cmocka_unit_test(test_hello_malformed),
		cmocka_unit_test(test_first_must_be_hello),
		cmocka_unit_test(test_echo_sizes),
		cmocka_unit_test(test_framing),
		cmocka_unit_test(test_wrong_messages),
		cmocka_unit_test(test_error_carries_the_request),
		cmocka_unit_test(test_never_answered),
		cmocka_unit_test(test_length_below_header),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_probe),
	};

	RIG_MAIN(argc, argv);
	return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
