/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A switch for test_pipeline.c, without daemon and loader: the skeleton on real veths, maps filled by hand.
 *
 *        h1    h2    h3          hosts: packet sockets, an XDP program that passes; all others: ofx_port
 *        │     │     │
 *        p1    p2    p3          ports 1-3
 *       c0 ─── c1                no daemon: packet-ins are counted drops
 *       l0 ─── l1
 *       q0 ─── q1                ofx_egress, too
 *
 * All of it in a network namespace of this process, which dies with it.
 */
#ifndef TEST_BPF_PIPELINE_H
#define TEST_BPF_PIPELINE_H

#include "test/bpf/pipeline_frame.h"
#include "build/ofxdp.skel.h"
#include "user/datapath/cell.h"
#include "user/datapath/cpu.h"
#include "user/datapath/mapped.h"
#include "user/datapath/trace.h"

#define N_PORTS 3
#define MAGIC 0x0f0c5eed
#define OFXDP_FLOWS 64
#define OFXDP_LINES 4096
#define OFXDP_CACHED (2 * OFX_CACHE_NEAR) /* per CPU */

static struct ofxdp_bpf *skel;
static struct trace trace;
static int n_cpus;
static const bool *online;		     /* CPUs with a state of their own; NULL: those that are online */
static bool cacheless;			     /* the flow cache is off for good */
static int host[N_PORTS + 1];		     /* packet socket on h1 … h3 */
static int ctl;				     /* on c1: packet-outs */
static int flow_chunk, inst_chunk, op_chunk; /* the only ones of flows, insts and op_pool */
static struct ofx_line_chunk *line_chunk;
static struct cpus cpus;

/* --- maps --- */

static inline void put(const struct bpf_map *map, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
}

static inline void *mapping_of(const struct bpf_map *map)
{
	struct mapped m;

	assert_int_equal(mapped_open(&m, map, true), 0);
	return m.at;
}

/* A map's first chunk. */
static inline int chunk_of(const struct bpf_map *map, uint32_t value_size, uint32_t n)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "chunk", 4, value_size, n, &opts);
	uint32_t zero = 0;

	assert_true(fd >= 0);
	put(map, &zero, &fd);
	return fd;
}

static inline void put_u32(const struct bpf_map *map, uint32_t key, uint32_t value)
{
	put(map, &key, &value);
}

struct ops {
	size_t n;
	struct ofx_op op[OFX_FLOW_OPS];
};

#define OPS(...) ((struct ops){sizeof((struct ofx_op[]){__VA_ARGS__}) / sizeof(struct ofx_op), {__VA_ARGS__}})
#define NO_OPS ((struct ops){0})

#define OPS_AT 8			   /* a flow's far match words, */
#define OPS_STRIDE (OPS_AT + OFX_FLOW_OPS) /* then its ops behind the inline ones, in op_pool */

