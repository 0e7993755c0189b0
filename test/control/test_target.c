/* SPDX-License-Identifier: GPL-2.0-only */
/* Where we connect to and listen: addresses, back-off, Unix sockets. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "include/openflow/openflow.h"
#include "test/control/rig.h"
#include "user/control/internal.h"
#include "user/util/log.h"

static void test_addresses(void **state)
{
	static const struct {
		const char *text, *addr; /* NULL: refused */
	} targets[] = {
		{"tcp:192.0.2.1", "192.0.2.1:6653"},
		{"tcp:192.0.2.1:6633", "192.0.2.1:6633"},
		{"tcp:[2001:db8::1]", "[2001:db8::1]:6653"},
		{"tcp:[2001:db8::1]:1", "[2001:db8::1]:1"},
		{"tcp:", NULL},
		{"tcp:192.0.2.1:", NULL},
		{"tcp:192.0.2.1:0", NULL},
		{"tcp:192.0.2.1:65536", NULL},
		{"tcp:192.0.2.1:-1", NULL},
		{"tcp:2001:db8::1", NULL},
		{"tcp:[2001:db8::1", NULL},
		{"tcp:[2001:db8::1]6653", NULL},
		{"udp:192.0.2.1", NULL},
		{"", NULL},
	};
	static const struct {
		const char *text, *addr;
	} listeners[] = {
		{"6653", "127.0.0.1:6653"},
		{"", "127.0.0.1:6653"},
		{"1:0.0.0.0", "0.0.0.0:1"},
		{"1:[::1]", "[::1]:1"},
		{"1:[::1]:2", NULL},
		{"1:", NULL},
		{"x", NULL},
		{"1:no.such.name.invalid", NULL},
		{"1:::1", NULL},
	};
	struct control_target target;
	struct sockaddr_storage addr;
	socklen_t len;
	char text[80];

	log_level = -1;
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		assert_int_equal(!control_parse_target(targets[i].text, &target), !!targets[i].addr);
		if (!targets[i].addr)
			continue;
		control_format_addr(&target.addr, target.addr_len, text, sizeof(text));
		assert_string_equal(text, targets[i].addr);
	}
	for (size_t i = 0; i < sizeof(listeners) / sizeof(listeners[0]); i++) {
		assert_int_equal(!control_parse_listen_addr(listeners[i].text, &addr, &len), !!listeners[i].addr);
		if (!listeners[i].addr)
			continue;
		control_format_addr(&addr, len, text, sizeof(text));
		assert_string_equal(text, listeners[i].addr);
	}
	log_level = LOG_LVL_INFO;
}

/* A bound socket that does not listen yet: connections to it are refused. */
static int reserve_port(struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*addr = (struct sockaddr_in){.sin_family = AF_INET};
	addr->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)addr, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)addr, &len), 0);
	return fd;
}

static void accept_up(struct client *c, int listening, unsigned int within_ms)
{
	uint64_t start = now_ms();

	client_of(c, accept(listening, NULL, NULL));
	assert_true(now_ms() - start <= within_ms);
	assert_int_equal(client_read(c).type, OFPT_HELLO);
	client_put(c, 4, OFPT_HELLO, 1, NULL, 0);
	client_echo_ms(c);
}

static void test_connect_again_and_again(void **state)
{
	struct sockaddr_in addr;
	int listening = reserve_port(&addr);
	struct client c;
	struct rig rig;
	char target[64];

	snprintf(target, sizeof(target), "tcp:127.0.0.1:%d", ntohs(addr.sin_port));
	rig_start(&rig, "cannot connect: Connection refused", (const char *const[]){target, NULL});
	usleep(200000); /* a refusal or two more */
	assert_int_equal(listen(listening, 1), 0);
	accept_up(&c, listening, 500);
	usleep(2100000); /* lived long enough to be a good one */
	client_close(&c);
	accept_up(&c, listening, 300);
	client_close(&c);
	accept_up(&c, listening, 500);
	rig_stop(&rig);
	client_expect_end(&c);
	client_close(&c);
	close(listening);
}

