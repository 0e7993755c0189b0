/* SPDX-License-Identifier: GPL-2.0-only */
/* The log: it never keeps the daemon waiting, and tells what it could not write. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "include/openflow/openflow.h"
#include "test/control/rig.h"

#define LINES 5000 /* some 400 KB */
#define PIPE_SIZE 4096

static const char *const args[] = {"ptcp:0", NULL};

static void small_pipe(int fds[2])
{
	assert_int_equal(pipe(fds), 0);
	assert_true(fcntl(fds[0], F_SETPIPE_SZ, PIPE_SIZE) >= 0);
}

static void socket_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
}

/* As another process may have left the description that all who write there share. */
static void pipe_that_does_not_block(int fds[2])
{
	small_pipe(fds);
	assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
}

static void (*const kinds[])(int fds[2]) = {small_pipe, socket_pair, pipe_that_does_not_block};

/* Lines come in order; what is missing is told.  Read until the log ends, and look at what was said behind `from`. */
static void expect_all_told(struct rig *rig)
{
	unsigned int number, of, last = 0, n = 0;
	unsigned long lost = 0, more;
	FILE *f = fdopen(dup(rig->log), "r");
	char line[1024];

	while (fgets(line, sizeof(line), f)) {
		const char *text = strstr(line, "line ");

		if (text && sscanf(text, "line %u of %u,", &number, &of) == 2) {
			assert_int_equal(number, last + 1); /* lost ones are the last */
			last = number;
			n++;
		} else if (sscanf(line, "control-stub: warning: %lu log lines were lost", &more) == 1) {
			lost += more;
		}
	}
	fclose(f);
	assert_true(n > 100);
	assert_true(lost > 0);
	assert_true(n + lost >= LINES);
	assert_true(n + lost <= LINES + 20); /* what else was logged meanwhile */
}

/* Nobody reads: connections are served on; then somebody does. */
static void test_reader_that_pauses(void **state)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct client c;
		struct rig rig;
		int fds[2];

		kinds[i](fds);
		rig_start_on(&rig, fds, "listening on tcp", args);
		client_up(&c, &rig);
		client_command(&c, "log 5000");
		client_echo_ms(&c);
		client_echo_ms(&c);
		client_close(&c);
		kill(rig.pid, SIGTERM);
		expect_all_told(&rig);
		rig_wait(&rig, 0);
	}
}

/* Nobody ever reads: it ends all the same. */
static void test_end_without_a_reader(void **state)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int fds[2], status = 0;
		struct client c;
		struct rig rig;
		pid_t ended = 0;

		kinds[i](fds);
		rig_start_on(&rig, fds, "listening on tcp", args);
		client_up(&c, &rig);
		client_command(&c, "log 5000");
		client_echo_ms(&c);
		kill(rig.pid, SIGTERM);
		for (uint64_t end = now_ms() + 5000; !ended && now_ms() < end; usleep(10000))
			ended = waitpid(rig.pid, &status, WNOHANG);
		if (!ended)
			kill(rig.pid, SIGKILL);
		assert_int_equal(ended, rig.pid);
		assert_true(WIFEXITED(status));
		close(rig.log);
		client_close(&c);
	}
}

/* The last lines get out, though there is more than the pipe holds. */
static void test_last_lines(void **state)
{
	struct client c;
	struct rig rig;
	int fds[2];

	small_pipe(fds);
	rig_start_on(&rig, fds, "listening on tcp", args);
	client_up(&c, &rig);
	client_command(&c, "log 300");
	client_echo_ms(&c);
	kill(rig.pid, SIGTERM);
	usleep(200000); /* the reader is slow to begin */
	rig_expect_log(&rig, "line 300 of 300");
	rig_wait(&rig, 0);
	client_close(&c);
}

static unsigned int count(const char *text, const char *what)
{
	unsigned int n = 0;

	while ((text = strstr(text, what))) {
		text += strlen(what);
		n++;
	}
	return n;
}

/* What strangers do makes some lines, however many they are; warnings have lines of their own. */
static void test_rate_over_all(void **state)
{
	struct rig *rig = *state;
	struct client c;

	rig->text[0] = 0;
	for (int i = 0; i < 200; i++) {
		client_dial(&c, rig);
		client_send(&c, "GET / HTTP/1.1\r\n\r\n", 18);
		client_read(&c); /* our HELLO */
		client_expect_error(&c, OFPET_BAD_REQUEST, OFPBRC_BAD_TYPE, 0x2f204854);
		client_close(&c);
	}
	client_dial(&c, rig);
	client_put(&c, 1, OFPT_HELLO, 7, NULL, 0);
	rig_expect_log(rig, "speaks no OpenFlow version that we do");
	client_close(&c);
	rig_expect_log(rig, "are left out for now");
	assert_true(count(rig->text, "\n") < 60);
	sleep(1);
	client_dial(&c, rig);
	client_send(&c, "GET / HTTP/1.1\r\n\r\n", 18);
	rig_expect_log(rig, "lines about what peers did were left out");
	client_close(&c);
}

/* Told: what was refused, and why.  Not told: that a tool came and went. */
static void test_what_is_told(void **state)
{
	struct rig *rig = *state;
	static const uint8_t zeros[8];
	struct client c;

	client_up(&c, rig);
	client_put(&c, 4, OFPT_FLOW_MOD, 0x77, zeros, sizeof(zeros));
	client_put(&c, 4, 99, 0x78, NULL, 0);
	client_echo_ms(&c);
	client_close(&c);
	rig_expect_log(rig,
		       "FLOW_MOD (type 14, version 4, length 16, xid 0x77) refused: OFPET_BAD_REQUEST OFPBRC_BAD_LEN");
	rig_expect_log(rig, "unknown type (type 99, version 4, length 8, xid 0x78) refused: OFPET_BAD_REQUEST "
			    "OFPBRC_BAD_TYPE");
	client_up(&c, rig);
	client_echo_ms(&c);
	client_close(&c);
	client_dial(&c, rig); /* nor that somebody looked whether we listen */
	client_close(&c);
	client_up(&c, rig);
	client_command(&c, "log 1");
	rig_expect_log(rig, "line 1 of 1");
	assert_null(strstr(rig->text, "connected"));
	assert_null(strstr(rig->text, "gave up"));
	rig_expect_log(rig, ": connected\n"); /* it has lasted for two seconds */
	client_close(&c);
	rig_expect_log(rig, "disconnected: closed by the peer");
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reader_that_pauses),
		cmocka_unit_test(test_end_without_a_reader),
		cmocka_unit_test(test_last_lines),
		cmocka_unit_test_setup_teardown(test_rate_over_all, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_what_is_told, rig_setup, rig_teardown),
	};

	RIG_MAIN(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
