/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Log lines to stderr: "ofxdpd: warning: text".  Under systemd (JOURNAL_STREAM) with <n> level prefixes instead.
 *
 * A daemon calls log_start(): from then on a thread writes the lines, and log_at() never waits.  Lines that nobody
 * reads fill a buffer; what has no room there is lost, and counted, and the count is told once the buffer has been
 * read.
 */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include <stdbool.h>

enum log_level { LOG_LVL_ERROR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG };

extern unsigned int log_errors;	 /* error lines so far: has a failure been told? */
extern enum log_level log_level; /* what is printed: this level and those before it; LOG_LVL_INFO at start */

void log_init(const char *program);
/* Write by a thread from now on.  If it cannot be made, lines are written by the caller as before. */
void log_start(void);
/* Before the program ends: wait until the lines are out, as long as somebody reads them, at most some seconds. */
void log_flush(void);
void log_at(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* May another line be written that peers can cause as often as they like?  Not for LOG_LVL_DEBUG. */
bool log_allows(enum log_level level);

#define log_error(...) log_at(LOG_LVL_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_LVL_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_LVL_INFO, __VA_ARGS__)
#define log_debug(...)                                                                                                 \
	do {                                                                                                           \
		if (log_level >= LOG_LVL_DEBUG)                                                                        \
			log_at(LOG_LVL_DEBUG, __VA_ARGS__);                                                            \
	} while (0)
/* What a peer did: some lines each second, of all peers together; debug lines are all written. */
#define log_peer(level, ...)                                                                                           \
	do {                                                                                                           \
		if ((level) <= log_level && ((level) == LOG_LVL_DEBUG || log_allows(level)))                           \
			log_at((level), __VA_ARGS__);                                                                  \
	} while (0)

#endif
