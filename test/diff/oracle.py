# SPDX-License-Identifier: GPL-2.0-only
"""The reference: OpenFlow 1.3.5 pipelines on one frame, plain and slow.

Each action rewrites the bytes at once and each table parses them anew.  A header that is not there (an action on a
frame that a match could not promise to fit) ends the packet.  `notes` collects what OVS is known to do otherwise.
"""
import struct
from collections import namedtuple

from frame import MPLS, SCTP, Parsed, crc32c, half, num
from pipeline import ALL, CONTROLLER, FLOOD, IN_PORT

PacketIn = namedtuple('PacketIn', 'frame in_port reason table cookie metadata tunnel_id')
NO_MATCH, ACTION = 0, 1


class Ended(Exception):
    """The packet goes no further."""


def missing(what):
    raise Ended('no ' + what)


class Result:
    """outputs: [(port, frame)]; packet_ins: [PacketIn]; hits: flows in the order they were met; notes: set of text."""

    def __init__(self):
        self.outputs, self.packet_ins, self.hits, self.notes = [], [], [], set()
        self.actions, self.end, self.bytes, self.undefined = set(), '', 0, False


def fix_sums(p, new):
    """Write into `new` the checksums of p.f as the change of bytes changes them (RFC 1624, equation 3)."""
    for (place, udp, old_sum), (_, _, new_sum) in zip(p.sums(p.f), p.sums(new)):
        old = half(p.f, place)
        if udp and not old:
            continue
        s = (~old & 0xffff) + (~old_sum & 0xffff) + new_sum
        while s >> 16:
            s = (s & 0xffff) + (s >> 16)
        s = ~s & 0xffff
        if udp and not s:
            s = 0xffff
        new[place:place + 2] = struct.pack('>H', s)
    if p.l4 is not None and p.proto == SCTP and new[p.l4:p.l4 + 8] != p.f[p.l4:p.l4 + 8]:
        old, now = bytearray(p.f[p.l4:p.end]), bytearray(new[p.l4:p.end])
        kept = bytes(old[8:12])
        old[8:12] = now[8:12] = bytes(4)
        crc = bytes(a ^ b ^ c for a, b, c in zip(kept, crc32c(old), crc32c(now)))
        new[p.l4 + 8:p.l4 + 12] = crc


def put(new, at, size, value):
    new[at:at + size] = value.to_bytes(size, 'big')


def put_bits(new, at, size, shift, bits, value):
    old, mask = num(new[at:at + size]), ((1 << bits) - 1) << shift
    put(new, at, size, old & ~mask | value << shift & mask)


L4_AT = {'_src': 0, '_dst': 2}


def set_field(frame, name, value, notes):
    p, new = Parsed(frame), bytearray(frame)
    f = p.fields
    notes |= p.odd
    if name in ('eth_dst', 'eth_src'):
        put(new, 0 if name == 'eth_dst' else 6, 6, value)
    elif name == 'eth_type':
        if p.type_at is None:
            missing('eth_type')
        put(new, p.type_at, 2, value)
    elif name in ('vlan_vid', 'vlan_pcp'):
        if not p.vlans:
            missing('tag')
        put_bits(new, 14, 2, *((0, 12, value & 0xfff) if name == 'vlan_vid' else (13, 3, value)))
    elif name in ('ip_dscp', 'ip_ecn', 'ip_proto'):
        if p.ip4 is None and p.ip6 is None:
            missing('IP header')
        if name == 'ip_proto':
            new[p.proto_at] = value
        elif p.ip4 is not None:
            put_bits(new, p.ip4 + 1, 1, *((2, 6, value) if name == 'ip_dscp' else (0, 2, value)))
        else:
            put_bits(new, p.ip6, 4, *((22, 6, value) if name == 'ip_dscp' else (20, 2, value)))
    elif name.startswith('ipv4_'):
        if p.ip4 is None:
            missing('IPv4 header')
        put(new, p.ip4 + (12 if name == 'ipv4_src' else 16), 4, value)
    elif name in ('ipv6_src', 'ipv6_dst', 'ipv6_flabel'):
        if p.ip6 is None:
            missing('IPv6 header')
        if name == 'ipv6_flabel':
            put_bits(new, p.ip6, 4, 0, 20, value)
        else:
            put(new, p.ip6 + (8 if name == 'ipv6_src' else 24), 16, value)
    elif name.startswith('arp_'):
        if p.arp is None:
            missing('ARP')
        at, size = {'arp_op': (6, 2), 'arp_sha': (8, 6), 'arp_spa': (14, 4), 'arp_tha': (18, 6), 'arp_tpa': (24, 4)}[name]
        if (name, value) == ('arp_op', 255):
            notes.add('set-field of arp_op 255')
        put(new, p.arp + at, size, value)
    elif name.startswith('mpls_'):
        if p.mpls is None:
            missing('label')
        notes.add('label entry changed')
        put_bits(new, p.mpls, 4, *{'mpls_label': (12, 20), 'mpls_tc': (9, 3), 'mpls_bos': (8, 1)}[name], value)
    elif name == 'ipv6_nd_target':
        if not p.nd:
            missing('ND')
        put(new, p.l4 + 8, 16, value)
    elif name in ('ipv6_nd_sll', 'ipv6_nd_tll'):
        if p.nd_ll is None:
            missing('ND option')
        put(new, p.nd_ll, 6, value)
    else:  # transport
        if p.l4 is None or name not in f:
            missing('transport header')
        if p.proto == SCTP and p.fragment:
            missing('whole SCTP packet')
        if name.startswith('icmp'):
            if p.nd and name == 'icmpv6_code' and value:
                notes.add('ND code')
            new[p.l4 + (0 if name.endswith('type') else 1)] = value
        else:
            put(new, p.l4 + L4_AT[name[-4:]], 2, value)
    fix_sums(p, new)
    return bytes(new)


