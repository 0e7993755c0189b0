# SPDX-License-Identifier: GPL-2.0-only
"""Groups through the whole switch: every type, chains, different bytes per bucket, spread, fail-over, counters."""
import random
import re
import signal
import socket
import struct
import sys
import time

from lib import (OFXDPCTL, SLOW, Client, Skip, Source, Sink, Switch, check, equal, eth, ipv4, l4_csum, output, pace, run_tests, tcp,
                 template, udp, wait_for)

U = udp(1, 2)


def tagged(vid):
    return udp(1, 2, tags=[(0x8100, vid)])


def groups(sw, *texts):
    """Delete all groups (and with them the flows that use them), add these."""
    sw.of('del-groups')
    sw.flows()
    for t in texts:
        sw.of('add-group', t)


def stats(sw, group):
    """[(packets, bytes) of the group, then of each bucket]"""
    line = next(x for x in sw.of('dump-group-stats').split('\n') if 'group_id=%d,' % group in x)
    return [(int(p), int(b)) for p, b in re.findall(r'packet_count=(\d+),byte_count=(\d+)', line)]


def test_all_gives_each_bucket_its_own_packet(sw):
    groups(sw, 'group_id=1,type=all,bucket=actions=push_vlan:0x8100,set_field:4101->vlan_vid,output:2,'
               'bucket=actions=set_field:02:00:00:00:00:09->eth_dst,output:3,bucket=actions=output:2,'
               'bucket=actions=output:1,bucket=actions=dec_ttl,in_port')
    sw.flows('in_port=1,actions=group:1')
    sw.forward([(1, U)], {1: [udp(1, 2, ttl=63)], 2: [tagged(5), U], 3: [udp(1, 2, dmac='02:00:00:00:00:09')]})
    n = len(U)
    equal(stats(sw, 1), [(1, n)] * 6, 'counters of the group and its buckets')


def test_behind_a_group_the_packet_is_unchanged(sw):
    groups(sw, 'group_id=1,type=all,bucket=actions=push_vlan:0x8100,output:2,bucket=actions=dec_ttl,output:3',
           'group_id=2,type=indirect,bucket=actions=push_vlan:0x8100,set_field:4103->vlan_vid,output:2')
    sw.flows('in_port=1,udp,actions=set_field:2001->udp_dst,group:1,group:2,output:2,push_vlan:0x8100,'
             'set_field:4105->vlan_vid,output:3')
    changed = udp(1, 2, dport=2001)
    got = collect(sw, 1, [U])
    equal(sorted(got[2]), sorted([udp(1, 2, dport=2001, tags=[(0x8100, 0)]), udp(1, 2, dport=2001, tags=[(0x8100, 7)]), changed]),
          'at host 2')
    equal(sorted(got[3]), sorted([udp(1, 2, dport=2001, ttl=63), udp(1, 2, dport=2001, tags=[(0x8100, 9)])]), 'at host 3')


def test_a_bucket_is_an_action_set(sw):
    """5.10: pop, push, decrement, set, output, whatever the order written."""
    groups(sw, 'group_id=1,type=indirect,bucket=actions=output:3,set_field:4104->vlan_vid,dec_ttl,push_vlan:0x8100,pop_vlan,output:2')
    sw.flows('in_port=1,vlan_tci=0x1000/0x1000,actions=group:1')
    sw.forward([(1, tagged(5))], {2: [udp(1, 2, ttl=63, tags=[(0x8100, 8)])]})


def test_from_the_action_set_and_later_tables(sw):
    groups(sw, 'group_id=4294967040,type=indirect,bucket=actions=push_vlan:0x8100,output:2')
    sw.flows('table=0,in_port=1,ip,actions=write_actions(output:3,group:4294967040),goto_table:1', 'table=1,ip,actions=dec_ttl')
    sw.forward([(1, U)], {2: [udp(1, 2, ttl=63, tags=[(0x8100, 0)])]})
    sw.flows('table=0,in_port=1,actions=group:4294967040,push_vlan:0x8100,goto_table:1', 'table=1,dl_vlan=0,actions=pop_vlan,output:3')
    sw.forward([(1, U)], {2: [udp(1, 2, tags=[(0x8100, 0)])], 3: [U]})


