# SPDX-License-Identifier: GPL-2.0-only
"""The switches side by side, each with its own four hosts:

       namespace A-sw            namespaces A-h1 … A-h6
     ┌──────────────┐
     │ ofxdpd    s1 ┼──── eth0          the same again for ovs-vswitchd (userspace datapath,
     │     …  …  s4 ┼──── eth0          own database), with ports of the same numbers
     │           s5 ┼─x   eth0          no carrier
     │           s6 ┼──── eth0          goes down and up, only receives
     │ LOCAL     br │
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
from dataclasses import replace

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
from lib import Client, Failed, Sandbox, Switch, Tap, check, on_signals, output, parse_packet_in, sh, wait_for  # noqa: E402,F401

from oracle import PacketIn  # noqa: E402
from pipeline import (ALL, CONTROLLER, DEAD, DELETE_ALL, DELETE_GROUPS, DELETE_METERS, FLAPPING, FLOW_MOD, GROUP_MOD, IN_PORT,  # noqa: E402
                      LOCAL, METER_MOD, PORTS, SENDERS, TABLE, Flow, Group, Link, Meter, flow_mod, message)

MARK_MAC = 0x02feedfacade
MARK_TYPE = 0x88b5
MARK_COOKIE = (1 << 64) - 1 >> 1
MARK = Flow(0, 65535, {'eth_src': (MARK_MAC, None), 'eth_type': (MARK_TYPE, None)}, cookie=MARK_COOKIE,
            apply=[('output', ALL), ('output', IN_PORT), ('output', CONTROLLER)])
FILL_TYPE = 0x88b6  # dropped
FILL = replace(MARK, match={**MARK.match, 'eth_type': (FILL_TYPE, None)}, apply=[])
FILL_FRAME = bytes.fromhex('0200000000ff') + MARK_MAC.to_bytes(6, 'big') + struct.pack('>H', FILL_TYPE) + bytes(46)
MARK_BEGIN = bytes.fromhex('0200000000ff') + MARK_MAC.to_bytes(6, 'big') + struct.pack('>H', MARK_TYPE)
SET_CONFIG, MULTIPART_REQUEST, MULTIPART_REPLY, ERROR, SET_ASYNC = 9, 18, 19, 1, 28
MP_FLOW, MP_GROUP, MP_METER, MP_PORT_DESC = 1, 6, 9, 13
LINK_DOWN = 1  # OFPPS_
MARKS_TIME = 5  # seconds
BRIDGE = 'ovsbr'
FRAG_NX_MATCH = 3  # OVS's own: transport ports of first fragments are there, as OFPC_FRAG_NORMAL says


class Output:
    """What came out: frames by port, packet-ins; in order of arrival."""

    def __init__(self):
        self.frames, self.packet_ins = {i: [] for i in PORTS}, []


class Counters:
    """flows: {cookie: (packets, bytes)}; groups, meters: {id: [(packets, bytes) of itself, of each bucket or band ...]}."""

    def __init__(self):
        self.flows, self.groups, self.meters = {}, {}, {}

    def since(self, base):
        """What came on top of `base`."""
        out = Counters()
        minus = lambda a, b: (a[0] - b[0], a[1] - b[1])  # noqa: E731
        out.flows = {c: minus(n, base.flows.get(c, (0, 0))) for c, n in self.flows.items()}
        for mine, other, to in ((self.groups, base.groups, out.groups), (self.meters, base.meters, out.meters)):
            for i, counts in mine.items():
                before = other.get(i, [])
                to[i] = [minus(n, before[k] if k < len(before) else (0, 0)) for k, n in enumerate(counts)]
        return out

    def mod(self, command, thing, state):
        """What a mod does to the counters since (6.4; 6.7 for buckets, 6.8 for bands); state: before it."""
        if isinstance(thing, Flow):
            for cookie in state.hit(command, thing):
                count = self.flows.pop(cookie, (0, 0))
                if not thing.reset and not command.startswith('delete'):
                    self.flows[thing.cookie if command == 'add' else cookie] = count
        elif isinstance(thing, (Group, Meter)):
            kind = self.groups if isinstance(thing, Group) else self.meters
            if command == 'modify' and thing.id in kind:
                del kind[thing.id][1:]
            else:
                kind.pop(thing.id, None)


class Rig:
    """One switch: `client`, taps on its hosts and LOCAL."""
    name = None

    def __init__(self, box, local):
        """local: the name of its interface LOCAL."""
        self.box, self.serial, self.down = box, 0, {DEAD}
        box.run(box.sw, 'ip', 'link', 'set', local, 'up')
        self.taps = {i: Tap(box.hosts[i], 'eth0') for i in PORTS if i not in (LOCAL, DEAD)}
        self.taps[LOCAL] = Tap(box.sw, local)
        self.set_link(DEAD, 'down')

    def connect(self, path):
        self.client = Client(path, timeout=10)
        # packet-ins of every reason; port status and flow removed of none
        self.client.send(SET_ASYNC, struct.pack('>6I', 7, 7, 0, 0, 0, 0))
        wait_for(lambda: self.link_down(DEAD), 5)

    def set_link(self, port, how):
        sh('ip', '-n', self.box.hosts[port], 'link', 'set', 'eth0', how)
        (self.down.add if how == 'down' else self.down.discard)(port)

    def link_down(self, port):
        """As the switch tells it."""
        body = self.multipart(MP_PORT_DESC)
        ports = {struct.unpack('>I', body[i:i + 4])[0]: struct.unpack('>I', body[i + 36:i + 40])[0] for i in range(0, len(body), 64)}
        return bool(ports[port] & LINK_DOWN)

    def flap(self, how):
        if (FLAPPING in self.down) == (how == 'down'):
            return
        self.set_link(FLAPPING, how)
        check(wait_for(lambda: self.link_down(FLAPPING) == (how == 'down'), 5, 0.002), '%s does not see the link go %s', self.name, how)
        try:
            self.taps[FLAPPING].drain()
        except OSError:  # ENETDOWN, once
            pass

    # -- messages
    def reset(self):
        c = self.client
        c.send(FLOW_MOD, DELETE_ALL)
        c.send(GROUP_MOD, DELETE_GROUPS)
        c.send(METER_MOD, DELETE_METERS)
        c.send(FLOW_MOD, flow_mod(MARK))
        c.send(FLOW_MOD, flow_mod(FILL))
        self.flap('up')
        self.base = Counters()

    def mods(self, mods):
        """{number of a mod that was refused: (error type, code)}"""
        c, sent = self.client, {}
        for n, mod in enumerate(mods):
            if isinstance(mod.thing, Link):
                self.flap(mod.command)
            else:
                sent[c.send(*message(mod))] = n
        return self.flush(sent)

    def flush(self, sent):
        c = self.client
        c.barrier()
        errors = {sent[xid]: struct.unpack('>HH', body[:4]) for kind, xid, body in c.queue if kind == ERROR and xid in sent}
        c.queue.clear()
        self.changed()
        return errors

    def changed(self):
        """The flow tables are others now."""

    def settle(self):
        """Counters count from now on."""
        self.base = self.absolute()

    def run(self, packets, injected=(), at_once=100):
        """packets: [(in_port, frame)]; injected: numbers of those that go in as packet-outs to TABLE; an Output."""
        out = Output()
        for i, t in self.taps.items():
            if i not in self.down:
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
                self.fill(i)
        c.barrier()
        self.marks(out)
        self.marks(out)

    def fill(self, i):
        """What the switch needs to do its best."""

    def marks(self, out):
        self.serial += 1
        body = MARK_BEGIN + struct.pack('>I', self.serial) + bytes(42)
        for i in SENDERS:
            self.taps[i].send(body)
        n = len(SENDERS)
        left = {i: n for i in PORTS if i not in self.down}
        left['controller'] = n
        end = time.monotonic() + MARKS_TIME
        fds = {t.sock: i for i, t in self.taps.items() if i in left}
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
            out.packet_ins.append(PacketIn(p['data'], p['total_len'], p['in_port'], p['reason'], p['table'], p['cookie'], wide(2), wide(38)))
        return True

    # -- counters
    def counters(self):
        """Counters since settle()."""
        return self.absolute().since(self.base)

    def multipart(self, kind, body=b''):
        c, out, more = self.client, b'', 1
        xid = c.send(MULTIPART_REQUEST, struct.pack('>HH4x', kind, 0) + body)
        while more:
            got, _, part = c.answer(xid)
            check(got == MULTIPART_REPLY, '%s: multipart request %d answered with type %d', self.name, kind, got)
            more = struct.unpack('>H', part[2:4])[0] & 1
            out += part[8:]
        return out

    def absolute(self):
        self.changed()
        out = Counters()
        body, at = self.multipart(MP_FLOW, struct.pack('>B3xII4xQQ', 0xff, 0xffffffff, 0xffffffff, 0, 0) + struct.pack('>HH4x', 1, 4)), 0
        while at < len(body):
            cookie, packets, size = struct.unpack('>QQQ', body[at + 24:at + 48])
            out.flows[cookie] = packets, size
            at += struct.unpack('>H', body[at:at + 2])[0]
        self.client.queue.clear()
        out.flows.pop(MARK_COOKIE, None)
        return out

    def bodies(self, kind, asked, head, length):
        """{id: [counts]} from group or meter statistics: their length at `length`, counts from 16 on, then from `head` on."""
        body, out, at = self.multipart(kind, asked), {}, 0
        while at < len(body):
            size = struct.unpack('>H', body[at + length:at + length + 2])[0]
            number = struct.unpack('>I', body[at + (4 - length) % 8:at + (4 - length) % 8 + 4])[0]
            out[number] = [struct.unpack('>QQ', body[i:i + 16]) for i in (at + 16, *range(at + head, at + size, 16))]
            at += size
        return out


class Ours(Rig):
    name = 'ofxdp'

    def __init__(self):
        self.switch, self.n_changes = Switch(len(PORTS) - 1, local=True), 0
        try:
            super().__init__(self.switch.box, self.switch.name)
            self.connect(self.switch.sock)
        except BaseException:
            self.switch.box.close()
            raise

    def absolute(self):
        out = super().absolute()
        out.groups = self.bodies(MP_GROUP, struct.pack('>I4x', 0xfffffffc), 40, 0)
        out.meters = self.bodies(MP_METER, struct.pack('>I4x', 0xffffffff), 40, 4)
        return out

    def changed(self):
        """At times tables have settled where they are to lie, in hash maps and tries (`ofxdpctl NAME tables`)."""
        self.n_changes += 1
        if self.n_changes % 8 == 0:
            time.sleep(0.08)

    def fill(self, i):
        """The flow cache has to pay, or it switches itself off: packets that are in it, before and behind each other one."""
        self.taps[i].send(FILL_FRAME)

    def buckets(self):
        """{group: [packets of each bucket]}"""
        return {i: [n for n, _ in c[1:]] for i, c in self.bodies(MP_GROUP, struct.pack('>I4x', 0xfffffffc), 40, 0).items()}

    def close(self):
        self.switch.__exit__()

    def note(self):
        return 'drops ' + str({k: v for k, v in self.switch.drops().items() if v})


class Ovs(Rig):
    name = 'ovs'

    def __init__(self):
        ports = [i for i in PORTS if i != LOCAL]
        box = Sandbox(len(ports), prefix='ovs', silent=True)
        try:
            self.start(box, ports)
            super().__init__(box, BRIDGE)
            self.connect(box.dir + '/' + BRIDGE + '.controller')
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
        args = ['add-br', BRIDGE, '--', 'set', 'bridge', BRIDGE, 'datapath_type=netdev', 'fail_mode=secure', 'protocols=OpenFlow13',
                'other_config:disable-in-band=true', '--', 'set', 'Open_vSwitch', '.', 'other_config:vlan-limit=2']
        for i in ports:
            args += ['--', 'add-port', BRIDGE, 's%d' % i, '--', 'set', 'interface', 's%d' % i, 'ofport_request=%d' % i]
        args += ['--', 'set-controller', BRIDGE, 'punix:%s/%s.controller' % (d, BRIDGE), '--', 'set', 'controller', BRIDGE, 'type=primary', 'inactivity_probe=0',
                 'controller_rate_limit=1000000', 'controller_burst_limit=1000000']
        sh('ovs-vsctl', '--db=' + db, '--timeout=20', *args, env=env)
        self.wait_socket(d + '/' + BRIDGE + '.controller')

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
        """Its last words."""
        return next((x[x.index('assertion'):] for x in self.box.log('vs.log').split('\n') if 'assertion' in x), None)

    def close(self):
        for t in self.taps.values():
            t.close()
        self.box.close()

    def note(self):
        return ''
