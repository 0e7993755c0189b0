/* SPDX-License-Identifier: GPL-2.0-only */
/* OXM TLV headers and the list of fields (§7.2.3.2, §7.2.3.7). */
#include "user/openflow/codec.h"
#include "user/util/cleanup.h"

#define FIELD_INFO(ID, NAME, OXM, OFF, BYTES, BITS, FLAGS, PRE)                                                        \
	[OFX_F_##ID] = {#NAME, OXM, BYTES, BITS, FLAGS, OFF, OFX_PRE_##PRE},
const struct of_field_info of_fields[OFX_N_FIELDS] = {OFX_FIELDS(FIELD_INFO)};
#undef FIELD_INFO

#define FIELD_BY_OXM(ID, NAME, OXM, OFF, BYTES, BITS, FLAGS, PRE) [OXM] = OFX_F_##ID + 1,
static const uint8_t by_oxm[] = {OFX_FIELDS(FIELD_BY_OXM)};
#undef FIELD_BY_OXM

int of_field_by_oxm(uint8_t oxm)
{
	return oxm < ARRAY_LEN(by_oxm) ? by_oxm[oxm] - 1 : -1;
}

/* Fields that came after 1.3; tcp_flags exists there as an ONF extension. */
static bool basic_in(uint8_t version, uint8_t oxm)
{
	return version != OFP_VERSION_13 || oxm <= OFPXMT_OFB_IPV6_EXTHDR;
}

static bool is_onf(uint8_t version, int field)
{
	return version == OFP_VERSION_13 && field == OFX_F_TCP_FLAGS;
}

bool of_oxm_get(struct wire *w, uint8_t version, int *field, bool *has_mask, size_t *len)
{
	uint16_t class = wire_be16(w);
	uint8_t oxm = wire_u8(w);

	*len = wire_u8(w);
	*has_mask = oxm & 1;
	oxm >>= 1;
	if (class == OFPXMC_EXPERIMENTER && *len >= 4 && wire_left(w) >= 4) {
		*len -= 4;
		*field = wire_be32(w) == OF_ONF_EXPERIMENTER ? of_field_by_oxm(oxm) : -1;
		return is_onf(version, *field);
	}
	*field = of_field_by_oxm(oxm);
	return class == OFPXMC_OPENFLOW_BASIC && *field >= 0 && basic_in(version, oxm);
}

void of_oxm_put(struct buf *b, uint8_t version, enum ofx_field field, bool has_mask)
{
	const struct of_field_info *f = &of_fields[field];
	bool onf = is_onf(version, field);
	uint16_t class = onf ? OFPXMC_EXPERIMENTER : OFPXMC_OPENFLOW_BASIC;
	const uint8_t head[] = {class >> 8, class & 0xff, f->oxm << 1 | has_mask,
				(has_mask ? 2 : 1) * f->bytes + (onf ? 4 : 0)};

	buf_put(b, head, sizeof(head));
	if (onf)
		buf_put_be32(b, OF_ONF_EXPERIMENTER);
}

bool of_oxm_in_range(enum ofx_field field, const uint8_t *value)
{
	unsigned int spare = of_fields[field].bytes * 8 - of_fields[field].bits;

	for (; spare >= 8; spare -= 8)
		if (*value++)
			return false;
	return !(*value >> (8 - spare));
}
