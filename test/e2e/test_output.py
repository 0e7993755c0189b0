# SPDX-License-Identifier: GPL-2.0-only
"""What leaves which port: every frame compared byte by byte, copies with changes in between included."""
import re
import struct
import sys
import time

from lib import (SLOW, Client, Sink, Source, Switch, Tap, check, equal, eth, mac_bytes, output, pace, parse_packet_in, run_tests,
                 sh, tcp, template, udp, wait_for)

VLAN5 = 'push_vlan:0x8100,set_field:4101->vlan_vid'  # 0x1000 (a tag is there) + 5
T5, T6 = (0x8100, 5), (0x8100, 6)
U = udp(1, 2)
IN_PORT, TABLE, FLOOD, ALL, CONTROLLER, LOCAL = 0xfffffff8, 0xfffffff9, 0xfffffffb, 0xfffffffc, 0xfffffffd, 0xfffffffe


def actions(sw, text, want, frame=U, src=1, match='priority=1'):
    """One flow; what comes out of each host."""
    sw.flows(match + ',actions=' + text)
    sw.forward([(src, frame)], want)


def test_one_port(sw):
    actions(sw, 'output:2', {2: [U]})


def test_two_ports_same_bytes(sw):
    actions(sw, 'output:2,output:3', {2: [U], 3: [U]})


def test_flood(sw):
    actions(sw, 'flood', {2: [U], 3: [U]})
    actions(sw, 'flood', {1: [U], 3: [U]}, src=2)


def test_all(sw):
    actions(sw, 'all', {2: [U], 3: [U]})


def test_in_port(sw):
    actions(sw, 'in_port', {1: [U]})
    actions(sw, 'output:2,in_port', {1: [U], 2: [U]})


def test_port_of_arrival_needs_IN_PORT(sw):
    before = sw.drops()['output_in_port']
    actions(sw, 'output:1', {})
    equal(sw.drops()['output_in_port'] - before, 1, 'counted drops')
    actions(sw, 'output:1,output:2', {2: [U]})


def test_port_that_is_not_there(sw):
    before = sw.drops()['output_no_port']
    actions(sw, 'output:77', {})
    equal(sw.drops()['output_no_port'] - before, 1, 'counted drops')
    actions(sw, 'output:77,output:2', {2: [U]})
    actions(sw, 'output:2,output:77', {2: [U]})


def test_same_port_twice(sw):
    actions(sw, 'output:2,output:2', {2: [U, U]})
    actions(sw, 'output:2,%s,output:2,pop_vlan,output:2' % VLAN5, {2: [U, udp(1, 2, tags=[T5]), U]})


def test_vlan_handling_per_port(sw):
    tagged = udp(1, 2, tags=[T5])
    actions(sw, 'output:2,pop_vlan,output:3', {2: [tagged], 3: [U]}, frame=tagged, match='dl_vlan=5')
    actions(sw, '%s,output:2,pop_vlan,output:3' % VLAN5, {2: [tagged], 3: [U]})
    actions(sw, '%s,output:2,set_field:4102->vlan_vid,output:3,pop_vlan,in_port' % VLAN5,
            {2: [tagged], 3: [udp(1, 2, tags=[T6])], 1: [U]})
    actions(sw, 'flood,%s,flood' % VLAN5, {2: [U, tagged], 3: [U, tagged]})


def test_two_tags(sw):
    actions(sw, 'push_vlan:0x88a8,set_field:4102->vlan_vid,output:2,pop_vlan,output:3,pop_vlan,output:2',
            {2: [udp(1, 2, tags=[(0x88a8, 6), T5]), U], 3: [udp(1, 2, tags=[T5])]}, frame=udp(1, 2, tags=[T5]), match='dl_vlan=5')


def test_a_pushed_tag_takes_over_the_outer_one(sw):
    tagged = (0x8100, 3 << 13 | 5)
    actions(sw, 'push_vlan:0x88a8,output:2', {2: [udp(1, 2, tags=[(0x88a8, 3 << 13 | 5), tagged])]},
            frame=udp(1, 2, tags=[tagged]), match='dl_vlan=5')