/* Flow `slot` (its id too) with instructions of this number, ops behind the inline ones in its part of op_pool. */
static inline void flow(uint32_t slot, uint8_t table, uint8_t next, uint32_t flags, struct ops apply, struct ops write)
{
	struct ofx_flow f = {.gen = 7, .table = table, .inst = slot, .first = slot * OPS_STRIDE};
	struct ofx_inst inst = {.next_table = next, .flags = flags, .n_apply = apply.n, .n_write = write.n};

	inst.first = f.first + OPS_AT;
	for (uint32_t i = 0; i < apply.n + write.n; i++) {
		struct ofx_op o = i < apply.n ? apply.op[i] : write.op[i - apply.n];
		uint32_t at = inst.first + i - OFX_INLINE_OPS;

		if (i < OFX_INLINE_OPS)
			inst.ops[i] = o;
		else
			assert_int_equal(bpf_map_update_elem(op_chunk, &at, &o, BPF_ANY), 0);
	}
	assert_int_equal(bpf_map_update_elem(inst_chunk, &slot, &inst, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(flow_chunk, &slot, &f, BPF_ANY), 0);
}

static inline void subtable(uint32_t id, uint8_t n_words, const uint8_t *word, const uint64_t *mask)
{
	struct ofx_subtable t = {.n_words = n_words};

	if (n_words) {
		for (int i = 0; i < n_words; i++)
			t.at[i] = 8 * word[i];
		memcpy(t.mask, mask, n_words * 8);
	}
	put(skel->maps.subtables, &id, &t);
}

/* A word whose tag is there already is replaced. */
static inline void rule_word(uint64_t hash, struct ofx_rule_ref ref)
{
	const struct ofx_rule_geometry g = {.lines = OFXDP_LINES};
	const uint64_t tag = ofx_rule_tag(hash);
	uint32_t at = ofx_rule_line_of(hash, g), zero = 0, i = OFX_LINE_FIRST;
	struct ofx_rule_line *line = &line_chunk->line[at];

	put(skel->maps.rule_geometry, &zero, &g.word);
	ref.check = OFX_CHECK_ANY;
	while (i < OFX_LINE_FIRST + OFX_LINE_RULES && line->word[i] && (line->tags >> 8 * i & 0xff) != tag)
		i++;
	assert_true(i < OFX_LINE_FIRST + OFX_LINE_RULES);
	line->word[i] = ref.word;
	line->checks = OFX_CHECK_ANY * OFX_BYTES;
	line->tags = (line->tags & ~(0xffULL << 8 * i)) | tag << 8 * i;
}

/* Tuple `id` leads to flow `slot` for packets with these words under its mask; the flow says the same. */
static inline void rule(uint32_t id, const uint64_t *w, uint32_t slot, uint16_t priority)
{
	struct ofx_key key = {0};
	struct ofx_subtable t;
	struct ofx_flow f;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skel->maps.subtables), &id, &t), 0);
	assert_int_equal(bpf_map_lookup_elem(flow_chunk, &slot, &f), 0);
	f.mask = f.tuple = id;
	for (uint32_t i = 0; i < t.n_words; i++) {
		struct ofx_op words;
		uint32_t at = ofx_flow_far_word(&f, i);

		key.w[t.at[i] / 8] = w[i];
		if (i < OFX_FLOW_WORDS) {
			f.match[i] = w[i];
			continue;
		}
		assert_int_equal(bpf_map_lookup_elem(op_chunk, &at, &words), 0);
		((uint64_t *)&words)[(i - OFX_FLOW_WORDS) % OFX_OP_WORDS] = w[i];
		assert_int_equal(bpf_map_update_elem(op_chunk, &at, &words, BPF_ANY), 0);
	}
	assert_int_equal(bpf_map_update_elem(flow_chunk, &slot, &f, BPF_ANY), 0);
	rule_word(ofx_rule_hash(key.w, &t, id, skel->rodata->ofx_rule_secret),
		  (struct ofx_rule_ref){.slot = slot, .priority = priority});
}

static inline void list(uint32_t table, uint32_t n, const struct ofx_list_entry *entries)
{
	static struct ofx_list l;
	uint32_t slot = table + 1;
	uint64_t root = slot;

	memset(&l, 0, sizeof(l));
	l.n = n;
	if (n)
		memcpy(l.entries, entries, n * sizeof(*entries));
	put(skel->maps.lists, &slot, &l);
	put(skel->maps.table_roots, &table, &root);
}

/* The table's only rule: match anything, go to flow `slot`. */
static inline void match_all(uint32_t table, uint32_t slot)
{
	struct ofx_list_entry e = {.subtable = 100 + table, .max_priority = 1};

	subtable(e.subtable, 0, NULL, NULL);
	rule(e.subtable, NULL, slot, 1);
	list(table, 1, &e);
}

/* Table 0: these apply-actions for every packet. */
static inline void apply(struct ops ops)
{
	flow(1, 0, OFX_NO_TABLE, 0, ops, NO_OPS);
	match_all(0, 1);
}

static inline uint64_t drop_count(enum ofx_drop reason)
{
	uint64_t cells[n_cpus], sum = 0;
	uint32_t key = reason;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skel->maps.drops), &key, cells), 0);
	for (int i = 0; i < n_cpus; i++)
		sum += cells[i];
	return sum;
}

static inline struct port_totals port_count(uint32_t index)
{
	struct port_totals sum = {0};

	for (uint32_t i = 0; i < cpus.n; i++)
		cell_port_add(&cpus.cpu[i].state->port[index], &sum);
	return sum;
}

/* What a CPU's log has of a flow. */
static inline void add_logged(const struct cpu *cpu, uint32_t id, struct ofx_counter *sum)
{
	const struct ofx_flow_log *log = &cpu->state->log;

	for (uint64_t i = 0; i < log->n; i++) {
		if ((uint32_t)log->word[i] != id)
			continue;
		sum->packets += 1;
		sum->bytes += log->word[i] >> 32;
	}
}

static inline struct ofx_counter flow_count(uint32_t id)
{
	struct ofx_counter sum = {0}, c;

	for (uint32_t i = 0; i < cpus.n; i++) {
		c = cell_read(&cpus.cpu[i].cells[id]);
		sum.packets += c.packets;
		sum.bytes += c.bytes;
		add_logged(&cpus.cpu[i], id, &sum);
	}
	return sum;
}

static inline void port_flags(uint32_t index, uint32_t flags)
{
	char name[16];
	struct ofx_port p = {.flags = OFX_PORT_EXISTS | flags, .max_frame = 1500 + 18};

	snprintf(name, sizeof(name), "p%u", index);
	p.ifindex = if_nametoindex(name);
	put(skel->maps.ports, &index, &p);
}

