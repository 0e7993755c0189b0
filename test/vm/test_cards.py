# SPDX-License-Identifier: GPL-2.0-only
"""The switch on the network cards of a VM, which are its ports: real drivers, whatever the model.

                              guest                                  host
        ┌─────────────────────────────────────────────┐
        │  namespace sw:  ofxdpd        eth0 (port 1) ─┼─ tap0 ┐
        │                               eth1 (port 2) ─┼─ tap1 ┴ wire.py: sends, receives, pulls cables
        └─────────────────────────────────────────────┘

Run by scripts/check-vm.  CARDS tells what the model's driver can: `native` or `generic` XDP, and how many queues.
"""
import json
import os
import re
import signal
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
from lib import (PIN_ROOT, SLOW, Client, Failed, Skip, Switch, check, equal, eth, ipv4, mac_bytes, output,  # noqa: E402
                 parse_packet_in, run_tests, sh, tcp, template, udp, wait_for)

MODE, QUEUES = os.environ.get('CARDS', 'native 2').split()
NAMES = {1: 'eth0', 2: 'eth1'}
RATE = 1000  # packets a second that an emulated machine forwards without loss
U = udp(1, 2)
VLAN5 = 'push_vlan:0x8100,set_field:4101->vlan_vid'
CONTROLLER, TABLE = 0xfffffffd, 0xfffffff9


def tagged(*vids):
    return udp(1, 2, tags=[(0x8100, v) for v in vids])


class Wire:
    """wire.py on the host; its methods are called as if they were here."""

    def __init__(self):
        for port in os.listdir('/sys/class/virtio-ports'):
            with open('/sys/class/virtio-ports/%s/name' % port) as f:
                if f.read().strip() == 'wire':
                    self.port = os.open('/dev/' + port, os.O_RDWR)
        self.buffer = b''
        equal(self.line(), b'ready', 'the greeting of wire.py')

    def line(self):
        end = time.monotonic() + 120
        while b'\n' not in self.buffer:
            data = os.read(self.port, 1 << 16)  # nothing while wire.py is not there
            if not data and time.monotonic() > end:
                raise Failed('wire.py does not answer')
            self.buffer += data
            if not data:
                time.sleep(0.05)
        line, self.buffer = self.buffer.split(b'\n', 1)
        return line

    def __getattr__(self, method):
        def call(*args):
            data = json.dumps([method] + list(args)).encode() + b'\n'
            while data:
                data = data[os.write(self.port, data):]
            answer = json.loads(self.line())
            if 'error' in answer:
                raise Failed('wire.py: ' + answer['error'])
            return answer['ok']
        return call


class FarTap:
    """What lib.Tap is, on the host."""

    def __init__(self, wire, card):
        self.wire, self.card = wire, card

    def send(self, *frames):
        self.wire.send(self.card, *[f.hex() for f in frames])

    def receive(self, n, seconds):
        return [bytes.fromhex(f) for f in self.wire.receive(self.card, n, seconds * SLOW)]

    def drain(self):
        self.wire.drain(self.card)

    def close(self):
        pass


class CardSwitch(Switch):
    def __init__(self):
        self.wire = Wire()
        super().__init__(hosts=0, start=False)
        try:
            self.before = {i: settings(n) for i, n in NAMES.items()}
            for i, name in NAMES.items():
                sh('ip', 'link', 'set', name, 'netns', self.sw)
                sh('ip', '-n', self.sw, 'link', 'set', name, 'up')
                self.args += ['-i', '%s=%d' % (name, i)]
                self.taps[i] = FarTap(self.wire, i - 1)
            self.box.hosts = NAMES
            self.await_carriers()
            self.start()
            self.await_carriers()
        except BaseException:
            self.box.close()
            raise

    def link(self, i, *what):
        return sh('ip', '-n', self.sw, 'link', 'set', NAMES[i], *what)

    def show(self, i):
        return sh('ip', '-n', self.sw, '-d', 'link', 'show', NAMES[i])

    def has_carrier(self, i):
        return 'LOWER_UP' in self.show(i)

    def await_carriers(self):
        """Drivers (e1000e) reset the card when XDP or an offload is switched: the link is down for some seconds."""
        check(wait_for(lambda: all(self.has_carrier(i) for i in NAMES), 10), 'no carrier: %s', self.show(1) + self.show(2))

    def cable(self, i, plugged):
        if MODE == 'generic':
            raise Skip("QEMU's %s does not tell its driver that the cable is pulled" % driver(self, i))
        self.wire.link(i - 1, plugged)
        check(wait_for(lambda: self.has_carrier(i) == plugged), 'carrier of %s: %s', NAMES[i], self.show(i))


