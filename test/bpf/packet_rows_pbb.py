# SPDX-License-Identifier: GPL-2.0-only
"""Rows for test_packet.c as packet_rows.py says: PBB.  Scapy's frames, the header around them put together by hand."""
import struct

from packet_rows import (A4, ARP, DST, IP, LLC, PAYLOAD, PBB, SNAP, SRC, TCP, VLAN, VLAN2, Dot1AD, Dot1Q, Dot3, Ether, emit, eth,
                         ip4, ip6, label, mac, ns, parsed, tcp, typed)


def itag(isid=0xabcdef, pcp=0, uca=0, rest=0):
    return struct.pack('!I', pcp << 29 | uca << 27 | rest << 24 | isid)


def backbone(*tags, dst='02:0b:00:00:00:01', src='02:0b:00:00:00:02'):
    """An Ethernet header of type PBB, tagged with (TPID, TCI)."""
    head = bytes(Ether(dst=dst, src=src, type=0x88e7))
    return head[:12] + b''.join(struct.pack('!HH', *t) for t in tags) + head[12:]


def parse_pbb_rows():
    key = dict(eth_type='88e7', pbb_isid='abcdef')
    customer = bytes(eth / Dot1Q(vlan=10) / ip4 / tcp)
    parsed('an I-TAG', backbone() + itag() + customer, PBB, **key)
    parsed('an I-TAG, all its bits', backbone() + itag(0x000001, 7, 1, 0x17) + customer, PBB, **dict(key, pbb_isid='000001'), pbb_uca='01')
    parsed('an I-TAG, I-SID 0', backbone() + itag(0, 5) + customer, PBB, **{k: v for k, v in key.items() if k != 'pbb_isid'})
    parsed('an I-TAG behind a B-TAG', backbone((0x88a8, 0x600a)) + itag() + customer, VLAN | PBB, **key, vlan_vid='100a', vlan_pcp='03')
    parsed('an I-TAG behind two tags', backbone((0x88a8, 0x600a), (0x8100, 5)) + itag() + customer, VLAN | VLAN2 | PBB, **key,
           vlan_vid='100a', vlan_pcp='03')
    parsed('an I-TAG in an I-TAG', backbone() + itag() + backbone() + itag(5) + customer, PBB, **key)
    parsed('an I-TAG and nothing behind the type', backbone() + itag() + customer[:14], PBB, **key)
    parsed('an I-TAG cut', backbone() + itag() + customer[:13], 0, **{k: v for k, v in key.items() if k != 'pbb_isid'})
    parsed('an I-TAG in SNAP', bytes(Dot3(dst=DST, src=SRC) / LLC(dsap=0xaa, ssap=0xaa, ctrl=3) / SNAP(OUI=0, code=0x88e7)) +
           itag() + customer, 0, eth_type='88e7')


def pbb_push_rows():
    same, untagged = backbone(dst=DST, src=SRC), itag(0)
    llc = Dot3(dst=DST, src=SRC) / LLC(dsap=0x42, ssap=0x42, ctrl=3) / PAYLOAD
    for name, pkt in (('IPv4', eth / ip4 / tcp / PAYLOAD), ('IPv6', eth / ip6 / ns), ('ARP', eth / ARP(op=1)), ('802.3', llc),
                      ('an Ethernet header only', bytes(eth)[:12] + b'\x12\x34'), ('MPLS', typed(0x8847) / label() / ip4)):
        pkt = bytes(pkt)
        emit('push an I-TAG, ' + name, pkt, ['pbbpush'], [0], same + untagged + pkt)
        emit('push and pop an I-TAG, ' + name, pkt, ['pbbpush', 'pbbpop'], [0, 0], pkt)
        emit('push two I-TAGs, set both, ' + name, pkt, ['pbbpush', 'set=pbb_isid:000102,eth_dst:' + mac(SRC), 'pbbpush',
             'set=pbb_isid:030405'], [0] * 4, backbone(dst=SRC, src=SRC) + itag(0x030405) + backbone(dst=SRC, src=SRC) +
             itag(0x000102) + pkt)
    tagged = bytes(eth / Dot1Q(vlan=7, prio=6, id=1) / ip4 / tcp)
    emit('push an I-TAG: priority of the tag', tagged, ['pbbpush'], [0], same + itag(0, 6) + tagged)
    emit('push an I-TAG: priority of the outer tag', bytes(eth / Dot1AD(vlan=9, prio=1)) + tagged[12:], ['pbbpush'], [0],
         same + itag(0, 1) + bytes(eth / Dot1AD(vlan=9, prio=1)) + tagged[12:])
    inner = backbone() + itag(0xabcdef, 5, 1, 0x17) + tagged
    emit('push an I-TAG: I-SID of the one below', inner, ['pbbpush'], [0], backbone() + itag() + inner)
    inner = backbone((0x88a8, 0x700a)) + itag(0x123456, 5, 1, 0x17) + tagged
    emit('push an I-TAG: I-SID and the B-TAG\'s priority', inner, ['pbbpush'], [0], backbone() + itag(0x123456, 3) + inner)
    plain = bytes(eth / ip4 / tcp)
    emit('push an I-TAG, then a B-TAG', plain, ['pbbpush', 'push=88a8', 'set=vlan_vid:1064,pbb_isid:00000f'], [0] * 3,
         backbone((0x88a8, 100), dst=DST, src=SRC) + itag(15) + plain)
    emit('push an I-TAG, then a label', plain, ['pbbpush', 'mpush=8847', 'mpop=88e7', 'pbbpop'], [0] * 4, plain)


