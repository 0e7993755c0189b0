#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The daemon, built with address and undefined-behaviour sanitizers, under all at once that may happen to it:

    test/stress/stress.py [--seconds N] [--seed N]

    message.py        random and damaged messages          peer.py    connections that talk, don't read, come and go
    surroundings.py   frames, links, interfaces, ofxdpctl

It has a memory cgroup.  All along it answers; when all is over it answers soon, forwards, ends on SIGTERM with status 0
and leaves nothing; its log holds no report of a sanitizer.  Then it is killed, started and ended amid all that.  What happens comes from the seed, but not when.
"""
import argparse
import contextlib
import multiprocessing
import os
import random
import re
import shutil
import subprocess
import sys
import time
import traceback
from collections import Counter

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ('../diff', '../e2e'):
    sys.path.insert(0, os.path.join(HERE, folder))
import lib  # noqa: E402
import peer  # noqa: E402
import surroundings  # noqa: E402
from cgroup import MB, InCgroup  # noqa: E402
from lib import PIN_ROOT, SLOW, Client, Failed, Skip, check, equal, on_signals, sh, udp, wait_for  # noqa: E402
from pipeline import DELETE_ALL, DELETE_GROUPS, DELETE_METERS, FLOW_MOD, GROUP_MOD, METER_MOD  # noqa: E402
from traffic import Pools  # noqa: E402

HOSTS = 6
LIMIT_MB = 700  # sanitizers take memory that the daemon does not know of
UNDER_LOAD = 20 * SLOW  # seconds within which a question is answered, while others use the kernel's lock of interfaces; …
AFTERWARDS = 1 * SLOW  # … and when the load is gone
TO_END = 30
LOG = lib.BUILD + '/stress.log'
REPORT = re.compile(r'Sanitizer|runtime error:')
SANITIZERS = {'ASAN_OPTIONS': 'detect_leaks=1:quarantine_size_mb=16:detect_stack_use_after_return=1:allocator_may_return_null=1',
              'UBSAN_OPTIONS': 'print_stacktrace=1'}
LOADS = (peer.talkers, peer.talkers, peer.controllers, peer.hasty, peer.filler, surroundings.frames, surroundings.links,
         surroundings.lookers)


class Run:
    """What the loads, each a process, know."""

    def __init__(self, sw, seed, controller, restarts=False):
        self.restarts = restarts  # at times there is no switch
        self.box, self.name, self.netns, self.unix = sw.box, sw.name, sw.sw, sw.sock
        self.tcp, self.controller, self.seed = ('127.0.0.1', 6653), controller, seed
        self.stop, self.ends = multiprocessing.Event(), {}

    def goes_on(self):
        return not self.stop.is_set()

    def pools(self):
        """The values that rules and frames of all loads have in common."""
        return Pools(random.Random(self.seed))

    def start(self):
        os.environ['PYTHONDONTWRITEBYTECODE'] = '1'
        for n, load in enumerate(LOADS):
            here, there = multiprocessing.Pipe(False)
            p = multiprocessing.Process(target=self.work, args=(load, n, there), daemon=True)
            p.start()
            there.close()
            self.ends[p] = (load.__name__, here)

    def work(self, load, n, end):
        os.nice(5)  # the switch has a share of the machine
        try:
            end.send(load(self, random.Random('%s %d' % (self.seed, n))))
        except Exception:
            end.send(traceback.format_exc())

    def failed(self):
        """A load that has ended before it should."""
        for p, (name, end) in self.ends.items():
            if end.poll():
                return '%s: %s' % (name, end.recv())
            if not p.is_alive():
                return '%s ended with %r' % (name, p.exitcode)
        return None

    def finish(self):
        """All loads end; what they have counted."""
        self.stop.set()
        counts = Counter()
        for p, (name, end) in self.ends.items():
            got = end.recv() if end.poll(60 * SLOW) else 'does not end'
            if isinstance(got, str):
                raise Failed('%s: %s' % (name, got))
            counts.update({'%s: %s' % (name, k) if k in ('connections', 'messages') else k: v for k, v in got.items()})
            p.join()
        return counts


class Stressed(InCgroup):
    """The sanitized daemon."""

    def __init__(self, controller):
        self.controller = controller
        super().__init__(LIMIT_MB, hosts=HOSTS, local=True, start=False)

    def argv(self, *extra):
        argv = super().argv('-l', 'ptcp:6653', '-c', 'tcp:%s:%d' % self.controller, '--max-unsent', '32', '--max-flows', '100000', *extra)
        return ['env'] + ['%s=%s' % x for x in SANITIZERS.items()] + [
            lib.BUILD + '/san/ofxdpd' if a == lib.OFXDPD else a for a in argv]

    def log_text(self):
        return self.box.log('ofxdpd.log')

    def healthy(self):
        no_report(self)
        if self.proc.poll() is not None:
            raise Failed('the daemon ended with %r:\n%s' % (self.proc.returncode, self.tail(40)))
        equal(self.cgroup.kills(), 0, 'processes killed for want of memory')

    def sockets(self):
        """Other descriptors are there to stay: maps of the chunks in which tables grow."""
        found, folder = 0, '/proc/%d/fd/' % self.proc.pid
        for fd in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                found += os.readlink(folder + fd).startswith('socket:')
        return found

    def cpu(self):
        """Seconds that it has used."""
        with open('/proc/%d/stat' % self.proc.pid) as f:
            return sum(map(int, f.read().rsplit(')', 1)[1].split()[11:13])) / os.sysconf('SC_CLK_TCK')

    def doing(self):
        """Where it is, for who asks why it does not answer."""
        before, machine = self.cpu(), os.getloadavg()[0]
        time.sleep(2)
        with open('/proc/%d/stack' % self.proc.pid) as f:
            stack = f.read()
        return 'the daemon uses %.0f %% of a CPU, the machine\'s load is %.0f, the kernel\'s stack of it: %s' % (
            50 * (self.cpu() - before), machine, ' '.join(stack.split()) or 'none')

    def threads(self):
        return len(os.listdir('/proc/%d/task' % self.proc.pid))


def ask(sw, seconds):
    """A new connection gets its answers; how long that takes.  Of its first tries some may be in vain: who stands in line
    before the HELLO gives way to those behind."""
    start = time.monotonic()
    while True:
        try:
            with Client(sw.sock, timeout=seconds) as c:
                c.send(peer.ofp.OFPT_SET_ASYNC, bytes(24))
                c.echo()
                c.barrier()
                return time.monotonic() - start
        except (OSError, Failed) as e:
            sw.healthy()
            took = time.monotonic() - start
            if took > seconds:
                raise Failed('no answer in %.1f s: %s; %s' % (took, e, sw.doing()))
            time.sleep(0.05)


def load_it(sw, run, seconds):
    """All at once, for so long.  The worst time an answer took."""
    run.start()
    end, worst = time.monotonic() + seconds, 0
    with Client(sw.sock, timeout=UNDER_LOAD) as c:
        c.send(peer.ofp.OFPT_SET_ASYNC, bytes(24))
        while time.monotonic() < end:
            try:
                worst = max(worst, c.echo())
            except (OSError, Failed) as e:
                time.sleep(0.5)  # if it has died, that is the news
                sw.healthy()
                raise Failed('a connection gets no answer: %s; %s' % (e, sw.doing()))
            worst = max(worst, ask(sw, UNDER_LOAD))
            c.queue.clear()
            sw.healthy()
            check(not (why := run.failed()), '%s', why)
            time.sleep(0.2)
    return worst


def calm(sw):
    """It answers soon again."""
    took = []

    def soon():
        took.append(ask(sw, UNDER_LOAD))
        return took[-1] < AFTERWARDS
    if not wait_for(soon, 20, 0.2):
        raise Failed('when the load is gone, answers still take %s s; %s' % (', '.join('%.1f' % x for x in took), sw.doing()))


def forwards(sw):
    """All ports are as at first, the tables empty: a frame is flooded to all."""
    check(wait_for(lambda: {'s%d' % i for i in sw.box.hosts} <= {x['interface'] for x in sw.ctl('ports')}, 15),
          'ports: %r', sw.ctl('ports'))
    with Client(sw.sock) as c:
        c.send(peer.ofp.OFPT_SET_CONFIG, b'\0\0\xff\xff')
        for kind, body in ((FLOW_MOD, DELETE_ALL), (GROUP_MOD, DELETE_GROUPS), (METER_MOD, DELETE_METERS)):
            c.send(kind, body)
        c.barrier()
        equal([m for m in c.queue if m[0] == c.ERROR], [], 'errors')
    for i in sw.box.hosts:
        sw.of('mod-port', str(i), 'up')
        for word in ('receive', 'forward', 'packet-in'):
            sw.of('mod-port', str(i), word)
    wait_for(sw.box.all_up)
    equal(sw.dump(), [], 'flow entries')
    sw.flows('actions=flood')
    frame = udp(1, 2)

    def flooded():
        try:
            sw.forward([(1, frame)], {i: [frame] for i in sw.box.hosts if i != 1})
            return True
        except Failed as e:
            return print('# %s' % e)
    check(wait_for(flooded, 10, 0.5), 'it does not forward')


def state(sw):
    """What a switch changes on an interface, and gives back."""
    out = sh('ip', '-n', sw.sw, '-d', 'link')
    text = re.sub(r'\n +', ' ', out)
    return {re.match(r'\d+: ([^:@]+)', x)[1]: re.findall(r'promiscuity \d+|xdp\w*|qdisc \w+|mtu \d+', x) for x in text.split('\n') if x}


def no_report(sw):
    text = sw.log_text()
    found = REPORT.search(text)
    if found:
        raise Failed('a sanitizer reports:\n' + text[max(0, found.start() - 200):found.start() + 6000])


def end(sw):
    """SIGTERM ends it, with status 0."""
    start = time.monotonic()
    sw.proc.terminate()
    try:
        status = sw.proc.wait(TO_END * SLOW)
    except subprocess.TimeoutExpired:
        raise Failed('SIGTERM has not ended it in %d s: %s' % (TO_END * SLOW, sw.doing()))
    sw.box.processes.remove(sw.proc)
    print('# result: ended within %.1f s' % (time.monotonic() - start))
    no_report(sw)
    equal(status, 0, 'status')


def left_nothing(sw, before):
    equal([x for x in sw.log_text().split('\n') if 'ofxdpd: error' in x], [], 'errors in the log')
    equal(state(sw), before, 'interfaces')
    check(not os.path.exists('%s/%s' % (PIN_ROOT, sw.name)), 'pins are left')
    wait_for(lambda: sw.cgroup.used() < 64 * MB, 10)
    check(sw.cgroup.used() < 64 * MB, 'of its memory %d MB are still in use', sw.cgroup.used() // MB)


def restarts(sw, seed, seconds):
    """kill -9 while all goes on, another daemon takes over, and SIGTERM ends that while all goes on."""
    run = Run(sw, '%s again' % seed, sw.controller, restarts=True)
    run.start()
    try:
        time.sleep(seconds)
        sw.healthy()
        sw.kill9()
        time.sleep(0.5)
        sw.start()
        time.sleep(seconds)
        sw.healthy()
        end(sw)
        time.sleep(0.5)
    finally:
        run.stop.set()
    run.finish()
    surroundings.restore(run)


@contextlib.contextmanager
def telling(sw):
    """What fails shows the end of the log, and leaves the whole."""
    try:
        yield
    except Failed:
        print('# log of the switch, whole in %s:\n#   %s' % (LOG, sw.tail(40).replace('\n', '\n#   ')))
        shutil.copyfile(sw.box.dir + '/ofxdpd.log', LOG)
        raise


def stress(seconds, seed):
    with Stressed(('127.0.0.1', 6654)) as sw, telling(sw):
        before = state(sw)
        sw.start()
        print('# result: %d MB used at the start' % (sw.cgroup.used() // MB))
        sockets, threads = sw.sockets(), sw.threads()
        run = Run(sw, seed, sw.controller)
        try:
            worst = load_it(sw, run, seconds)
        finally:
            run.stop.set()
        used = sw.cgroup.used()
        counts = run.finish()
        print('# ' + ', '.join('%s: %d' % x for x in sorted(counts.items())))
        print('# result: %d messages, %d connections, %d frames, %d changes of links; answers within %.2f s; %d MB used' % (
            sum(n for k, n in counts.items() if k.endswith(': messages')), sum(n for k, n in counts.items() if k.endswith('connections')),
            counts['frames'], counts['changes'], worst, used // MB))
        sw.healthy()
        surroundings.restore(run)
        ask(sw, UNDER_LOAD)  # what was asked before is being done
        calm(sw)
        forwards(sw)
        check(wait_for(lambda: sw.sockets() <= sockets + 2 and sw.threads() <= threads, 10),
              '%d sockets and %d threads; at the start %d and %d', sw.sockets(), sw.threads(), sockets, threads)
        end(sw)
        left_nothing(sw, before)
        sw.start()
        restarts(sw, seed, min(5, seconds / 5))
        left_nothing(sw, before)


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('--seconds', type=int, default=60)
    p.add_argument('--seed', type=int, default=None)
    args = p.parse_args()
    on_signals()
    seed = random.SystemRandom().getrandbits(32) if args.seed is None else args.seed
    print('# result: seed %d' % seed, flush=True)
    name = 'stress, %d s, seed %d' % (args.seconds, seed)
    try:
        stress(args.seconds, seed)
    except Skip as e:
        print('ok 1 - %s # SKIP %s' % (name, e))
    except Exception as e:
        if not isinstance(e, Failed):
            traceback.print_exc(file=sys.stdout)
        print('not ok 1 - %s\n# %s' % (name, str(e).replace('\n', '\n# ')))
        sys.exit(1)
    else:
        print('ok 1 - ' + name)
    finally:
        print('1..1')


main()
