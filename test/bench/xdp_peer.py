# SPDX-License-Identifier: GPL-2.0-only
"""A hand-written XDP program for just one case (xdp_peer.bpf.c), with the case's rules as keys of its one map.

Before it is measured, it is shown to look up what it should: with every second key in the map, as many frames come out
as have one.  (Of routes the default route is not among them.)
"""
import os
import socket
import struct

import cases
from cases import CASES
from lib import Failed, inside

CHECKED, TRIES = 1 << 10, 10  # frames at a time


class Exact:
    """Each flow has one key: key(flow, number of the interface that it comes in on)."""

    def __init__(self, name, key):
        self.map, self.key = name, key

    def keys(self, case, ifindex):
        return [self.key(f, ifindex) for f in range(case.flows)]

    def finder(self, keys, ifindex):
        known = set(keys)
        return lambda f: self.key(f, ifindex) in known


class Routes:
    """routes: [(address, length)]; address(flow)."""

    def __init__(self, name, routes, address, bits):
        self.map, self.routes, self.address, self.bits = name, routes, address, bits

    def key(self, address, length):
        return struct.pack('=I', length) + (address >> self.bits - length << self.bits - length).to_bytes(self.bits // 8, 'big')

    def keys(self, case, ifindex):
        return [self.key(a, n) for a, n in self.routes()]

    def finder(self, keys, ifindex):
        known = set(keys)
        lengths = {struct.unpack('=I', k[:4])[0] for k in known}
        return lambda f: any(self.key(self.address(f), n) in known for n in lengths)


def pair_key(f, ifindex):
    return cases.mac(f, 1).to_bytes(6, 'big') + cases.mac(f, 0).to_bytes(6, 'big') + struct.pack('=I', ifindex)


def tuple_key(f, _):
    return struct.pack('>IIHH', *cases.tuple_flow(f)) + struct.pack('=I', cases.UDP)


def routes_of(counts):
    return Routes('route', lambda: cases.routes(counts), cases.dst_address, 32)


PEERS = {
    'port': Exact('port', lambda f, ifindex: struct.pack('=I', ifindex)),
    'l2-1k': Exact('pair', pair_key),
    'l2-10k-new': Exact('pair', pair_key),
    'lpm-1k': routes_of(cases.ROUTES_1K),
    'lpm-10k': routes_of(cases.ROUTES_10K),
    'lpm-100k': routes_of(cases.ROUTES_100K),
    'lpm6-10k': Routes('route6', lambda: cases.routes6(cases.ROUTES6_10K), cases.dst6_address, 128),
    'fivetuple-100k': Exact('tuple', tuple_key),
}


def add(box, gen, keys):
    path = os.path.join(box.dir, 'keys')
    with open(path, 'wb') as f:
        f.write(b''.join(keys))
    gen.ask('add', path)


def check(name, gen, row, finds):
    """As many frames come out as have a key in the map, by the arithmetic of cases.py.  On a busy machine some may be lost:
    not each time."""
    for _ in range(TRIES):
        first = gen.made
        got = gen.run(row, CHECKED)
        want = sum(finds(CASES[name].flow(n)) for n in range(first, gen.made))
        if got[row.counter] == want:
            return
        if got[row.counter] > want:
            break
    raise Failed('xdp.%s: %d of %d frames come out, %d have a key in its map' % (name, got[row.counter], got['sent'], want))


def start(name, box, gen, row):
    """On the row, with all keys in its map."""
    case, peer = CASES[name], PEERS[name]
    with inside(box.sw):
        ifindex = socket.if_nametoindex(row.inward)
    keys = peer.keys(case, ifindex)
    half = keys[1::2]
    gen.ask('peer', peer.map, len(keys), row.inward, row.outward)
    add(box, gen, half)
    check(name, gen, row, peer.finder(half, ifindex))
    add(box, gen, keys[::2])
    check(name, gen, row, lambda f: True)
