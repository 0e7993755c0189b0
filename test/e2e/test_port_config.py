# SPDX-License-Identifier: GPL-2.0-only
"""docs/ports.md: what the bits of a port's configuration (§7.2.1) stop, and what not; a spanning tree that needs that."""
import os
import sys

from lib import (OFXDPD, PYTHON, SLOW, TOP, Client, Sandbox, Switch, Tap, check, equal, eth, output, parse_packet_in, run_tests, sh,
                 udp, wait_for)

U, LAST = udp(1, 2), udp(1, 2, ttl=1)
BPDU = eth(1, '01:80:c2:00:00:00', (), 38, bytes.fromhex('424203') + bytes(35))
IN_PORT, TABLE, FLOOD, ALL, CONTROLLER = 0xfffffff8, 0xfffffff9, 0xfffffffb, 0xfffffffc, 0xfffffffd
NO_MATCH, ACTION, INVALID_TTL = 0, 1, 2
SET_CONFIG, GET_ASYNC, SET_ASYNC = 9, 26, 28
TO_CONTROLLER = 'table=0,dl_dst=01:80:c2:00:00:00,priority=40000,actions=controller:65535'
MISS = 'table=0,priority=0,actions=controller:65535'


class PortConfig:
    """mod-port for a while: PortConfig(sw, 1, 'no-receive')"""

    def __init__(self, sw, port, what):
        self.sw, self.port, self.what = sw, port, what

    def __enter__(self):
        self.sw.of('mod-port', str(self.port), self.what)

    def __exit__(self, *_):
        undo = self.what[3:] if self.what.startswith('no-') else {'down': 'up'}[self.what]
        self.sw.of('mod-port', str(self.port), undo)
        check(wait_for(lambda: 'LIVE' in self.sw.of('dump-ports-desc', str(self.port))), 'port %d is not live again', self.port)


def listen(sw):
    for i in sw.box.hosts:
        sw.tap(i).drain()


def reasons(sw, c, frames, n, port=1):
    """Of the packet-ins that these frames on the port bring; n are waited for, then no more may come."""
    listen(sw)
    for f in frames:
        sw.tap(port).send(f)
    out = [parse_packet_in(m[2]) for m in (c.wait(c.PACKET_IN) for _ in range(n)) if m]
    check(not c.wait(c.PACKET_IN, 0.2), 'more than %d packet-ins', n)
    return [(p['reason'], p['data']) for p in out]


def test_no_packet_in(sw):
    """§7.2.1: "packets on that port that generate a table miss should never trigger a packet-in"."""
    sw.flows(TO_CONTROLLER, MISS, 'table=0,priority=5,udp,tp_dst=7,actions=goto_table:1', 'table=1,priority=0,actions=controller:65535')
    later = udp(1, 2, dport=7)
    with Client(sw.sock) as c, PortConfig(sw, 1, 'no-packet-in'):
        before = sw.drops()['no_packet_in']
        equal(reasons(sw, c, [U, BPDU, later, BPDU, U], 2), [(ACTION, BPDU)] * 2, 'packet-ins')
        equal(sw.drops()['no_packet_in'] - before, 3, 'counted drops')
        equal(reasons(sw, c, [U, BPDU], 2, port=2), [(NO_MATCH, U), (ACTION, BPDU)], 'packet-ins of another port')
    with Client(sw.sock) as c:
        equal(reasons(sw, c, [U, later], 2), [(NO_MATCH, U), (NO_MATCH, later)], 'packet-ins without it')


def test_no_packet_in_and_invalid_ttl(sw):
    """A TTL that runs out is no table miss."""
    sw.flows('ip,actions=dec_ttl,output:2')
    with Client(sw.sock) as c, PortConfig(sw, 1, 'no-packet-in'):
        c.send(SET_ASYNC, bytes(3) + b'\7' + bytes(3) + b'\7' + bytes(16))
        c.barrier()
        equal(reasons(sw, c, [LAST], 1), [(INVALID_TTL, LAST)], 'packet-ins')


def test_no_recv(sw):
    """"Drop all packets received by port": BPDUs too.  What goes to the port leaves, and a packet-out is not received."""
    sw.flows(TO_CONTROLLER, 'in_port=1,actions=output:2', 'in_port=2,actions=output:1')
    with Client(sw.sock) as c, PortConfig(sw, 1, 'no-receive'):
        before = sw.drops()['port_no_recv']
        equal(reasons(sw, c, [BPDU, U], 0), [], 'packet-ins')
        sw.forward([(1, U), (2, U)], {1: [U]})
        equal(sw.drops()['port_no_recv'] - before, 3, 'counted drops')
        listen(sw)
        c.packet_out(1, output(TABLE), U)
        c.packet_out(1, output(3), U)
        c.barrier()
        sw.received({2: [U], 3: [U]})


