/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The datapath: XDP programs, BPF maps, interfaces and AF_XDP sockets behind one handle.  The only layer that knows
 * libbpf, libxdp and netlink.  It knows OpenFlow matches and actions as structs (user/openflow) but no semantics.
 *
 * One thread calls everything here and receives every callback (the libevent loop's); a helper thread inside only waits
 * for grace periods.  Results: 0, a negative errno, or a positive OpenFlow error (openflow/error.h).
 */
#ifndef DATAPATH_DATAPATH_H
#define DATAPATH_DATAPATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <event2/event.h>
#include "include/ofxdp/drop.h"
#include "include/ofxdp/limits.h"
#include "include/ofxdp/meter.h"
#include "user/openflow/msg.h"

struct dp;
struct dp_flow; /* an installed flow entry; valid from dp_flow_add() until flow_gone() */

struct dp_port_option { /* -i IFACE[=PORTNO] */
	char ifname[16];
	uint32_t port_no; /* 0: choose, the number the name had before if there is one */
};

struct dp_config {
	const char *name;      /* switch name: pin folder /sys/fs/bpf/ofxdp/NAME, LOCAL interface NAME */
	uint64_t dpid;	       /* makes LOCAL's address, which stays the same */
	const char *pin_root;  /* NULL: /sys/fs/bpf/ofxdp; bpffs is mounted if absent */
	const char *state_dir; /* NULL: /var/lib/ofxdp; port numbers are kept there, in file NAME */
	uint32_t max_flows;    /* 0: default */
	uint32_t max_probes;   /* of a packet in a table, in the worst case; 0: no limit */
	bool force;	       /* take interfaces that have IP addresses or a route too */
	bool no_local;	       /* no LOCAL interface */
	bool no_cache;	       /* every packet walks the tables: to measure, or to compare */
	size_t n_ports;
	const struct dp_port_option *ports;
	size_t n_controllers; /* their addresses: an interface that routes to one is refused without force */
	const struct sockaddr_storage *controllers;
	/*
	 * Called once, if not NULL, when all that can be wrong with the options has been looked at and before anything
	 * of the machine or of a former daemon's switch is changed: the last chance to refuse.  An error ends
	 * dp_open().
	 */
	int (*ready)(void *aux);
	void *ready_aux;
};

struct dp_packet_in {
	uint32_t in_port;
	uint8_t table, reason;	 /* OFPR_* of 1.3 */
	uint16_t max_len, flags; /* OFX_PUNT_* */
	void *owner; /* of the flow entry behind it, as given to dp_flow_add(); NULL: none, or removed meanwhile */
	uint64_t metadata, tunnel_id;
	const uint8_t *data; /* the frame; valid during the callback */
	size_t len;
};

struct dp_callbacks {
	/* reason: OFPPR_* 0 add, 1 delete, 2 modify.  Also called for the ports present at dp_open (add). */
	void (*port_status)(void *aux, uint8_t reason, const struct of_port *port);
	void (*packet_in)(void *aux, const struct dp_packet_in *p);
	void (*packet_ins_end)(void *aux); /* of those that were there; send them */
	/*
	 * Once for each entry that dp_flow_remove() took: a grace period later, with its final counters, never from
	 * within a call; at the latest by dp_close().
	 */
	void (*flow_gone)(void *aux, void *owner, uint64_t packets, uint64_t bytes);
};

/* Before anything else: rights, kernel, descriptors.  On error one sentence has been logged. */
int dp_check(void);
/*
 * Take or make everything: bpffs, load, pin, LOCAL, internal veths, attach the configured ports (those found attached
 * by a former daemon too, swapped atomically), netlink monitor, AF_XDP sockets.  Registers events on `base`.  On error
 * one sentence has been logged, nothing is left behind, and what a former daemon left is as it was, forwarding. -EBUSY:
 * another daemon of this name lives (flock on the folder).
 */
int dp_open(const struct dp_config *config, const struct dp_callbacks *cb, void *aux, struct event_base *base,
	    struct dp **out);
/*
 * SIGTERM: detach, restore ports, remove veths and pins, free.  An error: something could not be given back, which has
 * been logged; the pins are there for dp_cleanup() then.
 */
int dp_close(struct dp *dp);
/* `ofxdpd --cleanup`: remove what a dead daemon of this name left, forget its port numbers.  -EBUSY if it lives; else
 * as dp_close(). */
int dp_cleanup(const char *name, const char *pin_root, const char *state_dir);
/* The pinned entry program, for logs and `ip link … xdpdrv pinned`. */
const char *dp_pin_path(const struct dp *dp);

/* --- flow entries (user/datapath/flow.c, inst.c) --- */

/*
 * What adds something here may answer -EAGAIN: what it needs is being made, or is free again after a grace period that
 * is under way.  Nothing has changed; asked again every few milliseconds it comes to an end, as a rule within 50 ms.
 * Where nothing is to be expected the answer is TABLE_FULL (FLOW_MOD_FAILED), or the error that is named there.
 */

/*
 * Instructions as the data plane runs them, known by a number: shared by all flow entries of the same instructions.
 * table_miss: for table-miss entries (priority 0 and no match field), whose CONTROLLER outputs get reason
 * OFPR_NO_MATCH.  Errors: -EAGAIN, -ENOMEM, TABLE_FULL, those of dp_check_actions(), UNKNOWN_METER.
 */
int dp_inst_add(struct dp *dp, const struct of_instructions *inst, bool table_miss, uint32_t *number);
/* No flow entry has them any more (the caller's duty). */
void dp_inst_drop(struct dp *dp, uint32_t number);

struct dp_rule {
	uint8_t table;
	uint16_t priority;
	const struct of_match *match;
	uint32_t inst; /* of dp_inst_add() */
};

/*
 * A flow entry more.  Two of a table must differ in match or priority (the caller's duty).  Errors: -EAGAIN, -ENOMEM,
 * TABLE_FULL: max_flows entries are there, a pool is used up, or a packet could need more than max_probes.
 */
int dp_flow_add(struct dp *dp, const struct dp_rule *rule, void *owner, struct dp_flow **flow);
/* Other instructions for an entry; its counters go on.  Each packet sees the former ones or the new. */
void dp_flow_set(struct dp *dp, struct dp_flow *flow, uint32_t inst);
/* cb.flow_gone() follows. */
void dp_flow_remove(struct dp *dp, struct dp_flow *flow);
/* Every packet that is received from now on sees what was added, set and removed before. */
void dp_publish(struct dp *dp);

/* Of the entries of this match the one with the highest priority that is `most` or less; NULL: none. */
struct dp_flow *dp_flow_find(struct dp *dp, uint8_t table, const struct of_match *match, uint16_t most);
/* The one with the next lower priority, of the same match; NULL: none. */
struct dp_flow *dp_flow_below(struct dp *dp, const struct dp_flow *flow);
void *dp_flow_owner(const struct dp_flow *flow);

/* Since the entry was added or its counters were last reset. */
void dp_flow_counters(struct dp *dp, const struct dp_flow *flow, uint64_t *packets, uint64_t *bytes);
/* They will be asked for soon: ask the memory for them. */
void dp_flow_expect(const struct dp *dp, const struct dp_flow *flow);
void dp_flow_reset_counters(struct dp *dp, struct dp_flow *flow);

struct dp_table_counters {
	uint64_t lookups,
		matched; /* matched: packets of all its flows, those gone included; lookups = matched + misses */
};
/*
 * All tables at once: a pass over the counters of all flow entries, a million on two CPUs in 7 ms, in steps of a
 * millisecond or two.  Right if no packet comes meanwhile; else each table's value lies between what it was at the
 * pass's begin and at its end, and is never less than one that was told before.
 */
struct dp_table_pass;
struct dp_table_pass *dp_table_pass_begin(struct dp *dp); /* NULL: out of memory */
bool dp_table_pass_step(struct dp_table_pass *pass);	  /* false: that was the last */
/* After any number of steps.  counters: NULL, or what it comes to after the last. */
void dp_table_pass_end(struct dp_table_pass *pass, struct dp_table_counters *counters);
uint32_t dp_max_flows(const struct dp *dp);

/* Can these be executed?  0 or the OpenFlow error (BAD_ACTION: BAD_TYPE, BAD_OUT_PORT, BAD_QUEUE, TOO_MANY …). */
int dp_check_actions(struct dp *dp, const struct of_actions *actions, bool packet_out);

/* --- groups (user/datapath/group.c) --- */

/*
 * One change of one group, all or nothing: a packet meets the group as it was or as it becomes.  The caller has checked
 * that the group does not exist (add), or does (modify, remove), and that groups don't lead to each other in a circle.
 * Watched ports and groups need not exist.  Errors: GROUP_MOD_FAILED OUT_OF_GROUPS, OUT_OF_BUCKETS, -EAGAIN if there
 * may soon be room; of a bucket's actions as dp_check_actions().
 */
/* How many frames one packet may become in a group and those it leads to; so many of them flood. */
struct dp_copies {
	uint16_t n, floods;
};
int dp_group_add(struct dp *dp, const struct of_group_mod *gm, struct dp_copies copies);
/* The group's own counters go on, its buckets' begin anew. */
int dp_group_modify(struct dp *dp, const struct of_group_mod *gm, struct dp_copies copies);
/* Of a group that itself stays as it is: one that it leads to has changed. */
int dp_group_set_copies(struct dp *dp, uint32_t group, struct dp_copies copies);
/* Nothing leads to it any more: no flow entry, no bucket. */
void dp_group_remove(struct dp *dp, uint32_t group);
/* Since the group was added; buckets: as many as it has. */
void dp_group_counters(struct dp *dp, uint32_t group, uint64_t *packets, uint64_t *bytes,
		       struct of_bucket_counter *buckets);
uint32_t dp_max_groups(const struct dp *dp);

/* --- meters (user/datapath/meter.c) --- */

/*
 * Meters by their OpenFlow numbers, OFPM_CONTROLLER and OFPM_SLOWPATH among them.  Packets see the old configuration or
 * the new, with full buckets; errors change nothing: METER_MOD_FAILED OUT_OF_METERS, OUT_OF_BANDS, BAD_RATE (0),
 * BAD_BURST (more than 104 days' worth), -ENOMEM.  A band without a burst (flag OFPMF_BURST and a size) has 200 ms at
 * its rate, at least 2 packets or 24 kb.  The caller checks flags, band types, whether the meter is there.
 */
int dp_meter_add(struct dp *dp, const struct of_meter_mod *mm);
int dp_meter_modify(struct dp *dp, const struct of_meter_mod *mm); /* -ENOENT */
/* No flow entry uses it any more (the caller's duty). */
void dp_meter_delete(struct dp *dp, uint32_t id);

struct dp_meter_counters {
	struct ofx_counter in;		    /* since the add */
	struct ofx_counter band[OFX_BANDS]; /* since the add or the last modify; by their order there */
};
/* All 0 if there is no such meter. */
void dp_meter_counters(struct dp *dp, uint32_t id, struct dp_meter_counters *counters);
uint32_t dp_max_meters(const struct dp *dp); /* beside the virtual ones */

/* --- ports (user/datapath/port.c) --- */

/* Port numbers in rising order, LOCAL last.  Returns the count; fills at most max. */
size_t dp_port_list(struct dp *dp, uint32_t *port_nos, size_t max);
int dp_port_get(struct dp *dp, uint32_t port_no, struct of_port *port);		 /* -ENOENT */
int dp_port_stats(struct dp *dp, uint32_t port_no, struct of_port_stats *stats); /* -ENOENT */
/* config bits OFPPC_* under mask; the caller checked them.  Enforced in BPF before it returns. */
int dp_port_config(struct dp *dp, uint32_t port_no, uint32_t config, uint32_t mask);

/* --- queues (user/datapath/queue.c) --- */

/*
 * The port's queues with their statistics, by rising number, into an array that the caller frees: leaf classes that an
 * operator made with tc under its root qdisc; queue N is the class whose minor number is N.  -ENOENT: no such port.
 */
int dp_queue_list(struct dp *dp, uint32_t port_no, struct of_queue **queues, size_t *n);

/* --- packets (user/datapath/packet_in.c, packet_out.c) --- */

/*
 * in_port: any number; one of no port leaves none out of floods.  The packet is on its way to the pipeline when this
 * returns 0, and as a rule through it.  -EAGAIN: too many are on their way, try again soon.
 */
int dp_packet_out(struct dp *dp, uint32_t in_port, const struct of_actions *actions, const void *data, size_t len);
/* Packet-outs are numbered as they are sent: the last one's number. */
uint64_t dp_packet_out_last(const struct dp *dp);
/* All up to that number have been executed, or are lost and counted (OFX_DROP_PACKET_OUT_LOST).  false: ask again. */
bool dp_packet_outs_done(struct dp *dp, uint64_t number);
/* Count a packet-in that went no further than the daemon (OFX_DROP_PUNT_QUEUE). */
void dp_count_punt_drop(struct dp *dp);

/* OFX_CONFIG_* bits for the whole switch. */
int dp_set_config(struct dp *dp, uint64_t config);
uint64_t dp_drop_count(struct dp *dp, enum ofx_drop reason);

#endif
