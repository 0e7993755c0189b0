# SPDX-License-Identifier: GPL-2.0-only
"""A switch whose memory is limited: what is too much is refused, long before the kernel kills; and it goes on."""
import os
import select
import struct
import sys
import time

import openflow as of
from cgroup import MB, Cgroup, InCgroup, Limited, read
from lib import SLOW, Client, Failed, Switch, check, equal, inside, output, run_tests, udp, wait_for

ADD, MODIFY, DELETE = 0, 1, 3
ANY = 0xffffffff
TABLE_FULL, OUT_OF_GROUPS, OUT_OF_METERS = (5, 1), (6, 3), (12, 10)
BATCH = 2000


def flow_mod(command, number=None, port=2, priority=10, table=0, flags=0):
    """The body.  number: of an IPv4 destination; None: any packet."""
    matched = of.match() if number is None else of.match(of.oxm(of.ETH_TYPE, 0x0800), of.oxm(of.IPV4_DST, 0x0a000000 + number))
    return of.flow_mod(table, priority, matched, of.apply_actions(output(port)), command, number or 0, flags)[8:]


def send_all(client, kind, bodies):
    """Errors that come, as (type, code), before the reply to a barrier behind the bodies."""
    errors, client.queue = [], []
    client.sock.settimeout(60 * SLOW)
    for at in range(0, len(bodies), 256):
        for body in bodies[at:at + 256]:
            client.send(kind, body)
        while client.buffer or select.select([client.sock], [], [], 0)[0]:  # read meanwhile, answer probes
            message = client.recv()
            if message[0] == client.ECHO_REQUEST:
                client.send(client.ECHO_REPLY, message[2], message[1])
            else:
                client.queue.append(message)
    client.barrier()
    for kind, _, body in client.queue:
        if kind == client.ERROR:
            errors.append(struct.unpack('>HH', body[:4]))
    return errors


def add_flows(client, first, n, **kw):
    """How many were taken: all before the first that was refused, for want of room."""
    errors = send_all(client, client.FLOW_MOD, [flow_mod(ADD, first + i, **kw) for i in range(n)])
    equal(set(errors) - {TABLE_FULL}, set(), 'errors')
    return n - len(errors)


def fill(sw, client, first=0, most=400000):
    """Add until the table is full.  How many."""
    n = 0
    while n < most:
        taken = add_flows(client, first + n, BATCH)
        n += taken
        if taken < BATCH:
            return n
    raise Failed('%d flow entries, and the table is not full' % n)


def flow_count(sw, *args):
    return int(sw.of('dump-aggregate', *args).split('flow_count=')[1].split()[0])


def alive(sw):
    check(sw.proc.poll() is None, 'the daemon ended with %r', sw.proc.returncode)
    if hasattr(sw, 'cgroup'):
        equal(sw.cgroup.kills(), 0, 'processes killed for want of memory')


