# SPDX-License-Identifier: GPL-2.0-only
"""MPLS through the whole switch: push, pop, set-field, TTLs, and tables that look at what a pop uncovers."""
import struct
import sys

from lib import Switch, equal, eth, run_tests, udp

U = udp(1, 2)
IP = U[14:]
TAG = (0x8100, 3 << 13 | 5)


def entry(label, bos=1, ttl=64, tc=0):
    return struct.pack('>I', label << 12 | tc << 9 | bos << 8 | ttl)


def mpls(*entries, payload=IP, kind=0x8847, tags=()):
    return eth(1, 2, tags, kind, b''.join(entries) + payload)


def case(sw, flows, frame, want):
    sw.flows(*flows)
    sw.forward([(1, frame)], want)


def test_push(sw):
    case(sw, ['ip,actions=push_mpls:0x8847,output:2,set_field:7->mpls_label,set_field:5->mpls_tc,output:3'], U,
         {2: [mpls(entry(0))], 3: [mpls(entry(7, tc=5))]})
    case(sw, ['mpls,actions=push_mpls:0x8848,set_field:9->mpls_label,output:2'], mpls(entry(7, ttl=3, tc=5)),
         {2: [mpls(entry(9, 0, 3, 5), entry(7, 1, 3, 5), kind=0x8848)]})


def test_a_label_goes_before_tags(sw):
    tagged = udp(1, 2, tags=[TAG])
    labelled = mpls(entry(0), payload=tagged[14:])
    case(sw, ['dl_vlan=5,actions=push_mpls:0x8847,output:2'], tagged, {2: [labelled]})
    case(sw, ['mpls,actions=pop_mpls:0x8100,goto_table:1', 'table=1,dl_vlan=5,ip,actions=pop_vlan,output:2'], labelled, {2: [U]})


def test_pop_and_change(sw):
    case(sw, ['mpls,mpls_label=7,actions=pop_mpls:0x0800,set_field:10.9.8.7->ip_dst,dec_ttl,output:2'], mpls(entry(7)),
         {2: [udp(1, 2, dip='10.9.8.7', ttl=63)]})
    case(sw, ['mpls,actions=pop_mpls:0x8847,output:2,pop_mpls:0x0800,push_vlan:0x8100,output:3'], mpls(entry(7, 0), entry(8)),
         {2: [mpls(entry(8))], 3: [udp(1, 2, tags=[(0x8100, 0)])]})
    case(sw, ['mpls,dl_vlan=5,actions=pop_mpls:0x0800,output:2'], mpls(entry(7), tags=[TAG]), {2: [udp(1, 2, tags=[TAG])]})


def test_later_tables_see_what_is_below(sw):
    sw.flows('table=0,mpls,actions=pop_mpls:0x0800,goto_table:1', 'table=1,udp,udp_dst=2000,actions=output:2',
             'table=1,priority=1,actions=output:3')
    sw.forward([(1, mpls(entry(7)))], {2: [U]})
    other = udp(1, 2, dport=2001)
    sw.forward([(1, mpls(entry(7), payload=other[14:]))], {3: [other]})
    sw.flows('table=0,ip,actions=push_mpls:0x8847,set_field:8->mpls_label,goto_table:1',
             'table=1,mpls,mpls_label=8,mpls_bos=1,actions=output:2')
    sw.forward([(1, U)], {2: [mpls(entry(8))]})


def test_matches(sw):
    sw.flows('mpls,mpls_label=7,mpls_tc=2,actions=output:2', 'mpls,mpls_label=7,mpls_tc=2,mpls_bos=0,priority=40000,actions=output:3')
    for frame, want in ((mpls(entry(7, tc=2)), 2), (mpls(entry(7, 0, tc=2), entry(1)), 3)):
        sw.forward([(1, frame)], {want: [frame]})
    before = sw.drops()['no_match']
    sw.forward([(1, mpls(entry(6, tc=2))), (1, mpls(entry(7, tc=3))), (1, mpls(entry(7, tc=2), kind=0x8848))], {})
    equal(sw.drops()['no_match'] - before, 3, 'counted drops')


def test_ttl(sw):
    sw.flows('mpls,actions=dec_mpls_ttl,output:2,set_mpls_ttl:200,output:3')
    sw.forward([(1, mpls(entry(7)))], {2: [mpls(entry(7, ttl=63))], 3: [mpls(entry(7, ttl=200))]})
    before = sw.drops()['ttl_invalid']
    sw.forward([(1, mpls(entry(7, ttl=1)))], {})
    equal(sw.drops()['ttl_invalid'] - before, 1, 'counted drops')


def test_action_set(sw):
    """5.10, whatever the order written: pop, push, dec, set."""
    case(sw, ['mpls,actions=write_actions(set_field:9->mpls_label,dec_mpls_ttl,push_mpls:0x8848,pop_mpls:0x0800,output:2)'],
         mpls(entry(7, ttl=9)), {2: [mpls(entry(9, ttl=63), kind=0x8848)]})


def test_action_set_of_another_header(sw):
    """A label set before the pop of another table is not written into the address below, nor takes its place."""
    sw.flows('table=0,mpls,actions=write_actions(set_field:7->mpls_label,output:2),goto_table:1',
             'table=1,mpls,actions=pop_mpls:0x0800')
    sw.forward([(1, mpls(entry(5)))], {2: [U]})
    sw.flows('table=0,ip,actions=write_actions(set_field:10.9.8.7->ip_dst,output:2),goto_table:1',
             'table=1,ip,actions=push_mpls:0x8847,goto_table:2',
             'table=2,mpls,actions=write_actions(set_field:7->mpls_label),goto_table:3',
             'table=3,mpls,actions=write_actions(pop_mpls:0x0800)')
    sw.forward([(1, U)], {2: [udp(1, 2, dip='10.9.8.7')]})


if __name__ == '__main__':
    run_tests(sys.modules[__name__], Switch)
