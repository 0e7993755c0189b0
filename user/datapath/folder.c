/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/folder.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "user/util/cleanup.h"
#include "user/util/log.h"

#define OTHERS (S_IWGRP | S_IWOTH)

static int check(const char *path, int flags, bool sticky_too)
{
	_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC | flags);
	struct stat st;
	int err = fd < 0 || fstat(fd, &st) ? -errno : 0;

	if (err == -ENOENT)
		return err;
	if (err == -ENOTDIR || err == -ELOOP)
		log_error("%s is a symbolic link, or no folder: remove it", path);
	else if (err)
		log_error("cannot look at the folder %s: %s", path, strerror(-err));
	if (err)
		return err;
	if (st.st_uid && st.st_uid != geteuid()) {
		log_error("the folder %s belongs to user %u, who may have put there what is not ours: run `rm -r "
			  "%s`",
			  path, (unsigned int)st.st_uid, path);
		return -EPERM;
	}
	if (st.st_mode & OTHERS && !(sticky_too && st.st_mode & S_ISVTX)) {
		log_error("others than its owner may write to the folder %s: see that nothing in it is theirs, and run "
			  "`chmod go-w %s`",
			  path, path);
		return -EPERM;
	}
	return 0;
}

int folder_check(const char *path)
{
	return check(path, O_NOFOLLOW, false);
}

int folder_check_root(const char *path)
{
	char above[PATH_MAX];
	int err;

	snprintf(above, sizeof(above), "%s", path);
	err = check(dirname(above), 0, true);
	return err ? err : folder_check(path);
}
