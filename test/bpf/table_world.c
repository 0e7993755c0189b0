/* SPDX-License-Identifier: GPL-2.0-only */
#include "test/bpf/table_world.h"
#include <arpa/inet.h>
#include <errno.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>
#include <unistd.h>
#include "build/ofxdp.skel.h"
#include "include/ofxdp/cache.h"
#include "include/ofxdp/group.h"
#include "include/ofxdp/port.h"
#include "include/ofxdp/table_hash.h"
#include "user/util/cleanup.h"

/* --- a datapath that is maps only, or maps and the port program --- */

static void set_sizes(struct dp *dp, uint32_t max_flows, uint32_t spare)
{
	struct ofxdp_bpf *skel = dp->skel;

	dp->max_flows = max_flows;
	dp->n_flow_ids = 1 + max_flows + spare;
	bpf_map__set_max_entries(skel->maps.rule_lines, lines_chunks(max_flows));
	bpf_map__set_max_entries(skel->maps.flows, chunks_for(dp->n_flow_ids, OFX_FLOW_CHUNK));
	bpf_map__set_max_entries(skel->maps.insts, chunks_for(dp->n_flow_ids, OFX_INST_CHUNK));
	bpf_map__set_max_entries(skel->maps.op_pool, chunks_for(16 * max_flows, OFX_OP_CHUNK));
	assert_int_equal(cpus_plan(&dp->cpus, NULL, dp->n_flow_ids), 0);
	cpus_limit_cache(&dp->cpus, 0);
	assert_int_equal(cpus_make(&dp->cpus, skel), 0);
	dp->n_cpus = dp->cpus.n_possible;
	for (int i = 0; i < OFX_RULE_SECRETS; i++)
		skel->rodata->ofx_rule_secret[i] = (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (random() | 1);
	for (int i = 0; i < OFX_CACHE_WORDS; i++)
		skel->rodata->ofx_cache_secret[i] = 0xc2b2ae3d27d4eb4fULL * (2 * i + 1);
	skel->rodata->ofx_secret = ~skel->rodata->ofx_rule_secret[0];
}

static void flow_gone(void *aux, void *owner, uint64_t packets, uint64_t bytes)
{
	((struct world *)aux)->n_gone++;
}

struct world *world_open(uint32_t max_flows, uint32_t spare, bool program)
{
	struct world *w = calloc(1, sizeof(*w));
	struct bpf_program *p;

	assert_non_null(w);
	srandom(1);
	w->n_rules = N_RULES;
	w->rules = calloc(max_flows > N_RULES ? max_flows : N_RULES, sizeof(*w->rules));
	assert_non_null(w->rules);
	w->dp.base = event_base_new();
	w->dp.cb.flow_gone = flow_gone;
	w->dp.aux = w;
	w->dp.skel = ofxdp_bpf__open();
	assert_non_null(w->dp.skel);
	set_sizes(&w->dp, max_flows, spare);
	bpf_object__for_each_program(p, w->dp.skel->obj)
		bpf_program__set_autoload(p, program && p == w->dp.skel->progs.ofx_port);
	assert_int_equal(ofxdp_bpf__load(w->dp.skel), 0);
	cpus_publish(&w->dp.cpus, w->dp.skel);
	assert_int_equal(cpus_join(&w->dp.cpus), 0);
	assert_int_equal(grace_open(&w->dp), 0);
	assert_int_equal(tables_open(&w->dp), 0);
	return w;
}

void world_close(struct world *w)
{
	tables_close(&w->dp);
	grace_close(&w->dp);
	cpus_close(&w->dp.cpus);
	ofxdp_bpf__destroy(w->dp.skel);
	event_base_free(w->dp.base);
	free(w->rules);
	free(w);
}

static void *sender_run(void *aux)
{
	struct sender *s = aux;

	for (; !__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE); s->n++)
		send_key(s->w, &s->key);
	return NULL;
}

void sender_start(struct sender *s)
{
	assert_int_equal(pthread_create(&s->thread, NULL, sender_run, s), 0);
}

