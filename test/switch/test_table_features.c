/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Table features requests that change the tables (§7.3.5.5): what the switch says of itself is sent back, whole,
 * changed or damaged.
 */
#include <stdio.h>
#include "test/switch/rig.h"

#define PART 60000 /* bytes in one message */
#define NAME 8	   /* where they stand in a table's entry */
#define METADATA_MATCH 40
#define CONFIG 56
#define MAX_ENTRIES 60
#define PROPERTIES 64

static struct buf query(struct rig *rig)
{
	rig_multipart(rig, 0, OFPMP_TABLE_FEATURES, 0, NULL, 0);
	return rig_multipart_reply(rig, 0, OFPMP_TABLE_FEATURES);
}

static void request(struct rig *rig, const struct buf *b)
{
	for (size_t at = 0; at < b->len; at += PART) {
		size_t left = b->len - at;

		rig_multipart(rig, 0, OFPMP_TABLE_FEATURES, left > PART ? OFPMPF_REQ_MORE : 0, b->data + at,
			      left > PART ? PART : left);
		if (left > PART)
			EXPECT_OK();
	}
}

static size_t entry_of(const struct buf *b, unsigned int table)
{
	size_t at = 0;

	while (table--)
		at += rd16(b->data + at);
	return at;
}

/* A property's place in an entry; 0: it has none. */
static size_t property_of(const struct buf *b, size_t entry, uint16_t type)
{
	size_t end = entry + rd16(b->data + entry);

	for (size_t at = entry + PROPERTIES; at < end; at += (rd16(b->data + at + 2) + 7) / 8 * 8)
		if (rd16(b->data + at) == type)
			return at;
	return 0;
}

/* n bytes less (n < 0: more, zero) at the end of a property; its length stays, that of the entry follows. */
static void cut(struct buf *b, size_t entry, size_t at, size_t n)
{
	memmove(b->data + at, b->data + at + n, b->len - at - n);
	b->len -= n;
	buf_set_be16(b, entry, rd16(b->data + entry) - n);
}

static void as_it_is(void **state)
{
	struct rig *rig = *state;
	struct of_flow_mod fm = route(0x0a000000, 0xff000000);
	struct buf b = query(rig), again;

	rig_flow_mod(rig, 0, &fm);
	assert_true(b.len > 2 * PART);
	request(rig, &b);
	again = rig_multipart_reply(rig, 0, OFPMP_TABLE_FEATURES);
	assert_int_equal(again.len, b.len);
	assert_memory_equal(again.data, b.data, b.len);
	assert_int_equal(rig_count(rig), 1); /* no feature changed: no flow entry goes */
	buf_free(&again);
	buf_free(&b);
}

static void names_and_config(void **state)
{
	struct rig *rig = *state;
	struct buf b = query(rig), got;
	size_t third = entry_of(&b, 3);

	strcpy((char *)b.data + third + NAME, "routes");
	memset(b.data + entry_of(&b, 4) + NAME, 'x', 32); /* not terminated */
	b.data[third + CONFIG + 3] = 2;
	request(rig, &b);
	got = rig_multipart_reply(rig, 0, OFPMP_TABLE_FEATURES);
	assert_string_equal((char *)got.data + third + NAME, "routes");
	assert_int_equal(strlen((char *)got.data + entry_of(&b, 4) + NAME), 31);
	assert_int_equal(rd32(got.data + third + CONFIG), 2);
	buf_free(&b);
	b = query(rig);
	assert_int_equal(b.len, got.len);
	assert_memory_equal(b.data, got.data, b.len);
	buf_free(&b);
	buf_free(&got);
}

