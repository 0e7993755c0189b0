# SPDX-License-Identifier: GPL-2.0-only
"""The control side, measured from a controller's end of one connection; Open vSwitch beside it where it is installed.

    test/bench/control.py [--quick] [--no-ovs] [CASE ...]      prints what the driver of `make bench` takes from CASES

CASES: {name: function(quick) -> [Sample]}.  A Sample is a dict: case, unit, values (one for each repetition), floor
(None for a peer), better ('more' or 'less'), and, where there is one, peer: the median of the same case with Open
vSwitch in this run.  met(sample) says whether the floor is held.  Both switches get the same messages from the same
client over a Unix socket, each with two hosts on veth, and none runs while the other is measured.
"""
import argparse
import ipaddress
import json
import os
import re
import shutil
import statistics
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
from lib import BUILD, PIN_ROOT, Failed, Sandbox, Sink, Switch, check, on_signals, sh, udp, wait_for  # noqa: E402
import turn  # noqa: E402

OFCLIENT = BUILD + '/ofclient'
N = 100_000
MILLION = 1_000_000
QUARTER = 250_000  # instead of a million in a quick run, and said so beside the unit
PEER = 'ovs'
PEER_FACTOR = 3
FLOORS = {  # the figure, and whether more or less of it is better
    'flowmod-l2': (500_000, 'more'), 'flowmod-5t': (500_000, 'more'), 'flowmod-lpm': (500_000, 'more'),
    'mem-per-flow-1m': (400, 'less'), 'newmask-latency': (1000, 'less'),
    'packet-in': (400_000, 'more'), 'packet-out': (350_000, 'more'),
    'reactive-p50': (60, 'less'), 'reactive-p99': (500, 'less'), 'dump-100k': (70, 'less'), 'longest-turn': (10, 'less'),
}
UNITS = {'mem-per-flow-1m': 'bytes/flow', 'newmask-latency': 'us', 'packet-in': '1/s', 'packet-out': '1/s', 'reactive-p50': 'us',
         'reactive-p99': 'us', 'dump-100k': 'ms'}
with_ovs = shutil.which('ovs-vswitchd', path=os.environ['PATH']) is not None


def met(sample):
    """Is the floor held: the figure itself, or three times as good as Open vSwitch in the same run?  None: no floor."""
    if sample['floor'] is None:
        return None
    got, floor, peer = statistics.median(sample['values']), sample['floor'], sample.get('peer')
    if sample['better'] == 'more':
        return got >= floor or (peer is not None and got >= PEER_FACTOR * peer)
    return got <= floor or (peer is not None and got * PEER_FACTOR <= peer)


# --- the two switches ---

class Bench:
    """A switch with two hosts: `socket` to talk to, `box`; client() runs ofclient on it."""

    def client(self, *args, timeout=300, **kwargs):
        out = sh(OFCLIENT, self.socket, *args, timeout=timeout, **kwargs)
        return json.loads(out.strip().split('\n')[-1])

    def clear(self):
        self.client('clear')
        time.sleep(0.3)  # what was deleted is given back after a grace period

    def load(self, shape, n):
        r = self.client('load', shape, n)
        check(not r['errors'], '%d of %d flow-mods refused, the first with %r', r['errors'], n, r['error'])
        return r

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Ours(Bench):
    name = 'ofxdp'

    def __init__(self, *args):
        self.switch = Switch(2, args)
        self.box, self.socket, self.pid = self.switch.box, self.switch.sock, self.switch.proc.pid

    def close(self):
        self.switch.__exit__()