void sender_stop(struct sender *s)
{
	__atomic_store_n(&s->stop, true, __ATOMIC_RELEASE);
	pthread_join(s->thread, NULL);
}

/* Wait for everything deferred, and what that defers. */
void settle(struct world *w)
{
	for (int i = 0; i < 4; i++) {
		grace_flush(&w->dp);
		event_base_loop(w->dp.base, EVLOOP_NONBLOCK);
	}
}

static bool kinds_change(const struct dp_tables *t)
{
	struct copy *copy;

	TAILQ_FOREACH(copy, &t->copies.list, next)
	if (copy->stage != COPY_OUT && copy->stage != COPY_IN)
		return true;
	return event_pending(t->copies.event, EV_TIMEOUT, NULL);
}

void settle_kinds(struct world *w)
{
	settle(w);
	while (kinds_change(w->dp.tables)) {
		event_base_loop(w->dp.base, EVLOOP_ONCE);
		settle(w);
	}
}

unsigned int n_of_kind(const struct world *w, uint8_t kind)
{
	const struct dp_tables *t = w->dp.tables;
	const struct ofx_list *list = &t->lists[t->roots[0]];
	unsigned int n = 0;

	for (uint32_t i = 0; t->roots[0] && i < list->n; i++)
		n += list->entries[i].kind == kind;
	return n;
}

/* --- flow entries --- */

#define WAITS 2000

static int inst_add(struct world *w, const struct of_instructions *inst, uint32_t *number)
{
	int err = dp_inst_add(&w->dp, inst, false, number);

	for (int i = 0; i < WAITS && err == -EAGAIN; i++) {
		usleep(1000);
		settle(w);
		err = dp_inst_add(&w->dp, inst, false, number);
	}
	return err;
}

int world_add(struct world *w, struct rule *r)
{
	int err = inst_add(w, &r->inst, &r->spec.inst);

	if (err)
		return err;
	err = dp_flow_add(&w->dp, &r->spec, r, &r->flow);
	for (int i = 0; i < WAITS && err == -EAGAIN; i++) {
		usleep(1000);
		settle(w);
		err = dp_flow_add(&w->dp, &r->spec, r, &r->flow);
	}
	if (err)
		dp_inst_drop(&w->dp, r->spec.inst);
	dp_publish(&w->dp);
	r->used = !err;
	return err;
}

void world_modify(struct world *w, struct rule *r)
{
	const uint32_t before = r->spec.inst;

	assert_int_equal(inst_add(w, &r->inst, &r->spec.inst), 0);
	dp_flow_set(&w->dp, r->flow, r->spec.inst);
	dp_inst_drop(&w->dp, before);
	dp_publish(&w->dp);
}

void world_remove(struct world *w, struct rule *r)
{
	dp_flow_remove(&w->dp, r->flow);
	dp_inst_drop(&w->dp, r->spec.inst);
	dp_publish(&w->dp);
	w->n_removed++;
	r->used = false;
}

void world_remove_all(struct world *w)
{
	for (size_t i = 0; i < w->n_rules; i++)
		if (w->rules[i].used)
			world_remove(w, &w->rules[i]);
}

void world_table_counters(struct world *w, struct dp_table_counters counters[OFX_TABLES])
{
	struct dp_table_pass *pass = dp_table_pass_begin(&w->dp);

	assert_non_null(pass);
	while (dp_table_pass_step(pass))
		;
	dp_table_pass_end(pass, counters);
}

/* --- random rules, from a small world so that they meet --- */

void put(struct of_match *m, unsigned int offset, unsigned int bytes, uint64_t value, uint64_t mask)
{
	for (unsigned int i = 0; i < bytes; i++) {
		unsigned int shift = 8 * (bytes - 1 - i);

		m->mask.b[offset + i] = mask >> shift;
		m->value.b[offset + i] = (value & mask) >> shift;
	}
}

static uint32_t random_addr(void)
{
	static const uint32_t base[] = {0x0a000000, 0x0a010000, 0x0a010100, 0xc0a80000};

	return base[random() % 4] | (random() % 4) << 8 | random() % 4;
}

