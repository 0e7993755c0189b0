# SPDX-License-Identifier: GPL-2.0-only
"""Ports come and go by `ip link`; the controller hears of it; numbers stay."""
import re
import struct
import sys
import time

from lib import (PIN_ROOT, SLOW, Client, Failed, Skip, Switch, Tap, check, equal, output, run_tests, sh, tcp, udp,
                 wait_for)

U = udp(1, 2)
ADD, DELETE, MODIFY = 0, 1, 2
DOWN, LINK_DOWN = 1, 1
LOCAL = 0xfffffffe


def port_status(c, seconds=4):
    """(reason, number, name, config, state) of the next PORT_STATUS"""
    m = c.wait(c.PORT_STATUS, seconds)
    if not m:
        return None
    body = m[2]
    no, = struct.unpack('>I', body[8:12])
    config, state = struct.unpack('>II', body[40:48])
    return body[0], no, body[24:40].rstrip(b'\0').decode(), config, state


def expect(c, reason, number, name):
    """That status comes, MODIFY ones before it aside."""
    end = time.monotonic() + 6 * SLOW
    seen = []
    while time.monotonic() < end:
        s = port_status(c, 1)
        seen.append(s)
        if s and s[:3] == (reason, number, name):
            return s
    check(False, 'no PORT_STATUS %r; seen %r', (reason, number, name), [s for s in seen if s])


def numbers(sw):
    out = sw.of('dump-ports-desc')
    return sorted(int(x.split('(')[0]) for x in out.split('\n') if x.strip()[:1].isdigit())


def entry_pin(sw):
    def named():
        return [w for w in sw.box.log('ofxdpd.log').replace(',', ' ').split() if w.startswith(PIN_ROOT + '/' + sw.name)]
    check(wait_for(named), 'the log does not name the entry program: %s', sw.tail())  # it may answer before that
    return named()[-1]


def test_attached_natively(sw):
    for i in (1, 2, 3):
        out = sh('ip', '-n', sw.sw, '-d', 'link', 'show', 's%d' % i)
        check('prog/xdp' in out and 'xdpgeneric' not in out, 's%d: %s', i, out)
        check('promiscuity 1' in out or 'PROMISC' in out, 's%d is not promiscuous: %s', i, out)


def test_xdp_off_removes_the_port(sw):
    sw.flows('actions=flood')
    with Client(sw.sock) as c:
        sw.link(2, 'xdp', 'off')
        expect(c, DELETE, 2, 's2')
        equal(numbers(sw), [1, 3], 'ports')
        sw.forward([(1, U)], {3: [U]})
        sw.box.run(sw.sw, 'ip', 'link', 'set', 'dev', 's2', 'xdpdrv', 'pinned', entry_pin(sw))
        expect(c, ADD, 2, 's2')
        equal(numbers(sw), [1, 2, 3], 'ports')
        sw.forward([(1, U)], {2: [U], 3: [U]})


def test_local_goes_and_comes(_):
    """By ip link too, as other ports do."""
    with Switch(2, local=True) as s, Client(s.sock) as c:
        s.flows('in_port=1,actions=LOCAL', 'in_port=LOCAL,actions=output:1')
        sh('ip', '-n', s.sw, 'link', 'set', 'dev', s.name, 'up')
        check(wait_for(lambda: 'LOWER_UP' in sh('ip', '-n', s.sw, 'link', 'show', s.name)), 'LOCAL is not up')
        local = Tap(s.sw, s.name)
        for _ in range(2):
            sh('ip', '-n', s.sw, 'link', 'set', 'dev', s.name + '-p', 'xdp', 'off')
            expect(c, DELETE, LOCAL, s.name)
            s.box.run(s.sw, 'ip', 'link', 'set', 'dev', s.name + '-p', 'xdpdrv', 'pinned', entry_pin(s))
            expect(c, ADD, LOCAL, s.name)
            check('LOCAL(%s)' % s.name in s.of('dump-ports-desc'), 'no LOCAL: %s', s.of('dump-ports-desc'))
            local.drain()
            s.tap(1).send(U)
            equal(local.receive(1, 2), [U], 'LOCAL')
            s.tap(1).drain()
            local.send(U)
            equal(s.tap(1).receive(1, 2), [U], 'port 1')
        local.close()


