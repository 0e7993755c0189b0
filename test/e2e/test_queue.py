# SPDX-License-Identifier: GPL-2.0-only
"""Queues: what is sent by one passes its class of the port's qdisc, byte for byte, and is counted there.

    s1: no qdisc with classes        s2: HTB 1:, queues 1, 2 and 0x10, 1:f0 above 1 and 2
                                     s3: HTB a:, queue 2
"""
import contextlib
import re
import signal
import struct
import sys
import time

from lib import (Client, Failed, Sandbox, Sink, Skip, Source, Switch, Tap, check, equal, eth, ipv4, l4_csum, output, pace, parse_packet_in,
                 run_tests, sh, tcp, template, udp, wait_for)

IN_PORT, TABLE, ALL, CONTROLLER, ANY = 0xfffffff8, 0xfffffff9, 0xfffffffc, 0xfffffffd, 0xffffffff
ERROR, MULTIPART, GET_CONFIG, GET_CONFIG_REPLY, MP_QUEUE = 1, 18, 22, 23, 5
BAD_ACTION_BAD_QUEUE, BAD_PORT, BAD_QUEUE = (2, 8), (9, 0), (9, 1)
VLAN5 = 'push_vlan:0x8100,set_field:4101->vlan_vid'
T5 = (0x8100, 5)
U = udp(1, 2)


def tc(sw, *args):
    return sh('tc', '-n', sw.sw, *' '.join(args).split())


def class_add(sw, dev, parent, classid, rate, ceil=None):
    tc(sw, 'class add dev', dev, 'parent', parent, 'classid', classid, 'htb rate', rate, 'ceil %s' % ceil if ceil else '')


def qdiscs(sw):
    tc(sw, 'qdisc add dev s2 root handle 1: htb')
    class_add(sw, 's2', '1:', '1:f0', '100mbit')
    class_add(sw, 's2', '1:f0', '1:1', '50mbit', '1gbit')
    class_add(sw, 's2', '1:f0', '1:2', '2mbit', '2mbit burst 8k cburst 8k')
    class_add(sw, 's2', '1:', '1:10', '10gbit')
    tc(sw, 'qdisc add dev s3 root handle a: htb')
    class_add(sw, 's3', 'a:', 'a:2', '100mbit')


@contextlib.contextmanager
def setup():
    with Switch() as sw:
        qdiscs(sw)
        yield sw


def classes(sw, dev):
    """{classid: (packets, bytes)}, as tc counts."""
    out = sh('tc', '-n', sw.sw, '-s', 'class', 'show', 'dev', dev)
    found = re.findall(r'class htb (\w+:\w+) .*?\n Sent (\d+) bytes (\d+) pkt', out)
    return {c: (int(packets), int(octets)) for c, octets, packets in found}


class Control(Client):
    def error(self, xid):
        self.barrier()
        for m in self.queue:
            if m[:2] == (ERROR, xid):
                self.queue.remove(m)
                return struct.unpack('>HH', m[2][:4])
        return None

    def config(self, port):
        """{(port, queue): {property: rate}}, or the error."""
        kind, _, body = self.ask(GET_CONFIG, struct.pack('>I4x', port))
        if kind == ERROR:
            return struct.unpack('>HH', body[:4])
        equal((kind, struct.unpack('>I', body[:4])[0]), (GET_CONFIG_REPLY, port), 'reply')
        out, at = {}, 8
        while at < len(body):
            queue, of_port, length = struct.unpack('>IIH6x', body[at:at + 16])
            properties = [struct.unpack('>HH4xH6x', body[i:i + 16]) for i in range(at + 16, at + length, 16)]
            out[of_port, queue] = {kind: rate for kind, _, rate in properties}
            at += length
        return out

    def stats(self, port=ANY, queue=ANY):
        """{(port, queue): (packets, bytes, errors, seconds)}, or the error."""
        kind, _, body = self.ask(MULTIPART, struct.pack('>HH4xII', MP_QUEUE, 0, port, queue))
        if kind == ERROR:
            return struct.unpack('>HH', body[:4])
        out = {}
        for at in range(8, len(body), 40):
            p, q, octets, packets, errors, sec, nsec = struct.unpack('>IIQQQII', body[at:at + 40])
            out[p, q] = (packets, octets, errors, sec + nsec / 1e9)
        return out


