/* SPDX-License-Identifier: GPL-2.0-only */
/* FLOW_MOD (OpenFlow 1.3.5 §6.4, §7.3.4.1).  All checks come before the transaction that changes anything. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/switch/internal.h"
#include "user/switch/job.h"

#define DELETED_AT_ONCE 512 /* entries looked at in a step: some 1 ms */

#define FLOW_MOD_FAILED(code) OF_ERROR(OFPET_FLOW_MOD_FAILED, OFPFMFC_##code)
#define ALL_FLAGS                                                                                                      \
	(OFPFF_SEND_FLOW_REM | OFPFF_CHECK_OVERLAP | OFPFF_RESET_COUNTS | OFPFF_NO_PKT_COUNTS | OFPFF_NO_BYT_COUNTS)

/* Of add and modify: what holds whichever entries it meets. */
static int check_request(struct sw *sw, const struct of_flow_mod *fm)
{
	int err;

	if (fm->table > OFPTT_MAX)
		return FLOW_MOD_FAILED(BAD_TABLE_ID);
	if (fm->buffer_id != OF_NO_BUFFER) /* there are no buffers */
		return OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BUFFER_UNKNOWN);
	err = sw_match_check(&fm->match);
	return err ? err : sw_instructions_check(sw, fm->table, &fm->inst);
}

/* --- add --- */

static void set_properties(struct sw *sw, struct sw_flow *flow, const struct of_flow_mod *fm,
			   struct sw_timeout *timeout)
{
	sw_timeout_stop(sw, flow);
	flow->cookie = fm->cookie;
	flow->flags = fm->flags;
	if (timeout)
		sw_timeout_start(sw, flow, timeout);
}

static int install(struct sw *sw, struct sw_flow *flow, const struct of_flow_mod *fm)
{
	struct dp_rule rule = {
		.table = fm->table,
		.priority = flow->priority,
		.match = &fm->match,
		.inst = &flow->inst->of,
		.table_miss = !flow->priority && !flow->subtable->shape.words,
	};
	struct dp_txn *txn = dp_txn_begin(sw->dp);
	int err = txn ? dp_txn_add(txn, &rule, flow, &flow->dp) : -ENOMEM;

	if (!err)
		return dp_txn_commit(txn);
	if (txn)
		dp_txn_abort(txn);
	return err;
}

static int add_new(struct sw *sw, const struct of_flow_mod *fm, const struct sw_match *match,
		   struct sw_timeout *timeout)
{
	struct sw_flow *flow = sw_flow_new(sw, fm->table, fm->priority, match);
	int err;

	if (!flow)
		return -ENOMEM;
	flow->inst = sw_instructions_get(sw, &fm->inst);
	err = install(sw, flow, fm);
	if (err) {
		sw_flow_free(sw, flow);
		return err;
	}
	sw_subtable_insert(flow->subtable, flow);
	set_properties(sw, flow, fm, timeout);
	return 0;
}

static int modify_datapath(struct sw *sw, const struct sw_flow_list *flows, const struct sw_instructions *inst)
{
	struct dp_txn *txn = NULL;
	int err = 0;

	for (size_t i = 0; i < flows->n && !err; i++) {
		if (flows->v[i]->inst == inst) /* nothing new for the data plane */
			continue;
		if (!txn)
			txn = dp_txn_begin(sw->dp);
		err = txn ? dp_txn_modify(txn, flows->v[i]->dp, &inst->of) : -ENOMEM;
	}
	if (!err)
		return txn ? dp_txn_commit(txn) : 0;
	if (txn)
		dp_txn_abort(txn);
	return err;
}

/* New instructions for entries, in one transaction. */
static int change_instructions(struct sw *sw, const struct sw_flow_list *flows, const struct of_instructions *to)
{
	struct sw_instructions *inst = sw_instructions_get(sw, to);
	int err = modify_datapath(sw, flows, inst);

	for (size_t i = 0; i < flows->n && !err; i++) {
		inst->refs++;
		sw_instructions_put(flows->v[i]->inst);
		flows->v[i]->inst = inst;
	}
	sw_instructions_put(inst);
	return err;
}

static void reset_counters(struct sw *sw, const struct sw_flow_list *flows)
{
	for (size_t i = 0; i < flows->n; i++) {
		sw_timeout_before_reset(sw, flows->v[i]);
		dp_flow_reset_counters(sw->dp, flows->v[i]->dp);
	}
}

/* An entry with this match and priority exists: the new one takes its place, and its counters unless reset. */
static int replace(struct sw *sw, struct sw_flow *flow, const struct of_flow_mod *fm, struct sw_timeout *timeout)
{
	struct sw_flow_list one = {.v = &flow, .n = 1};
	int err = change_instructions(sw, &one, &fm->inst);

	if (err)
		return err;
	if (fm->flags & OFPFF_RESET_COUNTS)
		reset_counters(sw, &one);
	sw_timeout_stop(sw, flow);
	flow->created = sw_now();
	set_properties(sw, flow, fm, timeout);
	return 0;
}

/*
 * §6.4: "Two flow entries overlap if a single packet may match both, and both entries have the same priority."  So an
 * identical entry overlaps too; that it is replaced holds for adds without overlap and those without this check.
 */
static bool overlaps(struct sw *sw, const struct of_flow_mod *fm, const struct sw_match *match)
{
	return fm->flags & OFPFF_CHECK_OVERLAP && sw_flow_overlaps(sw, fm->table, fm->priority, match);
}

