/* SPDX-License-Identifier: GPL-2.0-only */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
};

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
	usleep(1000 * conn->job->ms);
	of_multipart_begin(&mp, &conn->replies, OFPMP_FLOW, 1);
	buf_put_zero(&conn->replies.buf, 60000 - 16);
	of_multipart_pause(&mp);
	if (!--conn->job->left)
		end_job(conn);
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
	struct control_options options = {.probe_ms = 10000, .max_backoff_ms = 1000, .packet_in_limit = 1 << 20};
	struct event_base *base = event_base_new();
	struct event *term;
	struct control *control;
	struct sw sw = {0};
	bool ok = true;
	int opt;

	log_init("control-stub");
	while ((opt = getopt(argc, argv, "p:")) != -1)
		options.probe_ms = atoi(optarg);
	event_base_priority_init(base, 2);
	term = evsignal_new(base, SIGTERM, on_signal, base);
	event_priority_set(term, 0);
	event_add(term, NULL);
	sw.flood = event_new(base, -1, EV_PERSIST, on_flood, &sw);
	event_priority_set(sw.flood, 1);
	control = control_new(&sw, base, &options);
	while (ok && optind < argc)
		ok = add(control, argv[optind++]);
	if (ok)
		event_base_dispatch(base);
	control_free(control);
	event_free(sw.flood);
	event_free(term);
	event_base_free(base);
	libevent_global_shutdown();
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
