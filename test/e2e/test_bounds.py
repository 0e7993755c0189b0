# SPDX-License-Identifier: GPL-2.0-only
"""Peers that ask much, read nothing, come in masses: nobody else waits, memory has a bound, the log does not block."""
import contextlib
import os
import re
import resource
import select
import socket
import struct
import subprocess
import sys
import time

from lib import PYTHON, SLOW, Client, Switch, check, equal, inside, output, run_tests, sh, udp, wait_for

ANY = 0xffffffff
PORT_STATS = struct.pack('>HH4xI4x', 4, 0, ANY)
MULTIPART_REQUEST, MULTIPART_REPLY, SET_ASYNC = 18, 19, 28
ADD, DELETE = 0, 3
SEND_FLOW_REM = 1


def flow_mod(command, address=None, hard=0, actions=b'', flags=0, table=0):
    oxm = b''
    if address is not None:
        oxm = struct.pack('>HBBH', 0x8000, 5 << 1, 2, 0x0800) + struct.pack('>HBBI', 0x8000, 12 << 1, 4, address)
    match = struct.pack('>HH', 1, 4 + len(oxm)) + oxm
    match += b'\0' * (-len(match) % 8)
    inst = struct.pack('>HHI', 4, 8 + len(actions), 0) + actions if actions else b''
    return struct.pack('>QQBBHHHIIIHH', 7, 0, table, command, 0, hard, 50, ANY, ANY, ANY, flags, 0) + match + inst


def message(kind, body, xid=1):
    return struct.pack('>BBHI', 4, kind, 8 + len(body), xid) + body


def quiet(c):
    """It wants to be told nothing."""
    c.send(SET_ASYNC, struct.pack('>6I', *[0] * 6))
    c.barrier()


def resident(sw):
    """MB"""
    with open('/proc/%d/status' % sw.proc.pid) as f:
        return [int(x.split()[1]) for x in f if x.startswith('VmRSS')][0] // 1024


def lines(sw):
    return sw.box.log('ofxdpd.log').split('\n')