def test_vlan_priority(sw):
    actions(sw, '%s,set_field:6->vlan_pcp,output:2' % VLAN5, {2: [udp(1, 2, tags=[(0x8100, 6 << 13 | 5)])]})


def test_set_field_between_outputs(sw):
    actions(sw, 'output:2,set_field:02:00:00:00:00:99->eth_dst,output:3,set_field:02:00:00:00:00:98->eth_src,output:2',
            {2: [U, mac_bytes('02:00:00:00:00:99') + mac_bytes('02:00:00:00:00:98') + U[12:]],
             3: [mac_bytes('02:00:00:00:00:99') + U[6:]]})


def test_set_field_repairs_checksums(sw):
    sw.flows('priority=1,udp,actions=output:2,set_field:10.9.8.7->ip_dst,output:3,set_field:5555->udp_dst,'
             'set_field:192.168.77.1->ip_src,output:2',
             'priority=1,tcp,actions=set_field:10.9.8.7->ip_src,set_field:81->tcp_dst,output:2')
    sw.forward([(1, U)], {2: [U, udp(1, 2, dport=5555, sip='192.168.77.1', dip='10.9.8.7')], 3: [udp(1, 2, dip='10.9.8.7')]})
    sw.forward([(1, tcp(1, 2, data=b'odd'))], {2: [tcp(1, 2, dport=81, sip='10.9.8.7', data=b'odd')]})


def test_ttl(sw):
    sw.flows('priority=1,ip,actions=output:2,dec_ttl,output:3,mod_nw_ttl:7,output:2')
    sw.forward([(1, U)], {2: [U, udp(1, 2, ttl=7)], 3: [udp(1, 2, ttl=63)]})


def test_tables_and_action_set(sw):
    sw.flows('table=0,actions=write_actions(%s,output:2),goto_table:1' % VLAN5,
             'table=1,actions=write_actions(output:3),goto_table:7',
             'table=7,actions=set_field:02:00:00:00:00:99->eth_dst,output:2')
    new = mac_bytes('02:00:00:00:00:99') + U[6:]
    sw.forward([(1, U)], {2: [new], 3: [new[:12] + bytes.fromhex('81000005') + new[12:]]})
    sw.flows('table=0,actions=write_actions(output:2),goto_table:1', 'table=1,actions=clear_actions')
    sw.forward([(1, U)], {})


def test_later_tables_see_changes(sw):
    sw.flows('table=0,actions=%s,goto_table:1' % VLAN5, 'table=1,dl_vlan=5,actions=output:2', 'table=1,priority=0,actions=output:3')
    sw.forward([(1, U)], {2: [udp(1, 2, tags=[T5])]})
    sw.flows('table=0,dl_vlan=5,actions=pop_vlan,goto_table:1', 'table=1,vlan_tci=0,udp,udp_dst=2000,actions=output:2')
    sw.forward([(1, udp(1, 2, tags=[T5]))], {2: [U]})
    sw.flows('table=0,udp,actions=set_field:77->udp_dst,goto_table:1', 'table=1,udp,udp_dst=77,actions=output:3')
    sw.forward([(1, U)], {3: [udp(1, 2, dport=77)]})


def test_metadata(sw):
    sw.flows('table=0,in_port=1,actions=write_metadata:0x500/0xff00,goto_table:1',
             'table=0,in_port=2,actions=write_metadata:0x600/0xff00,goto_table:1',
             'table=1,metadata=0x500,actions=output:3', 'table=1,metadata=0x600/0xf00,actions=output:1')
    sw.forward([(1, U)], {3: [U]})
    sw.forward([(2, U)], {1: [U]})


def test_long_and_short_frames(sw):
    sw.flows('priority=1,actions=output:2,%s,output:3' % VLAN5)
    for n in (1, 18, 1472):
        f, t = udp(1, 2, data=b'x' * n), udp(1, 2, data=b'x' * n, tags=[T5])
        sw.forward([(1, f)], {2: [f], 3: [t]})
    arp = eth(1, 'ff:ff:ff:ff:ff:ff', (), 0x0806, bytes.fromhex('00010800060400010200000000010a0000010000000000000a000002'))
    sw.forward([(1, arp)], {2: [arp], 3: [arp[:12] + bytes.fromhex('81000005') + arp[12:]]})


