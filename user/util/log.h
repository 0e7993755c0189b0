/* SPDX-License-Identifier: GPL-2.0-only */
/* Log lines to stderr: "ofxdpd: warning: text".  Under systemd (JOURNAL_STREAM) with <n> level prefixes instead. */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

enum log_level { LOG_LVL_ERROR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG };

extern unsigned int log_errors;	 /* error lines so far: has a failure been told? */
extern enum log_level log_level; /* what is printed: this level and those before it; LOG_LVL_INFO at start */

void log_init(const char *program);
void log_at(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_at(LOG_LVL_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_LVL_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_LVL_INFO, __VA_ARGS__)
#define log_debug(...)                                                                                                 \
	do {                                                                                                           \
		if (log_level >= LOG_LVL_DEBUG)                                                                        \
			log_at(LOG_LVL_DEBUG, __VA_ARGS__);                                                            \
	} while (0)

#endif