def fill_and_go_on(sw):
    """Full, read, emptied in part, filled again, changed, emptied."""
    with Client(sw.sock) as c:
        n = fill(sw, c)
        alive(sw)
        used = ', %d of %d MB used' % (sw.cgroup.used() // MB, sw.mb) if hasattr(sw, 'cgroup') else ''
        print('# result: %d flow entries%s' % (n, used))
        equal(flow_count(sw), n, 'flow entries')
        equal(len(sw.dump()), n, 'flow entries of a dump')
        taken = fill(sw, c, 1 << 20)  # some: what the dump took is given back
        check(taken <= n // 20, '%d entries were taken by a full table, of %d', taken, n)
        frames = [udp(1, 2, dip='10.0.0.5'), udp(1, 2, dip='10.0.1.7')]
        sw.forward([(1, f) for f in frames], {2: frames})
        equal(send_all(c, c.FLOW_MOD, [flow_mod(DELETE, i) for i in range(0, n, 2)]), [], 'errors of deletes')
        left = flow_count(sw)
        check(wait_for(lambda: add_flows(c, 2 << 20, 1) == 1, 10), 'no entry is taken where half of them were deleted')
        again = fill(sw, c, 3 << 20)
        check(again > (n - left) // 2, '%d entries were added where %d had been deleted', again, n - left)
        alive(sw)
        errors = send_all(c, c.FLOW_MOD, [flow_mod(MODIFY, None, port=3)])
        check(set(errors) <= {TABLE_FULL}, 'errors of a modify: %r', errors)
        alive(sw)
        equal(send_all(c, c.FLOW_MOD, [flow_mod(DELETE)]), [], 'errors of a delete')
        equal(flow_count(sw), 0, 'flow entries')
        time.sleep(0.5 * SLOW)
        anew = fill(sw, c, 4 << 20)
        check(anew > n * 3 // 4, '%d entries the second time, %d the first', anew, n)
        alive(sw)
    return n


def test_cgroup(mb=140):
    with InCgroup(mb, args=['--max-flows', '400000']) as sw:
        sw.mb = mb
        n = fill_and_go_on(sw)
        check(n >= 10000, 'room for %d flow entries only', n)
        equal(sw.term(), 0, 'status')


def test_address_space():
    """RLIMIT_AS: so much beside what the daemon has at its start."""
    args = ['--max-flows', '400000']
    with Switch(2, args=args) as sw:
        size = int(read('/proc/%d/statm' % sw.proc.pid).split()[0]) * os.sysconf('SC_PAGESIZE')
    with Limited('prlimit', '--as=%d' % (size + 64 * MB), args=args) as sw:
        fill_and_go_on(sw)


def test_groups_and_meters():
    """Where flow entries have taken all that they may, some groups and meters have room, but not all there could be."""
    bucket = struct.pack('>HHII4x', 40, 1, ANY, ANY) + struct.pack('>HHB3x', 23, 8, 64) + output(2)
    meter = struct.pack('>HHIHHII4x', 0, 1, 0, 1, 16, 1000, 0)
    with InCgroup(116) as sw, Client(sw.sock) as c:
        n = fill(sw, c)
        taken = 0
        for at in range(1, 4096, 63):
            errors = send_all(c, 15, [struct.pack('>HBxI', 0, 1, at + i) + bucket * 16 for i in range(63)])
            equal(set(errors) - {OUT_OF_GROUPS}, set(), 'errors')
            taken += 63 - len(errors)
            alive(sw)
        print('# result: %d flow entries and %d groups of 16 buckets, %d MB used' % (n, taken, sw.cgroup.used() // MB))
        check(100 < taken < 4095, '%d groups', taken)
        errors = send_all(c, 29, [meter[:4] + struct.pack('>I', 1 + i) + meter[8:] for i in range(4096)])
        equal(set(errors) - {OUT_OF_METERS}, set(), 'errors')
        equal(send_all(c, 15, [struct.pack('>HBxI', 2, 0, 0xfffffffc)]), [], 'errors of a delete')
        check(wait_for(lambda: not send_all(c, 15, [struct.pack('>HBxI', 0, 1, 1) + bucket]), 10), 'no group is taken')
        alive(sw)


class Deaf:
    """Connections, by a Unix socket and by TCP, that ask for much and take nothing of it."""
    PORT = 6653

    def __init__(self, sw, n):
        self.all = []
        for i in range(n):
            with inside(sw.sw):
                self.all.append(Client(('127.0.0.1', self.PORT) if i % 2 else sw.sock, rcvbuf=4096))
            self.all[-1].sock.setblocking(False)

    def ask(self):
        """As much as each lets us send, in whole messages."""
        question = struct.pack('>BBHI', 4, 18, 56, 1)  # FLOW statistics, of all
        question += struct.pack('>HH4xB3xII4xQQHH4x', 1, 0, 0xff, ANY, ANY, 0, 0, 1, 4)
        echo = struct.pack('>BBHI', 4, 2, 60008, 1) + bytes(60000)
        for c in self.all:
            for _ in range(4):
                try:
                    c.buffer = c.buffer or question + echo
                    c.buffer = c.buffer[c.sock.send(c.buffer):]
                except OSError:
                    break

    def close(self):
        for c in self.all:
            c.sock.close()


def slow_readers(mb, n=200):
    """They fill what there is for them, and are let go; who reads is served, and nobody is killed."""
    adds = [flow_mod(ADD, i, flags=1) for i in range(4000)]
    with InCgroup(mb, args=['-l', 'ptcp:%d' % Deaf.PORT]) as sw, Client(sw.sock, timeout=30) as c:
        c.send(28, bytes(24))  # SET_ASYNC: nothing, but answers
        deaf, most = Deaf(sw, n), 0
        try:
            for _ in range(20):
                equal(send_all(c, c.FLOW_MOD, adds), [], 'errors')
                deaf.ask()
                equal(send_all(c, c.FLOW_MOD, [flow_mod(DELETE)]), [], 'errors of a delete')  # each is told of each
                most = max(most, sw.cgroup.used())
                alive(sw)
        finally:
            deaf.close()
        print('# result: at most %d of %d MB used' % (most // MB, mb))
        check('connections together may hold' in sw.box.log('ofxdpd.log'), 'their part was not told')
        check('it does not take our messages' in sw.box.log('ofxdpd.log'), 'nobody was let go')
        equal(sw.term(), 0, 'status')


def test_slow_readers():
    slow_readers(120)


def test_slow_readers_with_more_room():
    slow_readers(200)


def test_too_small():
    """A daemon that finds too little room says so, and what its predecessor has left goes on."""
    with Limited(hosts=3) as sw:
        sw.flows('actions=output:2')
        frame = udp(1, 2)
        sw.forward([(1, frame)], {2: [frame]})
        sw.kill9()
        cgroup = Cgroup('oftm%d' % os.getpid(), 60 * MB)
        try:
            p = sw.box.start(sw.sw, 'sh', '-c', 'echo $$ >"$0/cgroup.procs" && exec "$@"', cgroup.dir, *sw.argv(),
                             log='small.log')
            p.wait(20 * SLOW)
            said = sw.box.log('small.log')
            equal(p.returncode, 1, 'status')
            equal(len(said.strip().split('\n')), 1, 'sentences: %s' % said)
            for word in ('MB', '--max-flows', 'memory cgroup'):
                check(word in said, '%r is not in: %s', word, said)
            equal(cgroup.kills(), 0, 'processes killed for want of memory')
        finally:
            sw.box.processes.remove(p)
            cgroup.close()
        sw.forward([(1, frame)], {2: [frame]})


run_tests(sys.modules[__name__])