def test_frame_too_long_for_the_port(sw):
    long = udp(1, 2, data=b'x' * 1472)
    before = sw.drops()['output_mtu']
    actions(sw, '%s,push_vlan:0x88a8,output:2' % VLAN5, {}, frame=long)
    equal(sw.drops()['output_mtu'] - before, 1, 'counted drops')


def test_many_copies(sw):
    actions(sw, ','.join('output:%d' % (2 + i % 2) for i in range(30)), {2: [U] * 15, 3: [U] * 15})


def test_controller_in_a_list(sw):
    tagged = udp(1, 2, tags=[T5])
    sw.flows('cookie=0xabc,priority=1,actions=output:2,controller:65535,%s,controller:65535,output:3' % VLAN5)
    with Client(sw.sock) as c:
        sw.forward([(1, U)], {2: [U], 3: [tagged]})
        for frame in (U, tagged):
            m = c.wait(c.PACKET_IN)
            check(m, 'a packet-in is missing')
            p = parse_packet_in(m[2])
            equal(p['data'].hex(), frame.hex(), 'packet-in')
            equal((p['in_port'], p['table'], p['reason'], p['cookie'], p['total_len']), (1, 0, 1, 0xabc, len(frame)), 'header')


def test_table_miss_to_controller(sw):
    sw.flows('table=0,priority=0,actions=goto_table:3', 'table=3,priority=0,actions=controller:65535')
    with Client(sw.sock) as c:
        sw.forward([(2, U)], {})
        p = parse_packet_in(c.wait(c.PACKET_IN)[2])
        equal((p['in_port'], p['table'], p['reason'], p['data'].hex()), (2, 3, 0, U.hex()), 'packet-in')


def test_packet_out(sw):
    sw.flows('in_port=1,actions=output:2,output:3', 'in_port=2,actions=%s,output:1' % VLAN5)
    with Client(sw.sock) as c:
        for port, acts, want in (
                (CONTROLLER, output(2), {2: [U]}),
                (CONTROLLER, output(2) + output(3) + output(2), {2: [U, U], 3: [U]}),
                (1, output(ALL), {2: [U], 3: [U]}),
                (CONTROLLER, output(ALL), {1: [U], 2: [U], 3: [U]}),
                (1, output(IN_PORT), {1: [U]}),
                (1, output(TABLE), {2: [U], 3: [U]}),
                (2, output(TABLE), {1: [udp(1, 2, tags=[T5])]}),
                (1, output(3) + output(TABLE), {2: [U], 3: [U, U]}),
                (1, output(TABLE) + output(3), {2: [U], 3: [U, U]})):
            for i in sw.box.hosts:
                sw.tap(i).drain()
            c.packet_out(port, acts, U)
            c.barrier()
            sw.received(want)
        c.packet_out(CONTROLLER, output(CONTROLLER), U)
        p = parse_packet_in(c.wait(c.PACKET_IN)[2])
        equal((p['in_port'], p['data'].hex()), (CONTROLLER, U.hex()), 'packet-in')


def from_no_port(sw, port, sees):
    """Packet-outs whose in_port is none: {hosts that are there: what they get}."""
    hosts = sw.box.hosts
    with Client(sw.sock) as c:
        def out(actions, want):
            for i in hosts:
                sw.tap(i).drain()
            c.packet_out(port, actions, U)
            c.barrier()
            sw.received(want, 0.05)
        all_ports = {i: [U] for i in sees}
        out(output(2), {2: [U]})
        out(output(ALL), all_ports)
        out(output(2) + output(FLOOD), {**all_ports, 2: [U, U]})  # behind a copy, too
        before = sw.drops()['output_no_port']
        out(output(IN_PORT) + output(2), {2: [U]})
        equal(sw.drops()['output_no_port'] - before, 1, 'IN_PORT is a drop')
        sw.flows('priority=1,actions=output:2', *(['priority=2,in_port=%d,actions=output:1' % port] if 0 < port < 1000 else []))
        out(output(TABLE), {1 if 0 < port < 1000 else 2: [U]})
        c.packet_out(port, output(CONTROLLER), U)
        m = c.wait(c.PACKET_IN)
        check(m, 'no packet-in')
        equal((parse_packet_in(m[2])['in_port'], parse_packet_in(m[2])['data'].hex()), (port, U.hex()), 'packet-in')
        check(not c.queue, 'errors: %r', c.queue)