static void put_prefix6(struct of_match *m, unsigned int offset, unsigned int len)
{
	uint64_t hi = 0x20010db800000000u | random() % 4, lo = (uint64_t)(random() % 4) << 62 | random() % 4;

	put(m, offset, 8, hi, len >= 64 ? UINT64_MAX : ~(UINT64_MAX >> len));
	if (len > 64)
		put(m, offset + 8, 8, lo, len >= 128 ? UINT64_MAX : ~(UINT64_MAX >> (len - 64)));
}

static void random_fields(struct of_match *m)
{
	static const uint64_t mac_masks[] = {0xffffffffffff, 0xffffff000000, 0x010000000000};

	if (random() % 2)
		put(m, 16, 4, 1 + random() % 2, UINT32_MAX);
	if (random() % 2)
		put(m, 24, 6, 0x020000000000 | random() % 4, mac_masks[random() % 3]);
	if (random() % 2)
		put(m, 30, 2, 0x0800, 0xffff);
	if (random() % 2)
		put(m, 48, 4, random_addr(), random() % 2 ? 0xffffffff : 0xffff00ff);
	if (random() % 3 == 0)
		put(m, 52, 4, random_addr(), 0xffffff00);
	if (random() % 2)
		put(m, 43, 1, 6, 0xff);
	if (random() % 2)
		put(m, 46, 2, random() % 4, 0xffff);
}

/* Most are prefixes with priorities by length, as a routing table has them. */
static void random_match(struct of_match *m, uint16_t *priority)
{
	unsigned int shape = random() % 10, len;

	*m = (struct of_match){0};
	*priority = random() % 50 * 7;
	if (shape < 5) {
		len = 1 + random() % 32;
		put(m, 30, 2, 0x0800, 0xffff);
		put(m, random() % 3 ? 52 : 48, 4, random_addr(), UINT32_MAX << (32 - len));
		if (random() % 8)
			*priority = len * 10;
	} else if (shape < 7) {
		len = 1 + random() % 128;
		put(m, 30, 2, 0x86dd, 0xffff);
		put_prefix6(m, random() % 3 ? 64 : 48, len);
		if (random() % 8)
			*priority = len * 10;
	} else if (random() % 10) {
		random_fields(m);
	}
}

void random_key(const struct world *w, struct ofx_key *key)
{
	const struct rule *r = &w->rules[random() % w->n_rules];
	struct of_match m = {0};

	put(&m, 16, 4, 1 + random() % 2, UINT32_MAX);
	put(&m, 24, 6, 0x020000000000 | random() % 4, UINT64_MAX);
	put(&m, 30, 2, random() % 2 ? 0x0800 : random() % 4 ? 0x86dd : 0x0806, 0xffff);
	put(&m, 43, 1, random() % 4 ? 6 : 17, 0xff);
	put(&m, 46, 2, random() % 4, 0xffff);
	put(&m, 48, 4, random_addr(), UINT32_MAX);
	put(&m, 52, 4, random_addr(), UINT32_MAX);
	*key = m.value;
	if (r->used && random() % 4) /* one that hits this rule */
		for (int i = 0; i < OFX_KEY_WORDS; i++)
			key->w[i] = (key->w[i] & ~r->match.mask.w[i]) | r->match.value.w[i];
}

void random_inst(const struct world *w, struct rule *r)
{
	size_t n = w->no_actions ? 0 : random() % MAX_ACTIONS;

	for (size_t i = 0; i < n; i++)
		r->actions[i] = (struct of_action){.type = OF_ACT_OUTPUT, .output.port = 1 + random() % 1000};
	r->inst = (struct of_instructions){.present = OF_INST_APPLY, .apply = {.n = n, .v = r->actions}};
	if (random() % 4 == 0) {
		r->inst.present |= OF_INST_METADATA;
		r->inst.metadata = 0x1122;
		r->inst.metadata_mask = 0xffff;
	}
}

