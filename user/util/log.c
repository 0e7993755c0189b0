/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/util/clock.h"
#include "user/util/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE 1024
#define LOG_BUFFER (64 * 1024) /* bytes that wait for a reader */
#define LOG_STUCK_MS 500       /* at the end: nobody has read for so long */
#define LOG_FLUSH_MS 3000      /* … or however slowly somebody reads */
#define LOG_BURST 30	       /* lines about peers at once, of a level, */
#define LOG_RATE 5	       /* … and each second */

unsigned int log_errors;
enum log_level log_level = LOG_LVL_INFO;

static const char *log_program = "ofxdp";
static bool log_to_journal;

static const struct {
	const char *text;
	int syslog; /* RFC 5424 severity, as sd-daemon(3) has it */
} log_levels[] = {
	[LOG_LVL_ERROR] = {"error", 3},
	[LOG_LVL_WARN] = {"warning", 4},
	[LOG_LVL_INFO] = {"info", 6},
	[LOG_LVL_DEBUG] = {"debug", 7},
};

void log_init(const char *program)
{
	log_program = program;
	/* Set by systemd when stderr is the journal; but a shell under systemd inherits it with a terminal as stderr.
	 */
	log_to_journal = getenv("JOURNAL_STREAM") && !isatty(STDERR_FILENO);
}

/* --- writing --- */

/*
 * The descriptor may be a pipe, a terminal, a socket, and shared with other processes: so it is left as it is, blocking
 * or not.  One write for a line, so that lines of two processes do not mix.  Nobody is left to tell if it fails.
 */
static void write_line(const char *line, size_t n)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

	while (n) {
		ssize_t done = write(STDERR_FILENO, line, n);

		if (done < 0 && errno == EAGAIN)
			poll(&p, 1, -1);
		else if (done < 0 && errno != EINTR)
			return;
		else if (done > 0) {
			line += done;
			n -= done;
		}
	}
}

static size_t begin_line(char line[LOG_LINE], enum log_level level)
{
	if (log_to_journal)
		return snprintf(line, LOG_LINE, "<%d>", log_levels[level].syslog);
	return snprintf(line, LOG_LINE, "%s: %s: ", log_program, log_levels[level].text);
}

/* Too long ones are cut. */
static size_t format_line(char line[LOG_LINE], enum log_level level, const char *format, va_list args)
{
	size_t n = begin_line(line, level);

	vsnprintf(line + n, LOG_LINE - n - 1, format, args);
	n = strlen(line);
	line[n++] = '\n';
	return n;
}

/* --- the thread --- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char buffer[LOG_BUFFER]; /* a ring: `len` bytes from `at` on */
	size_t at, len;
	unsigned long
		lost; /* lines, since the buffer was full; until it is empty no line is taken, to keep the order */
	bool writing;
	bool started;
} out = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void put(const char *line, size_t n)
{
	pthread_mutex_lock(&out.lock);
	if (out.lost || n > LOG_BUFFER - out.len) {
		out.lost++;
	} else {
		for (size_t i = 0; i < n; i++)
			out.buffer[(out.at + out.len++) % LOG_BUFFER] = line[i];
	}
	pthread_cond_broadcast(&out.changed);
	pthread_mutex_unlock(&out.lock);
}

/* The next line, or, behind the last one, how many were lost. */
static size_t get(char line[LOG_LINE])
{
	size_t n = 0;

	if (!out.len) {
		n = begin_line(line, LOG_LVL_WARN);
		n += snprintf(line + n, LOG_LINE - n, "%lu log lines were lost: nobody read them\n", out.lost);
		out.lost = 0;
		return n;
	}
	do {
		line[n++] = out.buffer[out.at];
		out.at = (out.at + 1) % LOG_BUFFER;
	} while (--out.len && n < LOG_LINE && line[n - 1] != '\n');
	return n;
}

static void *write_lines(void *unused)
{
	char line[LOG_LINE];
	size_t n;

	pthread_mutex_lock(&out.lock);
	for (;;) {
		while (!out.len && !out.lost)
			pthread_cond_wait(&out.changed, &out.lock);
		n = get(line);
		out.writing = true;
		pthread_mutex_unlock(&out.lock);
		write_line(line, n);
		pthread_mutex_lock(&out.lock);
		out.writing = false;
		pthread_cond_broadcast(&out.changed);
	}
	return NULL;
}

/* Signals are for the main thread. */
void log_start(void)
{
	pthread_condattr_t monotonic;
	sigset_t all, before;
	pthread_t thread;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&out.changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	out.started = !pthread_create(&thread, NULL, write_lines, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (out.started)
		pthread_detach(thread);
}

static void wait_until(uint64_t ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	pthread_cond_timedwait(&out.changed, &out.lock, &t);
}

static void flush_lines(void)
{
	uint64_t now = clock_ns() / 1000000, stuck = now + LOG_STUCK_MS, end = now + LOG_FLUSH_MS;
	size_t left = SIZE_MAX;

	for (; (out.len || out.lost || out.writing) && now < stuck && now < end; now = clock_ns() / 1000000) {
		if (out.len < left) {
			left = out.len;
			stuck = now + LOG_STUCK_MS;
		}
		wait_until(stuck < end ? stuck : end);
	}
}

/* --- what others call --- */

static void vlog(enum log_level level, const char *format, va_list args)
{
	char line[LOG_LINE];
	size_t n = format_line(line, level, format, args);

	if (out.started)
		put(line, n);
	else
		write_line(line, n);
}

void log_at(enum log_level level, const char *format, ...)
{
	int saved = errno;
	va_list args;

	log_errors += level == LOG_LVL_ERROR;
	if (level > log_level)
		return;
	va_start(args, format);
	vlog(level, format, args); /* errno is as it was, for %m */
	va_end(args);
	errno = saved;
}

/* By level, so that strangers' chatter does not hide what befalls a controller. */
static struct allowance {
	uint64_t second;
	unsigned int left; /* lines */
	unsigned long left_out;
} peers[] = {
	[LOG_LVL_ERROR] = {.left = LOG_BURST},
	[LOG_LVL_WARN] = {.left = LOG_BURST},
	[LOG_LVL_INFO] = {.left = LOG_BURST},
};

static void refill(struct allowance *a)
{
	uint64_t second = clock_ns() / 1000000000, more = a->left + (second - a->second) * LOG_RATE;

	if (second == a->second)
		return;
	a->left = more < LOG_BURST ? more : LOG_BURST;
	a->second = second;
}

static void tell_left_out(enum log_level level)
{
	if (peers[level].left_out)
		log_at(level, "%lu lines about what peers did were left out", peers[level].left_out);
	peers[level].left_out = 0;
}

bool log_allows(enum log_level level)
{
	struct allowance *a = &peers[level];

	refill(a);
	if (!a->left) {
		if (!a->left_out++)
			log_at(level, "more lines about what peers do are left out for now");
		return false;
	}
	a->left--;
	tell_left_out(level);
	return true;
}

void log_flush(void)
{
	for (enum log_level level = LOG_LVL_ERROR; level <= LOG_LVL_INFO; level++)
		tell_left_out(level);
	if (!out.started)
		return;
	pthread_mutex_lock(&out.lock);
	flush_lines();
	pthread_mutex_unlock(&out.lock);
}
