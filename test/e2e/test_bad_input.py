# SPDX-License-Identifier: GPL-2.0-only
"""Wrong options, missing rights, garbage on the wire: one clear sentence or the specified error, nothing left behind."""
import os
import random
import struct
import subprocess
import sys
import time

from lib import OFXDPCTL, OFXDPD, PIN_ROOT, SLOW, Client, Failed, Switch, check, equal, run_tests, sh, wait_for


def links(sw):
    """`ip` stumbles over namespaces of others that go meanwhile."""
    return [x for x in sh('ip', '-n', sw.sw, 'link').split('\n') if not x.startswith('Error: ')]


def refused(sw, *argv, words=(), prefix=(), program=OFXDPD):
    """Ends with a status other than 0 and one sentence that holds these words."""
    before = links(sw)
    p = subprocess.run(sw.box.into(sw.sw) + list(prefix) + [program] + [str(a) for a in argv], stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20 * SLOW)
    text = p.stdout.strip()
    check(p.returncode not in (0, None) and p.returncode > 0, '%r: status %d: %s', argv, p.returncode, text)
    check(0 < len(text.split('\n')) <= 2, '%r: not one sentence: %s', argv, text)
    for w in words:
        check(w in text, '%r: %r is not in: %s', argv, w, text)
    equal(links(sw), before, 'interfaces after %r' % (argv,))
    name = argv[1] if argv[0] == '-n' else 'ofxdp0'
    check(name == sw.name or not os.path.exists(PIN_ROOT + '/' + name), '%r left pins', argv)


def test_wrong_options(sw):
    for argv in (['--nonsense'], ['-n', 'a-name-that-is-far-too-long'], ['-n', 'a/b'], ['--dpid', 'xyz'], ['-i', 's9=0'],
                 ['-i', 's9=5000'], ['-c', 'nonsense'], ['-c', 'tcp:127.0.0.1:99999'], ['-l', 'ptcp:x'], ['-i'],
                 ['-i', 's9', '-i', 's9'], ['--max-flows', '0'], ['--max-probes', '-1'], ['--max-probes', '99999'], ['--max-unsent', '31'], ['--max-unsent', 'x'], ['stray'], ['--max-flows', '99999999999999999999']):
        refused(sw, *argv)
    refused(sw, 'nonsense', program=OFXDPCTL)
    refused(sw, 'no-such', 'drops', program=OFXDPCTL, words=['no-such'])


def test_not_root(sw):
    refused(sw, '-n', 'nr', '-i', 's1', words=['root'], prefix=['setpriv', '--reuid=65534', '--clear-groups', '--inh-caps=-all'])


def test_missing_capabilities(sw):
    """All that are needed and missing are named at once; more than that is not asked for."""
    def only(*caps):
        return ['setpriv', '--bounding-set=' + ','.join(['-all'] + ['+' + c for c in caps]), '--inh-caps=-all', 'prlimit',
                '--memlock=8388608:8388608']
    refused(sw, '-n', 'mc', '-i', 's1', prefix=only('chown'),
            words=['CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, CAP_NET_RAW and CAP_IPC_LOCK are missing'])
    refused(sw, '-n', 'mc', '-i', 's1', prefix=only('sys_admin'), words=['CAP_NET_ADMIN, CAP_NET_RAW and CAP_IPC_LOCK are missing'])
    refused(sw, '-n', 'mc', '-i', 's1', prefix=only('bpf', 'net_admin', 'net_raw', 'perfmon'),
            words=['CAP_IPC_LOCK is missing', '33792 kB of locked memory'])
    refused(sw, '-n', 'mc', '--cleanup', prefix=only('chown'), words=['CAP_BPF and CAP_NET_ADMIN are missing'])
    with Switch(2, start=False) as s:
        into = s.box.into
        s.box.into = lambda ns: into(ns) + only('bpf', 'net_admin', 'net_raw', 'perfmon', 'ipc_lock')
        s.start()
        s.kill9()
        s.start()
        equal(s.term(), 0, 'status of a switch that has just what it needs')


