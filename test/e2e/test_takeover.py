# SPDX-License-Identifier: GPL-2.0-only
"""A start that fails, for whatever reason, leaves a dead daemon's switch as it was: each frame through it comes out as
before, its programs, pins, interfaces and settings are there; the status is 1, one sentence says why.  Then a good start
takes over.

FAULTS=1000 /usr/bin/python3 test/e2e/test_takeover.py lets each system call of a start fail once, not only some."""
import json
import os
import re
import socket
import sys

from fault import FAULTS, each, fault, recorded, recorder, strace
from lib import PIN_ROOT, Client, Switch, check, equal, inside, output, run_tests, sh, udp, wait_for

U = udp(1, 2)
TAGGED = udp(1, 2, tags=[(0x8100, 5)])
FLOWS = ['in_port=1,actions=output:2,push_vlan:0x8100,set_field:4101->vlan_vid,output:2,output:3', 'in_port=2,actions=set_queue:1,output:3',
         'in_port=3,actions=flood']


class Dead(Switch):
    """Three ports, the second in generic mode, the third with a queue; LOCAL; killed."""

    def __init__(self):
        super().__init__(3, local=True, start=False)
        sh('ip', '-n', self.box.hosts[2], 'link', 'set', 'eth0', 'mtu', '5000')
        for cmd in (['qdisc', 'add', 'dev', 's3', 'root', 'handle', '1:', 'htb'],
                    ['class', 'add', 'dev', 's3', 'parent', '1:', 'classid', '1:1', 'htb', 'rate', '100mbit']):
            sh('tc', '-n', self.sw, *cmd)
        self.tries = 0
        self.revive()

    def revive(self):
        """A good start, then kill -9 again."""
        self.start()
        equal(self.dump(), [], 'flows after a start')
        self.add(*FLOWS)
        self.kill9()
        self.was = self.state()

    def works(self):
        self.forward([(1, U)], {2: [U, TAGGED], 3: [TAGGED]})
        self.forward([(2, U)], {3: [U]})
        self.forward([(3, U)], {1: [U], 2: [U]})

    def state(self):
        """Interfaces with all that can be set, pins, what is remembered of ports."""
        links = re.sub(r'qlen \d+|^Error: .*\n', '', sh('ip', '-n', self.sw, '-d', 'link'), flags=re.M)
        filters = sh('tc', '-n', self.sw, 'filter', 'show', 'dev', self.name + '-q1', 'ingress')
        features = ''.join(self.box.run(self.sw, 'ethtool', '-k', 's%d' % i) for i in (1, 2, 3))
        pins = sorted(os.path.join(d, f) for d, _, files in os.walk(PIN_ROOT + '/' + self.name) for f in files)
        entry = os.readlink('%s/%s/port' % (PIN_ROOT, self.name))
        memory = json.loads(sh('bpftool', '-j', 'map', 'dump', 'pinned', '%s/%s/memory' % (PIN_ROOT, self.name)))
        memory = sorted((x['key'], x['value']) for x in memory)
        return {'links': links, 'filters': filters, 'features': features, 'pins': pins, 'entry': entry, 'memory': memory}

    def unchanged(self, what):
        now = self.state()
        for k in now:
            before, after = [str(x[k]).split('\n') for x in (self.was, now)]
            equal([x for x in after if x not in before], [], '%s: %s: new' % (what, k))
            equal([x for x in before if x not in after], [], '%s: %s: gone' % (what, k))
        self.works()

    def try_start(self, prefix=(), args=()):
        """(status, None while it runs; log)"""
        self.tries += 1
        log = 'try%d.log' % self.tries
        self.proc = self.box.start(self.sw, *prefix, *self.argv(*args), log=log)
        wait_for(lambda: self.proc.poll() is not None or 'entry program' in self.box.log(log), 20)
        if self.proc.poll() is not None:
            self.box.processes.remove(self.proc)
        return self.proc.poll(), self.box.log(log)

    def fails(self, words, prefix=(), args=(), status=1):
        status_now, log = self.try_start(prefix, args)
        errors = [x for x in log.split('\n') if 'error: ' in x]
        equal(status_now, status, 'status with %r %r; log: %s' % (prefix, args, log))
        check(len(errors) == 1 and words in errors[0], 'with %r %r: no single sentence with "%s": %s', prefix, args, words, log)
        self.unchanged('%r %r' % (prefix, args))


def test_missing_rights(d):
    def only(*caps):
        return ['setpriv', '--bounding-set=' + ','.join(['-all'] + ['+' + c for c in caps]), '--inh-caps=-all', 'prlimit',
                '--memlock=8388608:8388608']
    d.fails('CAP_NET_RAW and CAP_IPC_LOCK are missing', only('bpf', 'net_admin', 'perfmon'))
    d.fails('CAP_IPC_LOCK is missing', only('bpf', 'net_admin', 'perfmon', 'net_raw'))
    d.fails('CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON are missing', only('net_raw', 'ipc_lock'))


