# SPDX-License-Identifier: GPL-2.0-only
"""Flow time-outs, and how the switch comes and goes: SIGTERM leaves the machine as it was, --cleanup after kill -9 too."""
import os
import re
import struct
import sys
import time

from lib import OFXDPD, PIN_ROOT, SLOW, Client, Switch, check, equal, run_tests, sh, udp, wait_for

U = udp(1, 2)


def state(sw):
    """What the switch may have changed: interfaces (without counters), pins, offloads."""
    links = sh('ip', '-n', sw.sw, '-d', 'link')
    features = ''.join(sw.box.run(sw.sw, 'ethtool', '-k', 's%d' % i) for i in sw.ports)
    progs = [p for p in os.listdir(PIN_ROOT)] if os.path.isdir(PIN_ROOT) else []
    return links + features, sw.name in progs


def test_idle_and_hard_timeouts(sw):
    with Switch(2) as s, Client(s.sock) as c:
        s.add('send_flow_rem,cookie=1,priority=3,in_port=1,idle_timeout=2,actions=output:2',
              'send_flow_rem,cookie=2,priority=3,in_port=2,hard_timeout=2,actions=output:1',
              'cookie=3,priority=1,idle_timeout=1,actions=drop')
        start = time.monotonic()
        seen = {}
        sent = 0
        while time.monotonic() - start < 6 and len(seen) < 2:
            if time.monotonic() - start < 2.5:  # busy: does not get idle
                s.tap(1).send(U)
                s.tap(2).send(U)
                sent += 1
            m = c.wait(c.FLOW_REMOVED, 0.2)
            if m:
                cookie, prio, reason, table, sec, _, _, _, packets, octets = struct.unpack('>QHBBIIHHQQ', m[2][:40])
                seen[cookie] = (time.monotonic() - start, reason, prio, table, packets, octets, sec)
        check(set(seen) == {1, 2}, 'FLOW_REMOVED came for %r', seen)
        at, reason, prio, table, packets, octets, sec = seen[2]
        check(1.5 < at < 3.5 and reason == 1, 'hard time-out of 2 s: after %.1f s, reason %d', at, reason)
        at, reason, prio, table, packets, octets, sec = seen[1]
        check(4 < at < 6 and reason == 0, 'idle time-out of 2 s, last packet at 2.5 s: after %.1f s, reason %d', at, reason)
        equal((prio, table, packets, octets), (3, 0, sent, sent * len(U)), 'priority, table, packets, bytes of the idle flow')
        equal(s.dump(), [], 'flows')


def test_flow_removed_by_delete(sw):
    with Switch(2) as s, Client(s.sock) as c:
        s.add('send_flow_rem,cookie=9,in_port=1,actions=output:2')
        s.forward([(1, U)] * 3, {2: [U] * 3})
        s.of('del-flows')
        m = c.wait(c.FLOW_REMOVED)
        check(m, 'no FLOW_REMOVED')
        cookie, _, reason, _, _, _, _, _, packets, octets = struct.unpack('>QHBBIIHHQQ', m[2][:40])
        equal((cookie, reason, packets, octets), (9, 2, 3, 3 * len(U)), 'cookie, reason, packets, bytes')


def test_sigterm_leaves_nothing(sw):
    with Switch(3, start=False, local=True) as s:
        before = state(s)
        s.start()
        check(s.name in sh('ip', '-n', s.sw, 'link'), 'LOCAL interface')
        s.flows('actions=flood')
        s.forward([(1, U)], {2: [U], 3: [U]})
        equal(s.term(), 0, 'status')
        after = state(s)
        equal(diff(before[0], after[0]), '', 'what changed')
        equal(after[1], False, 'pins')


def diff(a, b):
    import difflib
    strip = [re.sub(r'qlen \d+|numtxqueues.*|^\d+: ', '', x) for x in a.split('\n')], [re.sub(r'qlen \d+|numtxqueues.*|^\d+: ', '', x) for x in b.split('\n')]
    return '\n'.join(x for x in difflib.unified_diff(*strip, lineterm='', n=0) if x[:1] in '+-' and x[:3] not in ('+++', '---'))


