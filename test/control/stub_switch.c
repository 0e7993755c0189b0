/* SPDX-License-Identifier: GPL-2.0-only */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "include/openflow/openflow.h"
#include "user/control/internal.h"
#include "test/control/rig.h"
#include "user/util/log.h"

struct sw {
	struct sw_conn *conns;
	struct event *flood;
	unsigned int flood_n, flood_size;
	unsigned long queued, refused;
	unsigned int jobs_left;
	struct event *tick;   /* something else that has its turn */
	uint64_t ticked, gap; /* us of CPU time */
};

static uint64_t cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

static void spin(unsigned int us)
{
	for (uint64_t end = cpu_us() + us; cpu_us() < end;)
		;
}

static void on_tick(evutil_socket_t fd, short what, void *aux)
{
	struct sw *sw = aux;
	uint64_t now = cpu_us();

	if (now - sw->ticked > sw->gap)
		sw->gap = now - sw->ticked;
	sw->ticked = now;
}

static void tell_gap(struct sw *sw)
{
	log_info("the longest gap was %lu us", (unsigned long)sw->gap);
	sw->gap = 0;
}

void sw_conn_add(struct sw *sw, struct sw_conn *conn)
{
	conn->next = sw->conns;
	sw->conns = conn;
}

void sw_conn_remove(struct sw *sw, struct sw_conn *conn)
{
	struct sw_conn **at = &sw->conns;

	while (*at != conn)
		at = &(*at)->next;
	*at = conn->next;
	free(conn->job);
	conn->job = NULL;
}

static void on_flood(evutil_socket_t fd, short what, void *aux)
{
	static const uint8_t frame[1500] = {0xff};
	struct sw *sw = aux;
	struct of_packet_in p = {.reason = 1, .data = frame, .len = sw->flood_size, .total_len = sw->flood_size};

	for (unsigned int i = 0; i < sw->flood_n; i++) {
		for (struct sw_conn *c = sw->conns; c; c = c->next) {
			if (c->packet_in(c, &p))
				sw->queued++;
			else
				sw->refused++;
		}
	}
	for (struct sw_conn *c = sw->conns, *next; c; c = next) {
		next = c->next;
		c->packet_ins_end(c);
	}
}

static void flood(struct sw *sw, unsigned int n, unsigned int size)
{
	struct timeval ms = {0, 1000};

	sw->flood_n = n;
	sw->flood_size = size <= 1500 ? size : 1500;
	event_del(sw->flood);
	if (n)
		event_add(sw->flood, &ms);
}

static void send_async(struct sw *sw, unsigned int n)
{
	struct of_port port = {.port_no = 1, .name = "stub"};

	for (struct sw_conn *c = sw->conns; c; c = c->next) {
		for (unsigned int i = 0; i < n; i++) {
			of_put_port_status(&c->replies, 2, &port);
			c->wake(c);
		}
	}
}

struct sw_job {
	unsigned int left, ms;
	uint64_t until; /* control_now_ms(): nothing but waiting */
};

int sw_permit(const struct sw_conn *conn, uint8_t type)
{
	return 0;
}

unsigned int sw_pause_us(const struct sw_conn *conn)
{
	return conn->job && conn->job->until ? 1000 : 0;
}

static void begin_wait(struct sw_conn *conn, unsigned int ms)
{
	conn->job = calloc(1, sizeof(*conn->job));
	conn->job->until = control_now_ms() + ms;
}

static void end_job(struct sw_conn *conn)
{
	free(conn->job);
	conn->job = NULL;
}

static void begin_pieces(struct sw_conn *conn, unsigned int n, unsigned int ms)
{
	conn->job = calloc(1, sizeof(*conn->job));
	conn->job->left = n;
	conn->job->ms = ms;
}

void sw_continue(struct sw *sw, struct sw_conn *conn)
{
	struct of_multipart mp;

	if (conn->job->until) {
		if (control_now_ms() >= conn->job->until)
			end_job(conn);
		return;
	}
	spin(1000 * conn->job->ms);
	of_multipart_begin(&mp, &conn->replies, OFPMP_FLOW, 1);
	buf_put_zero(&conn->replies.buf, 60000 - 16);
	of_multipart_pause(&mp);
	if (!--conn->job->left)
		end_job(conn);
}