class Ovs(Bench):
    """ovs-vswitchd with a database of its own; the datapath in userspace, as it runs with AF_XDP."""
    name = PEER

    def __init__(self):
        self.box = Sandbox(2, prefix='ofo', silent=True)
        try:
            self.start(self.box)
        except BaseException:
            self.box.close()
            raise

    def start(self, box):
        d, env = box.dir, dict(os.environ, **{'OVS_' + x: box.dir for x in ('RUNDIR', 'LOGDIR', 'DBDIR', 'SYSCONFDIR')})
        db, self.socket = 'unix:%s/db.sock' % d, d + '/br.of'
        sh('ovsdb-tool', 'create', d + '/conf.db', '/usr/share/openvswitch/vswitch.ovsschema', env=env)
        box.start(box.sw, 'ovsdb-server', d + '/conf.db', '--remote=p' + db, '--unixctl=%s/db.ctl' % d, log='db.log', env=env)
        self.appears(d + '/db.sock')
        sh('ovs-vsctl', '--db=' + db, '--no-wait', 'init', env=env)
        self.pid = box.start(box.sw, 'ovs-vswitchd', db, '--unixctl=%s/vs.ctl' % d, log='vs.log', env=env).pid
        args = ['add-br', 'br', '--', 'set', 'bridge', 'br', 'datapath_type=netdev', 'fail_mode=secure', 'protocols=OpenFlow13']
        for i in (1, 2):
            args += ['--', 'add-port', 'br', 's%d' % i, '--', 'set', 'interface', 's%d' % i, 'ofport_request=%d' % i]
        # Packet-ins without the rate limit, which is there to protect the controller.
        args += ['--', 'set-controller', 'br', 'punix:' + self.socket, '--', 'set', 'controller', 'br', 'type=primary',
                 'inactivity_probe=0', 'controller_rate_limit=10000000', 'controller_burst_limit=10000000']
        sh('ovs-vsctl', '--db=' + db, '--timeout=20', *args, env=env)
        self.appears(self.socket)

    @staticmethod
    def appears(path):
        check(wait_for(lambda: os.path.exists(path), 15), '%s did not appear', path)

    def close(self):
        self.box.close()


def on_each(case, quick, measure, *ours_args):
    """[ours, the peer's]: measure(switch, quick) -> values, or {case: values} if several come of one run."""
    cases = case if isinstance(case, tuple) else (case,)
    values = {}
    for make in [Ours] + [Ovs] * with_ovs:
        with make(*(ours_args if make is Ours else ())) as switch:
            got = measure(switch, quick)
        values[make.name] = got if isinstance(got, dict) else {cases[0]: got}
    samples = []
    for c in cases:
        floor, better = FLOORS[c]
        own = {'case': c, 'unit': UNITS.get(c, 'flow-mods/s'), 'values': values['ofxdp'][c], 'floor': floor, 'better': better}
        samples.append(own)
        if values.get(PEER, {}).get(c):
            own['peer'] = statistics.median(values[PEER][c])
            samples.append(dict(own, case=PEER + '.' + c, values=values[PEER][c], floor=None))
            del samples[-1]['peer']
    return samples


# --- cases ---

def flowmod(shape):
    def measure(switch, quick):
        rates = []
        for _ in range(3 if quick else 7):
            switch.clear()
            r = switch.load(shape, N)
            rates.append(r['flows'] / r['seconds'])
        return rates
    return lambda quick: on_each('flowmod-' + shape, quick, measure)


def dump(quick):
    def measure(switch, quick):
        switch.load('5t', N)
        times = []
        for _ in range(3 if quick else 9):
            r = switch.client('dump')
            check(r['flows'] == N, '%s: %d of %d flows in the dump', switch.name, r['flows'], N)
            times.append(r['seconds'] * 1e3)
        return times
    return on_each('dump-100k', quick, measure)


def newmask(quick):
    """Beside 1 000 flows: medians of adding an entry with a mask of its own and of deleting it; the worse of the two."""
    def measure(switch, quick):
        switch.load('l2', 1000)
        worst = []
        for _ in range(3 if quick else 7):
            r = switch.client('newmask', 100)
            check(not r['errors'], '%s: %d flow-mods refused', switch.name, r['errors'])
            worst.append(max(statistics.median(r['add']), statistics.median(r['delete'])))
        return worst
    return on_each('newmask-latency', quick, measure)


