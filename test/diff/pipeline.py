# SPDX-License-Identifier: GPL-2.0-only
"""What a controller installs: flow entries, groups, meters; their messages on the wire; what a switch holds after them."""
import struct
from collections import namedtuple
from dataclasses import dataclass, field, replace

from frame import FIELDS

IN_PORT, TABLE, FLOOD, ALL, CONTROLLER, LOCAL, ANY = (0xfffffff8, 0xfffffff9, 0xfffffffb, 0xfffffffc, 0xfffffffd, 0xfffffffe,
                                                      0xffffffff)
SENDERS = (1, 2, 3, 4, LOCAL)  # ports that frames come in on
DEAD, FLAPPING = 5, 6          # never has a carrier; has one at the beginning
PORTS = (1, 2, 3, 4, DEAD, FLAPPING, LOCAL)
MAX_LENS = (0xffff, 0xffff, 0xffff, 0, 20, 128)  # of an output to CONTROLLER
TYPES = {'copy_ttl_out': 11, 'copy_ttl_in': 12, 'set_mpls_ttl': 15, 'dec_mpls_ttl': 16, 'push_vlan': 17, 'pop_vlan': 18,
         'push_mpls': 19, 'pop_mpls': 20, 'set_ip_ttl': 23, 'dec_ip_ttl': 24, 'push_pbb': 26, 'pop_pbb': 27}
TTL_ARG, TYPE_ARG = ('set_mpls_ttl', 'set_ip_ttl'), ('push_vlan', 'push_mpls', 'pop_mpls', 'push_pbb')
GROUP_TYPES = {'all': 0, 'select': 1, 'indirect': 2, 'ff': 3}
DROP, REMARK = 1, 2
FLOW_MOD, GROUP_MOD, METER_MOD = 14, 15, 29


@dataclass
class Flow:
    """match: {field: (value, mask or None)}; actions: ('output', port[, max_len]), ('set', field, value), ('group', id) ...

    The cookie is the entry's name: no two adds have the same."""
    table: int
    priority: int
    match: dict
    cookie: int = 0
    apply: list = field(default_factory=list)
    write: list = field(default_factory=list)
    clear: bool = False
    metadata: tuple = None
    goto: int = None
    meter: int = None
    reset: bool = False  # OFPFF_RESET_COUNTS

    def is_table_miss(self):
        return not self.match and self.priority == 0

    def key(self):
        """Of entries with the same key, a table holds one.  A match is never changed, but made anew."""
        if '_key' not in self.__dict__:
            self._key = self.table, self.priority, tuple(sorted(self.match.items()))
        return self._key

    def groups(self):
        return {a[1] for a in self.apply + self.write if a[0] == 'group'}


@dataclass
class Bucket:
    """actions: as a flow's; executed as an action set."""
    actions: list
    weight: int = 0
    watch_port: int = ANY
    watch_group: int = ANY


@dataclass
class Group:
    id: int
    kind: str
    buckets: list

    def refers(self):
        return {a[1] for b in self.buckets for a in b.actions if a[0] == 'group'} | {b.watch_group for b in self.buckets} - {ANY}


@dataclass
class Meter:
    """In kb/s, so low or so high that a packet's way depends on no clock: see Band.exceeded()."""
    id: int
    bands: list


@dataclass
class Band:
    kind: int
    rate: int
    burst: int
    levels: int = 0

    def exceeded(self):
        """A frame of PRIMER bytes has come before: the bucket is empty for longer than a case takes."""
        return self.rate < 100


PRIMER = 1400
LOW, HIGH = (1, 2, 3), (2000000, 4000000)  # kb/s

# command: add, modify, modify_strict, delete, delete_strict; of a Link: up, down.
Mod = namedtuple('Mod', 'command thing')
Link = namedtuple('Link', 'port')


