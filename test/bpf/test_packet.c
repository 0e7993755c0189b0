/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The packet functions of bpf/ (parse, commit_sets, VLAN, MPLS, PBB, TTL) on single frames, byte for byte.  Each line
 * that packet_rows*.py print is one case: it says what is in a line.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>
#include "build/packet.skel.h"
#include "test/bpf/packet.h"
#include "user/datapath/mapped.h"

#define ROWS "for f in packet_rows packet_rows_pbb; do /usr/bin/python3 -B test/bpf/$f.py || exit; done"
#define MAX_ROWS 2000
#define MAX_FRAME 2048
#define IN_PORT 7
#define METADATA 0x1122334455667788

struct row {
	char *line, *name, *steps, *results, *in, *out, *key;
	bool structure; /* a step changes what the frame is parsed as: offsets are not compared */
};

static const struct {
	const char *name;
	unsigned int offset, bytes;
} fields[] = {
#define FIELD(ID, NAME, OXM, OFFSET, BYTES, BITS, FLAGS, PREREQ) {#NAME, OFFSET, BYTES},
	OFX_FIELDS(FIELD)
#undef FIELD
};

static struct packet_bpf *skel;
static struct mapped state_map;

static size_t unhex(const char *hex, uint8_t *to, size_t max)
{
	size_t n = 0;

	for (; hex[0] && hex[1] && strchr("0123456789abcdef", hex[0]); hex += 2) {
		char pair[3] = {hex[0], hex[1], 0};

		assert_true(n < max);
		to[n++] = strtoul(pair, NULL, 16);
	}
	return n;
}

static const char *hex_of(const uint8_t *data, size_t len, char *text)
{
	for (size_t i = 0; i < len; i++)
		sprintf(text + 2 * i, "%02x", data[i]);
	return text;
}

static void fail_row(const struct row *row, const char *what, const uint8_t *got, size_t len)
{
	char text[2 * MAX_FRAME + 1] = "";

	printf("# %s\n#  steps    %s\n#  in       %s\n#  expected %s\n#  key      %s\n#  got      %s\n", what,
	       row->steps, row->in, row->out, row->key, hex_of(got, len, text));
	fail_msg("%s: %s", row->name, what);
}

static unsigned int field_index(const char *name, size_t len)
{
	for (unsigned int i = 0; i < OFX_N_FIELDS; i++)
		if (strlen(fields[i].name) == len && !memcmp(fields[i].name, name, len))
			return i;
	fail_msg("no field %.*s", (int)len, name);
	return 0;
}

/* FIELD:VALUE[/MASK] */
static void add_set(struct step *step, const char *text)
{
	const char *colon = strchr(text, ':'), *slash = strchr(text, '/');
	unsigned int f = field_index(text, colon - text), offset = fields[f].offset;
	uint8_t *value = (uint8_t *)step->value + offset, *mask = (uint8_t *)step->mask + offset;

	assert_int_equal(unhex(colon + 1, value, 16), fields[f].bytes);
	memset(mask, 0xff, fields[f].bytes);
	if (f == OFX_F_VLAN_VID)
		mask[0] = 0x1f;
	if (f == OFX_F_VLAN_PCP)
		mask[0] = 7;
	if (f == OFX_F_IP_DSCP)
		mask[0] = 0x3f;
	if (f == OFX_F_IP_ECN)
		mask[0] = 3;
	if (f == OFX_F_IPV6_FLABEL)
		memcpy(mask, "\0\x0f\xff\xff", 4);
	if (f == OFX_F_MPLS_LABEL)
		memcpy(mask, "\0\x0f\xff\xff", 4);
	if (f == OFX_F_MPLS_TC)
		mask[0] = 7;
	if (f == OFX_F_MPLS_BOS || f == OFX_F_PBB_UCA)
		mask[0] = 1;
	if (slash)
		unhex(slash + 1, mask, 16);
	for (unsigned int w = offset / 8; w <= (offset + fields[f].bytes - 1) / 8; w++)
		step->dirty |= 1U << w;
}

