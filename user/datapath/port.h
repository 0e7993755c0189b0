/* SPDX-License-Identifier: GPL-2.0-only */
/* Ports, seen from inside: port.c (joining, leaving), port_watch.c, port_open.c, port_close.c and their neighbours. */
#ifndef DATAPATH_PORT_H
#define DATAPATH_PORT_H

#include <linux/bpf.h>
#include "include/ofxdp/port.h"
#include "user/datapath/cell.h"
#include "user/datapath/former.h"
#include "user/datapath/internal.h"
#include "user/datapath/link.h"
#include "user/datapath/port_memory.h"
#include "user/datapath/port_wanted.h"
#include "user/datapath/set_pool.h"

struct port {
	bool exists;
	bool generic;
	bool flooding;	     /* member of the flood sets */
	bool seen;	     /* by the resync that is running */
	bool waits;	     /* what is attached is still a former daemon's program */
	bool receives;	     /* published in port_of_ifindex */
	uint32_t config;     /* OFPPC_NO_*, as the controller set them; OFPPC_PORT_DOWN follows the interface */
	uint64_t added_ns;   /* CLOCK_MONOTONIC */
	uint64_t advise_ns;  /* the same, when trap_peer.c will look at it, 0: never */
	uint32_t advised;    /* what it has said and is still true */
	struct link link;    /* the interface as last seen */
	struct of_port told; /* the last PORT_STATUS, and the MTU then */
	uint32_t told_mtu;
	uint32_t relay_in, relay_out; /* the pair that leads to it, port_relay.c; 0: none is needed */
	struct ofx_port bpf;	      /* as written to map `ports` */
	struct port_totals base;      /* of the index when the port was added: its own count begins there */
	struct of_port_stats shown;   /* the last statistics told */
};

/*
 * The inner maps behind pair_sets, flood_sets, flood_more_sets, -1: none in use.  Flood sets have room for `capacity`
 * members; they are remade larger when there are more ports (a broadcast walks every bucket, so they are kept small).
 */
struct port_sets {
	uint32_t capacity;
	int fd[SET_KINDS][OFX_PORTS + 1];
	struct set_pool *pool;
};

/* The switch's own pairs; those of enum ofx_dev first, in its order: a pair's ends are 2 * pair and 2 * pair + 1. */
enum pair { PAIR_CTL, PAIR_LOOP, PAIR_QUEUE, PAIR_LOCAL, PAIRS };

struct veths {
	uint32_t ends[OFX_DEV_N]; /* ifindexes */
	uint32_t mtu[OFX_DEV_N];
	bool renamed[OFX_DEV_N]; /* and its name can't be given back */
	uint32_t seen;		 /* bit by enum ofx_dev: by the look that is running */
	uint32_t local;		 /* NAME-p; 0: no LOCAL */
	uint32_t host;		 /* NAME; 0: not in this namespace */
	uint32_t lost;		 /* bit by enum pair: to be made anew */
	bool local_renamed;
	uint64_t restore_ns; /* CLOCK_MONOTONIC: not before that */
	uint64_t wait_ns;
};

/* Lines in the log; port_log.c */
struct line_limit {
	uint64_t since_ns; /* CLOCK_MONOTONIC, when its window began */
	uint32_t n;	   /* lines in it */
	uint32_t left_out;
};

struct dp_ports {
	struct nl nl;	 /* requests */
	struct nl watch; /* changes */
	int sock;	 /* for ethtool */
	int memory;	 /* port_memory.h */
	/* Until the start is settled: all interfaces and the memory as they were before, for ports_undo(). */
	struct link *before;
	size_t n_before;
	void *reserve; /* memory that undoing needs, kept from all others */
	struct memory_copy remembered;
	struct dp_config config; /* what trap_refuse() asks for; the rest of it is not kept */
	struct wanted_ports wanted;
	bool numbered;	 /* numbers were given that are not in the file yet, port_state.h */
	bool told_state; /* that it can't be written was logged */
	struct event *watch_event, *timer;
	int prog_fd;
	uint32_t prog_id;  /* of ofx_port */
	uint32_t relay_id; /* of ofx_relay */
	uint32_t *former;  /* ids of former daemons' programs, which interfaces that were away may come back with */
	size_t n_former;
	bool with_local;
	bool announced;
	bool told_veth; /* the general advice about veth hosts was logged */
	uint32_t n;
	struct veths veths;
	struct link host; /* LOCAL's host side as last seen, ifindex 0: not in this namespace */
	struct port_sets sets;
	struct line_limit lines[OFX_PORTS + 1], all_lines; /* OFX_INDEX_NONE: about the own interfaces */
	struct port port[OFX_PORTS];
};

