# SPDX-License-Identifier: GPL-2.0-only
"""Rows for test_packet.c: frames, what is done to them, what must come out.  Scapy makes the bytes and checksums.

One row a line, fields separated by tabs:  name, steps, results, frame in, frame out, key (or `-`: not compared).
Steps are joined by `;`: set=FIELD:VALUE[/MASK],…  push=TPID  pop  ttl=N  dec  mpush=TYPE  mpop=TYPE  mttl=N  mdec
copyout  copyin  pbbpush  pbbpop; the result of each in order.  Values are OXM payloads in hex.  The key lists the fields
that are not zero, `shape`, and `no`: what is not there.
"""
import logging
import os
import random
import socket
import struct

os.environ['XDG_CONFIG_HOME'] = os.environ['XDG_CACHE_HOME'] = '/nonexistent'
logging.getLogger('scapy').setLevel(logging.ERROR)
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment, in4_chksum  # noqa: E402
from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr,  # noqa: E402
                                ICMPv6NDOptMTU, ICMPv6NDOptSrcLLAddr, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                                IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, fragment6, in6_chksum)
from scapy.layers.ipsec import AH, ESP  # noqa: E402
from scapy.layers.l2 import ARP, LLC, SNAP, Dot1AD, Dot1Q, Dot3, Ether  # noqa: E402
from scapy.layers.sctp import SCTP, SCTPChunkData  # noqa: E402
from scapy.packet import Raw  # noqa: E402

VLAN, IPV4, IPV6, ARPS, MPLS, PBB, TCPS, UDPS, SCTPS, ICMP4S, ICMP6S, ND, SLL, TLL, _, _, VLAN2, FRAG, ROUTED = (1 << i for i in range(19))
NONEXT, XESP, AUTH, DEST, XFRAG, ROUTER, HOP, UNREP, UNSEQ = (1 << i for i in range(9))

random.seed(1305)
DST, SRC = '02:00:00:00:00:0b', '02:00:00:00:00:0a'
A4, B4 = '10.1.2.3', '192.168.77.9'
A6, B6 = '2001:db8::a:1', '2001:db8:0:7::b'
PAYLOAD = Raw(bytes(range(37)))  # odd: checksums pad
eth = Ether(dst=DST, src=SRC)
ip4 = IP(src=A4, dst=B4, tos=0x4a, ttl=64, id=77)
ip6 = IPv6(src=A6, dst=B6, tc=0x4a, fl=0x12345, hlim=64)
tcp, udp, sctp = TCP(sport=1000, dport=80, flags='SA'), UDP(sport=1000, dport=53), SCTP(sport=1000, dport=9)
data = SCTPChunkData(data=bytes(range(37)))
ns = ICMPv6ND_NS(tgt=B6)
na = ICMPv6ND_NA(tgt=A6)


def emit(name, frame, steps=(), results=(), out=None, key=None):
    frame = bytes(frame)
    out = frame if out is None else bytes(out)
    key = '-' if key is None else ','.join('%s=%s' % (k, v) for k, v in key.items()) or 'shape=0'
    print('\t'.join((name, ';'.join(steps) or '-', ','.join(map(str, results)) or '-', frame.hex(), out.hex(), key)))


def mac(text):
    return text.replace(':', '')


def addr4(text):
    return bytes(map(int, text.split('.'))).hex()


def addr6(text):
    return socket.inet_pton(socket.AF_INET6, text).hex()


# --- parse: each row's key is written out by hand ---

IN4 = dict(eth_type='0800', ip_dscp='12', ip_ecn='02', ipv4_src=addr4(A4), ipv4_dst=addr4(B4))
IN6 = dict(eth_type='86dd', ip_dscp='12', ip_ecn='02', ipv6_src=addr6(A6), ipv6_dst=addr6(B6), ipv6_flabel='00012345')
PORTS = dict(tcp_src='03e8', tcp_dst='0050')
TCPKEY = dict(ip_proto='06', tcp_flags='0012', **PORTS)


def lacks(shape):
    """No header that the Ethernet type names, no transport header; an ICMPv6 packet: no target, no address of its kind."""
    sets = ((0x80, IPV4 | IPV6 | ARPS | MPLS | PBB), (0x40, TCPS | UDPS | SCTPS | ICMP4S | ICMP6S), (0x20, ND), (0x10, SLL | TLL))
    return sum(bit for bit, any_of in sets[:4 if shape & ICMP6S else 2] if not shape & any_of)


def parsed(name, frame, shape, **fields):
    frame = bytes(frame)
    key = dict(eth_dst=frame[0:6].hex(), eth_src=frame[6:12].hex(), shape='%x' % shape, no='%x' % lacks(shape), **fields)
    emit('parse ' + name, frame, key=key)


def ext(shape, exthdr, **more):
    return dict(IN6, shape=shape, ipv6_exthdr='%04x' % exthdr, **more)


def label(number=100, tc=3, bos=1, ttl=64):
    return Raw(struct.pack('!I', number << 12 | tc << 9 | bos << 8 | ttl))


def typed(ethertype):
    return Ether(dst=DST, src=SRC, type=ethertype)


def parse_mpls_rows():
    key = dict(eth_type='8847', mpls_label='00000064', mpls_tc='03', mpls_bos='01')
    parsed('a label', typed(0x8847) / label() / ip4 / tcp, MPLS, **key)
    parsed('a multicast label', typed(0x8848) / label() / ip6 / tcp, MPLS, **dict(key, eth_type='8848'))
    double = typed(0x8847) / label(0xfffff, 7, 0, 9) / label()
    parsed('two labels', double / ip4, MPLS, eth_type='8847', mpls_label='000fffff', mpls_tc='07')
    parsed('a label and nothing else', typed(0x8847) / label(), MPLS, **key)
    parsed('a tagged label', eth / Dot1Q(vlan=10, type=0x8847) / label() / ip4, VLAN | MPLS, vlan_vid='100a', **key)
    tags = eth / Dot1AD(vlan=10) / Dot1Q(vlan=5, type=0x8847)
    parsed('a double tagged label', tags / label() / ip4, VLAN | VLAN2 | MPLS, vlan_vid='100a', **key)
    parsed('a label cut', typed(0x8847) / bytes(3), 0, eth_type='8847')
    snap = Dot3(dst=DST, src=SRC) / LLC(dsap=0xaa, ssap=0xaa, ctrl=3) / SNAP(OUI=0, code=0x8847)
    parsed('a label in SNAP', bytes(snap / label() / ip4), 0, eth_type='8847')


