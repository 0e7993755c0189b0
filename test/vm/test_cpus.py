# SPDX-License-Identifier: GPL-2.0-only
"""CPUs that come and go, on a machine that may have many more than it has.

Run by scripts/check-vm in a VM of four virtual CPUs with room for 128, started with two of them online.  What a CPU receives,
the switch works on there: the tests send from the CPU they mean.
"""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
from lib import OFXDPCTL, SLOW, Skip, Switch, check, equal, run_tests, udp, wait_for  # noqa: E402

CPU = '/sys/devices/system/cpu/'
MOST = 160 << 20  # bytes for a switch at its start: 117 MB here; 1.3 GB when each possible CPU had its part


def read(path):
    with open(path) as f:
        return f.read().strip()


def online(cpu, is_online=True):
    with open(CPU + 'cpu%d/online' % cpu, 'w') as f:
        f.write('%d' % is_online)
    equal(read(CPU + 'cpu%d/online' % cpu), '%d' % is_online, 'CPU %d online' % cpu)


def available():
    with open('/proc/meminfo') as f:
        return [int(x.split()[1]) << 10 for x in f if x.startswith('MemAvailable')][0]


def cpus(sw):
    """CPUs with a state of their own."""
    return [x['cpu'] for x in sw.ctl('cache') if x['cpu'] not in ('all', 'others')]


def packets_of(sw, cpu):
    """Packets that a CPU's cache was asked for."""
    return sum(x['hits'] + x['misses'] + x['bypassed'] for x in sw.ctl('cache') if x['cpu'] == str(cpu))


def forward_on(sw, cpu, n=20):
    """Frames received on this CPU come out whole, once, and are counted."""
    before, rx = sum(sw.packets()) if sw.proc else 0, port_rx(sw)
    os.sched_setaffinity(0, [cpu])
    try:
        frames = [udp(1, 2, sport=1000 + i) for i in range(n)]
        sw.forward([(1, f) for f in frames], {2: frames, 3: frames})
    finally:
        os.sched_setaffinity(0, range(4))
    if sw.proc:
        equal(sum(sw.packets()) - before, n, 'packets of the flow entry')
    equal(port_rx(sw) - rx, n, 'packets of the port')


def port_rx(sw):
    return [x['rx_packets'] for x in sw.ctl('ports') if x['port'] == '1'][0]


def setup():
    check(os.environ.get('VMRUN'), 'this takes CPUs away: in a VM only')
    return Rig()


class Rig:
    def __enter__(self):
        if read(CPU + 'online') != '0-1' or read(CPU + 'present') != '0-3':
            raise Skip('four CPUs, two of them online')
        before = available()
        self.sw = Switch(3)
        self.sw.memory = before - available()
        return self.sw.__enter__()

    def __exit__(self, *args):
        return self.sw.__exit__(*args)


def test_memory(sw):
    """What is made is for the CPUs that are there."""
    print('# result: possible CPUs %s, online %s: %d MB' % (read(CPU + 'possible'), read(CPU + 'online'), sw.memory >> 20))
    equal(cpus(sw), ['0', '1'], 'CPUs with their own')
    check(sw.memory < MOST, 'the switch took %d MB', sw.memory >> 20)
    if read(CPU + 'possible') != '0-127':
        raise Skip('this kernel sees no room for CPUs that are not there')


def test_comes(sw):
    """A CPU works from its first packet on, by itself a moment later."""
    sw.flows('actions=output:2,output:3')
    forward_on(sw, 1)
    online(2)
    forward_on(sw, 2)
    check(wait_for(lambda: cpus(sw) == ['0', '1', '2'], 20), 'CPU 2 was not found: %r', cpus(sw))
    before = packets_of(sw, 2)
    forward_on(sw, 2)
    equal(packets_of(sw, 2) - before, 20, 'packets on CPU 2 by itself')


def test_goes(sw):
    """What it has counted stays; it may come back."""
    before = port_rx(sw)
    online(2, False)
    equal(port_rx(sw), before, 'packets of the port')
    forward_on(sw, 1)
    time.sleep(2)
    online(2)
    forward_on(sw, 2)
    equal(cpus(sw), ['0', '1', '2'], 'CPUs with their own')


def test_comes_without_daemon(sw):
    """A CPU that no daemon finds: it forwards and counts, and so it does beside the next daemon."""
    sw.kill9()
    sw.proc = None
    online(3)
    time.sleep(2)
    forward_on(sw, 3)
    equal(cpus(sw), ['0', '1', '2'], 'CPUs with their own')
    sw.start()
    sw.flows('actions=output:2,output:3')
    equal(cpus(sw), ['0', '1', '2', '3'], 'CPUs with their own')
    forward_on(sw, 3)


run_tests(sys.modules[__name__], setup)