def pbb_pop_rows():
    for name, pkt in (('IPv4', eth / ip4 / tcp), ('IPv6', eth / Dot1AD(vlan=10) / Dot1Q(vlan=100, prio=3) / ip6 / ns),
                      ('nothing', bytes(eth)[:12] + b'\x12\x34')):
        pkt = bytes(pkt)
        emit('pop an I-TAG, ' + name, backbone() + itag() + pkt, ['pbbpop'], [0], pkt)
        emit('pop two I-TAGs, ' + name, backbone() + itag() + backbone() + itag() + pkt, ['pbbpop', 'pbbpop', 'pbbpop'],
             [0] * 3, pkt)
        emit('pop a B-TAG and an I-TAG, ' + name, backbone((0x88a8, 5)) + itag() + pkt, ['pop', 'pbbpop'], [0, 0], pkt)
        for tags in ([(0x88a8, 0x7005)], [(0x88a8, 0x7005), (0x8100, 6)], [(0x88a8, 0x7005)] + [(0x8100, 6 + i) for i in range(3)]):
            emit('pop an I-TAG behind %d tags, %s' % (len(tags), name), backbone(*tags) + itag() + pkt, ['pbbpop'], [0],
                 pkt[:12] + b''.join(struct.pack('!HH', *t) for t in tags) + pkt[12:])
    out = IP(src=A4, dst='9.8.7.6', tos=0x4a, ttl=63, id=77) / TCP(sport=1000, dport=5555, flags='SA') / PAYLOAD
    emit('pop an I-TAG, set below', backbone() + itag() + bytes(eth / ip4 / tcp / PAYLOAD),
         ['pbbpop', 'set=ipv4_dst:09080706,tcp_dst:15b3', 'dec'], [0] * 3, eth / out)
    emit('no I-TAG to pop', eth / ip4 / tcp, ['pbbpop'], [0])
    whole = backbone() + itag() + bytes(eth / ip4)
    emit('push five tags, no I-TAG to pop', whole, ['push=8100'] * 5 + ['pbbpop', 'pop'], [0] * 5 + [-1, 0], whole[:12] + b'\x81\0\0\0' * 4 +
         whole[12:])
    emit('no whole I-TAG to pop', backbone() + itag() + bytes(13), ['pbbpop'], [0])


def pbb_set_rows():
    customer = bytes(eth / ip4 / tcp)
    for tags, name in (((), 'an I-TAG'), ([(0x88a8, 5)], 'an I-TAG behind a tag')):
        pkt, bits = backbone(*tags) + itag(0xabcdef, 5, 1, 0x10) + customer, dict(pcp=5, rest=0x10)
        for step, tag in (('pbb_isid:010203', itag(0x010203, uca=1, **bits)), ('pbb_isid:0f0000/0f00ff', itag(0xafcd00, uca=1, **bits)),
                          ('pbb_uca:00', itag(0xabcdef, **bits)), ('pbb_uca:00,pbb_isid:ffffff', itag(0xffffff, **bits))):
            emit('set %s in %s' % (step, name), pkt, ['set=' + step], [0], backbone(*tags) + tag + customer)
    for step in ('ipv4_dst:01020304', 'arp_sha:010203040506', 'ip_dscp:01', 'tcp_src:0001', 'mpls_label:00000001', 'mpls_tc:01'):
        emit('no %s behind an I-TAG' % step, pkt, ['set=' + step], [-1])
    emit('no I-SID', typed(0x1234) / PAYLOAD, ['set=pbb_uca:01'], [-1])
    emit('no I-SID in MPLS', typed(0x8847) / label() / ip4, ['set=pbb_isid:010203'], [-1])
    emit('set eth_dst before an I-TAG', backbone() + itag() + customer, ['set=eth_dst:' + mac(SRC)], [0],
         backbone(dst=SRC) + itag() + customer)
    emit('no TTL in an I-TAG', backbone() + itag() + customer, ['dec', 'mdec', 'copyout', 'copyin'], [0] * 4)


if __name__ == '__main__':
    parse_pbb_rows()
    pbb_push_rows()
    pbb_pop_rows()
    pbb_set_rows()
