#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The hosts beyond a VM's network cards: runs where the taps are and does what the test in the guest asks for.

    test_cards.py ── virtio-serial port `wire` ── CHANNEL ── this program ── tap0, tap1 ── QEMU ── the guest's eth0, eth1

    wire.py CHANNEL MONITOR     unix sockets of QEMU: the other end of the port, and its monitor

A request is a line of JSON, [method of Wire, arguments ...], and so is the answer: {"ok": result} or {"error": text}.
Frames are hex; cards count from 0.
"""
import json
import os
import socket
import struct
import sys
import threading
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
from lib import Tap  # noqa: E402

SPORT_AT, MARK_AT, MAGIC = 34, 42, 0x6f667870  # in an untagged frame, see test/e2e/pktgen.h


class Stream(threading.Thread):
    """COUNT numbered packets, RATE a second, their source ports in turn."""

    def __init__(self, tap, head, count, rate, flows):
        super().__init__(daemon=True)
        self.tap, self.head, self.count, self.rate, self.flows, self.sent = tap, head, count, rate, flows, 0

    def frame(self, seq):
        f = bytearray(self.head)
        struct.pack_into('>H', f, SPORT_AT, 1024 + seq % self.flows)
        struct.pack_into('>II', f, MARK_AT, MAGIC, seq)
        return bytes(f)

    def run(self):
        start = time.monotonic()
        while self.sent < self.count:
            due = min(self.count, int((time.monotonic() - start) * self.rate) + 1)
            while self.sent < due:
                self.tap.send(self.frame(self.sent))
                self.sent += 1
            time.sleep(0.001)


class Sink(threading.Thread):
    """Which numbers came; `disordered`: behind a later packet of the same flow."""

    def __init__(self, tap):
        super().__init__(daemon=True)
        self.tap, self.ended = tap, False
        self.seen, self.last = set(), {}
        self.duplicates = self.disordered = self.other = 0

    def note(self, frame):
        if len(frame) < MARK_AT + 8 or struct.unpack_from('>I', frame, MARK_AT)[0] != MAGIC:
            self.other += 1
            return
        seq, sport = struct.unpack_from('>I', frame, MARK_AT + 4)[0], struct.unpack_from('>H', frame, SPORT_AT)[0]
        self.duplicates += seq in self.seen
        self.disordered += seq < self.last.get(sport, -1)
        self.last[sport] = seq
        self.seen.add(seq)

    def run(self):
        while not self.ended:
            for frame in self.tap.receive(1, 0.1):
                self.note(frame)


class Wire:
    def __init__(self, monitor):
        self.taps = {i: Tap(None, 'tap%d' % i) for i in (0, 1)}
        self.streams, self.sinks = {}, {}
        self.monitor = socket.socket(socket.AF_UNIX)
        self.monitor.connect(monitor)
        self.prompt()

    def prompt(self):
        """The monitor's text up to its next prompt."""
        text = b''
        while not text.endswith(b'(qemu) '):
            text += self.monitor.recv(4096)
        return text.decode()

    def send(self, card, *frames):
        for f in frames:
            self.taps[card].send(bytes.fromhex(f))

    def receive(self, card, n, seconds):
        return [f.hex() for f in self.taps[card].receive(n, seconds)]

    def drain(self, card):
        self.taps[card].drain()

    def link(self, card, up):
        """Pull the cable, or plug it in: the guest's card sees its carrier."""
        self.monitor.sendall(b'set_link n%d %s\n' % (card, b'on' if up else b'off'))
        return self.prompt()

    def stream(self, card, head, count, rate, flows):
        self.streams[card] = Stream(self.taps[card], bytes.fromhex(head), count, rate, flows)
        self.streams[card].start()

    def sent(self, card):
        """Waits for the end of the stream."""
        self.streams[card].join()
        return self.streams.pop(card).count

    def sink(self, card):
        self.taps[card].drain()
        self.sinks[card] = Sink(self.taps[card])
        self.sinks[card].start()

    def sunk(self, card, expected, seconds):
        """Ends the sink when so many came, or after that time."""
        s, end = self.sinks.pop(card), time.monotonic() + seconds
        while len(s.seen) < expected and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.3)  # more?
        s.ended = True
        s.join()
        return {'unique': len(s.seen), 'duplicates': s.duplicates, 'disordered': s.disordered, 'other': s.other}


def answer(wire, line):
    try:
        method, *args = json.loads(line)
        return {'ok': getattr(wire, method)(*args)}
    except Exception as e:
        traceback.print_exc()
        return {'error': '%s: %s' % (type(e).__name__, e)}


def main():
    channel, monitor = sys.argv[1:]
    wire = Wire(monitor)
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(channel)
        s.sendall(b'ready\n')
        for line in s.makefile('rb'):
            s.sendall(json.dumps(answer(wire, line)).encode() + b'\n')


main()
