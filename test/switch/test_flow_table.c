/* SPDX-License-Identifier: GPL-2.0-only */
/* Packed matches against the codec's, and a large table: strict flow-mods do not walk it, a dump is quick. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "test/switch/rig.h"
#include "user/switch/match.h"

#define FLOWS 100000u

static unsigned int ms_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - start->tv_sec) * 1000 + (now.tv_nsec - start->tv_nsec) / 1000000;
}

static struct of_flow_mod host(uint8_t command, uint32_t i)
{
	struct of_flow_mod fm = flow_mod(command);

	match_ipv4_dst(&fm.match, i, UINT32_MAX);
	fm.cookie = i;
	return fm;
}

static void large_table(void **state)
{
	const struct of_instructions out = APPLY(OUTPUT(1));
	struct of_flow_stats_request all = flow_request();
	struct rig *rig = *state;
	struct timespec start;
	unsigned int add_ms, delete_ms, dump_ms;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (uint32_t i = 0; i < FLOWS; i++) {
		struct of_flow_mod fm = host(OFPFC_ADD, i);

		fm.inst = out;
		rig_flow_mod(rig, 0, &fm);
	}
	add_ms = ms_since(&start);
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(rig_flow_stats(rig, &all, NULL), FLOWS);
	dump_ms = ms_since(&start);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (uint32_t i = 0; i < FLOWS; i += 2) {
		struct of_flow_mod fm = host(OFPFC_DELETE_STRICT, i);

		rig_flow_mod(rig, 0, &fm);
	}
	delete_ms = ms_since(&start);
	EXPECT_OK();
	all.cookie_mask = 1; /* the odd ones are there, no even one */
	assert_int_equal(rig_flow_stats(rig, &all, NULL), 0);
	all.cookie = 1;
	assert_int_equal(rig_flow_stats(rig, &all, NULL), FLOWS / 2);
	printf("# %u flows: add %u ms, dump %u ms, delete strict of half %u ms\n", FLOWS, add_ms, dump_ms, delete_ms);
	assert_in_range(delete_ms, 0, 20000); /* walking would take 10^9 steps and more */
}

/* Three shapes in two tables. */
static struct of_flow_mod some_flow(uint8_t command, uint32_t i)
{
	struct of_flow_mod fm = flow_mod(command);

	match_ipv4_dst(&fm.match, i << 8, i % 3 ? 0xffffff00 : UINT32_MAX);
	fm.table = i % 3 == 2;
	fm.cookie = i;
	return fm;
}

static void send_some(struct rig *rig, uint8_t command, uint32_t first, uint32_t n, uint32_t step)
{
	for (uint32_t i = first; i < first + n; i += step) {
		struct of_flow_mod fm = some_flow(command, i);

		rig_flow_mod(rig, 1, &fm);
	}
}

/* Count in `met` what the reply's next messages list; true: its last was there. */
static bool read_piece(struct rig *rig, uint8_t *met, uint32_t size)
{
	struct reply r;

	while (rig_next(rig, 0, &r)) {
		assert_int_equal(r.type, OFPT_MULTIPART_REPLY);
		for (size_t at = 8; at < r.len; at += rd16(r.body + at)) {
			uint64_t cookie = rd64(r.body + at + 24);

			assert_true(cookie < size);
			met[cookie]++;
		}
		if (!(rd16(r.body + 2) & OFPMPF_REPLY_MORE))
			return true;
	}
	return false;
}

/* Between its pieces tables grow, entries and whole shapes go: the others are in it, once. */
static void dump_while_tables_change(void **state)
{
	enum { N = 6000, ROUND = 100, MAX = 40000 };
	struct rig *rig = *state;
	struct of_flow_stats_request all = flow_request();
	struct buf request = flow_request_encode(&all);
	uint8_t *met = calloc(MAX, 1);
	uint32_t next = N;
	unsigned int pieces = 1;

	send_some(rig, OFPFC_ADD, 0, N, 1);
	rig->hold = true;
	rig_multipart(rig, 0, OFPMP_FLOW, 0, request.data, request.len);
	for (; !read_piece(rig, met, MAX); pieces++) {
		assert_true(sw_busy(&rig->conn[0].c));
		send_some(rig, OFPFC_ADD, next, ROUND, 1);
		send_some(rig, OFPFC_DELETE_STRICT, pieces * 7, ROUND, 7 * 3);
		next += ROUND;
		assert_true(next < MAX);
		sw_continue(rig->sw, &rig->conn[0].c);
	}
	assert_false(sw_busy(&rig->conn[0].c));
	assert_true(pieces > 5);
	for (uint32_t i = 0; i < N; i++)
		assert_true(i % 7 ? met[i] == 1 : met[i] <= 1);
	for (uint32_t i = N; i < MAX; i++)
		assert_true(met[i] <= 1);
	free(met);
	buf_free(&request);
}

