# SPDX-License-Identifier: GPL-2.0-only
"""How long the switch lets everybody else wait while it serves one request: `longest-turn`.

Each row sends its requests on one connection while another one asks for echoes (ofturn.c).  A row's figure is the most
CPU time that the daemon used between a question and its answer, in milliseconds: the rest of the turn it was in and one
round of everybody's turns.  It is CPU time, so a busy machine does not count.
"""
import os
import struct
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
from lib import check, wait_for  # noqa: E402
from openflow import (ALL_TABLES, DELETE, ETH_TYPE, IP_PROTO, IPV4_DST, IPV4_SRC, TCP_DST, apply_actions, flow_mod,  # noqa: E402
                      match, output, oxm)

ANY = 0xffffffff
MODIFY = 1
GROUP, METER = 7, 9
GROUP_MOD, MULTIPART, METER_MOD = 15, 18, 29
HARD_TIMEOUT, FLAGS = 28, 44  # where a flow-mod has them
PRIORITIES = 40_000


def message(kind, body):
    return struct.pack('>BBHI', 4, kind, 8 + len(body), 5) + body


def multipart(kind, body=b''):
    return message(MULTIPART, struct.pack('>HH4x', kind, 0) + body)


def flows_of(kind):
    """A multipart request about all flow entries."""
    return multipart(kind, struct.pack('>B3xII4xQQ', ALL_TABLES, ANY, ANY, 0, 0) + match())


def group_mod(command, kind, buckets=b''):
    return message(GROUP_MOD, struct.pack('>HBxI', command, kind, GROUP) + buckets)


def bucket(actions):
    return struct.pack('>HHII4x', 16 + len(actions), 0, ANY, ANY) + actions


def meter_mod(command):
    band = struct.pack('>HHII4x', 1, 16, 1_000_000, 0)
    return message(METER_MOD, struct.pack('>HHI', command, 1, METER) + (band if command < 2 else b''))


def with_field(data, at, value):
    return data[:at] + struct.pack('>H', value) + data[at + 2:]


def exact(i):
    return match(oxm(ETH_TYPE, 0x0800), oxm(IPV4_DST, 0x0a000000 + i))


TO_GROUP = apply_actions(struct.pack('>HHI', 22, 8, GROUP))
BY_METER = struct.pack('>HHI', 6, 8, METER) + apply_actions(output(2))
TO_PORT = apply_actions(output(2))
DELETE_ALL = flow_mod(ALL_TABLES, 0, match(), b'', DELETE)
SOURCE = match(oxm(ETH_TYPE, 0x0800), oxm(IPV4_SRC, 0x0b000001))


def adds(n, instructions):
    return b''.join(flow_mod(0, 100, exact(i), instructions[i % len(instructions)]) for i in range(n))


def users_of_group_and_meter(n):
    two = group_mod(0, 0, bucket(output(2))) + meter_mod(0)
    return two + adds(n, (TO_GROUP, BY_METER))


def by_priority(n):
    one = match(oxm(ETH_TYPE, 0x0806))
    return b''.join(flow_mod(0, 1 + p, one, TO_PORT) for p in range(n))


def grid(n):
    """Addresses times ports, as a list of services has them."""
    side = int(n ** 0.5)
    return b''.join(flow_mod(1, 100, match(oxm(ETH_TYPE, 0x0800), oxm(IP_PROTO, 6), oxm(IPV4_DST, 0x0a000000 + i // side),
                                           oxm(TCP_DST, 8192 + i % side)), TO_PORT) for i in range(side * side))


def timed(n):
    return b''.join(with_field(flow_mod(2, 100, exact(i), TO_PORT), HARD_TIMEOUT, 2) for i in range(n))


def rows(n):
    """[(what, its messages, seconds to go on after them)], each in the state that the ones before it leave."""
    overlap = with_field(flow_mod(0, 100, SOURCE, TO_PORT), FLAGS, 2)
    wide = bucket(b''.join(output(2) for _ in range(48)))
    return [
        ('adds', users_of_group_and_meter(n), 0),
        ('AGGREGATE', flows_of(2), 0),
        ('FLOW', flows_of(1), 0),
        ('TABLE', multipart(3) * 8, 0),
        ('PORT, QUEUE', (multipart(4, struct.pack('>I4x', ANY)) + multipart(5, struct.pack('>II', ANY, ANY))) * 64, 0),
        ('GROUP, METER', (multipart(6, struct.pack('>I4x', GROUP)) + multipart(9, struct.pack('>I4x', METER))) * 64, 0),
        ('TABLE_FEATURES', multipart(12) * 8, 0),
        ('CHECK_OVERLAP', overlap * 64, 0),
        ('METER delete', meter_mod(2), 0),
        ('GROUP delete', group_mod(2, 0), 0),
        ('large GROUP', group_mod(0, 0, wide * 80) + group_mod(1, 0, wide * 79) + group_mod(2, 0), 0),
        ('adds again', DELETE_ALL + adds(n, (TO_PORT,)), 0),
        ('MODIFY of all', flow_mod(0, 0, match(), apply_actions(output(1)), MODIFY), 0),
        ('priorities', by_priority(min(PRIORITIES, n)), 0),
        ('priorities delete', flow_mod(0, 0, match(oxm(ETH_TYPE, 0x0806)), b'', DELETE), 0),
        ('DELETE of all', DELETE_ALL, 1),
        ('grid', grid(n // 10), 0),
        ('time-outs', timed(n // 4), 4),
    ]


def measure(switch, n):
    """{what: ms}"""
    worst = {}
    for what, data, seconds in rows(n):
        with tempfile.TemporaryFile() as f:
            f.write(data)
            f.seek(0)
            r = switch.client('turn', switch.pid, seconds, stdin=f)
        check(not r['errors'] or what == 'CHECK_OVERLAP', '%s: %d refused, the first with %r', what, r['errors'], r['error'])
        worst[what] = r['cpu_ms']
        wait_for(lambda: False, 0.3)  # what was deleted is given back after a grace period
    return worst
