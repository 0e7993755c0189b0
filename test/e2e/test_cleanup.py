# SPDX-License-Identifier: GPL-2.0-only
"""--cleanup of what a killed daemon left: all of it, or the status is 1, a sentence says why, and the next one does the
rest.  Nothing is silently left behind.

FAULTS=1000 /usr/bin/python3 test/e2e/test_cleanup.py lets each system call of it fail once, not only some."""
import os
import re
import sys

from fault import each, recorded, recorder
from lib import OFXDPD, PIN_ROOT, SLOW, Switch, check, equal, run_tests, sh


class Dead(Switch):
    """Three ports, the second in generic mode; LOCAL.  died() makes it another time."""

    def __init__(self):
        super().__init__(3, local=True, start=False)
        sh('ip', '-n', self.box.hosts[2], 'link', 'set', 'eth0', 'mtu', '5000')
        self.was = self.state()

    def state(self):
        links = re.sub(r'qlen \d+|^Error: .*\n', '', sh('ip', '-n', self.sw, '-d', 'link'), flags=re.M)
        return links + ''.join(self.box.run(self.sw, 'ethtool', '-k', 's%d' % i) for i in (1, 2, 3))

    def died(self):
        self.start()
        self.kill9()

    def cleanup(self, prefix=()):
        """(status, log)"""
        p = self.box.start(self.sw, *prefix, OFXDPD, '-n', self.name, '--cleanup', log='cleanup.log')
        with open(self.box.dir + '/cleanup.log') as f:
            status = p.wait(60 * SLOW)
            log = f.read()
        self.box.processes.remove(p)
        os.unlink(self.box.dir + '/cleanup.log')
        return status, log

    def clean(self, what):
        before, after = self.was.split('\n'), self.state().split('\n')
        equal([x for x in after if x not in before], [], '%s: new' % (what,))
        equal([x for x in before if x not in after], [], '%s: gone' % (what,))
        check(not os.path.exists(PIN_ROOT + '/' + self.name), '%s: pins are left', what)

    def all_or_some(self, prefix):
        """True: all is clean.  False: not all, which it said; then the next one does the rest."""
        status, log = self.cleanup(prefix)
        if status == 0:
            self.clean(prefix)
            return True
        check(status > 0, '%r: ended by signal %d; log: %s', prefix, -status, log)
        check('error' in log, '%r: status %d without a word', prefix, status)
        status, log = self.cleanup()
        equal(status, 0, 'status of the second one after %r; log: %s' % (prefix, log))
        self.clean(prefix)
        return False


def test_few_descriptors(d):
    n, all_clean = 4, False
    while not all_clean:
        d.died()
        all_clean = d.all_or_some(['prlimit', '--nofile=%d:%d' % (n, n)])
        n += 3
    print('# clean with %d descriptors' % n)


def test_each_system_call_may_fail(d):
    d.died()
    path = d.box.dir + '/calls'
    equal(d.cleanup(recorder(path))[0], 0, 'status')
    tries = []
    for prefix in each(recorded(path)):
        d.died()
        tries.append(d.all_or_some(prefix))
    print('# %d with a fault, %d of them not clean at once' % (len(tries), len(tries) - sum(tries)))


if __name__ == '__main__':
    run_tests(sys.modules[__name__], Dead)