/* Steps with an argument, NAME=ARG, and without. */
static const struct {
	const char *name;
	enum step_code code;
	int base;
} steps_by_name[] = {
	{"push=", STEP_PUSH, 16},     {"ttl=", STEP_TTL, 10},	     {"mpush=", STEP_MPLS_PUSH, 16},
	{"mpop=", STEP_MPLS_POP, 16}, {"mttl=", STEP_MPLS_TTL, 10},  {"pop", STEP_POP, 0},
	{"dec", STEP_DEC, 0},	      {"mdec", STEP_MPLS_DEC, 0},    {"copyout", STEP_COPY_OUT, 0},
	{"copyin", STEP_COPY_IN, 0},  {"pbbpush", STEP_PBB_PUSH, 0}, {"pbbpop", STEP_PBB_POP, 0},
};

static void add_step(struct row *row, struct step *step, char *text)
{
	char *rest = NULL;

	if (!strncmp(text, "set=", 4)) {
		step->code = STEP_SET;
		row->structure |= strstr(text, "eth_type") || strstr(text, "ip_proto") || strstr(text, "icmpv6_type");
		for (char *t = strtok_r(text + 4, ",", &rest); t; t = strtok_r(NULL, ",", &rest))
			add_set(step, t);
		return;
	}
	for (size_t i = 0; i < sizeof(steps_by_name) / sizeof(steps_by_name[0]); i++) {
		size_t len = strlen(steps_by_name[i].name);
		int base = steps_by_name[i].base;

		if (base ? strncmp(text, steps_by_name[i].name, len) : strcmp(text, steps_by_name[i].name))
			continue;
		step->code = steps_by_name[i].code;
		step->arg = base ? strtoul(text + len, NULL, base) : 0;
	}
	assert_int_not_equal(step->code, STEP_NONE);
}

static void make_job(struct row *row, struct job *job)
{
	char steps[1024], *rest = NULL;
	int i = 0;

	*job = (struct job){.in_port = IN_PORT};
	if (!strcmp(row->steps, "-"))
		return;
	assert_true(strlen(row->steps) < sizeof(steps));
	strcpy(steps, row->steps);
	for (char *t = strtok_r(steps, ";", &rest); t; t = strtok_r(NULL, ";", &rest)) {
		assert_true(i < STEPS);
		add_step(row, &job->steps[i++], t);
	}
}

static void check_results(const struct row *row, const struct job *job)
{
	const char *at = row->results;

	for (int i = 0; i < STEPS && job->steps[i].code; i++) {
		char *end;

		assert_int_equal(job->steps[i].result, strtol(at, &end, 10));
		at = *end ? end + 1 : end;
	}
}

static void check_key(const struct row *row, const struct job *job)
{
	struct ofx_key key = {0};
	char text[512], *rest = NULL;
	uint8_t no = 0;

	if (!strcmp(row->key, "-"))
		return;
	assert_true(strlen(row->key) < sizeof(text));
	strcpy(text, row->key);
	for (char *t = strtok_r(text, ",", &rest); t; t = strtok_r(NULL, ",", &rest)) {
		char *value = strchr(t, '=') + 1;

		if (!strncmp(t, "shape=", 6)) {
			key.shape = strtoul(value, NULL, 16);
			continue;
		}
		if (!strncmp(t, "no=", 3)) {
			no = strtoul(value, NULL, 16);
			continue;
		}
		unsigned int f = field_index(t, value - 1 - t);

		assert_int_equal(unhex(value, key.b + fields[f].offset, 16), fields[f].bytes);
	}
	key.vlan_pcp |= no;
	key.metadata = METADATA;
	key.tunnel_id = METADATA + 1;
	key.in_port = key.in_phy_port = htonl(IN_PORT);
	if (memcmp(&key, &job->key, sizeof(key))) {
		char want[2 * sizeof(key) + 1];

		printf("# key expected %s\n", hex_of(key.b, sizeof(key), want));
		fail_row(row, "key differs", job->key.b, sizeof(key));
	}
}

