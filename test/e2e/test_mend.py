# SPDX-License-Identifier: GPL-2.0-only
"""What somebody does to the switch's own interfaces while it runs is put right, with a line in the log; packet-ins,
packet-outs, copies, queues and LOCAL go on."""
import contextlib
import os
import re
import signal
import sys
import time

from lib import PIN_ROOT, Client, Skip, Switch, Tap, check, equal, output, run_tests, sh, udp, wait_for

U = udp(1, 2)
INTERNAL = ['c0', 'c1', 'l0', 'l1', 'q0', 'q1']
CONTROLLER, LOCAL = 0xfffffffd, 0xfffffffe


def link(sw, *what, check=True):
    return sh('ip', '-n', sw.sw, 'link', *what, check=check)


def own(sw, end):
    return '%s-%s' % (sw.name, end)


def indexes(sw):
    """{name: ifindex} of the switch's own interfaces."""
    return {x[1]: int(x[0]) for x in re.findall(r'^(\d+): ([^:@]+)', link(sw, 'show'), re.M) if x[1].startswith(sw.name)}


def works(sw):
    """Packet-ins, a copy, a packet-out and a queue."""
    sw.flows('in_port=1,actions=output:2,CONTROLLER:65535,output:3', 'in_port=2,actions=set_queue:1,output:3')
    with Client(sw.sock) as c:
        sw.forward([(1, U)], {2: [U], 3: [U]})
        check(c.wait(c.PACKET_IN), 'no packet-in')
        sw.forward([(2, U)], {3: [U]})
        c.packet_out(CONTROLLER, output(2), U)
        c.barrier()
        sw.received({2: [U]})


def local_works(sw):
    sw.flows('in_port=1,actions=LOCAL', 'in_port=LOCAL,actions=output:1')
    link(sw, 'set', sw.name, 'up')
    check(wait_for(lambda: 'state UP' in link(sw, 'show', sw.name)), 'LOCAL is not up')
    local = Tap(sw.sw, sw.name)
    sw.tap(1).send(U)
    equal(local.receive(1, 2), [U], 'LOCAL')
    sw.tap(1).drain()
    local.send(U)
    equal(sw.tap(1).receive(1, 2), [U], 'port 1')
    local.close()


def said(sw, text):
    check(wait_for(lambda: text in sw.tail(60), 4), '"%s" does not stand in the log: %s', text, sw.tail(60))


@contextlib.contextmanager
def switch():
    with Switch(3, local=True) as s:
        for cmd in (['qdisc', 'add', 'dev', 's3', 'root', 'handle', '1:', 'htb'],
                    ['class', 'add', 'dev', 's3', 'parent', '1:', 'classid', '1:1', 'htb', 'rate', '100mbit']):
            sh('tc', '-n', s.sw, *cmd)
        yield s


def ended(sw):
    """SIGTERM leaves nothing."""
    equal(sw.term(), 0, 'status')
    equal(indexes(sw), {}, 'own interfaces')
    check('xdp' not in link(sw), 'XDP is left: %s', link(sw))


def test_taken_down(_):
    with switch() as s:
        for end in INTERNAL + ['p']:
            link(s, 'set', own(s, end), 'down')
            check(wait_for(lambda: ',UP' in link(s, 'show', own(s, end)), 4), '%s stays down: %s', end, s.tail())
        said(s, 'the switch\'s own, was taken down: mended')
        works(s)
        local_works(s)
        ended(s)


def test_detached_or_another_program(_):
    with switch() as s, Switch(1) as other:
        foreign, ours = '%s/%s/port' % (PIN_ROOT, other.name), program(s, 'c0')
        for end in INTERNAL:
            link(s, 'set', own(s, end), 'xdp', 'off')
            check(wait_for(lambda: program(s, end) == ours, 4), '%s: %s', end, s.tail())
        said(s, 'the switch\'s own, was detached: mended')
        for end in INTERNAL:
            s.box.run(s.sw, 'ip', '-force', 'link', 'set', 'dev', own(s, end), 'xdpdrv', 'pinned', foreign)
            check(wait_for(lambda: program(s, end) == ours, 4), '%s: %s', end, s.tail())
        works(s)
        ended(s)


def program(sw, end):
    found = re.search(r'prog/xdp id (\d+)', link(sw, 'show', own(sw, end)))
    return found and found[1]


def test_another_mtu(_):
    with switch() as s:
        for end in INTERNAL:
            link(s, 'set', own(s, end), 'mtu', '1000')
            check(wait_for(lambda: 'mtu 1000' not in link(s, 'show', own(s, end)), 4), '%s keeps its MTU', end)
        said(s, 'was given another MTU: mended')
        s.flows('in_port=1,actions=output:2,CONTROLLER:65535,output:3')
        long = udp(1, 2, data=bytes(1400))
        with Client(s.sock) as c:
            s.forward([(1, long)], {2: [long], 3: [long]})
            check(c.wait(c.PACKET_IN), 'no packet-in')
        ended(s)


