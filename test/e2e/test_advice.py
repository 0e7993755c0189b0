# SPDX-License-Identifier: GPL-2.0-only
"""What the daemon advises is true: it is given where something is wrong, following it to the letter cures that, and it is
not given where nothing is."""
import contextlib
import ctypes
import os
import platform
import re
import struct
import sys
import time

from lib import OFXDPD, SLOW, Failed, Sandbox, Skip, Switch, Tap, check, equal, inside, run_tests, sh, udp, wait_for

U = udp(1, 2)
LATER = 7  # seconds after which the daemon has looked at what is beyond a port


def lines(sw, what):
    return [x for x in sw.tail(60).split('\n') if what in x]


def advice(sw, what, seconds=LATER):
    """The one line of the log that holds these words."""
    wait_for(lambda: lines(sw, what), seconds)
    found = lines(sw, what)
    equal(len(found), 1, 'lines of the log with "%s" in\n%s\n' % (what, sw.tail(60)))
    return found[0]


def follow(sw, netns, line, interface=None):
    """Run what stands in `…` there."""
    for command in re.findall(r'`([^`]*)`', line):
        sw.box.run(netns, 'sh', '-c', command.replace('IFACE', interface or 'IFACE'))


def relayed(sw):
    return '%s-g' % sw.name in sh('ip', '-n', sw.sw, 'link')


@contextlib.contextmanager
def switch(hosts=2, before=None, local=False):
    """A switch that is started once before(switch) has been called."""
    with Switch(hosts, start=False, local=local) as s:
        if before:
            before(s)
        s.start()
        yield s


def host(sw, i, *what):
    """ethtool -K on a host."""
    sw.box.run(sw.box.hosts[i], 'ethtool', '-K', 'eth0', *what)


def passes(sw):
    sw.flows('in_port=1,actions=output:2', 'in_port=2,actions=output:1')
    sw.forward([(1, U)], {2: [U]})
    sw.forward([(2, U)], {1: [U]})


def test_nothing_wrong(_):
    with switch(local=True) as s:
        time.sleep(LATER)
        equal([x for x in s.tail(60).split('\n') if '`' in x or 'warning' in x], [], 'advice')
        check(not relayed(s), 'there is a relay')
        passes(s)


def test_peer_without_gro(_):
    with switch(before=lambda s: host(s, 2, 'gro', 'off')) as s:
        line = advice(s, 'port s2: its veth peer eth0 has neither GRO nor XDP')
        check('vanish' in line or relayed(s), 'it says: %s', line)
        if relayed(s):
            passes(s)
        follow(s, s.box.hosts[2], line)
        check(wait_for(lambda: not relayed(s), 4), 'the advice was no good: %s', line)
        passes(s)
        time.sleep(LATER)
        equal(len(lines(s, '`')), 1, 'pieces of advice')


def test_peer_whose_gro_was_overlooked(_):
    """The port is up before its peer, whose GRO is switched on while it is down: Linux never hears of it."""
    def before(s):
        ns = s.box.hosts[2]
        for state in ('down', 'up'):
            host(s, 2, 'gro', 'off' if state == 'down' else 'on')
            sh('ip', '-n', ns, 'link', 'set', 'eth0', state)

    with switch(before=before) as s:
        if not relayed(s):
            raise Skip('this kernel does not tell of a veth what it takes')
        line = advice(s, 'port s2: Linux overlooked that its veth peer eth0 has GRO')
        passes(s)
        follow(s, s.box.hosts[2], line)
        check(wait_for(lambda: not relayed(s), 4), 'the advice was no good: %s', line)
        passes(s)


