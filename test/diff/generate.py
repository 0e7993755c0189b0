# SPDX-License-Identifier: GPL-2.0-only
"""Random cases: what a controller installs and changes, step by step, and the packets of each step."""
from dataclasses import replace

from frame import ARP, FIELDS, ICMP, ICMP6, IP4, IP6, MPLS, PBB, SCTP, TCP, UDP
from generate_group import GroupMaker
from pipeline import ALL, CONTROLLER, FLAPPING, FLOOD, IN_PORT, MAX_LENS, PORTS, Flow, Link, Mod, State
from traffic import L3_FIELDS, L4_FIELDS, Pools, Traffic


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
            out += ['ipv6_nd_target', 'ipv6_nd_sll' if self.icmp6 == 135 else 'ipv6_nd_tll'] * 3
        return out

    def copy(self):
        return Shape(self.kind, self.proto, self.icmp6, self.tag)

    def has(self, need):
        """Do packets of this shape have what `need` counts on?"""
        return all(n is None or n == x for n, x in ((need.kind, self.kind), (need.proto, self.proto), (need.icmp6, self.icmp6))) and \
            (self.tag or not need.tag)


class Generator:
    """r: random.Random; for_ovs: mostly what OVS knows too."""

    def __init__(self, r, for_ovs, mpls=True):
        self.r, self.for_ovs, self.mpls, self.cookie = r, for_ovs, mpls, 0
        self.pbb = not for_ovs and r.random() < 0.7
        self.pools, self.state, self.ids = Pools(r), State(), [0]
        self.traffic, self.groups = Traffic(r, self.pools, mpls, self.pbb), GroupMaker(self)
        self.seen, self.changes = [], {}  # changes: by table, what packets may have become that are sent there

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
        if table in self.changes and r.random() < 0.25:
            return dict(r.choice(self.changes[table]))

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
            kinds = [IP4, IP4, IP4, IP6, IP6, IP6, ARP, r.choice((0x1234, 0x5ff, 0x8100))] + [0x8847, 0x8848] * self.mpls + [PBB] * 5 * self.pbb
            kind = r.choice(kinds)
            match['eth_type'] = (kind, None)
            some(L3_FIELDS.get(kind, ()), 0.25)
            if kind in (IP4, IP6) and table and self.groups.remarks() and r.random() < 0.6:
                match['ip_dscp'] = (r.choice((10, 12, 14, 18, 20, 28, 34, 36)), None)
            if kind == IP6 and not self.for_ovs:
                some(('ipv6_exthdr',), 0.2)
            if kind in (IP4, IP6) and r.random() < 0.65:
                proto = r.choice([TCP, UDP, SCTP] + [ICMP if kind == IP4 else ICMP6] * 2 + [self.pools.pick(r, 'ip_proto')])
                match['ip_proto'] = (proto, None)
                if (proto, kind) not in ((ICMP, IP6), (ICMP6, IP4)):
                    some(L4_FIELDS.get(proto, ()), 0.4)
                if (proto, kind) == (ICMP6, IP6) and r.random() < 0.4:
                    match['icmpv6_type'] = (r.choice((135, 136)), None)
                if match.get('icmpv6_type', (0,))[0] in (135, 136):
                    some(('ipv6_nd_target', 'ipv6_nd_sll' if match['icmpv6_type'][0] == 135 else 'ipv6_nd_tll'), 0.3)
        return match

    def output(self):
        r = self.r
        port = r.choice(PORTS + PORTS + (IN_PORT, ALL, FLOOD, CONTROLLER, CONTROLLER))
        return ('output', port, r.choice(MAX_LENS)) if port == CONTROLLER else ('output', port)

    def change(self, shape):
        """One action that changes the packet, and what it does to the shape."""
        r = self.r
        options = ['set'] * 6 + ['push_vlan']
        if shape.tag:
            options.append('pop_vlan')
        if shape.kind in (IP4, IP6):
            options += ['set_ip_ttl', 'dec_ip_ttl']
        if self.pbb:
            options += ['push_pbb'] + ['pop_pbb'] * 2 * (shape.kind == PBB)
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
            if not self.for_ovs and r.random() < 0.06:  # what follows is another header then
                name = r.choice(['eth_type'] + ['ip_proto'] * (shape.kind in (IP4, IP6)))
                shape.kind, shape.proto = None if name == 'eth_type' else shape.kind, None
            return ('set', name, self.pools.pick(r, name))
        if kind == 'push_vlan':
            shape.tag = True
            return (kind, r.choice((0x8100, 0x8100, 0x88a8)))
        if kind == 'push_pbb':
            shape.kind, shape.proto, shape.tag = PBB, None, False
            return (kind, PBB)
        if kind == 'pop_pbb':
            shape.kind, shape.proto = None, None
            return (kind,)
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
            how = self.r.random()
            group = self.groups.pick(shape) if how < 0.15 and sum(a[0] == 'group' for a in out) < 2 else None
            out.append(('group', group) if group else self.output() if how < 0.5 else self.change(shape))
        return out

    def write(self, fixed, end=None):
        """A set has one action of a type; those that move headers are rare, for they meet each other's headers."""
        r, out, seen = self.r, [], set()
        for _ in range(r.randrange(1, 4)):
            how = r.random()
            group = self.groups.pick(fixed) if how < 0.15 else None
            if group:
                a = ('group', group)
            elif how < 0.55:
                a = self.output()
            else:
                a = self.change(fixed.copy())
                if a[0] in ('push_mpls', 'pop_mpls', 'pop_vlan', 'pop_pbb') and r.random() < 0.7:
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
        if self.state.meters and r.random() < (0.2 if self.for_ovs else 0.4):
            flow.meter = r.choice(sorted(self.state.meters))
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
        if flow.goto is not None and all(a[0] in ('set', 'output') for a in flow.apply):
            self.changes.setdefault(flow.goto, [{}]).extend(
                self.seen_later(flow.match, *a[1:]) for a in flow.apply if a[0] == 'set' and a[1] not in ('eth_type', 'ip_proto'))
        if flow.goto is None and not flow.write and not any(a[0] in ('output', 'group') for a in flow.apply) and r.random() < 0.8:
            flow.apply.append(self.output())

    @staticmethod
    def seen_later(match, name, value):
        """A match for what a set-field has made of the packets of another match."""
        out = {n: match[n] for n in ('eth_type', 'vlan_vid', 'ip_proto', 'icmpv6_type') if n in match and n != name}
        if name == 'vlan_pcp':
            out['vlan_vid'] = (0x1000, 0x1000)
        return dict(out, **{name: (value, None)})

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
        """Prefixes of one address, the longer the higher: many lengths, few tuples."""
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

    # -- flow-mods
    def later(self, table):
        return [t for t in self.ids if t > table]

    def free_priority(self, table):
        used = {f.priority for f in self.state.flows if f.table == table}
        return next(p for p in iter(lambda: self.r.randrange(1, 60000), 0) if p not in used)

    def again(self, flow, **what):
        """The same match, other instructions."""
        new = replace(flow, apply=[], write=[], clear=False, metadata=None, goto=None, meter=None, reset=self.r.random() < 0.3, **what)
        self.actions(new, self.later(flow.table))
        return new

    def wider(self, flow):
        """A match that covers it, and perhaps others."""
        kept = {n: m for n, m in flow.match.items() if self.r.random() < 0.6}
        for need, of in (('eth_type', L3_FIELDS), ('ip_proto', L4_FIELDS), ('vlan_vid', {0: ('vlan_pcp',)}), ('icmpv6_type', {})):
            if need in flow.match:
                kept[need] = flow.match[need]
        return replace(flow, match=kept)

    def flow_mods(self):
        r, flows = self.r, self.state.flows
        how = r.random()
        if how < 0.3 or not flows:
            table = r.choice(self.ids)
            return [Mod('add', f) for f in self.family(table, self.free_priority(table), self.later(table))]
        flow = r.choice(flows)
        self.cookie += 1
        if how < 0.45:
            return [Mod('delete_strict', flow)]
        if how < 0.6:
            return [Mod('modify_strict', self.again(flow))]
        if how < 0.72:  # in its place
            return [Mod('add', self.again(flow, cookie=self.cookie))]
        if how < 0.87:  # the same match, higher or lower
            return [Mod('add', self.again(flow, cookie=self.cookie, priority=self.free_priority(flow.table)))]
        wide = self.wider(flow)
        if not wide.table and not wide.match.keys() - {'eth_src'}:  # the rig's own entry must stay
            return []
        return [Mod('delete', wide)] if how < 0.92 else [Mod('modify', self.again(wide))]

    def change_some(self):
        """A few mods of any kind; the state follows."""
        r, mods = self.r, []
        for _ in range(r.choice((1, 1, 2, 3, 6, 12))):
            how = r.random()
            if how < 0.02:
                new = [Mod('up' if FLAPPING in self.state.down else 'down', Link(FLAPPING))]
            else:
                new = self.groups.mods() if how < 0.25 else self.flow_mods()
            for mod in new:
                self.state.apply(mod)
            mods += new
        return mods

    def install(self):
        """The mods of the first step."""
        r = self.r
        mods = self.groups.install()
        for mod in mods:
            self.state.apply(mod)
        n = r.choice((1, 2, 2, 3, 3, 4, 6))
        self.ids = ids = [0] + sorted(r.sample(range(1, 250), n - 1))
        flows = []
        for table in ids:
            later = self.later(table)
            kind = r.random()
            if kind < 0.1:
                flows += self.routes(table, later)
            many = r.randrange(15, 60) if kind > 0.92 else r.randrange(1, 7)
            for priority in r.sample(range(1, 60000), many):
                if flows and flows[-1].table == table and r.random() < 0.2:  # the same masks, other priorities
                    self.cookie += 1
                    flows.append(self.again(r.choice([f for f in flows if f.table == table]), cookie=self.cookie, priority=priority))
                else:
                    flows += self.family(table, priority, later)
            if r.random() < (0.6 if table else 0.4):
                self.cookie += 1
                miss = Flow(table, 0, {}, cookie=self.cookie)
                self.actions(miss, later)
                flows.append(miss)
        r.shuffle(flows)
        for f in flows:
            self.state.apply(Mod('add', f))
        return mods + [Mod('add', f) for f in flows]

    # -- cases
    def packets(self, n):
        """Some are new, some the same again, from other steps too, some are of the same flow."""
        new = [self.traffic.packet(self.state) for _ in range(n * 6 // 10)] if self.state.flows else []
        self.seen += new
        out = new + [self.r.choice(self.seen) for _ in range(n - len(new))]
        for k in range(len(new), n):
            if self.r.random() < 0.3:
                out[k] = out[k][0], self.traffic.sibling(out[k][1])
        self.r.shuffle(out)
        return out

    def case(self, n):
        """[(mods, packets)], n packets in the first step."""
        steps = [(self.install(), self.packets(n))]
        for _ in range(self.r.choice((0, 0, 1, 1, 2, 4))):
            steps.append((self.change_some(), self.packets(n // 2)))
        return steps
