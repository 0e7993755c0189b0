# SPDX-License-Identifier: GPL-2.0-only
"""An independent client, ovs-ofctl, asks and orders everything it can over OpenFlow 1.3."""
import re
import struct
import subprocess
import sys

from lib import Client, Failed, Switch, check, equal, output, run_tests, udp, wait_for

U = udp(1, 2)


def has(text, *patterns):
    for p in patterns:
        check(re.search(p, text), '%r is not in\n%s', p, text)


def test_show(sw):
    has(sw.of('show'), 'dpid:00000000000000aa', 'n_tables:25[45]', 'n_buffers:0', r'1\(s1\): addr:02:00:00:00:ff:01',
        r'2\(s2\)', r'3\(s3\)', r'OFPT_GET_CONFIG_REPLY.*frags=normal')


def test_desc(sw):
    has(sw.of('dump-desc'), 'Manufacturer: .+', 'Hardware: .+', 'Software: .+', 'DP Description: .*' + sw.name)


def test_ports_desc(sw):
    out = sw.of('dump-ports-desc')
    has(out, r'1\(s1\)', 'config: +0', 'state: +(LIVE|0)', r'speed: \d+ Mbps now')


def test_ports(sw):
    sw.flows('actions=output:2')
    sw.forward([(1, U)] * 7, {2: [U] * 7})
    out = sw.of('dump-ports', '2')
    n = int(re.search(r'tx pkts=(\d+)', out)[1])
    check(n >= 7, 'port 2: %s', out)
    sw.forward([(1, U)] * 5, {2: [U] * 5})
    has(sw.of('dump-ports', '2'), r'tx pkts=%d, ' % (n + 5))
    has(sw.of('dump-ports'), 'port +(s1|"s1"|1):', 'duration')


def test_tables(sw):
    sw.flows('actions=goto_table:1', 'table=1,in_port=1,actions=output:2')
    sw.forward([(2, U)], {})  # or ovs-ofctl says of table 1 that it is as table 0
    before = sw.of('dump-tables')
    sw.forward([(1, U)] * 3 + [(2, U)] * 2, {2: [U] * 3})
    after = sw.of('dump-tables')

    def counters(text, table):
        m = re.search(r'table %s.*?active=(\d+), lookup=(\d+), matched=(\d+)' % table, text, re.S)
        check(m, 'table %s is not in\n%s', table, text)
        return [int(x) for x in m.groups()]
    for table, want in ((0, [0, 5, 5]), (1, [0, 5, 3])):
        equal([a - b for a, b in zip(counters(after, table), counters(before, table))], want, 'table %d' % table)
        equal(counters(after, table)[0], 1, 'active entries of table %d' % table)


def test_table_features(sw):
    out = sw.of('dump-table-features')
    has(out, 'table 0', 'max_entries=[1-9]', 'table 253', 'goto_table', 'metadata', 'apply_actions', 'exact match or wildcard', 'arbitrary mask: .*ipv6_')


def test_add_and_dump(sw):
    flows = ['table=3,priority=7,cookie=0x12,in_port=2,dl_vlan=9,ip,nw_dst=10.1.0.0/16,actions=dec_ttl,output:3',
             'priority=9,udp,nw_src=10.0.0.1,tp_dst=53,actions=set_field:10.0.0.9->ip_src,output:2,CONTROLLER:128',
             'priority=3,ipv6,ipv6_dst=2001:db8::/32,actions=write_actions(output:3),write_metadata:0x1/0xff,goto_table:3',
             'priority=0,actions=CONTROLLER:65535', 'priority=4,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=flood']
    sw.flows(*flows)
    out = '\n'.join(sw.dump())
    has(out, 'cookie=0x12, table=3, priority=7,ip,in_port="?(2|s2)"?,dl_vlan=9,nw_dst=10.1.0.0/16 actions=dec_ttl,output:"?(3|s3)',
        'priority=9,udp,nw_src=10.0.0.1,tp_dst=53 actions=set_field:10.0.0.9->ip_src,output:"?(2|s2)"?,CONTROLLER:128',
        'priority=3,ipv6,ipv6_dst=2001:db8::/32 actions=write_actions\\(output:"?(3|s3)"?\\),write_metadata:0x1/0xff,goto_table:3',
        'priority=0 actions=CONTROLLER:65535', 'dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=FLOOD')
    equal(len(sw.dump()), 5, 'flows')
    equal(len(sw.dump('table=3')), 1, 'flows of table 3')
    equal(len(sw.dump('udp')), 1, 'udp flows')
    equal(len(sw.dump('out_port=3')), 2, 'flows to port 3')
    equal(len(sw.dump('cookie=0x12/-1')), 1, 'flows of the cookie')