def test_new_interface_by_ip_link(sw):
    sw.box.add_host(4)
    with Client(sw.sock) as c:
        sw.box.run(sw.sw, 'ip', 'link', 'set', 'dev', 's4', 'xdpdrv', 'pinned', entry_pin(sw))
        s = expect(c, ADD, 4, 's4')
        equal(s[1], 4, 'the first free number')
        sw.flows('actions=flood')
        wait_for(sw.box.all_up)
        sw.forward([(4, U)], {1: [U], 2: [U], 3: [U]})


def test_more_ports_than_have_their_sets_in_place(_):
    """Ports 4 to 23 come one by one: each floods to all others and gets what they flood."""
    with Switch(3) as s:
        taps = {}
        for i in range(4, 24):
            sh('ip', '-n', s.sw, 'link', 'add', 'm%d' % i, 'up', 'type', 'veth', 'peer', 'name', 'x%d' % i)
            s.box.run(s.sw, 'ethtool', '-K', 'x%d' % i, 'gro', 'on')
            sh('ip', '-n', s.sw, 'link', 'set', 'x%d' % i, 'up')
            s.box.run(s.sw, 'ip', 'link', 'set', 'dev', 'm%d' % i, 'xdpdrv', 'pinned', entry_pin(s))
            check(wait_for(lambda: i in numbers(s)), 'm%d is no port: %s', i, s.tail())
            taps[i] = Tap(s.sw, 'x%d' % i)
        s.flows('actions=flood')
        for sender in (4, 16, 17, 23):
            for t in [s.tap(i) for i in s.box.hosts] + list(taps.values()):
                t.drain()
            taps[sender].send(U)
            s.received({i: [U] for i in (1, 2, 3)})
            equal({i: t.receive(2, 0.05) for i, t in taps.items()}, {i: [] if i == sender else [U] for i in taps}, 'ports')
        for t in taps.values():
            t.close()
        equal(s.term(), 0, 'status of the daemon')


def test_deleted_interface_comes_back_with_its_number(sw):
    with Client(sw.sock) as c:
        sw.taps.pop(3).close() if 3 in sw.taps else None
        sh('ip', '-n', sw.sw, 'link', 'del', 's3')
        expect(c, DELETE, 3, 's3')
        sw.box.add_link(3)  # it is one of -i
        expect(c, ADD, 3, 's3')
        sw.flows('in_port=1,actions=output:3')
        wait_for(sw.box.all_up)
        sw.forward([(1, U)], {3: [U]})


def test_interfaces_that_are_deleted_while_they_become_ports(sw):
    """The log does not complain of what is no more."""
    with Switch(2) as s:
        commands = []
        for i in range(60):
            commands += ['link add y%d up type veth peer name z%d' % (i, i), 'link set dev y%d xdpdrv pinned %s' % (i, entry_pin(s)),
                         'link del y%d' % i]
        s.box.run(s.sw, 'ip', '-force', '-batch', '-', input='\n'.join(commands) + '\n')
        time.sleep(1.5 * SLOW)  # a look at all
        said = s.box.log('ofxdpd.log').split('\n')
        equal([x for x in said if 'error' in x or 'warning' in x], [], 'complaints')
        equal(numbers(s), [1, 2], 'ports')