def test_interface_with_an_address(sw):
    sh('ip', '-n', sw.sw, 'link', 'add', 'x9', 'type', 'veth', 'peer', 'name', 'y9')
    sh('ip', '-n', sw.sw, 'addr', 'add', '10.77.0.1/24', 'dev', 'x9')
    try:
        refused(sw, '-n', 'ia', '-i', 'x9', '--no-local', words=['x9', '--force'])
    finally:
        sh('ip', '-n', sw.sw, 'link', 'del', 'x9')


def test_bridge_with_an_address_above_it(sw):
    """The address is not the interface's own, but would be cut off just the same."""
    for argv in (['link', 'add', 'x9', 'type', 'veth', 'peer', 'name', 'y9'], ['link', 'add', 'br9', 'type', 'bridge'],
                 ['link', 'set', 'x9', 'master', 'br9'], ['addr', 'add', '10.77.0.1/24', 'dev', 'br9']):
        sh('ip', '-n', sw.sw, *argv)
    try:
        refused(sw, '-n', 'ia', '-i', 'x9', '--no-local', words=['x9', 'br9', '--force'])
    finally:
        sh('ip', '-n', sw.sw, 'link', 'del', 'x9')
        sh('ip', '-n', sw.sw, 'link', 'del', 'br9')


def test_interface_given_by_two_names(sw):
    sh('ip', '-n', sw.sw, 'link', 'add', 'x9', 'type', 'veth', 'peer', 'name', 'y9')
    sh('ip', '-n', sw.sw, 'link', 'property', 'add', 'dev', 'x9', 'altname', 'x9-again')
    try:
        refused(sw, '-n', 'ia', '-i', 'x9', '-i', 'x9-again', '--no-local', words=['x9 is given twice'])
    finally:
        sh('ip', '-n', sw.sw, 'link', 'del', 'x9')


def test_somebody_elses_interface_with_one_of_our_names(sw):
    """It is named, and left alone."""
    for name, other in (('ours-c0', 'theirs'), ('ours-p', 'theirs'), ('ours', 'theirs')):
        sh('ip', '-n', sw.sw, 'link', 'add', name, 'type', 'veth', 'peer', 'name', other)
        try:
            refused(sw, '-n', 'ours', words=[name])
        finally:
            sh('ip', '-n', sw.sw, 'link', 'del', name)


def test_too_little_of_what_a_process_may_have(sw):
    poor = ['setpriv', '--bounding-set=-ipc_lock,-sys_resource', '--inh-caps=-ipc_lock,-sys_resource', 'prlimit']
    refused(sw, '-n', 'lm', '--no-local', words=['locked memory'], prefix=poor + ['--memlock=0:0'])
    for n in (20, 60):
        refused(sw, '-n', 'lm', '--no-local', words=['Too many open files'], prefix=['prlimit', '--nofile=%d:%d' % (n, n)])


def test_pin_root_that_is_none(sw):
    root = sw.box.dir + '/pins'
    refused(sw, '-n', 'pr', '--no-local', '--pin-root', root, words=[root])
    check(not os.path.exists(root), 'the folder is left')


def test_interface_of_another_program(sw):
    """s1 is a port of the switch that runs."""
    refused(sw, '-n', 'other', '-i', 's1', '--no-local', words=['s1'])


def test_second_daemon_of_the_name(sw):
    refused(sw, '-n', sw.name, '--no-local', words=[sw.name])
    refused(sw, '-n', sw.name, '--cleanup', words=[sw.name])
    sw.of('show')


def test_listener_that_cannot_be(sw):
    refused(sw, '-n', 'li', '--no-local', '-l', 'punix:/nonexistent/of.sock', words=['/nonexistent/of.sock'])


def frame(kind, body=b'', version=4, xid=7, length=None):
    return struct.pack('>BBHI', version, kind, 8 + len(body) if length is None else length, xid) + body


