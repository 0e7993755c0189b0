# SPDX-License-Identifier: GPL-2.0-only
"""Controllers that were not made for us drive real traffic: os-ken with our learning switch, Open vSwitch's controller."""
import json
import os
import sys

from lib import OFXDPD, PYTHON, SLOW, TOP, Sandbox, check, run_tests, sh, wait_for

PORT = 6653


def start_os_ken(box):
    app = TOP + '/scripts/learning_switch.py'
    box.start(box.sw, PYTHON, '-m', 'os_ken.cmd.manager', '--ofp-listen-host', '127.0.0.1', '--ofp-tcp-listen-port',
              PORT, app, log='controller', env=dict(os.environ, PYTHONDONTWRITEBYTECODE='1'))


def start_ovs(box):
    box.start(box.sw, 'ovs-testcontroller', '--no-chdir', '-O', 'OpenFlow13', '--unixctl=%s/ctl' % box.dir, '-v',
              'ptcp:%d:127.0.0.1' % PORT, log='controller')


def drive(start_controller):
    with Sandbox(3) as box:
        box.start(box.sw, OFXDPD, '-n', box.name, '-i', 's1', '-i', 's2', '-i', 's3', '-c', 'tcp:127.0.0.1',
                  '-l', 'punix:%s/of.sock' % box.dir, '--no-local', log='ofxdpd.log')
        start_controller(box)  # after the switch: the switch tries again

        def flows():
            return sh('ovs-ofctl', '-O', 'OpenFlow13', 'dump-flows', 'unix:%s/of.sock' % box.dir, check=False)
        check(wait_for(lambda: 'CONTROLLER' in flows(), 20, 0.3), 'no table-miss flow\n%s\n%s', box.log('controller'),
              box.log('ofxdpd.log'))
        for a, b in ((1, 2), (2, 3), (3, 1)):
            out = box.run(box.hosts[a], 'ping', '-c', '3', '-i', '0.1', '-W', 2 * SLOW, box.ip(b), check=False)
            check('3 received' in out, 'host %d to %d: %s\n%s', a, b, out, box.log('ofxdpd.log'))
        server = box.start(box.hosts[2], 'iperf3', '-s', '-1', log='iperf3')
        wait_for(lambda: ':5201' in box.run(box.hosts[2], 'ss', '-Htln'), 5)
        out = box.run(box.hosts[1], 'iperf3', '-J', '-c', box.ip(2), '-t', '2', timeout=60 * SLOW)
        sent = json.loads(out)['end']['sum_received']
        check(sent['bits_per_second'] > 100e6 / SLOW, 'TCP: %r', sent)
        print('# TCP: %.0f Mb/s' % (sent['bits_per_second'] / 1e6))
        server.wait(60 * SLOW)
        n = [int(x.split('n_packets=')[1].split(',')[0]) for x in flows().split('\n') if 'n_packets' in x and 'CONTROLLER' not in x]
        check(sum(n) > 1000, 'packets through installed flows: %r', n)


def test_os_ken_learning_switch():
    drive(start_os_ken)


def test_ovs_testcontroller():
    drive(start_ovs)


if __name__ == '__main__':
    run_tests(sys.modules[__name__])
