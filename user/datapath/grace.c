/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Grace periods.  Any update of a map-in-map makes the kernel wait for an RCU grace period before the system call
 * returns, so a thread updates a private one and then knows: no program that ran before it runs still.  It waits once
 * for all that has been deferred meanwhile, and tells the event loop through an eventfd.
 *
 * What a million flow entries leave behind is given back a little at a time, so that the event loop serves its other
 * events in between.
 *
 * Two waits, because a packet may go from one program to the next (redirected into an internal veth pair) and carry
 * flow ids and ops along.
 */
#include <bpf/bpf.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/syscall.h>
#include "user/datapath/internal.h"
#include "user/util/cleanup.h"
#include "user/util/clock.h"
#include "user/util/log.h"
#include "user/util/slab.h"

#define GRACE_WAITS 2
#define TURN_NS 2000000 /* of callbacks at a time */
#define TURN_CHECK 8	/* callbacks between looks at the clock: one may give back some hundred rules */
#define TRIM_CHUNKS 16	/* of memory given back in a turn: 1 MB */

struct deferred {
	grace_fn fn;
	void *aux;
	uint32_t number;
	STAILQ_ENTRY(deferred) next;
};
STAILQ_HEAD(deferred_list, deferred);

struct dp_grace {
	struct dp *dp;
	int outer_fd, inner_fd; /* the private map-in-map */
	int event_fd;		/* thread → event loop: `done` is not empty */
	struct event *event;
	struct deferred_list run; /* waited for, to be called by the event loop */
	struct slab slab;	  /* of struct deferred; the event loop's */
	size_t reserved;	  /* of them */
	pthread_t thread;
	bool thread_runs;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	struct deferred_list pending, waited, done;
	uint64_t n_deferred, n_done; /* ever deferred; ever come to `done` */
	bool stop;
};

static void grace_wait(struct dp_grace *g)
{
	uint32_t zero = 0;

	for (int i = 0; i < GRACE_WAITS; i++)
		if (bpf_map_update_elem(g->outer_fd, &zero, &g->inner_fd, BPF_ANY) &&
		    syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0)) /* it waits, too, where CPUs have ticks */
			usleep(50000);					   /* no better way than time */
}

static size_t list_len(const struct deferred_list *list)
{
	const struct deferred *d;
	size_t n = 0;

	STAILQ_FOREACH(d, list, next)
	n++;
	return n;
}

static void *grace_thread(void *arg)
{
	struct dp_grace *g = arg;
	size_t n;

	pthread_mutex_lock(&g->lock);
	for (;;) {
		while (STAILQ_EMPTY(&g->pending) && !g->stop)
			pthread_cond_wait(&g->changed, &g->lock);
		if (STAILQ_EMPTY(&g->pending))
			break;
		STAILQ_CONCAT(&g->waited, &g->pending);
		pthread_mutex_unlock(&g->lock);
		grace_wait(g);
		n = list_len(&g->waited);
		pthread_mutex_lock(&g->lock);
		g->n_done += n;
		STAILQ_CONCAT(&g->done, &g->waited);
		pthread_cond_broadcast(&g->changed);
		eventfd_write(g->event_fd, 1);
	}
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

/* Run what has been waited for, all of it or for one turn.  Callbacks may defer more.  True: something is left. */
static bool grace_run(struct dp_grace *g, bool all)
{
	const uint64_t end = all ? UINT64_MAX : clock_ns() + TURN_NS;
	struct deferred *d;

	pthread_mutex_lock(&g->lock);
	STAILQ_CONCAT(&g->run, &g->done);
	pthread_mutex_unlock(&g->lock);
	for (uint32_t n = 1; (d = STAILQ_FIRST(&g->run)); n++) {
		const struct deferred now = *d;

		STAILQ_REMOVE_HEAD(&g->run, next);
		slab_give(&g->slab, d); /* first: it may be deferred again */
		now.fn(g->dp, now.aux, now.number);
		if (n % TURN_CHECK == 0 && clock_ns() > end)
			break;
	}
	return !STAILQ_EMPTY(&g->run);
}

static void grace_ready(evutil_socket_t fd, short what, void *arg)
{
	struct dp_grace *g = arg;
	eventfd_t n;
	bool more;

	eventfd_read(fd, &n);
	more = grace_run(g, false);
	slab_trim(&g->slab, TRIM_CHUNKS);
	if (more || slab_is_idle(&g->slab))
		eventfd_write(fd, 1); /* again, after the events of others */
}

static int grace_open_maps(struct dp_grace *g)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);

	g->inner_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ofx_grace_in", 4, 4, 1, NULL);
	if (g->inner_fd < 0)
		return g->inner_fd;
	opts.inner_map_fd = g->inner_fd;
	g->outer_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "ofx_grace", 4, 4, 1, &opts);
	return g->outer_fd < 0 ? g->outer_fd : 0;
}

