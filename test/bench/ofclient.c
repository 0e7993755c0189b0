/* SPDX-License-Identifier: GPL-2.0-only */
// clang-format off
/*
 * ofclient SOCKET COMMAND …   a controller that measures; each command prints one line of JSON
 *
 *   load SHAPE N           add entries 0 … N-1 of l2, 5t or lpm (ofshape.h) in one go; to the barrier reply
 *   clear                  delete all entries
 *   dump                   all flow entries, request to last reply
 *   newmask N              add an entry with a mask the table does not have, delete it; N times, each to the barrier reply
 *   packet-out N           64-byte frames from port 1 to port 2, in one go; to the barrier reply
 *   packet-in NETNS PPS S  send frames of new flows on eth0 there, S seconds; count the packet-ins
 *   reactive NETNS NETNS PPS N
 *                          send N frames of new flows on eth0 in the first, answer each packet-in with a flow-mod and a
 *                          packet-out, see them on eth0 in the second; microseconds from end to end
 *   turn PID S             send standard input and a barrier request, go on for S seconds after the reply; the longest
 *                          time to an echo reply on another connection, and CPU time of the switch, PID, meanwhile
 */
// clang-format on
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "test/bench/ofclient.h"
#include "test/bench/ofshape.h"

static struct ofconn conn;
static const char *socket_path;

static double seconds_since(uint64_t start)
{
	return (now_ns() - start) / 1e9;
}

static uint32_t number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || !*text || n > UINT32_MAX / 2) {
		errno = EINVAL;
		die(text);
	}
	return n;
}

/* Send all of it with a barrier behind; seconds to the reply. */
static double to_the_barrier(const struct buf *b)
{
	uint64_t start = now_ns();

	ofconn_write(&conn, b->data, b->len);
	ofconn_barrier(&conn);
	return seconds_since(start);
}

static int load(char **args)
{
	uint32_t n = number(args[1]);
	struct of_match match;
	struct buf b = {};
	double seconds;

	for (uint32_t i = 0; i < n; i++) {
		uint16_t priority = shape_match(args[0], i, &match);

		if (!priority) {
			errno = EINVAL;
			die(args[0]);
		}
		put_flow_mod(&b, OFPFC_ADD, priority, &match, 1 + i % 2);
	}
	seconds = to_the_barrier(&b);
	printf("{\"flows\": %u, \"seconds\": %.6f, \"errors\": %llu, \"error\": [%u, %u]}\n", n, seconds,
	       (unsigned long long)conn.errors, conn.error[0], conn.error[1]);
	return 0;
}

static int clear(char **args)
{
	struct of_match all = {};
	struct buf b = {};

	put_flow_mod(&b, OFPFC_DELETE, 0, &all, 0);
	printf("{\"seconds\": %.6f}\n", to_the_barrier(&b));
	return 0;
}

/* --- dump --- */

struct dump {
	uint64_t flows, bytes, messages;
	bool done;
};

static void dump_message(struct ofconn *c, const uint8_t *m, size_t len)
{
	struct dump *d = c->aux;

	if (m[1] != OFPT_MULTIPART_REPLY)
		return;
	d->bytes += len;
	d->messages++;
	for (size_t at = 16; at + 2 <= len && be16_at(m + at); at += be16_at(m + at))
		d->flows++;
	d->done = !(be16_at(m + 10) & OFPMPF_REPLY_MORE);
	if (!d->done)
		c->last_xid = UINT32_MAX; /* the one waited for is the last */
}

