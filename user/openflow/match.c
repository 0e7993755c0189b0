/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/openflow/match.h"

#include <endian.h>
#include <string.h>
#include "user/openflow/codec.h"

#define BAD(code) OF_ERROR(OFPET_BAD_MATCH, OFPBMC_##code)

static uint32_t get(const struct of_match *m, enum ofx_field f)
{
	uint32_t v = 0;

	for (int i = 0; i < of_fields[f].bytes; i++)
		v = v << 8 | m->value.b[of_fields[f].offset + i];
	return v;
}

static bool is(const struct of_match *m, enum ofx_field f, uint32_t value)
{
	return of_match_has(m, f) && get(m, f) == value;
}

/* vlan_vid present and not NONE: the match takes no untagged packet, whose vlan_vid is zero. */
static bool is_tagged(const struct of_match *m)
{
	return of_match_has(m, OFX_F_VLAN_VID) && m->value.vlan_vid;
}

static bool has_prereq(const struct of_match *m, enum ofx_prereq prereq)
{
	switch (prereq) {
	case OFX_PRE_NONE:
		return true;
	case OFX_PRE_IN_PORT:
		return of_match_has(m, OFX_F_IN_PORT);
	case OFX_PRE_VLAN:
		return is_tagged(m);
	case OFX_PRE_IP:
		return is(m, OFX_F_ETH_TYPE, 0x0800) || is(m, OFX_F_ETH_TYPE, 0x86dd);
	case OFX_PRE_IPV4:
		return is(m, OFX_F_ETH_TYPE, 0x0800);
	case OFX_PRE_IPV6:
		return is(m, OFX_F_ETH_TYPE, 0x86dd);
	case OFX_PRE_ARP:
		return is(m, OFX_F_ETH_TYPE, 0x0806);
	case OFX_PRE_MPLS:
		return is(m, OFX_F_ETH_TYPE, 0x8847) || is(m, OFX_F_ETH_TYPE, 0x8848);
	case OFX_PRE_PBB:
		return is(m, OFX_F_ETH_TYPE, 0x88e7);
	case OFX_PRE_TCP:
		return is(m, OFX_F_IP_PROTO, 6);
	case OFX_PRE_UDP:
		return is(m, OFX_F_IP_PROTO, 17);
	case OFX_PRE_SCTP:
		return is(m, OFX_F_IP_PROTO, 132);
	case OFX_PRE_ICMPV4:
		return is(m, OFX_F_ETH_TYPE, 0x0800) && is(m, OFX_F_IP_PROTO, 1);
	case OFX_PRE_ICMPV6:
		return is(m, OFX_F_ETH_TYPE, 0x86dd) && is(m, OFX_F_IP_PROTO, 58);
	case OFX_PRE_ND:
		return is(m, OFX_F_ICMPV6_TYPE, 135) || is(m, OFX_F_ICMPV6_TYPE, 136);
	case OFX_PRE_ND_SOL:
		return is(m, OFX_F_ICMPV6_TYPE, 135);
	case OFX_PRE_ND_ADV:
		return is(m, OFX_F_ICMPV6_TYPE, 136);
	}
	return false;
}

/* Byte I of a mask of all significant bits of a field, as its payload; how many bits it and those before it hold. */
#define BITS_TO(BYTES, BITS, I) ((BITS)-8 * ((BYTES)-1 - (I)))
#define MASK_BYTE(BYTES, BITS, I)                                                                                      \
	((I) >= (BYTES) || BITS_TO(BYTES, BITS, I) <= 0 ? 0                                                            \
	 : BITS_TO(BYTES, BITS, I) >= 8			? 0xff                                                         \
							: (1 << (BITS_TO(BYTES, BITS, I) & 7)) - 1)
#define MASK_4(BYTES, BITS, I)                                                                                         \
	MASK_BYTE(BYTES, BITS, I), MASK_BYTE(BYTES, BITS, I + 1), MASK_BYTE(BYTES, BITS, I + 2),                       \
		MASK_BYTE(BYTES, BITS, I + 3)
