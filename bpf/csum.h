/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checksums, updated by what changed (RFC 1624, equation 3), so that a wrong checksum stays wrong and is found at the
 * destination.  A difference is a plain sum of ~old + new over 16- or 32-bit pieces of the frame, in the frame's byte
 * order; differences add up.  Pieces begin at even offsets of the checksummed data.
 */
#ifndef BPF_CSUM_H
#define BPF_CSUM_H

#include "bpf/pkt.h"

static __always_inline __u64 csum_diff16(__be16 old, __be16 new)
{
	return (__u64)(__u16)~old + new;
}

static __always_inline __u64 csum_diff32(__be32 old, __be32 new)
{
	return (__u64)(__u32)~old + new;
}

static __always_inline __u64 csum_diff64(__be64 old, __be64 new)
{
	return csum_diff32((__u32)old, (__u32) new) + csum_diff32(old >> 32, new >> 32);
}

static __always_inline __be16 csum_apply(__be16 csum, __u64 diff)
{
	__u64 sum = (__u64)(__u16)~csum + diff;

	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* UDP: 0 means "no checksum" and stays; a computed 0 is sent as all ones (RFC 768). */
static __always_inline __be16 csum_apply_udp(__be16 csum, __u64 diff)
{
	__be16 new;

	if (!csum)
		return 0;
	new = csum_apply(csum, diff);
	return new ? new : 0xffff;
}

/*
 * CRC-32C (SCTP) is linear: when four bytes change by `diff` (old ^ new, as a little-endian word), and `len` - 4 bytes
 * follow them, the CRC changes by diff * x^(8 * len) modulo the polynomial.  So its cost does not depend on the
 * payload, and here too a wrong CRC stays wrong.  Polynomials are bit-reflected: x^0 is the highest bit.
 */
#define CRC32C_POLY 0x82f63b78
#define CRC32C_LEN_BITS 14

/* x^(8 * 2^k): each is the square of the one before. */
static const __u32 crc32c_powers[CRC32C_LEN_BITS] = {
	0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18, 0x510ac59a, 0xb82be955,
	0xb8fdb1e7, 0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a, 0x35d73a62, 0x28461564,
};

__weak __noinline __u32 crc32c_multiply(__u32 a, __u32 b)
{
	__u32 product = 0;

#pragma clang loop unroll(disable)
	for (int i = 0; i < 32; i++) {
		product ^= b & -(a >> 31);
		a <<= 1;
		b = b >> 1 ^ (CRC32C_POLY & -(b & 1));
	}
	return product;
}

static __always_inline __u32 crc32c_diff(__u32 diff, __u32 len)
{
#pragma clang loop unroll(disable)
	for (int k = 0; k < CRC32C_LEN_BITS; k++)
		if (len >> k & 1)
			diff = crc32c_multiply(diff, crc32c_powers[k]);
	return diff;
}

#endif
