/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the codec's tests share: the messages that os-ken wrote (test/unit/osken_bytes.py), and cmocka.
 *
 * The lines come from the file named by the environment variable OFX_TEST_DATA or, without it, from running the script;
 * so a test runs alone, from the repository's root:
 *
 *   gcc -std=gnu11 -g -O1 -fsanitize=address,undefined -D_GNU_SOURCE -I. test/unit/test_match.c \
 *       $(ls user/openflow/?*.c) user/util/buf.c user/util/wire.c -lcmocka -o build/test_match && build/test_match
 */
#ifndef TEST_UNIT_OSKEN_H
#define TEST_UNIT_OSKEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "include/openflow/openflow.h"
#include "user/openflow/msg.h"

#define OSKEN_WORDS 5

struct osken_line {
	char *text; /* owns what `word` points into */
	char *word[OSKEN_WORDS];
	int n;
	uint8_t *bytes; /* the last word: exactly `len` bytes, so that a sanitizer sees the first one too far */
	size_t len;
};

struct osken {
	struct osken_line *line;
	size_t n;
};

static inline size_t hex_bytes(const char *hex, uint8_t *out)
{
	size_t n = strlen(hex) / 2;
	unsigned int byte;

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		out[i] = byte;
	}
	return n;
}

static inline void osken_add(struct osken *data, const char *text)
{
	struct osken_line *l;

	data->line = realloc(data->line, (data->n + 1) * sizeof(*l));
	l = &data->line[data->n++];
	*l = (struct osken_line){.text = strdup(text)};
	for (char *w = strtok(l->text, " \n"); w && l->n < OSKEN_WORDS; w = strtok(NULL, " \n"))
		l->word[l->n++] = w;
	assert_true(l->n >= 3);
	l->bytes = malloc(strlen(l->word[l->n - 1]) / 2);
	l->len = hex_bytes(l->word[l->n - 1], l->bytes);
}

static inline struct osken osken_load(void)
{
	const char *path = getenv("OFX_TEST_DATA");
	FILE *f = path ? fopen(path, "r") : popen("/usr/bin/python3 test/unit/osken_bytes.py", "r");
	struct osken data = {};
	char *text = NULL;
	size_t size = 0;

	assert_non_null(f);
	while (getline(&text, &size, f) > 0)
		osken_add(&data, text);
	free(text);
	if (path)
		fclose(f);
	else
		assert_int_equal(pclose(f), 0);
	assert_true(data.n > 100);
	return data;
}

static inline void osken_free(struct osken *data)
{
	for (size_t i = 0; i < data->n; i++) {
		free(data->line[i].text);
		free(data->line[i].bytes);
	}
	free(data->line);
}

static inline const struct osken_line *osken_msg(const struct osken *data, const char *name)
{
	for (size_t i = 0; i < data->n; i++)
		if (!strcmp(data->line[i].word[0], "msg") && !strcmp(data->line[i].word[1], name))
			return &data->line[i];
	fail_msg("no message %s", name);
	return NULL;
}

static inline int field_by_name(const char *name)
{
	for (int f = 0; f < OFX_N_FIELDS; f++)
		if (!strcmp(of_fields[f].name, name))
			return f;
	fail_msg("no field %s", name);
	return -1;
}

/* Messages written by hand: a header, its length set at the end. */
static inline void begin(struct buf *b, uint8_t type)
{
	buf_clear(b);
	buf_put_u8(b, OFP_VERSION_13);
	buf_put_u8(b, type);
	buf_put_be16(b, 0);
	buf_put_be32(b, 0x55);
}

/* Decodes a copy of exactly its size. */
static inline int decode(struct buf *b, struct of_msg *msg)
{
	uint8_t *copy = malloc(b->len);
	int error;

	if (b->len >= 4)
		buf_set_be16(b, 2, b->len);
	memcpy(copy, b->data, b->len);
	error = of_decode(copy, b->len, msg);
	if (error)
		of_msg_free(msg);
	free(copy);
	return error;
}

static inline void assert_error(int error, int type, int code)
{
	if (error != OF_ERROR(type, code))
		print_error("got %s\n", of_error_name(error));
	assert_int_equal(error, OF_ERROR(type, code));
}

/* A test program's messages, between the group's set-up and its teardown. */
static struct osken data;

static inline int osken_setup(void **state)
{
	data = osken_load();
	return 0;
}

static inline int osken_teardown(void **state)
{
	osken_free(&data);
	return 0;
}

#endif
