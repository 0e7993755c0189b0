# SPDX-License-Identifier: GPL-2.0-only
"""Mods as ovs-ofctl -O OpenFlow13 takes them, for a report."""
import socket

from frame import FIELDS
from pipeline import (ALL, ANY, CONTROLLER, FLOOD, IN_PORT, LOCAL, REMARK, TTL_ARG, TYPE_ARG, Flow, Group, Link, fields_in_order)

PORT_NAMES = {IN_PORT: 'IN_PORT', FLOOD: 'FLOOD', ALL: 'ALL', LOCAL: 'LOCAL'}
OVS_NAMES = {'set_ip_ttl': 'mod_nw_ttl', 'dec_ip_ttl': 'dec_ttl'}
OVS_FIELDS = {'ipv4_src': 'ip_src', 'ipv4_dst': 'ip_dst', 'icmpv4_type': 'icmp_type', 'icmpv4_code': 'icmp_code',
              'ipv6_nd_target': 'nd_target', 'ipv6_nd_sll': 'nd_sll', 'ipv6_nd_tll': 'nd_tll', 'ipv6_flabel': 'ipv6_label',
              'ip_ecn': 'nw_ecn', 'ip_dscp': 'ip_dscp', 'ip_proto': 'nw_proto'}


def value_text(name, v):
    size = FIELDS[name].size
    if name.startswith(('ipv4_', 'arp_spa', 'arp_tpa')):
        return socket.inet_ntoa(v.to_bytes(4, 'big'))
    if name in ('ipv6_src', 'ipv6_dst', 'ipv6_nd_target'):
        return socket.inet_ntop(socket.AF_INET6, v.to_bytes(16, 'big'))
    if size == 6:
        return v.to_bytes(6, 'big').hex(':')
    if name == 'in_port' and v == LOCAL:
        return 'LOCAL'
    return hex(v) if name in ('eth_type', 'vlan_vid', 'metadata', 'tunnel_id', 'ipv6_exthdr') else str(v)


def action_text(a):
    if a[0] == 'output':
        return 'CONTROLLER:%d' % (a[2] if len(a) > 2 else 65535) if a[1] == CONTROLLER else PORT_NAMES.get(a[1], 'output:%d' % a[1])
    if a[0] == 'group':
        return 'group:%d' % a[1]
    if a[0] == 'set':
        return 'set_field:%s->%s' % (value_text(a[1], a[2]), OVS_FIELDS.get(a[1], a[1]))
    name = OVS_NAMES.get(a[0], a[0])
    return name + (':0x%04x' % a[1] if a[0] in TYPE_ARG else '(%d)' % a[1] if a[0] == 'set_mpls_ttl' else
                   ':%d' % a[1] if a[0] in TTL_ARG else '')


def flow_text(flow):
    out = ['%stable=%d,priority=%d,cookie=0x%x' % ('reset_counts,' * flow.reset, flow.table, flow.priority, flow.cookie)]
    for n, (v, m) in fields_in_order(flow.match):
        out.append('%s=%s%s' % (OVS_FIELDS.get(n, n), value_text(n, v), '' if m is None else '/' + value_text(n, m)))
    acts = ['meter:%d' % flow.meter] if flow.meter is not None else []
    acts += [action_text(a) for a in flow.apply]
    if flow.clear:
        acts.append('clear_actions')
    if flow.write:
        acts.append('write_actions(%s)' % ','.join(map(action_text, flow.write)))
    if flow.metadata:
        acts.append('write_metadata:0x%x/0x%x' % flow.metadata)
    if flow.goto is not None:
        acts.append('goto_table:%d' % flow.goto)
    return ','.join(out) + ',actions=' + (','.join(acts) or 'drop')


def bucket_text(b):
    out = ['bucket='] + (['weight:%d' % b.weight] if b.weight else [])
    out += ['watch_port:%s' % value_text('in_port', b.watch_port)] if b.watch_port != ANY else []
    out += ['watch_group:%d' % b.watch_group] if b.watch_group != ANY else []
    return ','.join(out + ['actions=' + ','.join(map(action_text, b.actions))]).replace('=,', '=')


def thing_text(thing):
    if isinstance(thing, Flow):
        return flow_text(thing)
    if isinstance(thing, Group):
        return ','.join(['group_id=%d,type=%s' % (thing.id, thing.kind)] + [bucket_text(b) for b in thing.buckets])
    if isinstance(thing, Link):
        return 's%d' % thing.port
    return 'meter=%d,kbps,burst,stats,bands=%s' % (thing.id, ' '.join(
        'type=%s,rate=%d,burst_size=%d%s' % ('dscp_remark' if b.kind == REMARK else 'drop', b.rate, b.burst,
                                             ',prec_level=%d' % b.levels if b.levels else '') for b in thing.bands))


def text(mod):
    return '%s %s %s' % (mod.command, type(mod.thing).__name__.lower(), thing_text(mod.thing))
