/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hashes of keys that come in grids, as networks have them (include/ofxdp/hash.h): no two keys share a hash, and the
 * fullest line or place holds no more than chance puts there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <endian.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "include/ofxdp/table.h"
#include "include/ofxdp/table_lines.h"

#define N 65536	      /* keys of a grid */
#define SECRETS 16    /* each grid is hashed with so many */
#define LINE_RULES 3  /* rules a line of the hash, when it is full */
#define LINE_MOST 24  /* in the fullest of N / LINE_RULES lines: beyond 16 once in a million runs */
#define PLACES 8192   /* of the flow cache */
#define PLACE_MOST 40 /* in the fullest place, of N keys: 8 a place */

static uint64_t rand64(void)
{
	return (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ random();
}

typedef void (*grid_fn)(unsigned int a, unsigned int b, struct ofx_key *key); /* a, b: 0 to 255 */

static void ip(struct ofx_key *k)
{
	k->eth_type = htons(0x0800);
	k->ip_proto = 6;
}

static void addresses_ports(unsigned int a, unsigned int b, struct ofx_key *k)
{
	ip(k);
	k->ipv4_dst = htonl(0x0a000000 + a);
	k->tp_dst = htons(8192 + b);
}

static void equal_octets_ports(unsigned int a, unsigned int b, struct ofx_key *k)
{
	ip(k);
	k->ipv4_src = htonl(0x0a000000 + a);
	k->ipv4_dst = htonl(0x0a000100 + a);
	k->tp_dst = htons(b);
}

static void pairs_of_hosts(unsigned int a, unsigned int b, struct ofx_key *k)
{
	ip(k);
	k->ipv4_src = htonl(0x0a000000 + a);
	k->ipv4_dst = htonl(0xc0a80100 + b);
}

static void networks(unsigned int a, unsigned int b, struct ofx_key *k)
{
	k->eth_type = htons(0x0800);
	k->ipv4_dst = htonl(a << 24 | b << 16);
}

static void both_ports(unsigned int a, unsigned int b, struct ofx_key *k)
{
	ip(k);
	k->tp_src = htons(a);
	k->tp_dst = htons(b << 8);
}

static void macs(unsigned int a, unsigned int b, struct ofx_key *k)
{
	memcpy(k->eth_src, (uint8_t[]){2, 0, 0, 0, 0, a}, 6);
	memcpy(k->eth_dst, (uint8_t[]){2, 0, 0, 0, 1, b}, 6);
}

static void vlans_macs(unsigned int a, unsigned int b, struct ofx_key *k)
{
	k->vlan_vid = htons(0x1000 | a);
	memcpy(k->eth_dst, (uint8_t[]){2, 0, 0, 0, 0, b}, 6);
}

static void ports_macs(unsigned int a, unsigned int b, struct ofx_key *k)
{
	k->in_port = htonl(a);
	memcpy(k->eth_src, (uint8_t[]){2, 0, 0, 0, 0, b}, 6);
}

static void ipv6_subnets(unsigned int a, unsigned int b, struct ofx_key *k)
{
	k->eth_type = htons(0x86dd);
	k->ipv6_dst[0] = htobe64(0x20010db800000000 | a << 8 | b);
}

static void ipv6_hosts(unsigned int a, unsigned int b, struct ofx_key *k)
{
	k->eth_type = htons(0x86dd);
	k->ipv6_src[0] = htobe64(0x20010db800000000 | a);
	k->ipv6_dst[1] = htobe64(b);
}

static const grid_fn grids[] = {addresses_ports, equal_octets_ports, pairs_of_hosts, networks,	both_ports, macs,
				vlans_macs,	 ports_macs,	     ipv6_subnets,   ipv6_hosts};

static void describe(struct ofx_subtable *t, const uint64_t mask[OFX_KEY_WORDS])
{
	*t = (struct ofx_subtable){0};
	for (unsigned int i = 0; i < OFX_KEY_WORDS; i++) {
		if (!mask[i])
			continue;
		t->at[t->n_words] = 8 * i;
		t->mask[t->n_words++] = mask[i];
	}
}

/* A tuple that looks at all that the grid's keys have, quick or not as it would be in a table. */
static void tuple_of(grid_fn grid, struct ofx_subtable *t)
{
	const uint64_t quick = 1 << OFX_W_ETH_DST | 1 << OFX_W_L4 | 1 << OFX_W_ADDR;
	uint64_t mask[OFX_KEY_WORDS] = {0}, words = 0;

	for (unsigned int i = 0; i < N; i++) {
		struct ofx_key key = {0};

		grid(i >> 8, i & 0xff, &key);
		for (unsigned int w = 0; w < OFX_KEY_WORDS; w++)
			mask[w] |= key.w[w] ? UINT64_MAX : 0;
	}
	for (unsigned int w = 0; w < OFX_KEY_WORDS; w++)
		words |= mask[w] ? 1u << w : 0;
	if (words & ~quick) {
		describe(t, mask);
		return;
	}
	*t = (struct ofx_subtable){.head = OFX_QUICK_HEAD};
	t->mask[0] = mask[OFX_W_ETH_DST];
	t->mask[1] = mask[OFX_W_L4];
	t->mask[2] = mask[OFX_W_ADDR];
}

static int by_number(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The most that are at one of n places. */
static unsigned int fullest(const uint32_t *place, unsigned int n)
{
	unsigned int *count = calloc(n, sizeof(*count)), most = 0;

	assert_non_null(count);
	for (unsigned int i = 0; i < N; i++) {
		unsigned int now = ++count[place[i]];

		most = now > most ? now : most;
	}
	free(count);
	return most;
}

static void check_rules(grid_fn grid, const uint64_t *secret)
{
	const struct ofx_rule_geometry g = {.lines = N / LINE_RULES};
	static uint64_t hash[N];
	static uint32_t line[N];
	struct ofx_subtable t;

	tuple_of(grid, &t);
	for (unsigned int i = 0; i < N; i++) {
		struct ofx_key key = {0};

		grid(i >> 8, i & 0xff, &key);
		hash[i] = ofx_rule_hash((const __u64 *)key.w, &t, 7, (const __u64 *)secret);
		line[i] = ofx_rule_line_of(hash[i], g);
	}
	assert_true(fullest(line, g.lines) <= LINE_MOST);
	qsort(hash, N, sizeof(hash[0]), by_number);
	for (unsigned int i = 1; i < N; i++)
		assert_int_not_equal(hash[i - 1], hash[i]);
}

static void rules_are_spread(void **state)
{
	uint64_t secret[OFX_RULE_SECRETS];

	srandom(1);
	for (int n = 0; n < SECRETS; n++) {
		for (int i = 0; i < OFX_RULE_SECRETS; i++)
			secret[i] = rand64();
		for (size_t i = 0; i < sizeof(grids) / sizeof(grids[0]); i++)
			check_rules(grids[i], secret);
	}
}

/* As bpf/cache.h has it: words 3, 4, 5 and 6 of the key. */
static uint32_t cache_place(const struct ofx_key *k, const uint64_t *secret)
{
	uint64_t sum = k->w[OFX_W_ETH_DST] * secret[0] + k->w[OFX_W_ETH_SRC] * secret[1];

	sum += ofx_hash_fold(k->w[OFX_W_L4]) * secret[2] + ofx_hash_fold(k->w[OFX_W_ADDR]) * secret[3];
	return sum >> 51;
}

static void check_cache(grid_fn grid, const uint64_t *secret)
{
	static uint32_t place[N];

	for (unsigned int i = 0; i < N; i++) {
		struct ofx_key key = {0};

		grid(i >> 8, i & 0xff, &key);
		place[i] = cache_place(&key, secret);
	}
	assert_true(fullest(place, PLACES) <= PLACE_MOST);
}

static void cache_is_spread(void **state)
{
	static const grid_fn plain[] = {addresses_ports, equal_octets_ports, pairs_of_hosts,
					networks,	 both_ports,	     macs};
	uint64_t secret[4];

	srandom(1);
	for (int n = 0; n < SECRETS; n++) {
		for (int i = 0; i < 4; i++)
			secret[i] = rand64() | 1;
		for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
			check_cache(plain[i], secret);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_spread),
		cmocka_unit_test(cache_is_spread),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
