/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/control/control.h"

#include <stdlib.h>
#include "user/control/session.h"
#include "user/util/timers.h"

#define CONTROL_TURN_US 2000	  /* of all connections, then others have theirs */
#define CONTROL_LAST_WORDS_MS 500 /* for what is queued when we end */

int control_reserve_timers(struct control *control, size_t n)
{
	int error = timers_reserve(control->base, control->n_timers + n);

	control->n_timers += error ? 0 : n;
	return error;
}

struct control *control_new(struct sw *sw, struct event_base *base, const struct control_options *options)
{
	struct control *control = calloc(1, sizeof(*control));

	if (!control)
		return NULL;
	control->sw = sw;
	control->base = base;
	control->options = *options;
	control_set_limits(control, options->max_unsent);
	turn_open(&control->turn, base, CONTROL_TURN_US);
	LIST_INIT(&control->sessions);
	LIST_INIT(&control->actives);
	LIST_INIT(&control->listeners);
	if (!control_reserve_timers(control, CONTROL_TIMERS))
		return control;
	free(control);
	return NULL;
}

void control_free(struct control *control)
{
	uint64_t deadline = control_now_ms() + CONTROL_LAST_WORDS_MS;

	if (!control)
		return;
	while (!LIST_EMPTY(&control->sessions))
		session_free(LIST_FIRST(&control->sessions), deadline);
	while (!LIST_EMPTY(&control->actives))
		active_free(LIST_FIRST(&control->actives));
	while (!LIST_EMPTY(&control->listeners))
		listener_free(LIST_FIRST(&control->listeners));
	turn_close(&control->turn);
	if (event_initialized(&control->look))
		event_del(&control->look);
	memory_keep(&control->kept, 0);
	free(control->spare_input);
	free(control);
}
