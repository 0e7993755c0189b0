/* SPDX-License-Identifier: GPL-2.0-only */
/* user/datapath/datapath.h without a kernel: rules in lists, counters and failures as the test sets them. */
#ifndef TEST_FAKE_DATAPATH_H
#define TEST_FAKE_DATAPATH_H

#include <sys/queue.h>
#include "user/datapath/datapath.h"

struct fake_inst {
	struct of_instructions of;
	bool table_miss;
};

struct dp_flow {
	struct dp_rule rule; /* its match is `match` */
	struct of_match match;
	const struct fake_inst *inst; /* of dp->insts */
	void *owner;
	uint64_t packets, bytes;
	unsigned int resets;
	LIST_ENTRY(dp_flow) link;
};
LIST_HEAD(dp_flow_head, dp_flow);

struct fake_group {
	uint32_t id;
	uint8_t type;
	size_t n_buckets;
	unsigned int n_modified;
	struct dp_copies copies;
};

struct dp {
	void *aux;			    /* of callbacks: the switch */
	struct dp_flow_head flows, pending; /* pending: removed, flow_gone() not called yet */
	uint32_t n_flows, max_flows;
	struct fake_inst *insts[64]; /* by number */
	unsigned int n_insts;	     /* that are there */
	unsigned int
		fail_after; /* calls that add instructions or an entry before one returns `fail_with`; 0: all succeed */
	int fail_with;
	struct fake_group groups[32];
	size_t n_groups, max_groups;
	int fail_group_with;	      /* the next group change fails so; 0: it does not */
	unsigned int fail_group_more; /* … and so many behind it */
	unsigned int n_published, n_punt_drops;
	size_t n_ports;
	struct of_port ports[8];
	size_t n_queues;
	struct of_queue queues[2000];
	uint32_t config_port, config_value, config_mask; /* the last dp_port_config */
	uint64_t config;				 /* the last dp_set_config */
	struct {
		unsigned int n, n_modify;	   /* meters; modifications */
		int fail_with;			   /* of add and modify */
		struct dp_meter_counters counters; /* of every meter */
	} meters;
	struct {
		unsigned int n, done; /* sent, executed */
		unsigned int room;    /* that may be on their way */
		bool stuck;	      /* none is executed; else at once */
		uint32_t in_port;
		size_t n_actions, len;
	} packet_out;
};

struct dp *fake_dp_new(void); /* ports 1, 2, LOCAL */
void fake_dp_free(struct dp *dp);
/* The grace period is over: flow_gone() of what was removed. */
void fake_dp_grace(struct dp *dp);
/* The group with this id, or NULL. */
struct fake_group *fake_dp_group(struct dp *dp, uint32_t id);
/* The only rule that has this priority, or NULL. */
struct dp_flow *fake_dp_find(struct dp *dp, uint8_t table, uint16_t priority);

#endif