def test_aggregate(sw):
    sw.flows('in_port=1,actions=output:2', 'in_port=2,actions=output:1')
    sw.forward([(1, U)] * 4, {2: [U] * 4})
    has(sw.of('dump-aggregate'), 'packet_count=4 byte_count=%d flow_count=2' % (4 * len(U)))


def test_modify(sw):
    sw.flows('priority=5,in_port=1,udp,actions=output:2', 'priority=6,in_port=1,tcp,actions=output:2')
    sw.forward([(1, U)], {2: [U]})
    sw.of('mod-flows', 'in_port=1,actions=output:3')
    sw.forward([(1, U)], {3: [U]})
    equal(sw.packets('udp'), [2], 'counters go on over a modify')
    sw.of('--strict mod-flows', 'priority=5,in_port=1,udp,actions=output:2')
    sw.forward([(1, U)], {2: [U]})
    equal([x for x in sw.dump() if 'tcp' in x and 'output:3' in x.replace('"s3"', '3').replace('s3', '3')] != [], True, 'tcp flow')
    sw.of('mod-flows', 'priority=9,in_port=2,actions=output:3')
    equal(len(sw.dump()), 2, 'flows: in 1.3 a modify never adds')


def test_delete(sw):
    sw.flows('priority=5,in_port=1,udp,actions=output:2', 'priority=6,in_port=1,tcp,actions=output:2',
             'cookie=7,priority=6,in_port=2,actions=output:1', 'table=9,actions=output:1')
    sw.of('--strict del-flows', 'priority=6,in_port=1,udp')
    equal(len(sw.dump()), 4, 'strict delete of another priority')
    sw.of('--strict del-flows', 'priority=5,in_port=1,udp')
    equal(len(sw.dump()), 3, 'strict delete')
    sw.forward([(1, U)], {})
    sw.of('del-flows', 'cookie=7/-1')
    equal(len(sw.dump()), 2, 'delete by cookie')
    sw.of('del-flows', 'out_port=1')
    equal(len(sw.dump()), 1, 'delete by out_port')
    sw.of('del-flows')
    equal(sw.dump(), [], 'delete all')


def test_errors(sw):
    sw.flows('priority=5,in_port=1,udp,actions=output:2')
    for flow, error in (('check_overlap,priority=5,udp,tp_dst=9,actions=output:3', 'OFPFMFC_OVERLAP'),
                        ('table=5,actions=goto_table:4', 'OFPBIC_BAD_TABLE_ID|OFPBRC_BAD_TABLE|goto_table'),
                        ('actions=output:5000', 'OFPBAC_BAD_OUT_PORT'), ('actions=group:1', 'OFPBAC_BAD_OUT_GROUP|OFPBAC_BAD_TYPE')):
        try:
            out = sw.of('add-flow', flow)
        except Failed as e:
            has(str(e), error)
        else:
            raise Failed('%s was accepted: %s' % (flow, out))
    equal(len(sw.dump()), 1, 'flows: an error changes nothing')


def test_probe_budget(_):
    """--max-probes: what would take a table beyond it is TABLE_FULL; other tables, and less rules, are not."""
    with Switch(3, args=['--max-probes', '3']) as sw:
        def full(flow):
            before = sw.dump()
            try:
                sw.of('add-flow', flow)
            except Failed as e:
                has(str(e), 'OFPFMFC_TABLE_FULL')
                equal(sw.dump(), before, 'flows after the refusal')
                return True
            equal(len(sw.dump()), len(before) + 1, 'flows')
            return False
        masks = ['in_port=1', 'dl_src=02:00:00:00:00:01', 'udp', 'dl_dst=02:00:00:00:00:02']
        flows = ['priority=%d,%s,actions=output:2' % (i + 1, m) for i, m in enumerate(masks)]
        equal([full(f) for f in flows], [False, False, False, True], 'refused')
        equal([full('priority=9,in_port=2,actions=drop'), full('table=1,' + flows[3])], [False, False], 'refused')
        equal([x['probes'] for x in sw.ctl('tables') if x['kind'] == 'table'], [3, 1], 'probes by table')
        sw.forward([(1, U)], {2: [U]})
        sw.of('del-flows', 'table=0,udp')
        equal(full(flows[3]), False, 'refused')