/* Less than a table can do is granted by what it can, and properties may be left out; entries are ours to say. */
static void less(void **state)
{
	struct rig *rig = *state;
	struct buf b = query(rig), all = query(rig), got;
	size_t second = entry_of(&b, 2), at = property_of(&b, second, OFPTFPT_APPLY_ACTIONS_MISS);

	cut(&b, second, at, (rd16(b.data + at + 2) + 7) / 8 * 8);
	at = property_of(&b, second, OFPTFPT_WILDCARDS);
	cut(&b, second, at, (rd16(b.data + at + 2) + 7) / 8 * 8);
	memset(b.data + entry_of(&b, 3) + MAX_ENTRIES, 0xff, 4);
	memset(b.data + entry_of(&b, 4) + MAX_ENTRIES, 0, 4);
	at = property_of(&b, second, OFPTFPT_MATCH);
	buf_set_be16(&b, at + 2, rd16(b.data + at + 2) - 8); /* two fields, and 8 bytes */
	cut(&b, second, at + rd16(b.data + at + 2), 8);
	memset(b.data + second + METADATA_MATCH, 0, 16);
	b.data[second + MAX_ENTRIES + 3] -= 1;
	request(rig, &b);
	got = rig_multipart_reply(rig, 0, OFPMP_TABLE_FEATURES);
	assert_int_equal(got.len, all.len);
	assert_memory_equal(got.data, all.data, all.len);
	buf_free(&b);
	buf_free(&all);
	buf_free(&got);
}

enum change {
	LENGTH_ZERO,
	ENTRY_SHORT,
	ENTRY_LONG,
	NO_SUCH_TABLE,
	TWICE,
	TABLE_0_LACKS,
	NEXT_TABLE_LACKS,
	CONFIG_BITS,
	UNKNOWN_PROPERTY,
	EXPERIMENTER_PROPERTY,
	PROPERTY_TWICE,
	PROPERTY_SHORT,
	PROPERTY_LONG,
	INSTRUCTION_CUT,
	INSTRUCTION_LEN,
	UNKNOWN_INSTRUCTION,
	EXPERIMENTER_INSTRUCTION,
	UNKNOWN_ACTION,
	UNKNOWN_FIELD,
	UNMASKABLE_FIELD,
	UNSETTABLE_FIELD,
	EARLIER_TABLE,
	N_CHANGES
};

static void change(struct buf *b, enum change what)
{
	size_t last = entry_of(b, 254), e = entry_of(b, 253), p = 0;

	switch (what) {
	case LENGTH_ZERO:
		buf_set_be16(b, e, 0);
		break;
	case ENTRY_SHORT:
		buf_set_be16(b, e, 63);
		break;
	case ENTRY_LONG:
		buf_set_be16(b, last, rd16(b->data + last) + 8);
		break;
	case NO_SUCH_TABLE:
		b->data[last + 2] = 255;
		break;
	case TWICE:
		b->data[last + 2] = 253;
		break;
	case TABLE_0_LACKS:
		p = entry_of(b, 1);
		memmove(b->data, b->data + p, b->len - p);
		b->len -= p;
		break;
	case NEXT_TABLE_LACKS: /* the other tables say they can lead to it */
		b->len = last;
		break;
	case CONFIG_BITS:
		b->data[e + CONFIG + 3] = 4;
		break;
	case UNKNOWN_PROPERTY:
		buf_set_be16(b, property_of(b, e, OFPTFPT_INSTRUCTIONS_MISS), 9);
		break;
	case EXPERIMENTER_PROPERTY:
		buf_set_be16(b, property_of(b, e, OFPTFPT_INSTRUCTIONS_MISS), OFPTFPT_EXPERIMENTER);
		break;
	case PROPERTY_TWICE:
		buf_set_be16(b, property_of(b, e, OFPTFPT_INSTRUCTIONS_MISS), OFPTFPT_INSTRUCTIONS);
		break;
	case PROPERTY_SHORT:
		buf_set_be16(b, property_of(b, e, OFPTFPT_INSTRUCTIONS) + 2, 3);
		break;
	case PROPERTY_LONG:
		buf_set_be16(b, property_of(b, e, OFPTFPT_APPLY_SETFIELD_MISS) + 2, 0x1000);
		break;
	case INSTRUCTION_CUT:
		p = property_of(b, e, OFPTFPT_INSTRUCTIONS);
		buf_set_be16(b, p + 2, rd16(b->data + p + 2) - 2);
		break;
	case INSTRUCTION_LEN:
		b->data[property_of(b, e, OFPTFPT_INSTRUCTIONS) + 7] = 8;
		break;
	case UNKNOWN_INSTRUCTION:
		b->data[property_of(b, e, OFPTFPT_INSTRUCTIONS) + 5] = 7;
		break;
	case EXPERIMENTER_INSTRUCTION:
		buf_set_be16(b, property_of(b, e, OFPTFPT_INSTRUCTIONS) + 4, 0xffff);
		break;
	case UNKNOWN_ACTION:
		b->data[property_of(b, e, OFPTFPT_APPLY_ACTIONS) + 5] = 28;
		break;
	case UNKNOWN_FIELD:
		b->data[property_of(b, e, OFPTFPT_MATCH) + 6] = 41 << 1;
		break;
	case UNMASKABLE_FIELD:
		b->data[property_of(b, e, OFPTFPT_MATCH) + 6] = OFPXMT_OFB_IN_PORT << 1 | 1;
		break;
	case UNSETTABLE_FIELD:
		b->data[property_of(b, e, OFPTFPT_WRITE_SETFIELD) + 6] = OFPXMT_OFB_IN_PORT << 1;
		break;
	case EARLIER_TABLE:
		b->data[property_of(b, e, OFPTFPT_NEXT_TABLES) + 4] = 253;
		break;
	case N_CHANGES:
		break;
	}
}

