/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/reach.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "user/util/cleanup.h"

/* The machine's mount namespace is made first of all that have numbers of this range, or has one before it. */
#define FIRST_NUMBERS 0xf0000001u

static uint64_t mounts_of(const char *pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%s/ns/mnt", pid);
	return stat(path, &st) ? 0 : st.st_ino;
}

/* Does a process of another mount namespace see it, too?  One of another PID namespace we may not see. */
static bool seen_by(const char *pid, uint64_t own, const char *path, dev_t dev)
{
	const uint64_t mounts = mounts_of(pid);
	char there[PATH_MAX];
	struct stat st;

	if (!mounts || mounts == own || snprintf(there, sizeof(there), "/proc/%s/root%s", pid, path) >= PATH_MAX)
		return false;
	return !stat(there, &st) && st.st_dev == dev;
}

static bool seen_by_any(uint64_t own, const char *path, dev_t dev)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	bool seen = false;

	while (d && !seen && (e = readdir(d)))
		seen = isdigit((unsigned char)*e->d_name) && seen_by(e->d_name, own, path, dev);
	if (d)
		closedir(d);
	return seen;
}

/* Does the line of /proc/self/mountinfo say that this mount follows one of another namespace? */
static bool follows(char *line)
{
	char *tags = strstr(line, " master:"), *end = strstr(line, " - ");

	return tags && end && tags < end;
}

static bool is_follower(const char *path)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	_free_ char *line = NULL;
	struct statx st;
	size_t size = 0;
	bool found = false;

	if (f && !statx(AT_FDCWD, path, 0, STATX_MNT_ID, &st) && st.stx_mask & STATX_MNT_ID)
		while (!found && getline(&line, &size, f) > 0)
			found = strtoull(line, NULL, 10) == st.stx_mnt_id && follows(line);
	if (f)
		fclose(f);
	return found;
}

bool reach_outside(const char *path)
{
	const uint64_t own = mounts_of("self");
	struct stat st;

	if (!own || own <= FIRST_NUMBERS || stat(path, &st))
		return true;
	return is_follower(path) || seen_by_any(own, path, st.st_dev);
}