def packet_in(quick):
    """The most that reach the controller, over offered loads up to more than that; one value for each repetition."""
    def measure(switch, quick):
        best = []
        offers = [300_000, 600_000, 900_000] if quick else [150_000, 300_000, 450_000, 600_000, 900_000]
        for _ in range(1 if quick else 5):
            most = 0
            for pps in offers:
                r = switch.client('packet-in', switch.box.hosts[1], pps, 1)
                most = max(most, r['packet_ins'] / r['seconds'])
            best.append(most)
        return best
    return on_each('packet-in', quick, measure)


def packet_out(quick):
    """To the barrier reply; what comes out at the other host is counted there by XDP."""
    def measure(switch, quick):
        rates, n = [], N
        for _ in range(2 if quick else 7):
            sink = Sink(switch.box, 2)
            r = switch.client('packet-out', n)
            wait_for(lambda: False, 0.3)
            seen = sink.stop()['other']
            check(not r['errors'], '%s: %d packet-outs refused', switch.name, r['errors'])
            rates.append(min(n, seen) / r['seconds'])
        return rates
    return on_each('packet-out', quick, measure)


def reactive(quick):
    def measure(switch, quick):
        p50, p99 = [], []
        for _ in range(2 if quick else 5):
            hosts, n = switch.box.hosts, 1000 if quick else 5000
            r = switch.client('reactive', hosts[1], hosts[2], 1000, n)
            check(r['seen'] >= n * 0.99, '%s: only %d of %d packets came out', switch.name, r['seen'], n)
            p50.append(r['p50'])
            p99.append(r['p99'])
        return {'reactive-p50': p50, 'reactive-p99': p99}
    return on_each(('reactive-p50', 'reactive-p99'), quick, measure)


# --- memory ---

def resident(pid):
    """Bytes of the process in memory, without pages of BPF maps it has mapped: those are counted as maps."""
    with open('/proc/%d/status' % pid) as f:
        kb = dict(re.findall(r'^(Rss\w+):\s+(\d+) kB', f.read(), re.M))
    return 1024 * sum(int(kb[x]) for x in ('RssAnon', 'RssFile', 'RssShmem')) - mapped_maps(pid)


def mapped_maps(pid):
    total, in_map = 0, False
    with open('/proc/%d/smaps' % pid) as f:
        for line in f:
            if re.match(r'[0-9a-f]+-[0-9a-f]+ ', line):
                in_map = 'bpf-map' in line
            elif in_map and line.startswith('Rss:'):
                total += 1024 * int(line.split()[1])
    return total


def pinned_maps(folder):
    for path, _, files in os.walk(folder):
        for f in files:
            out = sh('bpftool', '-j', 'map', 'show', 'pinned', path + '/' + f, check=False)
            if out.startswith('{') and 'id' in json.loads(out) and 'bytes_memlock' in json.loads(out):
                yield path + '/' + f, json.loads(out)


def map_memory(name):
    """Bytes of all maps that the switch has pinned, and of the maps in those, by bpftool."""
    ids = {}
    for path, m in pinned_maps('%s/%s' % (PIN_ROOT, name)):
        ids[m['id']] = None
        if m['type'] in ('array_of_maps', 'hash_of_maps'):
            for e in json.loads(sh('bpftool', '-j', 'map', 'dump', 'pinned', path)):
                if isinstance(e.get('value'), list):
                    ids[int.from_bytes(bytes(int(x, 16) for x in e['value']), 'little')] = None
    return sum(int(m['bytes_memlock']) for m in json.loads(sh('bpftool', '-j', 'map', 'show')) if m['id'] in ids)


def used(switch):
    return resident(switch.pid) + (map_memory(switch.switch.name) if switch.name == 'ofxdp' else 0)


def frame_of_5t(i):
    """A packet for entry i of the shape 5t (ofshape.h), and the port it leaves by."""
    source = i * 2654435761 & 0xffffffff
    text = [str(ipaddress.ip_address(x)) for x in (source, 0x0a000000 | i & 0xffff)]
    return udp(1, 2, i & 0x7fff, 4789, b'', sip=text[0], dip=text[1]), 1 + i % 2