def test_renamed(_):
    with switch() as s:
        before = indexes(s)
        for end in INTERNAL + ['p']:
            if 'busy' in link(s, 'set', own(s, end), 'name', 'x' + end, check=False):
                raise Skip('this kernel renames no interface that is up')
            check(wait_for(lambda: own(s, end) in indexes(s), 4), '%s does not get its name back: %s', end, s.tail())
        said(s, 'was renamed: mended')
        equal(indexes(s), before, 'own interfaces')
        works(s)
        link(s, 'add', 'y0', 'type', 'veth', 'peer', 'name', 'y1')
        sh('sh', '-c', 'ip -n {0} link set {1} name xc1 && ip -n {0} link set y0 name {1}'.format(s.sw, own(s, 'c1')), check=False)
        works(s)  # if we were faster than the switch, it goes by the ifindex
        link(s, 'del', 'y1')
        ended(s)


def test_local_renamed(_):
    """LOCAL's interface may be called as one likes; it goes by its ifindex, over kill -9 and at the end."""
    with switch() as s:
        link(s, 'set', s.name, 'down')
        link(s, 'set', s.name, 'name', 'uplink')
        said(s, 'LOCAL\'s interface %s is called uplink now' % s.name)
        s.kill9()
        s.start()
        check(s.name in indexes(s), 'LOCAL has not its name back: %s', s.tail())
        local_works(s)
        link(s, 'set', s.name, 'down')
        link(s, 'set', s.name, 'name', 'uplink')
        equal(s.term(), 0, 'status')
        check('uplink' not in link(s), 'LOCAL is left: %s', link(s))


def test_deleted(_):
    with switch() as s:
        for end in INTERNAL:
            before = indexes(s)
            link(s, 'del', own(s, end))
            check(wait_for(lambda: set(indexes(s)) == set(before), 4), 'not made again: %s', s.tail())
            check(indexes(s)[own(s, end)] != before[own(s, end)], 'it is the same')
            works(s)
        said(s, '%s, the switch\'s own, was deleted: its pair is made anew' % own(s, 'c0'))
        said(s, 'the switch\'s own interfaces are all there again')
        ended(s)


def test_local_deleted(_):
    with switch() as s:
        for end in (s.name, own(s, 'p')):
            mac = open_mac(s)
            with Client(s.sock) as c:
                link(s, 'del', end)
                reasons = [m[2][0] for m in iter(lambda: c.wait(c.PORT_STATUS, 2), None)]
            equal([x for x in reasons if x != 2], [1, 0], 'reasons of PORT_STATUS: deleted, added')
            equal(open_mac(s), mac, 'its address')
            local_works(s)
        works(s)
        ended(s)


def test_deleted_while_local_is_detached(_):
    """LOCAL is no port, called otherwise, or out of sight: nothing tells that it is the switch's, but others are made anew."""
    with switch() as s:
        there = s.box.namespace('there')
        link(s, 'set', own(s, 'p'), 'xdp', 'off')
        check(wait_for(lambda: 'LOCAL' not in s.of('dump-ports-desc'), 4), 'LOCAL is a port')
        for what in (['set', own(s, 'p'), 'down'], ['set', own(s, 'p'), 'name', 'xp'], ['set', s.name, 'netns', there]):
            link(s, *what)
            before = indexes(s)
            link(s, 'del', own(s, 'c0'))
            check(wait_for(lambda: set(indexes(s)) == set(before), 4), 'not made again: %s', s.tail())
            works(s)
        check('error' not in s.tail(60), 'it complains: %s', s.tail(60))
        ended(s)
        for ns in (s.sw, there):
            left = sh('ip', '-n', ns, 'link')
            check(': xp' not in left and ': %s@' % s.name not in left, 'LOCAL is left: %s', left)


def test_several_at_once(_):
    """While a pair waits to be made anew (once a second), other ends are mended, and ports come and go."""
    with switch() as s:
        names = set(indexes(s))
        pin = '%s/%s/port' % (PIN_ROOT, s.name)
        for end, other in (('l0', 'q0'), ('q1', 'c0'), ('c1', 'l1')):
            link(s, 'del', own(s, end))
            check(wait_for(lambda: set(indexes(s)) == names, 4), 'not made again: %s', s.tail())
            with asleep(s):
                link(s, 'del', own(s, end))
                link(s, 'set', own(s, other), 'xdp', 'off')
                link(s, 'set', 's2', 'xdp', 'off')
            said(s, 'port 2, s2, is detached')
            s.box.run(s.sw, 'ip', 'link', 'set', 'dev', 's2', 'xdpdrv', 'pinned', pin)
            check(wait_for(lambda: set(indexes(s)) == names and program(s, other), 4), 'not mended: %s', s.tail())
            check(wait_for(lambda: '2(s2)' in s.of('dump-ports-desc'), 4), 's2 is no port: %s', s.tail())
            works(s)
        check('error' not in s.tail(90), 'it complains: %s', s.tail(90))
        ended(s)


