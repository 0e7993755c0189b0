/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/match.h"

/* How the absence of a field's header shows; 0: in no other way than by the field's own value. */
static uint8_t absence(const struct of_field_info *f)
{
	static const uint8_t of_prereq[] = {
		[OFX_PRE_IP] = OFX_NO_L3,	 [OFX_PRE_IPV4] = OFX_NO_L3,	  [OFX_PRE_IPV6] = OFX_NO_L3,
		[OFX_PRE_ARP] = OFX_NO_L3,	 [OFX_PRE_MPLS] = OFX_NO_L3,	  [OFX_PRE_PBB] = OFX_NO_L3,
		[OFX_PRE_TCP] = OFX_NO_L4,	 [OFX_PRE_UDP] = OFX_NO_L4,	  [OFX_PRE_SCTP] = OFX_NO_L4,
		[OFX_PRE_ICMPV4] = OFX_NO_L4,	 [OFX_PRE_ICMPV6] = OFX_NO_L4,	  [OFX_PRE_ND] = OFX_NO_ND,
		[OFX_PRE_ND_SOL] = OFX_NO_ND_LL, [OFX_PRE_ND_ADV] = OFX_NO_ND_LL,
	};

	return of_prereq[f->prereq];
}

static bool asks_for_zero(const struct of_match *match, const struct of_field_info *f)
{
	for (unsigned int i = 0; i < f->bytes; i++)
		if (match->value.b[f->offset + i])
			return false;
	return true;
}

void match_mask(const struct of_match *match, struct ofx_key *mask)
{
	uint8_t zero = 0, other = 0; /* fields of that header with such a value */

	*mask = match->mask;
	for (uint64_t left = match->fields; left; left &= left - 1) {
		const struct of_field_info *f = &of_fields[__builtin_ctzll(left)];

		*(asks_for_zero(match, f) ? &zero : &other) |= absence(f);
	}
	mask->vlan_pcp |= zero & ~other;
}
