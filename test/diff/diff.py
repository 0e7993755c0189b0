#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Differential test: random pipelines and packets through ofxdp, Open vSwitch and the oracle.

    test/diff/diff.py [--seed N] [--pipelines N] [--packets N] [--against oracle|ovs|both] [--first N]

A pipeline is a case.  Frames on every port, packet-ins and flow counters must be the same everywhere; a packet that
does what EXCLUDED lists is not sent to OVS.  A difference is made small and shown.  Last line: `N passed, N failed`.
"""
import argparse
import os
import random
import sys
import time
from collections import Counter
from dataclasses import replace

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import oracle  # noqa: E402
from generate import PORTS, Generator  # noqa: E402
from pipeline import text  # noqa: E402
from rig import Failed, Ours, Output, Ovs, on_signals  # noqa: E402

# What OVS does otherwise: note of the oracle or the parser → why, with the place in OpenFlow 1.3.5.
EXCLUDED = {
    'action on a missing header': '5.10, 7.2.5: nothing said; OVS leaves the action out, we drop the packet and count it',
    'invalid TTL': '5.12: OVS still runs the action set written before',
    'push_vlan on a tagged packet': '5.12.1: the new tag copies the old one; OVS makes it 0',
    'more than 2 tags': '5.12: OVS knows two tags',
    'VLAN DEI': '7.2.3.7: vlan_vid and vlan_pcp are all of a tag that actions change; OVS clears DEI',
    'table miss with an action set': '5.4: the packet is dropped; OVS runs the set',
    'IP version': 'RFC 791, 8200: OVS does not look at the version',
    'TCP data offset': 'RFC 9293: OVS does not look at the data offset',
    'extension header cut': '7.2.3.8: OVS finds no IP fields at all',
    'more than 8 extension headers': '7.2.3.8: a limit of ours',
    'ND code': 'RFC 4861: OVS asks for code 0',
    'ND options': 'RFC 4861 4.6: OVS then finds no target either',
    'eth_type of a tag': "7.2.3.7: eth_type is the cut or fifth tag's; OVS's cache gives such frames another one's entry",
    'tag and nothing behind it': "Linux drops it on the way into OVS's packet socket",
    'IPv6 later fragment': 'RFC 8200 4.5: Next Header of the fragment header; OVS has ip_proto 44',
    'IPv6 segments left': 'RFC 8200 8.1: OVS then leaves the transport checksum alone when it sets ipv6_src',
    'CONTROLLER in the action set behind a goto': '7.4.1: table and cookie of the last entry; OVS has the first ones',
    'CONTROLLER in the action set of a table-miss entry': '5.4: reason NO_MATCH; OVS says ACTION',
    'IPv6 fragment header': 'RFC 8200 4.5: a checksum behind it covers the addresses; OVS leaves it alone',
    'label entry changed': "5.12: other bits of the entry stay; OVS's flow cache gives them those of the packet it made the entry for",
    'IPv4 later fragment': 'RFC 791: it has no transport header; OVS changes a checksum in it when it sets an address',
    'push_mpls on another packet than MPLS': '5.12.1: label and TC 0, the TTL that of IP, or 0; OVS: label 2 on IPv6, TC from DSCP, TTL 64 for 0',
    'label cut': 'RFC 3032: OVS does not count such packets, or counts them by another entry of its cache',
    'pop_mpls of a label that is not the last leaves no MPLS': '5.12: one label goes; OVS takes more',
    'ip_proto 0': 'RFC 8200 4.3, 791: nothing says that it is no IP packet; OVS changes nothing in it',
    'more than three labels': '5.12: OVS knows three labels, and drops the packet',
    'pop_mpls behind push_mpls': '5.12: the type is as given; OVS leaves out both actions, and the type',
    'CONTROLLER behind pop_mpls': '7.4.1: the cookie is that of the entry; OVS has forgotten it after its recirculation',
    'set-field of arp_op 255': '7.2.3.7: OVS writes 0xffff',
    'tag or label behind pop_vlan': "5.1: the next table sees the inner tag; OVS's cache takes such packets for untagged ones",
    'push_mpls on a tagged packet': '5.12: the label is the outermost; OVS leaves the tag before it',
    'pop_mpls of the last label leaves MPLS': '5.12.1: the type is as given; OVS makes a label of its own',
    'ARP opcode 0 or above 255': '7.2.3.7: arp_op has 16 bits, in OVS 8, and 0 is no ARP to it',
}
# Flows that OVS does not take: its error's type and code → why.
REFUSED = {
    (2, 0): 'BAD_TYPE: 5.12 copy TTL in or out',
    (2, 15): 'BAD_SET_ARGUMENT, 7.2.3.7: set-field of mpls_bos',
    (2, 12): 'BAD_TAG, 5.12: a third tag pushed',
    (2, 10): 'MATCH_INCONSISTENT, 7.2.3.8: ND fields with a code other than 0; tags that OVS cannot foresee',
    (4, 6): 'BAD_FIELD, 7.2.3.7: ipv6_exthdr',
    (4, 9): 'BAD_PREREQ, 7.2.3.8: ND fields with a code other than 0',
}


class Coverage:
    def __init__(self):
        self.packets, self.undefined = Counter(), 0
        self.fields, self.actions, self.depth, self.excluded, self.refused = Counter(), Counter(), Counter(), Counter(), Counter()

    def packet(self, r):
        c = self.packets
        c['all'] += 1
        c['hit'] += any(not f.is_table_miss() for f in r.hits)
        c['forwarded'] += bool(r.outputs)
        c['punted'] += bool(r.packet_ins)
        c['dropped'] += not r.outputs and not r.packet_ins
        self.depth[len(r.hits)] += 1
        self.actions.update(r.actions)
        for f in r.hits:
            self.fields.update(n + ('/mask' if m is not None else '') for n, (_, m) in f.match.items())
        for note in r.notes & EXCLUDED.keys():
            self.excluded[note] += 1

    def show(self):
        c, n = self.packets, self.packets['all'] or 1
        line = lambda what, counter: print('# %s: %s' % (what, ', '.join('%s %d' % x for x in sorted(counter.items()))))  # noqa: E731
        print('# packets: %d; hit a rule that is no table-miss %d %%, forwarded %d %%, punted %d %%, dropped %d %%' % (
            c['all'], *(100 * c[x] // n for x in ('hit', 'forwarded', 'punted', 'dropped'))))
        line('tables walked', self.depth)
        line('fields of the rules hit', self.fields)
        line('actions run', self.actions)
        print('# not compared: %d packets: a set-field whose header is not there, or lies behind five tags' % self.undefined)
        for note, count in sorted(self.excluded.items()):
            print('# not compared with OVS: %d packets: %s (%s)' % (count, note, EXCLUDED[note]))
        for what, count in sorted(self.refused.items()):
            print('# refused by OVS only: %d flows: %s' % (count, what))


def invisible(frame):
    """Linux as a receiver drops it before any socket: a tag with less than two bytes behind its type."""
    return frame[12:14] in (b'\x81\0', b'\x88\xa8') and len(frame) < 20


def expected(results):
    """The oracle's Output and counters."""
    out, count = Output(PORTS), {}
    for r in results:
        for port, frame in r.outputs:
            if not invisible(frame):
                out.frames[port].append(frame)
        out.packet_ins += r.packet_ins
        for f in r.hits:
            packets, size = count.get(f.cookie, (0, 0))
            count[f.cookie] = packets + 1, size + r.bytes
    return out, count