def parse_rows():
    v4, v6 = eth / ip4, eth / ip6
    parsed('an Ethernet header only', bytes(eth)[:12] + b'\x12\x34', 0, eth_type='1234')
    parsed('TCP over IPv4', v4 / tcp / PAYLOAD, IPV4 | TCPS, **IN4, **TCPKEY)
    parsed('TCP with options', v4 / TCP(sport=1000, dport=80, flags='SA', options=[('MSS', 1460)]), IPV4 | TCPS, **IN4, **TCPKEY)
    parsed('UDP over IPv4', v4 / udp, IPV4 | UDPS, **IN4, ip_proto='11', udp_src='03e8', udp_dst='0035')
    parsed('SCTP over IPv4', v4 / sctp / data, IPV4 | SCTPS, **IN4, ip_proto='84', sctp_src='03e8', sctp_dst='0009')
    parsed('ICMP', v4 / ICMP(type=3, code=4), IPV4 | ICMP4S, **IN4, ip_proto='01', icmpv4_type='03', icmpv4_code='04')
    other = lambda proto: IP(src=A4, dst=B4, tos=0x4a, proto=proto)  # noqa: E731
    other6 = lambda proto: IPv6(src=A6, dst=B6, tc=0x4a, fl=0x12345, nh=proto)  # noqa: E731
    parsed('ICMPv6 over IPv4 is no header of ours', eth / other(58) / bytes(40), IPV4, **IN4, ip_proto='3a')
    parsed('IPv4 options', eth / IP(src=A4, dst=B4, tos=0x4a, options=[b'\x94\x04\x00\x00']) / tcp, IPV4 | TCPS, **IN4, **TCPKEY)
    parsed('an unknown IP protocol', eth / other(99) / PAYLOAD, IPV4, **IN4, ip_proto='63')
    one, two = fragment(ip4 / udp / Raw(bytes(200)), 104)[:2]
    parsed('first fragment', eth / one, IPV4 | UDPS | FRAG, **IN4, ip_proto='11', udp_src='03e8', udp_dst='0035')
    parsed('later fragment', eth / two, IPV4 | FRAG, **IN4, ip_proto='11')
    whole = bytes(v4 / tcp)
    parsed('TCP cut in its header', eth / other(6) / bytes(tcp)[:19], IPV4, **IN4, ip_proto='06')
    for name, proto, size, shape in (('UDP', 17, 8, UDPS), ('SCTP', 132, 12, SCTPS), ('ICMP', 1, 8, ICMP4S)):
        for how, n, more in (('cut', size - 1, 0), ('of zeros', size, shape)):
            short = IP(src=A4, dst=B4, tos=0x4a, proto=proto, len=20 + n)
            parsed('%s %s' % (name, how), eth / short / bytes(40), IPV4 | more, **IN4, ip_proto='%02x' % proto)
    parsed('IPv4 total length beyond the frame', whole[:-1], 0, eth_type='0800')
    parsed('IPv4 header cut', whole[:33], 0, eth_type='0800')
    parsed('IPv4 version 5', whole[:14] + b'\x55' + whole[15:], 0, eth_type='0800')
    parsed('IPv4 header length 4 words', whole[:14] + b'\x44' + whole[15:], 0, eth_type='0800')
    parsed('padding is not a header', eth / IP(src=A4, dst=B4, tos=0x4a, proto=17, len=24) / bytes(40), IPV4, **IN4, ip_proto='11')
    parsed('TCP data offset 4', bytes(v4 / TCP(sport=1, dport=2, dataofs=4)), IPV4, **IN4, ip_proto='06')

    parsed('one tag', eth / Dot1Q(vlan=10, prio=5) / ip4 / tcp, VLAN | IPV4 | TCPS, vlan_vid='100a', vlan_pcp='05', **IN4, **TCPKEY)
    parsed('priority tag', eth / Dot1Q(vlan=0, prio=5) / ip4 / tcp, VLAN | IPV4 | TCPS, vlan_vid='1000', vlan_pcp='05', **IN4, **TCPKEY)
    two = eth / Dot1AD(vlan=10, prio=5) / Dot1Q(vlan=20)
    parsed('two tags', two / ip4 / tcp, VLAN | VLAN2 | IPV4 | TCPS, vlan_vid='100a', vlan_pcp='05', **IN4, **TCPKEY)
    outer = eth / Dot1AD(vlan=10) / Dot1Q(vlan=20) / Dot1Q(vlan=30)
    parsed('three tags', outer / ip4 / tcp, VLAN | VLAN2 | IPV4 | TCPS, vlan_vid='100a', **IN4, **TCPKEY)
    parsed('four tags', outer / Dot1AD(vlan=40) / ip4 / tcp, VLAN | VLAN2 | IPV4 | TCPS, vlan_vid='100a', **IN4, **TCPKEY)
    parsed('five tags', outer / Dot1AD(vlan=40) / Dot1Q(vlan=50) / ip4 / tcp, VLAN | VLAN2, vlan_vid='100a', eth_type='8100')
    parsed('the third tag cut', bytes(outer)[:-1], VLAN | VLAN2, vlan_vid='100a', eth_type='8100')
    parsed('tag cut', bytes(eth)[:12] + bytes.fromhex('8100123400'), 0, eth_type='8100')
    parsed('802.3', bytes(Dot3(dst=DST, src=SRC) / LLC(dsap=0x42, ssap=0x42, ctrl=3) / bytes(35)), 0, eth_type='05ff')
    snap = Dot3(dst=DST, src=SRC) / LLC(dsap=0xaa, ssap=0xaa, ctrl=3)
    parsed('SNAP', bytes(snap / SNAP(OUI=0, code=0x800) / ip4 / tcp), IPV4 | TCPS, **IN4, **TCPKEY)
    parsed('SNAP, other OUI', bytes(snap / SNAP(OUI=12, code=0x2000) / bytes(35)), 0, eth_type='05ff')
    arp = ARP(op=2, hwsrc=SRC, psrc=A4, hwdst=DST, pdst=B4)
    a = dict(eth_type='0806', arp_op='0002', arp_spa=addr4(A4), arp_tpa=addr4(B4), arp_sha=mac(SRC), arp_tha=mac(DST))
    parsed('ARP', eth / arp, ARPS, **a)
    parsed('tagged ARP', eth / Dot1Q(vlan=1) / arp, VLAN | ARPS, vlan_vid='1001', **a)
    parsed('ARP cut', bytes(eth / arp)[:-1], 0, eth_type='0806')
    parsed('ARP for token ring', eth / ARP(hwtype=6, op=2), 0, eth_type='0806')

    parsed('TCP over IPv6', v6 / tcp / PAYLOAD, IPV6 | TCPS, **IN6, **TCPKEY)
    parsed('UDP over IPv6', v6 / udp, IPV6 | UDPS, **IN6, ip_proto='11', udp_src='03e8', udp_dst='0035')
    parsed('SCTP over IPv6', v6 / sctp / data, IPV6 | SCTPS, **IN6, ip_proto='84', sctp_src='03e8', sctp_dst='0009')
    parsed('ICMPv6', v6 / ICMPv6EchoRequest(), IPV6 | ICMP6S, **IN6, ip_proto='3a', icmpv6_type='80')
    parsed('ICMP over IPv6 is no header of ours', eth / other6(1) / bytes(40), IPV6, **IN6, ip_proto='01')
    parsed('IPv6 payload length beyond the frame', bytes(v6 / tcp)[:-1], 0, eth_type='86dd')

    def chain(name, headers, exthdr, top=tcp, shape=IPV6 | TCPS, **fields):
        fields = fields or TCPKEY
        frame = ip6
        for h in headers:
            frame = frame / h
        parsed(name, eth / frame / top, **ext(shape, exthdr, **fields))

    hop, dest, frag = IPv6ExtHdrHopByHop, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
    rh = lambda left=0: IPv6ExtHdrRouting(addresses=[B6], segleft=left)  # noqa: E731
    ah = lambda nh=6: AH(nh=nh, payloadlen=4, spi=1, seq=2, icv=bytes(12))  # noqa: E731
    chain('hop-by-hop', [hop()], HOP)
    chain('routing', [rh()], ROUTER)
    chain('routing, segments left', [rh(1)], ROUTER, shape=IPV6 | TCPS | ROUTED, **TCPKEY)
    chain('destination options', [dest()], DEST)
    chain('atomic fragment', [frag()], XFRAG)
    chain('authentication', [ah()], AUTH)
    chain('all, in order', [hop(), dest(), rh(), frag(), ah(60), dest()], HOP | DEST | ROUTER | XFRAG | AUTH)
    chain('two destination options', [dest(), dest()], DEST)
    chain('three destination options', [dest(), rh(), dest(), dest()], DEST | ROUTER | UNREP)
    chain('fragment before routing', [frag(), rh()], XFRAG | ROUTER | UNSEQ)
    chain('last destination options before routing', [dest(), dest(), rh()], DEST | ROUTER | UNSEQ)
    chain('routing twice', [rh(), rh()], ROUTER | UNREP)
    chain('hop-by-hop not first', [dest(), hop()], DEST | UNSEQ)
    chain('hop-by-hop twice', [hop(), hop()], HOP | UNREP)
    chain('eight headers', [hop()] + [dest()] * 7, HOP | DEST | UNREP)
    chain('nine headers', [hop()] + [dest()] * 8, HOP | DEST | UNREP, shape=IPV6, ip_proto='3c')
    chain('ESP', [], XESP, ESP(spi=1, seq=2, data=bytes(20)), IPV6, ip_proto='32')
    parsed('no next header', eth / other6(59), **ext(IPV6, NONEXT, ip_proto='3b'))
    parsed('extension header cut', eth / other6(60) / bytes.fromhex('0601000000000000'), **ext(IPV6, DEST, ip_proto='3c'))
    chain('first fragment over IPv6', [frag(m=1)], XFRAG, shape=IPV6 | TCPS | FRAG, **TCPKEY)
    chain('later fragment over IPv6', [frag(offset=5, nh=6)], XFRAG, Raw(bytes(40)), IPV6 | FRAG, ip_proto='06')

    sll, tll = ICMPv6NDOptSrcLLAddr(lladdr=SRC), ICMPv6NDOptDstLLAddr(lladdr=DST)
    nsk = dict(IN6, ip_proto='3a', icmpv6_type='87', ipv6_nd_target=addr6(B6))
    nak = dict(IN6, ip_proto='3a', icmpv6_type='88', ipv6_nd_target=addr6(A6))
    parsed('neighbour solicitation', v6 / ns / sll, IPV6 | ICMP6S | ND | SLL, **nsk, ipv6_nd_sll=mac(SRC))
    parsed('neighbour advertisement', v6 / na / tll, IPV6 | ICMP6S | ND | TLL, **nak, ipv6_nd_tll=mac(DST))
    parsed('ND with the address zero', v6 / ns / ICMPv6NDOptSrcLLAddr(lladdr='00:00:00:00:00:00'), IPV6 | ICMP6S | ND | SLL, **nsk)
    parsed('ICMPv6 cut', eth / other6(58) / bytes(3), IPV6, **IN6, ip_proto='3a')
    parsed('ND without options', v6 / ns, IPV6 | ICMP6S | ND, **nsk)
    parsed('ND option behind another', v6 / ns / ICMPv6NDOptMTU() / sll, IPV6 | ICMP6S | ND | SLL, **nsk, ipv6_nd_sll=mac(SRC))
    parsed('ND, the other option', v6 / ns / tll, IPV6 | ICMP6S | ND, **nsk)
    parsed('ND option of length 0', v6 / ns / Raw(bytes(8)) / sll, IPV6 | ICMP6S | ND, **nsk)
    parsed('ND cut', eth / other6(58) / bytes(ns)[:23], IPV6 | ICMP6S, **IN6, ip_proto='3a', icmpv6_type='87')


