/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Folders of pins that only we may change: who can put something else there decides what the switch does, and what a
 * program with all rights reads.
 */
#ifndef DATAPATH_FOLDER_H
#define DATAPATH_FOLDER_H

/*
 * Is it a folder, no symbolic link, of root's or ours, that nobody else may write?  0 or a negative errno, and the
 * sentence has been logged, but for -ENOENT.
 */
int folder_check(const char *path);
/* The same, and nobody can put another in its place: where others may add to the folder above, that is sticky. */
int folder_check_root(const char *path);

#endif
