/* SPDX-License-Identifier: GPL-2.0-only */
/* FLOW_MOD (OpenFlow 1.3.5 §6.4, §7.3.4.1).  All checks come before anything changes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/switch/internal.h"
#include "user/switch/job.h"
#include "user/switch/overlap.h"
#include "user/util/cleanup.h"
#include "user/util/clock.h"

#define DELETED_AT_ONCE 512   /* entries looked at in a step: some 1 ms; … */
#define MODIFIED_AT_ONCE 2048 /* … the same */

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
	struct dp_rule rule = {.table = fm->table, .priority = flow->priority, .match = &fm->match};
	int err = sw_instructions_compile(flow->inst, sw_flow_is_miss(flow), &rule.inst);

	if (!err)
		err = dp_flow_add(sw->dp, &rule, flow, &flow->dp);
	sw->changed |= !err;
	return err;
}

static int add_new(struct sw *sw, const struct of_flow_mod *fm, const struct sw_match *match,
		   struct sw_instructions *inst, struct sw_timeout *timeout)
{
	struct sw_flow *flow = sw_flow_new(sw, fm->table, fm->priority, match);
	int err;

	if (!flow)
		return -ENOMEM;
	sw_flow_set_instructions(flow, inst);
	err = install(sw, flow, fm);
	if (err) {
		sw_flow_free(sw, flow);
		return err;
	}
	sw_subtable_insert(flow->subtable, flow);
	sw_overlaps_note(sw, flow);
	set_properties(sw, flow, fm, timeout);
	return 0;
}

static void reset_counters(struct sw *sw, struct sw_flow *flow)
{
	sw_timeout_before_reset(sw, flow);
	dp_flow_reset_counters(sw->dp, flow->dp);
}

/* Other instructions, of this number in the data plane. */
static void change_instructions(struct sw *sw, struct sw_flow *flow, struct sw_instructions *inst, uint32_t number)
{
	if (flow->inst == inst)
		return;
	dp_flow_set(sw->dp, flow->dp, number);
	sw_flow_set_instructions(flow, inst);
	sw->changed = true;
}

/* An entry with this match and priority exists: the new one takes its place, and its counters unless reset. */
static int replace(struct sw *sw, struct sw_flow *flow, const struct of_flow_mod *fm, struct sw_instructions *inst,
		   struct sw_timeout *timeout)
{
	uint32_t number;
	int err = sw_instructions_compile(inst, sw_flow_is_miss(flow), &number);

	if (err)
		return err;
	change_instructions(sw, flow, inst, number);
	if (fm->flags & OFPFF_RESET_COUNTS)
		reset_counters(sw, flow);
	sw_timeout_stop(sw, flow);
	flow->created = clock_ns();
	set_properties(sw, flow, fm, timeout);
	return 0;
}

static int put(struct sw *sw, const struct of_flow_mod *fm, const struct sw_match *match, struct sw_timeout *timeout)
{
	struct sw_instructions *inst = sw_instructions_get(sw, &fm->inst);
	struct sw_flow *old = sw_flow_find(sw, fm->table, fm->priority, match);
	int err = -ENOMEM;

	if (inst)
		err = old ? replace(sw, old, fm, inst, timeout) : add_new(sw, fm, match, inst, timeout);
	sw_instructions_put(inst);
	return err;
}

static int check_add(struct sw *sw, const struct of_flow_mod *fm)
{
	int err = check_request(sw, fm);

	return err ? err : sw_instructions_check_match(&fm->inst, &fm->match);
}

/* As it should be, overlapping or not. */
static int add(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	const struct of_flow_mod *fm = &msg->flow_mod;
	struct sw_timeout *timeout = NULL;
	struct sw_match match;
	int err;

	sw_match_pack(&match, &fm->match);
	if (fm->table < OFX_TABLES)
		sw_flow_expect(sw, fm->table, fm->priority, &match);
	err = check_add(sw, fm);
	if (err)
		return err;
	if (fm->idle_timeout || fm->hard_timeout) {
		timeout = sw_timeout_new(sw, fm->idle_timeout, fm->hard_timeout);
		if (!timeout)
			return -ENOMEM;
	}
	err = put(sw, fm, &match, timeout);
	if (err)
		sw_timeout_drop(sw, timeout);
	return err;
}

/* --- add, unless there is another that overlaps it --- */

struct checked_add {
	struct sw_msg_copy *copy;
	struct sw_overlap overlap;
};

static int add_checked_step(struct sw *sw, struct sw_conn *conn, struct sw_job *job, bool *more)
{
	struct checked_add *c = job->aux;

	*more = !sw_overlap_step(&c->overlap);
	if (*more)
		return 0;
	return c->overlap.found ? FLOW_MOD_FAILED(OVERLAP) : add(sw, conn, &c->copy->msg);
}

