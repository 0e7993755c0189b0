# SPDX-License-Identifier: GPL-2.0-only
"""docs/matching.md, field by field and shape by shape: a header that is not there matches nothing, not even zero.

All fields of the packets here are zero, and so are all values asked for: what decides is whether the header is there.
Each packet comes several times, so that the flow cache answers too.
"""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'diff'))
from frame import (ARP, DEST, ESP, FRAG, HOP, ICMP, ICMP6, IP4, IP6, MPLS, NONEXT, PBB, SCTP, TCP, UDP, build)  # noqa: E402
from lib import Client, Failed, Switch, check, equal, run_tests, wait_for  # noqa: E402
from os_ken.ofproto import ofproto_v1_3_parser as parser  # noqa: E402
from test_pbb import DP, body, flow  # noqa: E402

MULTIPART_REQUEST, MP_FLOW = 18, 1
HIT, MISS = 1, 2  # cookies
TIMES = 3
SRC = 0x020000000001
V4, V6 = {'eth_type': IP4}, {'eth_type': IP6}
ND_NS, ND_NA = dict(V6, ip_proto=ICMP6, icmpv6_type=135), dict(V6, ip_proto=ICMP6, icmpv6_type=136)
TAGGED = {'vlan_vid': (0x1000, 0x1000)}


# --- packets: name → (frame, what is there) ---

def packet(kind, proto=None, **more):
    """All that can be zero is."""
    p = dict(eth_dst=0, eth_src=SRC, kind=kind, proto=proto, src=0, dst=0, sport=0, dport=0, type=0, sha=0, tha=0, op=0)
    return build(dict(p, **more))


def cut(frame, n):
    return frame[:len(frame) - n]


def byte(frame, at, value):
    return frame[:at] + bytes([value]) + frame[at + 1:]


def short_ip4(proto, n):
    """An IPv4 packet of n bytes behind its header, in a longer frame."""
    whole = packet(IP4, proto, data=bytes(20))
    return whole[:16] + struct.pack('>H', 20 + n) + whole[18:]