def forwards(switch, n):
    """A thousand entries out of n, those that lead from port 1 to port 2: each forwards its packet, and nothing else does."""
    tap = switch.switch.tap(2)
    frames = [f for f, port in (frame_of_5t(i) for i in range(1, n, n // 2000 | 1)) if port == 2]
    strangers = [frame_of_5t(i)[0] for i in range(n + 1, n + 101)]
    got = []
    for at in range(0, len(frames), 50):
        for f in frames[at:at + 50] + strangers[at // 10:at // 10 + 5]:
            switch.switch.tap(1).send(f)
        got += tap.receive(len(frames[at:at + 50]), 2)
    got += tap.receive(1, 0.1)
    check(got == frames, 'of %d packets for %d flows %d came out', len(frames), n, len(got))


def mem_per_flow(quick):
    """Beside a daemon with room for next to nothing, so that what is allocated ahead counts too."""
    n, unit = (QUARTER, 'B/flow, 250 k') if quick else (MILLION, UNITS['mem-per-flow-1m'])
    with Ours('--max-flows', '1024') as switch:
        before = used(switch)
    with Ours('--max-flows', n) as switch:
        switch.load('5t', n)
        wait_for(lambda: False, 0.5)
        after = used(switch)
        forwards(switch, n)
        r = switch.client('dump')
        check(r['flows'] == n, '%d of %d flows in the dump', r['flows'], n)
    floor, better = FLOORS['mem-per-flow-1m']
    ours = {'case': 'mem-per-flow-1m', 'unit': unit, 'values': [(after - before) / n], 'floor': floor, 'better': better}
    samples = [ours]
    if with_ovs and not quick:
        with Ovs() as switch:
            before = used(switch)
            switch.load('5t', n)
            samples.append(dict(ours, case=PEER + '.mem-per-flow-1m', values=[(used(switch) - before) / n], floor=None))
        ours['peer'] = samples[1]['values'][0]
    return samples


def longest_turn(quick):
    """Of the rows of turn.py, which have lines of their own, the longest.  A row's figure is its least of three runs: the
    machine's other work, interrupts charged to whoever they meet, only adds."""
    n, unit = (QUARTER, 'ms, 250 k') if quick else (MILLION, 'ms')
    runs = []
    for _ in range(1 if quick else 3):
        with Ours('--max-flows', 2 * n) as switch:
            runs.append(turn.measure(switch, n))
    floor, better = FLOORS['longest-turn']
    rows = {what: [r[what] for r in runs] for what in runs[0]}
    ours = {'case': 'longest-turn', 'unit': unit, 'values': [max(min(v) for v in rows.values())], 'floor': floor, 'better': better}
    return [ours] + [dict(ours, case='turn.' + what, values=v, floor=None) for what, v in rows.items()]


CASES = {
    'flowmod-l2': flowmod('l2'), 'flowmod-5t': flowmod('5t'), 'flowmod-lpm': flowmod('lpm'), 'mem-per-flow-1m': mem_per_flow,
    'newmask-latency': newmask, 'packet-in': packet_in, 'packet-out': packet_out, 'reactive-p50': reactive, 'dump-100k': dump,
    'longest-turn': longest_turn,
}  # reactive-p99 comes with reactive-p50


def main():
    global with_ovs
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--quick', action='store_true', help='fewer repetitions')
    parser.add_argument('--no-ovs', action='store_true')
    parser.add_argument('cases', nargs='*', metavar='CASE', help=' '.join(CASES))
    args = parser.parse_args()
    on_signals()
    with_ovs = with_ovs and not args.no_ovs
    bad = 0
    for name in dict.fromkeys('reactive-p50' if c == 'reactive-p99' else c for c in args.cases or CASES):
        if name not in CASES:
            parser.error('no case %s' % name)
        for s in CASES[name](args.quick):
            v, ok = s['values'], met(s)
            bad += ok is False
            print('%-22s %12.1f  (%.1f … %.1f) %-12s %s' % (
                s['case'], statistics.median(v), min(v), max(v), s['unit'],
                '' if ok is None else 'floor %s: %s' % (s['floor'], 'met' if ok else 'NOT MET')), flush=True)
    return 1 if bad else 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except Failed as e:
        sys.exit('control.py: %s' % e)
