/* SPDX-License-Identifier: GPL-2.0-only */
/* Output under load: replies ahead of packet-ins, bounds for a peer that does not read, fairness between peers. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "include/openflow/openflow.h"
#include "test/control/rig.h"
#include "user/control/stream.h"

#define FLOOD "flood 2000 200" /* packet-ins per ms, bytes: more than a connection takes */
/* An echo takes far less than that; at most one in LATE_IN may take longer, for the machine has other work too. */
#define ECHO_MS 100
#define LATE_IN 20
/* What may be unsent for one connection: its queue, what the two kernels' sockets hold. */
#define UNSENT_MAX (1 << 20)
#define SOCKETS_MAX (8 << 20)

static unsigned long stat_of(struct rig *rig, struct client *c, const char *name)
{
	const char *at;

	rig->text[0] = 0;
	client_command(c, "stats");
	rig_expect_log(rig, "stats queued");
	rig_expect_log(rig, "connections");
	at = strstr(rig->text, name);
	assert_non_null(at);
	return strtoul(at + strlen(name), NULL, 10);
}

/* Sends echo requests one after the other, at least n, for at least ms milliseconds (0: n). */
static void quick_echoes(struct client *c, unsigned int n, unsigned int ms)
{
	unsigned int worst = 0, late = 0, done = 0;

	for (uint64_t end = now_ms() + ms; done < n || now_ms() < end; done++) {
		unsigned int took = client_echo_ms(c);

		late += took >= ECHO_MS;
		worst = took > worst ? took : worst;
	}
	if (late * LATE_IN > done)
		fail_msg("%u of %u echoes took %u ms or more, one %u ms", late, done, ECHO_MS, worst);
}

/* Round trips on a flooded connection whose reader keeps up, and on another one; every message is whole. */
static void test_echo_under_flood(void **state)
{
	struct client flooded, other;

	client_up(&flooded, *state);
	client_up(&other, *state);
	client_echo_ms(&flooded);
	client_command(&flooded, FLOOD);
	client_await(&flooded, OFPT_PACKET_IN);
	quick_echoes(&flooded, 200, 0);
	client_command(&flooded, "flood 0 0");
	client_close(&other);
	client_close(&flooded);
}

static void test_peer_that_does_not_read(void **state)
{
	struct rig *rig = *state;
	struct client deaf, other;
	unsigned long refused, packet_ins = 0;
	struct message m;

	client_up(&deaf, rig);
	client_up(&other, rig);
	client_echo_ms(&other);
	client_command(&other, FLOOD);
	/* Enough for the kernel's buffers and our queue; `other` reads on meanwhile. */
	quick_echoes(&other, 100, 1000);
	refused = stat_of(rig, &other, "refused ");
	assert_true(refused > 0);
	client_command(&other, "flood 0 0");
	client_echo_ms(&other);
	/* Its reply stands behind no more than the sockets' and the bounded queue; and all is framed well. */
	client_put(&deaf, 4, OFPT_BARRIER_REQUEST, 77, NULL, 0);
	for (m = client_read(&deaf); m.type != OFPT_BARRIER_REPLY; m = client_read(&deaf))
		packet_ins += m.len;
	assert_true(packet_ins < SOCKETS_MAX);
	for (packet_ins = 0; client_read_within(&deaf, &m, 300);)
		packet_ins += m.len;
	assert_true(packet_ins <= UNSENT_MAX);
	client_close(&deaf);
	client_close(&other);
}

/* A peer that asks and never reads is not read from any more; when it reads, all its answers come. */
static void test_back_pressure(void **state)
{
	static uint8_t request[65000] = {4, OFPT_ECHO_REQUEST, 65000 >> 8, 65000 & 0xff};
	struct client c, other;
	size_t sent = 0, answered = 0, rest;
	struct message m;

	client_up(&c, *state);
	client_up(&other, *state);
	for (;;) {
		struct pollfd p = {.fd = c.fd, .events = POLLOUT};
		ssize_t n;

		if (poll(&p, 1, 300) <= 0)
			break;
		n = send(c.fd, request + sent % sizeof(request), sizeof(request) - sent % sizeof(request),
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		assert_true(n > 0 || errno == EAGAIN);
		sent += n > 0 ? n : 0;
		assert_true(sent < 64 << 20);
	}
	quick_echoes(&other, 20, 0);
	rest = sent % sizeof(request);
	while (answered < sent - rest) {
		m = client_read(&c);
		assert_int_equal(m.type, OFPT_ECHO_REPLY);
		assert_int_equal(m.len, sizeof(request));
		answered += m.len;
	}
	client_close(&c);
	client_close(&other);
}

/* A long answer is written as its reader takes it; what was asked behind it is answered behind it. */
static void test_long_answer_in_pieces(void **state)
{
	const unsigned int n = 1000;
	struct client c, other;

	client_up(&c, *state);
	client_up(&other, *state);
	client_command(&c, "pieces 1000 of 0"); /* 60 MB */
	client_put(&c, 4, OFPT_BARRIER_REQUEST, 77, NULL, 0);
	quick_echoes(&other, 20, 0);
	for (unsigned int i = 0; i < n; i++) {
		struct message m = client_read(&c);

		assert_int_equal(m.type, OFPT_MULTIPART_REPLY);
		assert_int_equal(m.len, 60000);
	}
	assert_int_equal(client_read(&c).type, OFPT_BARRIER_REPLY);
	client_command(&c, "pieces 1000 of 0"); /* goes while it is answered */
	client_close(&c);
	client_echo_ms(&other);
	client_close(&other);
}

/* Each step takes a whole turn: what was asked behind it is not forgotten. */
static void test_long_answer_in_slow_pieces(void **state)
{
	struct client c;
	struct message m;

	client_up(&c, *state);
	client_command(&c, "pieces 5 of 4"); /* ms; what follows comes meanwhile and is read at once */
	client_command(&c, "pieces 5 of 4");
	client_put(&c, 4, OFPT_BARRIER_REQUEST, 77, NULL, 0);
	do
		assert_true(client_read_within(&c, &m, 1000));
	while (m.type != OFPT_BARRIER_REPLY);
	client_close(&c);
}

/* CPU time of a process. */
static unsigned long cpu_ms(pid_t pid)
{
	unsigned long user = 0, system = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system),
			 2);
	fclose(f);
	return (user + system) * 1000 / sysconf(_SC_CLK_TCK);
}

