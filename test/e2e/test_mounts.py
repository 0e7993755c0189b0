# SPDX-License-Identifier: GPL-2.0-only
"""Pins vanish with a mount namespace while programs stay on interfaces: such a switch is known by its programs, taken over,
cleaned up; and one whose daemon lives in another mount namespace is left alone."""
import contextlib
import difflib
import os
import re
import shutil
import signal
import sys

from lib import OFXDPCTL, OFXDPD, PIN_ROOT, SLOW, Switch, check, equal, run_tests, sh, udp, wait_for

U = udp(1, 2)
OWN_BPFFS = 'mount -t bpf -o mode=0700 bpf /sys/fs/bpf && exec "$@"'
PRIVATE = {
    'unshare': ['unshare', '-m', 'sh', '-c', OWN_BPFFS, 'sh'],
    'ip netns exec': ['ip', 'netns', 'exec', '{}'],
    'PID namespace': ['unshare', '-mpf', '--mount-proc', '--kill-child', 'sh', '-c', OWN_BPFFS, 'sh'],
}
WAYS = list(PRIVATE)


class Private(Switch):
    """Its daemon runs in a mount namespace that ends with it."""

    def __init__(self, way, *args, **kw):
        self.way = way
        super().__init__(*args, **kw)

    def prefix(self):
        return [x.format(self.sw) for x in PRIVATE[self.way]]

    def argv(self, *extra):
        return self.prefix() + super().argv(*extra)

    def once(self, *argv):
        """A program that ends, in such a namespace; what it says."""
        return self.box.run(self.sw, *self.prefix(), *argv, check=False)

    def daemon(self):
        """Its process id: shells and `unshare -f` are its parents."""
        pid = child = str(self.proc.pid)
        while child:
            pid, child = child, sh('pgrep', '-P', child, check=False).strip()
        return int(pid)

    def kill9(self):
        pid = self.daemon()
        super().kill9()
        check(wait_for(lambda: not os.path.exists('/proc/%d/exe' % pid), 5), 'the daemon did not end')

    def term(self):
        os.kill(self.daemon(), signal.SIGTERM)
        status = self.proc.wait(10 * SLOW)
        self.box.processes.remove(self.proc)
        return status


def look(s):
    """What the switch changes at interfaces."""
    links = re.sub(r'^\d+: |qlen \d+|numtxqueues.*|prog/xdp id \d+.*|NO-CARRIER,|state \w+', '', sh('ip', '-n', s.sw, '-d', 'link'),
                   flags=re.M)
    return links + ''.join(s.box.run(s.sw, 'ethtool', '-k', 's%d' % i) for i in s.ports)


def unchanged(s, before):
    changed = [x for x in difflib.unified_diff(before.split('\n'), look(s).split('\n'), 'before', 'now', lineterm='', n=0)]
    equal(changed, [], 'interfaces')


def each_way(f):
    def test(_):
        for way in WAYS:
            with Private(way, 2, start=False, local=True) as s:
                print('# ' + way)
                f(s)
    return test


@each_way
def test_start_takes_over(s):
    before = look(s)
    s.start()
    s.add('in_port=1,actions=output:2')
    s.kill9()
    s.forward([(1, U)], {2: [U]})
    s.start()
    check('pins had vanished' in s.tail(), 'the log does not tell it: %s', s.tail())
    equal(s.dump(), [], 'flows')
    s.add('in_port=1,actions=output:2')
    s.forward([(1, U)], {2: [U]})
    equal(s.term(), 0, 'status')
    unchanged(s, before)


@each_way
def test_cleanup(s):
    before = look(s)
    s.start()
    s.kill9()
    check('xdp' in look(s), 'nothing is left to be cleaned')
    equal(s.once(OFXDPD, '-n', s.name, '--cleanup'), '', 'what --cleanup says')
    unchanged(s, before)
    check('nothing is left' in s.once(OFXDPD, '-n', s.name, '--cleanup'), 'what it says the second time')


@each_way
def test_a_living_daemon_is_left_alone(s):
    """Here or there, a second daemon of that name sees no pins, yet takes nothing."""
    s.start()
    s.add('in_port=1,actions=output:2')
    before = look(s)
    start = [OFXDPD, '-n', s.name, '--no-local', '-i', 's1', '-i', 's2']
    for argv in (start, [OFXDPD, '-n', s.name, '--cleanup']):
        for said in (s.once(*argv), s.box.run(s.sw, *argv, check=False)):
            check('a switch named %s is running already' % s.name in said.strip().split('\n')[-1], 'it says: %s', said)
    unchanged(s, before)
    s.forward([(1, U)], {2: [U]})
    other = s.box.run(s.sw, OFXDPD, '-n', s.name[:-1] + 'X', '--no-local', '-i', 's1', check=False)
    check('switch %s, which is running' % s.name in other, 'another switch says: %s', other)
    s.forward([(1, U)], {2: [U]})
    equal(s.term(), 0, 'status')