def ttl_place(p):
    """(place, is IPv4) of the outermost header with a TTL."""
    if p.mpls is not None:
        return p.mpls + 3, False
    if p.ip4 is not None:
        return p.ip4 + 8, True
    return (p.ip6 + 7, False) if p.ip6 is not None else (None, False)


def inner_ttl_place(p):
    f, at = p.f, None
    if p.mpls is not None:
        if not f[p.mpls + 2] & 1:
            return (p.mpls + 7, False) if len(f) >= p.mpls + 8 else (None, False)
        at = p.mpls + 4
    elif p.ip4 is not None and f[p.ip4 + 9] in (4, 41) and not p.later:
        at = p.ip4 + (f[p.ip4] & 15) * 4
    elif p.ip6 is not None and f[p.ip6 + 6] in (4, 41):
        at = p.ip6 + 40
    if at is None or len(f) < at + 20:
        return None, False
    return {4: (at + 8, True), 6: (at + 7, False)}.get(f[at] >> 4, (None, False))


def put_ttl(frame, place, is_ip4, ttl):
    new = bytearray(frame)
    if is_ip4:  # the checksum is right behind TTL and protocol
        s = (~half(frame, place + 2) & 0xffff) + (~half(frame, place) & 0xffff)
        new[place] = ttl
        s += half(new, place)
        while s >> 16:
            s = (s & 0xffff) + (s >> 16)
        new[place + 2:place + 4] = struct.pack('>H', ~s & 0xffff)
    new[place] = ttl
    return bytes(new)


def change(frame, a, notes):
    """The frame after an action that is no output."""
    p, kind = Parsed(frame), a[0]
    notes |= p.odd
    if kind == 'push_vlan':
        if p.vlans >= 2:
            notes.add('more than 2 tags')
        tci = half(frame, 14) if p.vlans else 0
        if tci:
            notes.add('push_vlan on a tagged packet')
        return frame[:12] + struct.pack('>HH', a[1], tci) + frame[12:]
    if kind == 'pop_vlan':
        if not p.vlans:
            missing('tag')
        return frame[:12] + frame[16:]
    if kind == 'push_mpls':
        if half(frame, 12) < 0x600:
            missing('Ethernet type')
        place, _ = ttl_place(p)
        if p.mpls is not None:
            if len(p.labels()) > 2:
                notes.add('more than three labels')
            entry = num(frame[p.mpls:p.mpls + 4]) & ~0x100 | (0x100 if p.vlans else 0)
        else:
            entry = 0x100 | (frame[place] if place else 0)
            if p.ip4 is None or p.fields['ip_dscp'] or not frame[place]:
                notes.add('push_mpls on another packet than MPLS')
        if p.vlans:
            notes.add('push_mpls on a tagged packet')
        return frame[:12] + struct.pack('>HI', a[1], entry) + frame[14:]
    if kind == 'pop_mpls':
        if p.mpls is None:
            missing('label')
        if len(p.labels()) > 3:
            notes.add('more than three labels')
        if frame[p.mpls + 2] & 1 and a[1] in MPLS:
            notes.add('pop_mpls of the last label leaves MPLS')
        if not frame[p.mpls + 2] & 1 and a[1] not in MPLS:
            notes.add('pop_mpls of a label that is not the last leaves no MPLS')
        return frame[:p.mpls - 2] + struct.pack('>H', a[1]) + frame[p.mpls + 4:]
    place, is_ip4 = ttl_place(p)
    if kind.endswith('mpls_ttl'):
        if p.mpls is None:
            missing('label')
        notes.add('label entry changed')
    elif kind.endswith('ip_ttl') and (p.mpls is not None or place is None):
        missing('IP header')
    if kind.startswith('set_'):
        return put_ttl(frame, place, is_ip4, a[1])
    if kind.startswith('dec_'):
        if frame[place] <= 1:
            notes.add('invalid TTL')
            raise Ended('invalid TTL')
        return put_ttl(frame, place, is_ip4, frame[place] - 1)
    inner, inner4 = inner_ttl_place(p)
    if place is None or inner is None:
        missing('two headers with a TTL')
    if kind == 'copy_ttl_out':
        return put_ttl(frame, place, is_ip4, frame[inner])
    return put_ttl(frame, inner, inner4, frame[place])


