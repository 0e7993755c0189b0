#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What a switch takes: README's paragraph on memory.  Each switch is in a memory cgroup of its own, so that what the
kernel has of it counts, maps and programs among it; what the process shares with others does not.  Root; a minute.
"""
import os
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
from cgroup import InCgroup  # noqa: E402
from lib import Client, on_signals  # noqa: E402
from openflow import (ETH_DST, ETH_SRC, ETH_TYPE, IP_PROTO, IPV4_DST, IPV4_SRC, TCP_DST, TCP_SRC,  # noqa: E402
                      apply_actions, flow_mod, match, output, oxm, set_field)

ENOUGH = 8192  # MB
MB, KB = 1 << 20, 1 << 10
SETTLE = 1.5  # s: sets for copies are made in the background


class Measured(InCgroup):
    def __init__(self, n_ports=2, max_flows=131072):
        super().__init__(ENOUGH, hosts=n_ports, args=['--max-flows', str(max_flows)])
        time.sleep(SETTLE)

    def send(self, messages):
        with Client(self.sock, timeout=60) as c:
            for at in range(0, len(messages), 1000):
                c.sock.sendall(b''.join(messages[at:at + 1000]))
                c.barrier()
        time.sleep(SETTLE)


def used(**kw):
    with Measured(**kw) as sw:
        return sw.cgroup.used()


def tell(what, value, unit):
    print('%-62s %8.1f %s' % (what, value, unit), flush=True)


def start():
    few, base, many = used(max_flows=1), used(), used(max_flows=1000000)
    cpus = os.sysconf('SC_NPROCESSORS_ONLN')
    tell('at the start, 2 ports, --max-flows 131072, %d CPUs' % cpus, base / MB, 'MB')
    tell('… --max-flows 1', few / MB, 'MB')
    tell('… --max-flows 1000000', many / MB, 'MB')
    tell('for each of --max-flows', (many - base) / (1000000 - 131072), 'bytes')
    tell('a port', (used(n_ports=42) - base) / 40 / KB, 'KB')


def five_tuple(i):
    return match(oxm(ETH_TYPE, 0x800), oxm(IP_PROTO, 6), oxm(IPV4_SRC, 0x0a000000 + i), oxm(IPV4_DST, 0x0b000000 + i),
                 oxm(TCP_SRC, i & 0xffff), oxm(TCP_DST, 80))


def address(i):
    return match(oxm(ETH_DST, 0x020000000000 + i))


def flows(what, matched, actions, n=200000):
    with Measured(max_flows=n) as sw:
        before = sw.cgroup.used()
        sw.send([flow_mod(0, 10, matched(i), apply_actions(*actions(i))) for i in range(n)])
        tell(what, (sw.cgroup.used() - before) / n, 'bytes')


def message(kind, body):
    return struct.pack('>BBHI', 4, kind, 8 + len(body), 1) + body


def groups_and_meters(n=2000):
    bucket = struct.pack('>HHII4x', 32, 1, 0xffffffff, 0xffffffff) + output(2)
    with Measured() as sw:
        before = sw.cgroup.used()
        sw.send([message(15, struct.pack('>HBxI', 0, 1, i + 1) + bucket * 4) for i in range(n)])
        after = sw.cgroup.used()
        tell('a group of 4 buckets', (after - before) / n, 'bytes')
        sw.send([message(29, struct.pack('>HHIHHII4x', 0, 1, i + 1, 1, 16, 1000, 0)) for i in range(n)])
        tell('a meter', (sw.cgroup.used() - after) / n, 'bytes')


def connections(n=100):
    with Measured() as sw:
        before = sw.cgroup.used()
        clients = [Client(sw.sock) for _ in range(n)]
        time.sleep(SETTLE)
        tell('an idle connection', (sw.cgroup.used() - before) / n / KB, 'KB')
        for c in clients:
            c.sock.close()


on_signals()
start()
flows('a flow entry: one field, all the same actions', address, lambda i: [output(2)])
flows('… a 5-tuple', five_tuple, lambda i: [output(2)])
flows('… one field, each other actions: a set-field, an output', address, lambda i: [set_field(ETH_DST, i), output(2)])
flows('… one field, each other actions: two set-fields, four outputs', address,
      lambda i: [set_field(ETH_DST, i), output(1), output(2), set_field(ETH_SRC, i), output(1), output(2)])
groups_and_meters()
connections()
