/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flow tables: what the files table.c, lookup.c, trie.c, flow.c, txn.c and counter.c share.  The maps they write and
 * the rules of publication are those of include/ofxdp/table.h.
 *
 *   struct table ─► lookups (subtables, tries) ─► flow entries, by compact masked key; those of one key form a chain by
 *                                                 falling priority, of which only the highest is in the BPF map
 *
 * A lookup's rules are changed in user memory first (flags FLOW_NEW, FLOW_REMOVE), by a transaction's calls; commit
 * writes the maps, abort takes the changes back.  Positive results are OpenFlow errors, negative ones errnos.
 */
#ifndef DATAPATH_TABLE_H
#define DATAPATH_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uthash.h>
#include "include/ofxdp/counter.h"
#include "include/ofxdp/table.h"
#include "user/datapath/chunk.h"
#include "user/datapath/datapath.h"
#include "user/datapath/internal.h"
#include "user/datapath/mapped.h"
#include "user/datapath/pool.h"

struct dp_tables;
struct lookup;

/* A flow entry's compiled form in the maps; never changed while BPF can reach it. */
struct body {
	uint32_t slot;	/* in `flows` */
	uint32_t first; /* in `op_pool` */
	uint8_t order;	/* of the run there, or RUN_NONE */
};

#define FLOW_NEW 1	  /* added by the open transaction */
#define FLOW_REMOVE 2	  /* removed by the open transaction */
#define FLOW_TABLE_MISS 4 /* struct dp_rule.table_miss */
#define FLOW_SEEN 8	  /* head of a chain that commit looks at already */

struct dp_flow {
	struct lookup *lookup;
	struct dp_flow *below; /* same key, same or lower priority: not in the map */
	void *owner;
	uint64_t base_packets, base_bytes; /* the live counters when the entry was added or reset */
	struct body body;
	uint32_t live; /* body.slot before the open transaction */
	uint32_t id;
	uint32_t hash;
	uint16_t gen;
	uint16_t priority;
	uint8_t flags;	/* FLOW_* */
	uint64_t key[]; /* lookup->key_words */
};

/* Heads of chains by key: open addressing, linear probing. */
struct flow_index {
	struct dp_flow **heads;
	uint32_t size; /* a power of two, or 0 */
	uint32_t n;
};

struct trie; /* priorities per prefix length */

/* One lookup of a table: a subtable (a mask) or a trie. */
struct lookup {
	struct table *table;
	uint8_t kind;	     /* enum ofx_entry_kind */
	uint8_t key_words;   /* of its flow entries' keys; a trie's last word is the prefix length */
	bool listed;	     /* in the published list … */
	uint16_t listed_max; /* … with this max_priority */
	uint16_t max;	     /* highest priority of its entries, or higher if n_at_max is 0 */
	uint32_t n_at_max;   /* entries that have it */
	uint32_t n_flows;
	uint32_t subtable; /* number; not of a trie */
	struct flow_index index;
	struct trie *trie;
	struct ofx_subtable mask; /* as written; not of a trie */
	struct ofx_key full_mask; /* hash key of dp_tables.subtables: the mask, .shape = table number */
	UT_hash_handle hh;
};

/* What waits for its grace period. */
struct retired_body {
	struct dp_tables *tables;
	struct body body;
};

struct retired_flow {
	struct dp_flow *flow;
	struct table *table;
	void (*gone)(void *aux, uint64_t packets, uint64_t bytes);
	void *aux;
	uint64_t packets, bytes;
	TAILQ_ENTRY(retired_flow) next;
};
TAILQ_HEAD(retired_flows, retired_flow);

struct table {
	struct dp_tables *tables;
	uint8_t number;
	bool tidy_pending;
	uint32_t list; /* published slot in `lists`, 0: none */
	uint32_t n_lookups;
	struct lookup *lookups[OFX_LIST_ENTRIES];
	struct lookup *tries[OFX_ENTRY_LPM6_DST + 1]; /* by kind; also in lookups */
	uint64_t matched_offset;		      /* counter.c */
};

/* What a transaction did, in order. */
enum change_kind { CHANGE_ADD, CHANGE_MODIFY, CHANGE_REMOVE };
struct txn_item {
	enum change_kind kind;
	struct dp_flow *flow;
	struct retired_flow *retired; /* REMOVE */
	struct retired_body *old;     /* MODIFY: the body before */
};

/* One map value to write: a chain whose highest entry changes. */
struct txn_word {
	struct dp_flow *head;
	uint64_t old, new; /* struct ofx_rule_ref; 0: none */
	bool done;
};

struct dp_txn {
	struct dp_tables *tables;
	bool open;
	bool wrote;	   /* BPF may have seen something of it */
	int error;	   /* the first one */
	uint32_t n_remove; /* flow entries to be removed */
	struct txn_item *items;
	size_t n_items, items_size;
	struct txn_word *words;
	size_t n_words, words_size;
};

struct owner {
	struct dp_flow *flow; /* NULL: none now */
	uint16_t gen;
};

/* Maps that hold rules: hash maps by key class, tries. */
#define RULE_MAP_LPM4 OFX_CLASSES
#define RULE_MAP_LPM6 (OFX_CLASSES + 1)
#define RULE_MAPS (OFX_CLASSES + 2)

struct rule_map {
	int fd;
	uint32_t capacity, used;
};