size_t sw_conn_memory(const struct sw_conn *conn)
{
	return conn->job ? sizeof(*conn->job) : 0;
}

size_t sw_jobs_left_memory(const struct sw *sw)
{
	return 0;
}

unsigned int sw_jobs_left(const struct sw *sw)
{
	return sw->jobs_left;
}

static void command(struct sw *sw, struct sw_conn *conn, const uint8_t *data, size_t len)
{
	char text[64] = "";
	unsigned int n, ms, size, conns = 0;

	memcpy(text, data, len < sizeof(text) ? len : sizeof(text) - 1);
	if (sscanf(text, "flood %u %u", &n, &size) == 2)
		flood(sw, n, size);
	else if (sscanf(text, "async %u", &n) == 1)
		send_async(sw, n);
	else if (sscanf(text, "pieces %u of %u", &n, &ms) == 2)
		begin_pieces(conn, n, ms);
	else if (sscanf(text, "wait %u", &ms) == 1)
		begin_wait(conn, ms);
	else if (sscanf(text, "spin %u", &n) == 1)
		spin(n);
	else if (sscanf(text, "log %u", &n) == 1)
		for (unsigned int i = 1; i <= n; i++)
			log_info("line %u of %u, as long as lines of a log are: sixty bytes or more", i, n);
	else if (sscanf(text, "left %u", &n) == 1)
		sw->jobs_left = n;
	else if (!strcmp(text, "gap"))
		tell_gap(sw);
	for (struct sw_conn *c = sw->conns; c; c = c->next)
		conns++;
	if (!strcmp(text, "stats"))
		log_info("stats queued %lu refused %lu connections %u", sw->queued, sw->refused, conns);
}

void sw_handle(struct sw *sw, struct sw_conn *conn, struct of_msg *msg)
{
	struct of_features features = {.dpid = 1, .n_tables = 254};
	struct of_config config = {.miss_send_len = 128};

	switch (msg->type) {
	case OF_BARRIER_REQUEST:
		of_put_empty(&conn->replies, OF_BARRIER_REPLY, msg->xid);
		break;
	case OF_FEATURES_REQUEST:
		of_put_features(&conn->replies, msg->xid, &features);
		break;
	case OF_GET_CONFIG_REQUEST:
		of_put_config(&conn->replies, msg->xid, &config);
		break;
	case OF_PACKET_OUT:
		command(sw, conn, msg->packet_out.data, msg->packet_out.data_len);
		break;
	default:
		of_put_error(&conn->replies, msg->xid, OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_TYPE), msg->raw,
			     msg->raw_len);
	}
}

static void on_signal(evutil_socket_t number, short what, void *aux)
{
	event_base_loopbreak(aux);
}

static bool add(struct control *control, const char *text)
{
	struct control_target target;

	if (text[0] == 'p')
		return !control_listen(control, text);
	return !control_parse_target(text, &target) && !control_connect(control, &target);
}

int stub_main(int argc, char **argv)
{
	struct control_options options = {
		.probe_ms = 10000,
		.handshake_ms = 5000,
		.max_backoff_ms = 1000,
		.packet_in_limit = 1 << 20,
		.max_unsent = 256 << 20,
	};
	struct event_base *base = event_base_new();
	struct event *term;
	struct control *control;
	struct sw sw = {0};
	bool ok = true;
	int opt;

	log_init("control-stub");
	while ((opt = getopt(argc, argv, "p:h:m:")) != -1) {
		if (opt == 'p')
			options.probe_ms = atoi(optarg);
		else if (opt == 'h')
			options.handshake_ms = atoi(optarg);
		else
			options.max_unsent = (size_t)atoi(optarg) << 20;
	}
	log_start();
	term = evsignal_new(base, SIGTERM, on_signal, base);
	event_add(term, NULL);
	sw.flood = event_new(base, -1, EV_PERSIST, on_flood, &sw);
	sw.tick = event_new(base, -1, EV_PERSIST, on_tick, &sw);
	event_add(sw.tick, &(struct timeval){0, 1000});
	control = control_new(&sw, base, &options);
	while (ok && optind < argc)
		ok = add(control, argv[optind++]);
	if (ok)
		event_base_dispatch(base);
	control_free(control);
	event_free(sw.flood);
	event_free(sw.tick);
	event_free(term);
	event_base_free(base);
	libevent_global_shutdown();
	log_flush();
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
