# SPDX-License-Identifier: GPL-2.0-only
"""The switches side by side, each with its own four hosts:

       namespace A-sw            namespaces A-h1 … A-h4
     ┌──────────────┐
     │ ofxdpd    s1 ┼──── eth0          the same again for ovs-vswitchd (userspace datapath,
     │     …  …  s4 ┼──── eth0          own database), with ports of the same numbers
     └──────────────┘

A batch of frames is followed by marks: frames that the rule MARK sends to every port and to the controller.  When the
marks have come back twice on every way, so has everything sent before them: no settling time.
"""
import json
import os
import select
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
from lib import Client, Failed, Sandbox, Switch, Tap, check, on_signals, output, parse_packet_in, sh  # noqa: E402,F401

from oracle import PacketIn  # noqa: E402
from pipeline import ALL, CONTROLLER, DELETE_ALL, IN_PORT, TABLE, Flow, flow_mod  # noqa: E402

MARK_MAC = 0x02feedfacade
MARK_TYPE = 0x88b5
MARK_COOKIE = (1 << 64) - 1 >> 1
MARK = Flow(0, 65535, {'eth_src': (MARK_MAC, None), 'eth_type': (MARK_TYPE, None)}, cookie=MARK_COOKIE,
            apply=[('output', ALL), ('output', IN_PORT), ('output', CONTROLLER)])
MARK_BEGIN = bytes.fromhex('0200000000ff') + MARK_MAC.to_bytes(6, 'big') + struct.pack('>H', MARK_TYPE)
SET_CONFIG, MULTIPART_REQUEST, MULTIPART_REPLY, ERROR = 9, 18, 19, 1
ADD, MODIFY_STRICT, DELETE_STRICT = 0, 2, 4
FRAG_NX_MATCH = 3  # OVS's own: transport ports of first fragments are there, as OFPC_FRAG_NORMAL says


class Output:
    """What came out: frames by port, packet-ins; in order of arrival."""

    def __init__(self, ports):
        self.frames, self.packet_ins = {i: [] for i in ports}, []


class Rig:
    """One switch: `client`, taps on its hosts."""
    name = None

    def __init__(self, box, ports):
        self.box, self.ports, self.serial = box, ports, 0
        self.taps = {i: Tap(box.hosts[i], 'eth0') for i in ports}

    def connect(self, path):
        self.client = Client(path, timeout=10)

    def install(self, flows):
        """Delete everything, add these and MARK.  {cookie: (error type, code)} of those refused."""
        c = self.client
        c.send(c.FLOW_MOD, DELETE_ALL)
        c.send(c.FLOW_MOD, flow_mod(MARK))
        sent = {c.send(c.FLOW_MOD, flow_mod(f)): f.cookie for f in flows}
        return self.flush(sent)

    def change(self, old, new):
        """From these flows to those, by as few flow-mods as it takes.  {cookie: (error type, code)} of those refused."""
        c, before, after = self.client, {f.cookie: f for f in old}, {f.cookie: f for f in new}
        sent = {}
        for cookie in before.keys() | after.keys():
            if before.get(cookie) == after.get(cookie):
                continue
            command = DELETE_STRICT if cookie not in after else MODIFY_STRICT if cookie in before else ADD
            sent[c.send(c.FLOW_MOD, flow_mod(after.get(cookie) or before[cookie], command))] = cookie
        return self.flush(sent)

    def flush(self, sent):
        c = self.client
        c.barrier()
        errors = {sent[xid]: struct.unpack('>HH', body[:4]) for kind, xid, body in c.queue if kind == ERROR and xid in sent}
        c.queue.clear()
        self.changed()
        self.base = self.absolute()
        return errors

    def changed(self):
        """The flow tables are others now."""

    def run(self, packets, injected=(), at_once=100):
        """packets: [(in_port, frame)]; injected: numbers of those that go in as packet-outs to TABLE; an Output."""
        out = Output(self.ports)
        for t in self.taps.values():
            t.drain()
        numbered = list(enumerate(packets))
        try:
            for at in range(0, len(packets) or 1, at_once):
                self.send(out, numbered[at:at + at_once], injected)
            return out
        except (Failed, OSError) as e:
            raise Failed('%s: %s' % (self.name, e)) from e

    def send(self, out, numbered, injected):
        c = self.client
        for n, (i, frame) in numbered:
            if n in injected:
                c.packet_out(i, output(TABLE), frame)
            else:
                self.taps[i].send(frame)
        c.barrier()
        self.marks(out)
        self.marks(out)

    def marks(self, out):
        self.serial += 1
        body = MARK_BEGIN + struct.pack('>I', self.serial) + bytes(42)
        for t in self.taps.values():
            t.send(body)
        n = len(self.ports)
        left = dict.fromkeys(self.ports, n)
        left['controller'] = n
        end = time.monotonic() + 5
        fds = {t.sock: i for i, t in self.taps.items()}
        while any(left.values()):
            check(time.monotonic() < end, '%s: marks got lost: %r', self.name, left)
            if (self.client.queue or len(self.client.buffer) >= 8) and self.controller(out, body, left):
                continue
            for s in select.select([*fds, self.client.sock], [], [], 1)[0]:
                if s is self.client.sock:
                    self.controller(out, body, left)
                else:
                    self.host(out, body, left, fds[s])

    def host(self, out, body, left, i):
        while True:
            frame = self.taps[i].read()
            if frame is None:
                return
            if frame[:14] != MARK_BEGIN:
                out.frames[i].append(frame)
            elif frame == body:
                left[i] -= 1

    def controller(self, out, body, left):
        c = self.client
        kind, xid, data = c.queue.pop(0) if c.queue else c.recv()
        if kind == c.ECHO_REQUEST:
            c.send(c.ECHO_REPLY, data, xid)
        if kind != c.PACKET_IN:
            return True
        p = parse_packet_in(data)
        if p['cookie'] == MARK_COOKIE:
            left['controller'] -= p['data'] == body
        else:
            wide = lambda n: int.from_bytes(p['fields'].get(n, b''), 'big')  # noqa: E731
            out.packet_ins.append(PacketIn(p['data'], p['in_port'], p['reason'], p['table'], p['cookie'], wide(2), wide(38)))
        return True

    def counters(self):
        """{cookie: (packets, bytes)} since the flows were installed or changed."""
        return {c: (n - self.base.get(c, (0, 0))[0], size - self.base.get(c, (0, 0))[1]) for c, (n, size) in self.absolute().items()}

    def absolute(self):
        self.changed()
        c, out = self.client, {}
        xid = c.send(MULTIPART_REQUEST, struct.pack('>HH4xB3xII4xQQ', 1, 0, 0xff, 0xffffffff, 0xffffffff, 0, 0) + struct.pack('>HH4x', 1, 4))
        more = 1
        while more:
            kind, _, body = c.answer(xid)
            check(kind == MULTIPART_REPLY, '%s: flow statistics answered with type %d', self.name, kind)
            more, at = struct.unpack('>H', body[2:4])[0] & 1, 8
            while at < len(body):
                cookie, packets, size = struct.unpack('>QQQ', body[at + 24:at + 48])
                out[cookie] = packets, size
                at += struct.unpack('>H', body[at:at + 2])[0]
        c.queue.clear()
        out.pop(MARK_COOKIE, None)
        return out


