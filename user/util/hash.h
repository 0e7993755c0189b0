/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uthash, with a last word: its tables take memory in macros that can't fail, so want of it ends the program, as uthash
 * would have it, but not without a line.  Only for tables of few elements, such as groups and masks.
 */
#ifndef UTIL_HASH_H
#define UTIL_HASH_H

#include <stdlib.h>
#include "user/util/log.h"

#define uthash_fatal(text)                                                                                             \
	do {                                                                                                           \
		log_error("hash table: %s", text);                                                                     \
		log_flush();                                                                                           \
		abort();                                                                                               \
	} while (0)

#include <uthash.h>

#endif
