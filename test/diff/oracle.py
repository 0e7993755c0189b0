# SPDX-License-Identifier: GPL-2.0-only
"""The reference: OpenFlow 1.3.5 pipelines on one frame, plain and slow.

Each action rewrites the bytes at once and each table parses them anew.  A match on a field of a header that is not there
is none; an action on one does nothing.  `notes` collects what OVS is known to do otherwise.
Which bucket a SELECT group takes is the switch's own affair: `choices` say it, permitted() goes through all of them.
"""
import struct
from collections import namedtuple

from frame import MPLS, PBB, SCTP, crc32c, half, num, parse
from pipeline import ALL, ANY, CONTROLLER, DROP, FLOOD, IN_PORT, PORTS

PacketIn = namedtuple('PacketIn', 'frame length in_port reason table cookie metadata tunnel_id')
NO_MATCH, ACTION, INVALID_TTL = 0, 1, 2


MALFORMED = {'IPv4 malformed', 'IPv6 malformed', 'ARP malformed', 'transport header cut', 'ND cut'}


class Ended(Exception):
    """The packet goes no further."""


class Missing(Exception):
    """The action has no header to act on."""


def missing(what):
    raise Missing(what)


class Result:
    """outputs: [(port, frame)]; packet_ins: [PacketIn]; hits: flows in the order they were met; notes: set of text;
    groups: [(id, number of the bucket, or None: the packet came to the group)]; meters: [(id, number of the band or None)];
    choices: {of whom: number of the bucket} of SELECT groups, open: of those that nobody had made, the candidates."""

    def __init__(self):
        self.outputs, self.packet_ins, self.hits, self.notes = [], [], [], set()
        self.groups, self.meters, self.choices, self.open, self.depth = [], [], {}, {}, 0
        self.actions, self.end, self.bytes, self.undefined = set(), '', 0, False


def fix_sums(p, frame, new):
    """Write into `new` the checksums of `frame` as the change of bytes changes them (RFC 1624, equation 3)."""
    for (place, udp, old_sum), (_, _, new_sum) in zip(p.sums(frame), p.sums(new)):
        old = half(frame, place)
        if udp and not old or old_sum == new_sum:  # the sum of what stays the same stays, even 0xffff for 0
            continue
        s = (~old & 0xffff) + (~old_sum & 0xffff) + new_sum
        while s >> 16:
            s = (s & 0xffff) + (s >> 16)
        s = ~s & 0xffff
        if udp and not s:
            s = 0xffff
        new[place:place + 2] = struct.pack('>H', s)
    if p.l4 is not None and p.proto == SCTP and new[p.l4:p.l4 + 8] != frame[p.l4:p.l4 + 8]:
        old, now = bytearray(frame[p.l4:p.end]), bytearray(new[p.l4:p.end])
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


def set_field(frame, name, value, notes, p=None):
    """p: the headers, if they are not those that the frame shows now."""
    p, new = p or parse(frame), bytearray(frame)
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
            notes.add('set-field of vlan_vid or vlan_pcp without a tag')
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
        if name == 'arp_op' and value in (0, 255):
            notes.add('set-field of arp_op 0 or 255')
        put(new, p.arp + at, size, value)
    elif name.startswith('mpls_'):
        if p.mpls is None:
            missing('label')
        notes.add('label entry changed')
        put_bits(new, p.mpls, 4, *{'mpls_label': (12, 20), 'mpls_tc': (9, 3), 'mpls_bos': (8, 1)}[name], value)
    elif name == 'pbb_isid':
        if p.pbb is None:
            missing('I-TAG')
        put(new, p.pbb + 1, 3, value)
    elif name == 'ipv6_nd_target':
        if not p.nd:
            missing('ND')
        put(new, p.l4 + 8, 16, value)
    elif name in ('ipv6_nd_sll', 'ipv6_nd_tll'):
        if name not in f:
            missing('ND option')
        put(new, p.nd_ll, 6, value)
    else:  # transport
        if p.l4 is None or name not in f:
            missing('transport header')
        if p.proto == SCTP and p.fragment:
            raise Ended('no whole SCTP packet')
        if name.startswith('icmp'):
            if p.nd and name == 'icmpv6_code' and value:
                notes.add('ND code')
            new[p.l4 + (0 if name.endswith('type') else 1)] = value
        else:
            put(new, p.l4 + L4_AT[name[-4:]], 2, value)
    fix_sums(p, frame, new)
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
    p, kind = parse(frame), a[0]
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
            raise Ended('no Ethernet type')
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
    if kind == 'push_pbb':  # I-PCP from the outermost tag, I-SID from the I-TAG it lies on
        tci = (half(frame, 14) >> 13 << 29 if p.vlans else 0) | (p.fields['pbb_isid'] if p.pbb else 0)
        return frame[:12] + struct.pack('>HI', a[1], tci) + frame
    if kind == 'pop_pbb':
        if p.pbb is None:
            missing('I-TAG')
        return frame[p.pbb + 4:p.pbb + 16] + frame[12:p.pbb - 2] + frame[p.pbb + 16:]
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
            raise Ended('invalid TTL')
        return put_ttl(frame, place, is_ip4, frame[place] - 1)
    inner, inner4 = inner_ttl_place(p)
    if place is None or inner is None:
        missing('two headers with a TTL')
    if kind == 'copy_ttl_out':
        return put_ttl(frame, place, is_ip4, frame[inner])
    return put_ttl(frame, inner, inner4, frame[place])