static bool rule_exists(const struct world *w, const struct rule *r)
{
	for (size_t i = 0; i < w->n_rules; i++) {
		const struct rule *o = &w->rules[i];

		if (o != r && o->used && o->spec.table == r->spec.table && o->spec.priority == r->spec.priority &&
		    !memcmp(&o->match, &r->match, sizeof(r->match)))
			return true;
	}
	return false;
}

void random_rule(const struct world *w, struct rule *r)
{
	do {
		uint16_t priority;

		*r = (struct rule){0};
		random_match(&r->match, &priority);
		random_inst(w, r);
		r->spec = (struct dp_rule){.table = random() % N_TABLES, .priority = priority, .match = &r->match};
	} while (rule_exists(w, r));
}

/* --- the oracle and the walk through the maps --- */

bool rule_matches(const struct rule *r, uint8_t table, const struct ofx_key *key)
{
	if (!r->used || r->spec.table != table)
		return false;
	for (int i = 0; i < OFX_KEY_WORDS; i++)
		if ((key->w[i] & r->match.mask.w[i]) != r->match.value.w[i])
			return false;
	return true;
}

struct rule *oracle(struct world *w, uint8_t table, const struct ofx_key *key)
{
	struct rule *best = NULL;

	for (size_t i = 0; i < w->n_rules; i++)
		if (rule_matches(&w->rules[i], table, key) &&
		    (!best || w->rules[i].spec.priority > best->spec.priority))
			best = &w->rules[i];
	return best;
}

static bool record_matches(const struct dp_tables *t, uint8_t table, const struct ofx_flow *f,
			   const struct ofx_key *key)
{
	const struct ofx_subtable *s = &t->subtables[f->mask];
	struct ofx_key value;

	flow_key(t, f, &value);
	for (int i = 0; i < s->n_words; i++)
		if ((key->w[s->at[i] / 8] & s->mask[i]) != value.w[s->at[i] / 8])
			return false;
	return f->table == table;
}

/* The best of the rules hashed there; false: none. */
static bool walk_tuple(const struct dp_tables *t, uint8_t table, const struct ofx_key *key,
		       const struct ofx_list_entry *e, uint64_t *word)
{
	const struct ofx_rule_geometry g = {.word = *(uint64_t *)t->geometry_map.at};
	const struct ofx_rule_line *lines = t->lines_map.at, *line;
	uint64_t hash = ofx_rule_hash(key->w, &t->subtables[e->subtable], e->subtable, rule_secret(t));
	uint64_t check = ofx_check_of_key(key->w[OFX_W_ADDR], e->shift);
	int best = -1;

	for (line = &lines[ofx_rule_line_of(hash, g)];; line = &lines[line->more]) {
		for (int i = 0; i < OFX_LINE_RULES; i++) {
			const struct ofx_rule_ref ref = {.word = line->rule[i]};
			const bool tagged = ofx_line_tag(line, i) == ofx_rule_tag(hash);
			const uint64_t differs = ofx_checks_differ(line->checks, check) >> 8 * (OFX_LINE_FIRST + i);

			assert_int_equal(!ref.word, !ofx_line_tag(line, i));
			if (!tagged || ref.priority <= best || (differs & 0xff) ||
			    !record_matches(t, table, flow_record(t, ref.slot), key))
				continue;
			best = ref.priority;
			*word = ref.word;
		}
		if (!line->more)
			return best >= 0;
	}
}

/* The same in a hash map. */
static bool walk_hash(const struct dp_tables *t, uint8_t table, const struct ofx_key *key,
		      const struct ofx_list_entry *e, uint64_t *word)
{
	const struct ofx_subtable *s = &t->subtables[e->subtable];
	struct ofx_hash_key64 k = {.tuple = e->subtable};

	assert_int_equal(e->kind, ofx_hash_kind(s->n_words));
	for (int i = 0; i < s->n_words; i++)
		k.word[i] = ofx_key_word(key->w, s, i);
	if (bpf_map_lookup_elem(t->hashes.fd[e->kind], &k, word))
		return false;
	assert_true(record_matches(t, table, flow_record(t, (struct ofx_rule_ref){.word = *word}.slot), key));
	return true;
}

