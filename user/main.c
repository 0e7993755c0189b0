/* SPDX-License-Identifier: GPL-2.0-only */
/* ofxdpd: options, then the parts put together, run, and taken apart in reverse. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include "user/control/control.h"
#include "user/datapath/datapath.h"
#include "user/options.h"
#include "user/switch/switch.h"
#include "user/util/log.h"

#define PROBE_MS 10000
#define HANDSHAKE_MS 5000
#define MAX_BACKOFF_MS 8000
#define PACKET_IN_LIMIT (1024 * 1024)

struct daemon {
	struct event_base *base;
	struct sw *sw;
	struct dp *dp;
	struct control *control;
	struct event *signals[2];
};

static void on_signal(evutil_socket_t number, short what, void *aux)
{
	struct daemon *d = aux;

	log_info("signal %d: ending", (int)number);
	event_base_loopbreak(d->base);
}

static int watch_signals(struct daemon *d)
{
	static const int numbers[] = {SIGTERM, SIGINT};

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN); /* there is no configuration file to read again */
	for (size_t i = 0; i < 2; i++) {
		d->signals[i] = evsignal_new(d->base, numbers[i], on_signal, d);
		if (!d->signals[i] || event_add(d->signals[i], NULL))
			return -ENOMEM;
	}
	return 0;
}

/* All events are of one priority: what is of a lower one never comes where connections are busy. */
static int open_loop(struct daemon *d)
{
	d->base = event_base_new();
	if (d->base && !watch_signals(d))
		return 0;
	log_error("cannot make an event loop: %s", strerror(errno));
	return -ENOMEM;
}

static int listen_all(struct daemon *d, const struct options *o)
{
	for (size_t i = 0; i < o->n_listeners; i++) {
		int error = control_listen(d->control, o->listeners[i]);

		if (error)
			return error;
	}
	return 0;
}

static int connect_all(struct daemon *d, const struct options *o)
{
	for (size_t i = 0; i < o->n_controllers; i++) {
		int error = control_connect(d->control, &o->controllers[i]);

		if (error)
			return error;
	}
	if (!o->n_controllers && !o->n_listeners)
		log_warn("no controller (-c) and no listener (-l): the switch stays empty");
	return 0;
}

/* Sockets that clients find at once; they are served, and controllers called, once the event loop runs. */
static int open_control(struct daemon *d, const struct options *o)
{
	const struct control_options control = {
		.probe_ms = PROBE_MS,
		.handshake_ms = HANDSHAKE_MS,
		.max_backoff_ms = MAX_BACKOFF_MS,
		.packet_in_limit = PACKET_IN_LIMIT,
		.max_unsent = o->max_unsent,
	};
	int error;

	d->control = control_new(d->sw, d->base, &control);
	if (!d->control)
		return -ENOMEM;
	error = listen_all(d, o);
	return error ? error : connect_all(d, o);
}

struct starting {
	struct daemon *d;
	const struct options *o;
};

static int on_ready(void *aux)
{
	struct starting *s = aux;

	return open_control(s->d, s->o);
}

static int open_switch(struct daemon *d, const struct options *o)
{
	struct starting starting = {d, o};
	struct sw_config sw_config = {.dpid = o->dpid ? o->dpid : options_default_dpid(o->name), .name = o->name};
	struct sockaddr_storage controllers[OPTIONS_CONTROLLERS];
	struct dp_config config = {
		.name = o->name,
		.dpid = sw_config.dpid,
		.pin_root = o->pin_root,
		.state_dir = o->state_dir,
		.max_flows = o->max_flows,
		.max_probes = o->max_probes,
		.force = o->force,
		.no_local = o->no_local,
		.no_cache = o->no_cache,
		.n_ports = o->n_ports,
		.ports = o->ports,
		.n_controllers = o->n_controllers,
		.controllers = controllers,
		.ready = on_ready,
		.ready_aux = &starting,
	};
	int error;

	for (size_t i = 0; i < o->n_controllers; i++)
		controllers[i] = o->controllers[i].addr;
	d->sw = sw_new(&sw_config, d->base);
	if (!d->sw)
		return -ENOMEM;
	error = dp_open(&config, &sw_datapath_callbacks, d->sw, d->base, &d->dp);
	if (error)
		return error;
	sw_start(d->sw, d->dp);
	control_start(d->control);
	log_info("switch %s, datapath id %016llx, entry program %s", o->name, (unsigned long long)sw_config.dpid,
		 dp_pin_path(d->dp));
	return 0;
}

/* A second signal must not break off what the first one asked for. */
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* An error: something could not be given back, which has been logged. */
static int close_all(struct daemon *d)
{
	int error = 0;

	block_signals();
	control_free(d->control);
	if (d->sw)
		sw_free(d->sw);
	if (d->dp)
		error = dp_close(d->dp);
	for (size_t i = 0; i < 2; i++) {
		if (d->signals[i])
			event_free(d->signals[i]);
	}
	if (d->base)
		event_base_free(d->base);
	libevent_global_shutdown();
	return error;
}

static void raise_to_hard(int which)
{
	struct rlimit limit;

	if (getrlimit(which, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(which, &limit);
}

/*
 * As much as we may have, for all that follows.  A descriptor is a connection or a map more; programs are told less
 * than they may have only for the sake of select().  Locked is the memory that AF_XDP sockets receive into.
 */
static void raise_limits(void)
{
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};

	raise_to_hard(RLIMIT_NOFILE);
	if (setrlimit(RLIMIT_MEMLOCK, &unlimited)) /* CAP_SYS_RESOURCE is missing */
		raise_to_hard(RLIMIT_MEMLOCK);
}

static int run(const struct options *o)
{
	struct daemon d = {0};
	int error;

	log_start();
	error = dp_check();
	if (!error)
		error = open_loop(&d);
	if (!error)
		error = open_switch(&d, o);
	if (!error) {
		sd_notify(0, "READY=1");
		error = event_base_dispatch(d.base) < 0 ? -EIO : 0;
		sd_notify(0, "STOPPING=1");
	}
	/* What fails says why where it knows most; this is for what cannot (memory, descriptors). */
	if (error == -ENOMEM && !log_errors)
		log_error("cannot run: out of memory; raise the limit, or try smaller --max-flows");
	else if (error && !log_errors)
		log_error("cannot run: %s", strerror(error < 0 ? -error : EIO));
	if (close_all(&d))
		error = -EIO;
	log_flush();
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static struct options options; /* large */

	/* No lists of small freed blocks: malloc() would join a million of them at once, for tens of milliseconds. */
	mallopt(M_MXFAST, 0);
	log_init("ofxdpd");
	switch (options_parse(argc, argv, &options)) {
	case OPTIONS_DONE:
		return EXIT_SUCCESS;
	case OPTIONS_WRONG:
		return 2;
	case OPTIONS_RUN:
		break;
	}
	raise_limits();
	if (options.cleanup)
		return dp_cleanup(options.name, options.pin_root, options.state_dir) ? EXIT_FAILURE : EXIT_SUCCESS;
	return run(&options);
}