def test_packet_outs_from_no_port(sw):
    for port in (0, 77, 5000, 0xffffff00, 0xffffffff, LOCAL):
        from_no_port(sw, port, (1, 2, 3))
    with Client(sw.sock) as c:
        for port in (IN_PORT, TABLE, 0xfffffffa, FLOOD, ALL, 0xffffff01):
            c.packet_out(port, output(2), U)
            equal(struct.unpack('>HH', c.answer(c.xid)[2][:4]), (1, 11), 'BAD_PORT for %#x' % port)


def test_packet_outs_from_a_port_that_has_gone(_):
    with Switch(3) as s:
        sh('ip', '-n', s.sw, 'link', 'set', 's3', 'xdp', 'off')
        wait_for(lambda: ' 3(' not in s.of('show'))
        from_no_port(s, 3, (1, 2))


def test_no_match_is_a_counted_drop(sw):
    sw.flows('in_port=2,actions=output:1')
    before = sw.drops()
    sw.forward([(1, U)] * 3, {})
    after = sw.drops()
    equal(after['no_match'] - before['no_match'], 3, 'no_match')
    sw.flows('in_port=1,actions=drop')
    sw.forward([(1, U)], {})
    equal(sw.drops()['no_output'] - after['no_output'], 1, 'no_output')


def test_flow_counters(sw):
    sw.flows('in_port=1,actions=output:2,%s,output:3,goto_table:1' % VLAN5, 'table=1,actions=output:2')
    sw.forward([(1, U)] * 5, {2: [U, udp(1, 2, tags=[T5])] * 5, 3: [udp(1, 2, tags=[T5])] * 5}, 0.2)
    out = sw.of('dump-flows')
    equal(out.count('n_packets=5, n_bytes=%d,' % (5 * len(U))), 2, 'flows with 5 packets of %d bytes in\n%s' % (len(U), out))