def set_queue(queue):
    return struct.pack('>HHI', 21, 8, queue)


def bad_queue(sw, text):
    out = sw.of('add-flow', text, check=False)
    check('OFPBAC_BAD_QUEUE' in out, 'no BAD_QUEUE but: %s', out)


def sent(sw, dev, before):
    """What went through each queue since then, those without anything left out."""
    now = classes(sw, dev)
    now.pop('1:f0', None)
    out = {c: tuple(a - b for a, b in zip(now[c], before[c])) for c in now}
    return {c: v for c, v in out.items() if v[0]}


def passes(sw, actions, want, through, sends=None, match='priority=1'):
    """One flow; the frames that come out of each host, and (packets, bytes) by port and class."""
    sw.flows(match + ',actions=' + actions)
    before = {dev: classes(sw, dev) for dev in ('s2', 's3')}
    sw.forward(sends or [(1, U)], want)
    equal({dev: sent(sw, dev, before[dev]) for dev in before if sent(sw, dev, before[dev])}, through, 'through classes')


def test_without_classes(sw):
    for dev in ('s2', 's3'):
        tc(sw, 'qdisc del dev', dev, 'root')
    with Control(sw.sock) as c:
        equal(c.config(1), {}, 'queues of port 1')
        equal(c.config(ANY), {}, 'queues of all ports')
        equal(c.stats(), {}, 'statistics')
        equal(c.stats(1), {}, 'statistics of port 1')
        equal(c.stats(1, 1), BAD_QUEUE, 'statistics of a queue')
        equal(c.stats(9), BAD_PORT, 'statistics of a port that is not there')
        equal(c.config(9), BAD_PORT, 'queues of a port that is not there')
    bad_queue(sw, 'actions=set_queue:1,output:2')
    qdiscs(sw)


def test_a_queue_that_no_port_has(sw):
    for queue in (0, 3, 10, 0xf0, 0xffff, 0x10001, 0xffffffff):
        bad_queue(sw, 'actions=set_queue:%d,output:2' % queue)
        bad_queue(sw, 'actions=write_actions(set_queue:%d,output:2)' % queue)
    out = sw.of('add-group', 'group_id=7,type=all,bucket=set_queue:3,output:2', check=False)
    check('OFPBAC_BAD_QUEUE' in out, 'no BAD_QUEUE but: %s', out)
    with Control(sw.sock) as c:
        actions = set_queue(3) + output(2)
        xid = c.send(c.PACKET_OUT, struct.pack('>IIH6x', ANY, CONTROLLER, len(actions)) + actions + U)
        equal(c.error(xid), BAD_ACTION_BAD_QUEUE, 'error of a packet-out')


def test_what_there_is(sw):
    """veth tells 10 Gb/s; 1/10 % of that."""
    with Control(sw.sock) as c:
        two = {(2, 1): {1: 5, 2: 100}, (2, 2): {1: 0, 2: 0}, (2, 16): {1: 1000, 2: 1000}}
        three = {(3, 2): {1: 10, 2: 10}}
        equal(c.config(1), {}, 'port 1')
        equal(c.config(2), two, 'port 2')
        equal(c.config(3), three, 'port 3')
        equal(c.config(ANY), {**two, **three}, 'all ports')
        equal(sorted(c.stats()), [(2, 1), (2, 2), (2, 16), (3, 2)], 'statistics')
        equal(sorted(c.stats(2)), [(2, 1), (2, 2), (2, 16)], 'statistics of port 2')
        equal(sorted(c.stats(ANY, 2)), [(2, 2), (3, 2)], 'statistics of queues 2')
        equal(sorted(c.stats(2, 16)), [(2, 16)], 'statistics of one')
        equal(c.stats(3, 1), BAD_QUEUE, 'a queue of another port')
    out = sw.of('queue-stats', '2')
    check('3 queues' in out, 'ovs-ofctl: %s', out)
    check('min_rate:0.5%' in sw.of('queue-get-config', '2'), 'ovs-ofctl: %s', sw.of('queue-get-config', '2'))


