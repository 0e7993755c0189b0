#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Differential test: random pipelines and packets through ofxdp, Open vSwitch and the oracle.

    test/diff/diff.py [--seed N] [--pipelines N] [--packets N] [--against oracle|ovs|both] [--first N]

A pipeline is a case: flow entries, groups and meters, packets, then several times some changes and packets, the first
of them right behind the barrier.  Frames on every port, packet-ins and counters must be the same everywhere; a packet
that does what deviations.py lists is not sent to OVS.  A difference is made small and shown.

    oracle.py      OpenFlow as written, on bytes          frame.py     parser and builder of frames
    generate*.py   random cases    traffic.py   packets   pipeline.py  flows, groups, meters, messages, states
    rig.py         the switches, their hosts, marks       case.py      a case through all; shrink.py makes it small

Last line: `N passed, N failed`.
"""
import argparse
import os
import random
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import oracle  # noqa: E402
from case import Case  # noqa: E402
from coverage import Coverage  # noqa: E402
from describe import text  # noqa: E402
from generate import Generator  # noqa: E402
from pipeline import State  # noqa: E402
from rig import Failed, Ours, Ovs, on_signals  # noqa: E402
from shrink import shrink  # noqa: E402


def report(case, steps):
    state = State()
    for mods, packets in steps:
        for mod in mods:
            print('#   ' + text(mod))
            state.apply(mod)
        for i, f in packets[:5]:
            print('# packet on port %d: %s' % (i, f.hex()))
            try:
                r = oracle.run(state, f, i)
            except KeyError:  # a group that is not there
                continue
            print('#   oracle: flows %s%s %s' % (' '.join(hex(x.cookie) for x in r.hits), ', ' + r.end if r.end else '', sorted(r.notes) or ''))
    for line in case.differs(steps) or ['(does not happen again)']:
        print('# ' + line[:1200])
    print('# ofxdp: ' + case.ours.note())


def failure(case, steps, lines, args):
    """Show it; False: the switches can't go on."""
    print('\n'.join('# ' + x[:600] for x in lines[:4]))
    try:
        report(case, shrink(case, steps, args.shrink))
    except (Failed, OSError) as e:
        print('# while making it small: %s' % e)
        case.close_ovs()
    sys.stdout.flush()


def make(args, n):
    """(is the case one for OVS, too?, the case)"""
    r = random.Random('%d/%d' % (args.seed, n))
    for_ovs = r.random() < 0.7
    return for_ovs, Generator(r, for_ovs, mpls=not args.no_mpls).case(args.packets)


def run(args):
    coverage, passed, failed, start = Coverage(), 0, 0, time.monotonic()
    case = Case(Ours(), args.against != 'ovs')
    try:
        for n in range(args.first, args.first + args.pipelines):
            name = 'seed %d pipeline %d' % (args.seed, n)
            for_ovs, steps = make(args, n)
            case.use_ovs(for_ovs and args.against != 'oracle', Ovs)
            try:
                lines = case.against_living(steps, coverage)
            except (Failed, OSError) as e:
                lines = [str(e)]
            if not lines:
                passed += 1
                if args.each:
                    print('ok - ' + name)
                continue
            failed += 1
            print('not ok - ' + name)
            failure(case, steps, lines, args)
            if failed >= args.stop:
                break
        seconds = time.monotonic() - start
        print('# flows of which OVS counted fewer packets than ofxdp and the oracle: %d' % case.lost)
        for why, n in case.crashed.items():
            print('# OVS ended by itself, the case went on without it: %d times: %s' % (n, why))
        print('# batches of which something came later than two marks: %d' % case.late)
        print('# cases begun again, as a meter had recovered meanwhile: %d' % case.slow)
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