def collect(sw, host, frames, quiet=0.3):
    """What all hosts receive, in no order that is to be relied on."""
    for i in sw.box.hosts:
        sw.tap(i).drain()
    for f in frames:
        sw.tap(host).send(f)
    time.sleep(quiet * SLOW)
    return {i: sw.tap(i).receive(1 << 20, 0) for i in sw.box.hosts}


def test_a_large_group(sw):
    """512 buckets, each with its own bytes; more are refused."""
    text = 'group_id=7,type=all' + ''.join(',bucket=actions=set_field:%d->udp_dst,output:2' % (3000 + i) for i in range(512))
    groups(sw, text)
    sw.flows('in_port=1,udp,actions=group:7,output:3')
    got = collect(sw, 1, [U])
    equal(sorted(got[2]), sorted(udp(1, 2, dport=3000 + i) for i in range(512)), 'copies')
    equal(got[3], [U], 'behind the group')
    check('OUT_OF_BUCKETS' in sw.of('mod-group', text + ',bucket=actions=output:2', check=False), 'a bucket too many was taken')


def test_a_burst_through_a_large_group(sw):
    """60 packets at once, 100 buckets: the loop's rings hold what is on its way."""
    groups(sw, 'group_id=7,type=all' + ''.join(',bucket=actions=set_field:%d->udp_dst,output:%d' % (3000 + i, 2 + i % 3) for i in range(100)))
    sw.flows('in_port=1,actions=group:7')
    lost = sw.drops()['cont_lost']
    sent = Source(sw.box, 1, template(1, 2), '-n', '60').wait()['sent']
    wait_for(lambda: stats(sw, 7)[-1][0] == sent, 5)
    equal(set(p for p, _ in stats(sw, 7)), {sent}, 'packets of the group and each bucket')
    equal(sw.drops()['cont_lost'], lost, 'cont_lost')


def test_chains(sw):
    groups(sw, 'group_id=3,type=all,bucket=actions=output:3,bucket=actions=push_vlan:0x8100,output:2',
           'group_id=2,type=indirect,bucket=actions=dec_ttl,group:3',
           'group_id=1,type=all,bucket=actions=output:2,bucket=actions=group:2')
    sw.flows('in_port=1,actions=group:1')
    sw.forward([(1, U)], {2: [U, udp(1, 2, ttl=63, tags=[(0x8100, 0)])], 3: [udp(1, 2, ttl=63)]})
    for text, error in (('group_id=3,type=indirect,bucket=actions=group:1', 'LOOP'),
                        ('group_id=2,type=indirect,bucket=actions=group:2', 'LOOP')):
        check(error in sw.of('mod-group', text, check=False), '%s: no %s', text, error)
    check('CHAINED_GROUP' in sw.of('del-groups', 'group_id=3', check=False), 'a chained group was deleted')
    sw.forward([(1, U)], {2: [U, udp(1, 2, ttl=63, tags=[(0x8100, 0)])], 3: [udp(1, 2, ttl=63)]})
    equal([stats(sw, g)[0][0] for g in (1, 2, 3)], [2, 2, 2], 'packets')


def test_packet_out(sw):
    groups(sw, 'group_id=5,type=all,bucket=actions=output:1,bucket=actions=push_vlan:0x8100,output:2,bucket=actions=output:3')
    with Client(sw.sock) as c:
        for i in sw.box.hosts:
            sw.tap(i).drain()
        group = struct.pack('>HHI', 22, 8, 5)
        c.packet_out(0xfffffffd, group, U)
        c.barrier()
        sw.received({1: [U], 2: [udp(1, 2, tags=[(0x8100, 0)])], 3: [U]})
        c.packet_out(0xfffffffd, group[:4] + struct.pack('>I', 6), U)
        kind, _, body = c.recv()
        equal((kind, body[:4]), (1, struct.pack('>HH', 2, 9)), 'BAD_OUT_GROUP')


