# SPDX-License-Identifier: GPL-2.0-only
"""The daemon when an allocation of its start or end fails: it does without, or says why it ends and leaves nothing, or
says what is left.  It is never killed, and does not hang."""
import os
import re
import signal
import subprocess
import sys
import time

from lib import OFXDPCTL, PIN_ROOT, SLOW, TOP, Failed, Switch, check, equal, run_tests, sh

PRELOAD = os.path.join(TOP, 'build/fail_alloc.so')
STEP = int(os.environ.get('STEP', '16'))  # every so-manieth allocation; 1: all
AT_THE_END = 4


class Failing(Switch):
    def run(self, at=0):
        """One life, from start to end, with that allocation failing (0: none): status, log, allocations."""
        count, path = self.box.dir + '/count', self.box.dir + '/log'
        argv = ['env', 'LD_PRELOAD=' + PRELOAD, 'FAIL_AT=%d' % at, 'FAIL_COUNT=' + count] + self.argv()
        with open(path, 'w+') as log:
            p = self.box.start(self.sw, *argv, stdout=log, stderr=log)
            self.end(p, log)
            self.box.processes.remove(p)
            log.seek(0)
            with open(count) as f:
                return p.returncode, log.read(), int(f.read())

    def end(self, p, log):
        """By SIGTERM, once it runs."""
        deadline, told = time.monotonic() + 30 * SLOW, False
        while p.poll() is None:
            if time.monotonic() > deadline:
                raise Failed('it hangs')
            log.seek(0)
            if not told and 'entry program' in log.read():
                p.send_signal(signal.SIGTERM)
                told = True
            try:
                p.wait(0.01)
            except subprocess.TimeoutExpired:
                pass

    def left(self):
        """What it has made or changed and is there still."""
        links = sh(*self.box.into(self.sw), 'ip', '-d', 'link')
        pins = os.path.join(PIN_ROOT, self.name)
        found = re.findall(r'prog/xdp|PROMISC|%s[\w-]*@' % self.name, links)
        return found + (os.listdir(pins) if os.path.exists(pins) else [])


def check_life(sw, at):
    """True: it ended by an error."""
    status, said, _ = sw.run(at)
    errors = [x for x in said.split('\n') if ' error: ' in x]
    check(status in (0, 1), 'allocation %d: status %d: %s', at, status, said[-500:])
    equal(bool(errors), status == 1, 'allocation %d, errors: %s' % (at, errors))
    if '--cleanup`' in said:
        sh(*sw.box.into(sw.sw), *sw.argv('--cleanup'))
    equal(sw.left(), [], 'allocation %d, left behind' % at)
    return status == 1


def test_start_and_end():
    with Failing(2, start=False, local=True) as sw:
        status, said, n = sw.run()
        equal((status, sw.left()), (0, []), 'status')
        check(n > 50, '%d allocations only: are they counted?', n)
        tried = sorted(set(range(1, n + 1, STEP)) | set(range(n - AT_THE_END, n + 1)))
        failed = sum(check_life(sw, at) for at in tried)
        print('# result: of %d allocations %d failed in turn: %d ends with an error' % (n, len(tried), failed))
        check(failed > len(tried) // 3, 'only %d of %d failed', failed, len(tried))


def ctl(sw, command, at=0):
    """Status, output, errors, allocations of ofxdpctl."""
    count = sw.box.dir + '/count'
    env = dict(os.environ, LD_PRELOAD=PRELOAD, FAIL_AT=str(at), FAIL_COUNT=count)
    p = subprocess.run([OFXDPCTL] + command, env=env, capture_output=True, text=True, timeout=20 * SLOW)
    with open(count) as f:
        return p.returncode, p.stdout, p.stderr, int(f.read())


def test_ofxdpctl():
    """It tells all, or says why not."""
    n_failed = 0
    with Switch(2) as sw:
        sw.of('add-group', 'group_id=1,type=all,bucket=output:1,bucket=output:2')
        sw.of('add-meter', 'meter=1,kbps,band=type=drop,rate=1000')
        sw.flows('in_port=1,ip,nw_dst=10.0.0.0/8,actions=output:2', 'actions=group:1')
        for command in ('tables', 'cache', 'drops', 'groups', 'meters', 'ports'):
            for words in ([sw.name, command], ['--json', sw.name, command]):
                status, said, errors, n = ctl(sw, words)
                equal((status, errors), (0, ''), 'ofxdpctl %s' % ' '.join(words))
                lines = len(said.split('\n'))
                for at in range(1, n + 1):
                    status, now, errors, _ = ctl(sw, words, at)
                    what = 'ofxdpctl %s, allocation %d: ' % (' '.join(words), at)
                    check(status in (0, 1), '%sstatus %d', what, status)
                    equal(bool(errors), status == 1, what + 'errors: ' + errors)
                    equal(len(now.split('\n')), lines if status == 0 else 1, what + 'lines: ' + now)
                    n_failed += status
    print('# result: ofxdpctl ended with an error %d times' % n_failed)
    check(n_failed > 20, 'only %d times', n_failed)


run_tests(sys.modules[__name__])
