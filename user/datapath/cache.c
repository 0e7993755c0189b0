/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/cache.h"
#include <bpf/libbpf.h>
#include <string.h>
#include "build/ofxdp.skel.h"
#include "user/datapath/internal.h"

static struct ofx_cache_live *live(const struct dp *dp)
{
	return (struct ofx_cache_live *)dp->skel->data_live->cache_live;
}

/* True: it was another. */
static bool mask_write(struct dp *dp, unsigned int word, uint64_t mask)
{
	if (live(dp)->mask[word] == mask)
		return false;
	__atomic_store_n(&live(dp)->mask[word], mask, __ATOMIC_RELEASE);
	return true;
}

/* Does anybody look at these fields? */
static bool looks_at(const __u64 *mask, const struct ofx_key *fields)
{
	for (int i = 0; i < OFX_KEY_WORDS; i++)
		if (mask[i] & fields->w[i])
			return true;
	return false;
}

/* Fields that differ between plain packets.  The Ethernet type does not, and they have no VLAN tag. */
enum ofx_short_keys cache_short_keys(const __u64 mask[OFX_KEY_WORDS])
{
	struct ofx_key l2 = {0}, l3 = {0};

	memset(l2.eth_dst, 0xff, sizeof(l2.eth_dst));
	memset(l2.eth_src, 0xff, sizeof(l2.eth_src));
	l3.w[OFX_W_L4] = l3.w[OFX_W_ADDR] = UINT64_MAX;
	l2.tcp_flags = l3.tcp_flags = 0xffff; /* in neither */
	if (!looks_at(mask, &l2))
		return OFX_KEYS_L3;
	return looks_at(mask, &l3) ? OFX_KEYS_LONG : OFX_KEYS_L2;
}

static void short_keys_write(struct dp *dp)
{
	__atomic_store_n(&live(dp)->short_keys, cache_short_keys(live(dp)->mask), __ATOMIC_RELEASE);
}

void cache_open(struct dp *dp)
{
	short_keys_write(dp);
	dp_generation_bump(dp);
}

/* Port numbers are looked at as one. */
static uint64_t word_mask(const struct ofx_key *mask, unsigned int word)
{
	return word == OFX_W_PORTS && mask->w[word] ? ~0ULL : mask->w[word];
}

void cache_widen(struct dp *dp, const struct ofx_key *mask)
{
	bool wider = false;

	for (unsigned int i = 0; i < OFX_KEY_WORDS; i++)
		wider |= mask_write(dp, i, live(dp)->mask[i] | word_mask(mask, i));
	if (!wider)
		return;
	short_keys_write(dp);
	dp_generation_bump(dp); /* what packets with the former masks may still put there, no later packet finds */
}

void cache_narrow(struct dp *dp, const struct ofx_key *mask)
{
	for (unsigned int i = 0; i < OFX_KEY_WORDS; i++)
		mask_write(dp, i, word_mask(mask, i));
	short_keys_write(dp);
}

void dp_generation_bump(struct dp *dp)
{
	__atomic_add_fetch(&live(dp)->gen, 1, __ATOMIC_SEQ_CST);
}

void cache_ports_take(struct dp *dp, uint32_t len)
{
	__atomic_store_n(&live(dp)->ports_take, len, __ATOMIC_RELEASE);
}