def settings(name, ns=()):
    """What the switch may have changed on a card."""
    return sh(*ns, 'ethtool', '-k', name), 'PROMISC' in sh(*ns, 'ip', '-d', 'link', 'show', name)


def driver(sw, i):
    return re.search(r'driver: (\S+)', sw.box.run(sw.sw, 'ethtool', '-i', NAMES[i]))[1]


def entry_pin(sw):
    return re.search(r'%s/%s/\S+' % (PIN_ROOT, sw.name), sw.box.log('ofxdpd.log'))[0]


def across(sw, src, frames, want):
    """Frames of several flows, which take several queues: what arrives is compared without regard to its order."""
    for t in sw.taps.values():
        t.drain()
    sw.tap(src).send(*frames)
    for i in NAMES:
        got = sw.tap(i).receive(len(want.get(i, ())), 2) + sw.tap(i).receive(1000, 0.03)
        equal(sorted(f.hex() for f in got), sorted(f.hex() for f in want.get(i, ())), 'at port %d' % i)


# --- tests ---

def test_attached(sw):
    for i in NAMES:
        out = sw.show(i)
        check('prog/xdp' in out and ('xdpgeneric' in out) == (MODE == 'generic'), '%s is not attached in %s mode: %s', i, MODE, out)
        check('PROMISC' in out, '%s is not promiscuous: %s', i, out)
        print('# port %d: %s, %s XDP' % (i, driver(sw, i), MODE))


def kinds():
    """Frames of all kinds and lengths, from and to addresses that are not the cards'."""
    six = bytes.fromhex('6000000000283b40') + bytes(15) + b'\1' + bytes(15) + b'\2' + bytes(40)
    long = [udp(1, 2, data=bytes(i & 255 for i in range(n))) for n in (100, 700, 1400, 1514 - 42)]
    return [U, tcp(1, 2, data=b'hello world'), eth(1, 2, kind=0x0806, payload=bytes(46)), tagged(5), tagged(6, 5), eth(1, 2, kind=0x86dd, payload=six),
            eth(1, 2, kind=0x8847, payload=bytes.fromhex('0001f140') + ipv4('10.0.0.1', '10.0.0.2', 17, bytes(40))),
            eth(1, 2, kind=0x88b5, payload=bytes(range(46)))] + long


def test_unicast(sw):
    sw.flows('in_port=1,actions=output:2', 'in_port=2,actions=output:1')
    across(sw, 1, kinds(), {2: kinds()})
    across(sw, 2, kinds(), {1: kinds()})


def test_foreign_addresses(sw):
    """Cards filter by address unless they are promiscuous."""
    def frames(n):
        return [udp(1, 2, sport=n, smac='02:00:00:00:77:01', dmac=d)
                for d in ('02:00:00:00:77:02', '00:11:22:33:44:55', '01:00:5e:00:00:01', '33:33:00:00:00:01', 'ff:ff:ff:ff:ff:ff')]
    sw.flows('in_port=1,actions=output:2')
    across(sw, 1, frames(1), {2: frames(1)})
    sw.link(1, 'promisc', 'off')
    check(wait_for(lambda: 'PROMISC' in sw.show(1)), 'eth0 is not promiscuous again: %s', sw.show(1))
    across(sw, 1, frames(2), {2: frames(2)})


def test_flood(sw):
    sw.flows('actions=flood')
    across(sw, 1, kinds(), {2: kinds()})
    sw.forward([(2, U)], {1: [U]})


def test_copies_with_changes_in_between(sw):
    sw.flows('in_port=1,actions=in_port,%s,output:2' % VLAN5)
    sw.forward([(1, U)], {1: [U], 2: [tagged(5)]})
    sw.flows('in_port=1,actions=output:2,%s,output:2,in_port,pop_vlan,output:2' % VLAN5)
    sw.forward([(1, U)], {1: [tagged(5)], 2: [U, tagged(5), U]})
    sw.flows('in_port=2,udp,actions=set_field:02:00:00:00:00:99->eth_dst,output:1,set_field:77->udp_dst,in_port')
    new = mac_bytes('02:00:00:00:00:99')
    sw.forward([(2, U)], {1: [new + U[6:]], 2: [new + udp(1, 2, dport=77)[6:]]})


