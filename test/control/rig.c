/* SPDX-License-Identifier: GPL-2.0-only */
#include "test/control/rig.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "include/openflow/openflow.h"

#define PATIENCE_MS 5000
#define IN_SIZE (1 << 20)

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

/* --- the process --- */

void rig_start(struct rig *rig, const char *ready, const char *const *args)
{
	int pipe_fds[2];

	assert_int_equal(pipe(pipe_fds), 0);
	rig_start_on(rig, pipe_fds, ready, args);
}

void rig_start_on(struct rig *rig, int log_fds[2], const char *ready, const char *const *args)
{
	const char *argv[16] = {"/proc/self/exe", "--stub"};
	const char *port;

	memset(rig, 0, sizeof(*rig));
	for (int i = 0; i < 13 && args[i]; i++)
		argv[i + 2] = args[i];
	rig->pid = fork();
	if (!rig->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(log_fds[1], STDERR_FILENO);
		close(log_fds[0]);
		close(log_fds[1]);
		execv(argv[0], (char **)argv);
		_exit(126);
	}
	close(log_fds[1]);
	rig->log = log_fds[0];
	rig_expect_log(rig, ready);
	port = strstr(rig->text, "listening on tcp ");
	if (port)
		rig->port = atoi(strchr(port + 17, ':') + 1);
}

void rig_expect_log(struct rig *rig, const char *text)
{
	uint64_t end = now_ms() + PATIENCE_MS;
	size_t len;

	while (!strstr(rig->text, text)) {
		struct pollfd p = {.fd = rig->log, .events = POLLIN};
		ssize_t n;

		len = strlen(rig->text);
		if (len > sizeof(rig->text) / 2) {
			memmove(rig->text, rig->text + len / 2, len - len / 2 + 1);
			len -= len / 2;
		}
		n = now_ms() < end && poll(&p, 1, 100) > 0
			    ? read(rig->log, rig->text + len, sizeof(rig->text) - 1 - len)
			    : -1;
		if (n == 0 || now_ms() >= end)
			fail_msg("'%s' is not in the log: %s", text, rig->text);
		if (n > 0)
			rig->text[len + n] = 0;
	}
}

void rig_wait(struct rig *rig, int status)
{
	char line[4096];
	int got;
	ssize_t n;

	while ((n = read(rig->log, line, sizeof(line) - 1)) > 0) {
		line[n] = 0;
		if (strstr(line, "Sanitizer") || strstr(line, "runtime error"))
			print_error("%s", line);
	}
	close(rig->log);
	assert_int_equal(waitpid(rig->pid, &got, 0), rig->pid);
	assert_true(WIFEXITED(got));
	assert_int_equal(WEXITSTATUS(got), status);
}

void rig_stop(struct rig *rig)
{
	kill(rig->pid, SIGTERM);
	rig_wait(rig, 0);
}

unsigned int rig_memory(const struct rig *rig)
{
	char path[64], line[128];
	unsigned int kb = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", rig->pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (!kb && fgets(line, sizeof(line), f))
		sscanf(line, "VmRSS: %u kB", &kb);
	fclose(f);
	return kb;
}

