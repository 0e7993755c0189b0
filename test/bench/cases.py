# SPDX-License-Identifier: GPL-2.0-only
"""The forwarding cases: what frames come (benchgen.h has the same arithmetic) and what rules they meet."""
import random

import openflow as of

FIXED, L2, PIPE, DST, TUPLE, ACL, DST6 = range(7)
NEW = 0  # no flow comes twice
SALT_A, SALT_B = 0x5bd1e995, 0x9e3779b9
M32 = 0xffffffff
OUT = of.apply_actions(of.output(2))
IPV4, IPV6 = of.oxm(of.ETH_TYPE, 0x0800), of.oxm(of.ETH_TYPE, 0x86dd)
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


def l2_rules(n):
    return [of.flow_mod(0, 10, of.match(of.oxm(of.IN_PORT, 1), of.oxm(of.ETH_DST, mac(f, 1)), of.oxm(of.ETH_SRC, mac(f, 0))),
                        OUT) for f in range(n)]


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


# Prefix lengths of so many routes in the half of all addresses that is sent to; the default route takes what is left.
# A hundred thousand need longer ones: there are no more than 128 /8, 2048 /12, 8192 /14 in it.
ROUTES_1K = {8: 10, 12: 70, 14: 100, 16: 400, 18: 150, 20: 150, 22: 70, 24: 49}
ROUTES_10K = {8: 100, 12: 700, 14: 1000, 16: 4000, 18: 1500, 20: 1500, 22: 700, 24: 499}
ROUTES_100K = {8: 100, 12: 1000, 14: 4000, 16: 16000, 18: 15000, 20: 20000, 22: 18000, 24: 25899}
# IPv6: of 2^12 /32, 2^14 /36, 2^15 /40, as many /44, 2^16 /48, 2^17 /56, 2^18 /64 that are sent to.
ROUTES6_10K = {32: 2500, 36: 1500, 40: 1500, 44: 1000, 48: 2500, 56: 500, 64: 499}


def dst_address(f):
    return mix(f) >> 1


def dst6_address(f):
    a = mix(f ^ SALT_A)
    bits = (a >> 12 & 3) << 30 | (a >> 14 & 1) << 24 | (a >> 15 & 1) << 16 | (a >> 16 & 1) << 8 | a >> 17 & 1
    return (0x2a000000 | a & 0xfff) << 96 | bits << 64 | mix(f ^ SALT_B) << 32 | f


def prefixes(counts, draw, bits):
    """(address, length): so many of each length, of addresses that are drawn, and the default route first."""
    found = {(0, 0)}
    for length, count in counts.items():
        want = len(found) + count
        while len(found) < want:
            found.add((draw() >> bits - length << bits - length, length))
    return sorted(found)


def routes(counts):
    rng = random.Random(SEED)
    return prefixes(counts, lambda: rng.getrandbits(31), 32)


def routes6(counts):
    rng = random.Random(SEED)
    return prefixes(counts, lambda: dst6_address(rng.getrandbits(32)), 128)


def route_rules(counts):
    return [of.flow_mod(0, 100 + n, of.match(IPV4, of.prefix(of.IPV4_DST, a, n)), OUT) for a, n in routes(counts)]


def route6_rules(counts):
    return [of.flow_mod(0, 100 + n, of.match(IPV6, of.prefix(of.IPV6_DST, a, n)), OUT) for a, n in routes6(counts)]


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
    """args: further options of ofxdpd.  floor: None where none has been set yet."""

    def __init__(self, mode, flows, rules, floor, args=()):
        self.mode, self.flows, self.rules, self.floor, self.args = mode, flows, rules, floor, args

    def flow(self, n):
        """Of frame n."""
        return mix(n) * self.flows >> 32 if self.flows else n


CASES = {
    'port': Case(FIXED, 1, port_rules, 0.85),
    'l2-1k': Case(L2, 1000, lambda: l2_rules(1000), 0.84),
    'l2-10k-new': Case(L2, 10000, lambda: l2_rules(10000), 0.40, ('--no-cache',)),
    'pipe4-1k': Case(PIPE, 1000, pipe_rules, 0.75),
    'lpm-1k': Case(DST, NEW, lambda: route_rules(ROUTES_1K), 0.50),
    'lpm-10k': Case(DST, NEW, lambda: route_rules(ROUTES_10K), 0.50),
    'lpm-100k': Case(DST, NEW, lambda: route_rules(ROUTES_100K), 0.33),
    'lpm6-10k': Case(DST6, NEW, lambda: route6_rules(ROUTES6_10K), 0.35),
    'fivetuple-100k': Case(TUPLE, 100000, tuple_rules, 0.45),
    'acl-10k-100m': Case(ACL, 100000, acl_rules, 0.40),
    'acl-new': Case(ACL, NEW, acl_rules, 0.30),
}