TAG, ITAG = (0x8100, 0), (bytes(6) + SRC.to_bytes(6, 'big'), [], 0)
SLL, TLL = bytes([1, 1]) + bytes(6), bytes([2, 1]) + bytes(6)
LATER = bytes([0, 8, 0, 0, 0, 1])
neighbour = lambda kind, options: packet(IP6, ICMP6, type=kind, target=0, nd_options=options)  # noqa: E731
exts = lambda n: [(DEST, bytes(6))] * n  # noqa: E731
SHAPES = {
    'UDP in IPv4': (packet(IP4, UDP), 'IP4 UDP'),
    'TCP in IPv4': (packet(IP4, TCP), 'IP4 TCP'),
    'TCP in IPv4, options': (packet(IP4, TCP, ip_options=bytes([1] * 4)), 'IP4 TCP'),
    'SCTP in IPv4': (packet(IP4, SCTP), 'IP4 SCTP'),
    'ICMP': (packet(IP4, ICMP), 'IP4 ICMP'),
    'IPv4, protocol 0': (packet(IP4, 0), 'IP4 PROTO0'),
    'first fragment': (packet(IP4, UDP, frag=0x2000), 'IP4 UDP'),
    'later fragment of UDP': (packet(IP4, UDP, frag=5, data=bytes(20)), 'IP4'),
    'later fragment of ICMP': (packet(IP4, ICMP, frag=5, data=bytes(20)), 'IP4'),
    'UDP cut': (short_ip4(UDP, 7), 'IP4'),
    'TCP cut': (short_ip4(TCP, 19), 'IP4'),
    'SCTP cut': (short_ip4(SCTP, 11), 'IP4'),
    'ICMP cut': (short_ip4(ICMP, 7), 'IP4'),
    'TCP data offset 4': (byte(packet(IP4, TCP), 46, 0x40), 'IP4'),
    'TCP data offset beyond the packet': (byte(packet(IP4, TCP), 46, 0x60), 'IP4'),
    'IPv4 total length beyond the frame': (cut(packet(IP4, UDP), 1), ''),
    'IPv4 header cut': (packet(IP4, UDP)[:33], ''),
    'IPv4 version 5': (byte(packet(IP4, UDP), 14, 0x55), ''),
    'IPv4 header length 4 words': (byte(packet(IP4, UDP), 14, 0x44), ''),
    'a tag': (packet(IP4, UDP, tags=[TAG]), 'VLAN IP4 UDP'),
    'four tags': (packet(IP4, UDP, tags=[TAG] * 4), 'VLAN IP4 UDP'),
    'five tags': (packet(IP4, UDP, tags=[TAG] * 5), 'VLAN'),
    'a tag cut': (packet(IP4, UDP, tags=[TAG])[:17], ''),
    'SNAP': (packet(IP4, UDP, snap=True), 'IP4 UDP'),
    '802.3': (packet(30, data=bytes(30)), ''),
    'ARP': (packet(ARP), 'ARP'),
    'ARP cut': (cut(packet(ARP), 1), ''),
    'ARP for token ring': (byte(packet(ARP), 15, 6), ''),
    'UDP in IPv6': (packet(IP6, UDP), 'IP6 PLAIN6 UDP'),
    'TCP in IPv6': (packet(IP6, TCP), 'IP6 PLAIN6 TCP'),
    'SCTP in IPv6': (packet(IP6, SCTP), 'IP6 PLAIN6 SCTP'),
    'ICMPv6': (packet(IP6, ICMP6), 'IP6 PLAIN6 ICMP6'),
    'ICMPv6 cut': (byte(cut(packet(IP6, ICMP6), 5), 19, 3), 'IP6 PLAIN6'),
    'first fragment in IPv6': (packet(IP6, UDP, exts=[(FRAG, bytes([0, 1, 0, 0, 0, 1]))]), 'IP6 UDP'),
    'later fragment in IPv6': (packet(IP6, UDP, exts=[(FRAG, LATER)], data=bytes(20)), 'IP6'),
    'eight extension headers': (packet(IP6, UDP, exts=exts(8)), 'IP6 UDP'),
    'nine extension headers': (packet(IP6, UDP, exts=exts(9)), 'IP6'),
    'hop-by-hop options cut': (byte(cut(packet(IP6, UDP, exts=[(HOP, bytes(6))]), 9), 19, 7), 'IP6 PROTO0'),
    'ESP': (packet(IP6, UDP, exts=[(ESP, bytes(8))]), 'IP6'),
    'no next header': (packet(IP6, UDP, exts=[(NONEXT, b'')]), 'IP6'),
    'IPv6 payload length beyond the frame': (cut(packet(IP6, UDP), 1), ''),
    'IPv6 header cut': (packet(IP6, UDP)[:53], ''),
    'IPv6 version 5': (byte(packet(IP6, UDP), 14, 0x50), ''),
    'solicitation': (neighbour(135, SLL), 'IP6 PLAIN6 NS NS_ND NS_LL'),
    'solicitation without option': (neighbour(135, b''), 'IP6 PLAIN6 NS NS_ND'),
    'solicitation with the other option': (neighbour(135, TLL), 'IP6 PLAIN6 NS NS_ND'),
    'solicitation, option of length 0': (neighbour(135, bytes(8) + SLL), 'IP6 PLAIN6 NS NS_ND'),
    'solicitation cut': (byte(cut(neighbour(135, b''), 1), 19, 23), 'IP6 PLAIN6 NS'),
    'advertisement': (neighbour(136, TLL), 'IP6 PLAIN6 NA NA_ND NA_LL'),
    'advertisement with the other option': (neighbour(136, SLL), 'IP6 PLAIN6 NA NA_ND'),
    'advertisement cut': (byte(cut(neighbour(136, b''), 1), 19, 23), 'IP6 PLAIN6 NA'),
    'a label': (packet(IP4, UDP, labels=[0]), 'MPLS'),
    'a label behind a tag': (packet(IP4, UDP, labels=[0], tags=[TAG]), 'VLAN MPLS'),
    'a label cut': (packet(IP4, UDP, labels=[0])[:17], ''),
    'a label in SNAP': (packet(IP4, UDP, labels=[0], snap=True), ''),
    'an I-TAG': (packet(IP4, UDP, pbb=ITAG), 'PBB'),
    'an I-TAG behind a B-TAG': (packet(IP4, UDP, pbb=(ITAG[0], [(0x88a8, 0)], 0)), 'VLAN PBB'),
    'an I-TAG cut': (packet(IP4, UDP, pbb=ITAG)[:31], ''),
}


