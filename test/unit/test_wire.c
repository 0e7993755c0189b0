/* SPDX-License-Identifier: GPL-2.0-only */
/* The cursor over received bytes and the buffer for written ones.  How to compile: test/unit/osken.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/util/buf.h"
#include "user/util/wire.h"

static void reads_numbers(void **state)
{
	const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
	struct wire w = wire_of(bytes, sizeof(bytes));

	assert_int_equal(wire_u8(&w), 0x01);
	assert_int_equal(wire_be16(&w), 0x0203);
	assert_int_equal(wire_be32(&w), 0x04050607);
	assert_true(wire_be64(&w) == 0x08090a0b0c0d0e0full);
	assert_int_equal(wire_left(&w), 1);
	assert_false(w.error);
}

static void error_sticks(void **state)
{
	const uint8_t bytes[] = {1, 2, 3};
	struct wire w = wire_of(bytes, sizeof(bytes));

	assert_int_equal(wire_be32(&w), 0);
	assert_true(w.error);
	assert_int_equal(wire_left(&w), 0);
	assert_int_equal(wire_u8(&w), 0); /* although three bytes were there */
	assert_null(wire_get(&w, 0));
}

static void sub_cursor_ends_where_told(void **state)
{
	const uint8_t bytes[] = {1, 2, 3, 4};
	struct wire w = wire_of(bytes, sizeof(bytes)), sub = wire_sub(&w, 2);

	assert_int_equal(wire_be16(&sub), 0x0102);
	assert_int_equal(wire_u8(&sub), 0);
	assert_true(sub.error);
	assert_false(w.error);
	assert_int_equal(wire_be16(&w), 0x0304);
	sub = wire_sub(&w, 1);
	assert_true(sub.error && w.error);
}

static void buffer_grows_and_pads(void **state)
{
	struct buf b = {};

	buf_put_zero(&b, 3);
	buf_put_u8(&b, 1);
	buf_put_be16(&b, 0x0203);
	buf_put_be32(&b, 0x04050607);
	buf_put_be64(&b, 0x08090a0b0c0d0e0full);
	assert_memory_equal(b.data, "\0\0\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17", 18);
	buf_pad8(&b, 2);
	assert_int_equal(b.len, 18);
	buf_pad8(&b, 0);
	assert_int_equal(b.len, 24);
	buf_set_be16(&b, 22, 0xabcd);
	assert_int_equal(b.data[22] << 8 | b.data[23], 0xabcd);
	for (int i = 0; i < 1000; i++)
		buf_put_be64(&b, i);
	assert_int_equal(b.len, 8024);
	buf_clear(&b);
	assert_int_equal(b.len, 0);
	buf_free(&b);
	assert_null(b.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_numbers),
		cmocka_unit_test(error_sticks),
		cmocka_unit_test(sub_cursor_ends_where_told),
		cmocka_unit_test(buffer_grows_and_pads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