class State:
    """What a switch holds: the sum of the mods."""

    def __init__(self):
        self.flows, self.groups, self.meters, self.down = [], {}, {}, {DEAD}

    def apply(self, mod):
        {Flow: self.flow, Group: self.group, Meter: self.meter, Link: self.link}[type(mod.thing)](mod.command, mod.thing)

    def hit(self, command, f):
        """Cookies of the entries that a message is about."""
        return {x.cookie for x in self.flows if (x.key() == f.key() if command == 'add' or command.endswith('strict') else covers(f, x))}

    def flow(self, command, f):
        hit = self.hit(command, f)
        if command == 'add':
            self.flows = [x for x in self.flows if x.cookie not in hit] + [f]
            return
        if command.startswith('delete'):
            self.flows = [x for x in self.flows if x.cookie not in hit]
        else:
            new = {n: getattr(f, n) for n in ('apply', 'write', 'clear', 'metadata', 'goto', 'meter')}
            self.flows = [replace(x, **new) if x.cookie in hit else x for x in self.flows]

    def group(self, command, g):
        if command == 'delete':
            self.groups.pop(g.id, None)
            self.flows = [f for f in self.flows if g.id not in f.groups()]
        else:
            self.groups[g.id] = g

    def meter(self, command, m):
        if command == 'delete':
            self.meters.pop(m.id, None)
            self.flows = [f for f in self.flows if f.meter != m.id]
        else:
            self.meters[m.id] = m

    def link(self, command, link):
        (self.down.discard if command == 'up' else self.down.add)(link.port)


def covers(wide, flow):
    """Non-strict matching (6.4): the entry is at least as specific as what the message describes."""
    if wide.table != flow.table:
        return False
    for name, (value, mask) in wide.match.items():
        full = (1 << FIELDS[name].bits) - 1
        mask = full if mask is None else mask
        if name not in flow.match:
            return False
        have, its = flow.match[name]
        its = full if its is None else its
        if mask & ~its or (have ^ value) & mask:
            return False
    return True


# --- wire ---

def oxm(name, value, mask=None):
    f = FIELDS[name]
    body = value.to_bytes(f.size, 'big') + (b'' if mask is None else mask.to_bytes(f.size, 'big'))
    return struct.pack('>HBB', 0x8000, f.oxm << 1 | (mask is not None), len(body)) + body


def pad8(data):
    return data + b'\0' * (-len(data) % 8)


def action(a):
    if a[0] == 'output':
        return struct.pack('>HHIH6x', 0, 16, a[1], a[2] if len(a) > 2 else 0xffff)
    if a[0] == 'group':
        return struct.pack('>HHI', 22, 8, a[1])
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


def match_bytes(match):
    body = b''.join(oxm(n, v, m) for n, (v, m) in fields_in_order(match))
    return pad8(struct.pack('>HH', 1, 4 + len(body)) + body)


def instructions(flow):
    inst = b''
    if flow.meter is not None:
        inst += instruction(6, struct.pack('>I', flow.meter))
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
    return inst


FLOW_COMMANDS = {'add': 0, 'modify': 1, 'modify_strict': 2, 'delete': 3, 'delete_strict': 4}


def flow_mod(flow, command='add'):
    head = struct.pack('>QQBBHHHIIIH2x', flow.cookie, 0, flow.table, FLOW_COMMANDS[command], 0, 0, flow.priority, 0xffffffff, ANY, ANY,
                       4 * flow.reset)
    return head + match_bytes(flow.match) + (b'' if command.startswith('delete') else instructions(flow))


def bucket_bytes(b):
    acts = b''.join(map(action, b.actions))
    return struct.pack('>HHII4x', 16 + len(acts), b.weight, b.watch_port, b.watch_group) + acts


def group_mod(g, command):
    buckets = b'' if command == 'delete' else b''.join(map(bucket_bytes, g.buckets))
    return struct.pack('>HBxI', ('add', 'modify', 'delete').index(command), GROUP_TYPES[g.kind], g.id) + buckets


def meter_mod(m, command):
    bands = b''.join(struct.pack('>HHIIB3x', b.kind, 16, b.rate, b.burst, b.levels) for b in m.bands)
    return struct.pack('>HHI', ('add', 'modify', 'delete').index(command), 1 | 4 | 8, m.id) + (b'' if command == 'delete' else bands)


def message(mod):
    """(type, body); None: it is no message."""
    if isinstance(mod.thing, Link):
        return None
    kind, body = {Flow: (FLOW_MOD, flow_mod), Group: (GROUP_MOD, group_mod), Meter: (METER_MOD, meter_mod)}[type(mod.thing)]
    return kind, body(mod.thing, mod.command)


DELETE_ALL = struct.pack('>QQBBHHHIIIH2x', 0, 0, 0xff, 3, 0, 0, 0, 0xffffffff, ANY, ANY, 0) + struct.pack('>HH4x', 1, 4)
DELETE_GROUPS = struct.pack('>HBxI', 2, 0, 0xfffffffc)
DELETE_METERS = struct.pack('>HHI', 2, 0, 0xffffffff)
