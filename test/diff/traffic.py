# SPDX-License-Identifier: GPL-2.0-only
"""Random packets, made from the rules they are to meet; the values that rules and packets share."""
import struct

import oracle
from frame import (ARP, AUTH, DEST, ESP, FIELDS, FRAG, HOP, ICMP, ICMP6, IP4, IP6, MPLS, NONEXT, PBB, ROUTING, SCTP, TCP, UDP,
                   build, parse, sum16)
from pipeline import SENDERS


class Pools:
    """Few values of each field, so that rules and packets meet; zeros, which a header that is not there must not have."""

    def __init__(self, r):
        mac = [r.getrandbits(48) & ~(1 << 40) for _ in range(3)] + [0xffffffffffff, 1 << 40 | r.getrandbits(40), 0]
        net4, net6 = r.getrandbits(32), r.getrandbits(128)
        ip4 = [net4 ^ r.getrandbits(r.choice((4, 8, 20, 32))) for _ in range(5)] + [0]
        ip6 = [net6 ^ r.getrandbits(r.choice((8, 64, 90, 128))) for _ in range(5)] + [0]
        port = [r.getrandbits(16) for _ in range(4)] + [80, 0]
        self.values = {
            'in_port': SENDERS, 'eth_type': [IP4, IP6, ARP, 0x1234], 'metadata': [r.getrandbits(64) for _ in range(2)] + [r.getrandbits(4), 0],
            'tunnel_id': [r.getrandbits(64), r.getrandbits(8), 0], 'eth': mac, 'ipv4': ip4, 'ipv6': ip6, 'port': port,
            'vlan_vid': [0x1000 | r.getrandbits(12) for _ in range(3)] + [0x1000, 0x1001], 'vlan_pcp': range(8),
            'ip_dscp': [0, 46, r.getrandbits(6), r.choice((10, 12, 18, 20, 26, 34, 36)), r.choice((10, 18, 26, 34)), r.choice((2, 11, 13, 42, 50))],
            'ip_ecn': range(4), 'ip_proto': [TCP, UDP, SCTP, ICMP, ICMP6, 47, 4],
            'icmpv4_type': [0, 8, 3, r.getrandbits(8)], 'icmpv4_code': [0, 1, r.getrandbits(8)],
            'icmpv6_type': [128, 135, 135, 136, 136, r.getrandbits(8)], 'icmpv6_code': [0, 1, r.getrandbits(8)],
            'arp_op': [0, 1, 2, r.getrandbits(8)], 'ipv6_flabel': [0, r.getrandbits(20), r.getrandbits(20)],
            'mpls_label': [0, 3, r.getrandbits(20), r.getrandbits(20)], 'mpls_tc': range(8), 'mpls_bos': (0, 1),
            'pbb_isid': [0, r.getrandbits(24), r.getrandbits(24)],
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
             PBB: ('pbb_isid',), ARP: ('arp_op', 'arp_spa', 'arp_tpa', 'arp_sha', 'arp_tha'), 0x8847: ('mpls_label', 'mpls_tc', 'mpls_bos'),
             0x8848: ('mpls_label', 'mpls_tc', 'mpls_bos')}


class Traffic:
    """r: random.Random; pools: Pools; pbb: I-TAGs too."""

    def __init__(self, r, pools, mpls, pbb):
        self.r, self.pools, self.mpls, self.pbb = r, pools, mpls, pbb

    def packet(self, state):
        """(in_port, frame): usually from a rule of table 0 and one of another table."""
        r, want, flows = self.r, {}, state.flows
        for flow in r.sample(flows, min(2, len(flows))) + [r.choice([f for f in flows if not f.table] or flows)]:
            if r.random() < 0.75:
                for name, (value, mask) in flow.match.items():
                    full = (1 << FIELDS[name].bits) - 1
                    mask = full if mask is None else mask
                    want[name] = value | self.r.getrandbits(FIELDS[name].bits) & ~mask if r.random() < 0.97 else self.pools.pick(r, name)
        port, frame = want.get('in_port', r.choice(SENDERS)), build(self.describe(want))
        return port, self.zero_sum(state, port, frame) if r.random() < 0.05 else self.mutate(frame)

    @staticmethod
    def zero_sum(state, port, frame):
        """A UDP packet's data made such that the checksum comes out as 0, which is sent as 0xffff."""
        p = parse(frame)
        if p.proto != UDP or p.end < p.l4 + 10 or frame[p.l4 + 6:p.l4 + 8] == b'\0\0':
            return frame
        sent = [f for _, f in oracle.run(state, frame, port).outputs if parse(f).proto == UDP]
        if not sent:
            return frame
        q, new, data = parse(sent[-1]), bytearray(frame), p.l4 + 8
        new[data:data + 2] = struct.pack('>H', sum16(bytes(frame[data:data + 2] + sent[-1][q.l4 + 6:q.l4 + 8])))
        oracle.fix_sums(p, frame, new)
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
        kind = want.get('eth_type') or r.choice((IP4, IP4, IP6, IP6, ARP, 0x8847 if self.mpls else IP4, 0x1234) + (PBB, PBB) * self.pbb)
        if kind == PBB:
            kind = self.i_tag(want, p)
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

    def i_tag(self, want, p):
        """The frame so far is the backbone's, its tags B-TAGs; the customer's in it has a type of its own."""
        r = self.r
        p['pbb'] = (p['eth_dst'].to_bytes(6, 'big') + p['eth_src'].to_bytes(6, 'big'), p['tags'],
                    r.getrandbits(8) << 24 | self.take(want, 'pbb_isid'))
        p['tags'] = [(0x8100, r.getrandbits(16) & ~0x1000)] if r.random() < 0.3 else []
        p['eth_dst'], p['eth_src'] = self.pools.pick(r, 'eth_dst'), self.pools.pick(r, 'eth_src')
        return r.choice((IP4, IP6, ARP, 0x1234))

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

    def sibling(self, frame):
        """Another packet of the same flow: longer, from further away, or more urgent."""
        r, p = self.r, parse(frame)
        how = r.choice(('pad', 'ttl', 'pcp', 'dscp'))
        place, is_ip4 = oracle.ttl_place(p)
        if how == 'ttl' and place:
            return oracle.put_ttl(frame, place, is_ip4, r.choice((1, 2, 64, 255)))
        if how == 'pcp' and p.vlans:
            return frame[:14] + bytes([frame[14] & 0x1f | r.randrange(8) << 5]) + frame[15:]
        if how == 'dscp' and (p.ip4 is not None or p.ip6 is not None):
            return oracle.set_field(frame, 'ip_dscp', self.pools.pick(r, 'ip_dscp'), set())
        return frame + bytes(r.randrange(1, 60))

    def mutate(self, frame):
        r, how = self.r, self.r.random()
        if how < 0.9:
            return frame
        frame = bytearray(frame)
        if how < 0.95:  # half of the time within the first headers
            return bytes(frame[:max(14, r.randrange(14, r.choice((min(len(frame), 74), len(frame))) + 1))])
        for _ in range(r.choice((1, 1, 2, 5))):
            at = r.randrange(len(frame)) if r.random() < 0.3 else r.randrange(12, min(len(frame), 70))
            frame[at] = r.getrandbits(8) if r.random() < 0.5 else frame[at] ^ 1 << r.randrange(8)
        return bytes(frame)