/* port.c */
/* Has the interface our program, which makes it a port? */
bool port_is_attached(const struct dp_ports *ports, const struct link *link);
/* The number asked for, else the one the name had, else the lowest nobody has or had, else the lowest free; or 0. */
uint32_t port_choose_number(const struct dp_ports *ports, const char *name, uint32_t wanted);
/*
 * Make a port of an interface: remember and prepare it, publish it in the maps.  `waits`: a former program is attached,
 * and stays.  On error all is undone (of one that waits, the interface by ports_undo()), and told but for -ENODEV.
 */
int port_join(struct dp *dp, const struct link *link, uint32_t index, bool generic, bool waits);
/* Tell why it cannot be a port; `err`, or -ENODEV, which is not told: it was deleted meanwhile, whatever the error
 * said. */
int port_failed(struct dp_ports *ports, const struct link *link, const char *what, int err);
void port_welcome(struct dp *dp, struct port *port);
/* The interface is no longer a port; `link` is what it is now, NULL: it is gone. */
void port_leave(struct dp *dp, struct port *port, const struct link *link);
/* The interface, a port until now, moved to another namespace: take the program off and restore it there. */
void port_reclaim(struct dp *dp, const struct link *was);
void ports_resync(struct dp *dp);
/* Events for what rtnetlink tells, and for the look each second. */
int ports_watch(struct dp *dp);
struct port *port_find(struct dp_ports *ports, uint32_t ifindex);
uint32_t port_index(const struct dp_ports *ports, const struct port *port);
/* It was attached in the other mode. */
int port_set_mode(struct dp *dp, struct port *port, bool generic);
/* What a frame received there is looked up by first (ofx_near_port()); 0: it is no port's. */
void port_near_write(struct dp *dp, uint32_t ifindex, uint32_t near);
/* Bring map `ports` and the flood sets in line with the port's link and config. */
int port_write(struct dp *dp, struct port *port);

/* port_state.c */
/* Numbers that are new: to the file. */
void ports_save(struct dp *dp);

/* port_open.c */
/* All interfaces (link_list()); an error has been logged. */
int ports_list(struct nl *nl, struct link **links, size_t *n);
/* Has it another XDP program than one of our former selves'?  0, or -EBUSY and that has been logged. */
int port_foreign(const struct link *link, const struct former *former);

/* port_undo.c */
/* An interface as it was before a start that is not settled yet; NULL: it was not there, or it is settled. */
const struct link *port_before(const struct dp_ports *ports, uint32_t ifindex);

/* port_take.c */
/* LOCAL's pair was made anew: make it a port. */
int port_take_local(struct dp *dp);
/* An awaited interface has appeared. */
void port_arrived(struct dp *dp, struct wanted *wanted, struct link *link);
/* Have awaited ones appeared? */
void ports_look_for(struct dp *dp);
/* Has the interface a program of a former daemon's?  So it was a port, and was away when that was taken over. */
bool port_is_former(const struct dp_ports *ports, const struct link *link);
/* Such a one gets our program instead: it is a port by that, once an event or the next look shows it. */
void port_renew(struct dp *dp, const struct link *link);

/* port_info.c */
void port_describe(struct dp *dp, const struct port *port, struct of_port *to);
/* PORT_STATUS, once ports_announce() was called; a modify only if something differs from what was told last. */
void port_tell(struct dp *dp, uint8_t reason, struct port *port);
/* The counters of an index since the programs were loaded, all CPUs together. */
void port_counters(struct dp *dp, uint32_t index, struct port_totals *sum);
/* LOCAL's link is the host's side of its pair, where the host can see it. */
const struct link *port_outer_link(const struct dp_ports *ports, const struct port *port);
bool port_is_up(const struct dp_ports *ports, const struct port *port);

/* port_log.c */
/* May a line about this port (OFX_INDEX_NONE: the switch's own interfaces) be logged?  If not, it is counted, and
 * port_log_flush() tells. */
bool port_may_log(struct dp_ports *ports, uint32_t index);
/* Each second: how many lines were left out in windows that are over. */
void port_log_flush(struct dp_ports *ports);
#define PORT_TITLE_SIZE 32
/* "port 7", "port LOCAL", "the switch's own interfaces". */
const char *port_title(char title[PORT_TITLE_SIZE], uint32_t index);
/* "up", "down (…)", "gone". */
const char *port_state(const struct dp_ports *ports, const struct port *port);

