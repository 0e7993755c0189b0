/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Busy connections and all else in turn.  The stub measures how long its timer waited in CPU time of its own, so that
 * other work of the machine does not count.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "include/openflow/openflow.h"
#include "test/control/rig.h"

/* Everybody gets his turn in 20 ms; sanitizers make it longer, without turns it would be 200 ms and more. */
#define GAP_US 60000
#define BUSY 40 /* connections */

/* What the stub's timer waited at most since the last call. */
static unsigned long gap(struct rig *rig, struct client *c)
{
	const char *at;

	rig->text[0] = 0;
	client_command(c, "gap");
	rig_expect_log(rig, "the longest gap was");
	rig_expect_log(rig, " us\n");
	at = strstr(rig->text, "the longest gap was ");
	return strtoul(at + 20, NULL, 10);
}

static void expect_short_gap(struct rig *rig, struct client *c)
{
	unsigned long us = gap(rig, c);

	if (us >= GAP_US)
		fail_msg("others waited %lu us for their turn", us);
}

/* n of these commands, each connection's last message a barrier. */
static void keep_busy(struct client *clients, unsigned int n_clients, const char *command, unsigned int n)
{
	for (unsigned int i = 0; i < n_clients; i++) {
		for (unsigned int k = 0; k < n; k++)
			client_command(&clients[i], command);
		client_put(&clients[i], 4, OFPT_BARRIER_REQUEST, 9, NULL, 0);
	}
}

static void test_many_busy_connections(void **state)
{
	struct client busy[BUSY], other;

	for (int i = 0; i < BUSY; i++)
		client_up(&busy[i], *state);
	client_up(&other, *state);
	gap(*state, &other);
	keep_busy(busy, BUSY, "spin 100", 100); /* 0.4 s in all */
	for (int i = 0; i < BUSY; i++) {
		client_await(&busy[i], OFPT_BARRIER_REPLY);
		client_close(&busy[i]);
	}
	expect_short_gap(*state, &other);
	client_close(&other);
}

/* Packet-ins come while connections are busy: as many as they would be in a quiet switch, some a turn. */
static void test_packet_ins_beside_busy_connections(void **state)
{
	struct client busy[BUSY], other;
	unsigned int n = 0;
	struct message m;

	for (int i = 0; i < BUSY; i++)
		client_up(&busy[i], *state);
	keep_busy(busy, BUSY, "spin 100", 200); /* 0.8 s in all */
	client_up(&other, *state);
	client_command(&other, "flood 1 100");
	for (uint64_t end = now_ms() + 400; now_ms() < end;)
		n += client_read_within(&other, &m, 100) && m.type == OFPT_PACKET_IN;
	if (n < 10)
		fail_msg("only %u packet-ins in 400 ms", n);
	client_command(&other, "flood 0 0");
	client_close(&other);
	for (int i = 0; i < BUSY; i++)
		client_close(&busy[i]);
}

/* The slice of one connection ends by time, not only by the number of messages. */
static void test_costly_messages(void **state)
{
	struct client busy, other;

	client_up(&busy, *state);
	client_up(&other, *state);
	gap(*state, &other);
	keep_busy(&busy, 1, "spin 1000", 200);
	client_await(&busy, OFPT_BARRIER_REPLY);
	expect_short_gap(*state, &other);
	client_close(&busy);
	client_close(&other);
}

static void test_long_answers(void **state)
{
	struct client busy[BUSY], other;

	for (int i = 0; i < BUSY; i++) {
		client_up(&busy[i], *state);
		client_command(&busy[i], "pieces 5 of 1");
		client_put(&busy[i], 4, OFPT_BARRIER_REQUEST, 9, NULL, 0);
	}
	client_up(&other, *state);
	gap(*state, &other);
	for (int i = 0; i < BUSY; i++) {
		client_await(&busy[i], OFPT_BARRIER_REPLY);
		client_close(&busy[i]);
	}
	expect_short_gap(*state, &other);
	client_close(&other);
}

/* Among busy connections one that has little to ask has its turn again and again, long before they are done. */
static void test_round_robin(void **state)
{
	struct client busy[BUSY], light;
	unsigned int turns = 0;
	struct message m;

	for (int i = 0; i < BUSY; i++)
		client_up(&busy[i], *state);
	client_up(&light, *state);
	client_echo_ms(&light);
	keep_busy(busy, BUSY, "spin 100", 200); /* 0.8 s in all: 10 ms until it is one's turn again */
	for (; !client_read_within(&busy[0], &m, 0); turns++)
		client_echo_ms(&light);
	if (turns < 8)
		fail_msg("only %u turns", turns);
	for (int i = 0; i < BUSY; i++)
		client_close(&busy[i]);
	client_close(&light);
}

/* The end of the program is a class of work, too. */
static void test_signal_while_busy(void **state)
{
	struct client busy[BUSY];
	struct rig rig;
	uint64_t start;

	rig_start(&rig, "listening on tcp", (const char *const[]){"ptcp:0", NULL});
	for (int i = 0; i < BUSY; i++)
		client_up(&busy[i], &rig);
	keep_busy(busy, BUSY, "spin 1000", 200); /* 8 s in all */
	start = now_ms();
	rig_stop(&rig);
	assert_true(now_ms() - start < 4000);
	for (int i = 0; i < BUSY; i++)
		client_close(&busy[i]);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many_busy_connections, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_packet_ins_beside_busy_connections, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_costly_messages, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_long_answers, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_round_robin, rig_setup, rig_teardown),
		cmocka_unit_test(test_signal_while_busy),
	};

	RIG_MAIN(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