# --- set-field: scapy builds the changed packet anew ---

def rebuild(pkt):
    """With all checksums made by scapy."""
    pkt = pkt.copy()
    layer = pkt
    while layer:
        for name in ('chksum', 'cksum'):
            if name in layer.fields and not (isinstance(layer, UDP) and layer.fields[name] == 0):
                del layer.fields[name]
        layer = layer.payload
    return pkt


def rand(bits, width):
    return random.getrandbits(bits).to_bytes(width, 'big')


def dotted(b):
    return '.'.join(map(str, b))


def colons(b):
    return ':'.join('%02x' % x for x in b)


def six(b):
    return ':'.join(b[i:i + 2].hex() for i in range(0, 16, 2))


def put(layer, name, how):
    """A setter: value bytes → the layer's field."""
    def setter(pkt, b):
        setattr(pkt[layer], name, how(b))
    return setter


def number(b):
    return int.from_bytes(b, 'big')


def put_bits(layer, name, shift, bits):
    def setter(pkt, b):
        old, mask = getattr(pkt[layer], name), (1 << bits) - 1
        setattr(pkt[layer], name, old & ~(mask << shift) | number(b) << shift)
    return setter


# field: (bits, bytes, setter)
ETH = {'eth_dst': (48, 6, put(Ether, 'dst', colons)), 'eth_src': (48, 6, put(Ether, 'src', colons))}
VLANS = {'vlan_vid': (12, 2, put(Dot1Q, 'vlan', number)), 'vlan_pcp': (3, 1, put(Dot1Q, 'prio', number))}
IP4 = {'ip_dscp': (6, 1, put_bits(IP, 'tos', 2, 6)), 'ip_ecn': (2, 1, put_bits(IP, 'tos', 0, 2)),
       'ipv4_src': (32, 4, put(IP, 'src', dotted)), 'ipv4_dst': (32, 4, put(IP, 'dst', dotted))}
