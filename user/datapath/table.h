/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flow tables: what the files table.c, tuple.c, rule.c, chain.c, flow.c, inst.c and counter.c share.  The maps they
 * write and the rules of publication are those of include/ofxdp/table.h.
 *
 *   struct table ─► tuples (tuple.h) ─► rules: chains (chain.h) of flow entries of the same mask and key, by falling
 *                                       priority, of which only the highest is in the maps
 *
 * A flow entry's key is not kept here: it stands in its compiled form, which we have mapped.  Where a chain begins is
 * found as a packet finds it, by table_lines.h.
 *
 * Positive results are OpenFlow errors, negative ones errnos; -EAGAIN as datapath.h has it.
 */
#ifndef DATAPATH_TABLE_H
#define DATAPATH_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include "include/ofxdp/counter.h"
#include "include/ofxdp/table.h"
#include "include/ofxdp/table_lines.h"
#include "include/ofxdp/table_lpm.h"
#include "user/datapath/chain.h"
#include "user/datapath/chunk.h"
#include "user/datapath/datapath.h"
#include "user/datapath/flow_log.h"
#include "user/datapath/internal.h"
#include "user/datapath/mapped.h"
#include "user/datapath/pool.h"
#include "user/datapath/priority.h"
#include "user/datapath/table_lines.h"
#include "user/datapath/table_copy.h"
#include "user/util/hash.h"
#include "user/util/memory.h"

struct dp_tables;
struct table;
struct tuple;

#define FLOW_USED 1    /* until nobody counts on it */
#define FLOW_REMOVED 2 /* … any more: no flow entry now */

/* dp_tables.flow[id].  A million of them: small. */
struct dp_flow {
	void *owner;
	uint32_t below; /* chain.h; of removed ones, the next whose flow_gone() is due; 0: none */
	uint32_t chain; /* chain.c */
	uint16_t mask;	/* number of the tuple that is its own mask */
	uint16_t gen;	/* stays when the id is used again */
	uint16_t priority;
	uint8_t table;
	uint8_t flags; /* FLOW_* */
};
_Static_assert(sizeof(struct dp_flow) == 24, "bytes a flow entry");

/* table_hash.c */
struct hashes {
	int fd[OFX_KINDS];
	uint32_t size[OFX_KINDS], n[OFX_KINDS]; /* keys that fit in each, that are there */
};

/* table_lpm.c */
#define LPM_FAMILIES 4
#define LPM_LENGTHS 129

struct tries {
	int fd[OFX_LPM_TRIES];
	uint32_t most;		    /* routes */
	uint32_t n_routes, n_nodes; /* of those that use them */
};

struct lookup;

struct lookup_kind {
	/* All of its entry in a list but the priority. */
	void (*enter)(const struct lookup *lookup, struct ofx_list_entry *e);
	/* The most rules of one hash that a packet may meet. */
	uint32_t (*longest)(const struct lookup *lookup);
};

/* What a table's list has an entry for: a tuple, or the routes of a kind. */
struct lookup {
	const struct lookup_kind *kind;
	struct table *table;
	uint16_t number;	      /* of the tuple; 0: routes */
	bool off;		      /* of no use now: it is not to be listed */
	bool entered;		      /* in table->lookups */
	bool listed;		      /* in the published list … */
	uint16_t listed_max;	      /* … with this max_priority */
	struct priorities priorities; /* of the flow entries found by it */
};

struct table {
	struct dp_tables *tables;
	uint8_t number;
	bool tidy_pending;
	bool moving;	  /* rules, to tuples that are shared … */
	bool move_shares; /* … or their own, … */
	uint32_t move_at; /* … from this flow id on */
	uint32_t list;	  /* published slot in `lists`, 0: none */
	uint32_t n_masks; /* of its flow entries */
	uint32_t n_lookups;
	struct lookup *lookups[OFX_LIST_ENTRIES]; /* those with flow entries, and those still listed */
	TAILQ_HEAD(, tuple) tuples;
	struct tuple *last;				       /* found by its mask, or NULL */
	struct lpm *lpm[LPM_FAMILIES];			       /* by enum ofx_kind, from OFX_KIND_LPM4_SRC on */
	uint64_t matched_offset, matched_shown, lookups_shown; /* counter.c */
};

struct dp_tables {
	struct dp *dp;
	bool closing; /* callbacks of grace periods only free */
	int misses_fd;
	/* Maps that we write by stores.  Each value is whole before the root or the rule word that leads to it. */
	uint64_t *roots;		/* table_roots */
	struct ofx_list *lists;		/* by slot */
	struct ofx_subtable *subtables; /* by number */
	struct chunks flows, insts, op_pool;
	struct lines rules;
	struct hashes hashes;
	struct tries *tries; /* IPv4's, IPv6's */
	struct copies copies;
	struct flow_logs flow_logs;
	uint8_t *table_of_id; /* flow id's table, or OFX_NO_TABLE */
	LIST_HEAD(, dp_table_pass) passes;
	struct mapped roots_map, lists_map, subtables_map, lines_map, geometry_map;
	struct numbers ids, inst_numbers, list_slots, subtable_numbers; /* ids: of flow entries, their slots too */
	struct runs runs;
	struct ladders ladders;
	/* By flow id, mapped: what is not used takes no memory. */
	struct dp_flow *flow;
	struct ofx_counter *base;	    /* counters when the entry was added or reset */
	uint32_t n_flows, most_flows;	    /* installed or being added; the most there have been */
	struct memory_kept kept;	    /* to remove them */
	struct tuple *by_mask;		    /* uthash */
	struct tuple *tuple[OFX_SUBTABLES]; /* by number */
	uint32_t gone, gone_last;	    /* ids whose flow_gone() is due, linked by `below`; 0: none */
	struct event *gone_event;
	struct event *grow_event; /* lines_step() */
	struct event *move_event; /* move.c */
	struct table table[OFX_TABLES];
};

