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


def test_many_signals(sw):
    """More than one SIGTERM, at any time of the end, are as good as one."""
    with Switch(2) as s:
        for _ in range(3):
            while s.proc.poll() is None:
                s.proc.terminate()
            s.box.processes.remove(s.proc)
            equal(s.proc.returncode, 0, 'status')
            check('xdp' not in sh('ip', '-n', s.sw, 'link'), 'XDP is left')
            s.start()


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


def numbers(s):
    """{interface: port number}"""
    return {name: int(no) for no, name in re.findall(r'^ (\d+)\((\w+)\)', s.of('dump-ports-desc'), re.M)}


def test_port_numbers_are_remembered(sw):
    """By name: over kill -9, over SIGTERM, until --cleanup."""
    with Switch(3, start=False) as s:
        def start(*names):
            s.ports, s.args = [], ['--no-local'] + [x for n in names for x in ('-i', n)]
            s.start()
            return numbers(s)
        equal(start('s3', 's2=7'), {'s3': 1, 's2': 7}, 'numbers')
        s.kill9()
        equal(start('s1', 's2', 's3'), {'s3': 1, 's2': 7, 's1': 2}, 'numbers after kill -9')
        equal(s.term(), 0, 'status')
        equal(start('s1', 's2'), {'s2': 7, 's1': 2}, 'numbers after SIGTERM')
        sh('ip', '-n', s.sw, 'link', 'add', 's9', 'up', 'type', 'veth', 'peer', 'name', 'x9')
        s.box.run(s.sw, 'ip', 'link', 'set', 'dev', 's9', 'xdpdrv', 'pinned', '%s/%s/port' % (PIN_ROOT, s.name))
        check(wait_for(lambda: numbers(s).get('s9') == 3, 4), 's9 has not the first number nobody had: %r', numbers(s))
        sh('ip', '-n', s.sw, 'link', 'set', 's9', 'down')
        sh('ip', '-n', s.sw, 'link', 'set', 's9', 'name', 's8')
        check(wait_for(lambda: 's8' in numbers(s), 4), 'no s8: %r', numbers(s))
        equal(s.term(), 0, 'status')
        equal(start('s8', 's3', 's1'), {'s8': 3, 's3': 1, 's1': 2}, 'numbers after SIGTERM')
        equal(s.term(), 0, 'status')
        s.box.run(s.sw, OFXDPD, '-n', s.name, '--cleanup')
        equal(start('s8', 's3', 's1'), {'s8': 1, 's3': 2, 's1': 3}, 'numbers after --cleanup')


def test_port_numbers_in_a_bad_file(sw):
    with Switch(2, start=False) as s:
        path = s.box.dir + '/' + s.name
        with open(path, 'wb') as f:
            f.write(b'\0\xff' * 100 + b'\n99999 s1\n-1 s2\n5 ../../etc\nx\n' + b'9' * 5000 + b'\n6 s2\n' + b'8 n%d\n' * 9000)
        s.ports, s.args = [], ['--no-local', '-i', 's1', '-i', 's2']
        s.start()
        equal(numbers(s), {'s1': 1, 's2': 6}, 'numbers')
        equal(s.term(), 0, 'status')
        os.unlink(path)
        os.mkdir(path)  # it can be written no more, as on a read-only file system
        s.start()
        equal(numbers(s), {'s1': 1, 's2': 2}, 'numbers')
        check(wait_for(lambda: 'port numbers will not be remembered' in s.tail(30), 4), 'the log does not say it: %s', s.tail(30))
        equal(s.term(), 0, 'status')


def test_port_numbers_follow_no_link(_):
    """Somebody else's, where others may write to the folder, too, does not lead to a file that is then overwritten."""
    with Switch(1, start=False) as s:
        path, victim = '%s/%s' % (s.box.dir, s.name), s.box.dir + '/victim'
        with open(victim, 'w') as f:
            f.write('mine')
        os.symlink(victim, path + '.new')
        s.start()
        equal(s.term(), 0, 'status')
        with open(victim) as f, open(path) as numbers:
            equal((f.read(), '1 s1' in numbers.read()), ('mine', True), 'the file, and port numbers')


def test_local_keeps_its_address(sw):
    """LOCAL is a new interface after SIGTERM, with the hardware address it had; after kill -9 it is the same one."""
    with Switch(1, start=False, local=True) as s, Switch(1, local=True) as other:
        def local(sw):
            out = sh('ip', '-n', sw.sw, '-o', 'addr', 'show', sw.name) + sh('ip', '-n', sw.sw, '-o', 'link', 'show', sw.name)
            return re.search(r'link/ether (\S+)', out)[1], '192.0.2.1' in out
        seen = []
        for end in (s.term, s.kill9, s.term):
            s.start()
            seen.append(local(s))
            sh('ip', '-n', s.sw, 'addr', 'replace', '192.0.2.1/24', 'dev', s.name)
            end()
        macs = {mac for mac, _ in seen}
        equal(len(macs), 1, 'hardware addresses')
        equal([has for _, has in seen], [False, False, True], 'it has its IP address')
        check(local(other)[0] not in macs, 'another switch has the same address')
        check(int(min(macs)[:2], 16) & 3 == 2, 'no address of local administration: %r', macs)


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
