/* SPDX-License-Identifier: GPL-2.0-only */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "user/datapath/netns.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

#define NAMED "/run/netns"
#define OWN "/proc/thread-self/ns/net"

uint64_t netns_inode(void)
{
	struct stat st;

	return stat(OWN, &st) ? 0 : st.st_ino;
}

static uint64_t cookie_of(int sock)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return sock < 0 || getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) ? 0 : cookie;
}

uint64_t netns_cookie(void)
{
	_close_ int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return cookie_of(sock);
}

bool netns_inside(int ns_fd, void (*fn)(void *aux), void *aux)
{
	_close_ int own = open(OWN, O_RDONLY | O_CLOEXEC);

	if (own < 0 || setns(ns_fd, CLONE_NEWNET))
		return false;
	fn(aux);
	/* In the wrong namespace every further step would harm somebody else's interfaces. */
	if (setns(own, CLONE_NEWNET)) {
		log_error("cannot return to the switch's network namespace: %s", strerror(errno));
		log_flush();
		abort();
	}
	return true;
}

static void open_socket(void *aux)
{
	*(int *)aux = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

int netns_socket(int ns_fd)
{
	int sock = -1;

	netns_inside(ns_fd, open_socket, &sock);
	return sock;
}

bool netns_search(bool (*fn)(void *aux, int ns_fd), void *aux, char *path, size_t size)
{
	DIR *d = opendir(NAMED);
	struct dirent *e;
	bool found = false;

	while (d && !found && (e = readdir(d))) {
		_close_ int ns = -1;

		if (*e->d_name == '.')
			continue;
		snprintf(path, size, "%s/%s", NAMED, e->d_name);
		ns = open(path, O_RDONLY | O_CLOEXEC);
		found = ns >= 0 && fn(aux, ns);
	}
	if (d)
		closedir(d);
	return found;
}

static bool has_cookie(void *aux, int ns_fd)
{
	_close_ int sock = netns_socket(ns_fd);

	return sock >= 0 && cookie_of(sock) == *(uint64_t *)aux;
}

bool netns_find(uint64_t cookie, char *path, size_t size)
{
	return netns_search(has_cookie, &cookie, path, size);
}
