# SPDX-License-Identifier: GPL-2.0-only
"""Random groups and meters, and what becomes of them."""
from frame import ARP, ICMP, ICMP6, IP4, IP6, SCTP, TCP, UDP
from pipeline import ANY, DEAD, DROP, FLAPPING, HIGH, LOW, PORTS, REMARK, Band, Bucket, Group, Meter, Mod

IDS = (1, 2, 3, 7, 100, 65536, 0xfffffeff, 0xffffff00)
MOST_COPIES = 10  # of one packet, by a group and those below it
UNFIT = ((IP4, TCP), (IP4, UDP), (IP4, SCTP), (IP4, ICMP), (IP6, TCP), (IP6, ICMP6, None), (IP6, ICMP6, 135), (IP6, ICMP6, 136), (ARP,), (None, None, None, True))


class GroupMaker:
    """g: the Generator.  A group counts on packets of a shape; only flows that match such use it."""

    def __init__(self, g):
        self.g, self.r = g, g.r
        self.needs = {}

    def install(self):
        """Mods; groups are installed at once, so that later ones may lead to them."""
        r, mods = self.r, []
        for _ in range(r.choice((0, 0, 1, 2, 3, 5, 8))):
            mods += self.add_group()
        for _ in range(r.choice((0, 0, 0, 1, 2) if self.g.for_ovs else (0, 0, 1, 1, 2))):
            mods += self.add_meter()
        return mods

    def pick(self, shape):
        """The number of a group that packets of that shape may go to, or None."""
        fit = [i for i in self.g.state.groups if shape.has(self.needs[i])]
        return self.r.choice(fit) if fit else None

    # -- groups
    def add_group(self):
        from generate import Shape
        r, free = self.r, [i for i in IDS if i not in self.g.state.groups]
        if not free:
            return []
        number = r.choice(free)
        self.needs[number] = r.choice((Shape(), Shape(), Shape(), Shape(tag=True), Shape(IP4), Shape(IP6), Shape(ARP), Shape(IP4, UDP),
                                       Shape(IP4, TCP), Shape(IP6, UDP)))
        mod = Mod('add', self.group(number))
        self.g.state.apply(mod)
        return [mod]

    def group(self, number):
        r = self.r
        kind = r.choice(('all', 'all', 'select', 'select', 'indirect', 'ff', 'ff'))
        n = 1 if kind == 'indirect' else r.choice((0, 1, 2, 2, 3, 3, 4, 6))
        buckets, left = [], MOST_COPIES
        below = self.below(number)
        for _ in range(n):
            b = self.bucket(number, kind, below)
            copies = self.copies(b)
            if kind == 'all' and left < copies:
                break
            left -= copies
            buckets.append(b)
        return Group(number, kind, buckets or ([self.bucket(number, kind, {})] if kind == 'indirect' else []))

    def below(self, number):
        """Groups that do not lead to that one, nor are many others below them."""
        groups, out = self.g.state.groups, {}
        for i, g in groups.items():
            if i != number and number not in self.reach(i) and sum(map(self.copies, g.buckets)) <= MOST_COPIES and self.height(i) < 4:
                out[i] = g
        if number in groups and any(number in self.reach(i) for i in groups if i != number):
            return {}  # others lead to it: what it may multiply was settled then
        return out

    def reach(self, number):
        out, todo = set(), [number]
        while todo:
            i = todo.pop()
            if i not in out and i in self.g.state.groups:
                out.add(i)
                todo += self.g.state.groups[i].refers()
        return out

    def height(self, number):
        g = self.g.state.groups.get(number)
        return 1 + max(map(self.height, g.refers()), default=0) if g else 0

    def copies(self, bucket):
        """At most so many copies of a packet come of the bucket."""
        n = 1
        for a in bucket.actions:
            if a[0] == 'group':
                g = self.g.state.groups[a[1]]
                each = list(map(self.copies, g.buckets))
                n = max(n, sum(each) if g.kind == 'all' else max(each, default=1))
        return n

    def unfit(self):
        """A change of a header that many packets lack: nothing keeps buckets from that."""
        from generate import Shape
        while True:
            a = self.g.change(Shape(*self.r.choice(UNFIT)))
            if a[0] in ('set', 'pop_vlan', 'set_ip_ttl', 'dec_ip_ttl') and a[1:2] not in (('eth_type',), ('ip_proto',)):
                return a

    def bucket(self, number, kind, below):
        r, g, shape = self.r, self.g, self.needs[number].copy()
        g.tags_possible = g.for_ovs
        actions, seen = [], set()
        for _ in range(r.choice((0, 0, 1, 1, 2, 4))):
            before = shape.copy()
            a = g.change(shape) if r.random() < 0.8 else self.unfit()
            if a[0] in ('pop_vlan', 'push_mpls', 'pop_mpls', 'pop_pbb', 'push_pbb') and (seen or g.for_ovs and a[0].endswith('mpls')):
                shape = before  # in a set's order they would meet other headers
                continue
            key = a[:2] if a[0] == 'set' else a[0]
            if key not in seen and (not seen & {'pop_vlan', 'push_mpls', 'pop_mpls', 'pop_pbb', 'push_pbb'}):
                seen.add(key)
                actions.append(a)
            else:
                shape = before
        fit = [i for i in below if shape.has(self.needs[i])]
        how = r.random()
        if fit and how < 0.3:
            actions.append(('group', r.choice(fit)))
        if how > 0.3 and how < 0.95 or not fit and how < 0.3:
            actions.append(g.output())
        r.shuffle(actions)
        b = Bucket(actions)
        if kind == 'select':
            b.weight = r.choice((0, 1, 1, 1, 2, 5))
        if kind == 'ff' or kind == 'select' and r.random() < 0.4:
            watched = [i for i in below if self.height(i) < 3]
            b.watch_group = r.choice(watched) if watched and r.random() < 0.3 else ANY
            if b.watch_group == ANY or r.random() < 0.3:
                b.watch_port = r.choice(PORTS[:4] + (DEAD, DEAD, DEAD, FLAPPING, FLAPPING))
        return b

    # -- meters
    def add_meter(self):
        free = [i for i in (1, 2, 77, 0xffff0000) if i not in self.g.state.meters]
        if not free:
            return []
        mod = Mod('add', self.meter(self.r.choice(free)))
        self.g.state.apply(mod)
        return [mod]

    def remarks(self):
        return any(b.kind == REMARK and b.exceeded() for m in self.g.state.meters.values() for b in m.bands)

    def meter(self, number):
        """Bands of rates that differ: the highest that is exceeded is applied (5.7.1)."""
        r, bands = self.r, []
        for rate in r.sample(LOW + HIGH, r.choice((1, 1, 2, 3))):
            if r.random() < (0.6 if self.g.for_ovs else 0.2) and rate in LOW:
                continue
            remark = not self.g.for_ovs and r.random() < 0.7
            bands.append(Band(REMARK if remark else DROP, rate, 1 if rate in LOW else rate, r.choice((1, 1, 2)) if remark else 0))
        return Meter(number, bands or [Band(DROP, HIGH[0], HIGH[0])])

    # -- changes
    def mods(self):
        """One change, with what has to come with it."""
        r, state, how = self.r, self.g.state, self.r.random()
        if how < 0.2:
            if state.meters and how < 0.15:
                number = r.choice(sorted(state.meters))
                return [Mod('modify', self.meter(number)) if how < 0.11 else Mod('delete', state.meters[number])]
            return self.add_meter()
        if not state.groups or how < 0.4:
            return self.add_group()
        number = r.choice(sorted(state.groups))
        if how < 0.8:
            return [Mod('modify', self.group(number))]
        if any(number in g.refers() for g in state.groups.values()):
            return []
        if self.g.for_ovs and any(sum(a == ('group', number) for a in f.apply + f.write) > 1 for f in state.flows):
            return []  # an assertion of OVS fails
        return [Mod('delete', state.groups[number])]