unsigned int rig_fds(const struct rig *rig)
{
	char path[64];
	unsigned int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", rig->pid);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

int rig_setup(void **state)
{
	static const char *const args[] = {"ptcp:0", NULL};
	struct rig *rig = malloc(sizeof(*rig));

	rig_start(rig, "listening on tcp 127.0.0.1:", args);
	*state = rig;
	return 0;
}

int rig_teardown(void **state)
{
	rig_stop(*state);
	free(*state);
	return 0;
}

/* --- a client --- */

void client_of(struct client *c, int fd)
{
	*c = (struct client){.fd = fd, .in = malloc(IN_SIZE)};
	assert_true(fd >= 0);
}

void client_dial(struct client *c, const struct rig *rig)
{
	client_dial_from(c, rig, "127.0.0.1");
}

void client_dial_from(struct client *c, const struct rig *rig, const char *from)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(rig->port)};
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(from)};

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client_of(c, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	assert_int_equal(bind(c->fd, (struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
}

void client_dial_unix(struct client *c, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	client_of(c, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	assert_int_equal(connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
}

void client_close(struct client *c)
{
	close(c->fd);
	free(c->in);
}

void client_send(struct client *c, const void *data, size_t len)
{
	assert_int_equal(send(c->fd, data, len, MSG_NOSIGNAL), len);
}

void client_put(struct client *c, uint8_t version, uint8_t type, uint32_t xid, const void *body, size_t len)
{
	uint8_t *m = malloc(8 + len);

	memcpy(m, (uint8_t[]){version, type, (8 + len) >> 8, 8 + len, xid >> 24, xid >> 16, xid >> 8, xid}, 8);
	if (len)
		memcpy(m + 8, body, len);
	client_send(c, m, 8 + len);
	free(m);
}

void client_command(struct client *c, const char *text)
{
	uint8_t body[16 + 64] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfd};

	strcpy((char *)body + 16, text);
	client_put(c, 4, OFPT_PACKET_OUT, 1, body, 16 + strlen(text));
}

/* 1: read; 0: end of the stream; -1: nothing in time. */
static int fill(struct client *c, int ms)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	ssize_t n;

	if (c->at) {
		memmove(c->in, c->in + c->at, c->end - c->at);
		c->end -= c->at;
		c->at = 0;
	}
	if (poll(&p, 1, ms > 0 ? ms : 0) <= 0)
		return -1;
	n = read(c->fd, c->in + c->end, IN_SIZE - c->end);
	if (n <= 0)
		return 0;
	c->end += n;
	return 1;
}

bool client_read_within(struct client *c, struct message *m, unsigned int ms)
{
	uint64_t end = now_ms() + ms;

	for (;;) {
		uint8_t *p = c->in + c->at;
		size_t have = c->end - c->at;

		m->len = have >= 8 ? (size_t)p[2] << 8 | p[3] : SIZE_MAX;
		if (m->len <= have) {
			assert_true(m->len >= 8);
			m->data = p;
			m->version = p[0];
			m->type = p[1];
			m->xid = (uint32_t)p[4] << 24 | p[5] << 16 | p[6] << 8 | p[7];
			c->at += m->len;
			return true;
		}
		if (fill(c, end - now_ms()) <= 0)
			return false;
	}
}

struct message client_read(struct client *c)
{
	struct message m;

	assert_true(client_read_within(c, &m, PATIENCE_MS));
	return m;
}

struct message client_await(struct client *c, uint8_t type)
{
	struct message m;

	do
		m = client_read(c);
	while (m.type != type);
	return m;
}

void client_expect_error(struct client *c, uint16_t type, uint16_t code, uint32_t xid)
{
	struct message m = client_read(c);

	assert_int_equal(m.version, 4);
	assert_int_equal(m.type, OFPT_ERROR);
	assert_int_equal(m.xid, xid);
	assert_int_equal(m.data[8] << 8 | m.data[9], type);
	assert_int_equal(m.data[10] << 8 | m.data[11], code);
}

void client_expect_end(struct client *c)
{
	int got = fill(c, PATIENCE_MS);

	assert_int_equal(got, 0);
	assert_int_equal(c->end - c->at, 0);
}

bool client_ends_within(struct client *c, unsigned int ms)
{
	uint64_t end = now_ms() + ms;
	int got = 1;

	while (got == 1 && now_ms() < end) {
		c->at = c->end = 0;
		got = fill(c, end - now_ms());
	}
	return got == 0;
}

void client_up(struct client *c, const struct rig *rig)
{
	client_dial(c, rig);
	client_greet(c);
}

void client_greet(struct client *c)
{
	assert_int_equal(client_read(c).type, OFPT_HELLO);
	client_put(c, 4, OFPT_HELLO, 1, NULL, 0);
}

unsigned int client_echo_ms(struct client *c)
{
	static uint32_t xid = 0x1000;
	uint64_t start = now_ms();

	client_put(c, 4, OFPT_ECHO_REQUEST, ++xid, "round", 5);
	assert_int_equal(client_await(c, OFPT_ECHO_REPLY).xid, xid);
	return now_ms() - start;
}
