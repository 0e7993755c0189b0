/* SPDX-License-Identifier: GPL-2.0-only */
#include <arpa/inet.h>
#include <string.h>
#include "include/openflow/openflow.h"
#include "user/openflow/error.h"
#include "user/switch/match.h"

int sw_match_check(const struct of_match *match)
{
	uint32_t in_port = ntohl(match->value.in_port);

	if (match->fields & ~SW_MATCH_FIELDS)
		return OF_ERROR(OFPET_BAD_MATCH, OFPBMC_BAD_FIELD);
	if (!of_match_has(match, OFX_F_IN_PORT))
		return 0;
	/* CONTROLLER: packets of a packet-out that came from no port */
	if (!in_port || (in_port > OFPP_MAX && in_port != OFPP_LOCAL && in_port != OFPP_CONTROLLER))
		return OF_ERROR(OFPET_BAD_MATCH, OFPBMC_BAD_VALUE);
	return 0;
}

const struct sw_match *sw_match_pack(union sw_match_space *space, const struct of_match *match)
{
	struct sw_match *m = &space->m;

	m->fields = match->fields;
	m->masked = match->masked;
	m->words = 0;
	m->n = 0;
	for (unsigned int i = 0; i < OFX_KEY_WORDS; i++) {
		if (!match->mask.w[i])
			continue;
		m->words |= 1u << i;
		m->w[2 * m->n] = match->value.w[i] & match->mask.w[i];
		m->w[2 * m->n + 1] = match->mask.w[i];
		m->n++;
	}
	return m;
}

void sw_match_unpack(const struct sw_match *m, struct of_match *match)
{
	const uint64_t *w = m->w;

	*match = (struct of_match){.fields = m->fields, .masked = m->masked};
	for (unsigned int i = 0; i < OFX_KEY_WORDS; i++) {
		if (!(m->words >> i & 1))
			continue;
		match->value.w[i] = *w++;
		match->mask.w[i] = *w++;
	}
}

uint64_t sw_match_hash(const struct sw_match *m, uint64_t seed)
{
	uint64_t h = (seed ^ m->words) * 0x9e3779b97f4a7c15ull;

	for (unsigned int i = 0; i < 2u * m->n; i++) {
		h = (h ^ m->w[i]) * 0xff51afd7ed558ccdull;
		h ^= h >> 29;
	}
	return h ^ h >> 32;
}

bool sw_match_equal(const struct sw_match *a, const struct sw_match *b)
{
	return a->words == b->words && !memcmp(a->w, b->w, a->n * 2 * sizeof(a->w[0]));
}

bool sw_match_covers(const struct sw_match *a, const struct sw_match *b)
{
	const uint64_t *wa = a->w, *wb = b->w;

	if (a->words & ~b->words)
		return false;
	for (unsigned int left = b->words; left; left &= left - 1, wb += 2) {
		unsigned int bit = left & -left;

		if (!(a->words & bit))
			continue;
		if ((wa[1] & ~wb[1]) || ((wa[0] ^ wb[0]) & wa[1]))
			return false;
		wa += 2;
	}
	return true;
}

bool sw_match_overlaps(const struct sw_match *a, const struct sw_match *b)
{
	const uint64_t *wa = a->w, *wb = b->w;

	for (unsigned int left = a->words | b->words; left; left &= left - 1) {
		unsigned int bit = left & -left;

		if (a->words & b->words & bit && ((wa[0] ^ wb[0]) & wa[1] & wb[1]))
			return false;
		wa += a->words & bit ? 2 : 0;
		wb += b->words & bit ? 2 : 0;
	}
	return true;
}
