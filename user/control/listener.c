/* SPDX-License-Identifier: GPL-2.0-only */
/* Where controllers, and tools such as ovs-ofctl, connect to us. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "user/control/seat.h"
#include "user/control/unix_socket.h"
#include "user/util/cleanup.h"

#define LISTENER_BATCH 8     /* accepted at a time, in turn with the connections' work */
#define LISTENER_BACKLOG 128 /* not accepted yet */
#define LISTENER_PAUSE_MS 1000
#define LISTENER_TIMERS (1 + SESSION_TIMERS * (SEATS + SEATS_WAIT))
#define FDS_KEPT 64  /* that no listener takes: the datapath and controllers we connect to need some now and then */
#define FDS_LOCAL 32 /* … that only Unix sockets take */

struct listener {
	LIST_ENTRY(listener) link;
	struct control *control;
	int fd; /* of TCP, owned; of a Unix socket, that of `local` */
	char text[160];
	struct unix_socket local; /* fd -1: it is TCP */
	unsigned int n;		  /* accepted so far */
	struct seats seats;
	struct event acceptable, resume;
	struct turn_member turn;
};

static bool is_local(const struct listener *l)
{
	return l->local.fd >= 0;
}

/* --- who it is --- */

struct peer {
	struct sockaddr_storage addr;
	socklen_t len;
	uint64_t id; /* seat.h */
	bool local;  /* on this machine */
};

static void identify_process(struct peer *p, int fd)
{
	struct ucred who = {0};
	socklen_t len = sizeof(who);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len);
	p->id = who.pid;
	p->local = true;
}

static void identify_ipv4(struct peer *p, uint32_t addr)
{
	p->id = addr;
	p->local = addr >> 24 == IN_LOOPBACKNET;
}

static void identify_ipv6(struct peer *p, const struct in6_addr *addr)
{
	memcpy(&p->id, addr, sizeof(p->id));
	p->local = IN6_IS_ADDR_LOOPBACK(addr);
	if (IN6_IS_ADDR_V4MAPPED(addr))
		identify_ipv4(p, ntohl(addr->s6_addr32[3]));
}

static void identify(struct peer *p, int fd)
{
	if (p->addr.ss_family == AF_INET)
		identify_ipv4(p, ntohl(((struct sockaddr_in *)&p->addr)->sin_addr.s_addr));
	else if (p->addr.ss_family == AF_INET6)
		identify_ipv6(p, &((struct sockaddr_in6 *)&p->addr)->sin6_addr);
	else
		identify_process(p, fd);
}

static void name_peer(const struct listener *l, const struct peer *p, char name[160])
{
	char addr[80];

	if (is_local(l)) {
		snprintf(name, 160, "%.140s#%u", l->text, l->n);
		return;
	}
	control_format_addr(&p->addr, p->len, addr, sizeof(addr));
	snprintf(name, 160, "tcp:%s", addr);
}

/* --- its seat --- */

static void on_ended(struct session *s, uint64_t lived_ms)
{
	struct listener *l = s->owned_by;

	seats_leave(&l->seats, s);
}

/*
 * What connections that are gone left to be done takes seats, too, or a peer that comes, leaves work and goes could
 * pile it up; but no seats of those on this machine.
 */
static bool on_up(struct session *s)
{
	struct listener *l = s->owned_by;
	unsigned int left = is_local(l) ? 0 : sw_jobs_left(l->control->sw);

	if (seats_take(&l->seats, s, left < SEATS ? SEATS - left : 0))
		return true;
	log_peer(LOG_LVL_WARN, "%s: refused: all %d seats of %s are taken", s->name, SEATS, l->text);
	return false;
}

/* Descriptors are given the lowest number that is free. */
static bool short_of_fds(const struct listener *l, int fd)
{
	struct rlimit limit;
	rlim_t kept = is_local(l) ? FDS_KEPT : FDS_KEPT + FDS_LOCAL;

	return !getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur != RLIM_INFINITY && fd + kept >= limit.rlim_cur;
}