def test_no_fwd(sw):
    """"OpenFlow should not send packets to that port": no output by number, FLOOD, ALL, IN_PORT, flow or packet-out."""
    sw.flows(TO_CONTROLLER, 'in_port=1,actions=output:2,output:3', 'in_port=2,actions=in_port,all', 'in_port=3,actions=flood')
    with Client(sw.sock) as c, PortConfig(sw, 2, 'no-forward'):
        sw.forward([(1, U), (2, U), (3, U)], {1: [U, U], 3: [U, U]})
        listen(sw)
        before = sw.drops()['output_no_fwd']
        c.packet_out(CONTROLLER, output(2), U)
        c.packet_out(CONTROLLER, output(2) + output(1), U)
        c.barrier()
        sw.received({1: [U]})
        equal(sw.drops()['output_no_fwd'] - before, 2, 'counted drops')
        equal(reasons(sw, c, [BPDU], 1, port=2), [(ACTION, BPDU)], 'packet-ins of the port')


def test_down(sw):
    """Not used at all, and its link is down for the other end."""
    sw.flows('in_port=1,actions=output:2', 'in_port=2,actions=output:1')
    eth0 = lambda: sh('ip', '-n', sw.box.hosts[2], 'link', 'show', 'eth0')  # noqa: E731
    with Client(sw.sock) as c, PortConfig(sw, 2, 'down'):
        sw.forward([(1, U)], {})
        c.packet_out(CONTROLLER, output(2) + output(1), U)
        c.barrier()
        sw.received({1: [U]})
        check('NO-CARRIER' in eth0(), 'the link is not down')
    check(wait_for(lambda: 'state UP' in eth0()), 'the link is not up again')
    sw.forward([(1, U), (2, U)], {1: [U], 2: [U]})


# --- spanning tree ---

#        h1 ─ A(3)      Bridge A is the root by its priority; of B and C one blocks the link
#       (1) /   \ (2)   between them.  All three switches in one namespace.
#     B ───────────── C
#    h2  (2)     (2)   h3
PORT = 6653
LINKS = (('ab', 'ba'), ('ac', 'ca'), ('bc', 'cb'))
PORTS = {'a': ('ab', 'ac', 's1'), 'b': ('ba', 'bc', 's2'), 'c': ('ca', 'cb', 's3')}


def start_triangle(box):
    for pair in LINKS:
        sh('ip', '-n', box.sw, 'link', 'add', pair[0], 'type', 'veth', 'peer', 'name', pair[1])
        for end in pair:
            sh('ip', '-n', box.sw, 'link', 'set', end, 'up')
    for n, (letter, ports) in enumerate(PORTS.items(), 1):
        name = box.name[-10:] + letter
        box.names.add(name)
        args = [x for i, port in enumerate(ports, 1) for x in ('-i', '%s=%d' % (port, i))]
        box.start(box.sw, OFXDPD, '-n', name, '--no-local', '--dpid', '%016x' % n, '-c', 'tcp:127.0.0.1:%d' % PORT, *args,
                  log='ofxdpd-%s.log' % letter)


def states(box):
    """{(switch, port): state} as the application tells it last."""
    lines = [x.split() for x in box.log('stp').split('\n') if x.startswith('state ')]
    return {(int(d), int(p)): s for _, d, p, s in lines}


def converged(box):
    now = list(states(box).values())
    return len(now) == 9 and now.count('BLOCK') == 1 and now.count('FORWARD') == 8


def test_spanning_tree_on_a_triangle(_):
    """os-ken's stplib takes every port out of use with NO_PACKET_IN while it listens for BPDUs."""
    with Sandbox(3) as box:
        start_triangle(box)
        box.start(box.sw, PYTHON, '-m', 'os_ken.cmd.manager', '--ofp-listen-host', '127.0.0.1', '--ofp-tcp-listen-port', PORT,
                  TOP + '/test/e2e/stp_switch.py', log='stp', env=dict(os.environ, PYTHONDONTWRITEBYTECODE='1'))
        check(wait_for(lambda: converged(box), 60, 0.2), 'no tree: %r\n%s', states(box), box.log('stp')[-3000:])
        for i, j in ((1, 2), (2, 3), (3, 1)):
            out = box.run(box.hosts[i], 'ping', '-c', '3', '-i', '0.2', '-W', 2 * SLOW, box.ip(j), check=False)
            check('3 received' in out, 'host %d to %d: %s', i, j, out)
        taps = {i: Tap(box.hosts[i], 'eth0') for i in box.hosts}
        frame = eth(1, 'ff:ff:ff:ff:ff:ff', (), 0x1234, bytes(50))
        taps[1].send(frame)
        for i in (2, 3):
            got = [f for f in taps[i].receive(1000, 1.5) if f == frame]
            equal(len(got), 1, 'copies of a broadcast at host %d' % i)
        check(converged(box), 'the tree is another: %r', states(box))


if __name__ == '__main__':
    run_tests(sys.modules[__name__], lambda: Switch(3))