IP6 = {'ip_dscp': (6, 1, put_bits(IPv6, 'tc', 2, 6)), 'ip_ecn': (2, 1, put_bits(IPv6, 'tc', 0, 2)),
       'ipv6_flabel': (20, 4, put(IPv6, 'fl', number)),
       'ipv6_src': (128, 16, put(IPv6, 'src', six)), 'ipv6_dst': (128, 16, put(IPv6, 'dst', six))}


def ports(layer, name):
    return {name + '_src': (16, 2, put(layer, 'sport', number)), name + '_dst': (16, 2, put(layer, 'dport', number))}


ICMP4 = {'icmpv4_type': (8, 1, put(ICMP, 'type', number)), 'icmpv4_code': (8, 1, put(ICMP, 'code', number))}
ICMP6 = {'icmpv6_type': (8, 1, put(ICMPv6EchoRequest, 'type', number)),
         'icmpv6_code': (8, 1, put(ICMPv6EchoRequest, 'code', number))}
NS = {'ipv6_nd_target': (128, 16, put(ICMPv6ND_NS, 'tgt', six)),
      'ipv6_nd_sll': (48, 6, put(ICMPv6NDOptSrcLLAddr, 'lladdr', colons))}
NA = {'ipv6_nd_target': (128, 16, put(ICMPv6ND_NA, 'tgt', six)),
      'ipv6_nd_tll': (48, 6, put(ICMPv6NDOptDstLLAddr, 'lladdr', colons))}
ARPF = {'arp_op': (16, 2, put(ARP, 'op', number)), 'arp_spa': (32, 4, put(ARP, 'psrc', dotted)),
        'arp_tpa': (32, 4, put(ARP, 'pdst', dotted)), 'arp_sha': (48, 6, put(ARP, 'hwsrc', colons)),
        'arp_tha': (48, 6, put(ARP, 'hwdst', colons))}
# as they come in, for masks: field → bytes
MASKABLE = {'eth_dst': lambda p: bytes(p)[0:6], 'eth_src': lambda p: bytes(p)[6:12],
            'ipv4_src': lambda p: bytes(p[IP])[12:16], 'ipv4_dst': lambda p: bytes(p[IP])[16:20],
            'ipv6_src': lambda p: bytes(p[IPv6])[8:24], 'ipv6_dst': lambda p: bytes(p[IPv6])[24:40],
            'ipv6_flabel': lambda p: bytes(1) + bytes([bytes(p[IPv6])[1] & 15]) + bytes(p[IPv6])[2:4],
            'arp_sha': lambda p: bytes(p[ARP])[8:14], 'arp_tpa': lambda p: bytes(p[ARP])[24:28]}


def oxm(field, value):
    return (number(value) | 0x1000).to_bytes(2, 'big') if field == 'vlan_vid' else value


def set_rows(name, pkt, *tables):
    """Each field alone, masked where it may be, and all at once."""
    fields = {k: v for t in tables for k, v in t.items()}
    together, steps = pkt.copy(), []
    for field, (bits, width, setter) in fields.items():
        value, out = rand(bits, width), pkt.copy()
        setter(out, value)
        setter(together, value)
        step = '%s:%s' % (field, oxm(field, value).hex())
        steps.append(step)
        emit('set %s in %s' % (field, name), pkt, ['set=' + step], [0], rebuild(out))
        if field in MASKABLE:
            mask, out = rand(bits, width), pkt.copy()
            value = bytes(v & m for v, m in zip(value, mask))
            old = MASKABLE[field](pkt)
            setter(out, bytes(o & ~m & 255 | v for o, v, m in zip(old, value, mask)))
            emit('set %s masked in %s' % (field, name), pkt, ['set=%s:%s/%s' % (field, value.hex(), mask.hex())], [0],
                 rebuild(out))
    emit('set all in ' + name, pkt, ['set=' + ','.join(steps)], [0], rebuild(together))


