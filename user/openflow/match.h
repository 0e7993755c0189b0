/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A match (OpenFlow 1.3.5 §7.2.3), version-neutral: which fields of include/ofxdp/field.h are present, which of them
 * were given with a mask, and value and mask in key layout.  Canonical: value bits outside mask are zero, so two
 * matches are the same rule exactly if `value` and `mask` are equal byte for byte and `fields` is.
 * For a vlan_vid the mask of "exactly OFPVID_NONE" is 0x1fff; fields of `fields` without `masked` have all BITS set.
 */
#ifndef OPENFLOW_MATCH_H
#define OPENFLOW_MATCH_H

#include <stdbool.h>
#include <stdint.h>
#include "include/ofxdp/key.h"
#include "user/util/buf.h"
#include "user/util/wire.h"

struct of_match {
	uint64_t fields; /* bit OFX_F_<ID> */
	uint64_t masked; /* of those, the ones that carried oxm_hasmask */
	struct ofx_key value, mask;
};
_Static_assert(OFX_N_FIELDS <= 64, "bitmaps");

struct of_field_info {
	const char *name;
	uint8_t oxm, bytes, bits, flags; /* flags: OFX_FF_* */
	uint16_t offset;
	uint8_t prereq; /* enum ofx_prereq */
};
extern const struct of_field_info of_fields[OFX_N_FIELDS];
int of_field_by_oxm(uint8_t oxm); /* field of class OFPXMC_OPENFLOW_BASIC, or -1 */

static inline bool of_match_has(const struct of_match *m, enum ofx_field f)
{
	return m->fields >> f & 1;
}

/*
 * Decode struct ofp_match (type, length, OXM TLVs, padding) at the cursor.  Checks everything §7.2.3 asks: type, class,
 * field, lengths, duplicates (DUP_FIELD), prerequisites (BAD_PREREQ), masks (BAD_MASK), values (BAD_VALUE), value bits
 * outside the mask (BAD_WILDCARDS).  Prerequisites may stand in any order before the field only (§7.2.3.8).
 * check_prereq false: for packet-in and stats where pipeline fields stand alone.
 */
int of_match_decode(struct wire *w, uint8_t version, struct of_match *match);
void of_match_encode(struct buf *b, uint8_t version, const struct of_match *match);
/* Does `a` with the fields and masks it has cover every packet that `b` matches?  (Non-strict flow-mods, §6.4.) */
bool of_match_covers(const struct of_match *a, const struct of_match *b);
/* Could one packet match both?  (OFPFF_CHECK_OVERLAP.) */
bool of_match_overlaps(const struct of_match *a, const struct of_match *b);
bool of_match_equal(const struct of_match *a, const struct of_match *b);
/* Fill one field from its OXM payload (for building packet-in matches, tests). */
void of_match_set(struct of_match *m, enum ofx_field f, const void *value);
void of_match_set_be32(struct of_match *m, enum ofx_field f, uint32_t host_value);
void of_match_set_be64(struct of_match *m, enum ofx_field f, uint64_t host_value);
/* "eth_type=0x0800,ipv4_src=10.0.0.0/255.0.0.0", cut to fit; "" for a match of everything.  For logs. */
void of_match_print(const struct of_match *m, char *text, size_t size);

#endif
