/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/util/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

void log_at(enum log_level level, const char *format, ...)
{
	char line[1024];
	int saved = errno;
	va_list args;
	int n;

	log_errors += level == LOG_LVL_ERROR;
	if (level > log_level)
		return;
	if (log_to_journal)
		n = snprintf(line, sizeof(line), "<%d>", log_levels[level].syslog);
	else
		n = snprintf(line, sizeof(line), "%s: %s: ", log_program, log_levels[level].text);
	va_start(args, format);
	errno = saved; /* for %m */
	vsnprintf(line + n, sizeof(line) - n - 1, format, args);
	va_end(args);
	n = strlen(line);
	line[n++] = '\n';
	/* One write, so that lines of two processes on one stderr do not mix.  Nobody is left to tell if it fails. */
	if (write(STDERR_FILENO, line, n) < 0)
		errno = 0;
	errno = saved;
}
