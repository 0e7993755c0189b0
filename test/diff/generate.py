# SPDX-License-Identifier: GPL-2.0-only
"""Random pipelines, and random packets made from their rules."""
import struct
from dataclasses import replace

import oracle
from frame import (ARP, AUTH, DEST, ESP, FIELDS, FRAG, HOP, ICMP, ICMP6, IP4, IP6, MPLS, NONEXT, ROUTING, SCTP, TCP, UDP,
                   Parsed, build, sum16)
from pipeline import ALL, CONTROLLER, FLOOD, IN_PORT, Flow

PORTS = (1, 2, 3, 4)


class Pools:
    """Few values of each field, so that rules and packets meet."""

    def __init__(self, r):
        mac = [r.getrandbits(48) & ~(1 << 40) for _ in range(3)] + [0xffffffffffff, 1 << 40 | r.getrandbits(40)]
        net4, net6 = r.getrandbits(32), r.getrandbits(128)
        ip4 = [net4 ^ r.getrandbits(r.choice((4, 8, 20, 32))) for _ in range(5)]
        ip6 = [net6 ^ r.getrandbits(r.choice((8, 64, 90, 128))) for _ in range(5)]
        port = [r.getrandbits(16) for _ in range(4)] + [80, 0]
        self.values = {
            'in_port': PORTS, 'eth_type': [IP4, IP6, ARP, 0x1234], 'metadata': [r.getrandbits(64) for _ in range(2)] + [r.getrandbits(4), 0],
            'tunnel_id': [r.getrandbits(64), r.getrandbits(8), 0], 'eth': mac, 'ipv4': ip4, 'ipv6': ip6, 'port': port,
            'vlan_vid': [0x1000 | r.getrandbits(12) for _ in range(3)] + [0x1000, 0x1001], 'vlan_pcp': range(8),
            'ip_dscp': [0, 46, r.getrandbits(6), r.getrandbits(6)], 'ip_ecn': range(4), 'ip_proto': [TCP, UDP, SCTP, ICMP, ICMP6, 47, 4],
            'icmpv4_type': [0, 8, 3, r.getrandbits(8)], 'icmpv4_code': [0, 1, r.getrandbits(8)],
            'icmpv6_type': [128, 135, 135, 136, 136, r.getrandbits(8)], 'icmpv6_code': [0, 1, r.getrandbits(8)],
            'arp_op': [1, 2, r.getrandbits(8)], 'ipv6_flabel': [0, r.getrandbits(20), r.getrandbits(20)],
            'mpls_label': [0, 3, r.getrandbits(20), r.getrandbits(20)], 'mpls_tc': range(8), 'mpls_bos': (0, 1),
            'ipv6_exthdr': [0, 1 << r.randrange(9), r.getrandbits(9)]}
        for name in ('eth_dst', 'eth_src', 'arp_sha', 'arp_tha', 'ipv6_nd_sll', 'ipv6_nd_tll'):
            self.values[name] = mac
        for name in ('ipv4_src', 'ipv4_dst', 'arp_spa', 'arp_tpa'):
            self.values[name] = ip4
        for name in ('ipv6_src', 'ipv6_dst', 'ipv6_nd_target'):
            self.values[name] = ip6
        for name in ('tcp_src', 'tcp_dst', 'udp_src', 'udp_dst', 'sctp_src', 'sctp_dst'):
            self.values[name] = port

    def pick(self, r, name):
        return r.choice(self.values[name])


L4_FIELDS = {TCP: ('tcp_src', 'tcp_dst'), UDP: ('udp_src', 'udp_dst'), SCTP: ('sctp_src', 'sctp_dst'),
             ICMP: ('icmpv4_type', 'icmpv4_code'), ICMP6: ('icmpv6_type', 'icmpv6_code')}
