# SPDX-License-Identifier: GPL-2.0-only
"""The forwarding cases: what frames come (benchgen.h has the same arithmetic) and what rules they meet."""
import random

import openflow as of

FIXED, L2, PIPE, DST, TUPLE, ACL = range(6)
NEW = 0  # no flow comes twice
SALT_A, SALT_B = 0x5bd1e995, 0x9e3779b9
M32 = 0xffffffff
OUT = of.apply_actions(of.output(2))
IPV4 = of.oxm(of.ETH_TYPE, 0x0800)
UDP, TCP = 17, 6
SEED = 1


def mix(x):
    x ^= x >> 16
    x = x * 0x85ebca6b & M32
    x ^= x >> 13
    x = x * 0xc2b2ae35 & M32
    return x ^ x >> 16


def mac(f, second):
    """The bytes are those of a little-endian number."""
    return int.from_bytes(bytes((2, second)) + mix(f).to_bytes(4, 'little'), 'big')


def port_rules():
    return [of.flow_mod(0, 10, of.match(of.oxm(of.IN_PORT, 1)), OUT)]


def l2_rules():
    return [of.flow_mod(0, 10, of.match(of.oxm(of.IN_PORT, 1), of.oxm(of.ETH_DST, mac(f, 1)), of.oxm(of.ETH_SRC, mac(f, 0))),
                        OUT) for f in range(1000)]


def pipe_rules():
    """Who may send; where to; routes, each with its next hop's address; what service."""
    rules = []
    for f in range(1000):
        rules += [
            of.flow_mod(0, 10, of.match(of.oxm(of.IN_PORT, 1), of.oxm(of.ETH_SRC, mac(f, 0))), of.goto(1)),
            of.flow_mod(1, 10, of.match(of.oxm(of.ETH_DST, mac(f, 1)), IPV4), of.goto(2)),
            of.flow_mod(2, 10, of.match(IPV4, of.oxm(of.IPV4_DST, 0xac100001 + f)),
                        of.apply_actions(of.set_field(of.ETH_DST, 0x020300000000 + f)) + of.goto(3)),
            of.flow_mod(3, 10, of.match(IPV4, of.oxm(of.IP_PROTO, UDP), of.oxm(of.IPV4_SRC, 0x0a000001 + f),
                                        of.oxm(of.IPV4_DST, 0xac100001 + f), of.oxm(of.UDP_SRC, 1000),
                                        of.oxm(of.UDP_DST, 2000 + f)), OUT)]
    return rules


# Prefix lengths of 10 000 routes in the half of all addresses that is sent to; the default route takes what is left.
ROUTES = {8: 100, 12: 700, 14: 1000, 16: 4000, 18: 1500, 20: 1500, 22: 700, 24: 499}


def route_rules():
    rng = random.Random(SEED)
    found = {(0, 0)}
    for length, count in ROUTES.items():
        want = len(found) + count
        while len(found) < want:
            found.add((rng.getrandbits(31) >> 32 - length << 32 - length, length))
    return [of.flow_mod(0, 100 + n, of.match(IPV4, of.prefix(of.IPV4_DST, a, n)), OUT) for a, n in sorted(found)]


def tuple_flow(f):
    a, b = mix(f ^ SALT_A), mix(f ^ SALT_B)
    return 0x0a000000 | a & 0xffffff, 0xac100000 | b & 0xfffff, 1024 + (a >> 24), 1024 + (b >> 20)


def tuple_rules():
    flows = {tuple_flow(f) for f in range(100000)}
    assert len(flows) == 100000
    return [of.flow_mod(0, 10, of.match(IPV4, of.oxm(of.IP_PROTO, UDP), of.oxm(of.IPV4_SRC, src), of.oxm(of.IPV4_DST, dst),
                                        of.oxm(of.UDP_SRC, sport), of.oxm(of.UDP_DST, dport)), OUT)
            for src, dst, sport, dport in flows]


def acl_flow(f):
    a, b = mix(f ^ SALT_A), mix(f ^ SALT_B)
    return (0x0a000000 | (a & 15) << 16 | (a & 0xf0) << 4 | a >> 8 & 255, 0xac100000 | (b & 15) << 16 | (b & 0xf0) << 4 | b >> 8 & 255,
            a >> 16, 80 + (b >> 16 & 15) if b >> 31 else 1024 + (b >> 16 & 0x7fff), TCP if b >> 29 & 3 else UDP)


# Prefix length: in how many networks of that length the addresses of acl_flow lie, as a power of two.
NETS = {0: 0, 16: 4, 22: 6, 24: 8, 26: 10, 28: 12, 30: 14, 32: 16}


def acl(seed=SEED):
    """10 000 (src, src_len, dst, dst_len, proto or None, dport or None), the first wins, of 100 masks: prefixes of both
    addresses, all protocols, one, or one of its ports.  Narrower rules come first, by and large."""
    rng = random.Random(seed)
    masks = [(s, d, kind) for s in NETS for d in NETS for kind in ('ip', 'proto', 'port') if NETS[s] + NETS[d] >= 4]
    masks = rng.sample(masks, 100)
    space = {m: NETS[m[0]] + NETS[m[1]] + (0, 1, 5)[('ip', 'proto', 'port').index(m[2])] for m in masks}
    rules, quota = [], {m: min(100, 1 << space[m] - 2) for m in masks}  # a mask has at most a quarter of its space
    wide = [m for m in masks if space[m] >= 12]
    for i in range(10000 - sum(quota.values())):
        quota[wide[i % len(wide)]] += 1
    for m in masks:
        found = set()
        while len(found) < quota[m]:
            src, dst, _, _, proto = acl_flow(rng.getrandbits(32))
            cut = [x >> 32 - n << 32 - n if n else 0 for x, n in ((src, m[0]), (dst, m[1]))]
            found.add((cut[0], m[0], cut[1], m[1], None if m[2] == 'ip' else proto, 80 + rng.getrandbits(4) if m[2] == 'port' else None))
        rules += [(space[m] + rng.gauss(0, 4), r) for r in sorted(found, key=str)]
    return [r for _, r in sorted(rules, key=lambda x: -x[0])]


def acl_rules():
    out = [of.flow_mod(0, 1, of.match(), OUT)]
    for i, (src, s, dst, d, proto, dport) in enumerate(acl()):
        oxms = [IPV4] + ([of.oxm(of.IP_PROTO, proto)] if proto else []) + [of.prefix(of.IPV4_SRC, src, s), of.prefix(of.IPV4_DST, dst, d)]
        if dport:
            oxms.append(of.oxm(of.TCP_DST if proto == TCP else of.UDP_DST, dport))
        out.append(of.flow_mod(0, 20000 - i, of.match(*oxms), OUT))
    return out


class Case:
    def __init__(self, mode, flows, rules, floor):
        self.mode, self.flows, self.rules, self.floor = mode, flows, rules, floor


CASES = {
    'port': Case(FIXED, 1, port_rules, 0.85),
    'l2-1k': Case(L2, 1000, l2_rules, 0.80),
    'pipe4-1k': Case(PIPE, 1000, pipe_rules, 0.75),
    'lpm-10k': Case(DST, NEW, route_rules, 0.50),
    'fivetuple-100k': Case(TUPLE, 100000, tuple_rules, 0.45),
    'acl-10k-100m': Case(ACL, 100000, acl_rules, 0.40),
    'acl-new': Case(ACL, NEW, acl_rules, 0.30),
}