def test_port_mod(sw):
    sw.flows('actions=flood')
    sw.of('mod-port', '3', 'no-forward')
    sw.forward([(1, U)], {2: [U]})
    sw.of('mod-port', '3', 'forward')
    sw.forward([(1, U)], {2: [U], 3: [U]})
    sw.of('mod-port', '1', 'no-receive')
    sw.forward([(1, U)], {})
    sw.of('mod-port', '1', 'receive')
    sw.flows('priority=0,actions=controller')  # of table misses only: test_port_config.py has the others
    sw.of('mod-port', '1', 'no-packet-in')
    with Client(sw.sock) as c:
        sw.forward([(1, U), (2, U)], {})
        m = c.wait(c.PACKET_IN)
        check(m and m[2][16:].find(struct.pack('>I', 2)) >= 0, 'packet-in of port 2')
        equal(c.wait(c.PACKET_IN, 0.2), None, 'packet-in of a port that sends none')
    sw.of('mod-port', '1', 'packet-in')


def test_packet_out(sw):
    sw.flows('in_port=1,actions=output:3')
    for i in sw.box.hosts:
        sw.tap(i).drain()
    sw.of('packet-out', 'in_port=controller packet=%s actions=output:2' % U.hex())
    sw.received({2: [U]})
    sw.of('packet-out', 'in_port=1 packet=%s actions=table' % U.hex())
    sw.received({3: [U]})


def test_monitor(sw):
    sw.flows('priority=0,actions=controller:65535')
    log = open(sw.box.dir + '/monitor', 'wb')
    p = subprocess.Popen(['ovs-ofctl', '-O', 'OpenFlow13', 'monitor', 'unix:' + sw.sock, '65534'], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        read = lambda: open(sw.box.dir + '/monitor').read()  # noqa: E731
        wait_for(lambda: sw.tap(1).send(U) or 'OFPT_PACKET_IN' in read(), 5, 0.2)
        has(read(), r'OFPT_PACKET_IN \(OF1.3\)[^\n]*cookie=0x0 total_len=%d in_port=1 \(via no_match\)' % len(U), 'udp,.*tp_dst=2000')
    finally:
        p.terminate()
        p.wait()


def test_groups_and_meters_are_empty(sw):
    has(sw.of('dump-groups'), 'OFPST_GROUP_DESC')
    has(sw.of('dump-meters'), 'OFPST_METER_CONFIG')
    sw.of('del-groups')
    sw.of('del-meters')
    sw.of('dump-group-features')
    sw.of('meter-features')


def test_replies_of_any_size(sw):
    sw.flows(*['in_port=1,dl_dst=02:00:00:01:%02x:%02x,actions=output:2' % (i >> 8, i & 255) for i in range(3000)])
    equal(len(sw.dump()), 3000, 'flows')


def test_echo_and_unknown_messages(sw):
    with Client(sw.sock) as c:
        c.echo()
        kind, _, body = c.ask(99)
        equal((kind, body[:4]), (c.ERROR, bytes([0, 1, 0, 1])), 'OFPBRC_BAD_TYPE')
        c.packet_out(0xfffffffd, output(2)[:12], b'')
        equal(c.wait(c.ERROR)[0], c.ERROR, 'actions of wrong length')
        xid = c.send(c.PACKET_OUT, struct.pack('>IIH6x', 5, 1, 16) + output(2))
        kind, _, body = c.answer(xid)
        equal((kind, body[:4]), (c.ERROR, bytes([0, 1, 0, 8])), 'OFPBRC_BUFFER_UNKNOWN')
        c.echo()


if __name__ == '__main__':
    run_tests(sys.modules[__name__], Switch)