def matches(match, fields, absent=None):
    """absent: what a field of a header that is not there is taken for."""
    for name, (value, mask) in match.items():
        have = fields.get(name, 0 if name == 'vlan_vid' else absent)  # OFPVID_NONE
        if have is None or (have if mask is None else have & mask) != value:
            return False
    return True


NO_FLOW = ('ip_dscp', 'ip_ecn', 'vlan_pcp', 'mpls_tc', 'ipv6_flabel', 'ipv6_exthdr')


def flow_of(frame):
    """What makes packets one flow, for a SELECT group: all fields but those that queueing and the way change, and but
    the transport's in fragments, which have to stay together."""
    p = parse(frame)
    fields = {n: v for n, v in p.fields.items() if n not in NO_FLOW}
    if p.pbb:
        fields['uca'] = frame[p.pbb] & 8
    if p.fragment:
        fields = {n: v for n, v in fields.items() if not n.startswith(('tcp_', 'udp_', 'sctp_', 'icmp', 'ipv6_nd_'))}
        fields['fragment'] = 1
    return tuple(sorted(fields.items()))


def remark(frame, levels):
    """The DSCP of AF classes (RFC 2597): a drop precedence of at most 3 in bits 1 and 2, class 1 to 4 above."""
    p = parse(frame)
    dscp = p.fields.get('ip_dscp')
    if dscp is None or p.ip4 is None and p.ip6 is None or dscp not in (10, 12, 14, 18, 20, 22, 26, 28, 30, 34, 36, 38):
        return frame
    return set_field(frame, 'ip_dscp', dscp & 0x38 | min(3, (dscp >> 1 & 3) + levels) << 1, set())


# 5.10
SET_ORDER = ('copy_ttl_in', 'pop_vlan', 'pop_mpls', 'pop_pbb', 'push_mpls', 'push_pbb', 'push_vlan', 'copy_ttl_out', 'dec_mpls_ttl',
             'dec_ip_ttl', 'set_mpls_ttl', 'set_ip_ttl', 'set')