def test_every_byte(sw):
    frames = [U, udp(1, 2, data=b''), udp(1, 2, data=bytes(range(256)) * 5), tcp(1, 2, data=b'x' * 1400), tcp(1, 2, data=b'x' * 1400),
              eth(1, 2, kind=0x0806, payload=b'\1' * 46), eth(1, 'ff:ff:ff:ff:ff:ff', kind=0x88b5, payload=b'\2' * 46),
              eth(1, '33:33:00:00:00:01', kind=0x86dd, payload=b'\3' * 60), eth(1, 2, kind=46, payload=b'\4' * 46)]
    passes(sw, 'set_queue:1,output:2', {2: frames}, {'s2': {'1:1': (len(frames), sum(map(len, frames)))}}, [(1, f) for f in frames])


def segment(i):
    """TCP segment i of a stream, of the kind that GRO merges."""
    sip, dip, data = Sandbox.ip(1), Sandbox.ip(2), bytes([i]) * 1000
    seg = l4_csum(sip, dip, 6, struct.pack('>HHIIBBHHH', 1000, 80, 1 + 1000 * i, 2, 0x50, 0x10, 8192, 0, 0) + data, 16)
    return eth(1, 2, (), 0x0800, ipv4(sip, dip, 6, seg))


def test_segments_are_not_merged(sw):
    frames = [segment(i) for i in range(30)]
    passes(sw, 'set_queue:1,output:2', {2: frames}, {'s2': {'1:1': (30, 30 * len(frames[0]))}}, [(1, f) for f in frames])


def test_tags(sw):
    """Tags stay on the frame; tc's classes count without the outermost, which is put back behind them."""
    tagged = [udp(1, 2, tags=[T5]), udp(1, 2, tags=[(0x88a8, 9), T5]), udp(1, 2, tags=[T5] * 5)]
    sw.flows('priority=1,actions=set_queue:1,output:2')
    sw.forward([(1, f) for f in tagged], {2: tagged})
    sw.flows('priority=1,actions=%s,set_queue:1,output:2' % VLAN5)
    sw.forward([(1, U)], {2: [udp(1, 2, tags=[T5])]})


def test_other_ways(sw):
    one = {'s2': {'1:1': (1, len(U))}}
    passes(sw, 'set_queue:16,output:2', {2: [U]}, {'s2': {'1:10': (1, len(U))}})
    passes(sw, 'write_actions(output:2,set_queue:1)', {2: [U]}, one)
    passes(sw, 'set_queue:1,in_port', {2: [U]}, one, [(2, U)])
    passes(sw, 'set_queue:1,set_queue:2,output:2', {2: [U]}, {'s2': {'1:2': (1, len(U))}})
    passes(sw, 'output:2,set_queue:1', {2: [U]}, {})
    sw.of('add-group', 'group_id=7,type=all,bucket=set_queue:1,output:2,bucket=set_queue:2,output:3,bucket=output:2')
    passes(sw, 'group:7', {2: [U, U], 3: [U]}, {'s2': {'1:1': (1, len(U))}, 's3': {'a:2': (1, len(U))}})
    passes(sw, 'set_queue:16,group:7', {2: [U, U], 3: [U]},
           {'s2': {'1:1': (1, len(U)), '1:10': (1, len(U))}, 's3': {'a:2': (1, len(U))}})
    sw.of('del-flows')
    sw.of('del-groups')