/* What waits for something else holds up its own connection only, and looks now and then, not all the time. */
static void test_wait(void **state)
{
	enum { MS = 500 };
	const struct rig *rig = *state;
	struct client c, other;
	uint64_t begun = now_ms(), used;

	client_up(&c, rig);
	client_up(&other, rig);
	used = cpu_ms(rig->pid);
	client_command(&c, "wait 500");
	client_put(&c, 4, OFPT_BARRIER_REQUEST, 77, NULL, 0);
	quick_echoes(&other, 20, 10);
	assert_int_equal(client_read(&c).type, OFPT_BARRIER_REPLY);
	assert_true(now_ms() - begun >= MS);
	assert_true(cpu_ms(rig->pid) - used < MS / 2);
	client_close(&c);
	client_close(&other);
}

static void test_fair_among_connections(void **state)
{
	uint8_t requests[1024][8];
	struct client greedy, other;
	unsigned int late = 0, n = 0;

	for (size_t i = 0; i < 1024; i++)
		memcpy(requests[i], (uint8_t[]){4, OFPT_ECHO_REQUEST, 0, 8, 0, 0, 0, 0}, 8);
	client_up(&greedy, *state);
	client_up(&other, *state);
	for (uint64_t end = now_ms() + 500; n < 100 || now_ms() < end; n++) {
		struct pollfd p = {.fd = greedy.fd, .events = POLLIN | POLLOUT};
		uint8_t sink[65536];

		poll(&p, 1, 100);
		if (p.revents & POLLOUT)
			send(greedy.fd, requests, sizeof(requests), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (p.revents & POLLIN)
			assert_true(recv(greedy.fd, sink, sizeof(sink), MSG_DONTWAIT) != 0);
		late += client_echo_ms(&other) >= ECHO_MS;
	}
	if (late * LATE_IN > n)
		fail_msg("%u of %u echoes took %u ms or more", late, n, ECHO_MS);
	client_close(&greedy);
	client_close(&other);
}

/* Asynchronous messages are never dropped for a peer that reads, however many come at once. */
static void test_async_burst(void **state)
{
	struct client c;
	int n = 0;

	client_up(&c, *state);
	client_command(&c, "async 200000"); /* 16 MB */
	while (n < 200000)
		n += client_read(&c).type == OFPT_PORT_STATUS;
	client_echo_ms(&c);
	client_close(&c);
}

/* --- what the kernel holds --- */

#define HELD 100000 /* bytes */

static void tcp_pair(int fd[2])
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(addr);

	assert_int_equal(bind(listening, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(listening, 1), 0);
	getsockname(listening, (struct sockaddr *)&addr, &len);
	fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd[1], (struct sockaddr *)&addr, len), 0);
	fd[0] = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(fd[0] >= 0);
	close(listening);
}

/* Output that a local peer has not read; input that we have not read, of a TCP peer. */
static void test_kernel_counts(void **state)
{
	static const uint8_t data[HELD];
	struct buf replies = {0}, packet_ins = {0};
	uint8_t *spare = NULL;
	struct stream s;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	stream_open(&s, fd[0], &replies, &packet_ins, &spare, 2 * HELD);
	buf_put(&replies, data, HELD);
	assert_int_equal(stream_flush(&s), 0);
	assert_true(stream_in_kernel(&s) >= HELD);
	close(fd[1]);
	stream_close(&s);

	tcp_pair(fd);
	stream_open(&s, fd[0], &replies, &packet_ins, &spare, 2 * HELD);
	assert_int_equal(send(fd[1], data, HELD, 0), HELD);
	for (int i = 0; i < 1000 && stream_in_kernel(&s) < HELD; i++) {
		usleep(1000);
		stream_ask_kernel(&s);
	}
	assert_int_equal(stream_in_kernel(&s), HELD);
	close(fd[1]);
	stream_close(&s);
	free(spare);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_echo_under_flood, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_peer_that_does_not_read, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_back_pressure, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_long_answer_in_pieces, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_long_answer_in_slow_pieces, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_wait, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_fair_among_connections, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_async_burst, rig_setup, rig_teardown),
		cmocka_unit_test(test_kernel_counts),
	};

	RIG_MAIN(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