/* --- namespace --- */

static inline void sh(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command)) {
		fprintf(stderr, "failed: %s\n", command);
		abort();
	}
}

static inline void veth(const char *a, const char *b, int mtu)
{
	sh("ip link add %s mtu %d numtxqueues %d numrxqueues %d type veth peer name %s mtu %d numtxqueues %d "
	   "numrxqueues %d",
	   a, mtu, n_cpus, n_cpus, b, mtu, n_cpus, n_cpus);
	for (int i = 0; i < 2; i++) {
		const char *name = i ? b : a;

		sh("echo 1 >/proc/sys/net/ipv6/conf/%s/disable_ipv6; ip link set %s arp off up", name, name);
	}
}

static inline void attach(const char *name, int prog)
{
	assert_int_equal(bpf_xdp_attach(if_nametoindex(name), prog, 1U << 2 /* XDP_FLAGS_DRV_MODE */, NULL), 0);
}

static inline int packet_socket(const char *name)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), one = 1;
	int room = 4 << 20; /* a redirected frame counts as a whole page */

	to.sll_ifindex = if_nametoindex(name);
	assert_true(fd >= 0 && !bind(fd, (void *)&to, sizeof(to)));
	assert_int_equal(setsockopt(fd, SOL_PACKET, 23 /* PACKET_IGNORE_OUTGOING */, &one, sizeof(one)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)), 0);
	return fd;
}

static inline int pass_program(void)
{
	struct bpf_insn insns[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS},
				   {.code = BPF_JMP | BPF_EXIT}};

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", insns, 2, NULL);
}

/* A set with these interfaces, by their indexes, at map[at]. */
static inline void set_of(const struct bpf_map *map, uint32_t at, size_t n, const char *const *names)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_DEVMAP_HASH, "set", 4, 4, n ? n : 1, NULL);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t ifindex = if_nametoindex(names[i]);

		assert_int_equal(bpf_map_update_elem(fd, &i, &ifindex, 0), 0);
	}
	put(map, &at, &fd);
	close(fd);
}

/* What a frame from port `in` floods to, without and with the loop. */
static inline void flood_sets(uint32_t in)
{
	static const char *const all[] = {"", "p1", "p2", "p3"};
	const char *names[N_PORTS + 1];
	size_t n = 0;

	for (uint32_t i = 1; i <= N_PORTS; i++)
		if (i != in)
			names[n++] = all[i];
	set_of(skel->maps.flood_sets, in, n, names);
	names[n++] = "l0";
	set_of(skel->maps.flood_more_sets, in, n, names);
}

static inline void add_port(uint32_t i, int pass)
{
	char p[16], h[16];

	snprintf(p, sizeof(p), "p%u", i);
	snprintf(h, sizeof(h), "h%u", i);
	veth(p, h, 1500);
	attach(p, bpf_program__fd(skel->progs.ofx_port));
	attach(h, pass);
	host[i] = packet_socket(h);
	port_flags(i, 0);
	put_u32(skel->maps.port_of_ifindex, if_nametoindex(p), i);
	put_u32(skel->maps.tx_ports, i, if_nametoindex(p));
	put_u32(skel->maps.port_devices, i, if_nametoindex(p));
	set_of(skel->maps.pair_sets, i, 2, (const char *const[]){p, "l0"});
}

static inline void attach_egress(const char *name)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(name), .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(skel->progs.ofx_egress));

	assert_int_equal(bpf_tc_hook_create(&hook), 0);
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
}

/* An internal interface: what is sent there is received at its other end. */
static inline void add_end(uint32_t dev)
{
	static const char *const names[] = {"c0", "c1", "l0", "l1", "q0", "q1"};

	attach(names[dev], bpf_program__fd(skel->progs.ofx_port));
	put_u32(skel->maps.internal, dev, if_nametoindex(names[dev]));
	put_u32(skel->maps.port_of_ifindex, if_nametoindex(names[dev ^ 1]), OFX_PORTS + dev);
}

static inline void add_internal(void)
{
	veth("c0", "c1", 3000);
	veth("l0", "l1", 3000);
	veth("q0", "q1", 3000);
	attach_egress("q1");
	for (uint32_t dev = 0; dev < OFX_DEV_N; dev++)
		add_end(dev);
	put_u32(skel->maps.internal_max, 0, 3000 + 18);
	put_u32(skel->maps.fork_set, OFX_DEV_CONTINUE, if_nametoindex("l0"));
	put_u32(skel->maps.fork_set, OFX_DEV_BRANCH, if_nametoindex("l1"));
	ctl = packet_socket("c1");
}