def test_few_descriptors(d):
    for n in (4, 8, 30, 100):
        d.fails('oo many open files', ['prlimit', '--nofile=%d:%d' % (n, n)])
    n, step = 128, 3 if FAULTS > 20 else 11
    while starts_or_fails(d, ['prlimit', '--nofile=%d:%d' % (n, n)]):
        n += step


def test_little_memory(d):
    mb, step = 16, 2 if FAULTS > 20 else 12
    while starts_or_fails(d, ['prlimit', '--as=%d' % (mb << 20)]):
        mb += step


def test_wrong_options(d):
    d.fails('see ofxdpd --help', args=['--nonsense'], status=2)
    d.fails('cannot listen', args=['-l', 'punix:/nowhere/of.sock'])
    d.fails('one of the switch\'s own', args=['-i', d.name + '-c0'])
    d.fails('not an Ethernet interface', args=['-i', 'lo'])


def test_port_of_the_listener_in_use(d):
    with inside(d.sw):
        other = socket.socket()
    other.bind(('127.0.0.1', 6653))
    other.listen()
    d.fails('ptcp:6653', args=['-l', 'ptcp:6653'])
    other.close()


def test_full_disk(d):
    disk = d.box.dir + '/disk'
    os.mkdir(disk)
    sh('mount', '-t', 'tmpfs', '-o', 'size=4k,nr_inodes=2', 'none', disk)
    try:
        with open(disk + '/full', 'w') as f:
            f.write('x' * 4096)
        d.fails('No space left', args=['-l', 'punix:%s/of.sock' % disk])
        status, log = d.try_start(args=['--state-dir', disk])
        equal(status, None, 'port numbers that cannot be kept are no reason to fail: ' + log)
        d.kill9()
        d.revive()
    finally:
        sh('umount', disk)


def test_pins_that_cannot_be_written(d):
    d.fails('Read-only file system', ['unshare', '-m', 'sh', '-c', 'mount -o remount,bind,ro /sys/fs/bpf && exec "$@"', 'sh'])


def test_daemon_that_lives(d):
    d.start()
    d.add(*FLOWS)
    living = d.proc
    d.was = d.state()
    d.fails('is running already')
    d.proc = living
    d.kill9()
    d.unchanged('kill -9')


# --- a system call that fails ---

def starts_or_fails(d, prefix):
    """True: it failed, as it should.  False: it runs; then it is killed and another takes over."""
    status, log = d.try_start(prefix)
    if status is None:
        d.kill9()
        d.revive()
        return False
    check(status > 0, 'with %r the start ended by signal %d; log: %s', prefix, -status, log)
    check('error' in log and 'run `ofxdpd' not in log, 'with %r the log does not say why: %s', prefix, log)
    d.unchanged(prefix)
    return True


def test_each_system_call_may_fail(d):
    path = d.box.dir + '/calls'
    status, log = d.try_start(recorder(path))
    equal(status, None, 'status; log: ' + log)
    d.kill9()
    d.revive()
    tries = [starts_or_fails(d, prefix) for prefix in each(recorded(path))]
    print('# %d starts with a fault, %d of them failed' % (len(tries), sum(tries)))
    check(sum(tries) > len(tries) / 4, 'only %d starts of %d failed', sum(tries), len(tries))


def test_what_the_kernel_has_not(d):
    d.fails('CONFIG_XDP_SOCKETS', fault('socket', 'EAFNOSUPPORT', xdp_socket(d)))


def xdp_socket(d):
    """Which of the sockets is the first AF_XDP one."""
    path = d.box.dir + '/sockets'
    d.try_start(strace('-o', path, '-e', 'trace=socket'))
    d.kill9()
    d.revive()
    with open(path) as f:
        return ['AF_XDP' in x for x in re.findall(r'socket\((\w+)', f.read())].index(True) + 1


def test_good_start_takes_over(d):
    status, log = d.try_start()
    equal(status, None, 'status; log: ' + log)
    check('took over from a former daemon; its 3 flow rules were dropped' in log, 'log: %s', log)
    d.add(*FLOWS)
    d.works()
    with Client(d.sock) as c:
        c.packet_out(0xfffffffd, output(2), U)
        c.barrier()
        d.received({2: [U]})
    equal(d.term(), 0, 'status')
    check('xdp' not in sh('ip', '-n', d.sw, 'link'), 'XDP is left')
    check(not os.path.exists(PIN_ROOT + '/' + d.name), 'pins are left')


if __name__ == '__main__':
    run_tests(sys.modules[__name__], Dead)
