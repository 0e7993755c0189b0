/* SPDX-License-Identifier: GPL-2.0-only */
#include <arpa/inet.h>
#include <string.h>
#include "include/ofxdp/hash.h"
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

/* A field whose mask has all bits was given without one as well. */
static bool mask_is_whole(const struct of_match *match, int field)
{
	const struct of_field_info *f = &of_fields[field];
	unsigned int spare = f->bytes * 8 - f->bits;

	for (unsigned int i = 0; i < f->bytes; i++, spare -= spare < 8 ? spare : 8)
		if (spare < 8 && match->mask.b[f->offset + i] != 0xff >> spare)
			return false;
	return true;
}

static uint64_t masked_fields(const struct of_match *match)
{
	uint64_t masked = match->masked & match->fields;

	for (uint64_t left = masked; left; left &= left - 1)
		if (mask_is_whole(match, __builtin_ctzll(left)))
			masked &= ~(left & -left);
	return masked;
}

void sw_match_pack(struct sw_match *m, const struct of_match *match)
{
	struct sw_shape *s = &m->shape;

	s->fields = match->fields;
	s->masked = match->masked ? masked_fields(match) : 0;
	s->words = s->n = 0;
	for (unsigned int i = 0; i < OFX_KEY_WORDS; i++) {
		uint64_t mask = match->mask.w[i];

		if (!mask)
			continue;
		s->words |= 1u << i;
		s->mask[s->n] = mask;
		m->value[s->n++] = match->value.w[i] & mask;
	}
}

void sw_match_unpack(const struct sw_shape *shape, const uint64_t *value, struct of_match *match)
{
	const uint64_t *mask = shape->mask;

	*match = (struct of_match){.fields = shape->fields, .masked = shape->masked};
	for (unsigned int left = shape->words; left; left &= left - 1) {
		unsigned int i = __builtin_ctz(left);

		match->value.w[i] = *value++;
		match->mask.w[i] = *mask++;
	}
}

bool sw_shape_equal(const struct sw_shape *a, const struct sw_shape *b)
{
	return a->n == b->n && !memcmp(a, b, sw_shape_size(a));
}

bool sw_shape_covers(const struct sw_shape *a, const struct sw_shape *b)
{
	const uint64_t *ma = a->mask, *mb = b->mask;

	if (a->words & ~b->words)
		return false;
	for (unsigned int left = b->words; left; left &= left - 1, mb++)
		if (a->words & left & -left && *ma++ & ~*mb)
			return false;
	return true;
}

uint32_t sw_match_hash(const uint64_t *value, unsigned int n, uint16_t priority, const uint64_t *secret)
{
	uint64_t sum = ofx_hash_word(priority, secret[OFX_KEY_WORDS]);

	for (unsigned int i = 0; i < n; i++)
		sum += ofx_hash_word(value[i], secret[i]);
	return ofx_hash_end(sum) >> 32;
}

bool sw_match_covers(const struct sw_match *a, const struct sw_shape *b, const uint64_t *value)
{
	const uint64_t *ma = a->shape.mask, *va = a->value;

	if (!sw_shape_covers(&a->shape, b))
		return false;
	for (unsigned int left = b->words; left; left &= left - 1, value++) {
		if (!(a->shape.words & left & -left))
			continue;
		if ((*va++ ^ *value) & *ma++)
			return false;
	}
	return true;
}

bool sw_match_overlaps(const struct sw_match *a, const struct sw_shape *b, const uint64_t *value)
{
	const uint64_t *ma = a->shape.mask, *va = a->value, *mb = b->mask;

	for (unsigned int left = a->shape.words | b->words; left; left &= left - 1) {
		bool in_a = a->shape.words & left & -left, in_b = b->words & left & -left;

		if (in_a && in_b && (*va ^ *value) & *ma & *mb)
			return false;
		va += in_a;
		ma += in_a;
		value += in_b;
		mb += in_b;
	}
	return true;
}