def test_many_remembered_numbers(sw):
    """Thousands of names have had all numbers, as containers' interfaces have in time: the next one is numbered at once."""
    with Switch(3, start=False, ports=[1, 2]) as s:
        with open('%s/%s' % (s.box.dir, s.name), 'w') as f:
            f.writelines('%d old%d\n' % (1 + i % 1023, i) for i in range(4000))
        s.start()
        with Client(s.sock, timeout=60) as c:
            start = time.monotonic()
            s.box.run(s.sw, 'ip', 'link', 'set', 'dev', 's3', 'xdpdrv', 'pinned', entry_pin(s))
            check(c.wait(c.PORT_STATUS, 30), 's3 does not become a port')
            took = time.monotonic() - start
        check(took < 2 * SLOW, 'it took %.1f s', took)
        equal(numbers(s), [1, 2, 3], 'ports')


def test_awaited_interface(_):
    """One of -i that is not there is a warning; it becomes a port when it appears, each time, with the number asked for."""
    def appears(name):
        sh('ip', '-n', s.sw, 'link', 'add', name, 'up', 'type', 'veth', 'peer', 'name', 'x' + name)

    with Switch(2, start=False) as s:
        s.args += ['-i', 'late=1000', '-i', 'never', '-i', 'other']
        s.start()
        for name in ('late', 'never', 'other'):
            check('warning: port %s: there is no such interface yet' % name in s.tail(30), 'log: %s', s.tail(30))
        equal(numbers(s), [1, 2], 'ports')
        for how in ('new', 'again'):
            with Client(s.sock) as c:
                appears('late')
                expect(c, ADD, 1000, 'late')
                check('prog/xdp' in sh('ip', '-n', s.sw, 'link', 'show', 'late'), 'late is not attached')
                sh('ip', '-n', s.sw, 'link', 'del', 'late')
                expect(c, DELETE, 1000, 'late')
        sh('ip', '-n', s.sw, 'link', 'add', 'xother', 'type', 'veth', 'peer', 'name', 'y')
        sh('ip', '-n', s.sw, 'addr', 'add', '192.0.2.1/24', 'dev', 'xother')
        sh('ip', '-n', s.sw, 'link', 'set', 'xother', 'name', 'other')
        check(wait_for(lambda: 'port other: the interface has an IP address' in s.tail(5), 4), 'log: %s', s.tail(5))
        time.sleep(2.5)
        equal(s.tail(60).count('port other: the interface has'), 1, 'lines about one that is refused')
        sh('ip', '-n', s.sw, 'link', 'del', 'other')
        with Client(s.sock) as c:
            sh('ip', '-n', s.sw, 'link', 'add', 'third', 'type', 'veth', 'peer', 'name', 'y')
            sh('ip', '-n', s.sw, 'link', 'set', 'third', 'name', 'other')
            expect(c, ADD, 3, 'other')
            sh('ip', '-n', s.sw, 'link', 'set', 'dev', 'other', 'xdp', 'off')
            expect(c, DELETE, 3, 'other')
            equal(port_status(c, 2.5), None, 'what the operator detaches stays detached')
        equal(s.term(), 0, 'status')


def test_back_from_another_namespace(_):
    """One of -i that was moved away and comes back, our program still attached, is a port again, and nobody complains."""
    with Switch(2) as s:
        for i in range(20):
            s.box.run(s.sw, 'ip', 'link', 'set', 's2', 'netns', s.box.hosts[1])
            s.box.run(s.box.hosts[1], 'ip', 'link', 'set', 's2', 'netns', s.sw)
            s.box.run(s.sw, 'ip', 'link', 'set', 's2', 'up')
            check(wait_for(lambda: numbers(s) == [1, 2], 5), 'ports: %r', numbers(s))
        said = s.box.log('ofxdpd.log').split('\n')
        equal([x for x in said if 'error' in x], [], 'complaints')
        s.flows('in_port=1,actions=output:2')
        s.forward([(1, U)], {2: [U]})