def test_cleanup_after_kill(sw):
    with Switch(3, start=False, local=True) as s:
        before = state(s)
        s.start()
        s.kill9()
        check('xdp' in sh('ip', '-n', s.sw, 'link', 'show', 's1'), 'attached after kill -9')
        s.box.run(s.sw, OFXDPD, '-n', s.name, '--cleanup')
        after = state(s)
        equal(diff(before[0], after[0]), '', 'what changed')
        equal(after[1], False, 'pins')


def test_stop_that_cannot_give_back_says_so(sw):
    """Here it gets no socket any more: the log says what is left, so does the status, and --cleanup does the rest."""
    with Switch(2, start=False, local=True) as s:
        before = state(s)
        s.start()
        s.add('in_port=1,actions=output:2')
        sh('prlimit', '--pid', s.proc.pid, '--nofile=3:3')
        equal(s.term(), 1, 'status')
        check('error: ' in s.tail(3) and '--cleanup' in s.tail(3), 'the log does not say it: %s', s.tail(3))
        equal(state(s)[1], True, 'the pins tell whose program that is')
        s.forward([(1, U)], {2: [U]})
        s.box.run(s.sw, OFXDPD, '-n', s.name, '--cleanup')
        after = state(s)
        equal(diff(before[0], after[0]), '', 'what changed')
        equal(after[1], False, 'pins')


def test_many_restarts(sw):
    with Switch(3) as s:
        for _ in range(4):
            s.kill9()
            s.start()
        for _ in range(3):
            equal(s.term(), 0, 'status')
            s.start()
        s.flows('actions=flood')
        s.forward([(1, U)], {2: [U], 3: [U]})


def test_wrong_options_leave_a_running_data_plane_alone(sw):
    """A daemon that can't run as it was told ends before it takes anything of the dead one's."""
    with Switch(2) as s:
        s.add('in_port=1,actions=output:2')
        s.kill9()
        sh('ip', '-n', s.sw, 'link', 'add', s.name, 'type', 'veth', 'peer', 'name', 'other')
        no_local = s.args
        for wrong, args, text in ((['-l', 'ptcp:6653:203.0.113.1'], no_local, 'cannot listen'),
                                  (['-l', 'punix:/nowhere/of.sock'], no_local, 'cannot listen'),
                                  (['-i', 's9'], no_local, 'there is no such interface'),
                                  ([], [], 'is not this switch')):
            s.args = args
            p = s.box.start(s.sw, *s.argv(*wrong), log='ofxdpd.log')
            equal(p.wait(15 * SLOW), 1, 'status of a daemon with %r' % wrong)
            s.box.processes.remove(p)
            check(text in s.tail(3), 'the log does not say it: %s', s.tail(3))
            s.forward([(1, U)], {2: [U]})
        s.args = no_local
        s.start()
        equal(s.dump(), [], 'flows')


def test_restart_with_fewer_ports(sw):
    """Ports of the former daemon that are not asked for any more are taken over all the same, or let go: none is forgotten."""
    with Switch(3) as s:
        s.kill9()
        s.ports = [1, 2]
        s.start()
        attached = 'xdp' in sh('ip', '-n', s.sw, 'link', 'show', 's3')
        listed = '3(s3)' in s.of('dump-ports-desc')
        equal(attached, listed, 's3 is attached, and a port')
        equal(s.term(), 0, 'status')
        check('xdp' not in sh('ip', '-n', s.sw, 'link', 'show', 's3'), 's3 is still attached')


def test_controller_that_comes_late_and_goes(sw):
    import socket
    with Switch(1, ['-c', 'tcp:127.0.0.1:6699']) as s:
        from lib import inside
        with inside(s.sw):
            listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(('127.0.0.1', 6699))
        listener.listen()
        listener.settimeout(15)
        for _ in range(2):
            conn, _ = listener.accept()
            conn.settimeout(5)
            hello = conn.recv(100)
            equal(hello[:2], b'\x04\x00', 'HELLO of 1.3')
            conn.close()
        listener.close()


if __name__ == '__main__':
    run_tests(sys.modules[__name__], lambda: __import__('contextlib').nullcontext())