def test_packet_in_from_a_bucket(sw):
    groups(sw, 'group_id=5,type=all,bucket=actions=dec_ttl,controller,bucket=actions=output:2')
    with Client(sw.sock) as c:
        sw.flows('table=0,cookie=0x77,in_port=1,actions=group:5,goto_table:1', 'table=1,cookie=0x88,actions=output:3')
        sw.forward([(1, U)], {2: [U], 3: [U]})
        m = c.wait(10)
        check(m, 'no packet-in')
        equal(struct.unpack('>Q', m[2][8:16])[0], 0x77, 'cookie')
        equal(m[2][-len(U):], udp(1, 2, ttl=63), 'frame')


# --- SELECT ---

def flows_of(kind, n, seed=1):
    """n packets of n different flows."""
    r = random.Random(seed)
    out = set()
    while len(out) < n:
        a, b = ('10.%d.%d.%d' % (r.randrange(256), r.randrange(256), r.randrange(1, 255)) for _ in range(2))
        mac = '02:%02x:%02x:%02x:%02x:%02x' % tuple(r.randrange(256) for _ in range(5))
        six = bytes([0x20, 1]) + bytes(r.randrange(256) for _ in range(14)), bytes([0x20, 1]) + bytes(r.randrange(256) for _ in range(14))
        ports = r.randrange(1, 65536), r.randrange(1, 65536)
        if kind == 'mac':
            out.add(eth(mac, 2, kind=0x88b5, payload=bytes(46)))
        elif kind == 'arp':
            out.add(eth(1, 2, kind=0x0806, payload=struct.pack('>HHBBH6s4s6s4s', 1, 0x800, 6, 4, 1, b'\2\0\0\0\0\1', ip(a), bytes(6),
                                                             ip(b)) + bytes(18)))
        elif kind == 'ipv4':
            out.add(eth(1, 2, payload=ipv4(a, b, 253, bytes(26))))
        elif kind == 'ipv6':
            out.add(eth(1, 2, kind=0x86dd, payload=struct.pack('>IHBB', 6 << 28, 8, 253, 64) + six[0] + six[1] + bytes(8)))
        elif kind == 'udp':
            out.add(udp(1, 2, *ports))
        elif kind == 'tcp':
            out.add(tcp(1, 2, *ports, data=bytes(10)))
        elif kind == 'sctp':
            out.add(eth(1, 2, payload=ipv4('10.0.0.1', '10.0.0.2', 132, struct.pack('>HHII', *ports, 0, 0) + bytes(16))))
    return sorted(out)


def ip(text):
    return bytes(int(x) for x in text.split('.'))


KINDS = ('mac', 'arp', 'ipv4', 'ipv6', 'udp', 'tcp', 'sctp')
FLOWS = 10000


def spread(sw, frames, hosts):
    """{frame: host}"""
    got = {}
    for h in hosts:
        sw.tap(h).drain()
    for at in range(0, len(frames), 500):
        for f in frames[at:at + 500]:
            sw.tap(1).send(f)
        end = time.monotonic() + 2 * SLOW
        while len(got) < at + len(frames[at:at + 500]) and time.monotonic() < end:
            for h in hosts:
                for f in sw.tap(h).receive(1000, 0):
                    got[f] = h
    equal(len(got), len(frames), 'frames received')
    return got


def shares(got, hosts):
    return [sum(1 for h in got.values() if h == x) for x in hosts]


SELECT = 'group_id=9,type=select,bucket=weight:%d,watch_port:2,actions=output:2,bucket=weight:%d,watch_port:3,actions=output:3,' \
         'bucket=weight:%d,watch_port:4,actions=output:4'


def test_select_spread(sw):
    weights = (1, 2, 5)
    groups(sw, SELECT % weights)
    sw.flows('in_port=1,actions=group:9')
    for kind in KINDS:
        frames = flows_of(kind, FLOWS)
        n = shares(spread(sw, frames, (2, 3, 4)), (2, 3, 4))
        print('# %s: %s of %d by weights %s' % (kind, n, len(frames), weights))
        for got, w in zip(n, weights):
            want = len(frames) * w / sum(weights)
            check(abs(got - want) <= want / 10, '%s: %d of %d flows, want %d', kind, got, len(frames), want)