class Walk:
    """One frame's way."""

    def __init__(self, state, frame, in_port, choices, whole, path=()):
        self.flow_of, self.path = (lambda f: f) if whole else flow_of, path
        self.state, self.frame, self.in_port, self.choices, self.first = state, frame, in_port, choices, frame
        self.metadata = self.tunnel_id = self.level = self.selects = 0
        self.by_set = self.deep = False
        self.set, self.result, self.flow, self.reason = {}, Result(), None, ACTION
        try:
            self.walk()
        except Ended as e:
            self.ended(str(e))

    def ended(self, why):
        r = self.result
        r.end = why
        if why == 'invalid TTL':
            if self.level:
                r.notes.add('invalid TTL in a bucket')
            elif self.set:
                r.notes.add('invalid TTL with an action set')
            self.packet_in(INVALID_TTL)
        if why.startswith('no '):
            r.notes.add('action that is not possible')
            # nothing says whether an action behind the last output has to fail
            r.undefined |= bool(self.deep or r.outputs or r.packet_ins or r.groups)

    def lookup(self, table):
        p = parse(self.frame)
        self.result.notes |= p.odd
        if (p.vlans or p.mpls is not None) and 'pop_vlan' in self.result.actions:
            self.result.notes.add('tag or label behind pop_vlan')
        if not p.whole:
            raise Ended('truncated')
        fields = dict(p.fields, in_port=self.in_port, metadata=self.metadata, tunnel_id=self.tunnel_id)
        best = None
        for flow in self.state.tables.get(table, ()):
            if matches(flow.match, fields):
                best = flow if best is None or flow.priority > best.priority else best
            elif matches(flow.match, fields, 0):
                self.result.notes.add('zero of a header that is not there')
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
            if flow.meter is not None:
                self.meter(self.state.meters[flow.meter])
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
        self.by_set = True
        self.run_set(list(self.set.values()))

    def run_set(self, actions):
        """In the order of 5.10; at last the group, or without one the output."""
        for kind in SET_ORDER + (('group',) if any(a[0] == 'group' for a in actions) else ('output',)):
            # the set-fields of the action set are written at once, those of a bucket one after the other
            p = parse(self.frame) if kind == 'set' and not self.level else None
            for a in actions:
                if a[0] == kind:
                    self.do(a, p)

    def do(self, a, p=None):
        outer = a[1] in ('eth_dst', 'eth_src', 'vlan_vid', 'vlan_pcp', 'tunnel_id') if a[0] == 'set' else \
            not any(word in a[0] for word in ('ttl', 'mpls', 'pbb'))
        self.deep = parse(self.frame).deep
        if not outer and self.deep:  # a limit of ours: nothing behind the fourth tag is seen
            self.result.undefined = True
        self.result.actions.add(a[0] if a[0] != 'set' else 'set ' + a[1])
        if a[0] == 'pop_mpls' and 'push_mpls' in self.result.actions:
            self.result.notes.add('pop_mpls behind push_mpls')
        if a[0] == 'push_vlan' and 'pop_vlan' in self.result.actions:
            self.result.notes.add('push_vlan behind pop_vlan')
        if a[0] == 'output':
            self.output(a[1], a[2] if len(a) > 2 else 0xffff)
        elif a[0] == 'group':
            self.group(self.state.groups[a[1]])
        elif a[:2] == ('set', 'tunnel_id'):
            self.tunnel_id = a[2]
        else:
            self.change(a, p)

    def change(self, a, p):
        notes = self.result.notes
        try:
            self.frame = set_field(self.frame, a[1], a[2], notes, p) if a[0] == 'set' else change(self.frame, a, notes)
        except Missing:
            if parse(self.frame).odd & MALFORMED:
                notes.add('action on a malformed header')
            if a[0] == 'set' and a[1] in ('ipv6_nd_sll', 'ipv6_nd_tll'):
                notes.add('ND option set where there is none')
            self.result.actions.add(('set ' + a[1] if a[0] == 'set' else a[0]) + ' without its header')
        except Ended:  # when set-fields are written is not said
            self.result.undefined |= a[0] == 'set'
            raise

    # -- outputs
    def output(self, port, max_len):
        out, notes = self.result.outputs, self.result.notes
        if port == CONTROLLER:
            miss, by_entry = self.flow.is_table_miss(), not self.level
            if 'pop_mpls' in self.result.actions:
                notes.add('CONTROLLER behind pop_mpls')
            if self.by_set and by_entry and self.reason == NO_MATCH:
                notes.add('CONTROLLER in the action set of a table-miss entry')
            if self.selects:
                notes.add('CONTROLLER behind a SELECT group')
            if max_len < len(self.frame):
                self.result.actions.add('output to CONTROLLER with a max_len shorter than the packet')
            reason = self.reason if self.by_set else NO_MATCH if miss else ACTION
            self.packet_in(reason if by_entry else ACTION)
        elif port in (ALL, FLOOD):
            out += [(i, self.frame) for i in PORTS if i != self.in_port]
        elif port == IN_PORT:
            out.append((self.in_port, self.frame))
        elif port in PORTS and port != self.in_port:
            out.append((port, self.frame))

    def packet_in(self, reason):
        """No buffers: the whole frame, whatever max_len says (7.4.1)."""
        if self.by_set and self.flow.table:
            self.result.notes.add('CONTROLLER in the action set behind a goto')
        self.result.packet_ins.append(PacketIn(self.frame, len(self.frame), self.in_port, reason, self.flow.table, self.flow.cookie,
                                               self.metadata, self.tunnel_id))

    # -- groups (5.6)
    def group(self, g):
        r = self.result
        r.groups.append((g.id, None))
        r.actions.add('group ' + g.kind)
        for n in self.buckets(g):
            r.groups.append((g.id, n))
            kept = self.frame, self.tunnel_id
            self.level += 1
            r.depth = max(r.depth, self.level)
            try:
                self.run_set(g.buckets[n].actions)
            except Ended as e:
                self.ended(str(e))
            self.level -= 1
            self.frame, self.tunnel_id = kept

    def buckets(self, g):
        """Their numbers."""
        if g.kind in ('all', 'indirect'):
            return range(len(g.buckets))
        self.selects += g.kind == 'select'
        if g.kind == 'select' and self.level and self.set:
            self.result.notes.add('SELECT group in a bucket, with an action set')
        alive = [n for n, b in enumerate(g.buckets) if live(self.state, b, self.result.notes) and (g.kind == 'ff' or b.weight)]
        if g.kind == 'ff' or not alive:
            if len(alive) < len(g.buckets):
                self.result.actions.add('group %s with dead buckets' % g.kind)
            return alive[:1]
        key = g.id, self.selects, self.path, self.flow_of(self.first), self.flow_of(self.frame)
        chosen = self.choices.get(key)
        if chosen is None:
            chosen = alive[0]
            self.result.open[key] = alive
        self.result.choices[key] = chosen
        return [chosen] if chosen in alive else []

    # -- meters (5.7)
    def meter(self, m):
        """A band is either always exceeded or never, see pipeline.Band."""
        r, over = self.result, [b for b in m.bands if b.exceeded()]
        band = max(over, key=lambda b: b.rate, default=None)
        r.meters.append((m.id, None))
        if band is None:
            r.actions.add('meter, no band exceeded')
            return
        r.meters.append((m.id, m.bands.index(band)))
        r.notes.add('meter whose band is exceeded')
        if band.kind == DROP:
            r.actions.add('meter that drops')
            raise Ended('meter')
        r.actions.add('meter that remarks')
        self.frame = remark(self.frame, band.levels)