static void what_is_wrong(void **state)
{
	struct rig *rig = *state;
	static const struct {
		const char *name;
		int code;
	} rows[N_CHANGES] = {
		[LENGTH_ZERO] = {"length 0", OFPTFFC_BAD_LEN},
		[ENTRY_SHORT] = {"an entry of 63 bytes", OFPTFFC_BAD_LEN},
		[ENTRY_LONG] = {"an entry longer than the message", OFPTFFC_BAD_LEN},
		[NO_SUCH_TABLE] = {"table 255", OFPTFFC_BAD_TABLE},
		[TWICE] = {"a table twice", OFPTFFC_BAD_TABLE},
		[TABLE_0_LACKS] = {"without table 0", OFPTFFC_EPERM},
		[NEXT_TABLE_LACKS] = {"goto a table that is left out", OFPTFFC_BAD_ARGUMENT},
		[CONFIG_BITS] = {"config bits", OFPTFFC_BAD_ARGUMENT},
		[UNKNOWN_PROPERTY] = {"an unknown property", OFPTFFC_BAD_TYPE},
		[EXPERIMENTER_PROPERTY] = {"an experimenter's property", OFPTFFC_BAD_TYPE},
		[PROPERTY_TWICE] = {"a property twice", OFPTFFC_BAD_ARGUMENT},
		[PROPERTY_SHORT] = {"a property of 3 bytes", OFPTFFC_BAD_LEN},
		[PROPERTY_LONG] = {"a property longer than the entry", OFPTFFC_BAD_LEN},
		[INSTRUCTION_CUT] = {"an instruction cut", OFPTFFC_BAD_LEN},
		[INSTRUCTION_LEN] = {"an instruction's length", OFPTFFC_BAD_LEN},
		[UNKNOWN_INSTRUCTION] = {"an unknown instruction", OFPTFFC_BAD_ARGUMENT},
		[EXPERIMENTER_INSTRUCTION] = {"an experimenter's instruction", OFPTFFC_BAD_ARGUMENT},
		[UNKNOWN_ACTION] = {"an unknown action", OFPTFFC_BAD_ARGUMENT},
		[UNKNOWN_FIELD] = {"a field of 1.4", OFPTFFC_BAD_ARGUMENT},
		[UNMASKABLE_FIELD] = {"in_port masked", OFPTFFC_BAD_ARGUMENT},
		[UNSETTABLE_FIELD] = {"in_port set", OFPTFFC_BAD_ARGUMENT},
		[EARLIER_TABLE] = {"goto the table itself", OFPTFFC_BAD_ARGUMENT},
	};
	struct buf before = query(rig), after;

	for (int i = 0; i < N_CHANGES; i++) {
		struct buf b = query(rig);

		printf("# %s\n", rows[i].name);
		strcpy((char *)b.data + NAME, "changed"); /* all or nothing */
		change(&b, i);
		request(rig, &b);
		EXPECT_ERROR(TABLE_FEATURES_FAILED, rows[i].code);
		buf_free(&b);
	}
	after = query(rig);
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.data, after.data, after.len);
	buf_free(&before);
	buf_free(&after);
}

/* An entry without any properties. */
static void put_table(struct buf *b, uint8_t table, const char *name)
{
	size_t start = b->len;

	buf_put_be16(b, 64);
	buf_put_u8(b, table);
	buf_put_zero(b, 61);
	strcpy((char *)b->data + start + NAME, name);
	b->data[start + MAX_ENTRIES] = 0xff; /* more than ours */
}

