# SPDX-License-Identifier: GPL-2.0-only
"""What happens around the switch: frames, links that fail, interfaces that come and go, people who look at it."""
import subprocess
import time
from collections import Counter

from lib import OFXDPCTL, PIN_ROOT, Failed, Tap, sh
from message import Messages

STAY = (1, 2)  # ports whose interface is never deleted
INTERNAL = ('c0', 'c1', 'l0', 'l1', 'q0', 'q1', 'p')


class Frames:
    """Random frames into all ports, many of which meet rules of the pipelines that peers install, and none their miss."""

    def __init__(self, run, r):
        self.run, self.r, self.counts, self.taps, self.frames = run, r, Counter(), {}, []
        self.messages = Messages(r, run.pools())

    def more(self):
        """Frames for one pipeline."""
        self.messages.start_anew()
        self.frames = [f for _, f in self.messages.gen.packets(60)] + [self.r.randbytes(self.r.choice((14, 60, 1400))) for _ in range(4)]

    def send(self, host, frame):
        try:
            if host not in self.taps:
                self.taps[host] = Tap(self.run.box.hosts[host], 'eth0')
            self.taps[host].send(frame)
            self.counts['frames'] += 1
        except OSError:  # that interface is down, deleted, or has a small MTU
            if host in self.taps:
                self.taps.pop(host).close()
            self.counts['not sent'] += 1

    def loop(self):
        while self.run.goes_on():
            if not self.frames or self.r.random() < 0.02:
                self.more()
            host = self.r.choice(list(self.run.box.hosts))
            for _ in range(self.r.choice((1, 10, 32)) if self.r.random() < 0.98 else 3000):
                self.send(host, self.r.choice(self.frames))
            time.sleep(0.01)
        return self.counts


def frames(run, r):
    return Frames(run, r).loop()


