/* SPDX-License-Identifier: GPL-2.0-only */
/* A growing byte buffer, for messages being written.  Zero-initialised is empty.  Out of memory aborts the program. */
#ifndef UTIL_BUF_H
#define UTIL_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data;
	size_t len, size;
};

/* Room for `n` more bytes behind what is there; add to `len` as many as were written. */
void *buf_reserve(struct buf *b, size_t n);
/* `n` more bytes, zeroed; the pointer holds until the next call that grows the buffer. */
void *buf_put_zero(struct buf *b, size_t n);
void buf_put(struct buf *b, const void *data, size_t n);
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_be16(struct buf *b, uint16_t v);
void buf_put_be32(struct buf *b, uint32_t v);
void buf_put_be64(struct buf *b, uint64_t v);
/* Zero bytes until (len - from) is a multiple of 8. */
void buf_pad8(struct buf *b, size_t from);
void buf_set_be16(struct buf *b, size_t at, uint16_t v);
void buf_clear(struct buf *b); /* empty, memory kept */
void buf_free(struct buf *b);

#endif