class Ours(Rig):
    name = 'ofxdp'

    def __init__(self, ports):
        self.switch = Switch(len(ports))
        try:
            super().__init__(self.switch.box, ports)
            self.connect(self.switch.sock)
        except BaseException:
            self.switch.box.close()
            raise

    def close(self):
        self.switch.__exit__()

    def note(self):
        return 'drops ' + str({k: v for k, v in self.switch.drops().items() if v})


class Ovs(Rig):
    name = 'ovs'

    def __init__(self, ports):
        box = Sandbox(len(ports), prefix='ovs', silent=True)
        try:
            self.start(box, ports)
            super().__init__(box, ports)
            self.connect(box.dir + '/br.controller')
            self.client.send(SET_CONFIG, struct.pack('>HH', FRAG_NX_MATCH, 0xffff))
        except BaseException:
            box.close()
            raise

    def start(self, box, ports):
        d, env = box.dir, dict(os.environ, **{'OVS_' + x: box.dir for x in ('RUNDIR', 'LOGDIR', 'DBDIR', 'SYSCONFDIR')})
        db = 'unix:%s/db.sock' % d
        sh('ovsdb-tool', 'create', d + '/conf.db', '/usr/share/openvswitch/vswitch.ovsschema', env=env)
        box.start(box.sw, 'ovsdb-server', d + '/conf.db', '--remote=p' + db, '--unixctl=%s/db.ctl' % d, log='db.log', env=env)
        self.wait_socket(d + '/db.sock')
        sh('ovs-vsctl', '--db=' + db, '--no-wait', 'init', env=env)
        self.unixctl = d + '/vs.ctl'
        box.start(box.sw, 'ovs-vswitchd', db, '--unixctl=' + self.unixctl, log='vs.log', env=env)
        args = ['add-br', 'br', '--', 'set', 'bridge', 'br', 'datapath_type=netdev', 'fail_mode=secure', 'protocols=OpenFlow13',
                'other_config:disable-in-band=true', '--', 'set', 'Open_vSwitch', '.', 'other_config:vlan-limit=2']
        for i in ports:
            args += ['--', 'add-port', 'br', 's%d' % i, '--', 'set', 'interface', 's%d' % i, 'ofport_request=%d' % i]
        args += ['--', 'set-controller', 'br', 'punix:%s/br.controller' % d, '--', 'set', 'controller', 'br', 'type=primary', 'inactivity_probe=0',
                 'controller_rate_limit=1000000', 'controller_burst_limit=1000000']
        sh('ovs-vsctl', '--db=' + db, '--timeout=20', *args, env=env)
        self.wait_socket(d + '/br.controller')

    @staticmethod
    def wait_socket(path, seconds=10):
        end = time.monotonic() + seconds
        while not os.path.exists(path):
            check(time.monotonic() < end, '%s did not appear', path)
            time.sleep(0.02)

    def changed(self):
        """Throw the flow cache away, and bring its counters home."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(self.unixctl)
            s.sendall(json.dumps({'method': 'revalidator/purge', 'params': [], 'id': 0}).encode())
            answer = b''
            while not answer.endswith(b'}'):
                answer += s.recv(4096)

    def crashed(self):
        return 'assertion' in self.box.log('vs.log')

    def close(self):
        for t in self.taps.values():
            t.close()
        self.box.close()

    def note(self):
        return ''