def test_two_of_one_name(_):
    """In two network namespaces, each with a mount namespace of its own: one does not take what is the other's."""
    with Private('unshare', 2) as s, Private('unshare', 2, start=False) as other:
        other.name = s.name
        other.start()
        for x in (s, other):
            x.add('in_port=1,actions=output:2')
        s.kill9()
        s.start()
        equal((s.dump(), len(other.dump())), ([], 1), 'flows')
        other.forward([(1, U)], {2: [U]})
        other.kill9()
        said = s.box.run(s.sw, OFXDPD, '-n', s.name, '--cleanup', check=False)
        check('is running already' in said, '--cleanup says: %s', said)
        equal(s.term(), 0, 'status')
        other.forward([(1, U)], {2: [U]})
        equal(other.once(OFXDPD, '-n', other.name, '--cleanup'), '', 'what --cleanup says')
        check('xdp' not in look(other), 'XDP is left')


def test_same_name_elsewhere(_):
    """Pins of a dead daemon in a network namespace that has lost its name are taken; what its ports were before is not."""
    with Switch(2, start=False) as s, Switch(2, start=False) as other:
        before, other.name = look(s), s.name
        s.start()
        s.add('in_port=1,actions=output:2')
        s.kill9()
        keeper = s.box.start(s.sw, 'sleep', '300')
        inside = ['nsenter', '--net=/proc/%d/ns/net' % keeper.pid]
        check(wait_for(lambda: os.stat('/proc/%d/ns/net' % keeper.pid).st_ino == os.stat('/run/netns/' + s.sw).st_ino, 5),
              'no process in the namespace')
        sh('ip', 'netns', 'del', s.sw)
        s.box.namespaces.remove(s.sw)
        other.start()
        equal(other.term(), 0, 'status')
        s.forward([(1, U)], {2: [U]})
        equal(sh(*inside, OFXDPD, '-n', s.name, '--cleanup'), '', 'what --cleanup says')
        link = sh(*inside, 'ip', '-d', 'link', 'show', 's1')
        check('promiscuity 0' in link and 'promiscuity 0' in before and 'xdp' not in link, 's1 is not as it was: %s', link)


def test_generic_ports(_):
    """They have relays, which are taken over and cleaned, too."""
    for end in ('start', 'cleanup'):
        with Private('unshare', 2, start=False, local=True) as s:
            for ns, name in ((s.box.hosts[2], 'eth0'), (s.sw, 's2')):
                sh('ip', '-n', ns, 'link', 'set', name, 'mtu', 5000)
            before = look(s)
            s.start()
            check(s.name + '-g02' in look(s), 's2 is not in generic mode')
            s.kill9()
            if end == 'start':
                s.start()
                s.add('in_port=1,actions=output:2')
                s.forward([(1, U)], {2: [U]})
                equal(s.term(), 0, 'status')
            else:
                equal(s.once(OFXDPD, '-n', s.name, '--cleanup'), '', 'what --cleanup says')
            unchanged(s, before)


# --- what is said, and to whom pins may belong ---

SHARED = {
    'unshare -m': ['unshare', '-m'],
    'a container that follows the machine': [
        'unshare', '-m', 'sh', '-c', 'mount --make-shared /sys/fs/bpf && "$@"', 'sh',
        'unshare', '-mpf', '--mount-proc', '--kill-child', '--propagation', 'slave'],
}
PRIVATE.update(SHARED)


def warnings(s):
    return [x for x in s.box.log('ofxdpd.log').split('\n') if 'warning: ' in x]


def test_the_danger_is_announced(_):
    """Once, where pins vanish with the mount namespace; not where they stay."""
    for way in PRIVATE:
        with Private(way, 1, start=False) as s:
            s.start()
            said = warnings(s)
            equal(['vanish with this mount namespace' in x for x in said], [] if way in SHARED else [True], '%s: %r' % (way, said))
            equal(s.name in os.listdir(PIN_ROOT) if os.path.isdir(PIN_ROOT) else False, way in SHARED, way + ': the pins are outside')
            equal(s.term(), 0, 'status')
    with Switch(1) as s:
        equal(warnings(s), [], 'warnings of a switch in the machine\'s mount namespace')


