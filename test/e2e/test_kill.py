# SPDX-License-Identifier: GPL-2.0-only
"""kill -9 of the daemon under numbered packets at 100 000 a second: not one is missing at the sinks."""
import sys
import time

from lib import SLOW, Sink, Skip, Source, Switch, check, equal, pace, run_tests, template

RATE, SECONDS = 110000, 3
VLAN5 = 'push_vlan:0x8100,set_field:4101->vlan_vid'


def alive(sw):
    if sw.proc.poll() is not None:  # the case before failed
        sw.start()


def run(sw, flow, want):
    """want: {host: (untagged, tagged) copies of each packet}"""
    alive(sw)
    sw.flows(flow)
    sinks = {i: Sink(sw.box, i) for i in want}
    source = Source(sw.box, 1, template(1, 2), '-r', pace(RATE), '-d', SECONDS)
    time.sleep(SECONDS / 3)
    sw.kill9()
    sent = source.wait()
    time.sleep(0.2 * SLOW)
    seen = {i: s.stop() for i, s in sinks.items()}
    print('# %d packets, %.0f a second; %r' % (sent['sent'], sent['pps'], seen))
    for i, (untagged, tagged) in want.items():
        equal(seen[i]['unique'], sent['sent'], 'host %d: packets that came; drops %r' % (i, sw.some_drops()))
        equal(seen[i]['tags'][:2], [untagged * sent['sent'], tagged * sent['sent']], 'host %d: copies without and with a tag' % i)
    sw.start()
    if SLOW == 1 and sent['pps'] < 100000:
        raise Skip('all held, but this machine made only %.0f packets a second' % sent['pps'])


def test_unicast(sw):
    run(sw, 'in_port=1,actions=output:2', {2: (1, 0)})


def test_flood(sw):
    run(sw, 'in_port=1,actions=flood', {2: (1, 0), 3: (1, 0)})


def test_flood_with_vlan_handling_per_port(sw):
    run(sw, 'in_port=1,actions=output:2,%s,output:3,pop_vlan,output:2' % VLAN5, {2: (2, 0), 3: (0, 1)})


def test_output_and_controller(sw):
    run(sw, 'in_port=1,actions=output:2,CONTROLLER:65535', {2: (1, 0)})
    run(sw, 'in_port=1,actions=CONTROLLER:65535,%s,output:2' % VLAN5, {2: (0, 1)})


def test_restart_under_traffic(sw):
    """Old flows forward until the ports are swapped to the new, empty pipeline; then the new flows do."""
    alive(sw)
    sw.flows('in_port=1,actions=output:2')
    sink = Sink(sw.box, 2)
    source = Source(sw.box, 1, template(1, 2), '-r', pace(20000), '-d', 30 * SLOW)
    sw.kill9()
    sw.start()
    equal(sw.dump(), [], 'flows after a restart')
    check('flow' in sw.tail(40), 'the log does not tell that flows were dropped: %s', sw.tail(40))
    sw.add('in_port=1,actions=output:2')
    time.sleep(0.5)
    sent = source.stop()
    time.sleep(0.2 * SLOW)
    seen = sink.stop()
    print('# %d sent, %d came' % (sent['sent'], seen['unique']))
    check(seen['unique'] > pace(5000) and seen['first_gap'] > 0, 'forwarding before and after the restart: %r', seen)


def test_second_daemon_is_refused(sw):
    alive(sw)
    out = sw.box.run(sw.sw, *[a.replace('of.sock', 'of2.sock') for a in sw.argv()], check=False)
    check(sw.name in out and len(out.strip().split('\n')) <= 2, 'message: %s', out)
    sw.of('show')


if __name__ == '__main__':
    run_tests(sys.modules[__name__], Switch)
