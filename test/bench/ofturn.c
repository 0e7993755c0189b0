/* SPDX-License-Identifier: GPL-2.0-only */
/* How long one connection waits while another one's requests are served. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "test/bench/ofclient.h"

#define PAUSE_NS 300000 /* between an answer and the next question: what is measured is not the questions */

/* A second connection, with a thread of its own. */
struct pulse {
	struct ofconn conn;
	clockid_t cpu_clock; /* the switch's */
	atomic_bool stop;
	uint64_t wall_ns, cpu_ns; /* the longest answer, and the most that the switch computed until one */
};

static uint64_t clock_of(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts))
		die("the switch's clock");
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void raise_to(uint64_t *most, uint64_t value)
{
	if (value > *most)
		*most = value;
}

static void *beat(void *arg)
{
	struct pulse *p = arg;
	struct buf b = {};

	for (uint32_t xid = 1; !p->stop; xid++) {
		uint64_t cpu = clock_of(p->cpu_clock), wall = now_ns();

		b.len = 0;
		put_header(&b, OFPT_ECHO_REQUEST, xid);
		ofconn_write(&p->conn, b.data, b.len);
		ofconn_wait(&p->conn, xid);
		raise_to(&p->wall_ns, now_ns() - wall);
		raise_to(&p->cpu_ns, clock_of(p->cpu_clock) - cpu);
		nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
	}
	buf_free(&b);
	return NULL;
}

static void read_all(struct buf *b)
{
	static char piece[1 << 16];
	ssize_t n;

	while ((n = read(STDIN_FILENO, piece, sizeof(piece))) > 0)
		buf_put(b, piece, n);
	if (n < 0)
		die("standard input");
}

int turn_run(struct ofconn *c, const char *path, uint32_t pid, uint32_t seconds)
{
	struct pulse pulse = {0};
	struct buf requests = {};
	pthread_t thread;
	uint64_t start;

	read_all(&requests);
	ofconn_open(&pulse.conn, path);
	if (clock_getcpuclockid(pid, &pulse.cpu_clock) || pthread_create(&thread, NULL, beat, &pulse))
		die("pulse");
	start = now_ns();
	ofconn_write(c, requests.data, requests.len);
	ofconn_barrier(c);
	printf("{\"seconds\": %.6f, ", (now_ns() - start) / 1e9);
	sleep(seconds);
	pulse.stop = true;
	pthread_join(thread, NULL);
	printf("\"wall_ms\": %.3f, \"cpu_ms\": %.3f, \"errors\": %llu, \"error\": [%u, %u]}\n", pulse.wall_ns / 1e6,
	       pulse.cpu_ns / 1e6, (unsigned long long)c->errors, c->error[0], c->error[1]);
	buf_free(&requests);
	return 0;
}