L3_FIELDS = {IP4: ('ip_dscp', 'ip_ecn', 'ipv4_src', 'ipv4_dst'), IP6: ('ip_dscp', 'ip_ecn', 'ipv6_src', 'ipv6_dst', 'ipv6_flabel'),
             ARP: ('arp_op', 'arp_spa', 'arp_tpa', 'arp_sha', 'arp_tha'), 0x8847: ('mpls_label', 'mpls_tc', 'mpls_bos'),
             0x8848: ('mpls_label', 'mpls_tc', 'mpls_bos')}


class Shape:
    """What an action may count on: eth_type, proto, icmp type, number of tags known to be there (None: unknown)."""

    def __init__(self, kind=None, proto=None, icmp6=None, tag=False):
        self.kind, self.proto, self.icmp6, self.tag = kind, proto, icmp6, tag

    @staticmethod
    def of(match):
        get = lambda n: match[n][0] if n in match and match[n][1] is None else None  # noqa: E731
        vid = match.get('vlan_vid')
        return Shape(get('eth_type'), get('ip_proto'), get('icmpv6_type'), bool(vid and vid[0] & 0x1000))

    def settable(self):
        out = ['eth_dst', 'eth_src', 'tunnel_id'] + (['vlan_vid', 'vlan_pcp'] if self.tag else [])
        out += L3_FIELDS.get(self.kind, ())
        if self.kind in (IP4, IP6) and (self.proto, self.kind) not in ((ICMP, IP6), (ICMP6, IP4)):
            fields = L4_FIELDS.get(self.proto, ())
            out += [f for f in fields if f != 'icmpv6_type' or self.icmp6 is None]
        if self.proto == ICMP6 and self.kind == IP6 and self.icmp6 in (135, 136):
            out += ['ipv6_nd_target', 'ipv6_nd_sll' if self.icmp6 == 135 else 'ipv6_nd_tll']
        return out