def test_ofxdpctl_without_pins(_):
    """From outside, while the daemon lives and when it is dead."""
    with Private('unshare', 2) as s:
        s.add('in_port=1,actions=output:2')
        for end in (None, s.kill9):
            if end:
                end()
            s.forward([(1, U)], {2: [U]})
            for command in ('cache', 'drops', 'groups', 'meters', 'ports', 'tables'):
                s.ctl(command)
            equal([x['rx_packets'] for x in s.ctl('ports') if x['port'] == '1'], [2 if end else 1], 'packets received on port 1')
            said = s.box.run(s.sw, OFXDPCTL, s.name, 'drops', check=False)
            check('its pins are not here' in said, 'ofxdpctl says: %s', said)
        said = s.box.run(s.sw, OFXDPCTL, s.name[:-1] + 'X', 'drops', check=False)
        check('there is no switch' in said, 'ofxdpctl says: %s', said)


FOLDERS = {  # what is wrong in a BPF file system of one's own: what is said of it
    'mkdir ofxdp && chown 1000 ofxdp': 'ofxdp belongs to user 1000',
    'mkdir ofxdp && chmod 777 ofxdp': 'may write to the folder /sys/fs/bpf/ofxdp:',
    'chmod 777 .': 'may write to the folder /sys/fs/bpf:',
    'mkdir x && ln -s x ofxdp': 'ofxdp is a symbolic link',
    'mkdir ofxdp && mkdir ofxdp/NAME && chown 1000 ofxdp/NAME': 'ofxdp/NAME belongs to user 1000',
    'mkdir ofxdp && mkdir ofxdp/NAME && chmod 1777 ofxdp/NAME': 'may write to the folder /sys/fs/bpf/ofxdp/NAME:',
    'mkdir x ofxdp && ln -s ../x ofxdp/NAME': 'ofxdp/NAME is a symbolic link',
}


def own_bpffs(s, mode, prepare, *argv, after='true'):
    """Run that where prepare has been done; afterwards, run `after`.  What all say, and the status of the first."""
    script = ('mount -t bpf -o mode=%s bpf /sys/fs/bpf && cd /sys/fs/bpf && %s && { "$@"; echo "status $?"; %s; }' %
              (mode, prepare.replace('NAME', s.name), after))
    out = s.box.run(s.sw, 'unshare', '-m', 'sh', '-c', script, 'sh', *argv, check=False)
    return out, int(out.split('status ')[1].split()[0])


def test_folders_of_others_are_refused(_):
    with Switch(1, start=False) as s:
        for prepare, want in FOLDERS.items():
            print('# ' + prepare)
            for argv in (s.argv(), [OFXDPD, '-n', s.name, '--cleanup'], [OFXDPCTL, s.name, 'drops']):
                out, status = own_bpffs(s, '0700', prepare, *argv, after='find x')
                check('error: ' in out and want.replace('NAME', s.name) in out, '%s: %s', argv[0], out)
                equal(status, 1, 'status of ' + argv[0])
                check('x/' not in out, 'the link was followed: %s', out)
        out, status = own_bpffs(s, '0700', 'mount -o remount,ro /sys/fs/bpf', *s.argv())
        check('Read-only file system' in out and 'remount,rw' in out and status == 1, 'read-only: %s', out)
        check('xdp' not in look(s), 'an interface was changed')


def in_daemons(s, path):
    st = os.stat('/proc/%d/root%s' % (s.proc.pid, path))
    return st.st_uid, st.st_mode & 0o7777


def test_folders_of_our_own(_):
    """Nobody else may look into them; a BPF file system that anybody may add to is good enough, where it is sticky."""
    for prepare, mode in (('mount -t bpf bpf /sys/fs/bpf', 0o1777), ('umount /sys/fs/bpf', 0o1700),
                          ('umount /sys/fs/bpf && mount -o remount,bind,ro /sys', 0o1700)):
        PRIVATE['prepared'] = ['unshare', '-m', 'sh', '-c', prepare + ' && exec "$@"', 'sh']
        with Private('prepared', 1) as s:
            equal(in_daemons(s, '/sys/fs/bpf'), (0, mode), 'the BPF file system')
            equal(in_daemons(s, PIN_ROOT), (0, 0o700), 'the root')
            equal(in_daemons(s, pins(s)), (0, 0o700), 'the folder')
            equal(s.term(), 0, 'status')