# --- matches: (match, what must be there) ---

def zeros(pre, need, *fields):
    return [(dict(pre, **{f: 0}), need) for f in fields]


def masked(pre, need, **fields):
    """Each exact, and with a mask whose bits are zero in value and packet."""
    out = []
    for f, (zero, mask) in fields.items():
        out += [(dict(pre, **{f: zero}), need), (dict(pre, **{f: (zero, mask)}), need)]
    return out


MAC, A4, A6 = ('00:00:00:00:00:00', '00:00:00:00:00:ff'), ('0.0.0.0', '128.0.0.0'), ('::', 'ffff::')
MATCHES = [({}, ''), ({'eth_dst': MAC[0]}, ''), ({'vlan_vid': 0}, '!VLAN'), (TAGGED, 'VLAN'), ({'vlan_vid': 0x1000}, 'VLAN'),
           ({'vlan_vid': (0, 0xfff)}, ''), (dict(TAGGED, vlan_pcp=0), 'VLAN')]
MATCHES += [({'metadata': 0}, ''), ({'metadata': (0, 1)}, ''), ({'tunnel_id': 0}, '')]
MATCHES += zeros(V4, 'IP4', 'ip_dscp', 'ip_ecn') + zeros(V4, 'IP4 PROTO0', 'ip_proto') + masked(V4, 'IP4', ipv4_src=A4, ipv4_dst=A4)
MATCHES += zeros(V6, 'IP6', 'ip_dscp', 'ip_ecn') + zeros(V6, 'IP6 PROTO0', 'ip_proto') + masked(V6, 'IP6', ipv6_src=A6, ipv6_dst=A6)
MATCHES += masked(V6, 'IP6', ipv6_flabel=(0, 0xff)) + [(dict(V6, ipv6_exthdr=0), 'PLAIN6'), (dict(V6, ipv6_exthdr=(0, 4)), 'IP6')]
for version, number in ((V4, 'IP4 '), (V6, 'IP6 ')):
    for name, proto in (('tcp', TCP), ('udp', UDP), ('sctp', SCTP)):
        MATCHES += zeros(dict(version, ip_proto=proto), number + name.upper(), name + '_src', name + '_dst')
MATCHES += zeros(dict(V4, ip_proto=ICMP), 'ICMP', 'icmpv4_type', 'icmpv4_code')
MATCHES += zeros(dict(V6, ip_proto=ICMP6), 'ICMP6', 'icmpv6_type') + zeros(ND_NS, 'NS', 'icmpv6_code') + zeros(ND_NA, 'NA', 'icmpv6_code')
for pre, need, ll in ((ND_NS, 'NS', 'ipv6_nd_sll'), (ND_NA, 'NA', 'ipv6_nd_tll')):
    MATCHES += [(dict(pre, ipv6_nd_target='::'), need + '_ND'), (dict(pre, **{ll: MAC[0]}), need + '_LL')]
