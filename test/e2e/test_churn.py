# SPDX-License-Identifier: GPL-2.0-only
"""Many switches start and end at once while other interfaces of their namespace come and go.

SWITCHES=20 ROUNDS=100 /usr/bin/python3 test/e2e/test_churn.py goes on for longer than `make test` does."""
import contextlib
import os
import re
import sys
import time

from lib import OFXDPD, PIN_ROOT, SLOW, Sandbox, check, equal, run_tests, sh, wait_for

SWITCHES, ROUNDS = int(os.environ.get('SWITCHES', '8')), int(os.environ.get('ROUNDS', '3'))
COME_AND_GO = 'i=0; while :; do i=$((i + 1)); ip link add c%d_$i type veth peer name d%d_$i; ip link del c%d_$i; done'


class Crowd:
    """SWITCHES switches in one namespace, two ports each, a0 and b0, a1 and b1 …; beside them veth pairs come and go."""

    def __init__(self):
        self.box = box = Sandbox(0)
        self.names = ['%s%02d' % (box.name[-8:], i) for i in range(SWITCHES)]
        box.names |= set(self.names)
        self.procs, self.marks = {}, {}
        for port in self.ports():
            sh('ip', '-n', box.sw, 'link', 'add', port, 'up', 'type', 'veth', 'peer', 'name', 'x' + port)
            sh('ip', '-n', box.sw, 'link', 'set', 'x' + port, 'up')
        self.links = self.state()
        for k in range(2):
            box.start(box.sw, 'sh', '-c', COME_AND_GO % (k, k, k), log='others')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.box.close()

    @staticmethod
    def ports():
        return ['%s%d' % (side, i) for i in range(SWITCHES) for side in 'ab']

    def log(self, i):
        """Of the last start."""
        return self.box.log('log%d' % i)[self.marks[i]:]

    def start(self, i, *args):
        self.marks[i] = len(self.box.log('log%d' % i))
        return self.box.start(self.box.sw, OFXDPD, '-n', self.names[i], *args, log='log%d' % i)

    def start_all(self):
        start = time.monotonic()
        for i in range(SWITCHES):
            self.procs[i] = self.start(i, '-i', 'a%d' % i, '-i', 'b%d' % i, '-l', 'punix:%s/%d.sock' % (self.box.dir, i))
        wait_for(lambda: all(p.poll() is not None or 'entry program' in self.log(i) for i, p in self.procs.items()), 120)
        for i, p in self.procs.items():
            check(p.poll() is None, 'switch %d ended with %r: %s', i, p.returncode, self.log(i))
            check('entry program' in self.log(i), 'switch %d does not come: %s', i, self.log(i))
        return time.monotonic() - start

    def end_all(self, how):
        start = time.monotonic()
        for p in self.procs.values():
            getattr(p, how)()
        status = {i: p.wait(60 * SLOW) for i, p in self.procs.items()}
        self.box.processes = [p for p in self.box.processes if p.poll() is None]
        return status, time.monotonic() - start

    def state(self):
        """All interfaces but those that come and go, without what counts or changes by itself."""
        out = 'interrupted'
        while 'interrupted' in out:
            out = sh('ip', '-n', self.box.sw, '-d', 'link')
        lines = re.sub(r'\n +', ' ', out).split('\n')
        return sorted(re.sub(r'^\d+: ', '', x) for x in lines if x and not re.match(r'\d+: [cd]\d_', x))

    def left_nothing(self):
        for i in self.procs:
            bad = [x for x in self.log(i).split('\n') if 'error:' in x]
            equal(bad, [], 'errors of switch %d' % i)
        equal([x for x in self.state() if x not in self.links], [], 'interfaces that are new or changed')
        equal([x for x in self.links if x not in self.state()], [], 'interfaces that have gone or changed')
        pins = os.listdir(PIN_ROOT) if os.path.isdir(PIN_ROOT) else []
        equal([n for n in self.names if n in pins], [], 'pins')


def test_start_and_end_at_once(crowd):
    starts, ends = [], []
    for _ in range(ROUNDS):
        starts.append(crowd.start_all())
        status, took = crowd.end_all('terminate')
        ends.append(took)
        equal(set(status.values()), {0}, 'status')
        crowd.left_nothing()
    print('# %d switches, %d times: all there after %.1f … %.1f s, ended after %.1f … %.1f s' % (
        SWITCHES, ROUNDS, min(starts), max(starts), min(ends), max(ends)))


def test_cleanup_at_once(crowd):
    crowd.start_all()
    crowd.end_all('kill')
    for i in range(SWITCHES):
        crowd.procs[i] = crowd.start(i, '--cleanup')
    equal({p.wait(60 * SLOW) for p in crowd.procs.values()}, {0}, 'status')
    crowd.left_nothing()


def test_takeover_at_once(crowd):
    crowd.start_all()
    crowd.end_all('kill')
    crowd.start_all()
    for i in crowd.procs:
        check('took over' in crowd.log(i), 'switch %d took nothing over: %s', i, crowd.log(i))
    status, _ = crowd.end_all('terminate')
    equal(set(status.values()), {0}, 'status')
    crowd.left_nothing()


@contextlib.contextmanager
def setup():
    with Crowd() as c:
        yield c


if __name__ == '__main__':
    run_tests(sys.modules[__name__], setup)
