/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A cursor over received bytes with a sticky error: reading past the end gives zeros and sets `error`, so a decoder
 * reads a whole structure and checks once.  Never reads outside [at, end).
 */
#ifndef UTIL_WIRE_H
#define UTIL_WIRE_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wire {
	const uint8_t *at, *end;
	bool error;
};

/* data may be NULL if len is 0. */
static inline struct wire wire_of(const void *data, size_t len)
{
	const uint8_t *at = len ? data : (const uint8_t *)""; /* NULL has no bytes behind it, not even 0 */

	return (struct wire){at, at + len, false};
}

static inline size_t wire_left(const struct wire *w)
{
	return (size_t)(w->end - w->at);
}

/* n bytes, or NULL and the error. */
static inline const uint8_t *wire_get(struct wire *w, size_t n)
{
	const uint8_t *at = w->at;

	if (w->error || wire_left(w) < n) {
		w->error = true;
		w->at = w->end;
		return NULL;
	}
	w->at += n;
	return at;
}

static inline void wire_skip(struct wire *w, size_t n)
{
	wire_get(w, n);
}

static inline uint8_t wire_u8(struct wire *w)
{
	const uint8_t *at = wire_get(w, 1);

	return at ? *at : 0;
}

static inline uint16_t wire_be16(struct wire *w)
{
	const uint8_t *at = wire_get(w, sizeof(uint16_t));
	uint16_t v = 0;

	if (at)
		memcpy(&v, at, sizeof(v));
	return be16toh(v);
}

static inline uint32_t wire_be32(struct wire *w)
{
	const uint8_t *at = wire_get(w, sizeof(uint32_t));
	uint32_t v = 0;

	if (at)
		memcpy(&v, at, sizeof(v));
	return be32toh(v);
}

static inline uint64_t wire_be64(struct wire *w)
{
	const uint8_t *at = wire_get(w, sizeof(uint64_t));
	uint64_t v = 0;

	if (at)
		memcpy(&v, at, sizeof(v));
	return be64toh(v);
}

void wire_copy(struct wire *w, void *to, size_t n);
/* A cursor over the next n bytes, which are skipped here. */
struct wire wire_sub(struct wire *w, size_t n);

#endif
