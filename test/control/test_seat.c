/* SPDX-License-Identifier: GPL-2.0-only */
/* Nobody keeps others from connecting: not silent connections, not one peer, not one listener. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "include/openflow/openflow.h"
#include "test/control/rig.h"
#include "user/control/seat.h"

/* A listener on TCP and one on a Unix socket. */
struct place {
	struct rig rig;
	char dir[32], path[48], where[72];
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->dir, P_tmpdir "/ofxdp-test-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/sock", p->dir);
	snprintf(p->where, sizeof(p->where), "punix:%s", p->path);
	rig_start(&p->rig, "listening on unix", (const char *const[]){"ptcp:0", p->where, NULL});
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	rig_stop(&p->rig);
	rmdir(p->dir);
	free(p);
	return 0;
}

static void expect_served(struct client *c)
{
	client_greet(c);
	client_echo_ms(c);
	client_close(c);
}

/* Both listeners serve a newcomer. */
static void expect_open(struct place *p, const char *from)
{
	struct client c;

	client_dial_unix(&c, p->path);
	expect_served(&c);
	client_dial_from(&c, &p->rig, from);
	expect_served(&c);
}

static void test_silent_connections(void **state)
{
	struct place *p = *state;
	struct client silent[300];

	for (int i = 0; i < 300; i++)
		client_dial(&silent[i], &p->rig);
	expect_open(p, "127.0.0.1");
	assert_true(rig_fds(&p->rig) < 100); /* those that were first are gone */
	for (int i = 0; i < 300; i++)
		client_close(&silent[i]);
}

/* Silent ones on the Unix socket, half a header each. */
static void test_silent_local_connections(void **state)
{
	struct place *p = *state;
	struct client silent[100];

	for (int i = 0; i < 100; i++) {
		client_dial_unix(&silent[i], p->path);
		send(silent[i].fd, "\4\0\0", 3, MSG_NOSIGNAL);
	}
	expect_open(p, "127.0.0.1");
	for (int i = 0; i < 100; i++)
		client_close(&silent[i]);
}

/* In the queue of handshakes, too, the peer that has most of them is the one that loses one. */
static void test_silent_peer_among_others(void **state)
{
	struct place *p = *state;
	struct client slow, silent[SEATS_WAIT * 3];

	client_dial_from(&slow, &p->rig, "127.0.0.9");
	for (int i = 0; i < SEATS_WAIT * 3; i++)
		client_dial(&silent[i], &p->rig);
	expect_open(p, "127.0.0.1");
	expect_served(&slow);
	for (int i = 0; i < SEATS_WAIT * 3; i++)
		client_close(&silent[i]);
}

static void test_all_seats_taken(void **state)
{
	struct place *p = *state;
	struct client c, seated[SEATS];

	for (int i = 0; i < SEATS; i++)
		client_up(&seated[i], &p->rig);
	for (int i = 0; i < SEATS; i++)
		client_echo_ms(&seated[i]);
	/* No seat for one more of the same peer: it is told so. */
	client_up(&c, &p->rig);
	client_expect_error(&c, OFPET_HELLO_FAILED, OFPHFC_EPERM, 1);
	client_expect_end(&c);
	client_close(&c);
	rig_expect_log(&p->rig, "refused: all 128 seats of ptcp:0 are taken");
	/* But for another peer, and on another listener. */
	expect_open(p, "127.0.0.2");
	rig_expect_log(&p->rig, "another peer takes its place");
	client_expect_end(&seated[SEATS - 1]);
	for (int i = 0; i < SEATS - 1; i++)
		client_echo_ms(&seated[i]);
	for (int i = 0; i < SEATS; i++)
		client_close(&seated[i]);
}

