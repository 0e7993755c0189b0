# SPDX-License-Identifier: GPL-2.0-only
"""docs/actions.md: an action without its header does nothing, where no match can promise one: buckets, packet-outs."""
import struct
import sys

from lib import Client, Switch, check, equal, eth, run_tests, tcp, udp
from os_ken.ofproto import ofproto_v1_3_parser as parser
from test_mpls import entry, mpls
from test_pbb import DP, body, pbb, put

U, T = udp(1, 2), tcp(1, 2)
TAG = (0x8100, 5)
ARP = eth(1, 2, (), 0x0806, bytes.fromhex('0001080006040001') + bytes(20) + bytes(18))
LLC = eth(1, 2, (), 40, bytes.fromhex('424203') + bytes(37))  # 802.3: no Ethernet type

# As a bucket of ovs-ofctl has it; as a list of a packet-out; whose header it needs: a frame that has it, and what it becomes.
PUSHED, LABELLED, BACKBONE = udp(1, 2, tags=[TAG]), mpls(entry(7)), pbb(U, 7)
MOVED = udp(1, 2, ttl=63)
ACTIONS = (
    ('pop_vlan', parser.OFPActionPopVlan(), PUSHED, U),
    ('set_field:4105->vlan_vid', put(vlan_vid=0x1009), PUSHED, udp(1, 2, tags=[(0x8100, 9)])),
    ('set_field:3->vlan_pcp', put(vlan_pcp=3), PUSHED, udp(1, 2, tags=[(0x8100, 3 << 13 | 5)])),
    ('pop_mpls:0x0800', parser.OFPActionPopMpls(0x800), LABELLED, U),
    ('set_field:9->mpls_label', put(mpls_label=9), LABELLED, mpls(entry(9))),
    ('set_mpls_ttl(9)', parser.OFPActionSetMplsTtl(9), LABELLED, mpls(entry(7, ttl=9))),
    ('dec_mpls_ttl', parser.OFPActionDecMplsTtl(), LABELLED, mpls(entry(7, ttl=63))),
    (None, parser.OFPActionCopyTtlOut(), mpls(entry(7, ttl=3)), LABELLED),
    (None, parser.OFPActionCopyTtlIn(), mpls(entry(7, ttl=63)), mpls(entry(7, ttl=63), payload=MOVED[14:])),
    (None, parser.OFPActionPopPbb(), BACKBONE, U),
    (None, put(pbb_isid=9), BACKBONE, pbb(U, 9)),
    ('mod_nw_ttl:63', parser.OFPActionSetNwTtl(63), U, MOVED),
    ('dec_ttl', parser.OFPActionDecNwTtl(), U, MOVED),
    ('set_field:10.9.8.7->ip_dst', put(ipv4_dst='10.9.8.7'), U, udp(1, 2, dip='10.9.8.7')),
    ('set_field:5->ip_dscp', put(ip_dscp=5), U, udp(1, 2, tos=20)),
    ('set_field:7->udp_dst', put(udp_dst=7), U, udp(1, 2, dport=7)),
    ('set_field:7->tcp_dst', put(tcp_dst=7), T, tcp(1, 2, dport=7)),
    ('set_field:9->sctp_dst', put(sctp_dst=9), None, None),
    ('set_field:3->icmp_type', put(icmpv4_type=3), None, None),
    ('set_field:3->icmpv6_type', put(icmpv6_type=3), None, None),
    ('set_field:3->arp_op', put(arp_op=3), ARP, ARP[:20] + b'\0\3' + ARP[22:]),
    ('set_field:10.9.8.7->arp_spa', put(arp_spa='10.9.8.7'), ARP, ARP[:28] + bytes([10, 9, 8, 7]) + ARP[32:]),
    ('set_field:2001:db8::1->ipv6_dst', put(ipv6_dst='2001:db8::1'), None, None),
    ('set_field:5->ipv6_label', put(ipv6_flabel=5), None, None),
    ('set_field:2001:db8::1->nd_target', put(ipv6_nd_target='2001:db8::1'), None, None),
    ('set_field:02:00:00:00:00:09->nd_sll', put(ipv6_nd_sll='02:00:00:00:00:09'), None, None),
    (None, put(eth_type=0x800), None, None),
)
FRAMES = (U, T, PUSHED, LABELLED, BACKBONE, ARP, LLC)


def has_other(text, action, frame):
    """Actions that more than one of these frames has the header for."""
    kinds = {'mod_nw_ttl:63': (U, T, PUSHED), 'dec_ttl': (U, T, PUSHED), 'set_field:10.9.8.7->ip_dst': (U, T, PUSHED),
             'set_field:5->ip_dscp': (U, T, PUSHED), 'set_field:7->udp_dst': (U, PUSHED)}
    if isinstance(action, parser.OFPActionSetField) and action.key == 'eth_type':
        return frame is not LLC
    if isinstance(action, (parser.OFPActionCopyTtlOut, parser.OFPActionCopyTtlIn)):
        return frame is LABELLED
    return frame in kinds.get(text, ())