#define FULL_MASK(ID, NAME, OXM, OFF, BYTES, BITS, FLAGS, PRE)                                                         \
	[OFX_F_##ID] = {MASK_4(BYTES, BITS, 0), MASK_4(BYTES, BITS, 4), MASK_4(BYTES, BITS, 8),                        \
			MASK_4(BYTES, BITS, 12)},
static const uint8_t full_masks[OFX_N_FIELDS][16] = {OFX_FIELDS(FULL_MASK)};

/* Payloads have few lengths: constant ones are copied without a call. */
static void copy(uint8_t *to, const uint8_t *from, size_t n)
{
	switch (n) {
	case 1:
		*to = *from;
		return;
	case 2:
		memcpy(to, from, 2);
		return;
	case 4:
		memcpy(to, from, 4);
		return;
	case 6:
		memcpy(to, from, 6);
		return;
	default:
		memcpy(to, from, n);
	}
}

static bool all_zero(const uint8_t *p, size_t n)
{
	while (n--)
		if (*p++)
			return false;
	return true;
}

static bool within(const uint8_t *value, const uint8_t *mask, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (value[i] & ~mask[i])
			return false;
	return true;
}

/* A VLAN id asked for together with "no tag": the specification knows 0 and PRESENT | id only. */
static bool vlan_contradicts(const uint8_t *value, const uint8_t *mask)
{
	uint16_t v = value[0] << 8 | value[1], m = mask[0] << 8 | mask[1];

	return (m & OFPVID_PRESENT) && !(v & OFPVID_PRESENT) && v;
}

/* The mask that was sent with the value.  0 or an error; all zero: the same as leaving the field out. */
static int take_mask(const struct of_field_info *f, const uint8_t *value, uint8_t *mask)
{
	if (!within(value, value + f->bytes, f->bytes))
		return BAD(BAD_WILDCARDS);
	/* Mask bits without a bit in the packet say nothing. */
	for (int i = 0; i < f->bytes; i++)
		mask[i] &= value[f->bytes + i];
	return 0;
}

static int add_field(struct of_match *m, int field, bool has_mask, const uint8_t *value)
{
	const struct of_field_info *f = &of_fields[field];
	uint8_t mask[16];

	memcpy(mask, full_masks[field], sizeof(mask));
	if (f->bits != 8 * f->bytes && !of_oxm_in_range(field, value))
		return BAD(BAD_VALUE);
	if (has_mask) {
		int error = take_mask(f, value, mask);

		if (error || all_zero(mask, f->bytes))
			return error;
	}
	if (field == OFX_F_VLAN_VID && vlan_contradicts(value, mask))
		return BAD(BAD_VALUE);
	if (!has_prereq(m, f->prereq))
		return BAD(BAD_PREREQ);
	m->fields |= 1ull << field;
	m->masked |= (uint64_t)has_mask << field;
	copy(m->value.b + f->offset, value, f->bytes);
	copy(m->mask.b + f->offset, mask, f->bytes);
	return 0;
}

static int field_decode(struct wire *w, uint8_t version, struct of_match *m, uint64_t *seen)
{
	const uint8_t *payload;
	bool has_mask;
	size_t len;
	int field;

	if (wire_left(w) < 4)
		return BAD(BAD_LEN);
	if (!of_oxm_get(w, version, &field, &has_mask, &len))
		return len > wire_left(w) ? BAD(BAD_LEN) : BAD(BAD_FIELD);
	if (*seen >> field & 1)
		return BAD(DUP_FIELD);
	*seen |= 1ull << field;
	if (has_mask && !(of_fields[field].flags & OFX_FF_MASK))
		return BAD(BAD_MASK);
	payload = wire_get(w, len);
	if (!payload || len != of_fields[field].bytes * (has_mask ? 2u : 1u))
		return BAD(BAD_LEN);
	return add_field(m, field, has_mask, payload);
}