static void accepted(struct listener *l, int fd, struct peer *p)
{
	static const struct session_owner owner = {.up = on_up, .ended = on_ended};
	struct session *s;
	char name[160];

	l->n++;
	identify(p, fd);
	name_peer(l, p, name);
	if (short_of_fds(l, fd) && !seats_make_room(&l->seats)) {
		log_peer(LOG_LVL_WARN, "%s: refused: too few file descriptors are left", name);
		close(fd);
		return;
	}
	s = session_new(l->control, fd, name, &owner, l);
	if (!s) {
		log_peer(LOG_LVL_WARN, "%s: refused: out of memory", name);
		return;
	}
	s->local = p->local;
	s->seat.peer = p->id;
	seats_arrive(&l->seats, s);
}

/* --- accepting --- */

static void on_resume(evutil_socket_t fd, short what, void *aux)
{
	struct listener *l = aux;

	event_add(&l->acceptable, NULL);
}

/* It would stay acceptable, and the loop would spin. */
static void pause_accepting(struct listener *l, int error)
{
	struct timeval pause = control_ms(LISTENER_PAUSE_MS);

	log_peer(LOG_LVL_WARN, "%s: cannot accept: %s; pausing", l->text, strerror(error));
	event_del(&l->acceptable);
	evtimer_add(&l->resume, &pause);
}

static void accept_some(struct turn_member *m)
{
	struct listener *l = (struct listener *)((char *)m - offsetof(struct listener, turn));

	for (int i = 0; i < LISTENER_BATCH; i++) {
		struct peer p = {.len = sizeof(p.addr)};
		int fd = accept4(l->fd, (struct sockaddr *)&p.addr, &p.len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			accepted(l, fd, &p);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			pause_accepting(l, errno);
			return;
		} else if (errno != ECONNABORTED && errno != EINTR) {
			return;
		}
	}
}

static void on_acceptable(evutil_socket_t fd, short what, void *aux)
{
	struct listener *l = aux;

	turn_take(&l->control->turn, &l->turn);
}

/* --- listening --- */

static int open_tcp(const char *text, const struct sockaddr_storage *addr, socklen_t len)
{
	int on = 1;
	_close_ int fd = socket(addr->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (const struct sockaddr *)addr, len) || listen(fd, LISTENER_BACKLOG)) {
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
	l->fd = open_tcp(l->text, &addr, len);
	if (l->fd < 0)
		return l->fd;
	len = sizeof(addr);
	getsockname(l->fd, (struct sockaddr *)&addr, &len);
	control_format_addr(&addr, len, text, sizeof(text));
	log_info("listening on tcp %s", text);
	return 0;
}

static int listen_unix(struct listener *l, const char *path)
{
	int error = unix_socket_listen(&l->local, l->text, path, LISTENER_BACKLOG);

	if (error)
		return error;
	l->fd = l->local.fd;
	log_info("listening on unix %s", path);
	return 0;
}

int control_check_listener(const char *text)
{
	struct sockaddr_storage addr;
	socklen_t len;

	if (!strncmp(text, "ptcp:", 5))
		return control_parse_listen_addr(text + 5, &addr, &len);
	if (!strncmp(text, "punix:", 6) && text[6] && strlen(text + 6) <= UNIX_PATH_MAX)
		return 0;
	log_error("'%s' is not a listener: write ptcp:PORT[:ADDRESS], or punix:PATH with a PATH under 108 characters",
		  text);
	return -EINVAL;
}

static void close_socket(struct listener *l)
{
	if (is_local(l))
		unix_socket_close(&l->local);
	else
		close(l->fd);
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
	l->fd = l->local.fd = -1;
	l->turn.run = accept_some;
	snprintf(l->text, sizeof(l->text), "%s", text);
	seats_open(&l->seats);
	error = control_reserve_timers(control, LISTENER_TIMERS);
	if (!error)
		error = text[1] == 't' ? listen_tcp(l, text + 5) : listen_unix(l, text + 6);
	if (error)
		return error;
	event_assign(&l->acceptable, control->base, l->fd, EV_READ | EV_PERSIST, on_acceptable, l);
	evtimer_assign(&l->resume, control->base, on_resume, l);
	if (event_add(&l->acceptable, NULL)) {
		close_socket(l);
		return -ENOMEM;
	}
	LIST_INSERT_HEAD(&control->listeners, l, link);
	take_ptr(l);
	return 0;
}

void listener_free(struct listener *l)
{
	event_del(&l->acceptable);
	event_del(&l->resume);
	turn_cancel(&l->control->turn, &l->turn);
	close_socket(l);
	LIST_REMOVE(l, link);
	free(l);
}
