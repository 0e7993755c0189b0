/* SPDX-License-Identifier: GPL-2.0-only */
/* A controller that we connect to: try, back off, try again; for ever. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "user/control/session.h"
#include "user/util/cleanup.h"

#define BACKOFF_FIRST_MS 100 /* doubled with each failure */
#define ACTIVE_TIMERS (2 + SESSION_TIMERS)
#define LIVED_MS 2000 /* a connection that was up so long was a good one: no back-off behind it */

struct active {
	LIST_ENTRY(active) link;
	struct control *control;
	struct control_target target;
	int fd; /* being connected, or -1 */
	struct event connecting, retry;
	unsigned int backoff_ms; /* before the next attempt */
	bool told;		 /* this outage is in the log */
};

static void try_connect(struct active *a);

static void retry_later(struct active *a)
{
	unsigned int max = a->control->options.max_backoff_ms;
	struct timeval tv = control_ms(a->backoff_ms);

	evtimer_add(&a->retry, &tv);
	a->backoff_ms = a->backoff_ms * 2 < max ? a->backoff_ms * 2 : max;
}

static void failed(struct active *a, int error)
{
	if (a->told)
		log_debug("%s: cannot connect: %s", a->target.text, strerror(error));
	else
		log_warn("%s: cannot connect: %s; trying on", a->target.text, strerror(error));
	a->told = true;
	retry_later(a);
}

static void on_ended(struct session *s, uint64_t lived_ms)
{
	struct active *a = s->owned_by;

	if (lived_ms >= LIVED_MS) {
		a->backoff_ms = BACKOFF_FIRST_MS;
		a->told = false;
	}
	retry_later(a);
}

static void connected(struct active *a)
{
	static const struct session_owner owner = {.ended = on_ended};

	if (!session_new(a->control, take_fd(a->fd), a->target.text, &owner, a))
		failed(a, ENOMEM);
}

static void on_connecting(evutil_socket_t fd, short what, void *aux)
{
	struct active *a = aux;
	socklen_t len = sizeof(int);
	int error = ETIMEDOUT;

	event_del(&a->connecting);
	if (what & EV_WRITE)
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (!error) {
		connected(a);
		return;
	}
	close(take_fd(a->fd));
	failed(a, error);
}

static void on_retry(evutil_socket_t fd, short what, void *aux)
{
	try_connect(aux);
}

static void try_connect(struct active *a)
{
	struct timeval tv = control_ms(a->control->options.max_backoff_ms);
	_close_ int fd = socket(a->target.addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		failed(a, errno);
		return;
	}
	if (connect(fd, (struct sockaddr *)&a->target.addr, a->target.addr_len) && errno != EINPROGRESS) {
		failed(a, errno);
		return;
	}
	a->fd = take_fd(fd);
	event_assign(&a->connecting, a->control->base, a->fd, EV_WRITE, on_connecting, a);
	if (!event_add(&a->connecting, &tv))
		return;
	close(take_fd(a->fd));
	failed(a, ENOMEM);
}

int control_connect(struct control *control, const struct control_target *target)
{
	static const struct timeval at_once = {0};
	int error = control_reserve_timers(control, ACTIVE_TIMERS);
	struct active *a = error ? NULL : calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->control = control;
	a->target = *target;
	a->fd = -1;
	a->backoff_ms = BACKOFF_FIRST_MS;
	evtimer_assign(&a->retry, control->base, on_retry, a);
	evtimer_assign(&a->connecting, control->base, on_connecting, a);
	LIST_INSERT_HEAD(&control->actives, a, link);
	return evtimer_add(&a->retry, &at_once) ? -ENOMEM : 0;
}

void active_free(struct active *a)
{
	event_del(&a->retry);
	event_del(&a->connecting);
	if (a->fd >= 0)
		close(a->fd);
	LIST_REMOVE(a, link);
	free(a);
}