/* A delete of many goes step by step; others' messages in between are no hindrance. */
static unsigned int finish_delete(struct rig *rig, unsigned int conn)
{
	unsigned int steps = 1;

	for (; sw_busy(&rig->conn[conn].c); steps++) {
		sw_continue(rig->sw, &rig->conn[conn].c);
		send_some(rig, OFPFC_ADD, 100000 + steps, 1, 1);
		send_some(rig, OFPFC_DELETE_STRICT, steps, 1, 1);
		if (steps % 3 == 0)
			fake_dp_grace(rig->dp);
	}
	return steps;
}

static void delete_in_steps(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = flow_mod(OFPFC_DELETE);

	send_some(rig, OFPFC_ADD, 0, 6000, 1);
	fm.table = OFPTT_ALL;
	rig->hold = true;
	rig_flow_mod(rig, 0, &fm);
	assert_true(sw_busy(&rig->conn[0].c));
	assert_in_range(finish_delete(rig, 0), 4, 40);
	rig->hold = false;
	assert_in_range(rig_count(rig), 0, 40); /* what came meanwhile, behind the walk */
	fm.table = 0;
	rig_flow_mod(rig, 0, &fm);
	fm.table = 1;
	rig_flow_mod(rig, 0, &fm);
	assert_int_equal(rig_count(rig), 0);
	assert_int_equal(rig->dp->n_flows, 0);
}

/* Its reader goes; so does what it stood at. */
static void dump_is_left(void **state)
{
	struct rig *rig = *state;
	struct of_flow_stats_request all = flow_request();
	struct buf request = flow_request_encode(&all);
	struct of_flow_mod everything = flow_mod(OFPFC_DELETE);

	send_some(rig, OFPFC_ADD, 0, 3000, 1);
	rig->hold = true;
	rig_multipart(rig, 0, OFPMP_FLOW, 0, request.data, request.len);
	assert_true(sw_busy(&rig->conn[0].c));
	everything.table = OFPTT_ALL;
	rig_flow_mod(rig, 1, &everything);
	finish_delete(rig, 1);
	fake_dp_grace(rig->dp);
	sw_conn_remove(rig->sw, &rig->conn[0].c);
	assert_false(sw_busy(&rig->conn[0].c));
	rig->hold = false;
	buf_clear(&rig->conn[0].c.replies.buf);
	rig->conn[0].read = 0;
	assert_in_range(rig_count(rig), 0, 40);
	buf_free(&request);
}

/* Its sender goes: the delete is all or nothing, and nobody waits for it. */
static void delete_is_left(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod everything = flow_mod(OFPFC_DELETE);

	send_some(rig, OFPFC_ADD, 0, 6000, 1);
	everything.table = OFPTT_ALL;
	rig->hold = true;
	rig_flow_mod(rig, 1, &everything);
	assert_true(sw_busy(&rig->conn[1].c));
	sw_conn_remove(rig->sw, &rig->conn[1].c);
	assert_false(sw_busy(&rig->conn[1].c));
	rig->hold = false;
	assert_in_range(rig_count(rig), 1, 5999); /* it goes on by itself … */
	send_some(rig, OFPFC_ADD, 0, 6000, 1);
	rig_run_ms(rig, 500);
	assert_int_equal(rig_count(rig), 6000); /* … and leaves what came after it */
	rig_flow_mod(rig, 0, &everything);
	assert_int_equal(rig_count(rig), 0);
	fake_dp_grace(rig->dp);
	assert_int_equal(rig->dp->n_flows, 0);
}

