# SPDX-License-Identifier: GPL-2.0-only
"""A little network of namespaces for tests and the demo, gone when the program ends, however it ends.

              namespace TAG-sw                      namespaces TAG-h1, TAG-h2 ...
        ┌───────────────────────────┐
        │  ofxdpd      s1 ──────────┼───── eth0     10.0.0.1   02:00:00:00:00:01
        │              s2 ──────────┼───── eth0     10.0.0.2   02:00:00:00:00:02
        │              s3 ──────────┼───── eth0     10.0.0.3   02:00:00:00:00:03
        └───────────────────────────┘

TAG is unique to this process.  Every process started here is ended by its own pid, and by nothing else.
"""
import contextlib
import ctypes
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PIN_ROOT = '/sys/fs/bpf/ofxdp'
PYTHON = '/usr/bin/python3'
CLONE_NEWNET = 0x40000000
SLOW = int(os.environ.get('SLOW', '1'))  # on an emulated machine: how many times longer things may take
libc = ctypes.CDLL(None, use_errno=True)
letters = itertools.cycle('abcdefghijklmnopqrstuvwxyz')

os.environ['PATH'] = os.environ.get('PATH', '') + ':/usr/sbin:/sbin'


class Failed(Exception):
    """Something did not do what it should; the text says what."""


def on_signals():
    """TERM and HUP end the program as Ctrl-C does: by an exception, so that everything is taken down."""
    def end(number, _frame):
        for n in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(n, signal.SIG_IGN)  # nothing interrupts the cleaning up
        raise SystemExit(128 + number)
    for n in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(n, end)


def sh(*argv, check=True, timeout=60, **kw):
    """Run, return stdout and stderr as text; Failed with that text if the status is not 0."""
    p = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       stdin=kw.pop('stdin', subprocess.DEVNULL) if 'input' not in kw else None, timeout=timeout * SLOW, **kw)
    if check and p.returncode:
        raise Failed('%s: status %d: %s' % (' '.join(map(str, argv)), p.returncode, p.stdout.strip()))
    return p.stdout


def wait_for(condition, seconds=5, every=0.02):
    """The first true value of condition(), or its last value after that time."""
    end = time.monotonic() + seconds * SLOW
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(every)


@contextlib.contextmanager
def inside(netns):
    """This thread is in the namespace; sockets made here stay there."""
    with open('/proc/thread-self/ns/net') as home, open('/run/netns/' + netns) as there:
        if libc.setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), 'setns ' + netns)
        try:
            yield
        finally:
            libc.setns(home.fileno(), CLONE_NEWNET)


class Sandbox:
    def __init__(self, hosts=3, prefix='oft', silent=False):
        if os.geteuid():
            raise Failed('only root can make network namespaces')
        self.tag = '%s%d%s' % (prefix, os.getpid(), next(letters))
        self.name = self.tag[-11:]  # good for a switch: such a name has at most 11 characters
        self.dir = tempfile.mkdtemp(prefix=self.tag)
        self.namespaces, self.processes, self.names = [], [], {self.name}
        self.silent = silent  # the hosts have no addresses: they send nothing on their own account
        self.sw, self.hosts = None, {}
        try:
            self.sw = self.namespace('sw')
            for i in range(1, hosts + 1):
                self.add_host(i)
            wait_for(self.all_up)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- network
    def namespace(self, what):
        ns = '%s-%s' % (self.tag, what)
        self.namespaces.append(ns)
        sh('ip', 'netns', 'add', ns)
        self.run(ns, 'sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1',
                 check=False)
        sh('ip', '-n', ns, 'link', 'set', 'lo', 'up')
        return ns

    def add_host(self, i):
        """Namespace hI with eth0, whose other end is sI beside the switch."""
        ns = self.namespace('h%d' % i)
        self.hosts[i] = ns
        self.add_link(i)
        return ns

    def add_link(self, i, up=True):
        ns = self.hosts[i]
        sh('ip', '-n', self.sw, 'link', 'add', 's%d' % i, 'address', '02:00:00:00:ff:%02x' % i, 'type', 'veth',
           'peer', 'name', 'eth0', 'address', self.mac(i), 'netns', ns)
        # Frames must carry finished checksums and their VLAN tags; GRO lets the kernel redirect into the other end.
        self.run(ns, 'ethtool', '-K', 'eth0', 'tx', 'off', 'tso', 'off', 'gso', 'off', 'tx-vlan-hw-insert', 'off',
                 'gro', 'on', check=False)
        if not self.silent:
            sh('ip', '-n', ns, 'addr', 'add', '%s/24' % self.ip(i), 'dev', 'eth0')
        sh('ip', '-n', ns, 'link', 'set', 'eth0', 'up')
        if up:
            sh('ip', '-n', self.sw, 'link', 'set', 's%d' % i, 'up')

    def all_up(self):
        ends = [(ns, 'eth0') for ns in self.hosts.values()] + [(self.sw, 's%d' % i) for i in self.hosts]
        return all('state UP' in sh('ip', '-n', ns, 'link', 'show', name) for ns, name in ends)

    @staticmethod
    def mac(i):
        return '02:00:00:00:00:%02x' % i

    @staticmethod
    def ip(i):
        return '10.0.0.%d' % i

    # -- processes; not by `ip netns exec`, which hides /sys/fs/bpf
    @staticmethod
    def into(ns):
        return ['nsenter', '--net=/run/netns/' + ns]

    def environment(self):
        """What switches remember is for this sandbox only."""
        return dict(os.environ, STATE_DIRECTORY=self.dir)

    def run(self, ns, *argv, **kw):
        kw.setdefault('env', self.environment())
        return sh(*self.into(ns), *argv, **kw)

    def start(self, ns, *argv, log=None, **kw):
        """A process in the background; its output goes to DIR/log, if given."""
        if log:
            with open(os.path.join(self.dir, log), 'ab') as f:
                kw.update(stdout=f, stderr=f)
                return self.start(ns, *argv, **kw)
        kw.setdefault('stdin', subprocess.DEVNULL)
        kw.setdefault('env', self.environment())
        p = subprocess.Popen(self.into(ns) + [str(a) for a in argv], **kw)
        self.processes.append(p)
        return p

    def log(self, name):
        try:
            with open(os.path.join(self.dir, name), errors='replace') as f:
                return f.read()
        except FileNotFoundError:
            return ''

    def stop(self, p, seconds=10):
        """TERM, after that time KILL; the status."""
        if p.poll() is None:
            p.terminate()
        try:
            p.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
        if p in self.processes:
            self.processes.remove(p)
        return p.returncode

    def close(self):
        for p in reversed(list(self.processes)):
            self.stop(p)
        for name in self.names:
            if os.path.isdir(os.path.join(PIN_ROOT, name)):
                subprocess.run(self.into(self.sw) + [TOP + '/build/ofxdpd', '-n', name, '--cleanup'],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30 * SLOW,
                               env=self.environment())
                shutil.rmtree(os.path.join(PIN_ROOT, name), ignore_errors=True)
        for ns in self.namespaces:
            sh('ip', 'netns', 'del', ns, check=False)
        self.namespaces.clear()
        shutil.rmtree(self.dir, ignore_errors=True)
