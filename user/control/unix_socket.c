/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/control/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "user/util/cleanup.h"
#include "user/util/log.h"

#define LOCK_TRIES 50
#define LOCK_PAUSE_US 10000

/*
 * The folder is locked while one of us looks at what lies at the path and removes it: of two daemons that start
 * together the second must not remove what the first has just made.  Somebody else may hold the lock for ever; then the
 * race is the lesser evil.  The lock ends with the descriptor.
 */
static int lock_folder(const char *path)
{
	char copy[UNIX_PATH_MAX + 1];
	int fd;

	strcpy(copy, path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; fd >= 0 && i < LOCK_TRIES && flock(fd, LOCK_EX | LOCK_NB); i++)
		usleep(LOCK_PAUSE_US);
	return fd;
}

static int remove_stale(const char *text, const struct sockaddr_un *addr)
{
	_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct stat st;

	if (fd < 0 || lstat(addr->sun_path, &st))
		return 0; /* socket() and bind() will say what is wrong */
	if (!S_ISSOCK(st.st_mode)) {
		log_error("%s: the file is there and is no socket", text);
		return -EEXIST;
	}
	if (!connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) || errno != ECONNREFUSED) {
		log_error("%s: another process is listening there", text);
		return -EADDRINUSE;
	}
	if (!unlink(addr->sun_path) || errno == ENOENT)
		return 0;
	log_error("%s: cannot remove the socket that a dead process left: %s", text, strerror(errno));
	return -errno;
}

/* The mode is the file's from its first moment on, and no other file's: not by umask(), which all threads share. */
static int bind_and_listen(struct unix_socket *s, const struct sockaddr_un *addr, int backlog)
{
	_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct stat st;

	if (fd < 0 || fchmod(fd, 0600) || bind(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		return -errno;
	if (lstat(addr->sun_path, &st) || listen(fd, backlog)) {
		int error = errno;

		unlink(addr->sun_path);
		return -error;
	}
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	s->fd = take_fd(fd);
	return 0;
}

int unix_socket_listen(struct unix_socket *s, const char *text, const char *path, int backlog)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	_close_ int lock = -1;
	int error;

	*s = (struct unix_socket){.fd = -1};
	if (strlen(path) > UNIX_PATH_MAX)
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	strcpy(s->path, path);
	lock = lock_folder(path);
	error = remove_stale(text, &addr);
	if (error)
		return error;
	error = bind_and_listen(s, &addr, backlog);
	if (error)
		log_error("%s: cannot listen: %s", text, strerror(-error));
	return error;
}

/* While the descriptor is open, no other file has the inode's number. */
void unix_socket_close(struct unix_socket *s)
{
	_close_ int lock = -1;
	struct stat st;

	if (s->fd < 0)
		return;
	lock = lock_folder(s->path);
	if (!lstat(s->path, &st) && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->path);
	close(take_fd(s->fd));
}