static void test_unix_socket(void **state)
{
	char dir[] = P_tmpdir "/ofxdp-test-XXXXXX", path[64], where[72];
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct rig rig, second;
	struct client c;
	struct stat st;
	int stale;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sock", dir);
	snprintf(where, sizeof(where), "punix:%s", path);
	strcpy(addr.sun_path, path);
	stale = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(stale, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(stale); /* as a killed daemon leaves it */

	rig_start(&rig, "listening on unix", (const char *const[]){where, NULL});
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	client_of(&c, socket(AF_UNIX, SOCK_STREAM, 0));
	assert_int_equal(connect(c.fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(client_read(&c).type, OFPT_HELLO);
	client_put(&c, 4, OFPT_HELLO, 1, NULL, 0);
	client_echo_ms(&c);
	rig_start(&second, "another process is listening there", (const char *const[]){where, NULL});
	rig_wait(&second, 1);
	client_echo_ms(&c);
	client_close(&c);
	rig_stop(&rig);
	assert_int_not_equal(stat(path, &st), 0);

	close(open(path, O_CREAT | O_WRONLY, 0600)); /* a file of somebody's */
	rig_start(&rig, "is no socket", (const char *const[]){where, NULL});
	rig_wait(&rig, 1);
	assert_int_equal(unlink(path), 0);
	rmdir(dir);
}

/* A folder of its own, a path in it, and the listener's text. */
struct folder {
	char dir[32], path[48], where[64];
};

static struct folder folder_new(void)
{
	struct folder f = {.dir = P_tmpdir "/ofxdp-test-XXXXXX"};

	assert_non_null(mkdtemp(f.dir));
	snprintf(f.path, sizeof(f.path), "%s/sock", f.dir);
	snprintf(f.where, sizeof(f.where), "punix:%s", f.path);
	return f;
}

static void leave_stale_socket(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(addr.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
}

static void expect_answer(const char *path)
{
	struct client c;

	client_dial_unix(&c, path);
	client_greet(&c);
	client_echo_ms(&c);
	client_close(&c);
}

/* The path is another daemon's by now: the end of the former one leaves it alone. */
static void test_unix_socket_of_another(void **state)
{
	struct folder f = folder_new();
	struct rig first, second;

	rig_start(&first, "listening on unix", (const char *const[]){f.where, NULL});
	assert_int_equal(unlink(f.path), 0);
	rig_start(&second, "listening on unix", (const char *const[]){f.where, NULL});
	rig_stop(&first);
	expect_answer(f.path);
	rig_stop(&second);
	assert_int_equal(rmdir(f.dir), 0);
}

/* Where several start at the same moment over a dead one's socket, one listens, and the others say why not. */
static void test_unix_socket_of_many(void **state)
{
	struct folder f = folder_new();
	enum { N = 4 };

	for (int round = 0; round < 10; round++) {
		struct rig rig[N];
		int listening = 0;

		leave_stale_socket(f.path);
		for (int i = 0; i < N; i++)
			rig_start(&rig[i], "", (const char *const[]){f.where, NULL});
		for (int i = 0; i < N; i++) {
			rig_expect_log(&rig[i], "unix"); /* of "listening on", or of the text of what it refuses */
			if (strstr(rig[i].text, "listening on unix"))
				listening++;
		}
		assert_int_equal(listening, 1);
		expect_answer(f.path);
		for (int i = 0; i < N; i++) {
			if (strstr(rig[i].text, "listening on unix"))
				rig_stop(&rig[i]);
			else
				rig_wait(&rig[i], 1);
		}
		assert_int_not_equal(access(f.path, F_OK), 0);
	}
	rmdir(f.dir);
}

/* What is no socket is left as it is. */
static void test_unix_socket_elsewhere(void **state)
{
	struct folder f = folder_new();
	struct rig rig;
	char where[160];

	assert_int_equal(mkdir(f.path, 0700), 0);
	rig_start(&rig, "is no socket", (const char *const[]){f.where, NULL});
	rig_wait(&rig, 1);
	assert_int_equal(rmdir(f.path), 0);
	assert_int_equal(symlink("/dev/null", f.path), 0);
	rig_start(&rig, "is no socket", (const char *const[]){f.where, NULL});
	rig_wait(&rig, 1);
	assert_int_equal(unlink(f.path), 0);
	snprintf(where, sizeof(where), "punix:%s/none/sock", f.dir);
	rig_start(&rig, "cannot listen: No such file or directory", (const char *const[]){where, NULL});
	rig_wait(&rig, 1);
	snprintf(where, sizeof(where), "punix:%s/%0100d", f.dir, 0);
	rig_start(&rig, "a PATH under 108 characters", (const char *const[]){where, NULL});
	rig_wait(&rig, 1);
	assert_int_equal(rmdir(f.dir), 0);
}

static void test_port_taken(void **state)
{
	struct sockaddr_in addr;
	int listening = reserve_port(&addr);
	struct rig rig;
	char where[64];

	listen(listening, 1);
	snprintf(where, sizeof(where), "ptcp:%d", ntohs(addr.sin_port));
	rig_start(&rig, "Address already in use", (const char *const[]){where, NULL});
	rig_wait(&rig, 1);
	close(listening);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),	    cmocka_unit_test(test_connect_again_and_again),
		cmocka_unit_test(test_unix_socket),	    cmocka_unit_test(test_unix_socket_of_another),
		cmocka_unit_test(test_unix_socket_of_many), cmocka_unit_test(test_unix_socket_elsewhere),
		cmocka_unit_test(test_port_taken),
	};

	RIG_MAIN(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
