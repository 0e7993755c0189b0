/* SPDX-License-Identifier: GPL-2.0-only */
/* Where controllers, and tools such as ovs-ofctl, connect to us. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "user/control/session.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

#define LISTENER_SESSIONS 128 /* accepted connections at one time */
#define LISTENER_BATCH 16     /* accepted in one turn of the event loop */
#define LISTENER_PAUSE_MS 1000

struct listener {
	LIST_ENTRY(listener) link;
	struct control *control;
	int fd;
	char text[160];
	char *path;	/* of a Unix socket: removed at the end */
	unsigned int n; /* accepted so far */
	struct event acceptable, resume;
};

static void on_ended(struct session *s, uint64_t lived_ms)
{
	struct listener *l = s->owned_by;

	l->control->n_passive--;
}

static void accepted(struct listener *l, int fd, const struct sockaddr_storage *peer, socklen_t len)
{
	static const struct session_owner owner = {.ended = on_ended};
	char addr[80], name[160];
	struct session *s;

	l->n++;
	if (l->control->n_passive >= LISTENER_SESSIONS) {
		close(fd);
		log_peer(LOG_LVL_WARN, "%s: refused: %d connections are open", l->text, LISTENER_SESSIONS);
		return;
	}
	if (l->path) {
		snprintf(name, sizeof(name), "%.140s#%u", l->text, l->n);
	} else {
		control_format_addr(peer, len, addr, sizeof(addr));
		snprintf(name, sizeof(name), "tcp:%s", addr);
	}
	s = session_new(l->control, fd, name, &owner, l);
	if (!s)
		return;
	s->local = true;
	l->control->n_passive++;
}

static void on_resume(evutil_socket_t fd, short what, void *aux)
{
	struct listener *l = aux;

	event_add(&l->acceptable, NULL);
}

static void on_acceptable(evutil_socket_t listening, short what, void *aux)
{
	struct listener *l = aux;
	struct timeval pause = control_ms(LISTENER_PAUSE_MS);
	struct sockaddr_storage peer;

	for (int i = 0; i < LISTENER_BATCH; i++) {
		socklen_t len = sizeof(peer);
		int fd = accept4(listening, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			accepted(l, fd, &peer, len);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			/* It would stay acceptable, and the loop would spin. */
			log_warn("%s: cannot accept: %s; pausing", l->text, strerror(errno));
			event_del(&l->acceptable);
			evtimer_add(&l->resume, &pause);
			return;
		} else if (errno != ECONNABORTED && errno != EINTR) {
			return;
		}
	}
}

static int open_socket(const char *text, const struct sockaddr_storage *addr, socklen_t len)
{
	int on = 1;
	_close_ int fd = socket(addr->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (const struct sockaddr *)addr, len) || listen(fd, 64)) {
		int error = errno;

		log_error("%s: cannot listen: %s", text, strerror(error));
		return -error;
	}
	return take_fd(fd);
}

static int listen_tcp(struct listener *l, const char *where)
{
	struct sockaddr_storage addr;
	socklen_t len;
	char text[80];

	if (control_parse_listen_addr(where, &addr, &len))
		return -EINVAL;
	l->fd = open_socket(l->text, &addr, len);
	if (l->fd < 0)
		return l->fd;
	len = sizeof(addr);
	getsockname(l->fd, (struct sockaddr *)&addr, &len);
	control_format_addr(&addr, len, text, sizeof(text));
	log_info("listening on tcp %s", text);
	return 0;
}

/* A socket that a dead process left may be removed; one that answers, or another kind of file, may not. */
static int remove_stale(const char *text, const struct sockaddr_un *addr)
{
	_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct stat st;

	if (lstat(addr->sun_path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode)) {
		log_error("%s: the file is there and is no socket", text);
		return -EEXIST;
	}
	if (!connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) || errno != ECONNREFUSED) {
		log_error("%s: another process is listening there", text);
		return -EADDRINUSE;
	}
	unlink(addr->sun_path);
	return 0;
}

static int listen_unix(struct listener *l, const char *path)
{
	struct sockaddr_storage addr = {0};
	struct sockaddr_un *un = (struct sockaddr_un *)&addr;
	mode_t mask;
	int error;

	un->sun_family = AF_UNIX;
	strcpy(un->sun_path, path);
	error = remove_stale(l->text, un);
	if (error)
		return error;
	mask = umask(0177); /* mode 0600 from the first moment on */
	l->fd = open_socket(l->text, &addr, sizeof(*un));
	umask(mask);
	if (l->fd < 0)
		return l->fd;
	l->path = strdup(path);
	log_info("listening on unix %s", path);
	return 0;
}

int control_check_listener(const char *text)
{
	struct sockaddr_storage addr;
	socklen_t len;

	if (!strncmp(text, "ptcp:", 5))
		return control_parse_listen_addr(text + 5, &addr, &len);
	if (!strncmp(text, "punix:", 6) && text[6] && strlen(text + 6) < sizeof(((struct sockaddr_un *)0)->sun_path))
		return 0;
	log_error("'%s' is not a listener: write ptcp:PORT[:ADDRESS], or punix:PATH with a PATH under 108 characters",
		  text);
	return -EINVAL;
}

int control_listen(struct control *control, const char *text)
{
	_free_ struct listener *l = calloc(1, sizeof(*l));
	int error = control_check_listener(text);

	if (error)
		return error;
	if (!l)
		return -ENOMEM;
	l->control = control;
	l->fd = -1;
	snprintf(l->text, sizeof(l->text), "%s", text);
	error = *text && text[1] == 't' ? listen_tcp(l, text + 5) : listen_unix(l, text + 6);
	if (error)
		return error;
	event_assign(&l->acceptable, control->base, l->fd, EV_READ | EV_PERSIST, on_acceptable, l);
	evtimer_assign(&l->resume, control->base, on_resume, l);
	event_add(&l->acceptable, NULL);
	LIST_INSERT_HEAD(&control->listeners, l, link);
	take_ptr(l);
	return 0;
}

void listener_free(struct listener *l)
{
	event_del(&l->acceptable);
	event_del(&l->resume);
	close(l->fd);
	if (l->path)
		unlink(l->path);
	free(l->path);
	LIST_REMOVE(l, link);
	free(l);
}