int of_match_decode(struct wire *w, uint8_t version, struct of_match *match)
{
	uint16_t type = wire_be16(w), len = wire_be16(w);
	uint64_t seen = 0;
	struct wire tlvs;
	int error = 0;

	memset(match, 0, sizeof(*match));
	if (w->error)
		return BAD(BAD_LEN);
	if (type != OFPMT_OXM)
		return BAD(BAD_TYPE);
	if (len < 4)
		return BAD(BAD_LEN);
	tlvs = wire_sub(w, len - 4);
	wire_skip(w, -len & 7);
	if (w->error)
		return BAD(BAD_LEN);
	while (!error && wire_left(&tlvs))
		error = field_decode(&tlvs, version, match, &seen);
	return error;
}

/* In rising order of OXM numbers: every field then stands behind its prerequisites. */
static unsigned int fields_in_order(const struct of_match *match, uint8_t order[OFX_N_FIELDS])
{
	unsigned int n = 0;

	for (uint64_t left = match->fields; left; left &= left - 1) {
		unsigned int f = __builtin_ctzll(left), i = n++;

		for (; i && of_fields[order[i - 1]].oxm > of_fields[f].oxm; i--)
			order[i] = order[i - 1];
		order[i] = f;
	}
	return n;
}

static void field_encode(struct buf *b, uint8_t version, const struct of_match *match, enum ofx_field field)
{
	const struct of_field_info *f = &of_fields[field];
	bool has_mask = match->masked >> field & 1;
	uint8_t *at;

	of_oxm_put(b, version, field, has_mask);
	at = buf_reserve(b, 2 * f->bytes);
	copy(at, match->value.b + f->offset, f->bytes);
	if (has_mask)
		copy(at + f->bytes, match->mask.b + f->offset, f->bytes);
	b->len += f->bytes << has_mask;
}

void of_match_encode(struct buf *b, uint8_t version, const struct of_match *match)
{
	uint8_t order[OFX_N_FIELDS];
	unsigned int n = fields_in_order(match, order);
	size_t start = b->len;

	buf_put_be16(b, OFPMT_OXM);
	buf_put_be16(b, 0);
	for (unsigned int i = 0; i < n; i++)
		field_encode(b, version, match, order[i]);
	buf_set_be16(b, start + 2, b->len - start);
	buf_pad8(b, start);
}

/*
 * Fields that share bytes of the key have prerequisites that exclude each other, and those are exact: comparing the
 * words is enough.
 */
bool of_match_covers(const struct of_match *a, const struct of_match *b)
{
	for (int i = 0; i < OFX_KEY_WORDS; i++)
		if ((a->mask.w[i] & ~b->mask.w[i]) || ((a->value.w[i] ^ b->value.w[i]) & a->mask.w[i]))
			return false;
	return true;
}

bool of_match_overlaps(const struct of_match *a, const struct of_match *b)
{
	for (int i = 0; i < OFX_KEY_WORDS; i++)
		if ((a->value.w[i] ^ b->value.w[i]) & a->mask.w[i] & b->mask.w[i])
			return false;
	return true;
}

bool of_match_equal(const struct of_match *a, const struct of_match *b)
{
	return a->fields == b->fields && !memcmp(&a->value, &b->value, sizeof(a->value)) &&
	       !memcmp(&a->mask, &b->mask, sizeof(a->mask));
}

void of_match_set(struct of_match *m, enum ofx_field f, const void *value)
{
	m->fields |= 1ull << f;
	m->masked &= ~(1ull << f);
	memcpy(m->value.b + of_fields[f].offset, value, of_fields[f].bytes);
	memcpy(m->mask.b + of_fields[f].offset, full_masks[f], of_fields[f].bytes);
}

void of_match_set_be32(struct of_match *m, enum ofx_field f, uint32_t host_value)
{
	uint32_t be = htobe32(host_value);

	of_match_set(m, f, (uint8_t *)&be + sizeof(be) - of_fields[f].bytes);
}

void of_match_set_be64(struct of_match *m, enum ofx_field f, uint64_t host_value)
{
	uint64_t be = htobe64(host_value);

	of_match_set(m, f, (uint8_t *)&be + sizeof(be) - of_fields[f].bytes);
}
