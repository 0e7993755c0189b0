/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A listening Unix socket in the file system.  What a dead process left at its path is removed; what a living one
 * listens on, or has put there since, never is.
 */
#ifndef CONTROL_UNIX_SOCKET_H
#define CONTROL_UNIX_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

#define UNIX_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1) /* characters */

struct unix_socket {
	int fd; /* listening, non-blocking; -1: none */
	char path[UNIX_PATH_MAX + 1];
	dev_t dev; /* which file it is */
	ino_t ino;
};

/* Of mode 0600.  A negative errno: one sentence, beginning with `text`, was logged, and `socket` holds nothing. */
int unix_socket_listen(struct unix_socket *socket, const char *text, const char *path, int backlog);
/* Close it, and remove its file if that is still its own. */
void unix_socket_close(struct unix_socket *socket);

#endif