/* What every packet finds in its state: the last one's. */
static void dirty_state(void)
{
	struct ofx_state *the_state = state_map.at;

	memset(the_state, 0xa5, offsetof(struct ofx_state, log));
	the_state->metadata = METADATA;
	the_state->tunnel_id = METADATA + 1;
}

static void test_row(void **arg)
{
	struct row *row = *arg;
	uint8_t in[MAX_FRAME], want[MAX_FRAME], out[MAX_FRAME];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_out = out, .data_size_out = sizeof(out));
	size_t len = unhex(row->out, want, sizeof(want));
	struct job job;
	__u32 zero = 0;
	int map = bpf_map__fd(skel->maps.job);

	opts.data_size_in = unhex(row->in, in, sizeof(in));
	make_job(row, &job);
	dirty_state();
	assert_int_equal(bpf_map_update_elem(map, &zero, &job, BPF_ANY), 0);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.run_job), &opts), 0);
	assert_int_equal(opts.retval, 2 /* XDP_PASS */);
	assert_int_equal(bpf_map_lookup_elem(map, &zero, &job), 0);
	assert_int_equal(job.parsed, 0);
	check_results(row, &job);
	check_key(row, &job);
	if (opts.data_size_out != len || memcmp(out, want, len))
		fail_row(row, "frame differs", out, opts.data_size_out);
	/* Without l3, a pop may uncover headers that parse did not see before. */
	if (!row->structure && (job.off.l3 || job.off.mpls || job.off.pbb) &&
	    memcmp(&job.off, &job.off_again, sizeof(job.off)))
		fail_row(row, "offsets differ from those parsed again", (uint8_t *)&job.off, 2 * sizeof(job.off));
}

static bool split_row(struct row *row, char *line)
{
	char **part[] = {&row->name, &row->steps, &row->results, &row->in, &row->out, &row->key};

	line[strcspn(line, "\n")] = 0;
	row->line = line;
	for (size_t i = 0; i < 6; i++)
		if (!(*part[i] = strsep(&line, "\t")))
			return false;
	return true;
}

static size_t read_rows(struct row *rows, struct CMUnitTest *tests)
{
	FILE *f = popen(ROWS, "r");
	char *line = NULL;
	size_t n = 0, size = 0;

	while (f && n < MAX_ROWS && getline(&line, &size, f) > 0) {
		if (!split_row(&rows[n], line))
			break;
		tests[n] = (struct CMUnitTest){rows[n].name, test_row, NULL, NULL, &rows[n]};
		n++;
		line = NULL;
	}
	free(line);
	if (!f || pclose(f)) {
		fprintf(stderr, "%s failed\n", ROWS);
		return 0;
	}
	return n;
}

/* ./test_packet speed: what a parse costs. */
static void speed(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t in[MAX_FRAME];
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .repeat = 1000000);

		if (strncmp(rows[i].name, "parse", 5))
			continue;
		opts.data_size_in = unhex(rows[i].in, in, sizeof(in));
		bpf_prog_test_run_opts(bpf_program__fd(skel->progs.only_parse), &opts);
		printf("%4u ns  %s\n", opts.duration, rows[i].name);
	}
}

int main(int argc, char **argv)
{
	static struct row rows[MAX_ROWS];
	static struct CMUnitTest tests[MAX_ROWS];
	size_t n = read_rows(rows, tests);
	int failed = 1;
	bool ready;

	skel = packet_bpf__open_and_load();
	ready = skel && n && !mapped_open(&state_map, skel->maps.state, true);
	if (ready && argc > 1 && !strcmp(argv[1], "speed"))
		speed(rows, n);
	else if (ready)
		failed = _cmocka_run_group_tests("packet", tests, n, NULL, NULL);
	mapped_close(&state_map);
	packet_bpf__destroy(skel);
	for (size_t i = 0; i < n; i++)
		free(rows[i].line);
	return failed;
}
