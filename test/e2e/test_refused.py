# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel refuses that the switch can do without is left out, and said once: with what is lost by it."""
import contextlib
import os
import platform
import sys

from lib import PIN_ROOT, PYTHON, TOP, Skip, Switch, check, equal, run_tests, sh, udp, wait_for

U = udp(1, 2)
BPF = {'PROG_ATTACH': 8, 'TEST_RUN': 10, 'PROG_GET_NEXT_ID': 11, 'MAP_GET_NEXT_ID': 12,
       'PROG_GET_FD_BY_ID': 13, 'MAP_GET_FD_BY_ID': 14, 'PROG_QUERY': 16, 'RAW_TRACEPOINT_OPEN': 17, 'BTF_GET_FD_BY_ID': 19,
       'BTF_GET_NEXT_ID': 23, 'MAP_UPDATE_BATCH': 26, 'LINK_CREATE': 28,
       'LINK_GET_FD_BY_ID': 30, 'LINK_GET_NEXT_ID': 31, 'ENABLE_STATS': 32, 'ITER_CREATE': 33, 'PROG_BIND_MAP': 35}
SIOCETHTOOL, AF_XDP = 0x8946, 44


class Refused(Switch):
    """Its kernel refuses these calls (refuse.py)."""

    def __init__(self, error, *calls, **kw):
        self.refusal = [PYTHON, '-B', TOP + '/test/e2e/refuse.py', error, *calls, '--']
        super().__init__(2, start=False, **kw)

    def argv(self, *extra):
        return self.refusal + super().argv(*extra)

    def warnings(self):
        return [x for x in self.box.log('ofxdpd.log').split('\n') if 'warning: ' in x or 'error: ' in x]


def command(name):
    return 'bpf:0:%d' % BPF[name]


def works(s):
    """It forwards, and leaves the machine as it was."""
    before = sh('ip', '-n', s.sw, '-br', 'link')
    s.start()
    s.add('in_port=1,actions=output:2')
    s.forward([(1, U)], {2: [U]})
    warnings = s.warnings()
    equal(s.term(), 0, 'status')
    equal(sh('ip', '-n', s.sw, '-br', 'link'), before, 'interfaces')
    check(not os.path.exists('%s/%s' % (PIN_ROOT, s.name)), 'the pin folder is there still')
    return warnings


def test_nothing_is_lost(_):
    for name in ('PROG_ATTACH', 'PROG_GET_NEXT_ID', 'MAP_GET_NEXT_ID', 'PROG_GET_FD_BY_ID', 'MAP_GET_FD_BY_ID',
                 'PROG_QUERY', 'BTF_GET_FD_BY_ID', 'BTF_GET_NEXT_ID', 'MAP_UPDATE_BATCH',
                 'LINK_GET_FD_BY_ID', 'LINK_GET_NEXT_ID', 'ENABLE_STATS', 'ITER_CREATE'):
        with Refused('EPERM', command(name), local=True) as s:
            print('# ' + name)
            equal(works(s), [], 'warnings without ' + name)


def test_what_drivers_take(_):
    """The kernel is asked another way then: frames to a veth whose peer has no GRO go by the relay."""
    if tuple(int(x) for x in platform.release().split('.')[:2]) < (6, 3):
        raise Skip('before Linux 6.3 there is no other way')
    with Refused('EPERM', command('TEST_RUN')) as s:
        s.box.run(s.box.hosts[2], 'ethtool', '-K', 'eth0', 'gro', 'off')
        s.start()
        check(s.name + '-g' in sh('ip', '-n', s.sw, 'link'), 'there is no relay')
        s.add('in_port=1,actions=output:2')
        s.forward([(1, U)], {2: [U]})


def test_limits_that_cannot_be_read(_):
    with Refused('EPERM', 'prlimit64') as s:
        equal(works(s), [], 'warnings')


def one(warnings, *words):
    equal(len(warnings), 1, 'warnings %r' % warnings)
    for w in words:
        check(w in warnings[0], 'it does not name %s: %s', w, warnings[0])


def test_tracing(_):
    with Refused('EPERM', command('LINK_CREATE'), command('RAW_TRACEPOINT_OPEN')) as s:
        one(works(s), 'ofx_redirect_err', 'ofx_devmap_xmit', 'ofx_exception', 'tx_drop', 'tx_dropped')


def test_whose_programs(_):
    with Refused('EPERM', command('PROG_BIND_MAP')) as s:
        one(works(s), 'whose a BPF program is', 'should the pins vanish')


def test_ethtool(_):
    """LOCAL needs its GRO."""
    for local in (False, True):
        with Refused('EPERM', 'ioctl:1:%d' % SIOCETHTOOL, local=local) as s:
            warnings = works(s)
            check('offloads' in warnings[0] and 'LOCAL' in warnings[0], 'warnings %r', warnings)
            check(len(warnings) <= (3 if local else 1), 'warnings %r', warnings)  # LOCAL's, and its relay's where there is one


def test_af_xdp(_):
    """Without which there are no packet-ins: no switch."""
    with Refused('EAFNOSUPPORT', 'socket:0:%d' % AF_XDP) as s:
        out = s.box.run(s.sw, *s.argv(), check=False)
        check('no AF_XDP sockets: one with CONFIG_XDP_SOCKETS is needed' in out, 'it says: %s', out)
        check('xdp' not in sh('ip', '-n', s.sw, 'link'), 'an interface was changed')


def test_read_only_sysctl(_):
    """As containers have it: the switch's own interfaces are without IPv6 all the same."""
    with Switch(2, start=False, local=True) as s:
        s.box.run(s.sw, 'sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=0', 'net.ipv6.conf.default.disable_ipv6=0')
        read_only = ['unshare', '-m', 'sh', '-c', 'mount -o bind,ro /proc/sys /proc/sys && exec "$@"', 'sh']
        argv = s.argv
        s.argv = lambda *extra: read_only + argv(*extra)
        s.start()
        check(wait_for(lambda: 'fe80:' in sh('ip', '-n', s.sw, '-6', 'addr', 'show', 's1'), 4), 's1 has no IPv6 address')
        addresses = sh('ip', '-n', s.sw, '-br', '-6', 'addr')
        check(s.name not in addresses, 'addresses of the switch\'s own: %s', addresses)
        equal(s.drops()['bad_inject'], 0, 'frames of the host on the switch\'s own interfaces')


if __name__ == '__main__':
    run_tests(sys.modules[__name__], contextlib.nullcontext)
