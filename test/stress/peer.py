# SPDX-License-Identifier: GPL-2.0-only
"""Those at the other end of the switch's connections: they talk much, read little or nothing, come and go."""
import errno
import select
import socket
import struct
import time
from collections import Counter

from lib import Client, Failed, inside
from message import HEADER, Messages, framed, ofp

GONE = (errno.EPIPE, errno.ECONNRESET, errno.ECONNREFUSED, errno.ENOENT, errno.EAGAIN, errno.ECONNABORTED, errno.ENOTCONN)
AT_ONCE = 32  # connections of one process
READ = 1 << 16
MOST_OWED = 1 << 20  # bytes that wait to be sent to the switch
ASK_ALL = b''.join(framed(ofp.OFPT_MULTIPART_REQUEST, body) for body in (
    struct.pack('>HH4xB3xII4xQQHH4x', ofp.OFPMP_FLOW, 0, 255, ofp.OFPP_ANY, ofp.OFPG_ANY, 0, 0, 1, 4),
    struct.pack('>HH4xI4x', ofp.OFPMP_PORT_STATS, 0, ofp.OFPP_ANY), struct.pack('>HH4xI4x', ofp.OFPMP_GROUP, 0, ofp.OFPG_ALL),
    struct.pack('>HH4x', ofp.OFPMP_GROUP_DESC, 0), struct.pack('>HH4xII', ofp.OFPMP_QUEUE, 0, ofp.OFPP_ANY, ofp.OFPQ_ALL),
    struct.pack('>HH4x', ofp.OFPMP_TABLE, 0), struct.pack('>HH4xI4x', ofp.OFPMP_METER, 0, ofp.OFPM_ALL)))
ASK_FEATURES = framed(ofp.OFPT_MULTIPART_REQUEST, struct.pack('>HH4x', ofp.OFPMP_TABLE_FEATURES, 0))


def connect(run, r):
    """A socket to one of the listeners; None: it has no place for us just now."""
    s = socket.socket(socket.AF_UNIX) if r.random() < 0.6 else socket.socket()
    try:
        if r.random() < 0.4:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(2)
        s.connect(run.unix if s.family == socket.AF_UNIX else run.tcp)
        s.setblocking(False)
        return s
    except OSError as e:
        s.close()
        if isinstance(e, TimeoutError) or e.errno in GONE:
            return None
        raise


def reset(s):
    """Close so that the other end finds a reset connection where TCP has those."""
    try:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    except OSError:
        pass
    s.close()


class Peer:
    """A connection without blocking.  appetite: bytes that it reads in one turn; 0: it never reads."""

    def __init__(self, sock, r, counts):
        self.sock, self.counts, self.out, self.input = sock, counts, bytearray(framed(ofp.OFPT_HELLO)), b''
        self.appetite = r.choice((READ,) * 8 + (1, 200, 0, 0))
        self.left = r.choice((3, 30, 300, 3000, 10000))  # messages until it goes

    def write(self, data):
        self.out += data

    def turn(self):
        """Read and send what can be.  False: the connection is over."""
        try:
            if self.appetite:
                self.read()
            while self.out:
                del self.out[:self.sock.send(self.out[:READ])]
        except BlockingIOError:
            return True
        except OSError as e:
            if e.errno not in GONE:
                raise
            return False
        return True

    def read(self):
        try:
            data = self.sock.recv(self.appetite)
        except BlockingIOError:
            return
        if not data:
            raise OSError(errno.ECONNRESET, 'closed')
        self.input += data
        while len(self.input) >= 8:
            version, kind, length, xid = HEADER.unpack_from(self.input)
            if length < 8 or version != ofp.OFP_VERSION and kind not in (ofp.OFPT_HELLO, ofp.OFPT_ERROR):
                raise Failed('the switch sent no OpenFlow: %r' % self.input[:64])
            if len(self.input) < length:
                break
            self.got(kind, xid, self.input[8:length])
            self.input = self.input[length:]

    def got(self, kind, xid, body):
        self.counts['got %d' % kind] += 1
        if kind == ofp.OFPT_ERROR:
            self.counts['error %d %d' % struct.unpack_from('>HH', body)] += 1
        if kind == ofp.OFPT_ECHO_REQUEST and len(self.out) < MOST_OWED:
            self.write(framed(ofp.OFPT_ECHO_REPLY, body, xid))


