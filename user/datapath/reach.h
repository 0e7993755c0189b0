/* SPDX-License-Identifier: GPL-2.0-only */
/* Do pins outlive us?  A file system that is mounted in one mount namespace only ends with that. */
#ifndef DATAPATH_REACH_H
#define DATAPATH_REACH_H

#include <stdbool.h>

/* Is the file system that `path` is on mounted elsewhere too, or in the machine's own namespace, as far as we see? */
bool reach_outside(const char *path);

#endif