/* The same in tries. */
static bool walk_lpm(const struct dp_tables *t, uint8_t table, const struct ofx_key *key,
		     const struct ofx_list_entry *e, uint64_t *word)
{
	const bool v6 = e->kind >= OFX_KIND_LPM6_SRC,
		   dst = e->kind == OFX_KIND_LPM4_DST || e->kind == OFX_KIND_LPM6_DST;
	const bool no_l3 = key->vlan_pcp & OFX_NO_L3;
	struct ofx_lpm4_key k4 = {.prefixlen = no_l3 ? 32 : 64, .table = table, .dst = dst};
	struct ofx_lpm6_key k6 = {.prefixlen = no_l3 ? 32 : 160, .table = table, .dst = dst};
	uint32_t trie;

	memcpy(k4.eth_type, &key->eth_type, 2);
	memcpy(k6.eth_type, &key->eth_type, 2);
	memcpy(k4.addr, dst ? &key->ipv4_dst : &key->ipv4_src, 4);
	memcpy(k6.addr, dst ? key->ipv6_dst : key->ipv6_src, 16);
	trie = v6 ? ofx_lpm_trie(table, k6.addr, OFX_LPM6_BITS) : ofx_lpm_trie(table, k4.addr, OFX_LPM4_BITS);
	if (bpf_map_lookup_elem(t->tries[v6].fd[trie], v6 ? (void *)&k6 : &k4, word))
		return false;
	assert_true(record_matches(t, table, flow_record(t, (struct ofx_rule_ref){.word = *word}.slot), key));
	return true;
}

static bool walk_entry(const struct dp_tables *t, uint8_t table, const struct ofx_key *key,
		       const struct ofx_list_entry *e, uint64_t *word)
{
	if (e->kind == OFX_KIND_NONE)
		return false;
	if (e->kind >= OFX_KIND_LPM4_SRC)
		return walk_lpm(t, table, key, e, word);
	return (e->kind ? walk_hash : walk_tuple)(t, table, key, e, word);
}

/* The word of the best rule; false: a miss. */
bool walk(const struct dp_tables *t, uint8_t table, const struct ofx_key *key, struct ofx_rule_ref *best)
{
	const struct ofx_list *list = &t->lists[t->roots[table]];
	bool found = false;
	uint64_t word;

	for (uint32_t i = 0; t->roots[table] && i < list->n; i++) {
		const struct ofx_list_entry *e = &list->entries[i];
		bool hit;

		assert_true(!i || e->max_priority <= e[-1].max_priority);
		if (found && e->max_priority <= best->priority)
			break;
		hit = walk_entry(t, table, key, e, &word);
		if (hit && (!found || (struct ofx_rule_ref){.word = word}.priority > best->priority)) {
			best->word = word;
			found = true;
		}
	}
	return found;
}

/* The compiled flow entry holds the rule's actions. */
static void check_flow(const struct dp_tables *t, const struct rule *r, const struct ofx_flow *f)
{
	const struct ofx_inst *inst = chunks_value(&t->insts, f->inst);

	assert_int_equal(f->table, r->spec.table);
	assert_int_equal(inst->next_table, OFX_NO_TABLE);
	assert_int_equal(inst->n_write, 0);
	assert_int_equal(inst->n_apply, r->inst.apply.n + !!(r->inst.present & OF_INST_METADATA));
	for (uint32_t i = 0; i < r->inst.apply.n; i++) {
		uint32_t at = inst->first + i - OFX_INLINE_OPS;
		struct ofx_op op;

		if (i < OFX_INLINE_OPS)
			op = inst->ops[i];
		else
			op = *(struct ofx_op *)chunks_value(&t->op_pool, at);
		assert_int_equal(op.code, OFX_OP_OUTPUT);
		assert_int_equal(op.arg, r->actions[i].output.port);
	}
}