def live(state, bucket, notes):
    """6.7: by its port or by its group; one that watches nothing is."""
    if bucket.watch_port == ANY and bucket.watch_group == ANY:
        return True
    watched = state.groups.get(bucket.watch_group)
    if watched and watched.kind == 'select' and not all(b.weight for b in watched.buckets):
        notes.add('watched group with buckets of weight 0')
    return (bucket.watch_port in PORTS and bucket.watch_port not in state.down or
            watched is not None and any(live(state, b, notes) for b in watched.buckets))


class View:
    """A state, its flows by table."""

    def __init__(self, state):
        self.groups, self.meters, self.down, self.tables = state.groups, state.meters, state.down, {}
        for f in state.flows:
            self.tables.setdefault(f.table, []).append(f)


def run(state, frame, in_port, choices=(), whole=False):
    """state: a pipeline.State, or a View of it for many packets; whole: a flow is packets that are the same; a Result."""
    view = state if isinstance(state, View) else View(state)
    walk = Walk(view, frame, in_port, dict(choices), whole)
    if walk.selects:  # ofxdp chooses by the fields as all tables leave them: packets that go another way may be another flow
        walk = Walk(view, frame, in_port, dict(choices), whole, tuple(f.cookie for f in walk.result.hits))
    return walk.result


WAYS = 64


def permitted(state, frame, in_port, whole=False):
    """All that may become of the packet: [Result]; [] if that is more than WAYS."""
    out, todo = [], [{}]
    while todo:
        choices = todo.pop()
        r = run(state, frame, in_port, choices, whole)
        key = next(iter(r.open), None)
        if key is None:
            out.append(r)
        else:
            todo += [{**choices, key: n} for n in r.open[key]]
        if len(out) + len(todo) > WAYS:
            return []
    return out
