/* SPDX-License-Identifier: GPL-2.0-only */
/* Random rules, their oracle, and the walk through the maps, for tests of the flow tables. */
#ifndef TEST_BPF_TABLE_WORLD_H
#define TEST_BPF_TABLE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include "include/openflow/openflow.h"
#include "user/datapath/tuple.h"
#include "user/openflow/error.h"

#define N_RULES 400 /* as many as a world has at first */
#define N_TABLES 3
#define MAX_ACTIONS 14

struct rule {
	bool used;
	struct dp_rule spec;
	struct of_match match;
	struct of_instructions inst;
	struct of_action actions[MAX_ACTIONS];
	struct dp_flow *flow;
};

struct world {
	struct dp dp;
	struct rule *rules;
	size_t n_rules; /* at most max_flows */
	unsigned int n_removed, n_gone;
	bool no_actions; /* in random rules */
};

/* What send_key() sends. */
struct __attribute__((packed)) frame {
	uint8_t eth_dst[6], eth_src[6];
	uint16_t eth_type;
	uint8_t version_ihl, tos;
	uint16_t total_len, id, frag;
	uint8_t ttl, proto;
	uint16_t csum;
	uint32_t src, dst;
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t data_offset, flags;
	uint16_t window, tcp_csum, urgent;
};

/* program: load ofx_port too. */
struct world *world_open(uint32_t max_flows, uint32_t spare, bool program);
void world_close(struct world *w);
/* As dp_flow_add(), with the rule's instructions; waits where it is told to ask again.  Published. */
int world_add(struct world *w, struct rule *r);
/* r->inst as it is now. */
void world_modify(struct world *w, struct rule *r);
void world_remove(struct world *w, struct rule *r);
void world_remove_all(struct world *w);
void world_table_counters(struct world *w, struct dp_table_counters counters[OFX_TABLES]);
/* A port that ofx_port takes frames from. */
void open_port(struct world *w);
/* A TCP frame that has these fields, and no other, to ofx_port. */
void send_key(struct world *w, const struct ofx_key *key);
/* A thread that sends one key again and again: .w and .key are the caller's, .n how many were sent, after the stop. */
struct sender {
	struct world *w;
	struct ofx_key key;
	bool stop;
	uint32_t n;
	pthread_t thread;
};
void sender_start(struct sender *s);
void sender_stop(struct sender *s);
/* Wait for everything deferred, and what that defers. */
void settle(struct world *w);
/* The same, and tuples lie where they are to lie. */
void settle_kinds(struct world *w);
/* A number into the match at a byte offset of the key. */
void put(struct of_match *m, unsigned int offset, unsigned int bytes, uint64_t value, uint64_t mask);
/* Entries of table 0's list that are of this kind. */
unsigned int n_of_kind(const struct world *w, uint8_t kind);
/* One that often hits a rule. */
void random_key(const struct world *w, struct ofx_key *key);
void random_inst(const struct world *w, struct rule *r);
/* One that the table does not have yet. */
void random_rule(const struct world *w, struct rule *r);
bool rule_matches(const struct rule *r, uint8_t table, const struct ofx_key *key);
/* The rule of highest priority by linear search, or NULL. */
struct rule *oracle(struct world *w, uint8_t table, const struct ofx_key *key);
/* The word of the best rule, as bpf/table.h finds it; false: a miss. */
bool walk(const struct dp_tables *t, uint8_t table, const struct ofx_key *key, struct ofx_rule_ref *best);
/* Walk and oracle agree, and the flow entry holds the rule's actions. */
void check_key(struct world *w, uint8_t table, const struct ofx_key *key);
/* The same for random keys. */
void check_world(struct world *w, int n_keys);
/* Nothing is left, in the maps or in user memory. */
void check_empty(struct world *w);

#endif