def failed(sw):
    return sw.drops()['action_failed']


def listen(sw):
    for i in sw.box.hosts:
        sw.tap(i).drain()


def packet_out(c, actions, frame):
    c.send(c.PACKET_OUT, body(parser.OFPPacketOut(DP, buffer_id=0xffffffff, in_port=1, actions=actions, data=frame)))


def test_packet_out(sw):
    before = failed(sw)
    listen(sw)
    with Client(sw.sock) as c:
        for text, action, frame, changed in ACTIONS:
            frames = [(f, f) for f in FRAMES if f is not frame and not has_other(text, action, f)]
            if frame:
                frames.append((frame, changed))
            for f, _ in frames:
                packet_out(c, [action, parser.OFPActionOutput(2)], f)
            c.barrier()
            errors = [m for m in c.queue if m[0] == c.ERROR]
            check(not errors, '%s: %r', text or action, errors)
            sw.received({2: [want for _, want in frames]}, 0.05)
    equal(failed(sw), before, 'actions that failed')


def test_bucket(sw):
    before = failed(sw)
    for text, action, frame, changed in ACTIONS:
        if not text:
            continue
        sw.of('del-groups')
        sw.of('add-group', 'group_id=1,type=all,bucket=actions=%s,output:2,bucket=actions=output:3' % text)
        sw.flows('in_port=1,actions=group:1')
        frames = [(f, f) for f in FRAMES if f is not frame and not has_other(text, action, f)]
        if frame:
            frames.append((frame, changed))
        sw.forward([(1, f) for f, _ in frames] * 2, {2: [want for _, want in frames] * 2, 3: [f for f, _ in frames] * 2}, 0.05)
    equal(failed(sw), before, 'actions that failed')


def test_one_bucket_for_many_kinds(sw):
    """Each packet takes what is for its own headers, also where they stand at the same place."""
    sw.of('del-groups')
    sw.of('add-group', 'group_id=1,type=indirect,bucket=actions=set_field:7->tcp_dst,set_field:8->udp_dst,set_field:9->sctp_dst,'
                       'set_field:3->arp_op,set_field:10.9.8.7->ip_dst,set_field:10.9.8.6->arp_tpa,pop_vlan,output:2')
    sw.flows('in_port=1,actions=group:1')
    new = ARP[:20] + b'\0\3' + ARP[22:38] + bytes([10, 9, 8, 6]) + ARP[42:]
    sw.forward([(1, f) for f in (U, T, ARP, PUSHED, LLC)], {2: [
        udp(1, 2, dport=8, dip='10.9.8.7'), tcp(1, 2, dport=7, dip='10.9.8.7'), new, udp(1, 2, dport=8, dip='10.9.8.7'), LLC]})


def test_what_cannot_be_done_is_a_counted_drop(sw):
    """Not for want of a header: a label would take the place of an 802.3 frame's length."""
    before = failed(sw)
    listen(sw)
    with Client(sw.sock) as c:
        packet_out(c, [parser.OFPActionPushMpls(0x8847), parser.OFPActionOutput(2)], LLC)
        packet_out(c, [parser.OFPActionOutput(2)], U)
        c.barrier()
    sw.received({2: [U]})
    equal(failed(sw) - before, 1, 'actions that failed')


def test_a_malformed_packet_of_a_flow(sw):
    """Its match promises an IP packet by the Ethernet type only."""
    bad = U[:14] + b'\x65' + U[15:]
    sw.flows('ip,actions=dec_ttl,set_field:10.9.8.7->ip_dst,set_field:02:00:00:00:00:09->eth_dst,output:2')
    sw.forward([(1, bad), (1, U), (1, bad)], {2: [
        bytes.fromhex('020000000009') + bad[6:], udp(1, 2, ttl=63, dip='10.9.8.7', dmac='02:00:00:00:00:09'),
        bytes.fromhex('020000000009') + bad[6:]]})


def test_a_type_that_a_list_sets(sw):
    """What is behind it is then taken for what it says (§5.11: in the order of the list)."""
    listen(sw)
    seg = struct.pack('>HHHH', 1000, 7, len(U) - 34, 0) + U[42:]
    with Client(sw.sock) as c:
        as_tcp = U[:23] + b'\x06' + U[24:]
        packet_out(c, [put(ip_proto=17), put(udp_dst=7), parser.OFPActionOutput(2)], as_tcp[:40] + bytes(2) + as_tcp[42:])
        c.barrier()
    got = sw.tap(2).receive(1, 2)
    check(got and got[0][23] == 17 and got[0][34:42] == seg[:8], 'not UDP to port 7: %s', got and got[0].hex())


if __name__ == '__main__':
    run_tests(sys.modules[__name__], Switch)