def test_no_sysfs(_):
    with Switch(1, start=False) as s:
        out = s.box.run(s.sw, 'unshare', '-m', 'sh', '-c', 'mount -t tmpfs none /sys && exec "$@"', 'sh', *s.argv(), check=False)
        check('sysfs is not mounted' in out, 'it says: %s', out)


# --- pins that are not all there ---

def pins(s):
    return '%s/%s' % (PIN_ROOT, s.name)


def generation(s):
    return os.path.dirname(os.readlink(pins(s) + '/port'))


PARTS = {
    'memory': lambda s: os.unlink(pins(s) + '/memory'),
    'netns': lambda s: os.unlink(pins(s) + '/netns'),
    'port': lambda s: os.unlink(pins(s) + '/port'),
    'ofx_port': lambda s: os.unlink('%s/%s/ofx_port' % (pins(s), generation(s))),
    'maps': lambda s: [os.unlink('%s/%s/%s' % (pins(s), generation(s), x)) for x in ('rule_lines', 'flows', 'drops', 'state')],
    'generation': lambda s: shutil.rmtree('%s/%s' % (pins(s), generation(s))),
    'all': lambda s: shutil.rmtree(pins(s)),
}


def without(part):
    """A switch whose daemon died, without that part of its pins."""
    s = Switch(2, start=False, local=True)
    before = look(s)
    s.start()
    s.add('in_port=1,actions=output:2')
    s.kill9()
    PARTS[part](s)
    s.forward([(1, U)], {2: [U]})
    return s, before


def test_start_without_some_pins(_):
    for part in PARTS:
        print('# ' + part)
        s, before = without(part)
        with s:
            s.start()
            equal(s.dump(), [], 'flows')
            s.add('in_port=1,actions=output:2')
            s.forward([(1, U)], {2: [U]})
            equal(len(s.ctl('ports')), 3, 'ports that ofxdpctl shows')
            equal(s.term(), 0, 'status')
            unchanged(s, before)


def test_cleanup_without_some_pins(_):
    for part in PARTS:
        print('# ' + part)
        s, before = without(part)
        with s:
            equal(s.box.run(s.sw, OFXDPD, '-n', s.name, '--cleanup'), '', 'what --cleanup says')
            unchanged(s, before)
            check(not os.path.exists(pins(s)), 'the pin folder is there still')


def test_pins_removed_while_the_daemon_runs(_):
    with Switch(2, start=False, local=True) as s:
        before = look(s)
        for end in (s.term, s.kill9, s.term):
            s.start()
            s.add('in_port=1,actions=output:2')
            PARTS['all'](s)
            said = s.box.run(s.sw, OFXDPD, '-n', s.name, '-i', 's1', check=False)
            check('is running already' in said, 'a second daemon says: %s', said)
            equal(s.box.run(s.sw, OFXDPCTL, 'list').split().count(s.name), 1, 'lines of ofxdpctl list')
            s.forward([(1, U)], {2: [U]})
            equal(end() or 0, 0, 'status')
        unchanged(s, before)
        check(not os.path.exists(pins(s)), 'the pin folder is there still')


def test_failed_start_without_pins(_):
    """It leaves no empty folder, and the switch as it was."""
    s, _ = without('all')
    with s:
        out = s.box.run(s.sw, *s.argv('-l', 'punix:/nowhere/x'), check=False)
        check('cannot listen' in out, 'it says: %s', out)
        check(not os.path.exists(pins(s)), 'there is a pin folder')
        s.forward([(1, U)], {2: [U]})
        s.start()


def test_older_layout(_):
    s = Switch(2, start=False, local=True)
    with s:
        before = look(s)
        s.start()
        s.add('in_port=1,actions=output:2')
        s.kill9()
        old = generation(s)
        os.rename('%s/%s' % (pins(s), old), pins(s) + '/v1-1')
        os.unlink(pins(s) + '/port')
        os.symlink('v1-1/ofx_port', pins(s) + '/port')
        said = s.box.run(s.sw, OFXDPCTL, s.name, 'drops', check=False)
        check('another layout' in said, 'ofxdpctl says: %s', said)
        s.forward([(1, U)], {2: [U]})
        s.start()
        check(generation(s) != old and not os.path.exists(pins(s) + '/v1-1'), 'generation: %s', os.listdir(pins(s)))
        equal(s.term(), 0, 'status')
        unchanged(s, before)


if __name__ == '__main__':
    run_tests(sys.modules[__name__], contextlib.nullcontext)
