/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/util/buf.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 256

static uint8_t nowhere[BUF_PIECE]; /* the bytes of buffers in error: written, never read */

static void fail(struct buf *b, int error)
{
	if (!b->error)
		free(b->data);
	b->data = nowhere;
	b->len = 0;
	b->size = sizeof(nowhere);
	b->error = b->error ? b->error : error;
}

static void grow(struct buf *b, size_t need)
{
	size_t size = b->size ? b->size : FIRST_SIZE;
	uint8_t *data;

	if (b->error || (b->max && need > b->max)) {
		fail(b, -ENOBUFS);
		return;
	}
	while (size < need)
		size *= 2;
	if (b->max && size > b->max)
		size = b->max;
	data = realloc(b->data, size);
	if (!data) {
		fail(b, -ENOMEM);
		return;
	}
	b->data = data;
	b->size = size;
}

static inline uint8_t *room(struct buf *b, size_t n)
{
	if (__builtin_expect(!b->data || b->size - b->len < n, 0))
		grow(b, b->len + n);
	return b->data + b->len;
}

void *buf_reserve(struct buf *b, size_t n)
{
	return room(b, n);
}

void *buf_put_zero(struct buf *b, size_t n)
{
	uint8_t *at = memset(room(b, n), 0, n);

	b->len += n;
	return at;
}

void buf_put(struct buf *b, const void *data, size_t n)
{
	if (!n)
		return;
	memcpy(room(b, n), data, n);
	b->len += n;
}

void buf_put_u8(struct buf *b, uint8_t v)
{
	*room(b, sizeof(v)) = v;
	b->len += sizeof(v);
}

void buf_put_be16(struct buf *b, uint16_t v)
{
	uint16_t be = htobe16(v);

	memcpy(room(b, sizeof(be)), &be, sizeof(be));
	b->len += sizeof(be);
}

void buf_put_be32(struct buf *b, uint32_t v)
{
	uint32_t be = htobe32(v);

	memcpy(room(b, sizeof(be)), &be, sizeof(be));
	b->len += sizeof(be);
}

void buf_put_be64(struct buf *b, uint64_t v)
{
	uint64_t be = htobe64(v);

	memcpy(room(b, sizeof(be)), &be, sizeof(be));
	b->len += sizeof(be);
}

void buf_pad8(struct buf *b, size_t from)
{
	buf_put_zero(b, -(b->len - from) & 7);
}

void buf_set_u8(struct buf *b, size_t at, uint8_t v)
{
	if (!b->error)
		b->data[at] = v;
}

void buf_set_be16(struct buf *b, size_t at, uint16_t v)
{
	if (b->error)
		return; /* `at` was a place in what is lost */
	b->data[at] = v >> 8;
	b->data[at + 1] = v & 0xff;
}

void buf_clear(struct buf *b)
{
	b->len = 0;
}

void buf_shrink(struct buf *b)
{
	uint8_t *data;

	if (b->error || b->len >= b->size / 4)
		return;
	data = realloc(b->data, b->size / 2);
	if (!data)
		return;
	b->data = data;
	b->size /= 2;
}

void buf_free(struct buf *b)
{
	if (!b->error)
		free(b->data);
	*b = (struct buf){.max = b->max};
}