/* Who is one of many has no claim to another's only seat. */
static void test_no_seat_of_a_lesser_peer(void **state)
{
	struct place *p = *state;
	struct client c, seated[SEATS];
	char from[32];

	for (int i = 0; i < SEATS; i++) {
		snprintf(from, sizeof(from), "127.0.1.%d", 1 + i);
		client_dial_from(&seated[i], &p->rig, from);
		client_greet(&seated[i]);
		client_echo_ms(&seated[i]);
	}
	client_up(&c, &p->rig);
	client_expect_error(&c, OFPET_HELLO_FAILED, OFPHFC_EPERM, 1);
	client_close(&c);
	for (int i = 0; i < SEATS; i++) {
		client_echo_ms(&seated[i]);
		client_close(&seated[i]);
	}
	/* Seats are given back. */
	usleep(100000);
	client_dial(&c, &p->rig);
	expect_served(&c);
}

/* Work that was left behind takes seats, but no local ones. */
static void test_seats_of_work_left_behind(void **state)
{
	struct place *p = *state;
	struct client own, c;

	client_dial_unix(&own, p->path);
	client_greet(&own);
	client_command(&own, "left 128");
	client_echo_ms(&own);
	client_up(&c, &p->rig);
	client_expect_error(&c, OFPET_HELLO_FAILED, OFPHFC_EPERM, 1);
	client_close(&c);
	client_dial_unix(&c, p->path);
	expect_served(&c);
	client_command(&own, "left 127");
	client_echo_ms(&own);
	client_dial(&c, &p->rig);
	expect_served(&c);
	client_close(&own);
}

/* Descriptors run out: TCP leaves some for the Unix socket, and both for controllers that we connect to. */
static void test_few_descriptors(void **state)
{
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct client many[SEATS], own, c;
	socklen_t len = sizeof(addr);
	struct place *p = *state;
	struct rlimit limit;
	char target[64];
	struct rig rig;

	assert_int_equal(bind(listening, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(listening, 4), 0);
	getsockname(listening, (struct sockaddr *)&addr, &len);
	snprintf(target, sizeof(target), "tcp:127.0.0.1:%d", ntohs(addr.sin_port));
	snprintf(p->where, sizeof(p->where), "punix:%s2", p->path);
	rig_start(&rig, "listening on unix", (const char *const[]){target, "ptcp:0", p->where, NULL});
	client_of(&own, accept(listening, NULL, NULL));
	client_greet(&own);
	limit.rlim_cur = limit.rlim_max = rig_fds(&rig) + 120;
	assert_int_equal(prlimit(rig.pid, RLIMIT_NOFILE, &limit, NULL), 0);
	for (int i = 0; i < SEATS; i++) {
		client_dial(&many[i], &rig);
		client_put(&many[i], 4, OFPT_HELLO, 1, NULL, 0);
	}
	rig_expect_log(&rig, "refused: too few file descriptors are left");
	snprintf(target, sizeof(target), "%s2", p->path);
	client_dial_unix(&c, target);
	expect_served(&c);
	client_close(&own); /* it is connected to again, which takes a descriptor */
	client_of(&own, accept(listening, NULL, NULL));
	client_greet(&own);
	client_echo_ms(&own);
	client_close(&own);
	close(listening);
	for (int i = 0; i < SEATS; i++)
		client_close(&many[i]);
	rig_stop(&rig);
}

/* A handshake has its time: shorter than that of a connection that is up. */
static void test_handshake_time(void **state)
{
	struct client c;
	struct rig rig;

	rig_start(&rig, "listening on tcp", (const char *const[]){"-h", "300", "ptcp:0", NULL});
	client_dial(&c, &rig);
	assert_int_equal(client_read(&c).type, OFPT_HELLO);
	assert_true(client_ends_within(&c, 3000));
	rig_expect_log(&rig, "gave up before the handshake was done: no HELLO came");
	client_close(&c);
	rig_stop(&rig);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_silent_connections, setup, teardown),
		cmocka_unit_test_setup_teardown(test_silent_local_connections, setup, teardown),
		cmocka_unit_test_setup_teardown(test_silent_peer_among_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_seats_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_seat_of_a_lesser_peer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_seats_of_work_left_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_few_descriptors, setup, teardown),
		cmocka_unit_test(test_handshake_time),
	};

	RIG_MAIN(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
