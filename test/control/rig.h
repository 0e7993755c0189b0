/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * control under test: the real user/control and user/openflow in a process of its own, behind them a switch of a few
 * lines; in front of it clients that write and read raw bytes.  No root needed.
 *
 *   test ══ sockets ══ [ control ─ stub switch ]      the same program, started again with --stub
 *
 * The stub switch answers BARRIER_REQUEST, FEATURES_REQUEST (dpid 1), GET_CONFIG_REQUEST, and BAD_TYPE to the rest.  A
 * PACKET_OUT tells it what to do, by the ASCII text of its data:
 *   "flood N SIZE"   every millisecond a burst of N packet-ins of SIZE bytes to all connections; N = 0 ends it
 *   "async N"        N port-status messages at once to all connections
 *   "pieces N"       an answer of N multipart replies, 60 000 bytes each, that are written one by one (sw_continue)
 *   "wait MS"        nothing goes on behind it for so long, though there is nothing to do (sw_pause_us)
 *   "stats"          a log line: packet-ins queued and refused, connections
 *   "spin US"        takes US microseconds of CPU time to be handled
 *   "gap"            a log line: the most CPU time, in us, between two ticks of a timer of 1 ms, since the last "gap"
 *   "log N"          N log lines
 *   "left N"         from now on N requests of connections that are gone are still being acted on
 * It ends at SIGTERM; sanitizers' findings show in its exit status.
 */
#ifndef TEST_CONTROL_RIG_H
#define TEST_CONTROL_RIG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <sys/types.h>
#include <cmocka.h>

int stub_main(int argc, char **argv);

struct rig {
	pid_t pid;
	int log;	 /* its stderr */
	int port;	 /* of its ptcp listener, 0: none */
	char text[8192]; /* log so far */
};

/* First thing in main(): runs the stub if this process is to be it. */
#define RIG_MAIN(argc, argv)                                                                                           \
	do {                                                                                                           \
		if ((argc) > 1 && !strcmp((argv)[1], "--stub"))                                                        \
			return stub_main((argc)-1, (argv) + 1);                                                        \
	} while (0)

/* Start it with these arguments, the last NULL; returns once it logged `ready`. */
void rig_start(struct rig *rig, const char *ready, const char *const *args);
/* … with these two ends of something as its log: read from [0], written to [1]; both are taken. */
void rig_start_on(struct rig *rig, int log_fds[2], const char *ready, const char *const *args);
/* SIGTERM; it must end with `status` (0: clean). */
void rig_stop(struct rig *rig);
/* It must end by itself, with this status. */
void rig_wait(struct rig *rig, int status);
/* Read its log until `text` is in it. */
void rig_expect_log(struct rig *rig, const char *text);
/* Its resident memory, in KB. */
unsigned int rig_memory(const struct rig *rig);
unsigned int rig_fds(const struct rig *rig);

/* cmocka setup and teardown: a rig with `-l ptcp:0` in *state. */
int rig_setup(void **state);
int rig_teardown(void **state);

/* A received message; data is valid until the next client_read of that client. */
struct message {
	uint8_t *data;
	size_t len;
	uint8_t version, type;
	uint32_t xid;
};

struct client {
	int fd;
	uint8_t *in;
	size_t at, end;
};

uint64_t now_ms(void);
void client_dial(struct client *c, const struct rig *rig);
void client_dial_from(struct client *c, const struct rig *rig, const char *addr); /* an address of this machine */
void client_dial_unix(struct client *c, const char *path);
void client_of(struct client *c, int fd);
void client_close(struct client *c);
void client_send(struct client *c, const void *data, size_t len);
/* A message with this header and body. */
void client_put(struct client *c, uint8_t version, uint8_t type, uint32_t xid, const void *body, size_t len);
void client_command(struct client *c, const char *text); /* a PACKET_OUT with it as data */
/* The next message within some seconds. */
struct message client_read(struct client *c);
/* False: none came in time. */
bool client_read_within(struct client *c, struct message *m, unsigned int ms);
/* Skip to the next message of this type. */
struct message client_await(struct client *c, uint8_t type);
void client_expect_error(struct client *c, uint16_t type, uint16_t code, uint32_t xid);
void client_expect_end(struct client *c);
/* True: the end came within ms; all messages before it were skipped. */
bool client_ends_within(struct client *c, unsigned int ms);
/* Dial, take their HELLO, send ours (1.3, no bitmap). */
void client_up(struct client *c, const struct rig *rig);
/* Take their HELLO, send ours. */
void client_greet(struct client *c);
/* Round trip of one echo, ms; packet-ins in between are skipped. */
unsigned int client_echo_ms(struct client *c);

#endif
