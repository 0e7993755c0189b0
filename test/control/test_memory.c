/* SPDX-License-Identifier: GPL-2.0-only */
/* What peers that do not take their messages can hold: each a part, all together no more than they are given. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "include/openflow/openflow.h"
#include "test/control/rig.h"

#define ASYNC 80	 /* bytes of a message that the stub's "async" sends */
#define ONE (4 << 20)	 /* bytes that one connection may hold … */
#define ALL_OPTION "32"	 /* … where all may hold so many MB */
#define MANY 16		 /* connections, two times more than can hold ONE */
#define KERNEL (1 << 20) /* at least what the sockets hold of one connection */

static void start(struct rig *rig, const char *probe_ms)
{
	rig_start(rig, "listening on tcp", (const char *const[]){"-m", ALL_OPTION, "-p", probe_ms, "ptcp:0", NULL});
}

static void async(struct client *c, size_t bytes)
{
	char text[32];

	snprintf(text, sizeof(text), "async %zu", bytes / ASYNC);
	client_command(c, text);
}

/* Reads all that comes and is not asked for, until the echo's answer. */
static void read_all(struct client *c)
{
	client_put(c, 4, OFPT_ECHO_REQUEST, 0x5555, NULL, 0);
	while (client_await(c, OFPT_ECHO_REPLY).xid != 0x5555)
		;
}

static void test_one_that_does_not_read(void **state)
{
	struct client deaf, other;
	struct rig rig;

	start(&rig, "10000");
	client_up(&deaf, &rig);
	client_up(&other, &rig);
	read_all(&other);
	for (int i = 0; i < 16; i++) {
		async(&other, ONE / 4);
		read_all(&other);
	}
	rig_expect_log(&rig, "disconnected: it does not take our messages: more than 4 MB wait for it");
	assert_true(client_ends_within(&deaf, 3000));
	rig_stop(&rig);
	client_close(&deaf);
	client_close(&other);
}

/* None of them has what one may hold; but all together do.  The one that holds most goes, and who reads stays. */
static void test_many_that_do_not_read(void **state)
{
	struct client deaf[MANY], other;
	unsigned int open = 0;
	struct rig rig;

	start(&rig, "10000");
	for (int i = 0; i < MANY; i++)
		client_up(&deaf[i], &rig);
	client_up(&other, &rig);
	read_all(&other);
	for (size_t sent = 0; sent < 3 * ONE; sent += ONE / 8) {
		async(&other, ONE / 8);
		read_all(&other);
	}
	rig_expect_log(&rig, "the most of all, and for all together more than 32 MB (--max-unsent)");
	read_all(&other);
	for (int i = 0; i < MANY; i++) {
		open += !client_ends_within(&deaf[i], 50);
		client_close(&deaf[i]);
	}
	assert_true(open < MANY);
	client_close(&other);
	rig_stop(&rig);
}

/* Input is memory, too: partial messages, which nobody can act on. */
static void test_half_messages(void **state)
{
	static const uint8_t half[60000] = {4, OFPT_PACKET_OUT, 0xff, 0xff};
	struct client c[100], other;
	unsigned int before, after;
	struct rig rig;

	start(&rig, "10000");
	client_up(&other, &rig);
	read_all(&other);
	for (int i = 0; i < 100; i++) {
		client_up(&c[i], &rig);
		client_echo_ms(&c[i]);
	}
	before = rig_memory(&rig);
	for (int i = 0; i < 100; i++)
		client_send(&c[i], half, sizeof(half));
	read_all(&other);
	after = rig_memory(&rig);
	assert_true(after < before + 100 * 192);
	for (int i = 0; i < 100; i++)
		client_close(&c[i]);
	client_close(&other);
	rig_stop(&rig);
}

/* Who has been served and is idle holds nothing: many of them are no reason to let somebody go. */
static void test_idle_connections(void **state)
{
	enum { LISTENERS = 3, EACH = 100 };
	char dir[] = P_tmpdir "/ofxdp-test-XXXXXX", path[LISTENERS][48], where[LISTENERS][64];
	struct client c[LISTENERS * EACH];
	struct rig rig;

	assert_non_null(mkdtemp(dir));
	for (int i = 0; i < LISTENERS; i++) {
		snprintf(path[i], sizeof(path[i]), "%s/%d", dir, i);
		snprintf(where[i], sizeof(where[i]), "punix:%s", path[i]);
	}
	rig_start(&rig, path[2], (const char *const[]){"-m", ALL_OPTION, where[0], where[1], where[2], NULL});
	for (int i = 0; i < LISTENERS * EACH; i++) {
		client_dial_unix(&c[i], path[i / EACH]);
		client_greet(&c[i]);
		client_echo_ms(&c[i]);
	}
	for (int i = 0; i < LISTENERS * EACH; i++)
		client_echo_ms(&c[i]);
	for (int i = 0; i < LISTENERS * EACH; i++)
		client_close(&c[i]);
	rig_stop(&rig);
	rmdir(dir);
}

