# SPDX-License-Identifier: GPL-2.0-only
"""What the benchmarks measure with: the generator's frames are sound, and the XDP peers look up what they should."""
import os
import struct
import sys

from lib import SLOW, Sandbox, Skip, Tap, check, csum, equal, run_tests, sh

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'bench'))
import xdp_peer  # noqa: E402
from cases import ACL, CASES, DST6, FIXED  # noqa: E402
from forward import Generator, Row  # noqa: E402

CPU = os.cpu_count() - 1
FRAMES = 256 + 64  # that many come of 256


def sums_up(frame):
    """Are the checksums of headers and payload right?"""
    if frame[12:14] == b'\x08\x00':
        ends, proto, l4 = frame[26:34], frame[23], frame[34:]
        whole = not csum(frame[14:34]) and struct.unpack('>H', frame[16:18])[0] == len(frame) - 14
    else:
        ends, proto, l4 = frame[22:54], frame[20], frame[54:]
        whole = frame[12:15] == b'\x86\xdd\x60' and struct.unpack('>H', frame[18:20])[0] == len(l4)
    at = {17: 6, 6: 16}[proto]
    return whole and l4[at:at + 2] != b'\0\0' and not csum(ends + struct.pack('>HH', proto, len(l4)) + l4)


def needs_speed():
    if SLOW > 1:
        raise Skip('the generator waits for nobody: where all is slow, most frames are lost')


def frames_of(box, case, letter):
    """Frames, and the number of the first.  On a busy machine some may be lost: not each time."""
    row = Row(box, letter)
    sh('nsenter', '--net=/run/netns/' + box.sw, 'ethtool', '-K', row.inward, 'gro', 'on')  # else nothing gets into it
    tap = Tap(box.sw, row.inward)
    try:
        gen = Generator(box, case, CPU)
        for _ in range(10):
            tap.drain()
            first = gen.made
            equal(gen.run(row, 256)['sent'], FRAMES, 'frames sent')
            got = tap.receive(FRAMES, 0.5)
            if len(got) == FRAMES:
                break
        return got, first
    finally:
        tap.close()


def test_frames():
    """Of each kind: 64 bytes, right checksums, as many flows as there should be."""
    needs_speed()
    kinds = {(c.mode, bool(c.flows)): c for c in CASES.values()}
    with Sandbox(0, silent=True) as box:
        for i, case in enumerate(kinds.values()):
            frames, first = frames_of(box, case, 'abcdefgh'[i])
            equal([len(f) for f in frames], [64] * FRAMES, 'mode %d: lengths' % case.mode)
            bad = [f for f in frames if not sums_up(f)]
            check(not bad, 'mode %d: %d frames do not sum up, first %s', case.mode, len(bad), bad and bad[0].hex())
            flows = {case.flow(n) for n in range(first, first + FRAMES)}
            if case.mode != FIXED:
                equal(len(set(frames)), len(flows), 'mode %d: different frames' % case.mode)
    check({ACL, DST6} <= {mode for mode, _ in kinds}, 'kinds of frames: %r', sorted(kinds))


def peer(name):
    with Sandbox(0, silent=True) as box:
        row = Row(box, 'a')
        gen = Generator(box, CASES[name], CPU)
        gen.ask('sink', row.sink)
        xdp_peer.start(name, box, gen, row)


def test_peers():
    """With half of a case's keys just their frames come out, with all of them all."""
    needs_speed()
    for name in xdp_peer.PEERS:
        peer(name)


if __name__ == '__main__':
    run_tests(sys.modules[__name__])