static int add(struct sw *sw, const struct of_flow_mod *fm)
{
	struct sw_timeout *timeout = NULL;
	struct sw_match match;
	struct sw_flow *old;
	int err;

	sw_match_pack(&match, &fm->match);
	if (fm->table < OFX_TABLES)
		sw_flow_expect(sw, fm->table, &match);
	err = check_request(sw, fm);
	if (!err)
		err = sw_instructions_check_match(&fm->inst, &fm->match);
	if (err)
		return err;
	if (overlaps(sw, fm, &match))
		return FLOW_MOD_FAILED(OVERLAP);
	if (fm->idle_timeout || fm->hard_timeout) {
		timeout = sw_timeout_new(sw, fm->idle_timeout, fm->hard_timeout);
		if (!timeout)
			return -ENOMEM;
	}
	old = sw_flow_find(sw, fm->table, fm->priority, &match);
	err = old ? replace(sw, old, fm, timeout) : add_new(sw, fm, &match, timeout);
	if (err)
		sw_timeout_drop(sw, timeout);
	return err;
}

/* --- modify, delete --- */

/* Without the match. */
static struct sw_flow_filter filter_of(const struct of_flow_mod *fm, bool strict, bool outputs)
{
	return (struct sw_flow_filter){
		.strict = strict,
		.priority = fm->priority,
		.cookie = fm->cookie,
		.cookie_mask = fm->cookie_mask,
		.out_port = outputs ? fm->out_port : OFPP_ANY, /* out_port and out_group: delete only (§7.3.4.1) */
		.out_group = outputs ? fm->out_group : OFPG_ANY,
	};
}

static void choose(struct sw *sw, const struct of_flow_mod *fm, bool strict, bool outputs, struct sw_flow_list *chosen)
{
	struct sw_flow_filter filter = filter_of(fm, strict, outputs);
	struct sw_match match;

	filter.match = &match;
	sw_match_pack(&match, &fm->match);
	sw_flow_each(sw, fm->table, &filter, sw_flow_list_add, chosen);
}

/* Prerequisites are those of the entries to be modified, whose matches may be narrower than the request's. */
static int check_chosen(const struct sw_flow_list *chosen, const struct of_instructions *inst)
{
	for (size_t i = 0; i < chosen->n; i++) {
		struct of_match match;
		int err;

		sw_flow_match(chosen->v[i], &match);
		err = sw_instructions_check_match(inst, &match);
		if (err)
			return err;
	}
	return 0;
}

/* Cookie, time-outs, flags and duration of the entries stay (§6.4); no entry is no error. */
static int modify(struct sw *sw, const struct of_flow_mod *fm, bool strict)
{
	struct sw_flow_list chosen _flow_list_ = {0};
	int err = check_request(sw, fm);

	if (err)
		return err;
	choose(sw, fm, strict, false, &chosen);
	err = check_chosen(&chosen, &fm->inst);
	if (!err && chosen.n)
		err = change_instructions(sw, &chosen, &fm->inst);
	if (!err && fm->flags & OFPFF_RESET_COUNTS)
		reset_counters(sw, &chosen);
	return err;
}

static int delete_strict(struct sw *sw, const struct of_flow_mod *fm)
{
	struct sw_flow_list chosen _flow_list_ = {0};

	choose(sw, fm, true, true, &chosen);
	return sw_flows_remove(sw, &chosen, OFPRR_DELETE);
}

struct to_delete {
	struct sw_flow_list chosen;
	uint64_t begun; /* the delete: entries that others add meanwhile are not meant */
};

static void choose_to_delete(struct sw_flow *flow, void *aux)
{
	struct to_delete *d = aux;

	if (sw_flow_created(flow) <= d->begun)
		sw_flow_list_add(flow, &d->chosen);
}

/* A transaction for each step: only want of memory could keep the later ones from following the first. */
static int delete_some(struct sw *sw, struct sw_conn *conn, struct sw_job *job, bool *more)
{
	struct to_delete d = {.begun = job->begun};
	int err;

	*more = sw_walk_step(sw, &job->walk, DELETED_AT_ONCE, choose_to_delete, &d);
	err = sw_flows_remove(sw, &d.chosen, OFPRR_DELETE);
	sw_flow_list_free(&d.chosen);
	return err;
}

static int delete (struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	const struct of_flow_mod *fm = &msg->flow_mod;
	const struct sw_flow_filter filter = filter_of(fm, false, true);
	struct sw_job *job = sw_job_new(sw, msg->xid, fm->table, &fm->match, &filter);

	if (!job)
		return -ENOMEM;
	job->step = delete_some;
	job->changes = true;
	job->type = msg->type;
	job->raw_len = msg->raw_len < sizeof(job->raw) ? msg->raw_len : sizeof(job->raw);
	memcpy(job->raw, msg->raw, job->raw_len);
	return sw_job_start(sw, conn, job);
}

int sw_flow_mod(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	const struct of_flow_mod *fm = &msg->flow_mod;

	if (fm->flags & ~ALL_FLAGS)
		return FLOW_MOD_FAILED(BAD_FLAGS);
	switch (fm->command) {
	case OFPFC_ADD:
		return add(sw, fm);
	case OFPFC_MODIFY:
	case OFPFC_MODIFY_STRICT:
		return modify(sw, fm, fm->command == OFPFC_MODIFY_STRICT);
	case OFPFC_DELETE:
		return delete (sw, conn, msg);
	case OFPFC_DELETE_STRICT:
		return delete_strict(sw, fm);
	}
	return FLOW_MOD_FAILED(BAD_COMMAND);
}
