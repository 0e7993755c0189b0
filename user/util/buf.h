/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A growing byte buffer, for messages being written.  Zero-initialised is empty.
 *
 * The error is sticky: a buffer that cannot grow, or must not, has lost what was in it; what is written from then on
 * goes nowhere.  So a writer writes a whole message and need not look; whoever sends the bytes does.
 */
#ifndef UTIL_BUF_H
#define UTIL_BUF_H

#include <stddef.h>
#include <stdint.h>

#define BUF_PIECE (128 * 1024) /* bytes that may be asked for at once */

struct buf {
	uint8_t *data;
	size_t len, size;
	size_t max; /* bytes, at least BUF_PIECE; 0: as many as there is memory for */
	int error;  /* -ENOBUFS: more than max; -ENOMEM; until buf_free() */
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
/* Over bytes that are there; after an error, nothing. */
void buf_set_u8(struct buf *b, size_t at, uint8_t v);
void buf_set_be16(struct buf *b, size_t at, uint16_t v);
void buf_clear(struct buf *b); /* empty, memory kept */
/* Give half of the memory back where less than a quarter of it holds something. */
void buf_shrink(struct buf *b);
void buf_free(struct buf *b); /* empty, without error; max is kept */

#endif