static struct buf request_tables(struct rig *rig, size_t n, const uint8_t *tables)
{
	struct buf b = {0};

	for (size_t i = 0; i < n; i++)
		put_table(&b, tables[i], "mine");
	request(rig, &b);
	buf_free(&b);
	return rig_multipart_reply(rig, 0, OFPMP_TABLE_FEATURES);
}

static size_t n_next(const struct buf *b, size_t entry, uint16_t type)
{
	return rd16(b->data + property_of(b, entry, type) + 2) - 4u;
}

static void add_flow(struct rig *rig, uint8_t table, uint8_t next)
{
	struct of_flow_mod fm = flow_mod(OFPFC_ADD);

	fm.table = table;
	fm.flags = OFPFF_SEND_FLOW_REM;
	fm.inst = (struct of_instructions)APPLY(OUTPUT(1));
	if (next) {
		fm.inst.present |= OF_INST_GOTO;
		fm.inst.goto_table = next;
	}
	rig_flow_mod(rig, 0, &fm);
}

/* Tables that are left out are not in the pipeline any more. */
static void fewer_tables(void **state)
{
	struct rig *rig = *state;
	struct buf all = query(rig), got = request_tables(rig, 3, (uint8_t[]){0, 7, 3}), again;
	const uint8_t stats_of_5[40] = {5, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, [32] = 0, 1, 0, 4};

	again = query(rig);
	assert_int_equal(again.len, got.len);
	assert_memory_equal(again.data, got.data, got.len);
	assert_int_equal(got.data[2], 0);
	assert_int_equal(got.data[entry_of(&got, 1) + 2], 3);
	assert_int_equal(got.data[entry_of(&got, 2) + 2], 7);
	assert_int_equal(got.len, entry_of(&got, 3));
	assert_string_equal((char *)got.data + entry_of(&got, 1) + NAME, "mine");
	assert_int_equal(n_next(&got, 0, OFPTFPT_NEXT_TABLES), 2);
	assert_int_equal(got.data[property_of(&got, 0, OFPTFPT_NEXT_TABLES_MISS) + 5], 7);
	assert_int_equal(n_next(&got, entry_of(&got, 2), OFPTFPT_NEXT_TABLES), 0);
	assert_int_equal(n_next(&got, entry_of(&got, 2), OFPTFPT_INSTRUCTIONS) + 4,
			 n_next(&got, 0, OFPTFPT_INSTRUCTIONS)); /* no goto */
	buf_free(&again);
	buf_free(&got);
	add_flow(rig, 0, 7);
	add_flow(rig, 7, 0);
	EXPECT_OK();
	add_flow(rig, 5, 0);
	EXPECT_ERROR(FLOW_MOD_FAILED, OFPFMFC_BAD_TABLE_ID);
	add_flow(rig, 0, 5);
	EXPECT_ERROR(BAD_INSTRUCTION, OFPBIC_BAD_TABLE_ID);
	rig_send(rig, 0, OFPT_TABLE_MOD, (uint8_t[8]){5}, 8);
	EXPECT_ERROR(TABLE_MOD_FAILED, OFPTMFC_BAD_TABLE);
	rig_send(rig, 0, OFPT_TABLE_MOD, (uint8_t[8]){255}, 8);
	EXPECT_OK();
	rig_multipart(rig, 0, OFPMP_FLOW, 0, stats_of_5, 40);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_BAD_TABLE_ID);
	rig_multipart(rig, 0, OFPMP_TABLE, 0, NULL, 0);
	got = rig_multipart_reply(rig, 0, OFPMP_TABLE);
	assert_int_equal(got.len, 3 * 24);
	buf_free(&got);
	assert_int_equal(rig_count(rig), 2);
	/* all of them again, as they were */
	request(rig, &all);
	got = rig_multipart_reply(rig, 0, OFPMP_TABLE_FEATURES);
	assert_int_equal(got.len, all.len);
	assert_memory_equal(got.data, all.data, all.len);
	add_flow(rig, 5, 6);
	EXPECT_OK();
	buf_free(&got);
	buf_free(&all);
}

/* "Flow entries from flow tables that have been removed or … had their capabilities change … are removed …, however no
 * flow removed messages are sent." */