static int grace_open_event(struct dp_grace *g, struct event_base *base)
{
	g->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (g->event_fd < 0)
		return -errno;
	g->event = event_new(base, g->event_fd, EV_READ | EV_PERSIST, grace_ready, g);
	if (!g->event || event_add(g->event, NULL))
		return -ENOMEM;
	return 0;
}

/* Signals are for the event loop's thread. */
static int grace_open_thread(struct dp_grace *g)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&g->thread, NULL, grace_thread, g);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	g->thread_runs = !err;
	return -err;
}

int grace_open(struct dp *dp)
{
	struct dp_grace *g = calloc(1, sizeof(*g));
	int err;

	if (!g)
		return -ENOMEM;
	g->outer_fd = g->inner_fd = g->event_fd = -1;
	g->slab = slab_of(sizeof(struct deferred));
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->changed, NULL);
	STAILQ_INIT(&g->pending);
	STAILQ_INIT(&g->waited);
	STAILQ_INIT(&g->done);
	STAILQ_INIT(&g->run);
	g->dp = dp;
	dp->grace = g;
	err = grace_open_maps(g);
	if (!err)
		err = grace_open_event(g, dp->base);
	if (!err)
		err = grace_open_thread(g);
	if (err) {
		log_error("cannot set up the wait for grace periods: %s", strerror(-err));
		grace_close(dp);
	}
	return err;
}

int grace_reserve(struct dp *dp, size_t n)
{
	struct dp_grace *g = dp->grace;

	if (!slab_reserve(&g->slab, g->reserved + n))
		return -ENOMEM;
	g->reserved += n;
	return 0;
}

void grace_unreserve(struct dp *dp, size_t n)
{
	struct dp_grace *g = dp->grace;

	g->reserved -= n;
	slab_reserve(&g->slab, g->reserved);
}

void grace_defer(struct dp *dp, grace_fn fn, void *aux, uint32_t number)
{
	struct dp_grace *g = dp->grace;
	struct deferred *d = slab_take(&g->slab); /* there is one */

	*d = (struct deferred){.fn = fn, .aux = aux, .number = number};
	pthread_mutex_lock(&g->lock);
	/* the thread sleeps only with nothing pending */
	if (STAILQ_EMPTY(&g->pending))
		pthread_cond_broadcast(&g->changed);
	STAILQ_INSERT_TAIL(&g->pending, d, next);
	g->n_deferred++;
	pthread_mutex_unlock(&g->lock);
}

void grace_flush(struct dp *dp)
{
	struct dp_grace *g = dp->grace;
	uint64_t until;

	pthread_mutex_lock(&g->lock);
	until = g->n_deferred;
	while (g->n_done < until)
		pthread_cond_wait(&g->changed, &g->lock);
	pthread_mutex_unlock(&g->lock);
	grace_run(g, true);
}

/* Callbacks may defer again: until nothing is left. */
static void grace_drain(struct dp *dp)
{
	struct dp_grace *g = dp->grace;
	bool more;

	do {
		grace_flush(dp);
		pthread_mutex_lock(&g->lock);
		more = g->n_done < g->n_deferred || !STAILQ_EMPTY(&g->done);
		pthread_mutex_unlock(&g->lock);
	} while (more);
}

void grace_close(struct dp *dp)
{
	struct dp_grace *g = dp->grace;

	if (!g)
		return;
	if (g->thread_runs) {
		grace_drain(dp);
		pthread_mutex_lock(&g->lock);
		g->stop = true;
		pthread_cond_broadcast(&g->changed);
		pthread_mutex_unlock(&g->lock);
		pthread_join(g->thread, NULL);
	}
	if (g->event)
		event_free(g->event);
	cleanup_close(&g->event_fd);
	cleanup_close(&g->outer_fd);
	cleanup_close(&g->inner_fd);
	slab_close(&g->slab);
	pthread_cond_destroy(&g->changed);
	pthread_mutex_destroy(&g->lock);
	free(take_ptr(dp->grace));
}
