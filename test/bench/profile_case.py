# SPDX-License-Identifier: GPL-2.0-only
"""Where the time of a case goes: each program by the kernel's own counters, and, where perf is installed, by symbol."""
import json
import re
import shutil
import subprocess
import time

from forward import OFXDPCTL, PIN_ROOT, sh

SYSCTL = '/proc/sys/kernel/bpf_stats_enabled'


def programs():
    """{id: (name, ns, runs)} of all programs there are."""
    return {p['id']: (p.get('name', ''), p.get('run_time_ns', 0), p.get('run_cnt', 0)) for p in json.loads(sh('bpftool', '-j', 'prog', 'show'))}


def stats(bench):
    """ns a run of each program that ran, while bpf_stats is on: that costs some 20 ns a run itself, here and there."""
    with open(SYSCTL) as f:
        was = f.read()
    with open(SYSCTL, 'w') as f:
        f.write('1')
    try:
        before = programs()
        total = bench.sample(bench.ours, 1 << 18)
        after = programs()
    finally:
        with open(SYSCTL, 'w') as f:
            f.write(was)
    own = json.loads(sh('bpftool', '-j', 'prog', 'show', 'pinned', '%s/%s/port' % (PIN_ROOT, bench.box.name)))['id']
    print('  %-24s %8.1f ns a frame with bpf_stats on' % ('all', total))
    for i, (name, ns, runs) in sorted(after.items()):
        ns, runs = (x - y for x, y in zip((ns, runs), before.get(i, ('', 0, 0))[1:]))
        if runs >= 1 << 16 and (name != 'ofx_port' or i == own):
            print('  %-24s %8.1f ns' % (name, ns / runs))


def by_symbol(bench, cpu, lines=25):
    """Samples of a clock: the whole core, softirq included."""
    if not shutil.which('perf'):
        print('  (perf is not installed: no symbols)')
        return
    data = bench.box.dir + '/perf.data'
    perf = subprocess.Popen(['perf', 'record', '-q', '-e', 'cpu-clock', '-F', '9999', '-C', str(cpu), '-o', data, 'sleep', '3'],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    bench.box.processes.append(perf)
    time.sleep(0.3)
    end = time.monotonic() + 2.2
    while time.monotonic() < end:
        bench.sample(bench.ours, 1 << 17)
    perf.wait()
    bench.box.processes.remove(perf)
    out = sh('perf', 'report', '-i', data, '--comms', 'benchgen,ksoftirqd/%d' % cpu, '--percentage', 'relative', '--sort', 'symbol', '--stdio', '-q', check=False)
    for line in [x for x in out.split('\n') if re.match(r'\s+\d', x)][:lines]:
        print('  ' + re.sub(r'[ -]+$', '', line.strip()))


def show(bench, cpu):
    rounds = bench.rounds(3)
    ours, bare = (sorted(x[i] for x in rounds)[1] for i in (0, 1))
    print('  %-24s %8.1f ns a frame, bare redirect %.1f: ratio %.3f' % ('ofxdp', ours, bare, bare / ours))
    stats(bench)
    by_symbol(bench, cpu)
    print(bench.box.run(bench.box.sw, OFXDPCTL, bench.box.name, 'tables',
                        check=False).rstrip())