def test_a_later_table(sw):
    sw.flows('table=0,actions=set_queue:1,goto_table:1', 'table=1,ip,actions=dec_ttl,goto_table:2', 'table=2,actions=output:2')
    before = classes(sw, 's2')
    sw.forward([(1, U)], {2: [udp(1, 2, ttl=63)]})
    equal(sent(sw, 's2', before), {'1:1': (1, len(U))}, 'through classes')
    sw.flows('table=0,actions=set_queue:1,%s,goto_table:1' % VLAN5, 'table=1,dl_vlan=5,actions=pop_vlan,goto_table:2',
             'table=2,actions=output:2')
    sw.forward([(1, U)], {2: [U]})
    check('1:1' in sent(sw, 's2', before), 'not through the class')


def test_copies(sw):
    n = len(U)
    passes(sw, 'set_queue:1,output:2,output:3,set_queue:2,output:2,output:3,in_port', {2: [U, U], 3: [U, U], 1: [U]},
           {'s2': {'1:1': (1, n), '1:2': (1, n)}, 's3': {'a:2': (1, n)}})
    passes(sw, 'output:3,set_queue:1,output:2,%s,output:3' % VLAN5, {2: [U], 3: [U, udp(1, 2, tags=[T5])]},
           {'s2': {'1:1': (1, n)}})
    passes(sw, 'set_queue:2,flood', {2: [U], 3: [U]}, {'s2': {'1:2': (1, n)}, 's3': {'a:2': (1, n)}})
    passes(sw, 'set_queue:2,flood', {1: [U], 3: [U]}, {'s3': {'a:2': (1, n)}}, [(2, U)])
    passes(sw, 'set_queue:2,all,output:2', {2: [U, U], 3: [U]}, {'s2': {'1:2': (2, 2 * n)}, 's3': {'a:2': (1, n)}})
    sw.flows('actions=set_queue:1,controller,output:2')
    with Control(sw.sock) as c:
        sw.forward([(1, U)], {2: [U]})
        equal(parse_packet_in(c.wait(c.PACKET_IN)[2])['data'], U, 'packet-in')


def test_a_port_without_that_queue(sw):
    passes(sw, 'set_queue:1,output:3', {3: [U]}, {})
    passes(sw, 'set_queue:1,output:1', {1: [U]}, {}, [(2, U)])


def test_packet_out(sw):
    before = classes(sw, 's2')
    with Control(sw.sock) as c:
        c.packet_out(CONTROLLER, set_queue(1) + output(2), U)
        sw.received({2: [U]})
        equal(sent(sw, 's2', before), {'1:1': (1, len(U))}, 'through classes')
        equal(c.stats(2, 1)[2, 1][:2], classes(sw, 's2')['1:1'], 'statistics')
    for i in (1, 3):
        sw.tap(i).drain()


def port_counters(c, port):
    body = c.ask(MULTIPART, struct.pack('>HH4xI4x', 4, 0, port))[2][16:]
    return dict(zip(('rx_packets', 'tx_packets', 'rx_bytes', 'tx_bytes', 'rx_dropped', 'tx_dropped'), struct.unpack('>6Q', body[:48])))


def tx(c, port):
    counters = port_counters(c, port)
    return counters['tx_packets'], counters['tx_bytes'], counters['tx_dropped']


def test_port_counters(sw):
    sw.flows('actions=set_queue:1,output:2')
    with Control(sw.sock) as c:
        before = tx(c, 2)
        sw.forward([(1, U)] * 10, {2: [U] * 10})
        after = tx(c, 2)
    equal([b - a for a, b in zip(before, after)], [10, 10 * len(U), 0], 'tx packets, bytes, dropped')


