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

static void packed_matches_relate_as_whole_ones(void **state)
{
	unsigned int covered = 0, overlapping = 0, equal = 0;

	srand(1);
	for (int i = 0; i < 200000; i++) {
		union sw_match_space sa, sb;
		const struct sw_match *pa, *pb;
		struct of_match a, b, back;

		random_match(&a);
		random_match(&b);
		pa = sw_match_pack(&sa, &a);
		pb = sw_match_pack(&sb, &b);
		sw_match_unpack(pa, &back);
		assert_memory_equal(&back, &a, sizeof(a));
		assert_int_equal(sw_match_equal(pa, pb), of_match_equal(&a, &b));
		assert_int_equal(sw_match_covers(pa, pb), of_match_covers(&a, &b));
		assert_int_equal(sw_match_overlaps(pa, pb), of_match_overlaps(&a, &b));
		if (sw_match_equal(pa, pb))
			assert_int_equal(sw_match_hash(pa, 7), sw_match_hash(pb, 7));
		equal += sw_match_equal(pa, pb);
		covered += sw_match_covers(pa, pb);
		overlapping += sw_match_overlaps(pa, pb);
	}
	assert_true(equal > 10 && covered > 1000 && overlapping > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(large_table, rig_setup, rig_teardown),
		cmocka_unit_test(packed_matches_relate_as_whole_ones),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("flow_table", tests, NULL, NULL);
}