def test_unicast_and_copies_in_one_batch(sw):
    """Frames of one interrupt, some to one port and some copied: none gets another's treatment."""
    sw.flows('in_port=1,udp,udp_dst=1,actions=output:2', 'in_port=1,udp,udp_dst=2,actions=%s,output:2,pop_vlan,in_port' % VLAN5)
    sends = [udp(1, 2, sport=n, dport=1 + n % 2) for n in range(64)]
    copies = [udp(1, 2, sport=n, dport=2, tags=[(0x8100, 5)]) for n in range(1, 64, 2)]
    across(sw, 1, sends, {1: sends[1::2], 2: sends[::2] + copies})


def test_groups(sw):
    sw.of('del-groups')
    sw.flows()
    sw.of('add-group', 'group_id=1,type=all,bucket=actions=%s,output:2,bucket=actions=dec_ttl,in_port,bucket=actions=output:2' % VLAN5)
    sw.flows('in_port=1,actions=group:1')
    sw.forward([(1, U)], {1: [udp(1, 2, ttl=63)], 2: [tagged(5), U]})


def test_long_frames(sw):
    """A tag more than the MTU allows is a counted drop; nothing is cut short."""
    full = udp(1, 2, data=bytes(1514 - 42))
    sw.flows('in_port=1,actions=%s,output:2' % VLAN5, 'in_port=2,actions=push_vlan:0x8100,push_vlan:0x8100,output:1')
    sw.forward([(1, full)], {2: [udp(1, 2, data=bytes(1514 - 42), tags=[(0x8100, 5)])]})
    before = sw.drops()['output_mtu']
    sw.forward([(2, full)], {})
    equal(sw.drops()['output_mtu'] - before, 1, 'counted drops')


def test_packet_in(sw):
    sw.flows('priority=1,in_port=1,actions=CONTROLLER:65535', 'priority=1,in_port=2,actions=output:1,CONTROLLER:65535')
    with Client(sw.sock) as c:
        for i, f in [(1, f) for f in kinds()] + [(2, U)]:
            sw.forward([(i, f)], {1: [f]} if i == 2 else {}, 0.02)
            m = c.wait(c.PACKET_IN)
            check(m, 'no packet-in')
            p = parse_packet_in(m[2])
            equal((p['in_port'], p['total_len'], p['data'].hex()), (i, len(f), f.hex()), 'port, length, data')


def test_packet_out(sw):
    sw.flows('in_port=2,actions=%s,output:1' % VLAN5)
    for t in sw.taps.values():
        t.drain()
    sw.of('packet-out', 'in_port=controller packet=%s actions=output:2' % U.hex())
    sw.received({2: [U]})
    with Client(sw.sock) as c:
        c.packet_out(2, output(TABLE), U)
        sw.received({1: [tagged(5)]})
        for f in kinds():
            c.packet_out(CONTROLLER, output(1) + output(2), f)
            sw.received({1: [f], 2: [f]}, 0.02)


def test_ovs_ofctl_monitor(sw):
    sw.flows('priority=0,actions=controller:65535')
    with open(sw.box.dir + '/monitor', 'wb') as log:
        p = sw.box.start(sw.sw, 'ovs-ofctl', '-O', 'OpenFlow13', 'monitor', 'unix:' + sw.sock, '65534', stdout=log, stderr=log)
    wait_for(lambda: sw.tap(2).send(U) or 'OFPT_PACKET_IN' in sw.box.log('monitor'), 5, 0.3)
    sw.box.stop(p)
    check(re.search('total_len=%d in_port=2' % len(U), sw.box.log('monitor')), 'monitor: %s', sw.box.log('monitor'))


def queue_packets(sw, i):
    """Packets that XDP saw on each queue of the card."""
    out = sw.box.run(sw.sw, 'ethtool', '-S', NAMES[i])
    return {int(q): int(n) for q, n in re.findall(r'\brx(?:_queue_)?(\d+)_xdp_packets: (\d+)', out)}