def test_select_is_stable_and_death_moves_only_its_own_flows(sw):
    groups(sw, SELECT % (1, 1, 1))
    sw.flows('in_port=1,actions=group:9')
    frames = flows_of('udp', 2000, seed=2)
    before = spread(sw, frames, (2, 3, 4))
    equal(spread(sw, frames, (2, 3, 4)), before, 'choices, a second time')
    sw.proc.send_signal(signal.SIGSTOP)
    try:
        carrier(sw, 3, False)
        after = spread(sw, frames, (2, 4))
        moved = {f for f in frames if before[f] != after[f]}
        equal(moved, {f for f in frames if before[f] == 3}, 'flows that moved')
        n = shares({f: after[f] for f in moved}, (2, 4))
        check(min(n) > 0.35 * len(moved), 'they went to %r', n)
        carrier(sw, 3, True)
        equal(spread(sw, frames, (2, 3, 4)), before, 'choices after its return')
    finally:
        sw.proc.send_signal(signal.SIGCONT)
        carrier(sw, 3, True)


def test_select_keeps_fragments_together(sw):
    groups(sw, SELECT % (1, 1, 1))
    sw.flows('in_port=1,actions=group:9')
    for i in range(50):
        head = ipv4('10.1.0.%d' % i, '10.2.0.1', 17, struct.pack('>HHHH', 1000 + i, 53, 32, 0) + bytes(16))
        first = eth(1, 2, payload=refragment(head, 0x2000))
        later = eth(1, 2, payload=refragment(ipv4('10.1.0.%d' % i, '10.2.0.1', 17, bytes(range(24))), 3))
        got = spread(sw, [first, later], (2, 3, 4))
        equal(got[first], got[later], 'the later fragment went to')


def refragment(packet, bits):
    from lib import csum
    h = packet[:6] + struct.pack('>H', bits) + packet[8:10] + b'\0\0' + packet[12:20]
    return h[:10] + struct.pack('>H', csum(h)) + h[12:] + packet[20:]


def test_weight_0_gets_nothing(sw):
    groups(sw, SELECT % (0, 3, 0))
    sw.flows('in_port=1,actions=group:9')
    frames = flows_of('udp', 300)
    equal(set(spread(sw, frames, (2, 3, 4)).values()), {3}, 'hosts')
    groups(sw, 'group_id=9,type=select,bucket=weight:0,actions=output:2')
    sw.flows('in_port=1,actions=group:9')
    before = sw.drops()['no_bucket']
    sw.forward([(1, U)], {})
    equal(sw.drops()['no_bucket'] - before, 1, 'counted drops')


# --- liveness ---

def carrier(sw, host, up):
    """The link goes down at its far end: the switch's own interface only loses the carrier."""
    sw.box.run(sw.box.hosts[host], 'ip', 'link', 'set', 'eth0', 'up' if up else 'down')
    sw.tap(host).sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # "network is down": known
    check(wait_for(lambda: ('NO-CARRIER' in sw.box.run(sw.sw, 'ip', 'link', 'show', 's%d' % host)) != up), 'carrier of s%d', host)


FF = 'group_id=%d,type=ff,bucket=%s,actions=push_vlan:0x8100,set_field:4098->vlan_vid,output:2,bucket=watch_port:3,' \
     'actions=push_vlan:0x8100,set_field:4099->vlan_vid,output:3,bucket=watch_port:4,actions=output:4'


def test_fast_failover_without_daemon(sw):
    groups(sw, FF % (1, 'watch_port:2'))
    sw.flows('in_port=1,actions=group:1')
    sw.forward([(1, U)], {2: [tagged(2)]})
    no_bucket = sw.drops()['no_bucket']
    sw.proc.send_signal(signal.SIGSTOP)
    try:
        carrier(sw, 2, False)
        alone(sw, 3, tagged(3))
        carrier(sw, 3, False)
        alone(sw, 4, U)
        carrier(sw, 4, False)
        sw.tap(1).send(U)
        check(wait_for(lambda: sw.drops()['no_bucket'] == no_bucket + 1), 'no live bucket was not counted: %r', sw.some_drops())
        carrier(sw, 3, True)
        alone(sw, 3, tagged(3))
        carrier(sw, 2, True)
        alone(sw, 2, tagged(2))
    finally:
        sw.proc.send_signal(signal.SIGCONT)
        for i in (2, 3, 4):
            carrier(sw, i, True)


