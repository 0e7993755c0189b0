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

/* Less than a table can do is granted by what it can; properties of table-miss entries may be left out. */
static void less(void **state)
{
	struct rig *rig = *state;
	struct buf b = query(rig), all = query(rig), got;
	size_t second = entry_of(&b, 2), at = property_of(&b, second, OFPTFPT_APPLY_ACTIONS_MISS);

	cut(&b, second, at, (rd16(b.data + at + 2) + 7) / 8 * 8);
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
	A_TABLE_LACKS,
	CONFIG_BITS,
	TOO_MANY_ENTRIES,
	UNKNOWN_PROPERTY,
	EXPERIMENTER_PROPERTY,
	PROPERTY_TWICE,
	PROPERTY_LACKS,
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
	case A_TABLE_LACKS:
		b->len = last;
		break;
	case CONFIG_BITS:
		b->data[e + CONFIG + 3] = 4;
		break;
	case TOO_MANY_ENTRIES:
		b->data[e + MAX_ENTRIES] = 0xff;
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
	case PROPERTY_LACKS:
		p = property_of(b, e, OFPTFPT_WILDCARDS);
		cut(b, e, p, (rd16(b->data + p + 2) + 7) / 8 * 8);
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
		[A_TABLE_LACKS] = {"254 tables", OFPTFFC_EPERM},
		[CONFIG_BITS] = {"config bits", OFPTFFC_BAD_ARGUMENT},
		[TOO_MANY_ENTRIES] = {"more entries", OFPTFFC_BAD_ARGUMENT},
		[UNKNOWN_PROPERTY] = {"an unknown property", OFPTFFC_BAD_TYPE},
		[EXPERIMENTER_PROPERTY] = {"an experimenter's property", OFPTFFC_BAD_TYPE},
		[PROPERTY_TWICE] = {"a property twice", OFPTFFC_BAD_ARGUMENT},
		[PROPERTY_LACKS] = {"a property lacks", OFPTFFC_BAD_ARGUMENT},
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
		T(as_it_is), T(names_and_config), T(less), T(what_is_wrong), T(several_messages),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("table_features", tests, NULL, NULL);
}