class Generator:
    """r: random.Random; for_ovs: mostly what OVS knows too."""

    def __init__(self, r, for_ovs, mpls=True):
        self.r, self.for_ovs, self.mpls, self.cookie = r, for_ovs, mpls, 0

    # -- flows
    def mask(self, name):
        r, bits = self.r, FIELDS[name].bits
        if name == 'vlan_vid':
            return r.choice((0x1000, 0x1fff, 0x1000 | r.getrandbits(12)))
        if name == 'ipv6_exthdr':
            return 1 << r.randrange(9) | r.getrandbits(9) & r.getrandbits(9)
        how = r.random()
        if how < 0.6:  # a prefix
            n = r.randrange(1, bits + 1)
            return ((1 << n) - 1) << (bits - n)
        return r.getrandbits(bits) & r.getrandbits(bits) if how < 0.8 else 1 << r.randrange(bits)

    def add(self, match, name):
        v, m = self.pools.pick(self.r, name), None
        if FIELDS[name].maskable and self.r.random() < 0.4:
            m = self.mask(name)
            if name == 'vlan_vid' and not m & 0x1000:
                m |= 0x1000
            v &= m
            if not m or m == (1 << FIELDS[name].bits) - 1:
                m = None
        match[name] = (v, m)

    def match(self, table):
        r, match = self.r, {}

        def some(names, chance):
            for n in names:
                if r.random() < chance:
                    self.add(match, n)
        some(('in_port',), 0.15)
        if table:
            some(('metadata',), 0.2)
            some(('tunnel_id',), 0.1)
        some(('eth_dst', 'eth_src'), 0.15)
        if r.random() < 0.35:
            how = r.random()
            if how < 0.15:
                match['vlan_vid'] = (0, None)
            elif how < 0.45:
                match['vlan_vid'] = (0x1000, 0x1000)
            else:
                self.add(match, 'vlan_vid')
            if match['vlan_vid'][0]:
                some(('vlan_pcp',), 0.25)
        if r.random() < 0.75:
            kinds = [IP4, IP4, IP4, IP6, IP6, IP6, ARP] + ([0x8847, 0x8848] if self.mpls else []) + [r.choice((0x1234, 0x5ff, 0x8100))]
            kind = r.choice(kinds)
            match['eth_type'] = (kind, None)
            some(L3_FIELDS.get(kind, ()), 0.25)
            if kind == IP6 and not self.for_ovs:
                some(('ipv6_exthdr',), 0.2)
            if kind in (IP4, IP6) and r.random() < 0.65:
                proto = r.choice([TCP, UDP, SCTP, ICMP if kind == IP4 else ICMP6] + [self.pools.pick(r, 'ip_proto')])
                match['ip_proto'] = (proto, None)
                if (proto, kind) not in ((ICMP, IP6), (ICMP6, IP4)):
                    some(L4_FIELDS.get(proto, ()), 0.4)
                if match.get('icmpv6_type', (0,))[0] in (135, 136):
                    some(('ipv6_nd_target', 'ipv6_nd_sll' if match['icmpv6_type'][0] == 135 else 'ipv6_nd_tll'), 0.3)
        return match

    def output(self):
        r = self.r
        return ('output', r.choice(PORTS + PORTS + (IN_PORT, ALL, FLOOD, CONTROLLER, CONTROLLER)))

    def change(self, shape):
        """One action that changes the packet, and what it does to the shape."""
        r = self.r
        options = ['set'] * 6 + ['push_vlan']
        if shape.tag:
            options.append('pop_vlan')
        if shape.kind in (IP4, IP6):
            options += ['set_ip_ttl', 'dec_ip_ttl']
        if self.mpls:
            options += ['push_mpls'] * (shape.kind is not None and not shape.tag and not self.tags_possible)
            if shape.kind in MPLS:
                options += ['pop_mpls', 'set_mpls_ttl', 'dec_mpls_ttl']
            if not self.for_ovs and shape.kind in MPLS:
                options += ['copy_ttl_in', 'copy_ttl_out']
        kind = r.choice(options)
        if kind == 'set':
            name = r.choice(shape.settable())
            if name == 'mpls_bos' and self.for_ovs:
                name = 'mpls_tc'
            value = self.pools.pick(r, name)
            return ('set', name, value)
        if kind == 'push_vlan':
            shape.tag = True
            return (kind, r.choice((0x8100, 0x8100, 0x88a8)))
        if kind == 'pop_vlan':
            shape.tag = False
            return (kind,)
        if kind == 'push_mpls':
            shape.kind, shape.proto = r.choice(MPLS), None
            return (kind, shape.kind)
        if kind == 'pop_mpls':
            shape.kind, shape.proto = r.choice((IP4, IP4, IP6, 0x8847)), None
            return (kind, shape.kind)
        if kind.startswith('set_'):
            return (kind, r.choice((0, 1, 2, 64, 255)) if kind == 'set_mpls_ttl' else r.choice((1, 2, 64, 255)))
        return (kind,)

    def apply(self, shape, length):
        out = []
        for _ in range(length):
            out.append(self.output() if self.r.random() < 0.45 else self.change(shape))
        return out

    def write(self, shape):
        """A set has one action of a type; those that move headers are rare, for they meet each other's headers."""
        r, out, seen = self.r, [], set()
        fixed = Shape(shape.kind, shape.proto, shape.icmp6, shape.tag)
        for _ in range(r.randrange(1, 4)):
            if r.random() < 0.5:
                a = self.output()
            else:
                s = Shape(fixed.kind, fixed.proto, fixed.icmp6, fixed.tag)
                a = self.change(s)
                if a[0] in ('push_mpls', 'pop_mpls', 'pop_vlan') and r.random() < 0.7:
                    continue
            key = a[:2] if a[0] == 'set' else a[0]
            if key not in seen:
                seen.add(key)
                out.append(a)
        r.shuffle(out)
        return out

    def actions(self, flow, later):
        r, shape = self.r, Shape.of(flow.match)
        self.tags_possible = self.for_ovs and flow.match.get('vlan_vid') != (0, None)
        if r.random() < 0.65:
            flow.apply = self.apply(shape, r.choice((1, 1, 2, 3, 4, 6, 6, 10, 16)))
        if r.random() < 0.3:
            flow.write = self.write(shape)
        if r.random() < 0.05:
            flow.clear = True
        if later:
            if r.random() < 0.2:
                m = r.choice(((1 << 64) - 1, r.getrandbits(64), 0xf))
                flow.metadata = (self.pools.pick(r, 'metadata') & m, m)
            if r.random() < 0.75:
                flow.goto = r.choice(later)
        if flow.goto is None and not flow.write and not any(a[0] == 'output' for a in flow.apply) and r.random() < 0.8:
            flow.apply.append(self.output())

    def family(self, table, priority, later):
        """Flows of one priority that exclude each other: the same mask, other values."""
        r, first, flows, values = self.r, self.match(table), [], set()
        for _ in range(r.choice((1, 1, 1, 2, 4))):
            match = {}
            for n, (v, m) in first.items():
                if n not in ('eth_type', 'ip_proto', 'icmpv6_type', 'vlan_vid') and flows:
                    v = self.pools.pick(r, n)
                    v = v if m is None else v & m
                match[n] = (v, m)
            key = tuple(sorted(match.items()))
            if key in values:
                continue
            values.add(key)
            self.cookie += 1
            flow = Flow(table, priority, match, cookie=self.cookie)
            self.actions(flow, later)
            flows.append(flow)
        return flows

    def routes(self, table, later):
        """Prefixes of one address, the longer the higher: what the data plane keeps in a trie."""
        r, name = self.r, self.r.choice(('ipv4_dst', 'ipv4_src', 'ipv6_dst', 'ipv6_src'))
        bits, kind, seen, flows = FIELDS[name].bits, IP4 if name[3] == '4' else IP6, set(), []
        for _ in range(r.randrange(4, 25)):
            n = r.randrange(1, bits + 1)
            mask = ((1 << n) - 1) << (bits - n)
            value = self.pools.pick(r, name) & mask
            if (value, n) not in seen:
                seen.add((value, n))
                self.cookie += 1
                flow = Flow(table, 60001 + n, {'eth_type': (kind, None), name: (value, None if n == bits else mask)}, cookie=self.cookie)
                self.actions(flow, later)
                flows.append(flow)
        return flows

    def changed(self, flows):
        """The pipeline after some flow-mods: entries gone, changed, new; the rest is as it was."""
        r, out = self.r, []
        ids = sorted({f.table for f in flows})
        for f in flows:
            how = r.random()
            if how < 0.15:
                continue
            if how < 0.3:
                f = replace(f, apply=[], write=[], clear=False, metadata=None, goto=None)
                self.actions(f, [t for t in ids if t > f.table])
            out.append(f)
        used = {(f.table, f.priority) for f in flows}
        for _ in range(r.randrange(0, 4)):
            table, priority = r.choice(ids), r.randrange(1, 60000)
            if (table, priority) not in used:
                out += self.family(table, priority, [t for t in ids if t > table])
        return out

    def pipeline(self):
        r = self.r
        self.pools = Pools(r)
        n = r.choice((1, 2, 2, 3, 3, 4, 6))
        ids = [0] + sorted(r.sample(range(1, 250), n - 1))
        flows = []
        for i, table in enumerate(ids):
            later = ids[i + 1:]
            kind = r.random()
            if kind < 0.1:
                flows += self.routes(table, later)
            for priority in r.sample(range(1, 60000), r.randrange(15, 40) if kind > 0.95 else r.randrange(1, 7)):
                flows += self.family(table, priority, later)
            if r.random() < (0.6 if table else 0.4):
                self.cookie += 1
                miss = Flow(table, 0, {}, cookie=self.cookie)
                self.actions(miss, later)
                flows.append(miss)
        return flows

    # -- packets
    def packet(self, flows):
        """(in_port, frame): usually from a rule of table 0 and one of another table."""
        r, want = self.r, {}
        for flow in r.sample(flows, min(2, len(flows))) + [r.choice([f for f in flows if not f.table] or flows)]:
            if r.random() < 0.75:
                for name, (value, mask) in flow.match.items():
                    full = (1 << FIELDS[name].bits) - 1
                    mask = full if mask is None else mask
                    want[name] = value | self.r.getrandbits(FIELDS[name].bits) & ~mask if r.random() < 0.97 else self.pools.pick(r, name)
        port, frame = want.get('in_port', r.choice(PORTS)), build(self.describe(want))
        return port, self.zero_sum(flows, port, frame) if r.random() < 0.05 else self.mutate(frame)

    @staticmethod
    def zero_sum(flows, port, frame):
        """A UDP packet's data made such that the checksum comes out as 0, which is sent as 0xffff."""
        p = Parsed(frame)
        if p.proto != UDP or p.end < p.l4 + 10 or frame[p.l4 + 6:p.l4 + 8] == b'\0\0':
            return frame
        sent = [f for _, f in oracle.run(flows, PORTS, frame, port).outputs if Parsed(f).proto == UDP]
        if not sent:
            return frame
        q, new, data = Parsed(sent[-1]), bytearray(frame), p.l4 + 8
        new[data:data + 2] = struct.pack('>H', sum16(bytes(frame[data:data + 2] + sent[-1][q.l4 + 6:q.l4 + 8])))
        oracle.fix_sums(p, new)
        return bytes(new)

    def take(self, want, name):
        return want[name] if name in want else self.pools.pick(self.r, name)

    def describe(self, want):
        r, p = self.r, {}
        p['eth_dst'], p['eth_src'] = self.take(want, 'eth_dst'), self.take(want, 'eth_src')
        p['tags'] = []
        tagged = want['vlan_vid'] & 0x1000 if 'vlan_vid' in want else r.random() < 0.25
        if tagged:
            tci = self.take(want, 'vlan_vid') & 0xfff | self.take(want, 'vlan_pcp') << 13 | (r.random() < 0.1) << 12
            p['tags'].append((r.choice((0x8100, 0x8100, 0x88a8)), tci if r.random() < 0.9 or 'vlan_vid' in want else 0))
            while r.random() < 0.25:
                p['tags'].append((r.choice((0x8100, 0x88a8)), r.getrandbits(16) & ~0x1000))
        kind = want.get('eth_type') or r.choice((IP4, IP4, IP6, IP6, ARP, 0x8847 if self.mpls else IP4, 0x1234))
        labelled = kind in MPLS
        if labelled:
            p['mpls'] = kind
            bos = self.take(want, 'mpls_bos')
            top = self.take(want, 'mpls_label') << 12 | self.take(want, 'mpls_tc') << 9 | r.choice((0, 1, 2, 64, 255))
            p['labels'] = [top | bos << 8] + ([] if bos else [r.getrandbits(32) & ~0x100] * r.choice((0, 0, 1)) + [r.getrandbits(32) | 0x100])
            kind = r.choice((IP4, IP4, IP6, ARP))
        p['kind'] = kind
        p['data'] = r.randbytes(r.choice((0, 0, 1, 7, 18, 40)))
        if kind in (IP4, IP6):
            self.describe_ip(want, p, kind)
        elif kind == ARP:
            p.update(op=self.take(want, 'arp_op'), sha=self.take(want, 'arp_sha'), tha=self.take(want, 'arp_tha'),
                     src=self.take(want, 'arp_spa'), dst=self.take(want, 'arp_tpa'))
        elif kind < 0x600:
            p['kind'] = len(p['data'])
        if kind >= 0x600 and not labelled and r.random() < 0.03:
            p['snap'] = True
        if r.random() < 0.15:
            p['padding'] = bytes(r.randrange(1, 20))
        return p

    def describe_ip(self, want, p, kind):
        r = self.r
        v = '4' if kind == IP4 else '6'
        p.update(src=self.take(want, 'ipv%s_src' % v), dst=self.take(want, 'ipv%s_dst' % v),
                 tos=self.take(want, 'ip_dscp') << 2 | self.take(want, 'ip_ecn'), ttl=r.choice((0, 1, 2, 64, 64, 64, 255)))
        proto = want.get('ip_proto', r.choice((TCP, UDP, SCTP, ICMP if kind == IP4 else ICMP6, 47)))
        p['proto'] = proto
        fields = L4_FIELDS.get(proto)
        if proto in (TCP, UDP, SCTP):
            p['sport'], p['dport'] = self.take(want, fields[0]), self.take(want, fields[1])
            p['flags'], p['no_sum'] = r.getrandbits(8), r.random() < 0.1
            if r.random() < 0.2:
                p['tcp_options'] = bytes(4 * r.randrange(1, 5))
        elif fields:
            p['type'], p['code'] = self.take(want, fields[0]), self.take(want, fields[1])
            if proto == ICMP6 and p['type'] in (135, 136):
                p['code'] = p['code'] if r.random() < 0.1 else 0
                p['target'], ll = self.take(want, 'ipv6_nd_target'), 'ipv6_nd_sll' if p['type'] == 135 else 'ipv6_nd_tll'
                opts = [bytes([1 if p['type'] == 135 else 2, 1]) + self.take(want, ll).to_bytes(6, 'big')] if r.random() < 0.85 else []
                if r.random() < 0.2:
                    opts.append(bytes([14, 1]) + r.randbytes(6))
                r.shuffle(opts)
                p['nd_options'] = b''.join(opts)
        if kind == IP4:
            if r.random() < 0.15:
                p['ip_options'] = bytes([1]) * 4 * r.randrange(1, 6)
            if r.random() < 0.12:
                p['frag'] = r.choice((0x2000, 0x2000, 1, 0x2003, 0x4000))
            return
        p['flabel'] = self.take(want, 'ipv6_flabel')
        if r.random() < 0.25:
            p['exts'] = [self.ext(k) for k in r.choice((
                (HOP,), (DEST,), (ROUTING,), (FRAG,), (AUTH,), (HOP, DEST, ROUTING, FRAG, AUTH, DEST), (HOP, ROUTING), (DEST, DEST),
                (ROUTING, FRAG), (AUTH, DEST), (ESP,), (NONEXT,), (FRAG, DEST), (HOP, HOP), (DEST, HOP), (ROUTING, DEST, ROUTING)))]

    def ext(self, kind):
        r = self.r
        if kind == FRAG:
            frag = r.choice((0, 1, 1, 8, 9, 4096))
            return kind, bytes([frag >> 8, frag & 255, 0, 0, 0, 7])
        if kind == AUTH:
            return kind, bytes(10 + 4 * r.randrange(0, 3))
        if kind == ROUTING:
            return kind, bytes([0, r.choice((0, 0, 1))]) + bytes(4 + 8 * r.choice((0, 2)))
        if kind in (ESP, NONEXT):
            return kind, bytes(8)
        return kind, bytes([1, 4, 0, 0, 0, 0]) + bytes(8 * r.choice((0, 0, 1)))

    def mutate(self, frame):
        r, how = self.r, self.r.random()
        if how < 0.9:
            return frame
        frame = bytearray(frame)
        if how < 0.94:
            return bytes(frame[:max(14, r.randrange(14, len(frame) + 1))])
        for _ in range(r.choice((1, 1, 2, 5))):
            at = r.randrange(len(frame)) if r.random() < 0.3 else r.randrange(12, min(len(frame), 70))
            frame[at] = r.getrandbits(8) if r.random() < 0.5 else frame[at] ^ 1 << r.randrange(8)
        return bytes(frame)