class Links:
    def __init__(self, run, r):
        self.run, self.r, self.box, self.counts, self.number = run, r, run.box, Counter(), 0

    def ip(self, *what, ns=None):
        """What fails, fails: several of these things at once leave nothing to do."""
        self.counts['failed'] += subprocess.run(['ip', '-n', ns or self.box.sw, *what], stdout=subprocess.DEVNULL,
                                                stderr=subprocess.DEVNULL).returncode != 0

    def tc(self, *what):
        subprocess.run(['tc', '-n', self.box.sw, *what], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def pause(self):
        time.sleep(self.r.choice((0, 0, 0, 0.01, 0.01, 0.1, 0.1, 0.5)))

    def attach(self, name, how='xdpdrv'):
        """As one does that wants it to be a port; `ip netns exec` would hide the pin."""
        pin = '%s/%s/port' % (PIN_ROOT, self.run.name)
        subprocess.run(self.box.into(self.box.sw) + ['ip', 'link', 'set', 'dev', name, how, 'pinned', pin],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def other(self):
        """A port that may go."""
        return self.r.choice([i for i in self.box.hosts if i not in STAY])

    # -- what may happen
    def do_flap(self):
        i = self.r.choice(list(self.box.hosts))
        name, ns = self.r.choice((('s%d' % i, self.box.sw), ('eth0', self.box.hosts[i])))
        for _ in range(self.r.choice((1, 1, 5))):
            self.ip('link', 'set', name, 'down', ns=ns)
            self.pause()
            self.ip('link', 'set', name, 'up', ns=ns)

    def do_delete(self):
        i = self.other()
        self.ip('link', 'del', 's%d' % i)
        self.pause()
        self.box.add_link(i)
        self.attach('s%d' % i)

    def do_rename(self):
        i = self.other()
        self.ip('link', 'set', 's%d' % i, 'name', 't%d' % i)
        self.pause()
        self.ip('link', 'set', 't%d' % i, 'name', 's%d' % i)

    def do_move(self):
        """To a host's namespace and back."""
        i = self.other()
        self.ip('link', 'set', 's%d' % i, 'netns', self.box.hosts[1])
        self.pause()
        self.ip('link', 'set', 's%d' % i, 'netns', self.box.sw, ns=self.box.hosts[1])
        self.ip('link', 'set', 's%d' % i, 'up')
        self.attach('s%d' % i)

    def do_detach(self):
        i = self.other()
        self.ip('link', 'set', 'dev', 's%d' % i, 'xdp', 'off')
        self.pause()
        self.attach('s%d' % i)

    def do_generic(self):
        i = self.other()
        self.ip('link', 'set', 'dev', 's%d' % i, 'xdp', 'off')
        self.attach('s%d' % i, 'xdpgeneric')
        self.pause()
        self.ip('link', 'set', 'dev', 's%d' % i, 'xdpgeneric', 'off')
        self.attach('s%d' % i)

    def do_change(self):
        """MTU, address, GRO of the other end."""
        i = self.other()
        self.ip('link', 'set', 's%d' % i, *self.r.choice((('mtu', '1400'), ('mtu', '1500'), ('address', '02:00:00:00:ff:77'), ('promisc', 'off'))))
        sh(*self.box.into(self.box.hosts[i]), 'ethtool', '-K', 'eth0', 'gro', self.r.choice(('on', 'off')), check=False)

    def do_queues(self):
        i = self.r.choice(STAY)
        dev = 's%d' % i
        self.tc('qdisc', 'add', 'dev', dev, 'root', 'handle', '1:', 'htb')
        for minor in range(1, self.r.choice((2, 5, 60))):
            self.tc('class', 'add', 'dev', dev, 'parent', '1:', 'classid', '1:%x' % minor, 'htb', 'rate', '100mbit')
        self.pause()
        self.tc('qdisc', 'del', 'dev', dev, 'root')

    def do_strangers(self):
        """Interfaces that are no business of the switch."""
        for _ in range(self.r.choice((1, 10))):
            self.number += 1
            name = 'x%d' % self.number
            self.ip('link', 'add', name, 'type', 'veth', 'peer', 'name', 'y%d' % self.number)
            self.attach(name) if self.r.random() < 0.3 else None
            self.pause() if self.r.random() < 0.2 else None
            self.ip('link', 'del', name)

    def do_own(self):
        """To one of the switch's own interfaces, which it mends."""
        end = '%s-%s' % (self.run.name, self.r.choice(INTERNAL))
        self.ip('link', *self.r.choice((('set', end, 'down'), ('del', end), ('set', end, 'mtu', '1400'), ('set', end, 'name', 'lost%d' % self.number),
                                        ('set', 'dev', end, 'xdp', 'off'), ('set', end, 'netns', self.box.hosts[1]))))

    def do_local(self):
        self.ip('link', 'set', self.run.name, self.r.choice(('up', 'down', 'up')))

    def loop(self):
        what = [getattr(self, n) for n in sorted(dir(self)) if n.startswith('do_')]
        while self.run.goes_on():
            self.r.choice(what)()
            self.counts['changes'] += 1
            self.pause()
        return self.counts


def links(run, r):
    return Links(run, r).loop()


def restore(run):
    """All ports are there, up, and as they were at first."""
    links_ = Links(run, None)
    for i in run.box.hosts:
        if i not in STAY:
            links_.ip('link', 'del', 's%d' % i)
            links_.ip('link', 'del', 't%d' % i)
            links_.ip('link', 'del', 's%d' % i, ns=run.box.hosts[1])
            run.box.add_link(i)
            links_.attach('s%d' % i)
        else:
            links_.tc('qdisc', 'del', 'dev', 's%d' % i, 'root')
            links_.ip('link', 'set', 's%d' % i, 'up')
            links_.ip('link', 'set', 'eth0', 'up', ns=run.box.hosts[i])


def lookers(run, r):
    """ofxdpctl, which reads the maps while they change."""
    counts = Counter()
    while run.goes_on():
        for what in ('drops', 'tables', 'cache', 'groups', 'meters', 'ports'):
            p = subprocess.run(run.box.into(run.box.sw) + [OFXDPCTL, *r.choice(((), ('--json',))), run.name, what],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if p.returncode not in ((0, 1) if run.restarts else (0,)):
                raise Failed('ofxdpctl %s: status %d: %s' % (what, p.returncode, p.stdout.decode()))
            counts['looks'] += 1
        time.sleep(r.choice((0.1, 1)))
    return counts
