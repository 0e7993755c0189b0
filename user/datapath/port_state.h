/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Port numbers in a file, for when the pinned memory (port_memory.h) is gone: after SIGTERM, and after the machine was
 * started anew.  A line "NUMBER INTERFACE" for each name, # comments.
 */
#ifndef DATAPATH_PORT_STATE_H
#define DATAPATH_PORT_STATE_H

#include <stddef.h>

#define STATE_DIR "/var/lib/ofxdp"

/* STATE_DIR/NAME or dir/NAME; "" if that is too long. */
void state_path(char *path, size_t size, const char *dir, const char *name);
/* Numbers of names that the memory does not have.  What cannot be read is left out; a file that is not there is empty.
 */
void state_load(int memory, const char *path);
/* All numbers of the memory, in place of the file in one step.  0, or a negative errno. */
int state_save(int memory, const char *path);
void state_forget(const char *path);

#endif