def test_no_carrier(sw):
    """A qdisc without carrier drops without a word: we count."""
    sw.tap(2).close()  # it would tell of the link as an error
    del sw.taps[2]
    sh('ip', '-n', sw.box.hosts[2], 'link', 'set', 'eth0', 'down')
    try:
        sw.flows('actions=set_queue:1,output:2')
        before = sw.drops()['tx_drop']
        with Control(sw.sock) as c:
            was = tx(c, 2)
            sw.tap(1).send(U)
            check(wait_for(lambda: sw.drops()['tx_drop'] == before + 1), 'no drop counted: %r', sw.some_drops())
            equal([b - a for a, b in zip(was, tx(c, 2))], [0, len(U), 1], 'tx packets, bytes, dropped')
    finally:
        sh('ip', '-n', sw.box.hosts[2], 'link', 'set', 'eth0', 'up')
    check(wait_for(lambda: 'LOWER_UP' in sh('ip', '-n', sw.sw, 'link', 'show', 's2')), 'no carrier')
    sw.forward([(1, U)], {2: [U]})


def test_nothing_else_gets_into_the_stack(sw):
    """What is sent into the pair without our header is a counted drop."""
    before = sw.drops()['bad_inject']
    for end in ('q0', 'q1'):
        t = Tap(sw.sw, '%s-%s' % (sw.name, end))
        t.send(U)
        t.close()
    check(wait_for(lambda: sw.drops()['bad_inject'] == before + 2), 'drops: %r', sw.some_drops())


def rate_through(sw, queue, classid, offered, seconds=2):
    """Bits of frames a second that come to port 1, and that pass the class."""
    sw.flows('actions=set_queue:%d,output:2' % queue)
    source = Source(sw.box, 1, template(), '-r', pace(offered), '-d', seconds + 2)
    time.sleep(1)
    with Control(sw.sock) as c:
        start, came, passed = time.monotonic(), port_counters(c, 1)['rx_bytes'], classes(sw, 's2')[classid][1]
        time.sleep(seconds)
        came, passed = port_counters(c, 1)['rx_bytes'] - came, classes(sw, 's2')[classid][1] - passed
        took = time.monotonic() - start
    source.stop()
    return came * 8 / took, passed * 8 / took


def test_rates(sw):
    """HTB at work: 2 Mb/s (of whole frames) of 10 offered; all of it by the other queue."""
    offered, slow = rate_through(sw, 2, '1:2', 20000)
    print('# queue 2: %.2f Mb/s of %.2f, its ceiling is 2' % (slow / 1e6, offered / 1e6))
    check(slow < 2.1e6, 'queue 2 passes %d bit/s', slow)
    if offered < 9e6:
        raise Skip('the machine is too slow: %d of 10 Mb/s offered' % (offered / 1e6))
    check(slow > 1.8e6, 'queue 2 passes %d bit/s', slow)
    with Control(sw.sock) as c:
        check(c.stats(2, 2)[2, 2][2] > 0, 'no tx_errors')
    offered, fast = rate_through(sw, 1, '1:1', 20000)
    print('# queue 1: %.2f Mb/s of %.2f' % (fast / 1e6, offered / 1e6))
    check(fast > 0.8 * offered, 'queue 1 passes %d bit/s of %d', fast, offered)  # the two are not read at once


def at_rest(sw, c):
    """Nothing comes, nothing waits in a queue."""
    before = port_counters(c, 1)
    time.sleep(0.3)
    return not re.search(r'backlog [1-9]', tc(sw, '-s qdisc show dev s2')) and port_counters(c, 1) == before


