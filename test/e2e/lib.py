# SPDX-License-Identifier: GPL-2.0-only
"""What the end-to-end tests share: a harness that prints TAP, the switch, raw frames, a small OpenFlow client."""
import contextlib
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'scripts'))
from sandbox import PIN_ROOT, PYTHON, SLOW, TOP, Failed, Sandbox, inside, on_signals, sh, wait_for  # noqa: E402,F401

BUILD = os.environ.get('OFXDP_BUILD', TOP + '/build')
OFXDPD, OFXDPCTL, PKTGEN = (BUILD + '/' + x for x in ('ofxdpd', 'ofxdpctl', 'pktgen'))


# --- harness ---

class Skip(Exception):
    """The machine lacks what this case needs."""


def pace(rate):
    """Packets a second this machine can be asked for: where it is emulated, so few that a burst of pktgen and its copies
    fit into a veth's ring (256) should the other CPU fall behind.  What must come is the same at any rate: all."""
    return rate if SLOW == 1 else min(rate // SLOW, 2000)


def check(condition, text, *args):
    if not condition:
        raise Failed(text % args if args else text)


def equal(got, want, what):
    check(got == want, '%s: got %r, want %r', what, got, want)


def run_tests(module, setup=None):
    """Run the functions test_* in their order; each gets what setup() yields (a context manager), made once per file."""
    cases = [(n[5:], f) for n, f in vars(module).items() if n.startswith('test_') and callable(f)]
    only = os.environ.get('ONLY', '')
    if only and only not in os.path.basename(module.__file__):
        cases = [c for c in cases if only in c[0]]
    on_signals()
    bad = number = 0

    def result(ok, name, why=''):
        nonlocal number, bad
        number += 1
        bad += not ok
        print('%s %d - %s%s' % ('ok' if ok else 'not ok', number, name.replace('_', ' '), why), flush=True)

    def run_case(name, f, args):
        start = time.monotonic()
        try:
            f(*args)
        except Skip as e:
            result(True, name, ' # SKIP %s' % e)
        except Exception as e:  # a case that fails must not keep the others from running
            if not isinstance(e, Failed):
                traceback.print_exc(file=sys.stdout)
            result(False, name)
            print('# %s' % e)
            for a in args:
                if hasattr(a, 'tail'):
                    print('# log of the switch:\n#   ' + a.tail().replace('\n', '\n#   '))
        else:
            result(True, name)
            print('# %.1f s' % (time.monotonic() - start))

    try:
        if not setup:
            for name, f in cases:
                run_case(name, f, ())
        elif cases:
            with setup() as thing:
                for name, f in cases:
                    run_case(name, f, (thing,))
    except Exception as e:
        traceback.print_exc(file=sys.stdout)
        result(False, 'set-up: %s' % e)
    print('1..%d' % number)
    sys.exit(1 if bad else 0)


# --- the switch ---

class Switch:
    """ofxdpd in a sandbox's namespace sw, ports sI=I, listening on DIR/of.sock; `of` runs ovs-ofctl on it."""

    def __init__(self, hosts=3, args=(), start=True, ports=None, local=False):
        self.box = Sandbox(hosts, silent=True)
        self.rundir_before = os.environ.get('OVS_RUNDIR')
        os.environ['OVS_RUNDIR'] = self.box.dir  # ovs-ofctl monitor makes a socket there
        self.name, self.sw = self.box.name, self.box.sw
        self.sock = self.box.dir + '/of.sock'
        self.args = list(args) + ([] if local else ['--no-local'])
        self.ports = range(1, hosts + 1) if ports is None else ports
        self.taps, self.proc = {}, None
        try:
            if start:
                self.start()
        except BaseException:
            self.box.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for t in self.taps.values():
            t.close()
        self.box.close()
        if self.rundir_before:
            os.environ['OVS_RUNDIR'] = self.rundir_before

    def argv(self, *extra):
        a = [OFXDPD, '-n', self.name, '--dpid', '00000000000000aa', '-l', 'punix:' + self.sock]
        for i in self.ports:
            a += ['-i', 's%d=%d' % (i, i)]
        return a + self.args + list(extra)

    def start(self, *extra):
        seen = len(self.box.log('ofxdpd.log'))
        self.proc = self.box.start(self.sw, *self.argv(*extra), log='ofxdpd.log')
        if not wait_for(lambda: self.proc.poll() is not None or self.answers(), 15):
            raise Failed('ofxdpd does not answer: ' + self.tail())
        if self.proc.poll() is not None:
            raise Failed('ofxdpd ended with %d: %s' % (self.proc.returncode, self.tail()))
        wait_for(lambda: 'entry program' in self.box.log('ofxdpd.log')[seen:], 2)  # its log comes a moment later

    def answers(self):
        if not os.path.exists(self.sock):
            return False
        try:
            with Client(self.sock, timeout=2):
                return True
        except (OSError, Failed):
            return False

    def tail(self, lines=15):
        log = self.box.log('ofxdpd.log').strip().split('\n')
        return '\n'.join([x for x in log if not re.search(r'#\d+: (dis)?connected', x)][-lines:])

    def kill9(self):
        self.proc.kill()
        self.proc.wait()
        self.box.processes.remove(self.proc)

    def term(self):
        return self.box.stop(self.proc)

    # -- OpenFlow
    def of(self, command, *args, **kw):
        return sh('ovs-ofctl', '-O', 'OpenFlow13', *command.split(), 'unix:' + self.sock, *args, timeout=kw.pop('timeout', 60),
                  **kw)

    def flows(self, *flows):
        """Delete all flows, add these."""
        self.of('del-flows')
        self.add(*flows)

    def add(self, *flows):
        if flows:
            self.of('add-flows', '-', input='\n'.join(flows) + '\n')
            with Client(self.sock) as c:
                c.barrier()

    def dump(self, *args):
        """Flow lines, without times."""
        out = self.of('dump-flows', '--no-stats', *args)
        return [x.strip() for x in out.split('\n') if x.startswith(' ') and x.strip()]

    def packets(self, match=''):
        """n_packets of the flows that match."""
        out = self.of('dump-flows', *([match] if match else []))
        return [int(x.split('n_packets=')[1].split(',')[0]) for x in out.split('\n') if 'n_packets=' in x]

    def drops(self):
        """{reason: count}, from ofxdpctl."""
        out = self.box.run(self.sw, OFXDPCTL, '--json', '--all', self.name, 'drops')
        return {x['reason']: x['packets'] for x in json.loads(out)}

    def ctl(self, command):
        """What ofxdpctl says, from its JSON."""
        return json.loads(self.box.run(self.sw, OFXDPCTL, '--json', self.name, command))

    # -- frames
    def tap(self, i):
        if i not in self.taps:
            self.taps[i] = Tap(self.box.hosts[i], 'eth0')
        return self.taps[i]

    def forward(self, sends, want, quiet=0.15):
        """Send [(host, frame) ...]; hosts must receive exactly want {host: [frame ...]}, in that order, and no more."""
        hosts = self.box.hosts
        for i in hosts:
            self.tap(i).drain()
        for i, frame in sends:
            self.tap(i).send(frame)
        self.received(want, quiet)

    def received(self, want, quiet=0.15):
        """The hosts' taps hold exactly these frames (waits for them)."""
        got = {i: self.tap(i).receive(len(want.get(i, ())), 2) for i in self.box.hosts}
        time.sleep(quiet * min(SLOW, 2))
        for i in self.box.hosts:
            got[i] += self.tap(i).receive(1 << 20, 0)
        for i in self.box.hosts:
            w = list(want.get(i, ()))
            if got[i] != w:
                raise Failed('host %d: want %d frames\n%s\ngot %d\n%s\ndrops %r' % (
                    i, len(w), hexes(w), len(got[i]), hexes(got[i]), self.some_drops()))

    def some_drops(self):
        try:
            return {k: v for k, v in self.drops().items() if v}
        except Failed as e:
            return str(e)

    def link(self, i, *what):
        return sh('ip', '-n', self.sw, 'link', 'set', 's%d' % i, *what)


def hexes(frames):
    return '\n'.join('  ' + f.hex(' ', 2)[:400] for f in frames[:8]) or '  (none)'


# --- frames ---

class Tap:
    """A packet socket on a host's interface: sends frames as they are, receives them as they were on the wire."""
    SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING, ETH_P_ALL, SO_RCVBUFFORCE = 263, 8, 23, 3, 33
    AUX = struct.Struct('=IIIHHHH')

    def __init__(self, netns, ifname):
        with inside(netns) if netns else contextlib.nullcontext():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        s = self.sock
        s.setsockopt(self.SOL_PACKET, self.PACKET_AUXDATA, 1)
        s.setsockopt(self.SOL_PACKET, self.PACKET_IGNORE_OUTGOING, 1)
        s.setsockopt(socket.SOL_SOCKET, self.SO_RCVBUFFORCE, 8 << 20)
        s.bind((ifname, self.ETH_P_ALL))
        s.setsockopt(self.SOL_PACKET, 1, struct.pack('=iHH8s', self.ifindex(netns, ifname), 1, 0, b''))  # promiscuous
        s.setblocking(False)

    @staticmethod
    def ifindex(netns, ifname):
        with inside(netns) if netns else contextlib.nullcontext():
            return socket.if_nametoindex(ifname)

    def send(self, frame):
        self.sock.send(frame)

    def read(self):
        """One frame, or None.  The kernel took the VLAN tag off: it goes back."""
        try:
            data, aux, _, _ = self.sock.recvmsg(65536, 256)
        except BlockingIOError:
            return None
        for level, kind, payload in aux:
            if (level, kind) == (self.SOL_PACKET, self.PACKET_AUXDATA):
                status, _, _, _, _, tci, tpid = self.AUX.unpack(payload[:self.AUX.size])
                if status & 0x10:  # TP_STATUS_VLAN_VALID
                    tpid = tpid if status & 0x40 else 0x8100
                    data = data[:12] + struct.pack('>HH', tpid, tci) + data[12:]
        return data

    def receive(self, n, seconds):
        """At most n frames, waiting no longer than that."""
        got, end = [], time.monotonic() + seconds * SLOW
        while len(got) < n:
            frame = self.read()
            if frame is not None:
                got.append(frame)
                continue
            left = end - time.monotonic()
            if left <= 0:
                break
            select.select([self.sock], [], [], left)
        return got

    def drain(self):
        while self.read() is not None:
            pass

    def close(self):
        self.sock.close()


def csum(data):
    if len(data) % 2:
        data += b'\0'
    total = sum(struct.unpack('>%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(':', ''))


def eth(src=1, dst=2, tags=(), kind=0x0800, payload=b''):
    """Ethernet; src, dst: host number or address text; tags: (tpid, tci) from the outermost."""
    addr = [mac_bytes(x if isinstance(x, str) else Sandbox.mac(x)) for x in (dst, src)]
    return b''.join(addr) + b''.join(struct.pack('>HH', *t) for t in tags) + struct.pack('>H', kind) + payload


def ipv4(src, dst, proto, payload, ttl=64, tos=0):
    h = struct.pack('>BBHHHBBH4s4s', 0x45, tos, 20 + len(payload), 0, 0, ttl, proto, 0, socket.inet_aton(src),
                    socket.inet_aton(dst))
    return h[:10] + struct.pack('>H', csum(h)) + h[12:] + payload


def l4_csum(src, dst, proto, segment, at):
    pseudo = socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack('>HH', proto, len(segment))
    return segment[:at] + struct.pack('>H', csum(pseudo + segment) or 0xffff) + segment[at + 2:]


def udp(src=1, dst=2, sport=1000, dport=2000, data=b'0123456789abcdef01', tags=(), ttl=64, tos=0, sip=None, dip=None,
        smac=None, dmac=None):
    """A UDP packet with right checksums from host src to host dst."""
    sip, dip = sip or Sandbox.ip(src), dip or Sandbox.ip(dst)
    seg = l4_csum(sip, dip, 17, struct.pack('>HHHH', sport, dport, 8 + len(data), 0) + data, 6)
    return eth(smac or src, dmac or dst, tags, 0x0800, ipv4(sip, dip, 17, seg, ttl, tos))


def tcp(src=1, dst=2, sport=1000, dport=80, data=b'', flags=0x10, tags=(), ttl=64, sip=None, dip=None):
    sip, dip = sip or Sandbox.ip(src), dip or Sandbox.ip(dst)
    seg = struct.pack('>HHIIBBHHH', sport, dport, 1, 2, 0x50, flags, 8192, 0, 0) + data
    return eth(src, dst, tags, 0x0800, ipv4(sip, dip, 6, l4_csum(sip, dip, 6, seg, 16), ttl))


# --- numbered packets ---

def template(src=1, dst=2, tags=()):
    """64 bytes for pktgen: UDP with room for the mark."""
    size = 64 - 14 - 4 * len(tags)
    seg = struct.pack('>HHHH', 1000, 2000, size - 20, 0) + b'\0' * (size - 28)
    return eth(src, dst, tags, 0x0800, ipv4(Sandbox.ip(src), Sandbox.ip(dst), 17, seg))


class Sink:
    """pktgen's sink on a host."""

    def __init__(self, box, host):
        self.box, self.proc = box, box.start(box.hosts[host], PKTGEN, 'sink', 'eth0', stdin=subprocess.PIPE,
                                             stdout=subprocess.PIPE, text=True)
        check(self.proc.stdout.readline() == 'ready\n', 'pktgen sink did not start')

    def stop(self):
        self.proc.stdin.close()
        out = self.proc.stdout.readline()
        self.box.stop(self.proc)
        return json.loads(out)


class Source:
    """pktgen's sender on a host: Source(...); ...; stop() or wait()."""

    def __init__(self, box, host, frame, *args):
        if '-c' not in args:  # the ports it feeds are served on its CPU too then, in turn with it: no ring runs over
            args += '-c', '1'
        if SLOW > 1 and '-r' in args:  # after a pause it must not make up for it at once: a veth's ring holds 256
            args += '-b', '60'
        self.box, self.proc = box, box.start(box.hosts[host], PKTGEN, 'send', 'eth0', '-t', frame.hex(), *args,
                                             stdout=subprocess.PIPE, text=True)
        check(self.proc.stdout.readline() == 'ready\n', 'pktgen send did not start')

    def wait(self, seconds=60):
        out = self.proc.stdout.readline()
        self.box.stop(self.proc, seconds)
        result = json.loads(out)
        if result['untaken']:
            print('# %d frames did not reach the switch: the ring of its port was full' % result['untaken'])
        return result

    def stop(self):
        self.proc.send_signal(signal.SIGTERM)
        return self.wait()


# --- OpenFlow 1.3, just enough of it ---

class Client:
    """A connection to the switch's listener.  Messages: (type, xid, body)."""
    HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, FEATURES_REQUEST, FEATURES_REPLY = 0, 1, 2, 3, 5, 6
    PACKET_IN, FLOW_REMOVED, PORT_STATUS, PACKET_OUT, FLOW_MOD = 10, 11, 12, 13, 14
    BARRIER_REQUEST, BARRIER_REPLY = 20, 21

    def __init__(self, path, timeout=5, hello=True, version=4, rcvbuf=None):
        self.sock = socket.socket(socket.AF_UNIX) if isinstance(path, str) else socket.socket()
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(timeout * SLOW)
        try:
            self.sock.connect(path)
            self.buffer, self.xid, self.queue, self.version = b'', 100, [], version
            if hello:
                self.send(self.HELLO, b'')
                kind = self.recv()[0]
                check(kind == self.HELLO, 'no HELLO but type %d', kind)
        except BaseException:
            self.sock.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, kind, body=b'', xid=None):
        if xid is None:
            self.xid += 1
            xid = self.xid
        self.sock.sendall(struct.pack('>BBHI', self.version, kind, 8 + len(body), xid) + body)
        return xid

    def fill(self, n):
        while len(self.buffer) < n:
            data = self.sock.recv(1 << 18)
            if not data:
                raise Failed('the switch closed the connection')
            self.buffer += data

    def recv(self):
        self.fill(8)
        _, kind, length, xid = struct.unpack('>BBHI', self.buffer[:8])
        self.fill(length)
        body, self.buffer = self.buffer[8:length], self.buffer[length:]
        return kind, xid, body

    def answer(self, xid):
        """The message with that xid; others before it go to `queue`."""
        while True:
            m = self.recv()
            if m[1] == xid and m[0] not in (self.PACKET_IN, self.PORT_STATUS):
                return m
            if m[0] == self.ECHO_REQUEST:
                self.send(self.ECHO_REPLY, m[2], m[1])
            else:
                self.queue.append(m)

    def ask(self, kind, body=b''):
        return self.answer(self.send(kind, body))

    def barrier(self):
        kind = self.ask(self.BARRIER_REQUEST)[0]
        check(kind == self.BARRIER_REPLY, 'barrier answered with type %d', kind)

    def echo(self):
        """Round trip in seconds."""
        start = time.monotonic()
        kind, _, body = self.ask(self.ECHO_REQUEST, b'ping')
        check((kind, body) == (self.ECHO_REPLY, b'ping'), 'echo answered with type %d %r', kind, body)
        return time.monotonic() - start

    def wait(self, kind, seconds=3 * SLOW):
        """The next message of that type, from the queue or the wire; None after that time."""
        end = time.monotonic() + seconds
        while True:
            for m in self.queue:
                if m[0] == kind:
                    self.queue.remove(m)
                    return m
            left = end - time.monotonic()
            if left <= 0:
                return None
            if len(self.buffer) < 8 and not select.select([self.sock], [], [], left)[0]:
                return None
            self.queue.append(self.recv())

    def packet_out(self, in_port, actions, frame):
        self.send(self.PACKET_OUT, struct.pack('>IIH6x', 0xffffffff, in_port, len(actions)) + actions + frame)


def output(port, max_len=0xffff):
    return struct.pack('>HHIH6x', 0, 16, port, max_len)


def parse_packet_in(body):
    """{total_len, reason, table, cookie, in_port, data}; in_port is the only OXM looked at."""
    _, total, reason, table, cookie = struct.unpack('>IHBBQ', body[:16])
    kind, length = struct.unpack('>HH', body[16:20])
    at, fields = 20, {}
    while at < 16 + length:
        klass, field, size = struct.unpack('>HBB', body[at:at + 4])
        fields[field >> 1] = body[at + 4:at + 4 + size]
        at += 4 + size
    data = body[16 + (length + 7) // 8 * 8 + 2:]
    return {'total_len': total, 'reason': reason, 'table': table, 'cookie': cookie, 'fields': fields, 'data': data,
            'in_port': struct.unpack('>I', fields.get(0, b'\0' * 4))[0]}