def all_set_rows():
    tagged = Ether(dst=DST, src=SRC) / Dot1Q(vlan=100, prio=3, id=1)
    v4, v6 = eth / ip4, eth / ip6
    hops = IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt()
    set_rows('TCP', v4 / tcp / PAYLOAD, ETH, IP4, ports(TCP, 'tcp'))
    set_rows('UDP', v4 / udp / PAYLOAD, ETH, IP4, ports(UDP, 'udp'))
    set_rows('UDP without checksum', v4 / UDP(sport=1, dport=2, chksum=0) / PAYLOAD, IP4, ports(UDP, 'udp'))
    set_rows('SCTP', v4 / sctp / data, ETH, IP4, ports(SCTP, 'sctp'))
    set_rows('ICMP', v4 / ICMP(type=8) / PAYLOAD, ETH, IP4, ICMP4)
    set_rows('IPv4 with options', tagged / IP(src=A4, dst=B4, tos=2, options=[b'\x94\x04\x00\x00']) / tcp / PAYLOAD, VLANS, IP4,
             ports(TCP, 'tcp'))
    set_rows('tagged UDP', tagged / ip4 / udp / PAYLOAD, ETH, VLANS, IP4, ports(UDP, 'udp'))
    set_rows('double tagged UDP', tagged / Dot1Q(vlan=5) / ip4 / udp / PAYLOAD, ETH, VLANS, IP4, ports(UDP, 'udp'))
    set_rows('another protocol', eth / IP(src=A4, dst=B4, proto=99) / PAYLOAD, IP4)
    set_rows('TCP over IPv6', v6 / tcp / PAYLOAD, ETH, IP6, ports(TCP, 'tcp'))
    set_rows('UDP over IPv6', v6 / udp / PAYLOAD, IP6, ports(UDP, 'udp'))
    set_rows('SCTP over IPv6', tagged / ip6 / sctp / data, VLANS, IP6, ports(SCTP, 'sctp'))
    set_rows('ICMPv6', v6 / ICMPv6EchoRequest(data=bytes(range(37))), IP6, ICMP6)
    set_rows('UDP behind extension headers', v6 / hops / udp / PAYLOAD, IP6, ports(UDP, 'udp'))
    set_rows('TCP behind a routing header', v6 / IPv6ExtHdrRouting(addresses=[A6, B6], segleft=1) / tcp / PAYLOAD, IP6,
             ports(TCP, 'tcp'))
    set_rows('neighbour solicitation', v6 / ns / ICMPv6NDOptMTU() / ICMPv6NDOptSrcLLAddr(lladdr=SRC), ETH, IP6, NS)
    set_rows('neighbour advertisement', v6 / na / ICMPv6NDOptDstLLAddr(lladdr=DST), IP6, NA)
    set_rows('ARP', eth / ARP(op=1, hwsrc=SRC, psrc=A4, pdst=B4), ETH, ARPF)
    set_rows('tagged ARP', tagged / ARP(op=1, hwsrc=SRC, psrc=A4, pdst=B4), VLANS, ARPF)
    for size in (1, 2, 3, 4, 100, 1000, 1400):
        pkt = v4 / sctp / SCTPChunkData(data=bytes(size))
        out = pkt.copy()
        out[SCTP].sport = 4711
        emit('set sctp_src with %d bytes of data' % size, pkt, ['set=sctp_src:%04x' % 4711], [0], rebuild(out))


def fragment_rows():
    whole = ip4 / udp / Raw(bytes(range(200)))
    other = IP(bytes(whole))
    other.dst, other[UDP].dport = '1.2.3.4', 4711
    other = rebuild(other)
    step, old, new = 'set=ipv4_dst:01020304', fragment(whole, 104), fragment(other, 104)
    emit('set in the first fragment', eth / old[0], [step + ',udp_dst:%04x' % 4711], [0], rebuild_ip(eth / new[0]))
    emit('set in a later fragment', eth / old[1], [step], [0], rebuild_ip(eth / new[1]))
    emit('no ports in a later fragment', eth / old[1], ['set=udp_dst:1267'], [-1], eth / old[1])
    first = fragment(ip4 / sctp / SCTPChunkData(data=bytes(200)), 104)[0]
    emit('no SCTP ports in a fragment', eth / first, ['set=sctp_dst:1267'], [-1], eth / first)
    whole6 = ip6 / IPv6ExtHdrFragment() / udp / Raw(bytes(range(200)))
    other6 = IPv6(bytes(whole6))
    other6.dst = A6
    del other6[UDP].chksum
    for old, new, which in zip(fragment6(IPv6(bytes(whole6)), 180), fragment6(IPv6(bytes(other6)), 180), ('first', 'later')):
        out = bytearray(bytes(eth / new))
        emit('set in the %s fragment over IPv6' % which, eth / old, ['set=ipv6_dst:' + addr6(A6)], [0],
             bytes(same_id(bytes(eth / old), out)))


def rebuild_ip(pkt):
    del pkt[IP].chksum
    return pkt


def same_id(old, new):
    """scapy draws the fragment's id anew."""
    new[14 + 40 + 4:14 + 40 + 8] = old[14 + 40 + 4:14 + 40 + 8]
    return new