def alone(sw, host, frame):
    """U goes to this host, as this frame; the other hosts' taps may be on interfaces that are down."""
    sw.tap(host).drain()
    sw.tap(1).send(U)
    equal(sw.tap(host).receive(1, 2), [frame], 'at host %d' % host)


def test_port_down_by_configuration(sw):
    groups(sw, FF % (1, 'watch_port:2'))
    sw.flows('in_port=1,actions=group:1')
    sw.of('mod-port', 's2', 'down')
    try:
        alone(sw, 3, tagged(3))
    finally:
        sw.of('mod-port', 's2', 'up')
        wait_for(sw.box.all_up)
    alone(sw, 2, tagged(2))


def test_watched_groups(sw):
    """Group 1's first bucket lives as long as one of group 2's buckets."""
    groups(sw, 'group_id=3,type=ff,bucket=watch_port:2,actions=output:2,bucket=watch_port:4,actions=output:4',
           'group_id=2,type=ff,bucket=watch_port:900,actions=output:900,bucket=watch_group:3,actions=group:3',
           'group_id=1,type=ff,bucket=watch_group:2,actions=group:2,bucket=watch_port:3,actions=output:3')
    sw.flows('in_port=1,actions=group:1')
    sw.forward([(1, U)], {2: [U]})
    sw.proc.send_signal(signal.SIGSTOP)
    try:
        carrier(sw, 2, False)
        alone(sw, 4, U)
        carrier(sw, 4, False)
        alone(sw, 3, U)
        carrier(sw, 2, True)
        alone(sw, 2, U)
    finally:
        sw.proc.send_signal(signal.SIGCONT)
        for i in (2, 4):
            carrier(sw, i, True)
    check('CHAINED_GROUP' in sw.of('del-groups', 'group_id=3', check=False), 'a group that others forward to was deleted')
    check('LOOP' in sw.of('mod-group', 'group_id=3,type=ff,bucket=watch_group:1,actions=output:2', check=False), 'no LOOP')


def test_what_is_watched_may_go_and_come(sw):
    groups(sw, 'group_id=1,type=ff,bucket=watch_group:2,actions=output:2,bucket=watch_port:3,actions=output:3')
    sw.flows('in_port=1,actions=group:1')
    alone(sw, 3, U)
    for _ in range(3):
        sw.of('add-group', 'group_id=2,type=indirect,bucket=actions=output:1')
        alone(sw, 2, U)
        sw.of('del-groups', 'group_id=2')
        alone(sw, 3, U)
    check('watch_group:2' in sw.of('dump-groups'), 'what is watched is not told')


def test_os_ken_s_example(sw):
    """Of its OFPGroupMod: a bucket that watches port 0 and group 0.  As in Open vSwitch it is never live."""
    groups(sw)
    sw.of('del-groups')
    with Client(sw.sock) as c:
        bucket = struct.pack('>HHII4x', 32, 100, 0, 0) + output(2, 2000)
        c.send(15, struct.pack('>HBxI', 0, 1, 1) + bucket)
        c.barrier()
        check(not c.queue, 'refused: %r', c.queue)
    sw.flows('in_port=1,actions=group:1,output:3')
    before = sw.drops()['no_bucket']
    sw.forward([(1, U)], {3: [U]})
    equal(sw.drops()['no_bucket'] - before, 1, 'drops')
    check('bucket' in sw.box.run(sw.sw, OFXDPCTL, sw.name, 'groups'), 'ofxdpctl groups')


def test_a_generic_ports_own_link_counts(_):
    """Frames for a generic port leave through a relay; its liveness is that of the port itself."""
    with Switch(hosts=3, start=False) as sw:
        for where, name in ((sw.sw, 's2'), (sw.box.hosts[2], 'eth0')):
            sw.box.run(where, 'ip', 'link', 'set', name, 'mtu', 9000)
        sw.start()
        check('xdpgeneric' in sw.box.run(sw.sw, 'ip', 'link', 'show', 's2'), 's2 is no generic port')
        groups(sw, 'group_id=1,type=ff,bucket=watch_port:2,actions=output:2,bucket=watch_port:3,actions=output:3')
        sw.flows('in_port=1,actions=group:1')
        sw.forward([(1, U)], {2: [U]})
        sw.proc.send_signal(signal.SIGSTOP)
        try:
            carrier(sw, 2, False)
            alone(sw, 3, U)
            carrier(sw, 2, True)
            alone(sw, 2, U)
        finally:
            sw.proc.send_signal(signal.SIGCONT)


