# SPDX-License-Identifier: GPL-2.0-only
"""Frames for the differential test: the match fields, a plain parser, a builder."""
import functools
import struct
from collections import namedtuple

Field = namedtuple('Field', 'name oxm size bits maskable settable')
M, S = 1, 2
FIELDS = {f[0]: Field(f[0], f[1], f[2], f[3], bool(f[4] & M), bool(f[4] & S)) for f in (
    ('in_port', 0, 4, 32, 0), ('metadata', 2, 8, 64, M), ('tunnel_id', 38, 8, 64, M | S),
    ('eth_dst', 3, 6, 48, M | S), ('eth_src', 4, 6, 48, M | S), ('eth_type', 5, 2, 16, S),
    ('vlan_vid', 6, 2, 13, M | S), ('vlan_pcp', 7, 1, 3, S),
    ('ip_dscp', 8, 1, 6, S), ('ip_ecn', 9, 1, 2, S), ('ip_proto', 10, 1, 8, S),
    ('ipv4_src', 11, 4, 32, M | S), ('ipv4_dst', 12, 4, 32, M | S),
    ('tcp_src', 13, 2, 16, S), ('tcp_dst', 14, 2, 16, S), ('udp_src', 15, 2, 16, S), ('udp_dst', 16, 2, 16, S),
    ('sctp_src', 17, 2, 16, S), ('sctp_dst', 18, 2, 16, S), ('icmpv4_type', 19, 1, 8, S), ('icmpv4_code', 20, 1, 8, S),
    ('arp_op', 21, 2, 16, S), ('arp_spa', 22, 4, 32, M | S), ('arp_tpa', 23, 4, 32, M | S),
    ('arp_sha', 24, 6, 48, M | S), ('arp_tha', 25, 6, 48, M | S),
    ('ipv6_src', 26, 16, 128, M | S), ('ipv6_dst', 27, 16, 128, M | S), ('ipv6_flabel', 28, 4, 20, M | S),
    ('icmpv6_type', 29, 1, 8, S), ('icmpv6_code', 30, 1, 8, S), ('ipv6_nd_target', 31, 16, 128, S),
    ('ipv6_nd_sll', 32, 6, 48, S), ('ipv6_nd_tll', 33, 6, 48, S),
    ('mpls_label', 34, 4, 20, S), ('mpls_tc', 35, 1, 3, S), ('mpls_bos', 36, 1, 1, S),
    ('pbb_isid', 37, 3, 24, M | S), ('ipv6_exthdr', 39, 2, 9, M))}

VLANS, MPLS, PBB = (0x8100, 0x88a8), (0x8847, 0x8848), 0x88e7
IP4, IP6, ARP = 0x0800, 0x86dd, 0x0806
ICMP, TCP, UDP, ICMP6, SCTP = 1, 6, 17, 58, 132
HOP, ROUTING, FRAG, ESP, AUTH, NONEXT, DEST = 0, 43, 44, 50, 51, 59, 60
L4_NAMES = {TCP: 'tcp', UDP: 'udp', SCTP: 'sctp'}


def num(data):
    return int.from_bytes(data, 'big')


def half(f, at):
    return f[at] << 8 | f[at + 1]