def odd_set_rows():
    v4, v6 = eth / ip4, eth / ip6
    base = bytes(v4 / tcp / PAYLOAD)
    pkt = bytearray(base)
    pkt[12:14] = b'\x88\x48'
    emit('set eth_type', base, ['set=eth_type:8848'], [0], pkt)
    tag = bytes(eth / Dot1Q(vlan=3) / ip4 / tcp)
    emit('set eth_type behind a tag', tag, ['set=eth_type:8848'], [0], tag[:16] + b'\x88\x48' + tag[18:])
    plain = bytes(eth)[:12] + b'\x12\x34' + bytes(46)
    emit('set eth_type of an unknown type', plain, ['set=eth_type:8848'], [0], plain[:12] + b'\x88\x48' + plain[14:])
    snap = bytes(Dot3(dst=DST, src=SRC) / LLC(dsap=0xaa, ssap=0xaa, ctrl=3) / SNAP(OUI=0, code=0x1234) / PAYLOAD)
    emit('set eth_type in SNAP', snap, ['set=eth_type:8848'], [0], snap[:20] + b'\x88\x48' + snap[22:])
    llc = bytes(Dot3(dst=DST, src=SRC) / LLC(dsap=0x42, ssap=0x42, ctrl=3) / PAYLOAD)
    emit('no eth_type in 802.3', llc, ['set=eth_type:8848'], [0])
    # The pseudo header has the protocol: TCP's and UDP's checksum follow it, where they were.
    for name, ip, top, at, checksum in (('TCP', ip4, tcp, 16, in4_chksum), ('UDP', ip4, udp, 6, in4_chksum),
                                        ('TCP over IPv6', ip6, tcp, 16, None), ('ICMP', ip4, ICMP(), None, None)):
        pkt = ip / top / PAYLOAD
        out = type(ip)(bytes(pkt))
        segment = bytearray(bytes(out.payload))
        setattr(out, 'proto' if ip is ip4 else 'nh', 99)
        if at is not None:
            segment[at:at + 2] = bytes(2)
            total = in4_chksum(99, out, bytes(segment)) if ip is ip4 else in6_chksum(99, out, bytes(segment))
            segment[at:at + 2] = struct.pack('!H', total)
        out.remove_payload()
        if ip is ip4:
            del out.chksum
        emit('set ip_proto in ' + name, eth / pkt, ['set=ip_proto:63'], [0], eth / out / bytes(segment))
    behind = bytes(v6 / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / Raw(bytes(20)))
    behind = behind[:62] + b'\x63' + behind[63:]
    emit('set ip_proto behind extension headers', behind, ['set=ip_proto:64'], [0], behind[:62] + b'\x64' + behind[63:])
    # A computed UDP checksum of 0 goes out as ffff.
    zero = udp_with_sum_zero()
    emit('UDP checksum 0 becomes ffff', eth / zero[0], ['set=udp_src:%04x' % zero[1]], [0], zero[2])
    wrong = bytes(v4 / TCP(sport=1000, dport=80, chksum=0x1234) / PAYLOAD)
    out = bytearray(wrong)
    out[34:36] = b'\x03\xe9'
    out[50:52] = b'\x12\x33'
    emit('a wrong checksum stays as wrong', wrong, ['set=tcp_src:03e9'], [0], out)

    for name, frame, step in (
            ('vlan_vid', v4 / tcp, 'vlan_vid:1005'), ('vlan_pcp', v4 / tcp, 'vlan_pcp:05'),
            ('ip_dscp', eth / ARP(), 'ip_dscp:05'), ('ip_proto', eth / ARP(), 'ip_proto:05'),
            ('tcp_src', eth / IP(proto=99) / bytes(40), 'tcp_src:0005'), ('ipv4_src', plain, 'ipv4_src:01020304'),
            ('ipv6_dst', v4 / tcp, 'ipv6_dst:' + addr6(A6)), ('arp_sha', v4 / tcp, 'arp_sha:' + mac(DST)),
            ('ipv6_nd_target', v6 / tcp, 'ipv6_nd_target:' + addr6(A6)), ('ipv6_nd_sll', v6 / ns, 'ipv6_nd_sll:' + mac(DST)),
            ('ipv6_nd_tll', v6 / na / ICMPv6NDOptSrcLLAddr(), 'ipv6_nd_tll:' + mac(DST)),
            ('tcp_dst', v4 / ICMP(), 'tcp_dst:0005'), ('ipv6_flabel', v4 / tcp, 'ipv6_flabel:00000001')):
        emit('set %s where there is none' % name, frame, ['set=' + step], [-1])


def udp_with_sum_zero():
    """A UDP packet, and the source port that makes its sum all ones."""
    pkt = ip4 / UDP(sport=1000, dport=53) / PAYLOAD
    checksum = IP(bytes(pkt))[UDP].chksum
    # The sum is ~checksum; the port must raise it to ffff.
    port = 1000 + checksum
    port = port - 0xffff if port > 0xffff else port
    out = ip4 / UDP(sport=port, dport=53) / PAYLOAD
    made = bytearray(bytes(eth / out))
    made[40:42] = b'\xff\xff'
    return pkt, port, bytes(made)


# --- tags and TTL ---

def tag_rows():
    pkts = {'IPv4': ip4 / tcp / PAYLOAD, 'IPv6 ND': ip6 / ns / ICMPv6NDOptSrcLLAddr(lladdr=SRC), 'ARP': ARP(op=1),
            'extension headers': ip6 / IPv6ExtHdrHopByHop() / udp}
    for name, pkt in pkts.items():
        for tpid, kind in ((0x8100, Dot1Q), (0x88a8, Dot1AD)):
            emit('push %04x, %s' % (tpid, name), eth / pkt, ['push=%04x' % tpid], [0], eth / kind(vlan=0) / pkt)
            emit('push %04x onto a tag, %s' % (tpid, name), eth / Dot1Q(vlan=7, prio=6) / pkt, ['push=%04x' % tpid], [0],
                 eth / kind(vlan=7, prio=6) / Dot1Q(vlan=7, prio=6) / pkt)
        emit('pop, ' + name, eth / Dot1Q(vlan=7, prio=6) / pkt, ['pop'], [0], eth / pkt)
        emit('pop of two, ' + name, eth / Dot1AD(vlan=9) / Dot1Q(vlan=7, prio=6) / pkt, ['pop'], [0],
             eth / Dot1Q(vlan=7, prio=6) / pkt)
        emit('pop both, ' + name, eth / Dot1AD(vlan=9) / Dot1Q(vlan=7, prio=6) / pkt, ['pop', 'pop'], [0, 0], eth / pkt)
        emit('pop without a tag, ' + name, eth / pkt, ['pop'], [0])
        emit('push, set, pop, push, ' + name, eth / pkt, ['push=8100', 'set=vlan_vid:1064,vlan_pcp:03', 'push=88a8', 'pop'],
             [0] * 4, eth / Dot1Q(vlan=100, prio=3) / pkt)
    ip = ip4 / tcp / PAYLOAD
    out = IP(src=A4, dst='9.8.7.6', tos=0x4a, ttl=64, id=77) / TCP(sport=1000, dport=5555, flags='SA') / PAYLOAD
    change = 'set=ipv4_dst:09080706,tcp_dst:%04x' % 5555
    emit('push, set below the tag', eth / ip, ['push=8100', change], [0, 0], eth / Dot1Q(vlan=0) / out)
    emit('pop, set', eth / Dot1Q(vlan=1) / ip, ['pop', change], [0, 0], eth / out)
    third = eth / Dot1Q(vlan=1) / Dot1Q(vlan=2) / Dot1Q(vlan=3) / ip
    emit('pop of three', third, ['pop', 'pop', 'pop', 'pop'], [0] * 4, eth / ip)
    emit('set behind three', third, [change], [0], eth / Dot1Q(vlan=1) / Dot1Q(vlan=2) / Dot1Q(vlan=3) / out)
    tags = Dot1Q(vlan=0) / Dot1Q(vlan=0) / Dot1Q(vlan=0) / Dot1Q(vlan=0)
    four = eth / tags
    emit('push of six, set below, pop of two', eth / ip, ['push=8100'] * 6 + [change, 'pop', 'pop'], [0] * 9, four / out)
    emit('pop of five, set below', eth / Dot1AD(vlan=9) / tags / ip, ['pop', change, 'dec'], [0] * 3,
         four / IP(src=A4, dst='9.8.7.6', tos=0x4a, ttl=63, id=77) / TCP(sport=1000, dport=5555, flags='SA') / PAYLOAD)
    emit('pop of six, not seen below', eth / Dot1AD(vlan=9) / Dot1AD(vlan=8) / tags / ip, ['pop', 'dec', 'pop', 'dec'],
         [0] * 4, four / IP(src=A4, dst=B4, tos=0x4a, ttl=63, id=77) / tcp / PAYLOAD)
    emit('push of four, set the outer one', eth / ip, ['push=8100'] * 4 + ['set=vlan_vid:1005,vlan_pcp:03'], [0] * 5,
         bytes(eth)[:12] + b'\x81\0\x60\5' + bytes(four / ip)[16:])
    emit('push of six, pop of them', eth / ip, ['push=8100'] * 6 + ['pop'] * 6, [0] * 12, eth / ip)