def test_away_during_a_take_over(_):
    """One that was in another namespace while a daemon took over comes back with the dead one's program: it is a port again."""
    with Switch(3, start=False) as s:
        s.args, s.ports = s.args + ['-i', 's1', '-i', 's2'], []
        s.start()
        s.box.run(s.sw, 'ip', 'link', 'set', 'dev', 's3', 'xdpdrv', 'pinned', entry_pin(s))
        check(wait_for(lambda: numbers(s) == [1, 2, 3], 5), 'ports at first: %r', numbers(s))
        for take_overs in (1, 2):
            s.kill9()
            for name in ('s2', 's3'):
                s.box.run(s.sw, 'ip', 'link', 'set', name, 'netns', s.box.hosts[1])
            for i in range(take_overs):
                s.start()
                s.kill9()
            s.start()
            equal(numbers(s), [1], 'ports meanwhile')
            for name in ('s3', 's2'):
                s.box.run(s.box.hosts[1], 'ip', 'link', 'set', name, 'netns', s.sw)
                s.box.run(s.sw, 'ip', 'link', 'set', name, 'up')
            check(wait_for(lambda: numbers(s) == [1, 2, 3], 5), 'ports: %r', numbers(s))
            equal([x for x in s.box.log('ofxdpd.log').split('\n') if 'error' in x], [], 'complaints')
            s.add('in_port=1,actions=output:2,output:3')
            s.forward([(1, U)], {2: [U], 3: [U]})
        equal(s.term(), 0, 'status')
        check('xdp' not in sh('ip', '-n', s.sw, 'link'), 'XDP is left')


def test_awaited_under_another_name(_):
    """An altname is a name, too."""
    with Switch(1, start=False) as s:
        s.args += ['-i', 'a-name-too']
        s.start()
        with Client(s.sock) as c:
            sh('ip', '-n', s.sw, 'link', 'add', 'x1', 'up', 'type', 'veth', 'peer', 'name', 'y1')
            sh('ip', '-n', s.sw, 'link', 'property', 'add', 'dev', 'x1', 'altname', 'a-name-too')
            expect(c, ADD, 2, 'x1')


def test_attach_while_down(sw):
    with Client(sw.sock) as c:
        sw.link(2, 'xdp', 'off')
        expect(c, DELETE, 2, 's2')
        sw.link(2, 'down')
        sw.box.run(sw.sw, 'ip', 'link', 'set', 'dev', 's2', 'xdpdrv', 'pinned', entry_pin(sw))
        expect(c, ADD, 2, 's2')  # the kernel sends no event: found within a second or two
        sw.link(2, 'up')
        check(wait_for(lambda: (port_status(c, 1) or (0, 0, 0, 1, 1))[3:] in ((0, 0), (0, 4)), 5), 'no status without DOWN')


def test_link_goes_down_and_up(sw):
    with Client(sw.sock) as c:
        sh('ip', '-n', sw.box.hosts[2], 'link', 'set', 'eth0', 'down')
        s = port_status(c)
        check(s and s[:3] == (MODIFY, 2, 's2') and s[4] & LINK_DOWN, 'status %r', s)
        sh('ip', '-n', sw.box.hosts[2], 'link', 'set', 'eth0', 'up')
        check(wait_for(lambda: (port_status(c, 1) or (0,) * 5)[:2] == (MODIFY, 2), 5), 'no status for link up')


def test_ofctl_monitor_sees_it(sw):
    log = open(sw.box.dir + '/monitor', 'wb')
    p = sw.box.start(sw.sw, 'ovs-ofctl', '-O', 'OpenFlow13', 'monitor', 'unix:' + sw.sock, stdout=log, stderr=log)

    def text():
        return open(sw.box.dir + '/monitor').read()
    time.sleep(0.5 * SLOW)
    sw.link(2, 'xdp', 'off')
    check(wait_for(lambda: 'OFPT_PORT_STATUS (OF1.3) (xid=0x0): DEL' in text(), 5), 'monitor: %s', text())
    sw.box.run(sw.sw, 'ip', 'link', 'set', 'dev', 's2', 'xdpdrv', 'pinned', entry_pin(sw))
    check(wait_for(lambda: 'PORT_STATUS (OF1.3) (xid=0x0): ADD: 2(s2)' in text(), 5), 'monitor: %s', text())
    sw.box.stop(p)


