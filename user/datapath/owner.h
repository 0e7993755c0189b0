/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Does a switch's daemon live?  It holds a program that is attached to nothing, "ofx_owner", which names the switch
 * (identity.h) and dies with it.  So this is known in whatever mount or PID namespace either of them is, where neither
 * a lock on the pin folder nor a process id says anything.
 */
#ifndef DATAPATH_OWNER_H
#define DATAPATH_OWNER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Own the switch of that name in that network namespace until *fd is closed.  -EBUSY: a living daemon does already,
 * which is logged.  Where the kernel refuses this, *fd is -1, which is logged, too.  Without CAP_SYS_ADMIN others are
 * not seen.
 */
int owner_take(const char *name, uint64_t netns, int *fd);
bool owner_lives(const char *name, uint64_t netns);

#endif
