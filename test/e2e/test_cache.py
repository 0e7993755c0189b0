# SPDX-License-Identifier: GPL-2.0-only
"""The microflow cache: a flow-mod is obeyed by the first packet behind the barrier; what ofxdpctl tells of it."""
import sys

from lib import Switch, check, equal, run_tests, udp

U = udp(1, 2)
COUNTS = ('hits', 'misses', 'too_wide', 'too_long', 'bypassed')


def totals(sw):
    rows = sw.ctl('cache')
    equal([r['cpu'] for r in rows], [str(i) for i in range(len(rows) - 1)] + ['all'], 'rows')
    for k in COUNTS:
        equal(sum(r[k] for r in rows[:-1]), rows[-1][k], 'sum of ' + k)
    check(all(r['mode'] in ('filling', 'trying', 'on', 'off') for r in rows[:-1]), 'modes: %r', rows)
    return rows[-1]


def test_changes_are_seen_at_once(sw):
    """Other instructions, entries above that match, and their end, in the first table and behind it."""
    sw.flows('priority=5,actions=goto_table:1', 'table=1,priority=5,udp,actions=output:2')
    sw.forward([(1, U)] * 2, {2: [U] * 2})
    steps = [('table=1,priority=5,udp', 'output:3', [3]), ('table=1,priority=6,udp,tp_dst=7', 'output:2', [3]),
             ('table=1,priority=7,ip,nw_src=10.0.0.0/8', 'output:2', [2]), ('priority=6,in_port=1', 'drop', []),
             ('priority=7,dl_dst=00:00:00:00:00:00/01:00:00:00:00:00', 'output:3', [3])]
    for match, actions, to in steps:
        sw.add(match + ',actions=' + actions)
        sw.forward([(1, U)] * 3, {i: [U] * 3 for i in to}, quiet=0.02)
    for match, _, to in reversed(steps[2:]):
        sw.forward([(1, U)], {i: [U] for i in to}, quiet=0.02)
        sw.of('--strict del-flows', match)
    sw.forward([(1, U)], {3: [U]})


def test_shown(_):
    """ofxdpctl cache and ports, without the daemon."""
    with Switch(3) as sw:
        sw.flows('udp,actions=output:2')
        sw.forward([(1, U)], {2: [U]})
        sw.kill9()
        before = totals(sw)
        sw.forward([(1, U)] * 50, {2: [U] * 50})
        after = totals(sw)
        equal(sum(after[k] - before[k] for k in ('hits', 'misses', 'too_wide', 'bypassed')), 50, 'packets')
        check(after['hits'] - before['hits'] >= 40, 'hits: %r, %r', before, after)
        check(0 < after['hit_percent'] <= 100, 'hit_percent: %r', after)
        ports = {x['port']: x for x in sw.ctl('ports')}
        equal([ports['1']['rx_packets'], ports['1']['tx_packets'], ports['2']['tx_packets']], [51, 0, 51], 'packets by port')
        equal([ports['1']['rx_bytes'], ports['2']['tx_bytes']], [51 * len(U)] * 2, 'bytes by port')


def test_no_cache(_):
    """--no-cache: packets are forwarded alike, and none has asked the cache."""
    with Switch(3, args=['--no-cache']) as sw:
        equal({r['mode'] for r in sw.ctl('cache')[:-1]}, {'off'}, 'modes before the first packet')
        test_changes_are_seen_at_once(sw)
        sum_of_all = totals(sw)
        equal([sum_of_all[k] for k in ('entries', 'hits', 'misses', 'too_wide')], [0] * 4, 'entries, hits, misses, too_wide')
        check(sum_of_all['bypassed'] >= 10, 'bypassed: %r', sum_of_all)
        equal({r['mode'] for r in sw.ctl('cache')[:-1]}, {'off'}, 'modes')


if __name__ == '__main__':
    run_tests(sys.modules[__name__], Switch)