def test_generic_mode(sw):
    """A veth whose MTU is too long for native XDP gets generic XDP, and the log says so; between both kinds frames are forwarded."""
    with Switch(3, start=False) as s:
        for i in (2, 3):
            sh('ip', '-n', s.sw, 'link', 'set', 's%d' % i, 'mtu', '5000')
            sh('ip', '-n', s.box.hosts[i], 'link', 'set', 'eth0', 'mtu', '5000')
        s.start()
        check('generic' in s.tail(30), 'the log does not say it: %s', s.tail(30))
        check('xdpgeneric' in sh('ip', '-n', s.sw, 'link', 'show', 's2'), 's2 is not attached')
        tagged = udp(1, 2, tags=[(0x8100, 5)])
        s.flows('in_port=2,actions=output:1,output:3', 'in_port=1,actions=output:2,push_vlan:0x8100,set_field:4101->vlan_vid,output:3')
        s.forward([(2, U)], {1: [U], 3: [U]})
        s.forward([(1, U)], {2: [U], 3: [tagged]})
        equal(s.term(), 0, 'status of the daemon')
        check('xdp' not in sh('ip', '-n', s.sw, 'link', 'show', 's2'), 'generic attachment left')


def test_generic_port_whose_driver_takes_no_frames_from_xdp(sw):
    """A macvlan can only send what generic XDP gives it: unicast, copies, a flood and packet-outs reach it byte for byte."""
    with Switch(2, start=False) as s:
        s.box.add_host(3)
        try:
            sh('ip', '-n', s.sw, 'link', 'add', 'link', 's3', 'name', 'm3', 'type', 'macvlan', 'mode', 'passthru')
        except Failed as e:
            raise Skip('no macvlan here: %s' % e)
        sh('ip', '-n', s.sw, 'link', 'set', 'm3', 'up')
        s.args += ['-i', 'm3=3']
        s.start()
        check('m3, generic XDP' in s.tail(30), 'm3 is no generic port: %s', s.tail(30))
        tagged = udp(1, 2, tags=[(0x8100, 5)])
        s.flows('in_port=1,actions=output:3', 'in_port=3,actions=output:1,output:in_port',
                'in_port=2,actions=output:3,push_vlan:0x8100,set_field:4101->vlan_vid,output:3,output:1')
        s.forward([(1, U)], {3: [U]})
        s.forward([(3, U)], {1: [U], 3: [U]})
        s.forward([(2, U)], {3: [U, tagged], 1: [tagged]})
        s.flows('actions=flood')
        s.forward([(1, U)], {2: [U], 3: [U]})
        burst = [tcp(1, 2, data=b'%04d' % i) for i in range(100)]
        s.forward([(1, f) for f in burst], {2: burst, 3: burst})
        with Client(s.sock) as c:
            c.packet_out(0xfffffffd, output(3), U)
            c.barrier()
            s.received({3: [U]})
        s.kill9()
        s.forward([(1, U)], {2: [U], 3: [U]})
        s.start()
        s.flows('actions=flood')
        s.forward([(3, U)], {1: [U], 2: [U]})
        equal(s.term(), 0, 'status of the daemon')
        out = sh('ip', '-n', s.sw, 'link')
        check(s.name + '-g' not in out and s.name + '-c' not in out, 'interfaces are left: %s', out)