def test_peer_out_of_sight(_):
    """Its namespace has no name.  What is said then holds whatever is the reason."""
    with Switch(1, start=False) as s:
        holder = s.box.start(s.sw, 'unshare', '-n', 'sleep', '1000')
        wait_for(lambda: os.readlink('/proc/%d/ns/net' % holder.pid) != os.readlink('/proc/self/ns/net') and
                 open('/proc/%d/comm' % holder.pid).read() == 'sleep\n')
        there = ['nsenter', '--net=/proc/%d/ns/net' % holder.pid]
        sh('ip', '-n', s.sw, 'link', 'add', 's2', 'up', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', holder.pid)
        sh(*there, 'ip', 'link', 'set', 'eth0', 'up')
        s.ports = [1, 2]
        s.start()
        if not relayed(s):
            raise Skip('this kernel does not tell of a veth what it takes')
        line = advice(s, 'port s2: its veth peer takes no frames from XDP')
        advice(s, 'port s2 is a veth whose peer is out of sight')
        for command in re.findall(r'`([^`]*)`', line):
            sh(*there, 'sh', '-c', command.replace('IFACE', 'eth0'))
        check(wait_for(lambda: not relayed(s), 4), 'the advice was no good: %s', line)


def test_peer_with_offloads(_):
    with switch(3, before=lambda s: [host(s, 1, 'tx', 'on'), host(s, 2, 'txvlan', 'on')]) as s:
        for i, what, feature in ((1, 'leaves checksums to hardware', 'tx-checksum-ip-generic: off'),
                                 (2, 'hides VLAN tags', 'tx-vlan-offload: off')):
            follow(s, s.box.hosts[i], advice(s, 'port s%d: its veth peer eth0 %s' % (i, what)))
            check(feature in s.box.run(s.box.hosts[i], 'ethtool', '-k', 'eth0'), 'host %d', i)
        equal(lines(s, 'port s3: its'), [], 'advice about a host that is in order')
        for i in (1, 2):  # looked at again: it is not said twice, but it is when it is wrong again
            sh('ip', '-n', s.box.hosts[i], 'link', 'set', 'eth0', 'down')
        host(s, 2, 'txvlan', 'on')
        for i in (1, 2):
            sh('ip', '-n', s.box.hosts[i], 'link', 'set', 'eth0', 'up')
        time.sleep(LATER)
        equal(len(lines(s, 'leaves checksums')), 1, 'times that it is said of host 1')


def test_peer_that_is_down_or_comes_late(_):
    def before(s):
        host(s, 2, 'gro', 'off', 'tx', 'on')
        sh('ip', '-n', s.box.hosts[2], 'link', 'set', 'eth0', 'down')

    with switch(before=before) as s:
        time.sleep(LATER)
        equal(lines(s, '`'), [], 'advice about an interface that nobody uses yet')
        host(s, 2, 'gro', 'on', 'tx', 'off')
        sh('ip', '-n', s.box.hosts[2], 'link', 'set', 'eth0', 'up')
        wait_for(lambda: 'state UP' in sh('ip', '-n', s.sw, 'link', 'show', 's2'))
        passes(s)
        time.sleep(LATER)
        equal([x for x in lines(s, '`') if 'overlooked' not in x], [], 'advice about a host that is in order')


@contextlib.contextmanager
def two_switches(gro):
    """h1 ── one ── two ── h2, started together."""
    with Sandbox(2, silent=True) as box:
        names = {k: box.name[-9:] + k for k in ('1', '2')}
        box.names |= set(names.values())
        sh('ip', '-n', box.sw, 'link', 'add', 'l1', 'type', 'veth', 'peer', 'name', 'l2')
        sh('ip', '-n', box.sw, 'link', 'set', 'l1', 'up')
        if gro:
            for i in '12':
                box.run(box.sw, 'ethtool', '-K', 'l' + i, 'gro', 'on')
        sh('ip', '-n', box.sw, 'link', 'set', 'l2', 'up')
        for i in '12':
            box.start(box.sw, OFXDPD, '-n', names[i], '--no-local', '-i', 's%s=1' % i, '-i', 'l%s=2' % i,
                      '-l', 'punix:%s/%s.sock' % (box.dir, i), log='log' + i)
        for i in '12':
            check(wait_for(lambda: 'entry program' in box.log('log' + i), 15), 'no switch: %s', box.log('log' + i))
            sh('ovs-ofctl', '-O', 'OpenFlow13', 'add-flow', 'unix:%s/%s.sock' % (box.dir, i), 'actions=flood')
        yield box, names


def test_link_between_two_switches(_):
    """Neither needs advice or a relay, whichever end was up first and whether it has GRO; frames cross it both ways."""
    for gro in (False, True):
        with two_switches(gro) as (box, names):
            time.sleep(LATER)
            for i in '12':
                equal([x for x in box.log('log' + i).split('\n') if '`' in x], [], 'advice')
            out = sh('ip', '-n', box.sw, 'link')
            check(not any(n + '-g' in out for n in names.values()), 'a relay: %s', out)
            taps = {i: Tap(box.hosts[i], 'eth0') for i in (1, 2)}
            for a, b in ((1, 2), (2, 1)):
                taps[a].send(U)
                equal(taps[b].receive(1, 2), [U], 'from host %d to %d' % (a, b))
            for t in taps.values():
                t.close()


def test_native_xdp_refused(_):
    """Each reason has its own cure, or none is made up."""
    def before(s):
        sh('ip', '-n', s.box.hosts[1], 'link', 'set', 'eth0', 'mtu', '5000')
        sh('ip', '-n', s.sw, 'link', 'del', 's2')
        sh('ip', '-n', s.sw, 'link', 'add', 's2', 'up', 'type', 'veth', 'peer', 'name', 'x2')
        s.box.run(s.sw, 'ethtool', '-L', 'x2', 'tx', '2')
        sh('ip', '-n', s.sw, 'link', 'del', 's3')
        sh('ip', '-n', s.sw, 'link', 'add', 's3', 'type', 'bridge')

    with switch(4, before=before) as s:
        check('lower the MTU of its veth peer to 3506 or less' in advice(s, 'port s1: native XDP refused'), 'MTU')
        check('as many rx queues as its veth peer has tx queues' in advice(s, 'port s2: native XDP refused'), 'queues')
        check('use an interface whose driver has native XDP' in advice(s, 'port s3: native XDP refused'), 'driver')
        equal(lines(s, 'port s4: native'), [], 's4 is a native port')
        pin = '/sys/fs/bpf/ofxdp/%s/port' % s.name
        sh('ip', '-n', s.box.hosts[1], 'link', 'set', 'eth0', 'mtu', '3506')
        s.box.run(s.sw, 'ethtool', '-L', 's2', 'rx', '2')
        for i in (1, 2):
            sh('ip', '-n', s.sw, 'link', 'set', 's%d' % i, 'xdpgeneric', 'off')
            s.box.run(s.sw, 'ip', 'link', 'set', 'dev', 's%d' % i, 'xdpdrv', 'pinned', pin)


def refused(s, *extra):
    p = s.box.start(s.sw, *s.argv(*extra), log='ofxdpd.log')
    equal(p.wait(15 * SLOW), 1, 'status')
    s.box.processes.remove(p)
    return s.tail(1)


def test_interface_that_the_host_uses(_):
    """With an address, its own or of what is above it, or as the way to a controller."""
    with Switch(1, start=False) as s:
        sh('ip', '-n', s.sw, 'addr', 'add', '192.0.2.1/24', 'dev', 's1')
        line = refused(s)
        check('port s1: the interface has an IP address' in line, line)
        follow(s, s.sw, line)
        sh('ip', '-n', s.sw, 'link', 'add', 'br0', 'up', 'type', 'bridge')
        sh('ip', '-n', s.sw, 'link', 'set', 's1', 'master', 'br0')
        sh('ip', '-n', s.sw, 'addr', 'add', '192.0.2.1/24', 'dev', 'br0')
        line = refused(s)
        check('port s1: above it br0 has an IP address' in line, line)
        follow(s, s.sw, line)
        sh('ip', '-n', s.sw, 'route', 'add', '203.0.113.0/24', 'dev', 'br0')
        line = refused(s, '-c', 'tcp:203.0.113.1')
        check('port s1: the route to a controller leaves by what is above it, br0' in line, line)
        sh('ip', '-n', s.sw, 'link', 'del', 'br0')
        sh('ip', '-n', s.sw, 'route', 'add', '203.0.113.0/24', 'dev', 's1')
        line = refused(s, '-c', 'tcp:203.0.113.1')
        check('port s1: the route to a controller leaves by this interface' in line, line)
        s.start()
        equal(s.term(), 0, 'status')


# --- another XDP program ---

BPF_PROG_LOAD, BPF_LINK_CREATE, BPF_PROG_TYPE_XDP, BPF_XDP = 5, 28, 6, 37
PASS = struct.pack('=BBhiBBhi', 0xb7, 0, 0, 2, 0x95, 0, 0, 0)  # r0 = XDP_PASS; exit


def bpf(command, attr):
    number = {'x86_64': 321, 'aarch64': 280}[platform.machine()]
    buf = ctypes.create_string_buffer(attr, 128)
    fd = ctypes.CDLL(None, use_errno=True).syscall(number, command, buf, 128)
    if fd < 0:
        raise Failed('bpf command %d: %s' % (command, os.strerror(ctypes.get_errno())))
    return fd


@contextlib.contextmanager
def xdp_by_link(netns, ifname):
    insns, licence = ctypes.create_string_buffer(PASS, len(PASS)), ctypes.create_string_buffer(b'GPL')
    fds = [bpf(BPF_PROG_LOAD, struct.pack('=IIQQ', BPF_PROG_TYPE_XDP, 2, ctypes.addressof(insns), ctypes.addressof(licence)))]
    with inside(netns):
        fds.append(bpf(BPF_LINK_CREATE, struct.pack('=IIII', fds[0], Tap.ifindex(None, ifname), BPF_XDP, 0)))
    try:
        yield
    finally:
        for fd in fds:
            os.close(fd)


def test_another_program_by_bpf_link(_):
    """Which `ip link` cannot take off."""
    with Switch(1, start=False) as s:
        with xdp_by_link(s.sw, 's1'):
            line = refused(s)
            check('another XDP program' in line and 'by BPF link' in line and 'ip link set' not in line, line)
            follow(s, s.sw, line)
            s.start()


def test_another_program(_):
    """Another switch's, native or generic; it runs, or has died."""
    for mtu in (1500, 5000):
        with Switch(1, start=False) as s:
            sh('ip', '-n', s.box.hosts[1], 'link', 'set', 'eth0', 'mtu', mtu)
            s.start()
            other, s.name = s.name, s.name[:-1] + 'X'
            s.box.names.add(s.name)
            s.args += ['--dpid', '0b']
            s.sock += '2'
            line = refused(s)
            check('another XDP program' in line and 'switch %s, which is running' % other in line, line)
            s.name = other
            s.kill9()
            s.name = s.name[:-1] + 'X'
            line = refused(s)
            check('switch %s, whose daemon has died' % other in line, line)
            follow(s, s.sw, line.replace('ofxdpd -n', OFXDPD + ' -n'))
            s.start()


if __name__ == '__main__':
    run_tests(sys.modules[__name__], lambda: contextlib.nullcontext())
