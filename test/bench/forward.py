# SPDX-License-Identifier: GPL-2.0-only
"""Forwarding, measured in lock-step on one core.

    namespace: benchgen ─► g0 ═ p1 [program] p2 ═ g3 ─► sink, counts and drops

benchgen makes 64 frames and sends them out of g0; when it lets go of the core for a moment, their softirq runs the
program on p1 and the sink on g3; then come the next 64.  Such rows exist side by side, one with the bare redirect, one
with the switch, and for some cases one with a program that does nothing else (xdp_peer.py); they are measured in turn.
"""
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
from lib import BUILD, OFXDPCTL, OFXDPD, PIN_ROOT, Client, Failed, Sandbox, on_signals, sh, wait_for  # noqa: E402,F401

import openflow as of  # noqa: E402
import xdp_peer  # noqa: E402
from cases import CASES  # noqa: E402

BENCHGEN = BUILD + '/benchgen'
LEAST, MOST = 1 << 16, (1 << 23) - 4096  # frames of a sample (benchgen.h: BG_CHUNK, BG_STAMPS)
WARM_UP = 1 << 21  # of ours, before the first: each of 100 000 flows has come, and the microflow cache knows its mode
ERROR, BARRIER_REQUEST = 1, 20


class Row:
    """The names of one row's interfaces; both its veths are made in the namespace.  counter: which sink it has."""

    def __init__(self, box, letter, counter='received'):
        self.counter = counter
        self.gen, self.inward, self.outward, self.sink = (letter + x for x in '0123')
        for i, j in ((self.gen, self.inward), (self.outward, self.sink)):
            sh('ip', '-n', box.sw, 'link', 'add', i, 'type', 'veth', 'peer', 'name', j)
            for end in (i, j):
                sh('ip', '-n', box.sw, 'link', 'set', end, 'up')


class Generator:
    """made: frames so far, the number of the next one."""

    def __init__(self, box, case, cpu):
        self.made = 0
        self.proc = box.start(box.sw, BENCHGEN, cpu, case.mode, case.flows, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        try:
            self.proc.stdin.write(' '.join(map(str, words)) + '\n')
            self.proc.stdin.flush()
        except BrokenPipeError:
            pass
        line = self.proc.stdout.readline()
        if not line:
            raise Failed('benchgen %s: ended' % ' '.join(map(str, words)))
        return json.loads(line)

    def run(self, row, frames):
        got = self.ask('run', row.gen, frames)
        self.made += got['sent']
        return got

    def sample(self, row, frames):
        """ns a frame, over the parts in which no other process had the core."""
        got = self.run(row, frames)
        if got[row.counter] != got['sent']:
            raise Failed('%d of %d frames lost' % (got['sent'] - got[row.counter], got['sent']))
        if got['clean'] * 8 < got['disturbed']:
            raise Failed('other processes took the core in %d of %d parts' % (got['disturbed'], got['disturbed'] + got['clean']))
        return got['ns']


def load_rules(sock, rules):
    """The rules, in one piece; seconds to the barrier reply."""
    with Client(sock, timeout=120) as c:
        data = b''.join(rules)
        start = time.monotonic()
        c.sock.sendall(data)
        c.barrier()
        took = time.monotonic() - start
        errors = [m for m in c.queue if m[0] == ERROR]
        if errors:
            raise Failed('%d errors for %d flow-mods, first type %d code %d' % (
                (len(errors), len(rules)) + tuple(int.from_bytes(errors[0][2][i:i + 2], 'big') for i in (0, 2))))
    return took


class Bench:
    """One case set up: the switch with its rules, the bare redirect, the generator.  alone: ns of the bare redirect
    before the switch runs, whose programs on tracepoints run for every XDP redirect of the machine."""

    def __init__(self, name, cpu):
        self.case = CASES[name]
        self.box = Sandbox(0, 'ofb', silent=True)
        try:
            self.bare, self.ours = Row(self.box, 'a'), Row(self.box, 'b')
            self.rows = [self.ours, self.bare] + ([Row(self.box, 'c')] if name in xdp_peer.PEERS else [])
            self.sock = self.box.dir + '/of.sock'
            self.gen = Generator(self.box, self.case, cpu)
            self.gen.ask('bare', self.bare.inward, self.bare.outward)
            for row in self.rows:
                self.gen.ask('sink', row.sink)
            for row in self.rows[2:]:
                xdp_peer.start(name, self.box, self.gen, row)
            self.sample(self.bare, LEAST)
            self.alone = [self.sample(self.bare, 8 * LEAST) for _ in range(5)]
            self.daemon = self.box.start(self.box.sw, OFXDPD, '-n', self.box.name, '--no-local', '-l', 'punix:' + self.sock,
                                         '-i', self.ours.inward + '=1', '-i', self.ours.outward + '=2', *self.case.args,
                                         log='ofxdpd.log')
            if not wait_for(lambda: os.path.exists(self.sock) or self.daemon.poll() is not None, 15) or self.daemon.poll() is not None:
                raise Failed('ofxdpd does not start: ' + self.box.log('ofxdpd.log')[-2000:])
            self.loaded = load_rules(self.sock, self.case.rules())
        except BaseException:
            self.box.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.box.close()

    def rounds(self, n, seconds=0.1):
        """[(ns of ours, of the bare redirect, of the XDP peer if there is one)], each over so many frames as take that time."""
        self.sample(self.ours, WARM_UP)
        frames = [max(LEAST, min(MOST, int(seconds * 1e9 / self.sample(row, LEAST)))) for row in self.rows]
        return [[self.sample(row, count) for row, count in zip(self.rows, frames)] for _ in range(n)]

    def sample(self, row, frames):
        for last in (False, False, True):
            try:
                return self.gen.sample(row, frames)
            except Failed as e:
                if last or 'benchgen' in str(e):
                    raise Failed('%s; drops: %s' % (e, self.drops())) from e

    def drops(self):
        return ' '.join(self.box.run(self.box.sw, OFXDPCTL, self.box.name, 'drops', check=False).split())
