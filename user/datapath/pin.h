/* SPDX-License-Identifier: GPL-2.0-only */
/* The pin folder of a switch (its contents: former.h): bpffs, lock, publication of what was loaded. */
#ifndef DATAPATH_PIN_H
#define DATAPATH_PIN_H

#include <stdbool.h>
#include <stdint.h>

struct dp;

#define PIN_ROOT "/sys/fs/bpf/ofxdp"

/*
 * Mount bpffs if it is not, make the folder and lock it: dp->pin_dir, dp->entry_pin, dp->lock_fd.  -EBUSY: a living
 * daemon has it.  With `create` false an absent folder is -ENOENT and nothing is mounted or made.
 */
int pin_folder_take(struct dp *dp, const char *pin_root, bool create);
/*
 * Remove the folder with everything in it (and bpffs, if this process mounted it and nobody else uses it), unlock.  An
 * error: something is left, which has been logged.
 */
int pin_folder_remove(struct dp *dp);
/* Unlock, leave what is in it; an empty folder goes. */
void pin_folder_leave(struct dp *dp);

/* The cookie of the network namespace that the folder belongs to (netns.h); 0: none yet. */
int pin_netns_get(const struct dp *dp, uint64_t *netns);
int pin_netns_set(const struct dp *dp, uint64_t cookie);
/* What is remembered there of ports is another switch's, whose programs keep it (port_memory.h). */
void pin_memory_drop(const struct dp *dp);

/* Pin the loaded programs, maps and tracing links as generation `number`; dp->generation is its folder's name. */
int pin_generation(struct dp *dp, uint32_t number);
/* Let NAME/port lead to this generation, in one step. */
int pin_entry(const struct dp *dp);

#endif
