/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What former daemons of this switch left in the pin folder; and programs of theirs that no pin leads to (identity.h),
 * because the pins, or some of them, have vanished.
 *
 *   NAME/v<layout>-<generation>/   programs, maps and links of one daemon's life
 *   NAME/port                      symbolic link to the current generation's ofx_port
 *   NAME/memory, NAME/netns        kept over generations: port_memory.h; the network namespace's cookie
 */
#ifndef DATAPATH_FORMER_H
#define DATAPATH_FORMER_H

#include <stddef.h>
#include <stdint.h>

struct former_program {
	uint32_t id;
	int fd;
};

struct former {
	size_t n_generations;
	uint32_t last;	    /* highest generation number, 0: none */
	uint64_t rules;	    /* entries in the flow tables of the newest generation */
	uint32_t memory_id; /* of the map NAME/memory, which the entry program keeps, too; 0: unknown */
	size_t n;
	struct former_program *programs; /* all XDP programs of all generations */
	size_t n_unpinned;		 /* of them no pin leads to so many: a generation by themselves */
};

/*
 * Read the folder; an absent one is empty.  former_free() ends what it holds.  On error, which has been logged, it is
 * not known what there is.
 */
int former_read(const char *pin_dir, const char *name, uint64_t netns, struct former *former);
void former_free(struct former *former);
/* The fd of the program with this id, or -1: not one of ours. */
int former_fd(const struct former *former, uint32_t id);
/* Remove all generations but `keep` (a folder's name, or NULL: all). */
void former_remove(const char *pin_dir, const char *keep);
/* Remove a folder of pins with what is in it.  An error has been logged. */
int pins_remove(const char *dir);

#endif