void check_key(struct world *w, uint8_t table, const struct ofx_key *key)
{
	const struct rule *expected = oracle(w, table, key), *r;
	struct ofx_rule_ref ref;
	const struct ofx_flow *f;

	if (!walk(w->dp.tables, table, key, &ref)) {
		assert_null(expected);
		return;
	}
	assert_non_null(expected);
	assert_int_equal(ref.priority, expected->spec.priority);
	f = chunks_value(&w->dp.tables->flows, ref.slot);
	r = tables_owner(&w->dp, ref.slot, f->gen);
	assert_non_null(r);
	assert_true(rule_matches(r, table, key)); /* another one of the same priority will do */
	assert_int_equal(r->spec.priority, ref.priority);
	check_flow(w->dp.tables, r, f);
}

void check_world(struct world *w, int n_keys)
{
	struct ofx_key key;

	for (int i = 0; i < n_keys; i++) {
		random_key(w, &key);
		check_key(w, random() % N_TABLES, &key);
	}
}

void check_empty(struct world *w)
{
	const struct dp_tables *t = w->dp.tables;

	settle_kinds(w);
	for (int kind = 0; kind < OFX_KINDS; kind++)
		assert_int_equal(t->hashes.n[kind], 0);
	assert_int_equal(t->tries[0].n_nodes + t->tries[1].n_nodes + t->tries[0].n_routes + t->tries[1].n_routes, 0);
	assert_int_equal(w->n_gone, w->n_removed);
	assert_int_equal(t->n_flows, 0);
	assert_int_equal(t->ids.n_free, t->ids.next - 1);
	assert_int_equal(t->inst_numbers.n_free, t->inst_numbers.next);
	assert_int_equal(t->ids.waiting + t->inst_numbers.waiting + t->runs.waiting + t->rules.spare.waiting, 0);
	assert_int_equal(t->ladders.numbers.n_free, t->ladders.numbers.next);
	assert_int_equal(t->list_slots.n_free, t->list_slots.next - 1);
	assert_int_equal(t->subtable_numbers.n_free, t->subtable_numbers.next - 1);
	for (uint32_t i = 0; i < OFX_TABLES; i++) {
		assert_int_equal(t->roots[i], 0);
		assert_int_equal(t->table[i].n_lookups, 0);
	}
	assert_int_equal(t->rules.n, 0);
	assert_int_equal(t->rules.spare.n_free, t->rules.spare.next - t->rules.first_spare);
	for (uint32_t i = 0; i < lines_chunks(w->dp.max_flows) * OFX_LINE_CHUNK; i++)
		for (int j = 0; j < OFX_LINE_RULES; j++)
			assert_int_equal(((struct ofx_rule_line *)t->lines_map.at)[i].rule[j], 0);
	assert_null(t->by_mask);
	for (uint32_t i = 0, size = t->runs.size; i < size; i += 1u << (RUN_ORDERS - 1))
		assert_int_equal(t->runs.order[i], RUN_ORDERS - 1);
}

/* --- the program --- */

void send_key(struct world *w, const struct ofx_key *key)
{
	struct frame f = {.eth_type = htons(0x0800),
			  .version_ihl = 0x45,
			  .total_len = htons(40),
			  .ttl = 64,
			  .proto = key->ip_proto,
			  .src = key->ipv4_src,
			  .dst = key->ipv4_dst,
			  .sport = key->tp_src,
			  .dport = key->tp_dst,
			  .data_offset = 0x50};
	struct xdp_md md = {.data_end = sizeof(f), .ingress_ifindex = 1};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &f, .data_size_in = sizeof(f), .ctx_in = &md,
		    .ctx_size_in = sizeof(md));

	memcpy(f.eth_dst, key->eth_dst, 6);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(w->dp.skel->progs.ofx_port), &opts), 0);
}

void open_port(struct world *w)
{
	struct ofx_port port = {.ifindex = 1, .flags = OFX_PORT_EXISTS, .max_frame = 1518};
	uint32_t ifindex = 1, index = 1;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(w->dp.skel->maps.ports), &index, &port, 0), 0);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(w->dp.skel->maps.port_of_ifindex), &ifindex, &index, 0), 0);
}
