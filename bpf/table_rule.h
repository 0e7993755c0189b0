/* SPDX-License-Identifier: GPL-2.0-only */
/* Does a rule match the packet, and is it better than the best so far?  Of all kinds of tables. */
#ifndef BPF_TABLE_RULE_H
#define BPF_TABLE_RULE_H

#include "bpf/ctx.h"
#include "bpf/maps.h"

/* --- does it match --- */

static __always_inline int word_differs(const struct ofx_state *s, const struct ofx_subtable *t, __u32 i, __u64 value)
{
	return ofx_key_word(s->key.w, t, i) != value;
}

/*
 * The match words behind those in the flow entry itself.  Counted without a division: the verifier can't follow one.
 */
static __always_inline int flow_matches_far(const struct ofx_state *s, const struct ofx_flow *f,
					    const struct ofx_subtable *t)
{
	__u32 i = OFX_FLOW_WORDS;

	while (i < OFX_KEY_WORDS && i < t->n_words) {
		const __u64 *words = (const __u64 *)op_at(ofx_flow_far_word(f, i));

		if (!words)
			return 0;
		for (__u32 n = 0; n < OFX_OP_WORDS; n++, i++) {
			if (i >= OFX_KEY_WORDS || i >= t->n_words)
				return 1;
			if (word_differs(s, t, i, words[n]))
				return 0;
		}
	}
	return 1;
}

__weak __noinline int flow_matches_slow(const struct ofx_state *s, const struct ofx_flow *f)
{
	const struct ofx_subtable *t;
	__u32 mask;

	if (!s || !f)
		return 0;
	mask = f->mask;
	t = bpf_map_lookup_elem(&subtables, &mask);
	if (!t)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < OFX_FLOW_WORDS; i++) {
		if (i >= t->n_words)
			return 1;
		if (word_differs(s, t, i, f->match[i]))
			return 0;
	}
	return t->n_words == OFX_FLOW_WORDS || flow_matches_far(s, f, t);
}

static __always_inline int flow_matches_quick(const struct ofx_state *s, const struct ofx_flow *f)
{
	const __u64 *w = s->key.w, *match = f->match;

	return !(((w[OFX_W_ETH_DST] & match[3]) ^ match[0]) | ((w[OFX_W_L4] & match[4]) ^ match[1]) |
		 ((w[OFX_W_ADDR] & match[5]) ^ match[2]));
}

static __always_inline int flow_matches(const struct ofx_state *s, const struct ofx_flow *f, __u8 table)
{
	if (f->table != table)
		return 0;
	return f->flags & OFX_FLOW_QUICK ? flow_matches_quick(s, f) : flow_matches_slow(s, f);
}

/* --- is it better --- */

/* The best so far lives in the state, not in a register, so that the verifier forgets its value. */
static __always_inline void rule_found(struct ofx_state *s, struct ofx_rule_ref ref)
{
	s->best_priority = ref.priority;
	s->best_slot = ref.slot;
}

/* Better than the best, for all that the rule itself tells?  As one condition, which the CPU guesses better. */
static __always_inline int rule_may_do(const struct ofx_state *s, struct ofx_rule_ref ref)
{
	const __u32 l4 = ofx_l4_check_of_key(s->key.w[OFX_W_L4]);

	return !(ofx_l4_check_differs(ref.l4_check, l4) | (__u32)(ref.priority - s->best_priority - 1) >> 31);
}

/* A candidate, if it is still there (word: NULL: there is none).  0: there is one, but it is not the best so far. */
static __always_inline int rule_try(struct ofx_state *s, const void *word, __u8 table)
{
	struct ofx_rule_ref ref = {.word = word ? *(const volatile __u64 *)word : 0};
	const struct ofx_flow *f;

	if (!ref.slot)
		return 1;
	if (!rule_may_do(s, ref))
		return 0;
	f = flow_at(ref.slot);
	if (!f || !flow_matches(s, f, table))
		return 0;
	rule_found(s, ref);
	return 1;
}

#endif