MATCHES += zeros({'eth_type': ARP}, 'ARP', 'arp_op')
MATCHES += masked({'eth_type': ARP}, 'ARP', arp_spa=A4, arp_tpa=A4, arp_sha=MAC, arp_tha=MAC)
MATCHES += zeros({'eth_type': MPLS[0]}, 'MPLS', 'mpls_label', 'mpls_tc', 'mpls_bos')
MATCHES += masked({'eth_type': PBB}, 'PBB', pbb_isid=(0, 0xff))


# --- the test ---

def counts(c):
    request = struct.pack('>HH4xB3xII4xQQHH4x', MP_FLOW, 0, 0xff, 0xffffffff, 0xffffffff, 0, 0, 1, 4)
    data, at, out = c.ask(MULTIPART_REQUEST, request)[2][8:], 0, {}
    while at < len(data):
        cookie, packets = struct.unpack('>QQ', data[at + 24:at + 40])
        out[cookie] = packets
        at += struct.unpack('>H', data[at:at + 2])[0]
    return out


def install(c, *flows):
    c.send(c.FLOW_MOD, body(parser.OFPFlowMod(DP, table_id=0xff, command=3, out_port=0xffffffff, out_group=0xffffffff)))
    for f in flows:
        c.send(c.FLOW_MOD, body(f))
    c.barrier()
    errors = [struct.unpack('>HH', m[2][:4]) for m in c.queue if m[0] == c.ERROR]
    check(not errors, 'refused: %r %r', errors, flows)


def with_cookie(cookie, **what):
    f = flow(**what)
    f.cookie = cookie
    return f


def is_hit(c, tap, frame):
    """Of the entry HIT, or of MISS?"""
    before = counts(c)
    total = sum(before.values()) + TIMES
    for _ in range(TIMES):
        tap.send(frame)
    check(wait_for(lambda: sum(counts(c).values()) >= total, 2, 0.0005), 'a packet got lost')
    hits = counts(c)[HIT] - before[HIT]
    check(hits in (0, TIMES), 'of %d packets %d hit', TIMES, hits)
    return bool(hits)


def expected(need, there):
    return all((n[1:] not in there) if n[0] == '!' else n in there for n in need.split())


def test_every_field_and_shape(sw):
    wrong, tap = [], sw.tap(1)
    with Client(sw.sock) as c:
        for match, need in MATCHES:
            install(c, with_cookie(HIT, match=match, priority=10), with_cookie(MISS, match={}, priority=0))
            for name, (frame, there) in SHAPES.items():
                want = expected(need, there.split())
                if is_hit(c, tap, frame) != want:
                    wrong.append('%r %s %s' % (match, 'misses' if want else 'hits', name))
    print('# result: %d matches on %d shapes of packets' % (len(MATCHES), len(SHAPES)))
    if wrong:
        raise Failed('%d are wrong: %s' % (len(wrong), '; '.join(wrong[:12])))


def test_a_type_is_a_field_of_the_header_before(sw):
    """What a header that is not there is called, its predecessor says."""
    for text, name in (('ip', 'IPv4 header cut'), ('ipv6', 'IPv6 version 5'), ('arp', 'ARP cut'), ('mpls', 'a label cut'),
                       ('dl_type=0x88e7', 'an I-TAG cut'), ('ip,nw_proto=17', 'later fragment of UDP'), ('udp', 'UDP cut'),
                       ('dl_type=0x05ff', '802.3'), ('vlan_tci=0x1000/0x1000,dl_type=0x8100', 'five tags'),
                       ('dl_type=0x8100', 'a tag cut'), ('ipv6,nw_proto=60', 'nine extension headers'), ('ipv6,nw_proto=50', 'ESP')):
        sw.flows('cookie=1,priority=10,%s,actions=drop' % text, 'cookie=2,priority=0,actions=drop')
        with Client(sw.sock) as c:
            check(is_hit(c, sw.tap(1), SHAPES[name][0]), '%s does not hit %s', text, name)


