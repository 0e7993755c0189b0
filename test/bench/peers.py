# SPDX-License-Identifier: GPL-2.0-only
"""What others do with the same frames: the Linux bridge, Open vSwitch with AF_XDP and with system ports.

Open vSwitch runs in a process of its own, on the core that the generator leaves: what counts is how much comes out, loss-free
or at the best of some offered rates.  Its frames leave as sk_buffs, for which the sink is a clsact program.
"""
import contextlib
import os
import shutil

from forward import Failed, Generator, Row, Sandbox, load_rules, sh, wait_for

BRIDGE_DST = '02:01:01:00:00:00'  # of the frames of BG_FIXED


class Peer:
    """A row with another switch in it, beside the bare redirect."""

    def __init__(self, case, cpu):
        self.cpu = cpu
        self.box = Sandbox(0, 'ofb', silent=True)
        try:
            self.bare, self.row = Row(self.box, 'a'), Row(self.box, 'b', 'skbs')
            self.gen = Generator(self.box, case, cpu)
            self.gen.ask('bare', self.bare.inward, self.bare.outward)
            self.gen.ask('sink', self.bare.sink)
            self.gen.ask('tcsink', self.row.sink)
            self.start(case)
        except BaseException:
            self.box.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.box.close()

    def mpps(self, frames=1 << 17):
        return 1e3 / self.gen.sample(self.row, frames)

    def bare_mpps(self, frames=1 << 19):
        return 1e3 / self.gen.sample(self.bare, frames)


class Bridge(Peer):
    """In lock-step as ours."""

    @staticmethod
    def absent():
        return ''

    def start(self, case):
        ns = self.box.sw
        self.box.run(ns, 'ethtool', '-K', self.row.inward, 'gro', 'on')  # else nothing is redirected into it
        sh('ip', '-n', ns, 'link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0')
        for i in (self.row.inward, self.row.outward):
            sh('ip', '-n', ns, 'link', 'set', i, 'master', 'br0', 'promisc', 'on')
        sh('ip', '-n', ns, 'link', 'set', 'br0', 'up')
        sh('bridge', '-n', ns, 'fdb', 'replace', BRIDGE_DST, 'dev', self.row.outward, 'master', 'static')


class Ovs(Peer):
    """ovs-vswitchd with a database of its own and the datapath in userspace."""
    interface = ()

    @staticmethod
    def absent():
        return '' if shutil.which('ovs-vswitchd') else 'Open vSwitch is not installed'

    def start(self, case):
        box, d, other = self.box, self.box.dir, 0 if self.cpu else 1
        env = dict(os.environ, **{'OVS_' + x: d for x in ('RUNDIR', 'LOGDIR', 'DBDIR', 'SYSCONFDIR')})
        db, sock = 'unix:%s/db.sock' % d, d + '/br.of'
        sh('ovsdb-tool', 'create', d + '/conf.db', '/usr/share/openvswitch/vswitch.ovsschema', env=env)
        box.start(box.sw, 'ovsdb-server', d + '/conf.db', '--remote=p' + db, '--unixctl=%s/db.ctl' % d, log='db.log', env=env)
        self.appears(d + '/db.sock')
        sh('ovs-vsctl', '--db=' + db, '--no-wait', 'init', '--', 'set', 'Open_vSwitch', '.',
           'other_config:pmd-cpu-mask=%#x' % (1 << other), env=env)
        vswitchd = box.start(box.sw, 'setsid', 'nice', '-n', '-20', 'taskset', '-c', other, 'ovs-vswitchd', db,
                             '--unixctl=%s/vs.ctl' % d, log='vs.log', env=env)
        args = ['add-br', 'br', '--', 'set', 'bridge', 'br', 'datapath_type=netdev', 'fail_mode=secure', 'protocols=OpenFlow13']
        for i, port in enumerate((self.row.inward, self.row.outward), 1):
            args += ['--', 'add-port', 'br', port, '--', 'set', 'interface', port, 'ofport_request=%d' % i, *self.interface]
        args += ['--', 'set-controller', 'br', 'punix:' + sock, '--', 'set', 'controller', 'br', 'type=primary', 'inactivity_probe=0']
        sh('ovs-vsctl', '--db=' + db, '--timeout=20', *args, env=env)
        self.appears(sock)
        with contextlib.suppress(OSError), open('/proc/%d/autogroup' % vswitchd.pid, 'w') as f:
            f.write('-20')  # a core of its own, as benchgen has
        if self.interface and 'afxdp' not in sh('ovs-vsctl', '--db=' + db, 'get', 'Open_vSwitch', '.', 'iface_types', env=env):
            raise Failed('not built into this Open vSwitch')
        ports = sh('ovs-appctl', '-t', d + '/vs.ctl', 'dpctl/show', env=env)
        if any(x not in ports for x in (self.row.inward, self.row.outward)):
            raise Failed('its ports do not come up: ' + box.log('vs.log')[-300:])
        load_rules(sock, case.rules())

    @staticmethod
    def appears(path):
        if not wait_for(lambda: os.path.exists(path), 15):
            raise Failed('%s did not appear' % os.path.basename(path))

    def mpps(self, seconds=0.5):
        best = self.offered(seconds, 0) or self.offered(seconds, 0.02)
        if not best:
            raise Failed('nothing comes through')
        for more in (1.5, 1.1):
            best = max(best, self.offered(seconds, best * more))
        return best

    def offered(self, seconds, mpps):
        got = self.gen.ask('load', self.row.gen, seconds, mpps * 1e6)
        return got['skbs'] / got['seconds'] / 1e6


class OvsAfxdp(Ovs):
    interface = ('type=afxdp',)


class OvsSystem(Ovs):
    def start(self, case):
        for i in (self.row.inward, self.row.outward):
            self.box.run(self.box.sw, 'ethtool', '-K', i, 'gro', 'on')
        super().start(case)


PEERS = {  # the class, its cases
    'bridge': (Bridge, ('port',)),
    'ovs-afxdp': (OvsAfxdp, ('port', 'l2-1k', 'pipe4-1k', 'lpm-10k', 'fivetuple-100k', 'acl-10k-100m', 'acl-new')),
    'ovs-system': (OvsSystem, ('port', 'l2-1k', 'acl-10k-100m', 'acl-new')),
}
