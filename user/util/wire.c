/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/util/wire.h"

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

struct wire wire_sub(struct wire *w, size_t n)
{
	const uint8_t *at = wire_get(w, n);

	if (!at)
		return (struct wire){w->end, w->end, true};
	return wire_of(at, n);
}