def test_unicast_and_copies_mixed(sw):
    """Live frames of three kinds of flows in turn, so that each NAPI run holds all: nobody gets another's bytes."""
    sw.flows(*['in_port=1,dl_src=02:00:00:00:00:%02x,actions=%s' % x for x in enumerate((
        'output:2', 'output:2,%s,output:3' % VLAN5, 'flood'))])
    sinks = Sink(sw.box, 2), Sink(sw.box, 3)
    sent = Source(sw.box, 1, template(1, 2), '-n', 90000 // SLOW, '-r', pace(200000), '-f', 3, '-o', 8).wait()['sent']
    wait_for(lambda: sum(sw.packets()) == sent)
    one, both, flood = sw.packets()
    check(min(one, both, flood) > sent / 4, 'packets of the flows: %d, %d, %d', one, both, flood)
    two, three = [s.stop() for s in sinks]
    equal((two['unique'], two['tags']), (sent, [sent, 0, 0]), 'host 2')
    equal((three['unique'], three['tags']), (both + flood, [flood, both, 0]), 'host 3')


def test_frames_too_long_for_the_way_inside(_):
    """Longer than the internal interfaces take: no packet-in and no copies, counted; plain outputs and floods are no matter."""
    with Switch(3, start=False) as s:
        for i in (1, 2, 3):
            for where, name in ((s.sw, 's%d' % i), (s.box.hosts[i], 'eth0')):
                s.box.run(where, 'ip', 'link', 'set', name, 'mtu', 3490)
        s.start()
        check('generic' not in s.tail(30), 'a port is generic: %s', s.tail(30))
        mtu = min(int(re.search(r'mtu (\d+)', s.box.run(s.sw, 'ip', 'link', 'show', s.name + x))[1]) for x in ('-c0', '-c1', '-l0', '-l1'))
        fits = udp(1, 2, data=bytes(mtu + 18 - 32 - 42))
        long = udp(1, 2, data=bytes(3490 + 14 - 42))
        s.flows('in_port=1,actions=CONTROLLER:65535', 'in_port=2,actions=flood', 'in_port=3,actions=output:1,output:2')
        with Client(s.sock) as c:
            if len(fits) <= 3490 + 14:
                s.forward([(1, fits)], {})
                m = c.wait(c.PACKET_IN)
                equal(m and parse_packet_in(m[2])['data'], fits, 'packet-in')
            before = s.drops()
            s.forward([(1, long)], {})
            if len(long) + 32 > mtu + 18:
                equal(s.drops()['too_long'], before['too_long'] + 1, 'too_long')
                check(not c.wait(c.PACKET_IN, 0.2), 'a packet-in')
            s.forward([(2, long)], {1: [long], 3: [long]})


def test_copies_too_long_for_the_way_inside(_):
    """Labels and tags make a frame longer than what several copies, or the way by a queue, may have: counted."""
    with Switch(3, start=False) as s:
        for i, mtu in ((1, 3498), (2, 5000), (3, 5000)):
            for where, name in ((s.sw, 's%d' % i), (s.box.hosts[i], 'eth0')):
                s.box.run(where, 'ip', 'link', 'set', name, 'mtu', mtu)
        s.start()
        check('s1, native' in s.tail(30), 's1 is no native port: %s', s.tail(30))
        inside = min(int(re.search(r'mtu (\d+)', s.box.run(s.sw, 'ip', 'link', 'show', s.name + x))[1]) for x in ('-l0', '-l1')) + 18
        long = udp(1, 2, data=bytes(3498 + 14 - 42))

        def pushed(n, actions):
            s.flows('in_port=1,ip,actions=%s%s%s' % ('push_mpls:0x8847,' * min(n, 3), 'push_vlan:0x8100,' * (n - 3), actions))
            before = s.drops()['too_long']
            got = copies(s, long, 1)
            return {i: [len(f) for f in got[i]] for i in got}, s.drops()['too_long'] - before
        n = (inside - len(long)) // 4
        equal(pushed(n, 'output:2,output:3'), ({i: [len(long) + 4 * n] for i in (2, 3)}, 0), 'copies')
        equal(pushed(n + 1, 'output:2,output:3'), ({}, 1), 'copies')
        sh('tc', '-n', s.sw, 'qdisc', 'add', 'dev', 's2', 'root', 'handle', '1:', 'htb')
        sh('tc', '-n', s.sw, 'class', 'add', 'dev', 's2', 'parent', '1:', 'classid', '1:1', 'htb', 'rate', '1gbit')
        wait_for(lambda: 'queue 1:' in s.of('queue-stats', '2'), 3)
        n = (inside - 12 - len(long)) // 4
        equal(pushed(n, 'set_queue:1,output:2'), ({2: [len(long) + 4 * n]}, 0), 'by a queue')
        equal(pushed(n + 1, 'set_queue:1,output:2'), ({}, 1), 'by a queue')


def copies(s, frame, sender):
    """{host: frames} of all hosts that get some."""
    for i in s.box.hosts:
        s.tap(i).drain()
    s.tap(sender).send(frame)
    time.sleep(0.2)
    return {i: got for i in s.box.hosts for got in [s.tap(i).receive(9, 0)] if got}


def test_local(sw):
    with Switch(2, local=True) as s:
        s.flows('in_port=1,actions=output:2,LOCAL', 'in_port=LOCAL,actions=%s,output:1' % VLAN5)
        s.box.run(s.sw, 'ip', 'link', 'set', s.name, 'up')
        wait_for(lambda: 'state UP' in s.box.run(s.sw, 'ip', 'link', 'show', s.name + '-p'))
        local = Tap(s.sw, s.name)
        local.drain()
        s.forward([(1, U)], {2: [U]})
        equal([f.hex() for f in local.receive(1, 2)], [U.hex()], 'LOCAL')
        for i in (1, 2):
            s.tap(i).drain()
        local.send(U)
        s.received({1: [udp(1, 2, tags=[T5])]})
        local.close()


if __name__ == '__main__':
    run_tests(sys.modules[__name__], Switch)