struct dp_tables {
	struct dp *dp;
	bool closing; /* callbacks of grace periods only free */
	int misses_fd;
	/* Maps that we write by stores.  Each value is whole before the root or the rule word that leads to it. */
	uint64_t *roots;		/* table_roots */
	struct ofx_list *lists;		/* by slot */
	struct ofx_subtable *subtables; /* by number */
	struct chunks flows, op_pool;
	struct rule_map maps[RULE_MAPS];
	const struct ofx_counter *counters; /* flow_counters */
	uint8_t *table_of_id;		    /* flow id's table, or OFX_NO_TABLE */
	struct mapped roots_map, lists_map, subtables_map, counters_map;
	struct numbers slots, ids, list_slots, subtable_numbers;
	struct runs runs;
	struct owner *owners;	/* by flow id */
	uint32_t n_flows;	/* installed or being added */
	struct lookup *by_mask; /* uthash of subtables */
	struct dp_txn txn;
	struct retired_flows gone; /* their callbacks are due */
	struct event *gone_event;
	struct table table[OFX_TABLES];
};

#define TABLE_FULL OF_ERROR(OFPET_FLOW_MOD_FAILED, OFPFMFC_TABLE_FULL)

/* table.c */
/* Make sure that every non-empty lookup of the table is listed with a max_priority that is high enough. */
int table_raise(struct table *t);
/* Soon, in the background: exact max priorities, no empty lookups. */
void table_tidy_later(struct table *t);
/* The same now, as far as it goes without waiting. */
void table_tidy(struct table *t);
/* A number from the pool, waiting for a grace period if all are used or retired. */
bool tables_take(struct dp_tables *tables, struct numbers *pool, uint32_t *number);
/* Give it back after a grace period. */
void tables_retire(struct dp_tables *tables, struct numbers *pool, uint32_t number);

/* lookup.c */
/* The lookup for a rule, made if need be, and its key there (at most 16 words). */
int lookup_of_rule(struct dp_tables *tables, const struct dp_rule *rule, struct lookup **lookup, uint64_t *key);
/* Not published any more, or never (listed false), and without flow entries: forget it. */
void lookup_free(struct lookup *l);
/* Put into, take out of its chain, keeping the accounts (max, trie). */
int lookup_insert(struct lookup *l, struct dp_flow *flow);
void lookup_remove(struct lookup *l, struct dp_flow *flow);
struct dp_flow *lookup_head(const struct lookup *l, const struct dp_flow *flow); /* of flow's chain */
/* Make .max exact. */
void lookup_update_max(struct lookup *l);
/* The map that holds its rules; write, delete one rule there. */
struct rule_map *lookup_map(const struct lookup *l);
int lookup_write(const struct lookup *l, const struct dp_flow *flow, uint64_t word);
int lookup_delete(const struct lookup *l, const struct dp_flow *flow);

/* index.c */
uint32_t index_hash(const uint64_t *key, unsigned int words);
/* Where the head with this key is, or NULL. */
struct dp_flow **index_find(const struct flow_index *index, const uint64_t *key, unsigned int words, uint32_t hash);
int index_insert(struct flow_index *index, struct dp_flow *head);
void index_remove(struct flow_index *index, struct dp_flow **where);
void index_close(struct flow_index *index);

/* trie.c */
struct trie *trie_new(void);
void trie_free(struct trie *trie);
/* Does longest-prefix order stay the priority order with this rule? */
bool trie_fits(const struct trie *trie, unsigned int len, uint16_t priority);
int trie_insert(struct trie *trie, unsigned int len, uint16_t priority);
void trie_remove(struct trie *trie, unsigned int len, uint16_t priority);
/* Is the match nothing but an address prefix?  Then its kind, length and key (3 words). */
bool trie_candidate(const struct of_match *match, uint8_t *kind, unsigned int *len, uint64_t *key);
/* The address that a kind looks at, whole, in `mask`. */
void trie_bits(uint8_t kind, struct ofx_key *mask);
static inline unsigned int trie_key_words(uint8_t kind)
{
	return kind >= OFX_ENTRY_LPM6_SRC ? 3 : 2;
}

/* flow.c */
/* Compile into a new body.  of->id, gen and table are set; reason: OFPR_* of outputs to CONTROLLER. */
int body_write(struct dp_tables *tables, struct ofx_flow *of, uint8_t reason, const struct of_instructions *inst,
	       struct body *body);
/* At once: BPF never saw it. */
void body_free(struct dp_tables *tables, const struct body *body);
/* After a grace period; frees `retired` too. */
void body_retire(struct retired_body *retired);
/* A flow entry in its lookup with its body written, FLOW_NEW; not in the map yet. */
int flow_new(struct dp_tables *tables, const struct dp_rule *rule, void *owner, struct dp_flow **out);
/* New instructions: a new body, the one before in *old. */
int flow_rewrite(struct dp_tables *tables, struct dp_flow *flow, const struct of_instructions *inst, struct body *old);
/* Take it out of its lookup; free it after a grace period, with `retired`, then call retired->gone. */
void flow_retire(struct retired_flow *retired);
/* The same at once and without a call: BPF never saw it. */
void flow_free(struct dp_tables *tables, struct dp_flow *flow);

/* counter.c */
int counters_open(struct dp_tables *tables);
void counters_close(struct dp_tables *tables);
/* The table's count includes this id's packets, from now on, until now. */
void counters_enter(struct dp_tables *tables, uint32_t id, uint8_t table);
void counters_leave(struct dp_tables *tables, uint32_t id);
void counters_read(const struct dp_tables *tables, uint32_t id, uint64_t *packets, uint64_t *bytes);

#endif
