/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the datapath know of each other.  Each part keeps its state behind a pointer in struct dp and is
 * opened and closed by dp_open() and dp_close() in the order written here (closed in reverse).
 */
#ifndef DATAPATH_INTERNAL_H
#define DATAPATH_INTERNAL_H

#include <limits.h>
#include "user/datapath/cpu.h"
#include "user/datapath/datapath.h"
#include "user/datapath/mapped.h"
#include "user/datapath/trace.h"

struct ofxdp_bpf; /* the skeleton, build/ofxdp.skel.h */

struct dp {
	struct dp_callbacks cb;
	void *aux;
	struct event_base *base;
	char name[OFX_NAME_MAX + 1];
	uint64_t dpid;
	char pin_dir[PATH_MAX - 64]; /* /sys/fs/bpf/ofxdp/NAME */
	char entry_pin[PATH_MAX];    /* pinned ofx_port */
	char state_path[PATH_MAX];   /* port_state.h */
	int lock_fd;
	int owner_fd;	       /* owner.h */
	uint64_t netns;	       /* the cookie of our network namespace */
	bool knows_former;     /* what a former daemon left could be read */
	uint64_t netns_before; /* of the former daemon; 0: there was none */
	struct ofxdp_bpf *skel;
	struct trace trace;
	struct cpus cpus;
	uint32_t n_cpus;    /* CPU numbers there may be: values of PERCPU maps */
	uint32_t max_flows; /* flow entries; flow ids are 1 … n_flow_ids - 1 */
	uint32_t n_flow_ids;
	uint32_t max_probes; /* 0: no limit */
	uint32_t magic;	     /* of struct ofx_inject */
	struct dp_grace *grace;
	struct dp_tables *tables;
	struct dp_groups *groups; /* group.c */
	struct dp_ports *ports;
	struct dp_punt *punt;
	char generation[32]; /* folder in pin_dir that this daemon's programs and maps are pinned in */
	bool mounted_bpffs;  /* this process did: to be undone */
	bool force;	     /* dp_config.force */
	bool no_cache;	     /* dp_config.no_cache */
	struct dp_meters *meters;
	struct mapped generation_word; /* generation.h */
	struct dp_queues *queues;      /* queue.c */
};

/* grace.c: work after an RCU grace period.  One helper thread waits once for all that is pending. */
int grace_open(struct dp *dp);
/*
 * So many calls of grace_defer() more may be pending at a time: who will have to defer makes room first, while want of
 * memory can still be told.  -ENOMEM.
 */
int grace_reserve(struct dp *dp, size_t n);
void grace_unreserve(struct dp *dp, size_t n);
/*
 * `fn(dp, aux, number)` runs on the event loop's thread, and not from within this call, once no packet can still see
 * what was unpublished before it.  Room was reserved: it does not fail.
 */
typedef void (*grace_fn)(struct dp *dp, void *aux, uint32_t number);
void grace_defer(struct dp *dp, grace_fn fn, void *aux, uint32_t number);
/* Everything pending is waited for and run. */
void grace_flush(struct dp *dp);
void grace_close(struct dp *dp);

/* table.c: flow tables; needs the skeleton loaded. */
int tables_open(struct dp *dp);
void tables_close(struct dp *dp);
/* The owner of flow id with that generation, or NULL. */
void *tables_owner(struct dp *dp, uint32_t flow, uint16_t gen);

/* meter.c.  Closed after grace.c: what was retired is given back to it. */
int meters_open(struct dp *dp);
void meters_close(struct dp *dp);
/* The index of a meter for OFX_OP_METER.  0, or METER_MOD_FAILED UNKNOWN_METER. */
int meters_index(struct dp *dp, uint32_t id, uint32_t *index);

/* action.c: of_actions → ops. */
struct ofx_op;
/*
 * Append the ops of `actions` to ops[*n] (room for max).  reason: OFPR_* for CONTROLLER outputs.  Positive OpenFlow
 * errors as dp_check_actions(); OF_ERROR(BAD_ACTION, TOO_MANY) beyond max.  An OFX_OP_GROUP has the group's id in arg:
 * groups_resolve() (group.h) puts the index there.
 */
int action_compile(const struct of_actions *actions, uint8_t reason, bool packet_out, struct ofx_op *ops, size_t *n,
		   size_t max);
/* Is it a set-field that changes what the headers behind are taken for? */
bool action_changes_type(const struct of_action *a);

/*
 * port.c and its neighbours (port_*.c, veth.c, link.c, ethtool.c, trap.c): interfaces, netlink, attachments, LOCAL and
 * the internal veth pairs.  `former` names the programs of daemons before us, whose ports are taken over.
 */
struct former;
/* First, before anything is made: can all configured ports be taken?  Logs the sentence if not. */
int ports_check(struct dp *dp, const struct dp_config *config, const struct former *former);
/* The switch's own interfaces; sets are begun, in a thread. */
int ports_make(struct dp *dp, const struct former *former);
/* All that are to be ports, a former daemon's too, go into the maps.  Of it nothing is touched; new ones are attached.
 */
int ports_join(struct dp *dp, const struct former *former);
/* Our programs in place of the former ones, on ports and internal interfaces. */
int ports_take(struct dp *dp, const struct former *former);
/*
 * The start has failed after ports_check(): every interface gets back what it had then.  An error: what could not be
 * has been logged.
 */
int ports_undo(struct dp *dp, const struct former *former);
/* There is no way back any more: what else a former daemon left is taken or removed; the log names the ports. */
void ports_settle(struct dp *dp, const struct former *former);
/* Stop watching, free; interfaces stay as they are. */
void ports_close(struct dp *dp);
/*
 * Detach every interface from any generation's programs, give it its former state back, delete the switch's own
 * interfaces.  There is no living daemon of that name in that network namespace, ours.  An error: what could not be
 * given back has been logged.
 */
int ports_abandon(const char *pin_dir, const char *name, uint64_t netns);
/* Tell all ports through cb.port_status, and from now on every change. */
void ports_announce(struct dp *dp);
/* The internal pairs' ends exist after ports_open: NAME-c0, NAME-c1, NAME-l0, NAME-l1. */

/* packet_in.c: AF_XDP sockets on NAME-c1. */
int punt_open(struct dp *dp);
void punt_close(struct dp *dp);
/* NAME-c1 is another interface now: its sockets anew.  On error there are none, and packet-outs are refused. */
int punt_reopen(struct dp *dp);

#endif
