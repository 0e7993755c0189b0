/* SPDX-License-Identifier: GPL-2.0-only */
/* What this process may do: asked before anything is made or touched. */
#ifndef DATAPATH_RIGHT_H
#define DATAPATH_RIGHT_H

#include <stdbool.h>

/* All that is missing is named in one sentence: 0, or -EPERM and it has been logged.  `start`: not only cleaning up. */
int rights_check(bool start);

#endif