def with_controller(sw):
    """A controller that the switch is connected to."""
    p = sw.box.start(sw.sw, 'ovs-testcontroller', '--no-chdir', '-O', 'OpenFlow13', '--unixctl=%s/ctl' % sw.box.dir,
                     'ptcp:6653:127.0.0.1', log='controller')
    check(wait_for(lambda: any('CONTROLLER' in x for x in sw.dump()), 20), 'no flow from the controller: %s', sw.tail())
    return p


def test_failover_under_load(_):
    """A link goes down under traffic, daemon and controller stopped: how many packets are lost."""
    with Switch(hosts=3, args=('-c', 'tcp:127.0.0.1')) as sw:
        stopped = [with_controller(sw), sw.proc]
        groups(sw, 'group_id=1,type=ff,bucket=watch_port:2,actions=output:2,bucket=watch_port:3,actions=output:3')
        sw.flows('in_port=1,actions=group:1')
        sinks = [Sink(sw.box, 2), Sink(sw.box, 3)]
        for p in stopped:
            p.send_signal(signal.SIGSTOP)
        try:
            source = Source(sw.box, 1, template(1, 2), '-r', pace(120000), '-d', 10 * SLOW)
            time.sleep(1)
            carrier(sw, 2, False)
            time.sleep(1)
            equal([state_of(p) for p in stopped], ['T', 'T'], 'states of controller and daemon')
            sent = source.stop()
            time.sleep(0.2 * SLOW)
            got = [s.stop() for s in sinks]
        finally:
            for p in stopped:
                p.send_signal(signal.SIGCONT)
    lost = sent['sent'] - sum(g['unique'] for g in got)
    print('# result: link down under %d packets/s, daemon and controller stopped: %d sent, %d by the first bucket, %d by '
          'the second, %d lost' % (sent['pps'], sent['sent'], got[0]['unique'], got[1]['unique'], lost))
    if SLOW == 1 and sent['pps'] < 100000:
        raise Skip('the machine is too busy: only %d packets/s were offered' % sent['pps'])
    check(got[0]['unique'] and got[1]['unique'], 'not both ways were taken: %r', got)
    check(lost < sent['pps'] / 50, '%d packets were lost: more than 20 ms', lost)


def state_of(process):
    with open('/proc/%d/stat' % process.pid) as f:
        return f.read().rpartition(')')[2].split()[0]


# --- changes ---