def open_mac(sw):
    return re.search(r'link/ether (\S+)', link(sw, 'show', sw.name))[1]


def test_moved_to_another_namespace(_):
    with switch() as s:
        there = s.box.namespace('there')
        for end in ('c1', 'l0', 'q1', 'p'):
            before = indexes(s)
            link(s, 'set', own(s, end), 'netns', there)
            check(wait_for(lambda: set(indexes(s)) == set(before), 4), 'not made again: %s', s.tail())
            check(wait_for(lambda: own(s, end) not in sh('ip', '-n', there, 'link'), 4), '%s is left there', end)
            works(s)
            local_works(s)
        ended(s)


@contextlib.contextmanager
def asleep(sw):
    """The daemon hears of all that is done here only afterwards."""
    os.kill(sw.proc.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(sw.proc.pid, signal.SIGCONT)


def test_moved_and_gone_before_it_is_looked_for(_):
    """Nobody is told to go and look for it: own interfaces go with their pair, a port is back already."""
    with switch() as s:
        there = s.box.namespace('there')
        before = indexes(s)
        with asleep(s):
            link(s, 'set', own(s, 'c1'), 'netns', there)
        check(wait_for(lambda: set(indexes(s)) == set(before), 4), 'not made again: %s', s.tail())
        with asleep(s):
            link(s, 'set', 's2', 'netns', there)
            sh('ip', '-n', there, 'link', 'set', 's2', 'netns', s.sw, 'up')
        said(s, 'port s2: moved to network namespace')
        works(s)
        check('out of sight' not in s.tail(60), 'it says: %s', s.tail(60))
        ended(s)


def test_local_visits_another_namespace(_):
    """That is what it is for; a controller may take it down there, and it comes back."""
    with switch() as s:
        there = s.box.namespace('there')
        link(s, 'set', s.name, 'netns', there)
        sh('ip', '-n', there, 'link', 'set', s.name, 'up')
        s.of('mod-port', s.name, 'down')
        time.sleep(2.5)
        check('PORT_DOWN' in s.of('dump-ports-desc').split('LOCAL')[1], 'LOCAL is up: %s', s.of('dump-ports-desc'))
        s.of('mod-port', s.name, 'up')
        s.flows('in_port=1,actions=LOCAL')
        tap = Tap(there, s.name)
        check(wait_for(lambda: 'state UP' in sh('ip', '-n', there, 'link', 'show', s.name)), 'LOCAL has no link')
        s.tap(1).send(U)
        equal(tap.receive(1, 2), [U], 'LOCAL, elsewhere')
        tap.close()
        sh('ip', '-n', there, 'link', 'set', s.name, 'netns', s.sw)
        local_works(s)
        link(s, 'set', s.name, 'down')
        check(wait_for(lambda: 'PORT_DOWN' in s.of('dump-ports-desc').split('LOCAL')[1], 4), 'LOCAL is not known any more')
        ended(s)


def test_qdiscs(_):
    """Of NAME-q1, whose filter frames for queues need."""
    with switch() as s:
        for what in (['qdisc', 'del', 'dev', own(s, 'q1'), 'clsact'], ['filter', 'del', 'dev', own(s, 'q1'), 'ingress'],
                     ['qdisc', 'replace', 'dev', own(s, 'q1'), 'root', 'pfifo']):
            sh('tc', '-n', s.sw, *what)
            check(wait_for(lambda: 'ofx_egress' in sh('tc', '-n', s.sw, 'filter', 'show', 'dev', own(s, 'q1'), 'ingress'), 4),
                  'no filter after tc %s: %s', ' '.join(what), s.tail())
            works(s)
        ended(s)


def test_relays(_):
    """Of a port in generic mode."""
    with Switch(3, start=False) as s:
        sh('ip', '-n', s.box.hosts[2], 'link', 'set', 'eth0', 'mtu', '5000')
        s.start()
        g, h = own(s, 'g02'), own(s, 'h02')
        ifindex = indexes(s)[g]
        for what in (['del', g], ['del', h], ['set', h, 'down'], ['set', h, 'xdpgeneric', 'off'], ['set', g, 'name', 'other'],
                     ['set', h, 'mtu', '2000']):
            if 'busy' in link(s, *what, check=False):
                continue  # before Linux 6.2 none is renamed that is up
            check(wait_for(lambda: indexes(s).get(g, ifindex) != ifindex, 4), 'not made anew after %s: %s', what, s.tail())
            ifindex = indexes(s)[g]
            s.flows('actions=flood')
            s.forward([(1, U)], {2: [U], 3: [U]})
        ended(s)


if __name__ == '__main__':
    run_tests(sys.modules[__name__], lambda: contextlib.nullcontext())
