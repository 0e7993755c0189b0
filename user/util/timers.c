/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/util/timers.h"
#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include "user/util/cleanup.h"

static void nothing(evutil_socket_t fd, short what, void *aux)
{
}

int timers_reserve(struct event_base *base, size_t n)
{
	static const struct timeval later = {.tv_sec = 3600};
	_free_ struct event *timers = calloc(n, sizeof(*timers));
	size_t added = 0;
	int err = timers ? 0 : -ENOMEM;

	while (!err && added < n) {
		evtimer_assign(&timers[added], base, nothing, NULL);
		err = evtimer_add(&timers[added], &later) ? -ENOMEM : 0;
		added += !err;
	}
	while (added)
		event_del(&timers[--added]);
	return err;
}