def test_modify_under_traffic(sw):
    """Each packet meets the group as it was or as it becomes: its copies carry the same mark."""
    def text(vid):
        return 'group_id=1,type=all,bucket=actions=set_field:%d->udp_dst,output:2,bucket=actions=set_field:%d->udp_dst,output:3' % (vid, vid)
    groups(sw, text(5000))
    sw.flows('in_port=1,udp,actions=group:1')
    for i in (2, 3):
        sw.tap(i).drain()
    seen = {2: {}, 3: {}}
    for n in range(600):
        if n % 20 == 0:
            sw.box.start(sw.sw, 'ovs-ofctl', '-O', 'OpenFlow13', 'mod-group', 'unix:' + sw.sock, text(5000 + n // 20))
        sw.tap(1).send(udp(1, 2, sport=n + 1))
        time.sleep(0.002 * SLOW)
    time.sleep(0.5 * SLOW)
    for i in (2, 3):
        for f in sw.tap(i).receive(1000, 0):
            sport, dport = struct.unpack('>HH', f[34:38])
            seen[i][sport] = dport
    equal(len(seen[2]), 600, 'packets')
    equal(seen[2], seen[3], 'marks by packet')
    check(len(set(seen[2].values())) > 5, 'the group was not modified meanwhile')


def test_modify_keeps_the_groups_counters(sw):
    groups(sw, 'group_id=1,type=all,bucket=actions=output:2,bucket=actions=output:3')
    sw.flows('in_port=1,actions=group:1')
    sw.forward([(1, U)] * 3, {2: [U] * 3, 3: [U] * 3})
    sw.of('mod-group', 'group_id=1,type=indirect,bucket=actions=output:3')
    sw.forward([(1, U)], {3: [U]})
    n = len(U)
    equal(stats(sw, 1), [(4, 4 * n), (1, n)], 'counters')


def test_delete_takes_flows_along(sw):
    groups(sw, 'group_id=1,type=indirect,bucket=actions=output:2', 'group_id=2,type=indirect,bucket=actions=output:3')
    with Client(sw.sock) as c:
        sw.add('in_port=1,cookie=0x11,send_flow_rem,actions=group:1', 'in_port=2,actions=write_actions(group:2)',
               'in_port=3,actions=output:1')
        check('ref_count=1' in sw.of('dump-group-stats').split('group_id=1')[1], 'ref_count')
        sw.forward([(1, U)], {2: [U]})
        sw.of('del-groups', 'group_id=1')
        m = c.wait(11)
        check(m, 'no FLOW_REMOVED')
        equal((struct.unpack('>Q', m[2][:8])[0], m[2][10]), (0x11, 3), 'cookie and reason (GROUP_DELETE)')
        equal(struct.unpack('>Q', m[2][24:32])[0], 1, 'packets')
    equal(len(sw.dump()), 2, 'flows left')
    sw.of('del-groups')
    equal(len(sw.dump()), 1, 'flows left')
    check('BAD_OUT_GROUP' in sw.of('add-flow', 'in_port=1,actions=group:1', check=False), 'a flow to no group was taken')
    check('group_id' not in sw.of('dump-groups'), 'groups are left')


def test_shown_without_daemon(_):
    """ofxdpctl groups: from the maps alone; counters begin with 0 when an index is used again."""
    with Switch(3) as sw:
        for _ in range(2):
            groups(sw, 'group_id=7,type=indirect,bucket=actions=output:3',
                   'group_id=4294967040,type=select,bucket=weight:3,watch_port:2,actions=push_vlan:0x8100,output:2,bucket=weight:1,'
                   'watch_group:7,actions=group:7')
            sw.flows('in_port=1,actions=group:7')
            sw.forward([(1, U)], {3: [U]})
        sw.kill9()
        sw.forward([(1, U)], {3: [U]})
        rows = [tuple(x[k] for k in ('group', 'kind', 'weight', 'watch', 'packets', 'bytes', 'actions')) for x in sw.ctl('groups')]
        n = 2 * len(U)
        equal(sorted(rows), [
            (7, 'bucket 0', 0, '-', 2, n, 'output 3'),
            (7, 'indirect', 0, '-', 2, n, '-'),
            (4294967040, 'bucket 0', 3, 'port 2', 0, 0, 'push_vlan 0x8100, output 2'),
            (4294967040, 'bucket 1', 1, 'group 7', 0, 0, 'group 7'),
            (4294967040, 'select', 4, '-', 0, 0, '-')], 'rows')


def test_4096_groups(sw):
    n = 4096
    sw.of('del-groups')
    sw.flows()
    bodies = [struct.pack('>HBxI', 0, 2, g) + struct.pack('>HHII4x', 32, 0, 0xffffffff, 0xffffffff) +
              struct.pack('>HHIH6x', 0, 16, 2 + g % 3, 0) for g in range(n)]
    start = time.monotonic()
    with Client(sw.sock, timeout=60) as c:
        for b in bodies:
            c.send(15, b)
        c.barrier()
        equal([m for m in c.queue if m[0] == 1], [], 'errors')
        print('# %d groups in %.2f s' % (n, time.monotonic() - start))
        c.send(15, struct.pack('>HBxI', 0, 2, n) + bodies[0][8:])
        kind, _, body = c.recv()
        equal((kind, body[:4]), (1, struct.pack('>HH', 6, 3)), 'OUT_OF_GROUPS')
    equal(sw.of('dump-groups').count('group_id='), n, 'groups described')
    sw.add('in_port=1,actions=group:4095', 'in_port=2,actions=group:1234')
    sw.forward([(1, U)], {2 + 4095 % 3: [U]})
    sw.of('del-groups')
    equal(sw.dump(), [], 'flows left')


if __name__ == '__main__':
    run_tests(sys.modules[__name__], lambda: Switch(hosts=4))
