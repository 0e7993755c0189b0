# SPDX-License-Identifier: GPL-2.0-only
"""A case, [(mods, packets)], through ofxdp, Open vSwitch and the oracle: how do they differ?"""
import time
from collections import Counter

import oracle
from describe import text
from deviations import EXCLUDED, REFUSED
from pipeline import PORTS, PRIMER, Flow, State
from rig import Counters, Failed, Output

SLOW = 2.5  # seconds: an exhausted meter lets packets pass again

PATIENCE = 10  # looks at a difference before it is one


def invisible(frame):
    """Linux as a receiver drops it before any socket: a tag with less than two bytes behind its type."""
    return frame[12:14] in (b'\x81\0', b'\x88\xa8') and len(frame) < 20


def output_of(results, down):
    """What the hosts and the controller get."""
    out = Output()
    for r in results:
        for port, frame in r.outputs:
            if not invisible(frame) and port not in down:
                out.frames[port].append(frame)
        out.packet_ins += r.packet_ins
    return out


def counters_of(results):
    out = Counters()

    def add(counts, number, size):
        packets, octets = counts.get(number, (0, 0))
        counts[number] = packets + 1, octets + size
    for r in results:
        for f in r.hits:
            add(out.flows, f.cookie, r.bytes)
        for who in r.groups:
            add(out.groups, who, r.bytes)
        for who in r.meters:
            add(out.meters, who, r.bytes)
    return out


def flat(counts):
    """{(id, None): of itself, (id, n): of bucket or band n} from {id: [...]}"""
    return {(i, n - 1 if n else None): c for i, each in counts.items() for n, c in enumerate(each)}


def show(thing):
    if isinstance(thing, bytes):
        return thing.hex()
    return '%s %s' % (thing.frame.hex(), dict(list(thing._asdict().items())[1:]))


def compare_output(a, b, names):
    """Lines telling how two Outputs differ."""
    lines = []
    for way, x, y in [('port %d' % i, a.frames[i], b.frames[i]) for i in PORTS] + [('packet-in', a.packet_ins, b.packet_ins)]:
        cx, cy = Counter(x), Counter(y)
        for who, extra in ((names[0], cx - cy), (names[1], cy - cx)):
            for thing, n in extra.items():
                lines.append('%s, only from %s%s: %s' % (way, who, ' (%d times)' % n if n > 1 else '', show(thing)))
    return lines


def compare_counts(what, a, b, names, loose=()):
    """loose: those whose bytes need not be the same."""
    lines = []
    for number in sorted(a.keys() | b.keys(), key=str):
        x, y = a.get(number, (0, 0)), b.get(number, (0, 0))
        if x[0] != y[0] or x[1] != y[1] and number not in loose:
            name = hex(number) if isinstance(number, int) else number
            lines.append('%s %s: %s counted %r packets, bytes, %s %r' % (what, name, names[0], x, names[1], y))
    return lines


def set_conflict(mod, error):
    """An action set may be refused that does not fit together in the set's order (5.10), with MATCH_INCONSISTENT."""
    return isinstance(mod.thing, Flow) and error == (2, 10) and len(mod.thing.write) > 1 and any(
        a[0] in ('pop_vlan', 'pop_mpls', 'push_mpls', 'pop_pbb', 'push_pbb') for a in mod.thing.write)


def longer(frame):
    return frame + bytes(PRIMER - len(frame))


def primes(view, frame, in_port, r):
    """The meters whose bands are to be exceeded can be reached by a longer frame, too."""
    return all(band is None for _, band in r.meters) or oracle.run(view, longer(frame), in_port).meters == r.meters


class Slow(Exception):
    """The machine stood still for so long that meters have recovered."""