def test_all_masks_together(sw):
    """Zeros and other values of the same fields, in one table: they share tuples, and the cache's keys."""
    frames = {'udp,tp_dst=0': SHAPES['UDP in IPv4'][0], 'udp,tp_dst=9': packet(IP4, UDP, dport=9), 'icmp,icmp_type=0': SHAPES['ICMP'][0],
              'icmp,icmp_type=8': packet(IP4, ICMP, type=8), 'tcp,tp_src=0,nw_src=0.0.0.0/1': SHAPES['TCP in IPv4'][0],
              'tcp,tp_src=7,nw_src=128.0.0.0/1': packet(IP4, TCP, sport=7, src=1 << 31), 'sctp,tp_dst=0': SHAPES['SCTP in IPv4'][0],
              'arp,arp_op=0': SHAPES['ARP'][0], 'arp,arp_op=1': packet(ARP, op=1), 'icmp6,icmp_type=135,nd_target=::': SHAPES['solicitation'][0],
              'mpls,mpls_label=0': SHAPES['a label'][0]}
    sw.flows(*['cookie=%d,priority=%d,%s,actions=drop' % (10 + i, 100 + i, text) for i, text in enumerate(frames)],
             'cookie=2,priority=0,actions=drop')
    none = [frame for frame, there in SHAPES.values() if there in ('', 'IP4', 'IP6')]
    for _ in range(TIMES):
        for frame in list(frames.values()) + none:
            sw.tap(1).send(frame)
    with Client(sw.sock) as c:
        total = TIMES * (len(frames) + len(none))
        check(wait_for(lambda: sum(counts(c).values()) >= total), 'packets got lost: %r', counts(c))
        equal(counts(c), {2: TIMES * len(none), **{10 + i: TIMES for i in range(len(frames))}}, 'packets by cookie')


def test_a_match_is_told_as_it_was_sent(sw):
    texts = ['priority=5,udp,tp_dst=0 actions=drop', 'priority=5,icmp,icmp_type=0 actions=drop', 'priority=5,ip,nw_src=0.0.0.0/8 actions=drop',
             'priority=5,arp,arp_op=0 actions=drop', 'priority=5,ip,nw_tos=0 actions=drop', 'priority=5,mpls,mpls_tc=0 actions=drop']
    sw.flows(*[t.replace(' actions', ',actions') for t in texts])
    equal(sorted(sw.dump()), sorted(texts), 'flows')
    # the same rule, and what covers it (§6.4)
    sw.of('mod-flows --strict', 'priority=5,udp,tp_dst=0,actions=output:2')
    check('priority=5,udp,tp_dst=0 actions=output:2' in sw.dump(), 'not modified: %r', sw.dump())
    out = sw.of('add-flow', 'check_overlap,priority=5,udp,actions=drop', check=False)
    check('OFPFMFC_OVERLAP' in out, 'overlap: %s', out)
    sw.of('add-flow', 'check_overlap,priority=5,udp,tp_dst=1,nw_src=9.9.9.9,nw_tos=4,actions=drop')
    sw.of('del-flows', 'udp')
    equal(len(sw.dump()), 5, 'entries that are left')
    for t in texts[1:]:
        sw.of('del-flows --strict', t.split(' actions')[0])
    equal(sw.dump(), [], 'flows')


def test_a_change_of_a_missing_header_is_none_for_later_tables(sw):
    sw.flows('table=0,ip,actions=set_field:9.9.9.9->ip_dst,goto_table:1', 'table=1,cookie=1,ip,nw_dst=9.9.9.9,actions=drop',
             'table=1,cookie=2,priority=0,actions=drop')
    with Client(sw.sock) as c:
        for name, want in (('UDP in IPv4', 1), ('IPv4 header cut', 2)):
            before = counts(c)
            sw.tap(1).send(SHAPES[name][0])
            check(wait_for(lambda: counts(c)[want] == before[want] + 1, 2), '%s: %r, then %r', name, before, counts(c))


if __name__ == '__main__':
    run_tests(sys.modules[__name__], lambda: Switch(2))