def compare(a, b, names, loose=()):
    """Lines telling how two (Output, counters) differ.  loose: cookies of flows whose bytes need not be the same."""
    lines = []
    ways = [('port %d' % i, a[0].frames[i], b[0].frames[i]) for i in PORTS] + [('packet-in', a[0].packet_ins, b[0].packet_ins)]
    for way, x, y in ways:
        cx, cy = Counter(x), Counter(y)
        for who, extra in ((names[0], cx - cy), (names[1], cy - cx)):
            for thing, n in extra.items():
                lines.append('%s, only from %s%s: %s' % (way, who, ' (%d times)' % n if n > 1 else '', show(thing)))
    for cookie in sorted(a[1].keys() | b[1].keys()):
        x, y = a[1].get(cookie, (0, 0)), b[1].get(cookie, (0, 0))
        if x[0] != y[0] or x[1] != y[1] and cookie not in loose:
            lines.append('flow 0x%x: %s counted %r packets, bytes, %s %r' % (cookie, names[0], x, names[1], y))
    return lines


def show(thing):
    if isinstance(thing, bytes):
        return thing.hex()
    return '%s %s' % (thing.frame.hex(), dict(list(thing._asdict().items())[1:]))


def set_conflict(flow, error):
    """An action set may be refused that does not fit together in the set's order (5.10), with MATCH_INCONSISTENT."""
    return error == (2, 10) and any(a[0] in ('pop_vlan', 'pop_mpls', 'push_mpls') for a in flow.write) and len(flow.write) > 1