static int dump(char **args)
{
	const uint32_t xid = 77;
	struct of_match all = {};
	struct dump d = {};
	struct buf b = {};
	size_t start = put_header(&b, OFPT_MULTIPART_REQUEST, xid);
	uint64_t begin;

	buf_put_be16(&b, OFPMP_FLOW);
	buf_put_zero(&b, 6);
	buf_put_u8(&b, OFPTT_ALL);
	buf_put_zero(&b, 3);
	buf_put_be32(&b, OFPP_ANY);
	buf_put_be32(&b, OFPG_ANY);
	buf_put_zero(&b, 4 + 8 + 8);
	of_match_encode(&b, OFP_VERSION_13, &all);
	put_length(&b, start);
	conn.message = dump_message;
	conn.aux = &d;
	begin = now_ns();
	ofconn_write(&conn, b.data, b.len);
	ofconn_wait(&conn, xid);
	printf("{\"flows\": %llu, \"bytes\": %llu, \"messages\": %llu, \"seconds\": %.6f}\n",
	       (unsigned long long)d.flows, (unsigned long long)d.bytes, (unsigned long long)d.messages,
	       seconds_since(begin));
	return 0;
}

/* --- new masks --- */

/* Bits that no prefix has, others for every i. */
static void masked_match(uint32_t i, struct of_match *m)
{
	uint32_t mask = 0x01010101u | scatter(i + 1);
	uint16_t type = __builtin_bswap16(0x0800);

	*m = (struct of_match){};
	of_match_set(m, OFX_F_ETH_TYPE, &type);
	of_match_set_be32(m, OFX_F_IPV4_SRC, 0x0a0a0a0a & mask);
	m->masked = 1ull << OFX_F_IPV4_SRC;
	m->mask.ipv4_src = __builtin_bswap32(mask);
}

static void timed(uint8_t command, const struct of_match *match, double *us)
{
	struct buf b = {};

	put_flow_mod(&b, command, 200, match, 2);
	*us = to_the_barrier(&b) * 1e6;
	buf_free(&b);
}

static void print_list(const char *name, const double *v, size_t n)
{
	printf("\"%s\": [", name);
	for (size_t i = 0; i < n; i++)
		printf("%s%.1f", i ? ", " : "", v[i]);
	printf("]");
}

static int newmask(char **args)
{
	uint32_t n = number(args[0]);
	double *add = calloc(n, sizeof(*add)), *delete = calloc(n, sizeof(*delete));
	struct of_match match;

	for (uint32_t i = 0; i < n; i++) {
		masked_match(i, &match);
		timed(OFPFC_ADD, &match, &add[i]);
		timed(OFPFC_DELETE_STRICT, &match, &delete[i]);
	}
	printf("{");
	print_list("add", add, n);
	printf(", ");
	print_list("delete", delete, n);
	printf(", \"errors\": %llu}\n", (unsigned long long)conn.errors);
	free(add);
	free(delete);
	return 0;
}

/* --- packet-outs --- */

static int packet_out(char **args)
{
	uint32_t n = number(args[0]);
	uint8_t frame[FRAME_LEN];
	struct buf b = {};
	double seconds;

	for (uint32_t i = 0; i < n; i++) {
		frame_of(i, frame);
		put_packet_out(&b, 1, 2, frame, sizeof(frame));
	}
	seconds = to_the_barrier(&b);
	printf("{\"packet_outs\": %u, \"seconds\": %.6f, \"errors\": %llu}\n", n, seconds,
	       (unsigned long long)conn.errors);
	return 0;
}

static int packet_in(char **args)
{
	return packet_in_run(&conn, args[0], number(args[1]), number(args[2]));
}

static int reactive(char **args)
{
	return reactive_run(&conn, args[0], args[1], number(args[2]), number(args[3]));
}

static int turn(char **args)
{
	return turn_run(&conn, socket_path, number(args[0]), number(args[1]));
}

static const struct command {
	const char *name;
	int n_args;
	int (*run)(char **args);
} commands[] = {
	{"load", 2, load},
	{"clear", 0, clear},
	{"dump", 0, dump},
	{"newmask", 1, newmask},
	{"packet-out", 1, packet_out},
	{"packet-in", 3, packet_in},
	{"reactive", 4, reactive},
	{"turn", 2, turn},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 2 && i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(argv[2], commands[i].name) || argc != 3 + commands[i].n_args)
			continue;
		socket_path = argv[1];
		ofconn_open(&conn, socket_path);
		return commands[i].run(argv + 3);
	}
	fprintf(stderr, "usage: see the head of test/bench/ofclient.c\n");
	return 2;
}