def stream(sw, src, count, flows=256, during=None):
    """Numbered packets from src to the other port, RATE a second: each comes once, in order within its flow."""
    dst = 3 - src
    sw.wire.sink(dst - 1)
    sw.wire.stream(src - 1, template(1, 2).hex(), count, RATE, flows)
    if during:
        during()
    sent = sw.wire.sent(src - 1)
    seen = sw.wire.sunk(dst - 1, sent, 3 * SLOW)
    print('# port %d: %d packets, %d a second; %r' % (src, sent, RATE, seen))
    equal(seen, {'unique': sent, 'duplicates': 0, 'disordered': 0, 'other': 0}, 'packets at port %d; drops %r' % (dst, sw.some_drops()))


def test_all_queues(sw):
    """Flows spread over the queues; each packet comes once, in order within its flow, and is counted once."""
    sw.flows('in_port=1,actions=output:2', 'in_port=2,actions=output:1')
    for i in NAMES:
        before = queue_packets(sw, i)
        stream(sw, i, 4000)
        by_queue = {q: n - before[q] for q, n in queue_packets(sw, i).items()}
        print('# received by queue: %r' % by_queue)
        check(QUEUES == '1' or len([n for n in by_queue.values() if n > 500]) == int(QUEUES), 'not %s queues had work: %r', QUEUES, by_queue)
    equal(sorted(sw.packets()), [4000, 4000], "flows' counters")


def test_kill_9_of_the_daemon(sw):
    """Forwarding, copies and counters go on; the next daemon takes the ports over."""
    def kill():
        time.sleep(1)
        sw.kill9()
    sw.flows('in_port=1,actions=output:2', 'in_port=2,actions=%s,output:1,pop_vlan,in_port' % VLAN5)
    stream(sw, 1, 4000, during=kill)
    sw.forward([(2, U)], {1: [tagged(5)], 2: [U]})
    sw.start()
    sw.flows('in_port=1,actions=output:2')
    sw.forward([(1, U)], {2: [U]})


def test_fast_failover(sw):
    """The cable of port 2 is pulled while the daemon is stopped: packets turn back, marked."""
    sw.of('del-groups')
    sw.flows()
    sw.of('add-group', 'group_id=1,type=ff,bucket=watch_port:2,actions=output:2,bucket=watch_port:1,actions=%s,in_port' % VLAN5)
    sw.flows('in_port=1,actions=group:1')
    sw.forward([(1, U)], {2: [U]})
    sw.proc.send_signal(signal.SIGSTOP)
    try:
        sw.cable(2, False)
        for t in sw.taps.values():
            t.drain()
        sw.tap(1).send(U)
        equal(sw.tap(1).receive(1, 2), [tagged(5)], 'at port 1')
        sw.cable(2, True)
        sw.tap(1).send(U)
        equal(sw.tap(2).receive(1, 2), [U], 'at port 2')
    finally:
        sw.wire.link(1, True)
        sw.proc.send_signal(signal.SIGCONT)


def test_port_status_of_a_cable(sw):
    with Client(sw.sock) as c:
        for plugged in (False, True):
            sw.cable(2, plugged)
            m = c.wait(c.PORT_STATUS)
            check(m, 'no PORT_STATUS')
            equal((m[2][0], struct.unpack('>I', m[2][8:12])[0], struct.unpack('>I', m[2][44:48])[0] & 1), (2, 2, int(not plugged)),
                  'reason, port, LINK_DOWN')


def test_xdp_off_and_on_by_ip_link(sw):
    """The driver rebuilds its queues; traffic of the port that stays is none the worse for it."""
    mode = 'xdpdrv' if MODE == 'native' else 'xdpgeneric'
    sw.flows('in_port=1,actions=in_port,output:2')
    sw.link(2, mode, 'off')
    check(wait_for(lambda: 'eth1' not in sw.of('dump-ports-desc')), 'eth1 is still a port')
    sw.forward([(1, U)], {1: [U]})
    sw.box.run(sw.sw, 'ip', 'link', 'set', 'dev', 'eth1', mode, 'pinned', entry_pin(sw))
    check(wait_for(lambda: 'eth1' in sw.of('dump-ports-desc')), 'eth1 is no port')
    sw.await_carriers()
    sw.forward([(1, U)], {1: [U], 2: [U]})


def test_sigterm_leaves_the_cards_as_they_were(sw):
    equal(sw.term(), 0, 'status of the daemon')
    for i, name in NAMES.items():
        check('prog/xdp' not in sw.show(i), '%s: the program is left: %s', name, sw.show(i))
        equal(settings(name, sw.box.into(sw.sw)), sw.before[i], 'settings of ' + name)


if __name__ == '__main__':
    run_tests(sys.modules[__name__], CardSwitch)