class Busy:
    """A process with connections that have requests outstanding all the time; it tells how many were answered."""

    def __init__(self, sw, n, requests):
        self.sw, self.proc = sw, sw.box.start(sw.sw, PYTHON, '-B', os.path.abspath(__file__), 'busy', sw.sock, n, requests,
                                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        check(self.proc.stdout.readline() == 'ready\n', 'the busy connections did not start')

    def end(self):
        self.proc.stdin.close()
        answers = int(self.proc.stdout.readline())
        self.sw.box.stop(self.proc)
        return answers


def keep_busy(path, n, requests):
    clients = [Client(path) for _ in range(n)]
    for c in clients:
        quiet(c)
    size = 8 + len(clients[0].ask(MULTIPART_REQUEST, PORT_STATS)[2])
    blob, poll, owed, answers = message(MULTIPART_REQUEST, PORT_STATS) * requests, select.poll(), {}, 0
    by_fd = {c.sock.fileno(): c.sock for c in clients}
    for fd, s in by_fd.items():
        s.send(blob)
        owed[fd] = requests * size
        poll.register(fd, select.POLLIN)
    poll.register(0, select.POLLIN)
    print('ready', flush=True)
    while True:
        for fd, _ in poll.poll():
            if not fd:
                print(int(answers), flush=True)
                return
            got = len(by_fd[fd].recv(1 << 18))
            owed[fd] -= got
            answers += got / size
            if owed[fd] <= requests * size // 2:
                by_fd[fd].send(blob)
                owed[fd] += requests * size


def test_others_beside_busy_connections():
    """FLOW_REMOVED, packet-ins and PORT_STATUS come as ever while 40 connections ask as much as they can."""
    with Switch(3) as sw, Client(sw.sock) as c:
        sw.add('priority=1,actions=CONTROLLER:128')
        busy = Busy(sw, 40, 40)
        try:
            for what, cause, kind, least in (
                    ('packet-in', lambda: sw.tap(1).send(udp(1, 2)), c.PACKET_IN, 0),
                    ('FLOW_REMOVED', lambda: c.send(c.FLOW_MOD, flow_mod(ADD, 5, 1, output(2), SEND_FLOW_REM)), c.FLOW_REMOVED, 1),
                    ('PORT_STATUS', lambda: sw.link(3, 'down'), c.PORT_STATUS, 0),
                    ('echo', lambda: c.send(c.ECHO_REQUEST, b'x'), c.ECHO_REPLY, 0)):
                start = time.monotonic()
                cause()
                check(c.wait(kind, 20), 'no %s in 20 s', what)
                took = time.monotonic() - start - least
                print('# %s after %.0f ms' % (what, 1000 * took))
                check(took < 1.5 * SLOW, '%s came %.1f s late', what, took)
        finally:
            answers = busy.end()
        check(answers > 1000, 'the switch was not busy: %d answers', answers)


def test_readers_that_fall_behind():
    """24 connections take a little now and then and say that they live; one reads all.  Memory stays in bounds."""
    n, rounds = 20000, 8
    with Switch(2, args=['--max-unsent', '32']) as sw:
        slow = [Client(sw.sock, rcvbuf=65536) for _ in range(24)]
        reader, writer = Client(sw.sock, timeout=20), Client(sw.sock, timeout=20)
        quiet(writer)
        adds = b''.join(message(14, flow_mod(ADD, i, flags=SEND_FLOW_REM)) for i in range(n))
        start, most = resident(sw), 0
        for _ in range(rounds):
            writer.sock.sendall(adds)
            writer.send(writer.FLOW_MOD, flow_mod(DELETE, table=255))
            writer.barrier()
            for _ in range(n):
                check(reader.wait(reader.FLOW_REMOVED, 10), 'a FLOW_REMOVED is missing')
            for c in slow:
                with contextlib.suppress(OSError):
                    c.sock.setblocking(False)
                    c.sock.send(message(c.ECHO_REPLY, b''))
                    c.sock.recv(100000)
            most = max(most, resident(sw))
        print('# resident %d MB, at most %d MB' % (start, most))
        told = [x for x in lines(sw) if 'it does not take our messages' in x]
        check(told, 'nobody was let go: %s', sw.tail())
        check('(--max-unsent)' in told[0] or 'more than 4 MB' in told[0], 'not said why: %s', told[0])
        check(most < start + 32 + 40, 'resident %d MB, %d MB at the start', most, start)
        reader.barrier()
        for c in slow + [reader, writer]:
            c.sock.close()


def test_dump_to_a_slow_reader():
    """All entries come, though more of them than a connection may hold, and slowly."""
    n = 100000
    with Switch(2, args=['--max-unsent', '32']) as sw, Client(sw.sock, timeout=20, rcvbuf=16384) as c:
        quiet(c)
        c.sock.sendall(b''.join(message(14, flow_mod(ADD, i)) for i in range(n)))
        c.barrier()
        start, seen, more = resident(sw), 0, True
        c.send(MULTIPART_REQUEST, struct.pack('>HH4xB3xII4xQQHH4x', 1, 0, 255, ANY, ANY, 0, 0, 1, 4))
        while more:
            kind, _, body = c.recv()
            equal(kind, MULTIPART_REPLY, 'type of the answer')
            more, at = struct.unpack('>H', body[2:4])[0], 8
            while at < len(body):
                at += struct.unpack('>H', body[at:at + 2])[0]
                seen += 1
            if seen % 10 == 0:
                time.sleep(0.01)
        equal(seen, n, 'entries')
        check(resident(sw) < start + 16, 'resident %d MB, %d MB before', resident(sw), start)


def test_masses_of_connections():
    """Silent ones, and seated ones of one peer, on the TCP listener: others are served there and on the Unix socket."""
    with Switch(2, args=['-l', 'ptcp:6653:0.0.0.0']) as sw, contextlib.ExitStack() as stack:
        def dial(peer='127.0.0.1'):
            with inside(sw.sw):
                s = socket.socket()
            stack.callback(s.close)
            s.bind((peer, 0))
            s.settimeout(5 * SLOW)
            s.connect(('127.0.0.1', 6653))
            return s

        def served(s):
            s.sendall(message(0, b''))
            s.sendall(message(2, b'', 9))
            data = b''
            while len(data) < 24:
                got = s.recv(100)
                if not got:
                    return False
                data += got
            return data[16:18] == b'\x04\x03'
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
        for _ in range(300):
            dial()
        sw.of('show')
        check(served(dial()), 'a client beside silent ones is not served')
        for _ in range(127):
            check(served(dial()), 'a client is not served though there are seats')
        check(not served(dial()), 'one of one peer too many is served')
        sw.of('show')
        check(served(dial('127.0.0.2')), 'another peer is not served')
        check(wait_for(lambda: any('refused: all 128 seats' in x for x in lines(sw)), 3), 'not told: %s', sw.tail())
        check(len(lines(sw)) < 100, '%d lines in the log', len(lines(sw)))


def test_log_that_nobody_reads():
    sw = Switch(2, start=False)
    with sw:
        r, w = os.pipe()
        sw.proc = sw.box.start(sw.sw, *sw.argv('-v'), stdout=w, stderr=w)
        os.close(w)
        check(wait_for(sw.answers, 15), 'it does not answer')
        for _ in range(40):  # each makes some ten lines at this level
            sw.of('show')
            sw.of('dump-flows')
        with Client(sw.sock) as c:
            for i in range(2000):
                c.send(c.ECHO_REQUEST, b'')
            c.barrier()
        sw.flows('in_port=1,actions=output:2')
        frame = udp(1, 2)
        sw.forward([(1, frame)], {2: [frame]})
        sw.proc.terminate()
        equal(sw.proc.wait(15 * SLOW), 0, 'status')
        sw.box.processes.remove(sw.proc)
        check('xdp' not in sh('ip', '-n', sw.sw, 'link', 'show', 's1'), 'the interface was not given back')
        os.close(r)


def test_what_the_log_tells():
    """Refused messages, yes; tools that come and go, no; a connection that lasts, yes."""
    with Switch(2) as sw:
        before = len(lines(sw))
        for _ in range(3):
            sw.of('show')
            sw.of('dump-flows')
        with Client(sw.sock) as c:
            c.barrier()
        equal(lines(sw)[before:], [], 'lines about tools')
        sw.of('add-flow', 'in_port=1,actions=group:77', check=False)
        check(wait_for(lambda: len(lines(sw)) > before, 3), 'no line about a refused message')
        line = lines(sw)[before - 1]
        check(re.fullmatch(r'ofxdpd: info: punix:\S+#\d+: FLOW_MOD \(xid 0x[0-9a-f]+\) refused: OFPET_BAD_ACTION OFPBAC_BAD_OUT_GROUP',
                           line), 'the line is: %s', line)
        with Client(sw.sock):
            check(wait_for(lambda: any(x.endswith(': connected') for x in lines(sw)), 4), 'no line about who stays')
        check(wait_for(lambda: any('disconnected' in x for x in lines(sw)), 4), 'no line about its end')


if __name__ == '__main__':
    if sys.argv[1:2] == ['busy']:
        keep_busy(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        run_tests(sys.modules[__name__])