def test_every_packet_is_accounted_for(sw):
    """Far more than the class takes: what does not arrive is a drop of the class or one of ours."""
    sw.flows('actions=set_queue:2,output:2')
    with Control(sw.sock) as c:
        before, errors, was = sw.drops(), c.stats(2, 2)[2, 2][2], port_counters(c, 2)
        came = port_counters(c, 1)['rx_packets']
        sink = Sink(sw.box, 2)
        sent = Source(sw.box, 1, template(), '-n', '100000', '-r', '0').wait()
        check(wait_for(lambda: at_rest(sw, c), 20), 'the queue stays full')
        seen = sink.stop()
        errors = c.stats(2, 2)[2, 2][2] - errors
        came = port_counters(c, 1)['rx_packets'] - came
        drops = {k: v - before[k] for k, v in sw.drops().items() if v != before[k]}
        tx = {k: v - was[k] for k, v in port_counters(c, 2).items()}
    print('# %d sent at %d/s, %d came, %d arrived, %d dropped by the class, by us %r' % (
        sent['sent'], sent['pps'], came, seen['unique'], errors, drops))
    equal(seen['duplicates'], 0, 'duplicates')
    equal(seen['unique'] + errors + sum(drops.values()), came, 'arrived and dropped')
    equal(tx['tx_packets'], seen['unique'] + errors, 'tx_packets')


def test_a_class_made_anew_begins_anew(sw):
    """Asked about before the switch hears that it was: its counters never go back within one life."""
    sw.flows('priority=1,actions=set_queue:16,output:2')
    before = classes(sw, 's2')['1:10'][0]
    with Control(sw.sock) as c:
        time.sleep(0.3)
        sw.forward([(1, U)] * 3, {2: [U] * 3}, 0)
        equal(c.stats(2, 16)[2, 16][0], before + 3, 'packets')
        sw.proc.send_signal(signal.SIGSTOP)
        try:
            xid = c.send(MULTIPART, struct.pack('>HH4xII', MP_QUEUE, 0, 2, 16))
            tc(sw, 'class del dev s2 classid 1:10')
            class_add(sw, 's2', '1:', '1:10', '10gbit')
        finally:
            sw.proc.send_signal(signal.SIGCONT)
        packets, _, sec, nsec = struct.unpack('>QQII', c.answer(xid)[2][24:48])
        check(packets == 0 and sec == 0 and nsec < 200000000, 'anew: %d packets, %d.%09d s', packets, sec, nsec)


def test_duration(sw):
    with Control(sw.sock) as c:
        class_add(sw, 's3', 'a:', 'a:5', '1mbit')
        old = c.stats(3, 2)[3, 2][3]
        time.sleep(1.2)
        new = c.stats(3)
        check(1.1 < new[3, 5][3] < 3, 'duration %r', new[3, 5])
        check(new[3, 2][3] > old + 1.1, 'duration %r of the other', new[3, 2])
        tc(sw, 'class del dev s3 classid a:5')
        class_add(sw, 's3', 'a:', 'a:5', '1mbit')
        check(c.stats(3, 5)[3, 5][3] < 1, 'duration goes on over a deletion')
        tc(sw, 'class del dev s3 classid a:5')
        equal(c.stats(3, 5), BAD_QUEUE, 'gone')


def test_without_the_daemon(sw):
    """Queues go on, also with another qdisc; the next daemon takes over."""
    sw.flows('actions=set_queue:2,output:3')
    sw.kill9()
    before = classes(sw, 's3')
    sw.forward([(1, U)], {3: [U]})
    equal(sent(sw, 's3', before), {'a:2': (1, len(U))}, 'through classes')
    tc(sw, 'qdisc del dev s3 root')
    sw.forward([(1, U)], {3: [U]})
    tc(sw, 'qdisc add dev s3 root handle b: htb')
    class_add(sw, 's3', 'b:', 'b:2', '100mbit')
    sw.forward([(1, U)], {3: [U]})
    equal(classes(sw, 's3')['b:2'], (1, len(U)), 'through the new class')
    sw.start()
    sw.flows('actions=set_queue:2,output:3')
    sw.forward([(1, U)], {3: [U]})
    equal(classes(sw, 's3')['b:2'], (2, 2 * len(U)), 'through the new class')


