/* SPDX-License-Identifier: GPL-2.0-only */
/* Sets of flow entries that the cases load: entry i of a shape, all different, in scattered order. */
#ifndef BENCH_OFSHAPE_H
#define BENCH_OFSHAPE_H

#include "user/openflow/match.h"

/* Whole permutations of 32 bits, so that no two numbers make the same address. */
static inline uint32_t scatter(uint32_t i)
{
	return i * 2654435761u;
}

static inline void shape_l2(uint32_t i, struct of_match *m)
{
	of_match_set_be64(m, OFX_F_ETH_DST, 0x020000000000ull | scatter(i));
}

static inline void shape_5t(uint32_t i, struct of_match *m)
{
	uint16_t type = __builtin_bswap16(0x0800);
	uint8_t proto = 17;

	of_match_set(m, OFX_F_ETH_TYPE, &type);
	of_match_set(m, OFX_F_IP_PROTO, &proto);
	of_match_set_be32(m, OFX_F_IPV4_SRC, scatter(i));
	of_match_set_be32(m, OFX_F_IPV4_DST, 0x0a000000 | (i & 0xffff));
	of_match_set_be32(m, OFX_F_UDP_SRC, i & 0x7fff);
	of_match_set_be32(m, OFX_F_UDP_DST, 4789);
}

/* Three quarters /24, the others /20, /22, /28, /32; the length. */
static inline unsigned int shape_lpm(uint32_t i, struct of_match *m)
{
	static const uint8_t others[] = {20, 22, 28, 32};
	unsigned int len = i % 16 < 12 ? 24 : others[i % 16 - 12];
	uint32_t j = len == 24 ? i / 16 * 12 + i % 16 : i / 16;
	uint32_t prefix = scatter(j) << (32 - len); /* the low bits of an odd multiple are a permutation too */
	uint32_t mask = __builtin_bswap32(~0u << (32 - len));
	uint16_t type = __builtin_bswap16(0x0800);

	of_match_set(m, OFX_F_ETH_TYPE, &type);
	of_match_set_be32(m, OFX_F_IPV4_DST, prefix);
	if (len < 32) {
		m->masked |= 1ull << OFX_F_IPV4_DST;
		m->mask.ipv4_dst = mask;
	}
	return len;
}

/* The match of entry i of the shape "l2", "5t" or "lpm"; its priority, or 0 if there is no such shape. */
static inline uint16_t shape_match(const char *shape, uint32_t i, struct of_match *m)
{
	*m = (struct of_match){};
	if (!__builtin_strcmp(shape, "lpm"))
		return 100 + shape_lpm(i, m);
	if (!__builtin_strcmp(shape, "5t"))
		shape_5t(i, m);
	else if (!__builtin_strcmp(shape, "l2"))
		shape_l2(i, m);
	else
		return 0;
	return 10;
}

#endif