class Case:
    """One pipeline's run through everything."""

    def __init__(self, ours, ovs, use_oracle):
        self.ours, self.ovs, self.use_oracle, self.lost, self.crashed = ours, ovs, use_oracle, 0, 0

    def close_ovs(self):
        if self.ovs:
            self.ovs.close()
            self.ovs = None

    def against_living(self, flows, packets, coverage, after):
        """differs(); if OVS crashes meanwhile, without OVS."""
        try:
            return self.differs(flows, packets, coverage, after)
        except (Failed, OSError):
            if not self.ovs or not self.ovs.crashed():
                raise
            self.crashed += 1
            self.close_ovs()
            return self.differs(flows, packets) if self.use_oracle else []

    def install(self, flows, refused=None):
        """The flows that both take; a line telling of those that only we refuse."""
        mine = self.ours.install(flows)
        theirs = self.ovs.install(flows) if self.ovs else {}
        if not mine and not theirs:
            return flows, []
        wrong = [f for f in flows if f.cookie in mine and f.cookie not in theirs and not set_conflict(f, mine[f.cookie])]
        lines = ['refused by ofxdp only, error %r: %s' % (mine[f.cookie], text(f)) for f in wrong]
        if refused is not None:
            for f in flows:
                if f.cookie in theirs and f.cookie not in mine:
                    refused[REFUSED.get(theirs[f.cookie], 'error type %d, code %d: %s' % (*theirs[f.cookie], text(f)))] += 1
        return self.install([f for f in flows if f.cookie not in mine and f.cookie not in theirs])[0], lines

    def differs(self, flows, packets, coverage=None, after=None):
        """Lines telling the differences; none if there are none.  after: flows to change to, with the same packets again."""
        flows, lines = self.install(flows, coverage.refused if coverage else None)
        lines = lines or self.send(flows, packets, coverage)
        if lines or not after:
            return lines
        refused = self.install(after)[0]  # to learn what both take
        self.install(flows)
        for rig in (self.ours, self.ovs):
            if rig and rig.change(flows, refused):
                return ['%s: a flow-mod is refused that was taken before' % rig.name]
        return ['after changes: ' + x for x in self.send(refused, packets, coverage)]

    def send(self, flows, packets, coverage):
        results = [oracle.run(flows, PORTS, f, i) for i, f in packets]
        if coverage:
            coverage.undefined += sum(r.undefined for r in results)
        packets = [p for p, r in zip(packets, results) if not r.undefined]
        results = [r for r in results if not r.undefined]
        for r, (_, f) in zip(results, packets):
            if invisible(f):
                r.notes.add('tag and nothing behind it')
        shared = [not r.notes & EXCLUDED.keys() for r in results]
        if coverage:
            for r in results:
                coverage.packet(r)
        lines = self.batch([p for p, s in zip(packets, shared) if s], [r for r, s in zip(results, shared) if s], self.ovs)
        rest = [p for p, s in zip(packets, shared) if not s]
        if not lines and rest and self.use_oracle:
            lines = self.batch(rest, results, None, [r for r, s in zip(results, shared) if not s])
        return lines

    def batch(self, packets, counted, ovs, results=None):
        """results: of these packets; counted: of all since the flows were installed."""
        out, _ = expected(results if results is not None else counted)
        count = expected(counted)[1]
        # a packet-out's packet-ins have another reason and cookie in OVS
        injected = {n for n, r in enumerate(results or counted) if n % 10 == 9 and not (ovs and r.packet_ins)}
        mine = self.ours.run(packets, injected), self.ours.counters()
        lines = compare(mine, (out, count), ('ofxdp', 'the oracle')) if self.use_oracle else []
        if ovs:
            # behind pop_mpls OVS counts the shorter packet's bytes
            loose = {f.cookie for r in counted if 'pop_mpls' in r.actions for f in r.hits}
            # its queue of packet-ins is short
            at_once = max(1, 100 if len(out.packet_ins) < 200 else 200 * len(packets) // len(out.packet_ins))
            theirs = ovs.run(packets, injected, at_once), ovs.counters()
            if self.use_oracle and not lines:  # OVS loses counts now and then; the oracle has confirmed ours
                self.lost += sum(n > theirs[1].get(c, (0, 0))[0] for c, (n, _) in mine[1].items())
                theirs = theirs[0], {c: mine[1].get(c) if n <= mine[1].get(c, (0, 0))[0] else (n, size)
                                     for c, (n, size) in theirs[1].items()}
            lines += compare(mine, theirs, ('ofxdp', 'OVS'), loose)
        return lines

    # -- shrinking
    def shrink(self, flows, packets, seconds=20):
        """The smallest case found in that time that still differs."""
        end = time.monotonic() + seconds

        def bad(flows, packets):
            lines = self.differs(flows, packets) if time.monotonic() < end else []
            return bool(lines) and lines[0].startswith('refused') == refused
        refused = self.differs(flows, packets)[:1] != [] and self.differs(flows, packets)[0].startswith('refused')
        size = len(packets)
        while len(packets) > 1 and size > 1:
            size = (size + 1) // 2
            for at in range(0, len(packets), size):
                if bad(flows, packets[at:at + size]):
                    packets = packets[at:at + size]
                    break
            else:
                break
        if len(packets) > 1:
            one = next((p for p in packets if bad(flows, [p])), None)
            packets = [one] if one else packets
        again = True
        while again and time.monotonic() < end:
            again = False
            for smaller in smaller_flows(flows):
                if bad(smaller, packets):
                    flows, again = smaller, True
                    break
        return flows, packets

    def report(self, flows, packets):
        print('# flows:')
        for f in flows:
            print('#   ' + text(f))
        for i, f in packets[:5]:
            print('# packet on port %d: %s' % (i, f.hex()))
            r = oracle.run(flows, PORTS, f, i)
            print('#   oracle: flows %s%s %s' % (' '.join(hex(x.cookie) for x in r.hits), ', ' + r.end if r.end else '', sorted(r.notes) or ''))
        for line in self.differs(flows, packets) or ['(does not happen again)']:
            print('# ' + line[:1200])
        print('# ofxdp: ' + self.ours.note())


def smaller_flows(flows):
    """Pipelines that lack something, the large steps first."""
    for n in (len(flows) // 2, len(flows) // 4, 1):
        for i in range(0, len(flows), max(n, 1)):
            if n >= 1:
                yield flows[:i] + flows[i + n:]
    for i, f in enumerate(flows):
        less = []
        for name in ('apply', 'write'):
            acts = getattr(f, name)
            less += [replace(f, **{name: acts[:k] + acts[k + 1:]}) for k in range(len(acts))]
        if f.clear:
            less.append(replace(f, clear=False))
        if f.metadata:
            less.append(replace(f, metadata=None))
        if f.goto is not None:
            less.append(replace(f, goto=None))
        needed = ('eth_type', 'ip_proto', 'vlan_vid', 'icmpv6_type')
        for k in f.match:
            if k not in needed or len(f.match) == 1:
                less.append(replace(f, match={x: y for x, y in f.match.items() if x != k}))
        for g in less:
            yield flows[:i] + [g] + flows[i + 1:]


def run(args):
    coverage, passed, failed, start = Coverage(), 0, 0, time.monotonic()
    case = Case(Ours(PORTS), None, args.against != 'ovs')
    try:
        for n in range(args.first, args.first + args.pipelines):
            if args.against != 'oracle' and not case.ovs:
                case.ovs = Ovs(PORTS)
            name = 'seed %d pipeline %d' % (args.seed, n)
            r = random.Random('%d/%d' % (args.seed, n))
            g = Generator(r, for_ovs=bool(case.ovs) and r.random() < 0.9, mpls=not args.no_mpls)
            flows = g.pipeline()
            packets = [g.packet(flows) for _ in range(args.packets)]
            try:
                after = g.changed(flows) if r.random() < 0.4 else None
                lines = case.against_living(flows, packets, coverage, after)
            except (Failed, OSError) as e:
                print('not ok - %s: %s' % (name, e))
                print('\n'.join('#   ' + text(f) for f in flows))
                return coverage, passed, failed + 1
            if not lines:
                passed += 1
                if args.each:
                    print('ok - ' + name)
                continue
            failed += 1
            print('not ok - ' + name)
            print('\n'.join('# ' + x[:400] for x in lines[:4]))
            try:
                if lines[0].startswith('after changes'):
                    if case.differs(after, packets):
                        flows = after
                    else:
                        print('# only after flow-mods from these flows:\n' + '\n'.join('#   ' + text(f) for f in flows))
                        print('# to these:\n' + '\n'.join('#   ' + text(f) for f in after))
                        continue
                case.report(*case.shrink(flows, packets, args.shrink))
            except (Failed, OSError) as e:
                print('# while making it small: %s' % e)
                case.close_ovs()
            sys.stdout.flush()
            if failed >= args.stop:
                break
        seconds = time.monotonic() - start
        print('# flows of which OVS counted fewer packets than ofxdp and the oracle: %d; OVS ended by an assertion of its own: %d times' % (
            case.lost, case.crashed))
        print('# %d pipelines in %.1f s: %d packets/s' % (passed + failed, seconds, coverage.packets['all'] / seconds))
    finally:
        case.close_ovs()
        case.ours.close()
    return coverage, passed, failed


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--seed', type=int, default=int(time.time()))
    a.add_argument('--pipelines', type=int, default=100)
    a.add_argument('--packets', type=int, default=100)
    a.add_argument('--first', type=int, default=0, help='number of the first pipeline')
    a.add_argument('--against', choices=('oracle', 'ovs', 'both'), default='both')
    a.add_argument('--stop', type=int, default=10, help='end after that many failures')
    a.add_argument('--shrink', type=float, default=20, help='seconds for making a failure small')
    a.add_argument('--each', action='store_true', help='a line for each pipeline')
    a.add_argument('--no-mpls', action='store_true')
    args = a.parse_args()
    on_signals()
    print('# seed %d' % args.seed, flush=True)
    coverage, passed, failed = run(args)
    coverage.show()
    if passed and not args.each:
        print('ok - seed %d: %d pipelines of %d packets' % (args.seed, passed, args.packets))
    print('%d passed, %d failed' % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == '__main__':
    sys.exit(main())