/* port_set.c */
/* Begin; `first`: indexes of ports that are about to come. */
int sets_open(struct dp *dp, const uint32_t *first, uint32_t n_first);
void sets_close(struct dp *dp);
/* Before the port is published: its own sets, and room for it in all. */
int sets_provide(struct dp *dp, uint32_t index, uint32_t n_ports);
/* The port's pair set leads to this interface; 0: empty. */
int sets_pair(struct dp *dp, uint32_t index, uint32_t ifindex);
/* The loop has another interface now. */
int sets_loop(struct dp *dp);
/* Take the port into, or out of, everybody's flood sets. */
int sets_flood(struct dp *dp, uint32_t index, uint32_t ifindex, bool member);

/* veth.c */
/* `former` names the programs of daemons before us, whose pairs are kept.  Does somebody else have one of the names? */
int veths_check(struct dp *dp, bool local, const struct former *former);
/* All pairs that are not known, found or made, and what the maps say of them. */
int veths_make(struct dp *dp, const struct former *former);
/* Attach our program where none is yet, and, `others`, in place of others. */
int veths_attach(struct dp *dp, bool others);
/* LOCAL's pair, detached and renamed perhaps: only its ifindex tells then that it is ours. */
void veths_leave_local(struct dp *dp);
/* Delete all pairs that are surely ours, known by `former` as above.  What stays, and why, has been logged on error. */
int veths_delete(struct nl *nl, const char *name, const struct former *former);
int veths_delete_local(struct nl *nl, const char *name, const struct former *former);
/* One internal pair, found or made, with `most` queues at most, up, without addresses of its own. */
#define VETH_QUEUES 4096 /* the kernel's limit */
int veths_pair(struct dp *dp, const char *suffix_a, const char *suffix_b, uint32_t most, const struct former *former,
	       struct link *a, struct link *b);
/* Is it one of the switch's own names? */
bool veths_own(const char *name, const char *ifname);
void veths_name(char ifname[IFNAMSIZ], const struct dp *dp, enum ofx_dev dev);

/* veth_mend.c */
/* Is it one that the switch cannot be without? */
bool veths_internal(const struct dp_ports *ports, uint32_t ifindex);
/* An internal end as it is now: what somebody did to it is undone. */
void veths_mend(struct dp *dp, const struct link *link);
/* The same for NAME-p. */
void veths_mend_local(struct dp *dp, const struct link *link);
/* This interface was deleted, or moved to another namespace.  True: it was an internal one or LOCAL's. */
bool veths_gone(struct dp *dp, const struct link *was);
/* Was something lost, and is it time to make it anew?  Once a second at most. */
bool veths_may_restore(const struct dp *dp);
void veths_restore(struct dp *dp);

/* port_relay.c: the way to a port whose driver takes no frames from native XDP */
/* Now; map `port_devices` has the port. */
bool relay_needed(struct dp *dp, const struct port *port);
int relay_make(struct dp *dp, struct port *port);
/* Once map `ports` has the port: from now on frames pass. */
int relay_attach(struct dp *dp, const struct port *port);
void relay_delete(struct dp *dp, struct port *port);
/* Are both ends as they were made? */
bool relay_sound(struct dp *dp, const struct port *port);
/* Of all interfaces, delete those pairs that no port uses (keep NULL: all).  What stays, and why, has been logged on
 * error. */
int relays_sweep(struct nl *nl, const char *name, const struct dp_ports *keep, const struct link *links, size_t n);
bool relay_own(const char *name, const char *ifname);
/* Where frames for the port are redirected to. */
static inline uint32_t port_tx(const struct port *port)
{
	return port->relay_in ? port->relay_in : port->link.ifindex;
}

/* trap.c: set-up mistakes that would cost frames, each told in one sentence with the cure. */
/* May this one of all interfaces become a port?  0, or a negative errno and the sentence has been logged. */
int trap_refuse(struct dp *dp, const struct dp_config *config, const struct link *link, const struct link *links,
		size_t n);
/* Advice about a port that was just taken. */
void trap_advise(struct dp *dp, const struct port *port);
/* err and the kernel's words: why native XDP was refused. */
void trap_generic(const struct link *link, const char *said, int err);
/* Another XDP program is there; mode: how `ip link` calls it, xdp, xdpgeneric, xdpoffload. */
void trap_foreign(const struct link *link, uint32_t id, const char *mode);
void trap_program_name(uint32_t id, char name[BPF_OBJ_NAME_LEN]);

/* trap_peer.c: the same for what is beyond a port. */
/* Something about it has changed: it will be looked at in some seconds. */
void trap_later(struct port *port);
/* Each second: the looks that are due. */
void trap_due(struct dp *dp);
/* Frames to it no longer take a relay. */
void trap_relay_gone(struct dp *dp, struct port *port);

#endif
