# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that is locked down (lockdown=confidentiality): BPF may not read its memory.  The switch works; what it cannot do is
said once.

Run by scripts/check-vm in a VM.
"""
import contextlib
import os
import platform
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
from lib import OFXDPCTL, OFXDPD, Switch, check, equal, run_tests, sh, udp, wait_for  # noqa: E402

U = udp(1, 2)
TELLS_FEATURES = tuple(int(x) for x in platform.release().split('.')[:2]) >= (6, 3)
LOST = 'buckets of groups follow a link that fails, and queues a changed qdisc, only while the daemon runs'


def lockdown():
    path = '/sys/kernel/security'
    if not os.path.exists(path + '/lockdown'):
        sh('mount', '-t', 'securityfs', 'none', path)
    with open(path + '/lockdown') as f:
        return f.read()


def setup():
    check('[confidentiality]' in lockdown(), 'this kernel is not locked down: %s', lockdown())
    return Switch(3)


def warnings(sw):
    return [x for x in sw.box.log('ofxdpd.log').split('\n') if 'warning: ' in x]


@contextlib.contextmanager
def cut(sw):
    """Without the link to host 2."""
    if 2 in sw.taps:
        sw.taps.pop(2).close()  # which would see it, too
    sh('ip', '-n', sw.box.hosts[2], 'link', 'set', 'eth0', 'down')
    yield
    sh('ip', '-n', sw.box.hosts[2], 'link', 'set', 'eth0', 'up')


def test_what_is_lost_is_said(sw):
    said = warnings(sw)
    equal(len(said), 1, 'warnings %r' % said)
    check(LOST in said[0], 'it says: %s', said[0])
    equal('driver takes none from XDP' in said[0], not TELLS_FEATURES, 'frames that drivers do not take are named: ' + said[0])


def test_forwarding(sw):
    sw.flows('in_port=1,actions=output:2,CONTROLLER:65535,output:3')
    sw.forward([(1, U)] * 3, {2: [U] * 3, 3: [U] * 3})
    equal(sw.packets(), [3], 'packets of the flow')


def test_drops_behind_the_redirect_are_counted(sw):
    """Tracing programs read the kernel's structs by type, which it allows."""
    sw.flows('in_port=1,actions=output:2')
    before = sw.drops()
    with cut(sw):
        for _ in range(5):
            sw.tap(1).send(U)
        lost = {k: n - before[k] for k, n in sw.drops().items() if n > before[k]}
    check(wait_for(lambda: sum(sw.drops().values()) - sum(before.values()) == 5, 3), 'of 5 drops are counted: %r', lost)
    out = sw.box.run(sw.sw, OFXDPCTL, sw.name, 'drops', check=False)
    check('not counted' not in out, 'ofxdpctl says: %s', out)


def test_fast_failover(sw):
    """By the daemon, which sees the link go down."""
    sw.of('del-flows')
    sw.of('add-group', 'group_id=1,type=ff,bucket=watch_port:2,actions=output:2,bucket=watch_port:3,actions=output:3')
    sw.flows('in_port=1,actions=group:1')
    sw.forward([(1, U)], {2: [U]})
    with cut(sw):
        check(wait_for(lambda: 'LINK_DOWN' in sw.of('dump-ports-desc'), 5), 'the link is not down')
        sw.tap(1).send(U)
        equal(sw.tap(3).receive(1, 2), [U], 'what host 3 receives')
    check(wait_for(lambda: 'LINK_DOWN' not in sw.of('dump-ports-desc'), 5), 'the link is not up')
    sw.forward([(1, U)], {2: [U]})


def test_peer_without_gro(sw):
    if not TELLS_FEATURES:
        return
    sw.box.run(sw.box.hosts[2], 'ethtool', '-K', 'eth0', 'gro', 'off')
    check(wait_for(lambda: sw.name + '-g' in sh('ip', '-n', sw.sw, 'link'), 5), 'there is no relay')
    sw.flows('in_port=1,actions=output:2')
    sw.forward([(1, U)], {2: [U]})
    sw.box.run(sw.box.hosts[2], 'ethtool', '-K', 'eth0', 'gro', 'on')


def test_kill_and_start(sw):
    sw.flows('in_port=1,actions=output:2')
    sw.kill9()
    sw.forward([(1, U)], {2: [U]})
    sw.start()
    sw.add('in_port=1,actions=output:3')
    sw.forward([(1, U)], {3: [U]})
    equal(sw.term(), 0, 'status')
    check('xdp' not in sh('ip', '-n', sw.sw, 'link'), 'XDP is left')
    check('nothing is left' in sw.box.run(sw.sw, OFXDPD, '-n', sw.name, '--cleanup', check=False), 'what --cleanup says')


if __name__ == '__main__':
    run_tests(sys.modules[__name__], setup)