/* A field given with a mask of all ones is the field without one. */
static void whole_masks_are_none(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = host(OFPFC_ADD, 7);

	rig_flow_mod(rig, 0, &fm);
	fm.match.masked |= 1ull << OFX_F_IPV4_DST;
	rig_flow_mod(rig, 0, &fm);
	assert_int_equal(rig_count(rig), 1);
	fm.command = OFPFC_DELETE_STRICT;
	rig_flow_mod(rig, 0, &fm);
	assert_int_equal(rig_count(rig), 0);
}

/* Few bits, so that chance makes all relations between matches. */
static void random_match(struct of_match *m)
{
	static const enum ofx_field fields[] = {OFX_F_METADATA, OFX_F_ETH_DST, OFX_F_ETH_SRC, OFX_F_TUNNEL_ID};

	*m = (struct of_match){0};
	for (int i = 0; i < 4; i++) {
		const struct of_field_info *f = &of_fields[fields[i]];
		uint8_t value = rand() & 3, mask = rand() & 3;

		if (!mask) /* the codec keeps no field with an empty mask in these relations */
			continue;
		m->fields |= 1ull << fields[i];
		m->masked |= 1ull << fields[i];
		m->value.b[f->offset + f->bytes - 1] = value & mask;
		m->mask.b[f->offset + f->bytes - 1] = mask;
	}
}

static bool match_equal(const struct sw_match *a, const struct sw_match *b)
{
	return sw_shape_equal(&a->shape, &b->shape) && !memcmp(a->value, b->value, a->shape.n * sizeof(a->value[0]));
}

static void packed_matches_relate_as_whole_ones(void **state)
{
	unsigned int covered = 0, overlapping = 0, equal = 0;

	srand(1);
	for (int i = 0; i < 200000; i++) {
		struct sw_match pa, pb;
		struct of_match a, b, back;

		random_match(&a);
		random_match(&b);
		sw_match_pack(&pa, &a);
		sw_match_pack(&pb, &b);
		sw_match_unpack(&pa.shape, pa.value, &back);
		assert_memory_equal(&back, &a, sizeof(a));
		assert_int_equal(match_equal(&pa, &pb), of_match_equal(&a, &b));
		assert_int_equal(sw_match_covers(&pa, &pb.shape, pb.value), of_match_covers(&a, &b));
		assert_int_equal(sw_match_overlaps(&pa, &pb.shape, pb.value), of_match_overlaps(&a, &b));
		equal += match_equal(&pa, &pb);
		covered += sw_match_covers(&pa, &pb.shape, pb.value);
		overlapping += sw_match_overlaps(&pa, &pb.shape, pb.value);
	}
	assert_true(equal > 10 && covered > 1000 && overlapping > 1000);
}

/* CHECK_OVERLAP looks at one bucket of some shapes, at all of others; here at each entry. */
static void overlap_is_found(void **state)
{
	enum { ROUNDS = 300, ADDS = 20 };
	struct rig *rig = *state;
	unsigned int refused = 0, accepted = 0;

	srand(2);
	for (int round = 0; round < ROUNDS; round++) {
		struct of_flow_mod there[ADDS], clear = flow_mod(OFPFC_DELETE);
		int n = 0;

		for (int i = 0; i < ADDS; i++) {
			struct of_flow_mod fm = flow_mod(OFPFC_ADD);
			bool overlaps = false;

			random_match(&fm.match);
			fm.priority = 1 + rand() % 3;
			fm.flags = rand() % 4 ? OFPFF_CHECK_OVERLAP : 0;
			for (int k = 0; k < n; k++)
				overlaps |= there[k].priority == fm.priority &&
					    of_match_overlaps(&there[k].match, &fm.match);
			rig_flow_mod(rig, 0, &fm);
			if (fm.flags && overlaps) {
				EXPECT_ERROR(FLOW_MOD_FAILED, OFPFMFC_OVERLAP);
				refused++;
				continue;
			}
			EXPECT_OK();
			accepted += fm.flags != 0;
			there[n++] = fm;
		}
		rig_flow_mod(rig, 0, &clear);
	}
	assert_true(refused > 500 && accepted > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(large_table, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(dump_while_tables_change, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(delete_in_steps, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(delete_is_left, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(dump_is_left, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(whole_masks_are_none, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(overlap_is_found, rig_setup, rig_teardown),
		cmocka_unit_test(packed_matches_relate_as_whole_ones),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("flow_table", tests, NULL, NULL);
}