class Crowd:
    """Many peers of one process.  arrive(): a socket or None."""

    def __init__(self, run, r, arrive, most=AT_ONCE):
        self.run, self.r, self.arrive, self.most = run, r, arrive, most
        self.peers, self.counts, self.messages = [], Counter(), Messages(r, run.pools())

    def turn(self):
        if len(self.peers) < self.most:
            sock = self.arrive()
            if sock:
                self.peers.append(Peer(sock, self.r, self.counts))
                self.counts['connections'] += 1
        for p in self.r.sample(self.peers, min(4, len(self.peers))):
            if len(p.out) < READ:
                self.talk(p)
        if self.peers:
            select.select([p.sock for p in self.peers if p.appetite], [p.sock for p in self.peers if p.out], [], 0.02)
        else:
            time.sleep(0.02)
        for p in list(self.peers):
            if not p.turn() or p.left < 0:
                self.end(p)

    def talk(self, p):
        n = self.r.choice((1, 1, 10, 50))
        if not p.appetite or self.r.random() < 0.02:
            p.write(self.r.choice((ASK_ALL, ASK_ALL * 20, ASK_FEATURES)))
        for _ in range(n):
            p.write(self.messages.next())
        p.left -= n
        self.counts['messages'] += n

    def end(self, p):
        self.peers.remove(p)
        reset(p.sock) if self.r.random() < 0.3 else p.sock.close()


def talkers(run, r):
    """Connections to the listeners."""
    with inside(run.netns):
        crowd = Crowd(run, r, lambda: connect(run, r))
        while run.goes_on():
            crowd.turn()
    return crowd.counts


def controllers(run, r):
    """Where the switch connects to; now and then nobody listens there."""
    listener, closed_until = None, 0

    def arrive():
        nonlocal listener, closed_until
        if time.monotonic() < closed_until:
            return None
        if not listener:
            listener = socket.create_server(run.controller)
            listener.setblocking(False)
        if r.random() < 0.002:
            listener.close()
            listener, closed_until = None, time.monotonic() + r.choice((0.1, 3))
            return None
        try:
            s = listener.accept()[0]
        except BlockingIOError:
            return None
        s.setblocking(False)
        return s

    with inside(run.netns):
        crowd = Crowd(run, r, arrive)
        while run.goes_on():
            crowd.turn()
    return crowd.counts


def hasty(run, r):
    """Connections that end before they have begun, or never say HELLO, or say nonsense."""
    counts, silent = Counter(), []
    with inside(run.netns):
        while run.goes_on():
            s = connect(run, r)
            if not s:
                time.sleep(0.05)
                continue
            counts['connections'] += 1
            try:
                s.send(r.choice((b'\4', framed(ofp.OFPT_HELLO)[:7], framed(ofp.OFPT_HELLO), framed(ofp.OFPT_HELLO, version=1),
                                 framed(ofp.OFPT_HELLO, r.randbytes(20)), r.randbytes(r.randrange(1, 3000)), framed(ofp.OFPT_ECHO_REQUEST))))
            except OSError as e:
                if e.errno not in GONE:
                    raise
            silent.append(s)
            if len(silent) > 20 or r.random() < 0.5:
                s = silent.pop(r.randrange(len(silent)))
                reset(s) if r.random() < 0.5 else s.close()
            time.sleep(r.choice((0, 0.01, 0.05)))
    return counts


ADD, MODIFY, DELETE = 0, 1, 3


def flow_mod(command, address, r):
    """Of an IPv4 destination, or of any packet."""
    oxm = b'' if address is None else struct.pack('>HBBHHBBI', 0x8000, 5 << 1, 2, 0x0800, 0x8000, 12 << 1, 4, address)
    match = struct.pack('>HH', 1, 4 + len(oxm)) + oxm
    actions = b''.join(struct.pack('>HHIH6x', 0, 16, r.choice((1, 2, 3, 4)), 0) for _ in range(r.choice((1, 1, 1, 2, 8))))
    times = (r.choice((0, 0, 0, 1, 3)), r.choice((0, 0, 0, 1, 3)))
    head = struct.pack('>QQBBHHHIIIHxx', 5, 0, 7, command, *times, 9, 0xffffffff, 0xffffffff, 0xffffffff, r.choice((0, 1)))
    return framed(ofp.OFPT_FLOW_MOD, head + match + bytes(-len(match) % 8) + struct.pack('>HH4x', 4, 8 + len(actions)) + actions)


def filler(run, r):
    """One that fills table 7 with entries until no more are taken, changes them all, deletes them all, and again."""
    counts = Counter()
    while run.goes_on():
        try:
            with Client(run.unix, timeout=20) as c:
                counts['connections'] += 1
                c.send(ofp.OFPT_SET_ASYNC, bytes(24))
                for part in range(r.choice((1, 5, 30))):
                    send_all(c, [flow_mod(ADD, part << 16 | i, r) for i in range(1000)], counts)
                    if not run.goes_on():
                        return counts
                send_all(c, [flow_mod(MODIFY, None, r)], counts)
                if r.random() < 0.7:
                    send_all(c, [flow_mod(DELETE, None, r)], counts)
        except (OSError, Failed):  # its seat went to another, or it fell behind
            counts['lost'] += 1
            time.sleep(0.1)
    return counts


def send_all(c, messages, counts):
    """… and take what comes back."""
    c.queue = []
    for at in range(0, len(messages), 100):
        c.sock.sendall(b''.join(messages[at:at + 100]))
        c.barrier()
    counts['messages'] += len(messages)
    for kind, _, body in c.queue:
        if kind == ofp.OFPT_ERROR:
            counts['error %d %d' % struct.unpack_from('>HH', body)] += 1