def test_the_filter_is_put_back(sw):
    tc(sw, 'qdisc del dev %s-q1 clsact' % sw.name)
    check(wait_for(lambda: 'ofx_egress' in tc(sw, 'filter show dev %s-q1 ingress' % sw.name)), 'no filter')
    sw.flows('actions=set_queue:2,output:3')
    sw.forward([(1, U)], {3: [U]})


KINDS = {'prio': ('prio bands 4', ''), 'ets': ('ets bands 4 strict 4', ''), 'drr': ('drr', 'drr quantum 1514'),
         'qfq': ('qfq', 'qfq weight 1 maxpkt 2048'), 'hfsc': ('hfsc', 'hfsc sc rate 1gbit')}


def test_other_kinds_of_qdisc(sw):
    """Those this kernel has."""
    tc(sw, 'qdisc del dev s2 root')
    tried = []
    for kind, (qdisc, klass) in KINDS.items():
        try:
            tc(sw, 'qdisc add dev s2 root handle 7:', qdisc)
        except Failed:
            continue
        if klass:
            tc(sw, 'class add dev s2 parent 7: classid 7:2', klass)
        tried.append(kind)
        sw.flows('actions=set_queue:2,output:2')
        sw.forward([(1, U)], {2: [U]})
        with Control(sw.sock) as c:
            equal(c.stats(2, 2)[2, 2][:2], (1, len(U)), 'statistics with ' + kind)
            equal(sorted(c.stats(2)), [(2, 2)] if klass else [(2, i) for i in range(1, 5)], 'queues of ' + kind)
        tc(sw, 'qdisc del dev s2 root')
    if not tried:
        raise Skip('the kernel has none of ' + ', '.join(KINDS))
    print('# ' + ' '.join(tried))


def test_qdiscs_without_queues(sw):
    """Classes below a classless root, or of a kind that skb->priority does not choose, are no queues."""
    tc(sw, 'qdisc replace dev s2 root handle 7: tbf rate 10mbit burst 10kb latency 50ms')
    tc(sw, 'qdisc add dev s2 parent 7:1 handle 8: htb')
    class_add(sw, 's2', '8:', '8:2', '1mbit')
    with Control(sw.sock) as c:
        equal(c.stats(2), {}, 'queues')
    sw.flows('actions=set_queue:2,output:2')
    sw.forward([(1, U)], {2: [U]})
    tc(sw, 'qdisc del dev s2 root')


def test_a_generic_port(_):
    """As input and as output: the frame goes through the qdisc of the interface itself."""
    with Switch(2, start=False) as sw:
        sw.link(2, 'mtu', '9000')
        sh('ip', '-n', sw.box.hosts[2], 'link', 'set', 'eth0', 'mtu', '9000')
        sw.start()
        check('xdpgeneric' in sw.box.run(sw.sw, 'ip', 'link', 'show', 's2'), 's2 is no generic port')
        for dev in ('s1', 's2'):
            tc(sw, 'qdisc add dev', dev, 'root handle 1: htb')
            class_add(sw, dev, '1:', '1:1', '1gbit')
        sw.flows('in_port=1,actions=set_queue:1,output:2', 'in_port=2,actions=set_queue:1,output:1,in_port')
        sw.forward([(1, U)], {2: [U]})
        equal(classes(sw, 's2')['1:1'], (1, len(U)), 'through the class')
        sw.forward([(2, U)], {1: [U], 2: [U]})
        equal((classes(sw, 's1')['1:1'], classes(sw, 's2')['1:1']), ((1, len(U)), (2, 2 * len(U))), 'through the classes')


def test_nothing_is_left(sw):
    sw.term()
    out = sh('ip', '-n', sw.sw, 'link')
    check('-q0' not in out and '-q1' not in out, 'left: %s', out)
    check('b:2' in classes(sw, 's3'), 'the operator\'s classes are gone')


if __name__ == '__main__':
    run_tests(sys.modules[__name__], setup)