static void add_checked_end(struct sw_job *job)
{
	struct checked_add *c = job->aux;

	sw_overlap_end(&c->overlap);
	sw_msg_copy_free(c->copy);
	free(c);
}

static int add_checked(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	const struct of_flow_mod *fm = &msg->flow_mod;
	_free_ struct checked_add *c = NULL;
	struct sw_job *job;
	int err = check_add(sw, fm);

	if (err)
		return err;
	c = calloc(1, sizeof(*c));
	job = sw_job_new(sw, msg);
	if (c)
		c->copy = sw_msg_copy(msg);
	if (!c || !job || !c->copy) {
		if (c)
			sw_msg_copy_free(c->copy);
		free(job);
		return -ENOMEM;
	}
	sw_overlap_begin(&c->overlap, sw, fm->table, fm->priority, &fm->match);
	job->aux = take_ptr(c);
	job->changes = true;
	job->step = add_checked_step;
	job->end = add_checked_end;
	job->held += sw_msg_copy_held(msg);
	return sw_job_start(sw, conn, job);
}

/* --- modify, delete --- */

static struct sw_flow_filter filter_of(const struct of_flow_mod *fm, bool outputs)
{
	return (struct sw_flow_filter){
		.cookie = fm->cookie,
		.cookie_mask = fm->cookie_mask,
		.out_port = outputs ? fm->out_port : OFPP_ANY, /* out_port and out_group: delete only (§7.3.4.1) */
		.out_group = outputs ? fm->out_group : OFPG_ANY,
	};
}

/* The entry that a strict command means in this table, or NULL. */
static struct sw_flow *find_strict(struct sw *sw, const struct of_flow_mod *fm, uint8_t table, bool outputs)
{
	const struct sw_flow_filter filter = filter_of(fm, outputs);
	struct sw_match match;
	struct sw_flow *flow;

	sw_match_pack(&match, &fm->match);
	flow = sw_flow_find(sw, table, fm->priority, &match);
	return flow && sw_flow_is_chosen(flow, &filter) ? flow : NULL;
}

static void delete_strict(struct sw *sw, const struct of_flow_mod *fm)
{
	const bool all = fm->table == OFPTT_ALL;

	for (unsigned int i = all ? 0 : fm->table; i <= (all ? OFX_TABLES - 1u : fm->table); i++) {
		struct sw_flow *flow = find_strict(sw, fm, i, true);

		if (flow)
			sw_flow_remove(sw, flow, OFPRR_DELETE);
	}
}

/* What a modify or a delete of many keeps: entries that others add meanwhile are not meant. */
struct change {
	struct sw_selection selection;
	struct sw_job *job;
	/* of a modify */
	struct sw_instructions *inst; /* a reference */
	uint8_t table;
	bool reset, checked;
	bool any[2];	    /* of its entries: is there one, is there a table-miss entry? */
	uint32_t number[2]; /* of inst, for those */
	int err;	    /* what keeps one of the entries from having them */
};

static void change_end(struct sw_job *job)
{
	struct change *c = job->aux;

	sw_walk_end(&c->selection.walk);
	sw_instructions_put(c->inst);
	free(c);
}

static bool is_meant(const struct sw_job *job, const struct sw_flow *flow)
{
	return sw_flow_created(flow) <= job->begun;
}

/* A job that changes entries; in c->job.  NULL: out of memory. */
static struct change *change_new(struct sw *sw, const struct of_msg *msg, bool outputs)
{
	const struct of_flow_mod *fm = &msg->flow_mod;
	const struct sw_flow_filter filter = filter_of(fm, outputs);
	struct change *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->job = sw_job_new(sw, msg);
	if (!c->job) {
		free(c);
		return NULL;
	}
	c->table = fm->table;
	c->job->aux = c;
	c->job->changes = true;
	c->job->end = change_end;
	sw_selection_begin(&c->selection, fm->table, &fm->match, &filter);
	return c;
}

static void delete_one(struct sw_flow *flow, void *aux)
{
	struct sw_job *job = aux;

	if (is_meant(job, flow))
		sw_flow_remove(job->sw, flow, OFPRR_DELETE);
}

static int delete_some(struct sw *sw, struct sw_conn *conn, struct sw_job *job, bool *more)
{
	struct change *c = job->aux;

	*more = sw_walk_step(sw, &c->selection.walk, DELETED_AT_ONCE, delete_one, job);
	return 0;
}