static inline int open_skel(void)
{
	struct stat ns;

	assert_int_equal(stat("/proc/self/ns/net", &ns), 0);
	skel = ofxdp_bpf__open();
	assert_non_null(skel);
	skel->rodata->ofx_magic = MAGIC;
	for (int i = 0; i < OFX_CACHE_WORDS; i++)
		skel->rodata->ofx_cache_secret[i] = 0xc2b2ae3d27d4eb4fULL * (2 * i + 1);
	skel->rodata->ofx_netns = ns.st_ino;
	for (int i = 0; i < OFX_RULE_SECRETS; i++)
		skel->rodata->ofx_rule_secret[i] = 0x9fb21c651e98df25ULL * (2 * i + 1);
	bpf_map__set_max_entries(skel->maps.rule_lines, 1);
	assert_int_equal(cpus_plan(&cpus, online, OFXDP_FLOWS), 0);
	cpus_limit_cache(&cpus, cpus.n_first * OFXDP_CACHED * sizeof(struct ofx_cached) * 3 / 2);
	assert_int_equal(cpus.entries, OFXDP_CACHED);
	if (cacheless)
		cpus_no_cache(&cpus);
	assert_int_equal(cpus_make(&cpus, skel), 0);
	assert_int_equal(ofxdp_bpf__load(skel), 0);
	cpus_publish(&cpus, skel);
	assert_int_equal(cpus_join(&cpus), 0);
	line_chunk = mapping_of(skel->maps.rule_lines);
	flow_chunk = chunk_of(skel->maps.flows, sizeof(struct ofx_flow), OFX_FLOW_CHUNK);
	inst_chunk = chunk_of(skel->maps.insts, sizeof(struct ofx_inst), OFX_INST_CHUNK);
	op_chunk = chunk_of(skel->maps.op_pool, sizeof(struct ofx_op), OFX_OP_CHUNK);
	trace_open(&trace, skel->obj, ns.st_ino);
	return 0;
}

static inline int setup(void **state)
{
	struct ofx_flood flood = {.n = N_PORTS, .index = {1, 2, 3}};
	uint32_t zero = 0;
	int pass = pass_program();

	n_cpus = libbpf_num_possible_cpus();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	open_skel();
	add_internal();
	for (uint32_t i = 1; i <= N_PORTS; i++)
		add_port(i, pass);
	for (uint32_t i = 1; i <= N_PORTS; i++)
		flood_sets(i);
	flood_sets(OFX_INDEX_NONE);
	put(skel->maps.flood_members, &zero, &flood);
	close(pass);
	return 0;
}

static inline int teardown(void **state)
{
	trace_close(&trace);
	cpus_close(&cpus);
	ofxdp_bpf__destroy(skel);
	return 0;
}

/* --- what a test says --- */

/* The next frame at host `h` is this one. */
static inline void expect(int h, struct frame want)
{
	struct frame got;

	if (!receive_frame(host[h], &got, 1000))
		fail_msg("h%d received nothing", h);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.b, want.b, want.len);
}

/* … and nobody has got anything else. */
static inline void expect_no_more(void)
{
	struct frame got;

	for (int h = 1; h <= N_PORTS; h++)
		if (receive_frame(host[h], &got, h == 1 ? 20 : 0))
			fail_msg("h%d received a frame of %zu bytes too many", h, got.len);
}

/* `n` more drops for this reason than `before`; a copy may still be on its way. */
static inline void expect_drops(enum ofx_drop reason, uint64_t before, uint64_t n)
{
	for (int i = 0; i < 200 && drop_count(reason) - before < n; i++)
		usleep(1000);
	assert_int_equal(drop_count(reason) - before, n);
}

static struct frame plain; /* what h1 sends */

/* Cells of flow 1 and of all ports, on every CPU, so that their n-th `plain` makes them carry. */
static inline void fill_cells(uint64_t n)
{
	const struct ofx_cell full = {.high = 7ULL << 32 | 0xffff0000,
				      .low = (OFX_CELL_CARRY - n * OFX_CELL_PACKET) | OFX_CELL_TURN |
					     (OFX_CELL_TURN - 1 - n * plain.len)};

	for (uint32_t i = 0; i < cpus.n; i++) {
		cpus.cpu[i].cells[1] = full;
		for (uint32_t port = 1; port <= N_PORTS; port++)
			cpus.cpu[i].state->port[port] = (struct ofx_port_cells){.rx = full, .tx = full};
	}
}

static inline int fresh(void **state)
{
	struct frame left;
	uint64_t zero64 = 0;
	uint32_t zero = 0;

	for (int h = 1; h <= N_PORTS; h++)
		while (receive_frame(host[h], &left, 0))
			;
	plain = udp_frame(64, 60);
	put(skel->maps.config, &zero, &zero64);
	for (uint32_t table = 0; table < 8; table++)
		list(table, 0, NULL);
	for (uint32_t i = 1; i <= N_PORTS; i++)
		port_flags(i, 0);
	return 0;
}

#endif