def test_wrong_version(sw):
    c = Client(sw.sock, hello=False)
    c.recv()
    c.sock.sendall(frame(0, version=1))
    m = c.recv()
    equal((m[0], m[2][:4]), (c.ERROR, bytes(4)), 'OFPHFC_INCOMPATIBLE')
    c.sock.close()
    with Client(sw.sock) as c:
        c.sock.sendall(frame(2, version=6))
        m = c.recv()
        equal((m[0], m[2][:4]), (c.ERROR, bytes([0, 1, 0, 0])), 'OFPBRC_BAD_VERSION')


def test_lengths(sw):
    with Client(sw.sock) as c:
        c.sock.sendall(frame(5, b'\0' * 8))  # FEATURES_REQUEST has no body
        m = c.answer(7)
        equal((m[0], m[2][:4]), (c.ERROR, bytes([0, 1, 0, 6])), 'OFPBRC_BAD_LEN')
        c.sock.sendall(frame(c.FLOW_MOD, b'\0' * 10, xid=8))
        equal(c.answer(8)[0], c.ERROR, 'type of the answer')
        c.sock.sendall(frame(18, b'\0\x01', xid=9))
        equal(c.answer(9)[0], c.ERROR, 'type of the answer')
        c.echo()
        c.sock.sendall(frame(2, length=4))  # no message is that short: the stream is lost
        try:
            while True:
                c.recv()
        except (Failed, OSError):
            pass
    sw.of('show')


def test_message_in_pieces(sw):
    with Client(sw.sock) as c:
        for b in frame(2, b'slow'):
            c.sock.sendall(bytes([b]))
            time.sleep(0.002)
        equal(c.answer(7)[2], b'slow', 'echo')


def test_garbage(sw):
    """Random bytes, and valid messages with bytes changed: the switch lives, and serves the next connection."""
    rng = random.Random(7)
    flow_mod = frame(14, struct.pack('>QQBBHHHIIIH2x', 0, 0, 0, 0, 0, 0, 1, 0xffffffff, 0xffffffff, 0xffffffff, 0)
                     + struct.pack('>HHHBBI', 1, 12, 0x8000, 0, 4, 1) + b'\0' * 4
                     + struct.pack('>HH4xHHIH6x', 4, 24, 0, 16, 2, 0))
    for round_ in range(150):
        try:
            c = Client(sw.sock, timeout=1, hello=round_ % 10 != 0)
            if round_ % 3 == 0:
                c.sock.sendall(rng.randbytes(rng.randrange(1, 3000)))
            else:
                for _ in range(20):
                    m = bytearray(flow_mod if rng.random() < 0.7 else frame(rng.randrange(30), rng.randbytes(rng.randrange(64))))
                    for _ in range(rng.randrange(4)):
                        m[rng.randrange(4, len(m))] = rng.randrange(256)
                    c.sock.sendall(m)
            c.sock.close()
        except (Failed, OSError):
            pass
        check(sw.proc.poll() is None, 'the daemon died')
    sw.of('del-flows')
    sw.of('show')


def test_many_connections(sw):
    fds = len(os.listdir('/proc/%d/fd' % sw.proc.pid))
    clients = [Client(sw.sock) for _ in range(100)]
    for c in clients:
        c.echo()
    for c in clients:
        c.sock.close()
    check(wait_for(lambda: len(os.listdir('/proc/%d/fd' % sw.proc.pid)) <= fds, 5), 'descriptors are not given back')



def test_a_slave_is_told_so_before_anything_else(sw):
    with Client(sw.sock) as c:
        c.answer(c.send(24, struct.pack('>I4xQ', 3, 1)))
        no_port = struct.pack('>IIH6x', 0xffffffff, 0xfffffffb, 0)
        for kind, body in ((c.PACKET_OUT, no_port), (c.PACKET_OUT, b''), (c.FLOW_MOD, b'\xff' * 48), (15, b'x'), (16, b''),
                           (17, b'xyz'), (29, b'\0' * 9), (18, struct.pack('>HH4x', 12, 0) + b'?')):
            got, _, error = c.ask(kind, body)
            equal((got, struct.unpack('>HH', error[:4])), (c.ERROR, (1, 10)), 'answer to type %d, %d bytes' % (kind, len(body)))
        c.echo()


if __name__ == '__main__':
    run_tests(sys.modules[__name__], Switch)