class Case:
    """ovs: the running one, or None; use_ovs(): whether it takes part."""

    def __init__(self, ours, use_oracle):
        self.ours, self.running, self.ovs, self.use_oracle = ours, None, None, use_oracle
        self.lost, self.crashed, self.slow, self.late, self.patience = 0, Counter(), 0, 0, PATIENCE

    def use_ovs(self, use, start):
        if use and not self.running:
            self.running = start()
        self.ovs = self.running if use else None

    def close_ovs(self):
        if self.running:
            self.running.close()
        self.running = self.ovs = None

    def against_living(self, steps, coverage):
        """differs(); if OVS crashes meanwhile, without OVS."""
        try:
            return self.differs(steps, coverage)
        except (Failed, OSError):
            why = self.ovs and self.ovs.crashed()
            if not why:
                raise
            self.crashed[why] += 1
            self.close_ovs()
            return self.differs(steps) if self.use_oracle else []

    def differs(self, steps, coverage=None):
        """Lines telling the differences; none if there are none.  Mods that OVS refuses are left out, from the beginning."""
        left_out = set()
        while True:
            met = []
            try:
                lines, more = self.attempt(steps, left_out, met, coverage)
            except Slow:
                self.slow += 1
                continue
            if not more:
                for r in met if coverage else ():
                    coverage.packet(r)
                return lines
            left_out |= more

    def attempt(self, steps, left_out, met, coverage):
        """(lines, {(step, number)} of mods that must be left out)"""
        state = State()
        for rig in (self.ours, self.ovs):
            if rig:
                rig.reset()
        for step, (mods, packets) in enumerate(steps):
            numbered = [(n, m) for n, m in enumerate(mods) if (step, n) not in left_out]
            taken, lines, more = self.install([m for _, m in numbered], coverage)
            if lines or more:
                return lines, {(step, numbered[k][0]) for k in more}
            for mod in taken:
                for rig in (self.ours, self.ovs):
                    if rig:
                        rig.base.mod(*mod, state)
                state.apply(mod)
            lines = self.send(oracle.View(state), packets, met, coverage)
            if lines:
                return ['step %d: %s' % (step, x) for x in lines], ()
        return [], ()

    def install(self, mods, coverage):
        """(mods that both take, lines telling of those that only we refuse, numbers of those that only one takes)"""
        mine = self.ours.mods(mods)
        theirs = self.ovs.mods(mods) if self.ovs else {}
        one = {n for n in mine.keys() ^ theirs.keys()}
        wrong = [n for n in one if n in mine and not set_conflict(mods[n], mine[n])]
        lines = ['refused by ofxdp only, error %r: %s' % (mine[n], text(mods[n])) for n in wrong]
        for n in one if coverage else ():
            if n in theirs:
                coverage.refused[REFUSED.get(theirs[n], 'error type %d, code %d: %s' % (*theirs[n], text(mods[n])))] += 1
        if coverage and not one:
            coverage.mods.update('%s %s' % (type(m.thing).__name__.lower(), m.command) for m in mods)
        return [m for n, m in enumerate(mods) if n not in mine], lines, one

    # -- packets
    def send(self, view, packets, met, coverage):
        once = {p: oracle.permitted(view, p[1], p[0]) for p in set(packets)}
        ways = [once[p] for p in packets]
        good = [bool(w) and not any(r.undefined for r in w) and len(w[0].outputs) < 100 and primes(view, f, i, w[0])
                for (i, f), w in zip(packets, ways)]
        if not self.use_oracle:
            good = [g and len(w) == 1 for g, w in zip(good, ways)]
        if coverage:
            coverage.undefined += good.count(False)
        packets, ways = [p for p, g in zip(packets, good) if g], [w for w, g in zip(ways, good) if g]
        shared = []
        for (_, f), w in zip(packets, ways):
            notes = {'tag and nothing behind it'} if invisible(f) else set()
            for r in w:
                notes |= r.notes
            w[0].notes |= notes
            shared.append(not notes & EXCLUDED.keys())
        start = time.monotonic()
        self.prime(packets, ways)
        results, lines = self.learn(self.ours, view, packets, ways)
        theirs, more = self.learn(self.ovs, view, *self.part(shared, packets, ways)) if self.ovs else ([], [])
        met += results
        both, rest = self.part(shared, packets, results), self.part([not s for s in shared], packets, results)
        lines = lines or more or self.batch(view, *both, both[1], self.ovs, theirs)
        if not lines and rest[0] and self.use_oracle:
            lines = self.batch(view, *rest, results, None)
        if not lines:
            self.ours.base = self.ours.last
        if any(r.meters for r in results) and time.monotonic() - start > SLOW:
            raise Slow
        return lines

    @staticmethod
    def part(which, *lists):
        return [[x for x, w in zip(some, which) if w] for some in lists]

    def prime(self, packets, ways):
        """Long frames empty the buckets of the bands that are to be exceeded."""
        seen, long = set(), []
        for (i, f), (r, *_) in zip(packets, ways):
            low = {m for m, band in r.meters if band is not None}
            if low - seen:
                seen |= low
                long += [(i, longer(f))] * (len(low) + 1)
        if long:
            self.ours.run(long)
            self.ours.settle()

    def learn(self, rig, view, packets, ways):
        """One Result for each packet: what becomes of it in that switch, as it answers for its SELECT groups.

        What a flow is, is known of ours only; the same packet must always go the same way."""
        known, results, probed, whole = {}, [], False, rig is self.ovs
        for (i, f), w in zip(packets, ways):
            r = w[0]
            if len(w) > 1:
                r = oracle.run(view, f, i, known, whole)
                if r.open:
                    probed = True
                    r, lines = self.probe(rig, view, (i, f), oracle.permitted(view, f, i, True) if whole else w, known)
                    if lines:
                        return [], lines
                r.notes |= w[0].notes
            results.append(r)
        if probed:
            rig.settle()
        return results, []

    def patiently(self, rig, out, look):
        """look(): lines telling differences.  Marks pass what goes many rounds: as long as there are some, wait a little."""
        for n in range(self.patience + 1):
            lines = look()
            if not lines or n == self.patience:
                break
            time.sleep(0.03)
            rig.marks(out)
        self.late += n > 0 and not lines
        return lines

    def probe(self, rig, view, packet, ways, known):
        """Send the packet alone; the Result that fits."""
        names, count = (rig.name, 'the oracle'), rig is self.ours
        ways = [w for w in ways if all(known.get(k, n) == n for k, n in w.choices.items())]
        before = rig.buckets() if count else {}
        out, fit = rig.run([packet]), []

        def look():
            after = rig.buckets() if count else {}
            hit = {(g, n): x - before[g][n] for g, each in after.items() for n, x in enumerate(each) if x - before[g][n]}
            fit[:] = [w for w in ways if not compare_output(out, output_of([w], view.down), names) and
                      (not count or self.buckets_hit(w) == hit)]
            return [] if fit else ['none of %d permitted choices of buckets; of the first: %s' % (len(ways), x) for x in compare_output(
                out, output_of(ways[:1], view.down), names) or ['counters of buckets']]
        lines = self.patiently(rig, out, look)
        if lines:
            return None, lines
        if len({tuple(sorted(w.choices.items(), key=str)) for w in fit}) == 1:
            known.update(fit[0].choices)
        return fit[0], []

    @staticmethod
    def buckets_hit(r):
        return dict(Counter(who for who in r.groups if who[1] is not None))

    def batch(self, view, packets, results, counted, ovs, theirs=()):
        """results: of these packets; counted: of all since the counters began; theirs: results with what OVS has chosen."""
        # a packet-out's packet-ins have another reason and cookie in OVS
        injected = {n for n, r in enumerate(results) if n % 10 == 9 and not (ovs and r.packet_ins)}
        names, out, count = ('ofxdp', 'the oracle'), output_of(results, view.down), counters_of(counted)
        mine, ours = self.ours.run(packets, injected), self.ours

        def look():
            ours.last = ours.absolute()
            have = ours.last.since(ours.base)
            return compare_output(mine, out, names) + compare_counts('flow', have.flows, count.flows, names) + \
                compare_counts('group, bucket', flat(have.groups), count.groups, names) + \
                compare_counts('meter, band', flat(have.meters), count.meters, names) if self.use_oracle else []
        lines = self.patiently(ours, mine, look)
        if ovs:
            lines += self.batch_ovs(view, packets, theirs, injected, mine, ours.last.since(ours.base), bool(lines))
        return lines

    def batch_ovs(self, view, packets, results, injected, mine, have, wrong):
        out, ovs = output_of(results, view.down), self.ovs
        # its queue of packet-ins is short
        at_once = max(1, 100 if len(out.packet_ins) < 200 else 200 * len(packets) // len(out.packet_ins))
        got = ovs.run(packets, injected, at_once)
        # behind pop_mpls OVS counts the shorter packet's bytes
        loose = {f.cookie for r in results if 'pop_mpls' in r.actions for f in r.hits}
        chosen = any(r.choices for r in results)
        ref, names = (out, ('the oracle', 'OVS')) if chosen else (mine, ('ofxdp', 'OVS'))
        last = [None]

        def look():
            last[0] = ovs.absolute()
            flows, mine = last[0].since(ovs.base).flows, have.flows
            if self.use_oracle and not wrong:  # OVS loses counts now and then; the oracle has confirmed ours
                self.lost += sum(n > flows.get(c, (0, 0))[0] for c, (n, _) in mine.items())
                flows = {c: mine.get(c) if n <= mine.get(c, (0, 0))[0] else (n, size) for c, (n, size) in flows.items()}
                mine = {c: x for c, x in mine.items() if c in flows}
            return compare_output(ref, got, names) + compare_counts('flow', mine, flows, ('ofxdp', 'OVS'), loose)
        lines = self.patiently(ovs, got, look)
        ovs.base = last[0]
        return lines
