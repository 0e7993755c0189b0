# SPDX-License-Identifier: GPL-2.0-only
"""What one packet may become: 1024 frames at most, whatever lists, groups, floods and OUTPUT:TABLE say; all of them up to
that; what is too much is counted."""
import re
import sys
import time

from lib import SLOW, Client, Switch, check, equal, output, run_tests, udp

COPIES = 1024
CONTROLLER, TABLE = 0xfffffffd, 0xfffffff9
U = udp(1, 2)


def group(number, kind, *buckets):
    return 'group_id=%d,type=%s,%s' % (number, kind, ','.join('bucket=' + b for b in buckets))


def groups(sw, *lines):
    sw.flows()
    sw.of('del-groups')
    sw.of('add-groups', '-', input='\n'.join(lines) + '\n')


def sent(sw):
    """Frames sent by all ports, once they stay the same."""
    last = -1
    for _ in range(100):
        n = sum(int(x) for x in re.findall(r'tx pkts=(\d+)', sw.of('dump-ports')))
        if n == last:
            return n
        last = n
        time.sleep(0.1 * SLOW)
    return last


def make(sw, send=None):
    """One packet of host 1, or what `send` does: (frames sent, cuts counted)."""
    before, drops = sent(sw), sw.drops()
    (send or (lambda: sw.tap(1).send(U)))()
    time.sleep(0.2 * SLOW)
    n, after = sent(sw) - before, sw.drops()
    equal(after['tx_drop'] - drops['tx_drop'], 0, 'frames that did not fit the rings')
    equal(after['cont_lost'] - drops['cont_lost'], 0, 'lost continuations')
    return n, after['too_many_rounds'] - drops['too_many_rounds']


def all_of(sw, n, what=''):
    equal(make(sw), (n, 0), what)


def cut(sw, what, send=None, least=COPIES):
    n, cuts = make(sw, send)
    check(least <= n <= COPIES, '%s: %d frames', what, n)
    check(cuts > 0, '%s: nothing was counted', what)


def test_one_large_group(sw):
    groups(sw, group(1, 'all', *['output:2'] * 512))
    sw.add('actions=group:1')
    all_of(sw, 512, 'once')
    sw.flows('actions=group:1,group:1')
    all_of(sw, 1024, 'twice')
    sw.flows('actions=group:1,group:1,output:3')
    sw.tap(3).drain()
    cut(sw, 'twice and one more')
    equal(sw.tap(3).receive(2, 0.2), [U], 'frames of the last action: each is sure of one')


def test_chains(sw):
    """As many as a chain may make, from each side."""
    for outer, inner in ((2, 512), (32, 32), (512, 2)):
        groups(sw, group(1, 'all', *['output:2'] * inner), group(2, 'all', *['group:1'] * outer))
        sw.add('actions=group:2')
        all_of(sw, COPIES, '%d of %d' % (outer, inner))
        sw.flows('actions=write_actions(group:2)')
        all_of(sw, COPIES, 'by the action set')


def test_chains_where_not_all_are_alike(sw):
    groups(sw, group(1, 'all', *['output:2'] * 300), group(2, 'select', 'weight:1,group:1'), group(3, 'indirect', 'group:2'),
           group(4, 'all', 'output:3', 'group:3', 'output:3', 'group:1', 'output:3', 'group:2'))
    sw.add('actions=group:4')
    all_of(sw, 3 + 3 * 300)
    sw.flows('actions=output:3,group:4,output:3')
    all_of(sw, 5 + 3 * 300)


def test_a_group_below_changes(sw):
    """The groups above it get what they need then."""
    groups(sw, group(1, 'all', 'output:2'), group(2, 'all', 'group:1', 'output:3'), group(3, 'indirect', 'group:2'))
    sw.add('actions=group:3,output:3')
    all_of(sw, 3)
    sw.of('mod-group', group(1, 'all', *['output:2'] * 500))
    all_of(sw, 502)
    sw.of('mod-group', group(1, 'all', 'output:2'))
    all_of(sw, 3)


def test_many_large_groups_in_one_list(sw):
    groups(sw, group(1, 'all', *['output:2'] * 512))
    sw.add('actions=' + ','.join(['group:1'] * 60))
    cut(sw, '60 groups of 512')
    # A SELECT that may lead to many copies, but does not, leaves the others theirs.
    groups(sw, group(1, 'all', *['output:2'] * 512), group(2, 'select', 'weight:0,group:1', 'weight:1,output:2'))
    sw.add('actions=' + ','.join(['group:2'] * 60))
    all_of(sw, 60, 'one copy each')


def test_tables(sw):
    groups(sw, group(1, 'all', *['output:2'] * 200))
    sw.add(*['table=%d,actions=group:1,output:3,goto_table:%d' % (t, t + 1) for t in range(20)], 'table=20,actions=output:3')
    cut(sw, '20 tables')
    sw.flows(*['table=%d,actions=output:2,output:3,goto_table:%d' % (t, t + 1) for t in range(30)], 'table=30,actions=drop')
    all_of(sw, 60, 'short lists')
    # The frame is parsed anew in between.
    sw.flows('table=0,actions=group:1,push_vlan:0x8100,goto_table:1', 'table=1,vlan_tci=0x1000/0x1000,actions=pop_vlan,group:1,goto_table:2',
             'table=2,actions=output:3')
    all_of(sw, 401, 'a walk that resumes')


def test_floods_count_each_frame(sw):
    each = len(sw.box.hosts) - 1
    groups(sw, group(1, 'all', *['flood'] * 512))
    sw.add('actions=group:1')
    if each * 512 > COPIES:
        cut(sw, '512 floods', least=COPIES // 2)  # those behind are sure of one frame, which is no flood
    else:
        all_of(sw, each * 512)
    groups(sw, group(1, 'all', *['flood'] * 10), group(2, 'all', *['group:1'] * 10))
    sw.add('actions=group:2,flood,output:2')
    all_of(sw, 101 * each + 1)
    sw.flows('actions=' + ','.join(['group:2'] * 40))
    cut(sw, '40 groups of 100 floods', least=COPIES * 9 // 10)


def packet_out(sw, actions):
    with Client(sw.sock, timeout=20) as c:
        c.packet_out(1, actions, U)
        c.barrier()


def test_packet_outs_to_the_tables(sw):
    groups(sw, group(1, 'all', *['output:2'] * 512))
    sw.add('actions=group:1,group:1')
    equal(make(sw, lambda: packet_out(sw, output(TABLE))), (1024, 0), 'once')
    cut(sw, '60 times', lambda: packet_out(sw, output(TABLE) * 60))
    cut(sw, 'in between', lambda: packet_out(sw, output(2) + output(TABLE) + output(3)), least=512)
    sw.flows('actions=output:2,output:3')
    equal(make(sw, lambda: packet_out(sw, output(TABLE) * 60)), (120, 0), '60 times two')


def test_packet_ins_count(sw):
    groups(sw, group(1, 'all', *['output:2'] * 512))
    sw.add('actions=group:1,controller,group:1')
    with Client(sw.sock) as c:
        sw.tap(2).drain()
        cut(sw, 'a packet-in in between', least=COPIES - 1)
        check(c.wait(c.PACKET_IN), 'no packet-in')


if __name__ == '__main__':
    run_tests(sys.modules[__name__], lambda: Switch(4))