static int delete (struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	struct change *c = change_new(sw, msg, true);

	if (!c)
		return -ENOMEM;
	c->job->step = delete_some;
	return sw_job_start(sw, conn, c->job);
}

/* Prerequisites are those of the entries to be modified, whose matches may be narrower than the request's. */
static int check_entry(const struct sw_flow *flow, const struct sw_instructions *inst)
{
	struct of_match match;

	if (!inst->needs_match)
		return 0;
	sw_flow_match(flow, &match);
	return sw_instructions_check_match(&inst->of, &match);
}

static void check_one(struct sw_flow *flow, void *aux)
{
	struct change *c = aux;

	if (!is_meant(c->job, flow))
		return;
	c->any[sw_flow_is_miss(flow)] = true;
	if (!c->err)
		c->err = check_entry(flow, c->inst);
}

static void modify_one(struct sw_flow *flow, void *aux)
{
	struct change *c = aux;
	const bool miss = sw_flow_is_miss(flow);

	if (!is_meant(c->job, flow) || !c->any[miss])
		return;
	change_instructions(c->job->sw, flow, c->inst, c->number[miss]);
	if (c->reset)
		reset_counters(c->job->sw, flow);
}

/* All entries can have the instructions, and what they need in the data plane is there: nothing can fail any more. */
static int checked(struct change *c)
{
	int err = 0;

	for (int miss = 0; miss < 2 && !err; miss++)
		if (c->any[miss])
			err = sw_instructions_compile(c->inst, miss, &c->number[miss]);
	if (err)
		return err;
	c->checked = true;
	sw_selection_again(&c->selection, c->table);
	return 0;
}

/* Cookie, time-outs, flags and duration of the entries stay (§6.4); no entry is no error.  All are checked, then all
 * are changed. */
static int modify_some(struct sw *sw, struct sw_conn *conn, struct sw_job *job, bool *more)
{
	struct change *c = job->aux;
	int err;

	if (!c->checked) {
		*more = sw_walk_step(sw, &c->selection.walk, MODIFIED_AT_ONCE, check_one, c);
		if (c->err || *more)
			return c->err;
		err = checked(c);
		if (err)
			return err;
	}
	*more = sw_walk_step(sw, &c->selection.walk, MODIFIED_AT_ONCE, modify_one, c);
	return 0;
}

static int modify(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	const struct of_flow_mod *fm = &msg->flow_mod;
	int err = check_request(sw, fm);
	struct change *c;

	if (err)
		return err;
	c = change_new(sw, msg, false);
	if (!c)
		return -ENOMEM;
	c->inst = sw_instructions_get(sw, &fm->inst);
	c->reset = fm->flags & OFPFF_RESET_COUNTS;
	c->job->step = modify_some;
	if (c->inst)
		return sw_job_start(sw, conn, c->job);
	sw_job_free(c->job);
	return -ENOMEM;
}

static int modify_strict(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	const struct of_flow_mod *fm = &msg->flow_mod;
	struct sw_instructions *inst = NULL;
	struct sw_flow *flow;
	uint32_t number;
	int err = check_request(sw, fm);

	flow = err ? NULL : find_strict(sw, fm, fm->table, false);
	if (!flow)
		return err;
	inst = sw_instructions_get(sw, &fm->inst);
	err = inst ? check_entry(flow, inst) : -ENOMEM;
	if (!err)
		err = sw_instructions_compile(inst, sw_flow_is_miss(flow), &number);
	if (!err)
		change_instructions(sw, flow, inst, number);
	if (!err && fm->flags & OFPFF_RESET_COUNTS)
		reset_counters(sw, flow);
	sw_instructions_put(inst);
	return err;
}

int sw_flow_mod(struct sw *sw, struct sw_conn *conn, const struct of_msg *msg)
{
	const struct of_flow_mod *fm = &msg->flow_mod;

	if (fm->flags & ~ALL_FLAGS)
		return FLOW_MOD_FAILED(BAD_FLAGS);
	if (fm->table != OFPTT_ALL && !sw_table_exists(sw, fm->table))
		return FLOW_MOD_FAILED(BAD_TABLE_ID);
	switch (fm->command) {
	case OFPFC_ADD:
		return (fm->flags & OFPFF_CHECK_OVERLAP ? add_checked : add)(sw, conn, msg);
	case OFPFC_MODIFY:
		return modify(sw, conn, msg);
	case OFPFC_MODIFY_STRICT:
		return modify_strict(sw, conn, msg);
	case OFPFC_DELETE:
		return delete (sw, conn, msg);
	case OFPFC_DELETE_STRICT:
		delete_strict(sw, fm);
		return 0;
	}
	return FLOW_MOD_FAILED(BAD_COMMAND);
}