def test_native_port_whose_driver_takes_no_frames_from_xdp(_):
    """A veth whose peer has no GRO (Linux 6.3 on says so): unicast, copies, floods get there; without the relay once it can."""
    def gro(state):
        s.box.run(s.box.hosts[2], 'ethtool', '-K', 'eth0', 'gro', state)

    def relays():
        return s.name + '-g02' in sh('ip', '-n', s.sw, 'link')

    with Switch(3, start=False) as s:
        gro('off')
        s.start()
        if not relays():
            raise Skip('this kernel does not tell of a veth what it takes')
        check('s2, native XDP' in s.tail(30), 'log: %s', s.tail(30))
        tagged = udp(1, 2, tags=[(0x8100, 5)])
        for there in (True, False, True):
            gro('off' if there else 'on')
            check(wait_for(lambda: relays() == there, 4), 'relay: %r, not %r', relays(), there)
            s.flows('in_port=1,actions=output:2,push_vlan:0x8100,set_field:4101->vlan_vid,output:2,output:3', 'in_port=2,actions=flood',
                    'in_port=3,actions=flood')
            s.forward([(1, U)], {2: [U, tagged], 3: [tagged]})
            s.forward([(3, U)], {1: [U], 2: [U]})
            s.forward([(2, U)], {1: [U], 3: [U]})
        equal(s.term(), 0, 'status of the daemon')
        check(not relays(), 'the relay is left')


def test_port_moved_to_another_namespace(sw):
    """It is no port any more, and neither our program nor promiscuous mode goes with it."""
    with Switch(2) as s, Client(s.sock) as c:
        there = s.box.namespace('there')
        s.link(2, 'netns', there)
        expect(c, DELETE, 2, 's2')
        gone = wait_for(lambda: 'xdp' not in sh('ip', '-n', there, 'link', 'show', 's2'), 3)
        out = sh('ip', '-n', there, 'link', 'show', 's2')
        check(gone and 'PROMISC' not in out, 's2 there: %s', out)


def test_port_stays_promiscuous(sw):
    sw.link(1, 'promisc', 'off')
    check(wait_for(lambda: 'PROMISC' in sh('ip', '-n', sw.sw, 'link', 'show', 's1'), 3), 's1 is not promiscuous any more')


def test_log_of_links(sw):
    """What operators want to know of ports stands in the log as it is by default, however often a link flaps."""
    with Switch(2) as s:
        def said():
            return [x.split('info: ')[1] for x in s.tail(200).split('\n') if 'info: port 2' in x]
        eth0 = ['ip', '-n', s.box.hosts[2], 'link', 'set', 'eth0']
        for what, want in ((eth0 + ['down'], 'down (no carrier)'), (eth0 + ['up'], 'up')):
            sh(*what)
            check(wait_for(lambda: said()[-1] == 'port 2, s2, is ' + want), 'said: %r', said())
        with Client(s.sock) as c:
            s.of('mod-port', 's2', 'down')
            check(wait_for(lambda: said()[-1] == 'port 2, s2, is down (switched off)'), 'said: %r', said())
            s.of('mod-port', 's2', 'up')
            for _ in range(30):
                sh(*eth0, 'down')
                sh(*eth0, 'up')
            check(len(said()) <= 9, '%d lines: %r', len(said()), said())
            check(wait_for(lambda: 'more changes were left out here; now it is up' in said()[-1], 14), 'said: %r', said())
            left_out = int(re.search(r'(\d+) more', said()[-1])[1])
            check(30 <= left_out <= 64, '%d are left out', left_out)
            s.link(2, 'xdp', 'off')
            check(wait_for(lambda: said()[-1] == 'port 2, s2, is detached'), 'said: %r', said())
            check(c.wait(c.PORT_STATUS), 'no PORT_STATUS')


def test_interface_that_can_be_no_port_gets_the_program_off(sw):
    sw.box.run(sw.sw, 'ip', 'link', 'set', 'dev', 'lo', 'xdpgeneric', 'pinned', entry_pin(sw))
    check(wait_for(lambda: 'xdp' not in sh('ip', '-n', sw.sw, 'link', 'show', 'lo'), 3), 'lo is still attached')
    check('port lo: not an Ethernet interface' in sw.tail(), 'the log does not say it: %s', sw.tail())


if __name__ == '__main__':
    run_tests(sys.modules[__name__], Switch)
