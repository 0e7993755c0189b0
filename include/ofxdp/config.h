/* SPDX-License-Identifier: GPL-2.0-only */
/* Switch-wide settings, map `config` ARRAY[1], one u64: user writes the whole word, BPF reads it once per packet. */
#ifndef OFXDP_CONFIG_H
#define OFXDP_CONFIG_H

#define OFX_CONFIG_FRAG_DROP 1	 /* OFPC_FRAG_DROP */
#define OFX_CONFIG_INVALID_TTL 2 /* punt packets whose TTL ran out (1.3: async config; 1.2: SET_CONFIG) */

#endif