def ttl_rows():
    for ttl, to in ((64, 63), (2, 1), (255, 254), (128, 127)):
        for base, name in ((ip4, 'ttl'), (ip6, 'hlim')):
            pkt, out = base.copy(), base.copy()
            setattr(pkt, name, ttl)
            setattr(out, name, to)
            emit('dec %s %d' % (name, ttl), eth / pkt / tcp, ['dec'], [0], eth / out / tcp)
            emit('set %s %d' % (name, to), eth / pkt / tcp, ['ttl=%d' % to], [0], eth / out / tcp)
    for ttl in (0, 1):
        emit('dec ttl %d' % ttl, eth / IP(ttl=ttl) / tcp, ['dec'], [1])
        emit('dec hlim %d' % ttl, eth / IPv6(hlim=ttl) / tcp, ['dec'], [1])
    emit('dec of ARP', eth / ARP(), ['dec', 'ttl=4'], [0, 0])
    emit('dec behind a tag, set', eth / Dot1Q(vlan=1) / ip4 / tcp, ['dec', 'set=ip_dscp:01'], [0, 0],
         eth / Dot1Q(vlan=1) / IP(src=A4, dst=B4, tos=0x06, ttl=63, id=77) / tcp)


# --- MPLS: scapy's frames around labels put together by hand ---

def mpls_push_rows():
    v4, v6 = ip4 / tcp / PAYLOAD, ip6 / udp / PAYLOAD
    low = dict(number=0, tc=0)
    for name, pkt, ttl in (('IPv4', v4, 64), ('IPv6', v6, 64), ('ARP', ARP(op=1), 0), ('IPv4, TTL 255', IP(ttl=255) / udp, 255)):
        emit('push a label, ' + name, eth / pkt, ['mpush=8847'], [0], typed(0x8847) / label(ttl=ttl, **low) / pkt)
        emit('push a label onto a label, ' + name, typed(0x8848) / label() / pkt, ['mpush=8847'], [0],
             typed(0x8847) / label(bos=0) / label() / pkt)
        emit('push a label before a tag, ' + name, eth / Dot1Q(vlan=7, prio=6) / pkt, ['mpush=8847'], [0],
             typed(0x8847) / label(ttl=ttl, **low) / bytes(eth / Dot1Q(vlan=7, prio=6) / pkt)[14:])
    emit('push two labels, set them', eth / v4, ['mpush=8847', 'set=mpls_label:00000007', 'mpush=8848',
         'set=mpls_label:000fffff,mpls_tc:05'], [0] * 4, typed(0x8848) / label(0xfffff, 5, 0) / label(7, 0) / v4)
    emit('push a label, then a tag', eth / v4, ['mpush=8847', 'push=8100', 'set=vlan_vid:1064,mpls_label:00000009'], [0] * 3,
         eth / Dot1Q(vlan=100, type=0x8847) / label(9, 0) / v4)
    emit('push a label before a tagged label', eth / Dot1Q(vlan=7, type=0x8847) / label(bos=0) / label() / v4,
         ['mpush=8847'], [0], typed(0x8847) / label() / b'\0\7\x88\x47' / label(bos=0) / label() / v4)
    emit('push a label onto an Ethernet header only', bytes(eth)[:12] + b'\x12\x34', ['mpush=8847'], [0],
         typed(0x8847) / label(ttl=0, **low))
    emit('no label onto 802.3', Dot3(dst=DST, src=SRC) / LLC(dsap=0x42, ssap=0x42, ctrl=3) / PAYLOAD, ['mpush=8847'], [-1])