static void entries_go_with_tables(void **state)
{
	struct rig *rig = *state;
	struct buf got;

	for (uint8_t table = 0; table < 4; table++)
		add_flow(rig, table, 0);
	for (int i = 0; i < 2; i++) { /* the second one changes nothing */
		got = request_tables(rig, 3, (uint8_t[]){0, 1, 3});
		assert_int_equal(rig->dp->n_flows, i ? 2 : 0);
		buf_free(&got);
		fake_dp_grace(rig->dp);
		EXPECT_OK();
		add_flow(rig, 1, 3);
		add_flow(rig, 3, 0);
	}
	assert_int_equal(rig_count(rig), 2);
	got = request_tables(rig, 4,
			     (uint8_t[]){0, 1, 2, 3}); /* table 1 can lead to table 2 now, table 3 is as it was */
	buf_free(&got);
	fake_dp_grace(rig->dp);
	EXPECT_OK();
	assert_int_equal(rig_count(rig), 1);
	assert_non_null(fake_dp_find(rig->dp, 3, 100));
}

/* Many entries go step by step; the reply comes behind, entries that come meanwhile stay. */
static void many_entries_go(void **state)
{
	enum { N = 5000 };
	struct rig *rig = *state;
	struct buf b = {0};
	struct reply r;

	for (uint32_t i = 0; i < N; i++) {
		struct of_flow_mod fm = route(i << 8, 0xffffff00);

		fm.table = i % 3;
		rig_flow_mod(rig, 0, &fm);
	}
	EXPECT_OK();
	put_table(&b, 0, "");
	put_table(&b, 1, "");
	rig->hold = true;
	request(rig, &b);
	buf_free(&b);
	assert_true(sw_busy(&rig->conn[0].c));
	assert_false(rig_next(rig, 0, &r));
	add_flow(rig, 1, 0);
	EXPECT_OK();
	add_flow(rig, 2, 0);
	EXPECT_ERROR(FLOW_MOD_FAILED, OFPFMFC_BAD_TABLE_ID);
	while (sw_busy(&rig->conn[0].c))
		sw_continue(rig->sw, &rig->conn[0].c);
	rig->hold = false;
	b = rig_multipart_reply(rig, 0, OFPMP_TABLE_FEATURES);
	assert_int_equal(b.len, entry_of(&b, 2));
	buf_free(&b);
	assert_int_equal(rig_count(rig), 1);
}

static void several_messages(void **state)
{
	struct rig *rig = *state;
	struct buf b = query(rig), got;
	uint8_t zeros[PART] = {0};
	struct reply r;

	/* nothing at all asks, in one message or more */
	rig_multipart(rig, 0, OFPMP_TABLE_FEATURES, OFPMPF_REQ_MORE, NULL, 0);
	EXPECT_OK();
	rig_multipart(rig, 0, OFPMP_TABLE_FEATURES, 0, NULL, 0);
	got = rig_multipart_reply(rig, 0, OFPMP_TABLE_FEATURES);
	assert_int_equal(got.len, b.len);
	buf_free(&got);
	/* more than can be meant; the next one starts anew */
	for (unsigned int i = 0; i < (1 << 20) / PART; i++)
		rig_multipart(rig, 0, OFPMP_TABLE_FEATURES, OFPMPF_REQ_MORE, zeros, PART);
	EXPECT_OK();
	rig_multipart(rig, 0, OFPMP_TABLE_FEATURES, OFPMPF_REQ_MORE, zeros, PART);
	EXPECT_ERROR(BAD_REQUEST, OFPBRC_MULTIPART_BUFFER_OVERFLOW);
	request(rig, &b);
	got = rig_multipart_reply(rig, 0, OFPMP_TABLE_FEATURES);
	assert_int_equal(got.len, b.len);
	buf_free(&got);
	/* another connection's request is its own */
	rig_multipart(rig, 0, OFPMP_TABLE_FEATURES, OFPMPF_REQ_MORE, zeros, PART);
	rig_multipart(rig, 1, OFPMP_TABLE_FEATURES, 0, NULL, 0);
	got = rig_multipart_reply(rig, 1, OFPMP_TABLE_FEATURES);
	assert_int_equal(got.len, b.len);
	assert_false(rig_next(rig, 0, &r));
	buf_free(&got);
	buf_free(&b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(as_it_is),	    T(names_and_config), T(less),
		T(what_is_wrong),   T(fewer_tables),	 T(entries_go_with_tables),
		T(many_entries_go), T(several_messages),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("table_features", tests, NULL, NULL);
}