/* It takes nothing, and says again and again what nobody asked it: that is no life. */
static void test_answers_that_nobody_asked_for(void **state)
{
	static const uint8_t types[] = {OFPT_ECHO_REPLY, OFPT_HELLO, OFPT_ERROR};

	for (size_t i = 0; i < sizeof(types); i++) {
		struct client c;
		struct rig rig;
		bool ended = false;

		start(&rig, "200");
		client_up(&c, &rig);
		client_echo_ms(&c);
		for (uint64_t end = now_ms() + 3000; !ended && now_ms() < end; usleep(50000)) {
			uint8_t m[12] = {4, types[i], 0, types[i] == OFPT_ERROR ? 12 : 8, 0, 0, 0x70};

			ended = send(c.fd, m, m[3], MSG_NOSIGNAL | MSG_DONTWAIT) < 0;
		}
		assert_true(ended);
		rig_expect_log(&rig, "no answer to our echo request");
		client_close(&c);
		rig_stop(&rig);
	}
}

/* It takes nothing, though there is something for it, and asks on. */
static void test_requests_of_one_that_does_not_read(void **state)
{
	bool ended = false;
	struct client c;
	struct rig rig;

	start(&rig, "200");
	client_up(&c, &rig);
	client_echo_ms(&c);
	async(&c, ONE / 4 * 3 + KERNEL); /* less than it may hold, more than the sockets do */
	for (uint64_t end = now_ms() + 3000; !ended && now_ms() < end; usleep(50000)) {
		static const uint8_t barrier[8] = {4, OFPT_BARRIER_REQUEST, 0, 8};

		ended = send(c.fd, barrier, sizeof(barrier), MSG_NOSIGNAL | MSG_DONTWAIT) < 0;
	}
	assert_true(ended);
	rig_expect_log(&rig, "it does not take our messages");
	client_close(&c);
	rig_stop(&rig);
}

/* One that answers is alive. */
static void test_answered_probes(void **state)
{
	struct client c;
	struct rig rig;

	start(&rig, "200");
	client_up(&c, &rig);
	for (int i = 0; i < 5; i++) {
		struct message m = client_await(&c, OFPT_ECHO_REQUEST);

		client_put(&c, 4, OFPT_ECHO_REPLY, m.xid, NULL, 0);
	}
	client_echo_ms(&c);
	client_close(&c);
	rig_stop(&rig);
}

/* A long answer to a slow and honest reader, who takes longer than a probe: it gets it all. */
static void test_slow_reader_of_a_long_answer(void **state)
{
	const unsigned int n = 200; /* 12 MB */
	struct client c;
	struct rig rig;

	start(&rig, "300");
	client_up(&c, &rig);
	client_command(&c, "pieces 200 of 0");
	client_put(&c, 4, OFPT_BARRIER_REQUEST, 77, NULL, 0);
	for (unsigned int i = 0; i < n; i++) {
		struct message m = client_read(&c);

		assert_int_equal(m.type, OFPT_MULTIPART_REPLY);
		assert_int_equal(m.len, 60000);
		usleep(15000);
	}
	client_await(&c, OFPT_BARRIER_REPLY);
	client_close(&c);
	rig_stop(&rig);
}

/* Packet-ins can be dropped: many slow readers of them are no reason to let somebody go. */
static void test_packet_ins_leave_room(void **state)
{
	struct client deaf[60], other;
	struct rig rig;

	start(&rig, "10000");
	for (int i = 0; i < 60; i++)
		client_up(&deaf[i], &rig);
	client_up(&other, &rig);
	read_all(&other);
	client_command(&other, "flood 200 1400"); /* each takes a MB, were it alone */
	for (uint64_t end = now_ms() + 1000; now_ms() < end;)
		client_echo_ms(&other);
	client_command(&other, "flood 0 0");
	client_echo_ms(&other);
	rig.text[0] = 0;
	client_command(&other, "stats");
	rig_expect_log(&rig, "connections 61");
	assert_null(strstr(rig.text, "disconnected"));
	for (int i = 0; i < 60; i++)
		client_close(&deaf[i]);
	client_close(&other);
	rig_stop(&rig);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_that_does_not_read),
		cmocka_unit_test(test_many_that_do_not_read),
		cmocka_unit_test(test_half_messages),
		cmocka_unit_test(test_idle_connections),
		cmocka_unit_test(test_answers_that_nobody_asked_for),
		cmocka_unit_test(test_requests_of_one_that_does_not_read),
		cmocka_unit_test(test_answered_probes),
		cmocka_unit_test(test_slow_reader_of_a_long_answer),
		cmocka_unit_test(test_packet_ins_leave_room),
	};

	RIG_MAIN(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