def mpls_pop_rows():
    tags = {'': b'', 'a tag, ': b'\x81\0\x60\7', 'two tags, ': b'\x88\xa8\0\x09\x81\0\x60\7'}
    tags['four tags, '] = tags['two tags, '] + b'\x81\0\0\1\x81\0\0\2'
    for pkt, ethertype in ((ip4 / tcp / PAYLOAD, 0x800), (ip6 / ns, 0x86dd), (ARP(op=1), 0x806)):
        for name, tag in tags.items():
            head, kind = bytes(eth)[:12] + tag, struct.pack('!H', ethertype)
            emit('pop, %s%04x' % (name, ethertype), head + b'\x88\x47' + bytes(label()) + bytes(pkt), ['mpop=%04x' % ethertype],
                 [0], head + kind + bytes(pkt))
            emit('pop of two, %s%04x' % (name, ethertype), head + b'\x88\x47' + bytes(label(bos=0) / label()) + bytes(pkt),
                 ['mpop=8848', 'mpop=%04x' % ethertype], [0, 0], head + kind + bytes(pkt))
        emit('no label to pop, %04x' % ethertype, eth / pkt, ['mpop=%04x' % ethertype], [0])
        tagged = eth / Dot1Q(vlan=7, prio=6) / pkt
        emit('push and pop, %04x' % ethertype, tagged, ['mpush=8847', 'mpop=8100', 'pop'], [0] * 3, eth / pkt)
    other = IP(src=A4, dst='9.8.7.6', tos=0x4a, ttl=63, id=77) / TCP(sport=1000, dport=5555, flags='SA') / PAYLOAD
    emit('pop, set below', typed(0x8847) / label() / ip4 / tcp / PAYLOAD, ['mpop=0800', 'set=ipv4_dst:09080706,tcp_dst:15b3', 'dec'],
         [0] * 3, eth / other)
    emit('pop what is no IPv4', typed(0x8847) / label() / ip6, ['mpop=0800', 'set=ipv4_dst:09080706', 'dec'], [0, -1, 0],
         bytes(eth)[:12] + b'\x08\0' + bytes(ip6))
    below = typed(0x8847) / label() / ip4
    emit('push of four, pop below', below, ['push=8100'] * 4 + ['mpop=0800'], [0] * 5, bytes(eth)[:12] + b'\x81\0\0\0' * 4 +
         b'\x08\0' + bytes(ip4))
    emit('push of five, no pop below', below, ['push=8100'] * 5 + ['mpop=0800', 'pop'], [0] * 5 + [-1, 0], bytes(eth)[:12] +
         b'\x81\0\0\0' * 4 + bytes(below)[12:])
    emit('pop the last byte', typed(0x8847) / label(), ['mpop=1234'], [0], bytes(eth)[:12] + b'\x12\x34')


def mpls_set_rows():
    for head, name in ((typed(0x8847), 'a label'), (eth / Dot1Q(vlan=7, type=0x8847), 'a tagged label')):
        pkt = head / label() / ip4 / tcp
        for step, changed in (('mpls_label:000abcde', dict(number=0xabcde)), ('mpls_tc:06', dict(tc=6)),
                              ('mpls_bos:00', dict(bos=0)), ('mpls_bos:01', {}),
                              ('mpls_label:00000000,mpls_tc:00,mpls_bos:00', dict(number=0, tc=0, bos=0))):
            emit('set %s in %s' % (step, name), pkt, ['set=' + step], [0], head / label(**changed) / ip4 / tcp)
    pkt = typed(0x8847) / label() / ip4 / tcp
    for step in ('ipv4_src:01020304', 'ipv4_dst:01020304', 'arp_sha:010203040506', 'ip_dscp:01', 'tcp_src:0001', 'ipv6_flabel:00000001'):
        emit('no %s behind a label' % step, pkt, ['set=' + step], [-1])
    emit('set eth_dst before a label', pkt, ['set=eth_dst:' + mac(SRC)], [0], Ether(dst=SRC, src=SRC, type=0x8847) / label() / ip4 / tcp)


def mpls_ttl_rows():
    for head, name in ((typed(0x8847), ''), (eth / Dot1Q(vlan=7, type=0x8847), ', tagged')):
        for pkt in (ip4 / tcp, ip6 / tcp):
            emit('set MPLS TTL' + name, head / label() / pkt, ['mttl=200'], [0], head / label(ttl=200) / pkt)
            emit('dec MPLS TTL' + name, head / label() / pkt, ['mdec'], [0], head / label(ttl=63) / pkt)
        for ttl in (0, 1):
            emit('dec MPLS TTL %d%s' % (ttl, name), head / label(ttl=ttl) / ip4 / tcp, ['mdec'], [1])
        emit('dec MPLS TTL 2' + name, head / label(ttl=2) / ip4, ['mdec', 'mdec'], [0, 1], head / label(ttl=1) / ip4)
        v4, v6 = IP(src=A4, dst=B4, ttl=9) / udp, IPv6(src=A6, dst=B6, hlim=9) / udp
        new4, new6 = IP(src=A4, dst=B4, ttl=77) / udp, IPv6(src=A6, dst=B6, hlim=77) / udp
        for pkt, new in ((v4, new4), (v6, new6)):
            emit('copy TTL out, IP to label' + name, head / label() / pkt, ['copyout'], [0], head / label(ttl=9) / pkt)
            emit('copy TTL in, label to IP' + name, head / label(ttl=77) / pkt, ['copyin'], [0], head / label(ttl=77) / new)
        two = head / label(bos=0, ttl=77) / label(ttl=5) / v4
        emit('copy TTL out, label to label' + name, two, ['copyout'], [0], head / label(bos=0, ttl=5) / label(ttl=5) / v4)
        emit('copy TTL in, label to label' + name, two, ['copyin'], [0], head / label(bos=0, ttl=77) / label(ttl=77) / v4)
        emit('no TTL in ARP' + name, head / label() / ARP(), ['copyout', 'copyin'], [0, 0])
        emit('no TTL behind the stack' + name, head / label(bos=0), ['copyout', 'copyin'], [0, 0])
    for outer, new in ((IP(src=A4, dst=B4, ttl=9), IP(src=A4, dst=B4, ttl=3)),
                       (IPv6(src=A6, dst=B6, hlim=9), IPv6(src=A6, dst=B6, hlim=3))):
        for inner, changed in ((IP(src=A4, dst=B4, ttl=3) / udp, IP(src=A4, dst=B4, ttl=9) / udp),
                               (IPv6(src=A6, dst=B6, hlim=3) / udp, IPv6(src=A6, dst=B6, hlim=9) / udp)):
            emit('copy TTL out, IP to IP', eth / outer / inner, ['copyout'], [0], eth / new / inner)
            emit('copy TTL in, IP to IP', eth / outer / inner, ['copyin'], [0], eth / outer / changed)
        emit('no inner IP header', eth / outer / udp, ['copyout', 'copyin'], [0, 0])
    emit('no label', eth / ip4 / tcp, ['mttl=7', 'mdec'], [0, 0])
    emit('no TTL at all', eth / ARP(), ['copyout', 'copyin'], [0, 0])


if __name__ == '__main__':
    parse_rows()
    parse_mpls_rows()
    all_set_rows()
    fragment_rows()
    odd_set_rows()
    tag_rows()
    ttl_rows()
    mpls_push_rows()
    mpls_pop_rows()
    mpls_set_rows()
    mpls_ttl_rows()
