# SPDX-License-Identifier: GPL-2.0-only
"""Long ways through the pipeline: as many actions as a flow entry may have, many tables with a copy in each."""
import struct
import sys

from lib import Client, Switch, check, equal, mac_bytes, output, parse_packet_in, run_tests, udp

U = udp(1, 2)
ACTIONS = 64  # OFX_FLOW_OPS
TABLES = 20
SET_ASYNC, INVALID_TTL = 28, 2
CONTROLLER = 0xfffffffd
DEC_NW_TTL = struct.pack('>HH4x', 24, 8)


def mac(i):
    return '02:00:00:00:01:%02x' % i


def from_mac(i):
    return U[:6] + mac_bytes(mac(i)) + U[12:]


def test_a_list_full_of_outputs(sw):
    sw.flows('actions=' + ','.join(['output:2,output:3'] * (ACTIONS // 2)))
    sw.forward([(1, U)], {2: [U] * (ACTIONS // 2), 3: [U] * (ACTIONS // 2)})


def test_a_list_full_of_changes_and_outputs(sw):
    n = ACTIONS // 2
    sw.flows('actions=' + ','.join('set_field:%s->eth_src,output:2' % mac(i) for i in range(n)))
    sw.forward([(1, U)], {2: [from_mac(i) for i in range(n)]})


def test_many_tables_with_a_copy_in_each(sw):
    way = ['table=%d,actions=set_field:%s->eth_src,output:2,goto_table:%d' % (t, mac(t), t + 1) for t in range(TABLES)]
    sw.flows(*way, 'table=%d,dl_src=%s,actions=output:3' % (TABLES, mac(TABLES - 1)))
    sw.forward([(1, U)], {2: [from_mac(t) for t in range(TABLES)], 3: [from_mac(TABLES - 1)]})
    equal(sw.packets(), [1] * (TABLES + 1), 'packets of each flow')


def test_many_tags_on_the_way(sw):
    """Each push and pop parses the packet anew and goes on behind the goto."""
    n = TABLES // 2
    push = ['table=%d,actions=push_vlan:0x8100,set_field:%d->vlan_vid,goto_table:%d' % (t, 0x1001 + t, t + 1)
            for t in range(n)]
    pop = ['table=%d,dl_vlan=%d,actions=pop_vlan,output:2,goto_table:%d' % (n + t, n - t, n + t + 1) for t in range(n)]
    sw.flows(*push, *pop, 'table=%d,vlan_tci=0,ip,actions=dec_ttl,output:3' % (2 * n))
    sw.forward([(1, U)], {2: [udp(1, 2, tags=[(0x8100, v) for v in range(k, 0, -1)]) for k in range(n - 1, -1, -1)],
                          3: [udp(1, 2, ttl=63)]})


def test_ttl_that_runs_out_behind_the_last_output(sw):
    """Who asks for invalid-TTL packet-ins gets them, of flows and from the first packet-out on."""
    old = udp(1, 2, ttl=1)
    sw.flows('ip,actions=output:2,dec_ttl')
    sw.forward([(1, old)], {2: [old]})
    with Client(sw.sock) as c:
        c.send(SET_ASYNC, struct.pack('>6I', 1 << INVALID_TTL, 0, 7, 0, 15, 0))
        c.packet_out(CONTROLLER, output(2) + DEC_NW_TTL, old)
        sw.received({2: [old]})
        sw.forward([(1, old)], {2: [old]})
        for in_port in (CONTROLLER, 1):
            m = c.wait(Client.PACKET_IN)
            check(m, 'no packet-in of a packet from port %#x', in_port)
            p = parse_packet_in(m[2])
            equal((p['reason'], p['in_port'], p['data']), (INVALID_TTL, in_port, old), 'packet-in')


if __name__ == '__main__':
    run_tests(sys.modules[__name__], lambda: Switch(3))