def matches(match, fields):
    for name, (value, mask) in match.items():
        have = fields.get(name, 0)
        if (have if mask is None else have & mask) != value:
            return False
    return True


# 5.10
SET_ORDER = ('copy_ttl_in', 'pop_vlan', 'pop_mpls', 'push_mpls', 'push_vlan', 'copy_ttl_out', 'dec_mpls_ttl', 'dec_ip_ttl',
             'set_mpls_ttl', 'set_ip_ttl', 'set', 'output')


class Walk:
    """One frame's way."""

    def __init__(self, tables, ports, frame, in_port):
        self.tables, self.ports, self.frame, self.in_port = tables, ports, frame, in_port
        self.metadata = self.tunnel_id = 0
        self.set, self.result, self.flow, self.reason, self.deep = {}, Result(), None, ACTION, False
        try:
            self.walk()
        except Ended as e:
            self.result.end = str(e)
            if str(e).startswith('no '):
                self.result.notes.add('action on a missing header')
                # nothing says whether an action behind the last output has to fail
                r = self.result
                r.undefined |= bool(self.deep or r.outputs or r.packet_ins)

    def lookup(self, table):
        p = Parsed(self.frame)
        self.result.notes |= p.odd
        if (p.vlans or p.mpls is not None) and 'pop_vlan' in self.result.actions:
            self.result.notes.add('tag or label behind pop_vlan')
        if not p.whole:
            raise Ended('truncated')
        fields = dict(p.fields, in_port=self.in_port, metadata=self.metadata, tunnel_id=self.tunnel_id)
        best = None
        for flow in self.tables.get(table, ()):
            if (best is None or flow.priority > best.priority) and matches(flow.match, fields):
                best = flow
        return best

    def walk(self):
        table = 0
        self.result.bytes = len(self.frame)
        while table is not None:
            self.flow = self.lookup(table)
            if not self.flow:
                if self.set:
                    self.result.notes.add('table miss with an action set')
                raise Ended('table miss')
            flow = self.flow
            self.result.hits.append(flow)
            for a in flow.apply:
                self.do(a)
            if flow.clear:
                self.set.clear()
            for a in flow.write:
                self.set[a[:2] if a[0] == 'set' else a[0]] = a
                if a[0] == 'output':
                    self.reason = NO_MATCH if flow.is_table_miss() else ACTION
            if flow.metadata:
                value, mask = flow.metadata
                self.metadata = self.metadata & ~mask | value & mask
            table = flow.goto
        for kind in SET_ORDER:
            for a in list(self.set.values()):
                if a[0] == kind:
                    self.do(a, True)

    def do(self, a, by_set=False):
        inner = not a[1].startswith(('eth_', 'vlan_', 'tunnel')) if a[0] == 'set' else a[0].endswith(('ttl', 'mpls'))
        self.deep = self.deep or Parsed(self.frame).deep
        if inner and self.deep:  # a limit of ours: nothing behind the fourth tag is seen
            self.result.undefined = True
        self.result.actions.add(a[0] if a[0] != 'set' else 'set ' + a[1])
        if a[0] == 'pop_mpls' and 'push_mpls' in self.result.actions:
            self.result.notes.add('pop_mpls behind push_mpls')
        if a[0] == 'output':
            self.output(a[1], by_set)
        elif a[:2] == ('set', 'tunnel_id'):
            self.tunnel_id = a[2]
        elif a[0] == 'set':
            try:
                self.frame = set_field(self.frame, a[1], a[2], self.result.notes)
            except Ended:
                self.result.undefined = True
                raise
        else:
            self.frame = change(self.frame, a, self.result.notes)

    def output(self, port, by_set):
        out = self.result.outputs
        if port == CONTROLLER:
            if 'pop_mpls' in self.result.actions:
                self.result.notes.add('CONTROLLER behind pop_mpls')
            if by_set and self.flow.table:
                self.result.notes.add('CONTROLLER in the action set behind a goto')
            if by_set and self.reason == NO_MATCH:
                self.result.notes.add('CONTROLLER in the action set of a table-miss entry')
            reason = self.reason if by_set else NO_MATCH if self.flow.is_table_miss() else ACTION
            self.result.packet_ins.append(PacketIn(self.frame, self.in_port, reason, self.flow.table, self.flow.cookie,
                                                   self.metadata, self.tunnel_id))
        elif port in (ALL, FLOOD):
            out += [(i, self.frame) for i in self.ports if i != self.in_port]
        elif port == IN_PORT:
            out.append((self.in_port, self.frame))
        elif port in self.ports and port != self.in_port:
            out.append((port, self.frame))


def run(flows, ports, frame, in_port):
    """flows: [Flow]; a Result."""
    tables = {}
    for f in flows:
        tables.setdefault(f.table, []).append(f)
    return Walk(tables, ports, frame, in_port).result
