/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/switch/deletion.h"
#include <errno.h>
#include <stdlib.h>
#include "user/switch/internal.h"
#include "user/switch/job.h"

#define REMOVED_AT_ONCE 512 /* entries looked at in a step */

struct deletion {
	struct sw *sw;
	uint32_t id;
	const struct sw_deletion_ops *ops;
	struct sw_selection selection;
};

static void remove_user(struct sw_flow *flow, void *aux)
{
	const struct deletion *d = aux;

	if (d->ops->uses(d->sw, flow->inst, d->id))
		sw_flow_remove(d->sw, flow, d->ops->reason);
}

static int remove_some(struct sw *sw, struct sw_conn *conn, struct sw_job *job, bool *more)
{
	struct deletion *d = job->aux;

	if (d->ops->n_sets(sw, d->id) && !sw_walk_step(sw, &d->selection.walk, REMOVED_AT_ONCE, remove_user, d))
		sw_selection_again(&d->selection, OFPTT_ALL);
	*more = d->ops->n_sets(sw, d->id);
	if (!*more) {
		sw_publish(sw); /* no packet comes to it any more */
		d->ops->bury(sw, d->id);
	}
	return 0;
}

static void deletion_end(struct sw_job *job)
{
	struct deletion *d = job->aux;

	sw_walk_end(&d->selection.walk);
	free(d);
}

int sw_deletion_start(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg, uint32_t id,
		      const struct sw_deletion_ops *ops)
{
	struct deletion *d = calloc(1, sizeof(*d));
	struct sw_job *job = d ? sw_job_new(sw, msg) : NULL;

	if (!job) {
		free(d);
		return -ENOMEM;
	}
	*d = (struct deletion){.sw = sw, .id = id, .ops = ops};
	sw_selection_begin(&d->selection, OFPTT_ALL, &(struct of_match){0}, &SW_ANY_FLOW);
	job->aux = d;
	job->changes = true;
	job->step = remove_some;
	job->end = deletion_end;
	ops->doom(sw, id);
	return sw_job_start(sw, conn, job);
}
