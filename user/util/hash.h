/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uthash, whose additions may fail: by itself it ends the program where there is no memory.  So only these two add; for
 * all else its own macros are right.  Only for tables of few elements, such as groups and masks: it doubles all at
 * once.
 */
#ifndef UTIL_HASH_H
#define UTIL_HASH_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/*
 * Add an element by its member `field`, or by a key that lies elsewhere; its handle is `hh`.  False: out of memory, and
 * the table is as it was.
 */
#define hash_add(table, field, element)                                                                                \
	({                                                                                                             \
		HASH_ADD(hh, table, field, sizeof((element)->field), element);                                         \
		(element)->hh.tbl != NULL;                                                                             \
	})
#define hash_add_key(table, key, size, element)                                                                        \
	({                                                                                                             \
		HASH_ADD_KEYPTR(hh, table, key, size, element);                                                        \
		(element)->hh.tbl != NULL;                                                                             \
	})

#endif
