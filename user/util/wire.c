/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/util/wire.h"

#include <endian.h>
#include <string.h>

const uint8_t *wire_get(struct wire *w, size_t n)
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

void wire_skip(struct wire *w, size_t n)
{
	wire_get(w, n);
}

void wire_copy(struct wire *w, void *to, size_t n)
{
	const uint8_t *at = wire_get(w, n);

	if (!n)
		return;
	if (at)
		memcpy(to, at, n);
	else
		memset(to, 0, n);
}

uint8_t wire_u8(struct wire *w)
{
	uint8_t v;

	wire_copy(w, &v, sizeof(v));
	return v;
}

uint16_t wire_be16(struct wire *w)
{
	uint16_t v;

	wire_copy(w, &v, sizeof(v));
	return be16toh(v);
}

uint32_t wire_be32(struct wire *w)
{
	uint32_t v;

	wire_copy(w, &v, sizeof(v));
	return be32toh(v);
}

uint64_t wire_be64(struct wire *w)
{
	uint64_t v;

	wire_copy(w, &v, sizeof(v));
	return be64toh(v);
}

struct wire wire_sub(struct wire *w, size_t n)
{
	const uint8_t *at = wire_get(w, n);

	if (!at)
		return (struct wire){w->end, w->end, true};
	return wire_of(at, n);
}
