# SPDX-License-Identifier: GPL-2.0-only
"""Flow entries: as the oracle walks them, as flow-mods on the wire, as ovs-ofctl text for a report."""
import socket
import struct
from dataclasses import dataclass, field

from frame import FIELDS

IN_PORT, TABLE, FLOOD, ALL, CONTROLLER, ANY = 0xfffffff8, 0xfffffff9, 0xfffffffb, 0xfffffffc, 0xfffffffd, 0xffffffff
PORT_NAMES = {IN_PORT: 'IN_PORT', FLOOD: 'FLOOD', ALL: 'ALL', CONTROLLER: 'CONTROLLER:65535'}
TYPES = {'copy_ttl_out': 11, 'copy_ttl_in': 12, 'set_mpls_ttl': 15, 'dec_mpls_ttl': 16, 'push_vlan': 17, 'pop_vlan': 18,
         'push_mpls': 19, 'pop_mpls': 20, 'set_ip_ttl': 23, 'dec_ip_ttl': 24}
OVS_NAMES = {'set_ip_ttl': 'mod_nw_ttl', 'dec_ip_ttl': 'dec_ttl'}
TTL_ARG, TYPE_ARG = ('set_mpls_ttl', 'set_ip_ttl'), ('push_vlan', 'push_mpls', 'pop_mpls')


@dataclass
class Flow:
    """match: {field: (value, mask or None)}; actions: ('output', port), ('set', field, value), ('pop_vlan',) ..."""
    table: int
    priority: int
    match: dict
    cookie: int = 0
    apply: list = field(default_factory=list)
    write: list = field(default_factory=list)
    clear: bool = False
    metadata: tuple = None
    goto: int = None

    def is_table_miss(self):
        return not self.match and self.priority == 0


def oxm(name, value, mask=None):
    f = FIELDS[name]
    body = value.to_bytes(f.size, 'big') + (b'' if mask is None else mask.to_bytes(f.size, 'big'))
    return struct.pack('>HBB', 0x8000, f.oxm << 1 | (mask is not None), len(body)) + body


def pad8(data):
    return data + b'\0' * (-len(data) % 8)


def action(a):
    if a[0] == 'output':
        return struct.pack('>HHIH6x', 0, 16, a[1], 0xffff)
    if a[0] == 'set':
        body = oxm(a[1], a[2])
        size = (4 + len(body) + 7) // 8 * 8
        return struct.pack('>HH', 25, size) + body + b'\0' * (size - 4 - len(body))
    kind = TYPES[a[0]]
    if a[0] in TTL_ARG:
        return struct.pack('>HHB3x', kind, 8, a[1])
    return struct.pack('>HHH2x', kind, 8, a[1] if a[0] in TYPE_ARG else 0)


def instruction(kind, body):
    return struct.pack('>HH', kind, 4 + len(body)) + body


# The order of prerequisites before what needs them.
ORDER = {n: i for i, n in enumerate(('in_port', 'metadata', 'tunnel_id', 'eth_dst', 'eth_src', 'eth_type', 'vlan_vid', 'vlan_pcp',
                                     'ip_proto', 'icmpv6_type'))}


def fields_in_order(match):
    return sorted(match.items(), key=lambda kv: ORDER.get(kv[0], 99))


def flow_mod(flow, command=0):
    body = b''.join(oxm(n, v, m) for n, (v, m) in fields_in_order(flow.match))
    match = pad8(struct.pack('>HH', 1, 4 + len(body)) + body)
    inst = b''
    if flow.apply:
        inst += instruction(4, b'\0' * 4 + b''.join(map(action, flow.apply)))
    if flow.clear:
        inst += instruction(5, b'\0' * 4)
    if flow.write:
        inst += instruction(3, b'\0' * 4 + b''.join(map(action, flow.write)))
    if flow.metadata:
        inst += instruction(2, struct.pack('>4xQQ', *flow.metadata))
    if flow.goto is not None:
        inst += instruction(1, struct.pack('>B3x', flow.goto))
    return struct.pack('>QQBBHHHIIIH2x', flow.cookie, 0, flow.table, command, 0, 0, flow.priority, 0xffffffff, ANY, ANY, 0) + \
        match + inst


DELETE_ALL = struct.pack('>QQBBHHHIIIH2x', 0, 0, 0xff, 3, 0, 0, 0, 0xffffffff, ANY, ANY, 0) + struct.pack('>HH4x', 1, 4)


# --- text ---

def value_text(name, v):
    size = FIELDS[name].size
    if name.startswith(('ipv4_', 'arp_spa', 'arp_tpa')):
        return socket.inet_ntoa(v.to_bytes(4, 'big'))
    if name in ('ipv6_src', 'ipv6_dst', 'ipv6_nd_target'):
        return socket.inet_ntop(socket.AF_INET6, v.to_bytes(16, 'big'))
    if size == 6:
        return v.to_bytes(6, 'big').hex(':')
    return hex(v) if name in ('eth_type', 'vlan_vid', 'metadata', 'tunnel_id', 'ipv6_exthdr') else str(v)


OVS_FIELDS = {'ipv4_src': 'ip_src', 'ipv4_dst': 'ip_dst', 'icmpv4_type': 'icmp_type', 'icmpv4_code': 'icmp_code',
              'ipv6_nd_target': 'nd_target', 'ipv6_nd_sll': 'nd_sll', 'ipv6_nd_tll': 'nd_tll', 'ipv6_flabel': 'ipv6_label',
              'ip_ecn': 'nw_ecn', 'ip_dscp': 'ip_dscp', 'ip_proto': 'nw_proto'}


def action_text(a):
    if a[0] == 'output':
        return PORT_NAMES.get(a[1], 'output:%d' % a[1])
    if a[0] == 'set':
        return 'set_field:%s->%s' % (value_text(a[1], a[2]), OVS_FIELDS.get(a[1], a[1]))
    name = OVS_NAMES.get(a[0], a[0])
    return name + (':0x%04x' % a[1] if a[0] in TYPE_ARG else '(%d)' % a[1] if a[0] == 'set_mpls_ttl' else
                   ':%d' % a[1] if a[0] in TTL_ARG else '')


def text(flow):
    """As ovs-ofctl -O OpenFlow13 add-flow takes it."""
    out = ['table=%d,priority=%d,cookie=0x%x' % (flow.table, flow.priority, flow.cookie)]
    for n, (v, m) in fields_in_order(flow.match):
        out.append('%s=%s%s' % (OVS_FIELDS.get(n, n), value_text(n, v), '' if m is None else '/' + value_text(n, m)))
    acts = [action_text(a) for a in flow.apply]
    if flow.clear:
        acts.append('clear_actions')
    if flow.write:
        acts.append('write_actions(%s)' % ','.join(map(action_text, flow.write)))
    if flow.metadata:
        acts.append('write_metadata:0x%x/0x%x' % flow.metadata)
    if flow.goto is not None:
        acts.append('goto_table:%d' % flow.goto)
    return ','.join(out) + ',actions=' + (','.join(acts) or 'drop')