def sum16(data):
    """One's complement sum, not complemented."""
    if len(data) % 2:
        data = bytes(data) + b'\0'
    total = sum(struct.unpack('>%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def make_crc_table():
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82f63b78 if i & 1 else 0)
        table.append(i)
    return table


CRC = make_crc_table()


def crc32c(data):
    """As SCTP writes it into the header (RFC 9260, appendix A)."""
    c = 0xffffffff
    for b in data:
        c = c >> 8 ^ CRC[(c ^ b) & 255]
    return struct.pack('<I', c ^ 0xffffffff)


class Parsed:
    """fields: what the frame has; the places of its headers, None where there is none; odd: notes on malformation; deep:
    there are more tags than are looked through."""

    def __init__(self, f):
        self.f, self.fields, self.odd = f, {}, set()
        self.vlans, self.type_at, self.deep = 0, None, False
        self.mpls = self.pbb = self.ip4 = self.ip6 = self.arp = self.l4 = self.end = self.proto_at = self.nd_ll = None
        self.proto, self.later, self.fragment, self.routed, self.nd = None, False, False, False, False
        self.whole = len(f) >= 14
        if self.whole:
            self.ethernet()

    def ethernet(self):
        f, x = self.f, self.fields
        x['eth_dst'], x['eth_src'] = num(f[:6]), num(f[6:12])
        at = 12
        while half(f, at) in VLANS and self.vlans < 4:
            if len(f) < at + 6:
                self.odd.add('tag cut')
                break
            if not self.vlans:
                x['vlan_vid'], x['vlan_pcp'] = 0x1000 | half(f, at + 2) & 0xfff, f[at + 2] >> 5
            self.vlans += 1
            if f[at + 2] & 0x10:
                self.odd.add('VLAN DEI')
            at += 4
        if self.vlans > 2:
            self.odd.add('more than 2 tags')
        self.deep = self.vlans == 4 and half(f, at) in VLANS
        kind, self.type_at = half(f, at), at
        snap = False
        if kind < 0x600:
            if f[at + 2:at + 8] == b'\xaa\xaa\x03\0\0\0' and len(f) >= at + 10 and half(f, at + 8) >= 0x600:
                at += 8
                kind, self.type_at, snap = half(f, at), at, True
                self.odd.add('SNAP')
            else:
                kind, self.type_at = 0x5ff, None
        x['eth_type'] = kind
        if kind in VLANS:
            self.odd.add('eth_type of a tag')
        at += 2
        if kind == IP4:
            self.ipv4(at)
        elif kind == IP6:
            self.ipv6(at)
        elif kind == ARP:
            self.arp_header(at)
        elif kind in MPLS and not snap:
            self.label(at)
        elif kind == PBB and not snap and len(f) >= at + 18:
            self.pbb = at
            x['pbb_isid'] = num(f[at + 1:at + 4])

    def label(self, at):
        if len(self.f) < at + 4:
            self.odd.add('label cut')
            return
        e = num(self.f[at:at + 4])
        self.fields.update(mpls_label=e >> 12, mpls_tc=e >> 9 & 7, mpls_bos=e >> 8 & 1)
        self.mpls = at

    def labels(self):
        """The entries of the label stack."""
        out, at = [], self.mpls
        while len(self.f) >= at + 4 and not (out and out[-1] & 0x100):
            out.append(num(self.f[at:at + 4]))
            at += 4
        return out

    def arp_header(self, at):
        f = self.f[at:at + 28]
        if len(f) < 28 or f[:6] != b'\0\1\x08\0\6\4':
            self.odd.add('ARP malformed')
            return
        self.arp = at
        self.fields.update(arp_op=half(f, 6), arp_sha=num(f[8:14]), arp_spa=num(f[14:18]), arp_tha=num(f[18:24]),
                           arp_tpa=num(f[24:28]))
        if half(f, 6) > 255 or not half(f, 6):
            self.odd.add('ARP opcode 0 or above 255')

    def ipv4(self, at):
        f, x = self.f, self.fields
        if len(f) < at + 20:
            self.odd.add('IPv4 malformed')
            return
        head, total = (f[at] & 15) * 4, half(f, at + 2)
        if f[at] >> 4 != 4:
            self.odd.add('IP version')
            return
        if head < 20 or total < head or at + total > len(f):
            self.odd.add('IPv4 malformed')
            return
        self.ip4, self.proto_at, self.end = at, at + 9, at + total
        x.update(ip_dscp=f[at + 1] >> 2, ip_ecn=f[at + 1] & 3, ip_proto=f[at + 9], ipv4_src=num(f[at + 12:at + 16]),
                 ipv4_dst=num(f[at + 16:at + 20]))
        if not f[at + 9]:
            self.odd.add('ip_proto 0')
        frag = half(f, at + 6)
        self.fragment, self.later = bool(frag & 0x3fff), bool(frag & 0x1fff)
        if self.later:
            self.odd.add('IPv4 later fragment')
        else:
            self.transport(at + head)

    def ipv6(self, at):
        f, x = self.f, self.fields
        if len(f) < at + 40:
            self.odd.add('IPv6 malformed')
            return
        first = num(f[at:at + 4])
        if first >> 28 != 6:
            self.odd.add('IP version')
            return
        if at + 40 + half(f, at + 4) > len(f):
            self.odd.add('IPv6 malformed')
            return
        self.ip6, self.proto_at, self.end = at, at + 6, at + 40 + half(f, at + 4)
        x.update(ip_dscp=first >> 22 & 63, ip_ecn=first >> 20 & 3, ipv6_flabel=first & 0xfffff,
                 ipv6_src=num(f[at + 8:at + 24]), ipv6_dst=num(f[at + 24:at + 40]))
        self.extensions(at + 40)

    def extensions(self, at):
        """OpenFlow 1.3.5 7.2.3.7, OFPIEH_*; in the order RFC 2460 wants."""
        f, kind, seen, bits, n, ok = self.f, self.f[self.proto_at], [], 0, 0, True
        place = {HOP: 0, ROUTING: 2, FRAG: 3, AUTH: 4, ESP: 5}
        flag = {HOP: 64, ROUTING: 32, FRAG: 16, AUTH: 4, ESP: 2, DEST: 8, NONEXT: 1}
        while kind in flag:
            if n == 8:
                ok = False
                self.odd.add('more than 8 extension headers')
                break
            n += 1
            if kind == HOP and seen:
                self.odd.add('hop-by-hop not first')
            spot = place.get(kind, 9)
            if kind == DEST:
                spot = 6 if seen and max(seen) >= 1 or 1 in seen else 1
            if kind != NONEXT:
                bits |= 128 if spot in seen else 0
                bits |= 256 if any(s > spot for s in seen) or (kind == HOP and seen and spot not in seen) else 0
                seen.append(spot)
            if kind != HOP or n == 1:  # HOP: "present as the first extension header"
                bits |= flag[kind]
            if kind in (ESP, NONEXT):
                ok = False
                break
            if at + 8 > self.end:
                ok = False
                self.odd.add('extension header cut')
                break
            size = 8 if kind == FRAG else (f[at + 1] + 2) * 4 if kind == AUTH else (f[at + 1] + 1) * 8
            if at + size > self.end:
                ok = False
                self.odd.add('extension header cut')
                break
            if kind == ROUTING and f[at + 3]:
                self.routed = True
                self.odd.add('IPv6 segments left')
            stop = False
            if kind == FRAG:
                self.fragment = self.fragment or bool(half(f, at + 2) & 0xfff9)
                stop = bool(half(f, at + 2) & 0xfff8)
                self.odd.add('IPv6 fragment header')
            self.proto_at, kind, at = at, f[at], at + size
            if stop:
                self.later, ok = True, False
                self.odd.add('IPv6 later fragment')
                break
        self.fields.update(ip_proto=kind, ipv6_exthdr=bits)
        if not kind:
            self.odd.add('ip_proto 0')
        if n > 1 and len(set(seen)) + (bits & 1) < n or bits & 0x180:
            self.odd.add('extension headers in odd order')
        if ok:
            self.transport(at)

    def transport(self, at):
        f, x, proto, n = self.f, self.fields, self.fields_proto(), self.end - at
        size = {TCP: 20, UDP: 8, SCTP: 12, ICMP: 8 if self.ip4 else 0, ICMP6: 4 if self.ip6 else 0}.get(proto, 0)
        if not size:
            return
        if n < size:
            self.odd.add('transport header cut')
            return
        if proto == TCP and not 20 <= (f[at + 12] >> 4) * 4 <= n:
            self.odd.add('TCP data offset')
            return
        self.l4, self.proto = at, proto
        if proto in L4_NAMES:
            name = L4_NAMES[proto]
            x[name + '_src'], x[name + '_dst'] = half(f, at), half(f, at + 2)
            return
        name = 'icmpv4' if proto == ICMP else 'icmpv6'
        x[name + '_type'], x[name + '_code'] = f[at], f[at + 1]
        if proto == ICMP6 and f[at] in (135, 136):
            if f[at + 1]:
                self.odd.add('ND code')
            if n >= 24:
                self.neighbour(at)
            else:
                self.odd.add('ND cut')

    def fields_proto(self):
        return self.f[self.proto_at]

    def neighbour(self, l4):
        f, at, want = self.f, l4 + 24, 1 if self.f[l4] == 135 else 2
        self.nd = True
        self.fields['ipv6_nd_target'] = num(f[l4 + 8:l4 + 24])
        if (self.end - at) % 8:
            self.odd.add('ND options')
        seen = n = 0
        while at + 8 <= self.end:
            n += 1
            if not f[at + 1] or n > 8:
                self.odd.add('ND options')
                break
            if f[at] == want and f[at + 1] == 1:
                seen += 1
                if seen == 1:
                    self.nd_ll = at + 2
                    self.fields['ipv6_nd_sll' if want == 1 else 'ipv6_nd_tll'] = num(f[at + 2:at + 8])
            if at + f[at + 1] * 8 > self.end:
                self.odd.add('ND options')
                break
            at += f[at + 1] * 8
        if seen > 1:
            self.odd.add('ND options')

    # -- checksums: (place, zero means none, covered bytes)
    def sums(self, f):
        """Of a frame with the same headers in the same places: [(place of the checksum, is UDP, words' sum, right value?)]"""
        out = []
        if self.ip4 is not None:
            head = (f[self.ip4] & 15) * 4
            out.append((self.ip4 + 10, False, sum16(f[self.ip4:self.ip4 + head])))
        if self.l4 is None or self.proto == SCTP:
            return out
        place = self.l4 + {TCP: 16, UDP: 6, ICMP: 2, ICMP6: 2}[self.proto]
        pseudo = b''
        if self.proto != ICMP:
            if self.ip4 is not None:
                pseudo = f[self.ip4 + 12:self.ip4 + 20]
            else:
                pseudo = f[self.ip6 + 8:self.ip6 + 24] + (b'' if self.routed else f[self.ip6 + 24:self.ip6 + 40])
            pseudo = bytes(pseudo) + bytes([0, f[self.proto_at]])
        out.append((place, self.proto == UDP, sum16(pseudo + bytes(f[self.l4:self.end]))))
        return out


@functools.lru_cache(maxsize=20000)
def parse(f):
    """Parsed(f); not to be changed."""
    return Parsed(f)


# --- building ---

def put_sum(data, at, pseudo=b''):
    s = ~sum16(pseudo + data) & 0xffff
    return data[:at] + struct.pack('>H', s) + data[at + 2:]


def transport(p, pseudo):
    proto, data = p['proto'], p.get('data', b'')
    sport, dport = p.get('sport', 1), p.get('dport', 2)

    def ph(seg):
        return pseudo + struct.pack('>HH', proto, len(seg))
    if proto == TCP:
        opts = p.get('tcp_options', b'')
        seg = struct.pack('>HHIIBBHHH', sport, dport, 1, 2, (5 + len(opts) // 4) << 4, p.get('flags', 16), 8192, 0, 0) + opts + data
        return put_sum(seg, 16, ph(seg))
    if proto == UDP:
        seg = struct.pack('>HHHH', sport, dport, 8 + len(data), 0) + data
        if p.get('no_sum'):
            return seg
        seg = put_sum(seg, 6, ph(seg))
        return seg if seg[6:8] != b'\0\0' else seg[:6] + b'\xff\xff' + seg[8:]
    if proto == SCTP:
        seg = struct.pack('>HHII', sport, dport, 7, 0) + data
        return seg[:8] + crc32c(seg) + seg[12:]
    if proto == ICMP:
        return put_sum(bytes([p.get('type', 8), p.get('code', 0), 0, 0, 0, 1, 0, 2]) + data, 2)
    if proto == ICMP6:
        kind = p.get('type', 128)
        seg = bytes([kind, p.get('code', 0), 0, 0, 0, 0, 0, 0])
        if kind in (135, 136):
            seg += p['target'].to_bytes(16, 'big') + p.get('nd_options', b'')
        seg += data if kind not in (135, 136) else b''
        return put_sum(seg, 2, ph(seg))
    return data


def ipv4(p):
    src, dst = p['src'].to_bytes(4, 'big'), p['dst'].to_bytes(4, 'big')
    opts, frag = p.get('ip_options', b''), p.get('frag', 0)
    pay = p.get('data', b'') if frag & 0x1fff else transport(p, src + dst)
    h = struct.pack('>BBHHHBBH', 0x45 + len(opts) // 4, p.get('tos', 0), 20 + len(opts) + len(pay), 7, frag,
                    p.get('ttl', 64), p['proto'], 0) + src + dst + opts
    return put_sum(h, 10) + pay


def ipv6(p):
    src, dst = p['src'].to_bytes(16, 'big'), p['dst'].to_bytes(16, 'big')
    pay, nxt, later = b'', p['proto'], False
    exts = p.get('exts', ())
    for kind, body in exts:
        later = later or (kind == FRAG and half(body, 0) & 0xfff8)
    pay = p.get('data', b'') if later else transport(p, src + dst)
    if exts and exts[-1][0] == NONEXT:
        pay = b''
    for kind, body in reversed(exts):
        if kind == FRAG:
            pay = bytes([nxt, 0]) + body + pay
        elif kind == AUTH:
            pay = bytes([nxt, (2 + len(body)) // 4 - 2]) + body + pay
        elif kind not in (ESP, NONEXT):
            pay = bytes([nxt, (2 + len(body)) // 8 - 1]) + body + pay
        else:
            pay = body + pay
        nxt = kind
    return struct.pack('>IHBB', 6 << 28 | p.get('tos', 0) << 20 | p.get('flabel', 0), len(pay), nxt, p.get('ttl', 64)) + src + dst + pay


def build(p):
    """A frame from a description: eth_dst, eth_src, tags, labels, kind (ip4, ip6, arp, or an Ethernet type) and theirs."""
    kind, pay = p['kind'], p.get('data', b'')
    if kind == IP4:
        pay = ipv4(p)
    elif kind == IP6:
        pay = ipv6(p)
    elif kind == ARP:
        pay = b'\0\1\x08\0\6\4' + struct.pack('>H', p.get('op', 1)) + p['sha'].to_bytes(6, 'big') + p['src'].to_bytes(4, 'big') + \
            p['tha'].to_bytes(6, 'big') + p['dst'].to_bytes(4, 'big') + pay
    labels = p.get('labels', ())
    if labels:
        pay = b''.join(struct.pack('>I', e) for e in labels) + pay
        kind = p.get('mpls', 0x8847)
    if p.get('pbb'):
        outer, tags, tci = p['pbb']
        inner = p['eth_dst'].to_bytes(6, 'big') + p['eth_src'].to_bytes(6, 'big')
        pay = inner + b''.join(struct.pack('>HH', *t) for t in p.get('tags', ())) + struct.pack('>H', kind) + pay
        return outer + b''.join(struct.pack('>HH', *t) for t in tags) + struct.pack('>HI', PBB, tci) + pay + p.get('padding', b'')
    if p.get('snap'):
        pay = b'\xaa\xaa\x03\0\0\0' + struct.pack('>H', kind) + pay
        kind = len(pay)
    return p['eth_dst'].to_bytes(6, 'big') + p['eth_src'].to_bytes(6, 'big') + \
        b''.join(struct.pack('>HH', *t) for t in p.get('tags', ())) + struct.pack('>H', kind) + pay + p.get('padding', b'')
