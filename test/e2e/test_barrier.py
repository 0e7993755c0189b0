# SPDX-License-Identifier: GPL-2.0-only
"""A barrier reply means that the packet-outs before it are done, however long they took, or lost and counted."""
import os
import subprocess
import sys
import time

from lib import PYTHON, SLOW, Client, Skip, Switch, check, equal, output, run_tests, sh, udp

CONTROLLER = 0xfffffffd
# Keeps CPU 1 for itself, ahead of all that is not real-time; ends by the clock.
HOG = '''
import os, sys, time
os.sched_setaffinity(0, {1})
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(40))
end = time.monotonic() + float(sys.argv[1])
print(1, flush=True)
while time.monotonic() < end:
    pass
'''


def frames(n, start=0):
    return [udp(1, 2, 1000, 5000 + start + i) for i in range(n)]


def threads_named(prefix):
    for p in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/comm' % p) as f:
                if f.read().startswith(prefix):
                    yield int(p)
        except OSError:
            pass


class Stalled:
    """The pipeline of packet-outs runs in a thread of its own on CPU 1, which hog() takes away; all else is on CPU 0."""

    def __init__(self, sw):
        if os.cpu_count() < 2:
            raise Skip('two CPUs are needed')
        self.sw, self.before = sw, os.sched_getaffinity(0)
        self.set_threaded(1)
        threads = list(threads_named('napi/%s-c0' % sw.name))
        check(threads, 'NAME-c0 has no threads')
        for t in threads:
            sh('chrt', '-o', '-p', '0', t)
            sh('taskset', '-pc', '1', t)
        sh('taskset', '-apc', '0', sw.proc.pid)
        os.sched_setaffinity(0, {0})

    def set_threaded(self, on):
        sh('ip', 'netns', 'exec', self.sw.sw, 'sh', '-c', 'echo %d > /sys/class/net/%s-c0/threaded' % (on, self.sw.name))

    def hog(self, seconds):
        p = subprocess.Popen([PYTHON, '-c', HOG, str(seconds)], stdout=subprocess.PIPE)
        p.stdout.readline()
        return p

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.sched_setaffinity(0, self.before)
        self.set_threaded(0)


def test_late_packet_outs_are_waited_for(sw):
    tap = sw.tap(2)
    with Stalled(sw) as stalled, Client(sw.sock) as c, Client(sw.sock) as other:
        for i in range(3):
            want = frames(10, 100 * i)
            tap.drain()
            hog = stalled.hog(0.4)
            time.sleep(0.05)
            start = time.monotonic()
            for f in want:
                c.packet_out(CONTROLLER, output(2), f)
            xid = c.send(c.BARRIER_REQUEST)
            echo = max(other.echo() for _ in range(20))
            equal(c.answer(xid)[0], c.BARRIER_REPLY, 'type')
            took = time.monotonic() - start
            equal(tap.receive(10, 0.05), want, 'frames when the reply is there, round %d after %.3f s' % (i, took))
            hog.wait()
            check(echo < 0.1 * SLOW, 'another connection waited %.3f s', echo)


def test_more_packet_outs_than_may_be_on_their_way(sw):
    want = frames(600)
    with Stalled(sw) as stalled, Client(sw.sock) as c:
        sw.tap(2).drain()
        hog = stalled.hog(0.3)
        for f in want:
            c.packet_out(CONTROLLER, output(2), f)
        c.barrier()
        got = sw.tap(2).receive(600, 0.1)
        hog.wait()
        check(got == want, '%d frames of 600', len(got))
        check(not c.queue, 'errors: %r', c.queue[:1])


def test_lost_packet_outs_are_counted(sw):
    """Somebody takes the inner interface down while packet-outs wait in it; the daemon mends it, they are lost."""
    before = sw.drops()['packet_out_lost']
    sw.tap(2).drain()
    with Stalled(sw) as stalled, Client(sw.sock) as c:
        hog = stalled.hog(0.4)
        time.sleep(0.05)
        for f in frames(100):
            c.packet_out(CONTROLLER, output(2), f)
        c.echo()  # they are in
        sh('ip', '-n', sw.sw, 'link', 'set', sw.name + '-c0', 'down')
        hog.wait()
        start = time.monotonic()
        c.barrier()
        check(time.monotonic() - start < 4 * SLOW, 'the barrier took %.1f s', time.monotonic() - start)
        lost, got = sw.drops()['packet_out_lost'] - before, len(sw.tap(2).receive(100, 0.2))
        equal(lost + got, 100, 'lost %d, arrived %d: together' % (lost, got))
        check(lost, 'nothing was lost')
    with Client(sw.sock) as c:
        sw.tap(2).drain()
        c.packet_out(CONTROLLER, output(2), frames(1)[0])
        c.barrier()
        equal(len(sw.tap(2).receive(1, 0.2)), 1, 'packet-outs afterwards')


if __name__ == '__main__':
    run_tests(sys.modules[__name__], lambda: Switch(2))