#define TABLE_FULL OF_ERROR(OFPET_FLOW_MOD_FAILED, OFPFMFC_TABLE_FULL)

/* The compiled form of a flow entry. */
static inline struct ofx_flow *flow_record(const struct dp_tables *tables, uint32_t id)
{
	return chunks_value(&tables->flows, id);
}

static inline uint32_t flow_id(const struct dp_tables *tables, const struct dp_flow *flow)
{
	return flow - tables->flow;
}

/* lookup.c */
/* One flow entry more, or less, is found by this lookup.  Adding lists it (but if it is off). */
int lookup_count(struct lookup *l, uint16_t priority);
void lookup_uncount(struct lookup *l, uint16_t priority);
/* Is it in the published list with a max_priority that is high enough?  If not, it is now.  As tables_take(). */
int lookup_list(struct lookup *l);
/* The kinds of the published list's entries, in place. */
void table_show(struct table *t);
/* Soon, in the background: exact max priorities, no empty lookups, no unused masks. */
void table_tidy_later(struct table *t);
/* The same now, as far as it goes without waiting. */
void table_tidy(struct table *t);

/* table.c */
/* Let the hash of rules go on growing in the background, if it does. */
void tables_grow(struct dp_tables *tables);
/* A number from the pool.  TABLE_FULL, or -EAGAIN while some wait to be given back. */
int tables_take(struct numbers *pool, uint32_t *number);
/* The same of numbers of values in chunks, of which more are made, for numbers less than max. */
int tables_take_grown(struct dp_tables *tables, struct numbers *pool, struct chunks *chunks, uint32_t *number);
/* Give it back after a grace period. */
void tables_retire(struct dp_tables *tables, struct numbers *pool, uint32_t number);

/* rule.c */
/* What hashes are made with. */
const __u64 *rule_secret(const struct dp_tables *tables);
/* The hash of the flow entry at a slot in the tuple it lies in. */
uint64_t rule_slot_hash(void *tables, uint32_t slot);
void rule_prefetch_slot(void *tables, uint32_t slot);
/* Is it the first of its mask and key?  The key, and the rule. */
bool rule_head(struct dp_tables *tables, const struct dp_flow *flow, struct ofx_key *key, struct ofx_rule_ref *ref);
/* A flow entry of this mask and key will be published soon: ask the memory for its place, if that is known. */
void rule_expect(const struct dp_tables *tables, const struct tuple *mask, const struct ofx_key *key);
/* Publish a flow entry; nothing is changed if that fails. */
int rule_add(struct dp_tables *tables, struct dp_flow *flow);
void rule_remove(struct dp_tables *tables, struct dp_flow *flow);
/* A rule that packets may still meet where it was, in a tuple where it is no longer at home. */
struct left_rule {
	uint64_t hash;
	uint16_t mask, tuple;
};
/*
 * Move the chain that begins with this flow entry: to a tuple it shares if its mask is `alone` and the table shares
 * tuples, to its own if the table does not.  False: not done.
 */
bool rule_move(struct dp_tables *tables, struct dp_flow *flow, struct left_rule *left);
/* After a grace period. */
void rule_drop_left(struct dp_tables *tables, const struct left_rule *left);

/* move.c */
int moves_open(struct dp_tables *tables);
void moves_close(struct dp_tables *tables);
/* The table shares tuples now: look for rules to be moved, in the background. */
void table_move_later(struct table *t);

/* flow.c */
/* The key's words under the mask of the compiled flow entry. */
void flow_key(const struct dp_tables *tables, const struct ofx_flow *of, struct ofx_key *key);
/* Is it of this mask (a tuple's number) and key (under the mask)? */
bool flow_has_key(const struct dp_tables *tables, const struct ofx_flow *of, uint16_t mask, const struct ofx_key *key);
/* cb.flow_gone() for the first of tables->gone. */
void flow_tell_gone(struct dp_tables *tables);

/* inst.c */
/* So many elements of op_pool, n > 0.  0, -EAGAIN, TABLE_FULL. */
int ops_take(struct dp_tables *tables, size_t n, uint32_t *first);
void ops_give(struct dp_tables *tables, size_t n, uint32_t first);

/* counter.c */
int counters_open(struct dp_tables *tables);
void counters_close(struct dp_tables *tables);
/* The table's count includes this id's packets, from now on, until now. */
void counters_enter(struct dp_tables *tables, uint32_t id, uint8_t table);
void counters_leave(struct dp_tables *tables, uint32_t id);
void counters_read(struct dp_tables *tables, uint32_t id, uint64_t *packets, uint64_t *bytes);

#endif
