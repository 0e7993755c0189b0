/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When may rules lie in an LPM trie?  The trie answers with the longest prefix, the table with the highest priority.
 * Both agree if no shorter prefix has a higher priority than a longer one, so per length the priorities in use are
 * counted.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/datapath/table.h"

struct priority_count {
	uint32_t n;
	uint16_t priority;
};

struct priorities {
	struct priority_count *v; /* by rising priority */
	uint32_t n, size;
};

struct trie {
	struct priorities len[129];
};

struct trie *trie_new(void)
{
	return calloc(1, sizeof(struct trie));
}

void trie_free(struct trie *trie)
{
	if (!trie)
		return;
	for (unsigned int i = 0; i < 129; i++)
		free(trie->len[i].v);
	free(trie);
}

bool trie_fits(const struct trie *trie, unsigned int len, uint16_t priority)
{
	for (unsigned int i = 0; i < 129; i++) {
		const struct priorities *p = &trie->len[i];

		if (i == len || !p->n)
			continue;
		if (i < len ? p->v[p->n - 1].priority > priority : p->v[0].priority < priority)
			return false;
	}
	return true;
}

/* The first element whose priority is not lower. */
static uint32_t priorities_find(const struct priorities *p, uint16_t priority)
{
	uint32_t low = 0, high = p->n;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (p->v[middle].priority < priority)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int trie_insert(struct trie *trie, unsigned int len, uint16_t priority)
{
	struct priorities *p = &trie->len[len];
	uint32_t at = priorities_find(p, priority);

	if (at < p->n && p->v[at].priority == priority) {
		p->v[at].n++;
		return 0;
	}
	if (p->n == p->size) {
		uint32_t size = p->size ? p->size * 2 : 2;
		struct priority_count *v = realloc(p->v, size * sizeof(*v));

		if (!v)
			return -ENOMEM;
		p->v = v;
		p->size = size;
	}
	memmove(&p->v[at + 1], &p->v[at], (p->n - at) * sizeof(*p->v));
	p->v[at] = (struct priority_count){.n = 1, .priority = priority};
	p->n++;
	return 0;
}

void trie_remove(struct trie *trie, unsigned int len, uint16_t priority)
{
	struct priorities *p = &trie->len[len];
	uint32_t at = priorities_find(p, priority);

	if (--p->v[at].n)
		return;
	p->n--;
	memmove(&p->v[at], &p->v[at + 1], (p->n - at) * sizeof(*p->v));
}

/* Contiguous ones from the left, over 4 or 16 bytes.  The number of them, or 0. */
static unsigned int prefix_len(const uint8_t *mask, unsigned int bytes)
{
	uint64_t word[2] = {0};
	unsigned int first, second;

	memcpy(word, mask, bytes);
	word[0] = be64toh(word[0]);
	word[1] = be64toh(word[1]);
	first = ~word[0] ? __builtin_clzll(~word[0]) : 64;
	second = ~word[1] ? __builtin_clzll(~word[1]) : 64;
	if ((first < 64 && (word[0] << first || word[1])) || (second < 64 && word[1] << second))
		return 0;
	return first + second;
}

static const struct {
	uint8_t kind;
	uint8_t offset, bytes; /* of the address in the key */
	uint16_t eth_type;
} prefix_kinds[] = {
	{OFX_ENTRY_LPM4_SRC, 48, 4, 0x0800},
	{OFX_ENTRY_LPM4_DST, 52, 4, 0x0800},
	{OFX_ENTRY_LPM6_SRC, 48, 16, 0x86dd},
	{OFX_ENTRY_LPM6_DST, 64, 16, 0x86dd},
};

void trie_bits(uint8_t kind, struct ofx_key *mask)
{
	for (unsigned int i = 0; i < sizeof(prefix_kinds) / sizeof(prefix_kinds[0]); i++)
		if (prefix_kinds[i].kind == kind)
			memset(&mask->b[prefix_kinds[i].offset], 0xff, prefix_kinds[i].bytes);
}

bool trie_candidate(const struct of_match *match, uint8_t *kind, unsigned int *len, uint64_t *key)
{
	if (match->mask.eth_type != 0xffff)
		return false;
	for (unsigned int i = 0; i < sizeof(prefix_kinds) / sizeof(prefix_kinds[0]); i++) {
		struct ofx_key mask = {.eth_type = 0xffff};
		unsigned int offset = prefix_kinds[i].offset, bytes = prefix_kinds[i].bytes;

		if (match->value.eth_type != htons(prefix_kinds[i].eth_type))
			continue;
		*len = prefix_len(&match->mask.b[offset], bytes);
		if (!*len)
			continue;
		memcpy(&mask.b[offset], &match->mask.b[offset], bytes);
		if (memcmp(mask.w, match->mask.w, OFX_KEY_WORDS * 8))
			continue;
		*kind = prefix_kinds[i].kind;
		key[0] = 0;
		memcpy(key, &match->value.b[offset], bytes);
		key[trie_key_words(*kind) - 1] = *len;
		return true;
	}
	return false;
}
