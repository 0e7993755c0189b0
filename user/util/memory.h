/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * May more memory be taken?  Beyond a limit the kernel does not refuse it but kills; so whoever lets a peer fill memory
 * asks here first, and answers as if there were none.  What limits it: memory_limit.h.
 *
 * Something always stays free, for what nobody asks for: messages, the kernel's buffers, taking things away.  For one
 * thread.
 */
#ifndef UTIL_MEMORY_H
#define UTIL_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * So many bytes more, about; they count as taken.  Cheap: the limits are looked at again after a part of what they
 * leave, or a second.  False: no, and it was logged, though not each time.
 */
bool memory_may(size_t bytes);
/* The same for what may be wanted without end: half of what stays free for others is not for it. */
bool memory_may_grow(size_t bytes);
/*
 * So many bytes have to stay free besides, whatever others may: for what is going to be needed without being asked for,
 * as by taking away what is there now.  k: who has them kept; zero at first.
 */
struct memory_kept {
	size_t bytes;
};
void memory_keep(struct memory_kept *k, size_t bytes);
/* Bytes that may be taken by memory_may_grow(); *why: the limit that decides, until the next call. */
uint64_t memory_left(const char **why);

#endif
