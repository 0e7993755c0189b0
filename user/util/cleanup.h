/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ownership that the compiler ends: a variable marked `_free_` or `_close_` owns what it holds, and lets go of it when
 * the scope ends on any path.  Hand it on with take_ptr() or take_fd(); so a function is proved leak-free alone.
 */
#ifndef UTIL_CLEANUP_H
#define UTIL_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		close(*fd);
		errno = saved;
	}
}

#define _free_ __attribute__((cleanup(cleanup_free)))
#define _close_ __attribute__((cleanup(cleanup_close)))

/* The value, the variable emptied. */
#define take_ptr(p)                                                                                                    \
	({                                                                                                             \
		__typeof__(p) taken_ = (p);                                                                            \
		(p) = NULL;                                                                                            \
		taken_;                                                                                                \
	})
#define take_fd(fd)                                                                                                    \
	({                                                                                                             \
		int taken_ = (fd);                                                                                     \
		(fd) = -1;                                                                                             \
		taken_;                                                                                                \
	})

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
